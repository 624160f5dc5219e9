import type { Buffer } from 'node:buffer';
import { ByteQueue } from '@weft/kernel';
import type { Head } from '../../head.ts';
import type { HeadEdits } from '../../head-edits.ts';
import type { ResponseFacts } from '../../http1/message-facts.ts';
import type { LocalReply } from '../../local-reply.ts';
import type { MessageSink } from '../../message-sink.ts';
import { MethodId } from '../../method.ts';

/** The queue of streams that have held nothing back so far, which are nearly all: it stays empty. */
const nothingHeld = new ByteQueue();

/**
 * Hears one stream: the calls of `MessageSink` in their order, and `onDrained`. After `onTermination` nothing comes;
 * after `onEnd` only `onDrained`, and `onTermination` when the peer gives up what we are still sending.
 */
export interface Http2StreamSink extends MessageSink {
  /** What was waiting has been written: the stream is no longer `blocked`. */
  onDrained(): void;
}

/** What a stream asks of its connection; each takes the stream first. */
export interface Http2StreamOwner {
  sendResponseHead(stream: Http2Stream, head: Head, edits: HeadEdits, facts: ResponseFacts): boolean;
  sendReply(stream: Http2Stream, reply: LocalReply): void;
  sendData(stream: Http2Stream, chunk: Buffer, start: number, end: number): void;
  sendEnd(stream: Http2Stream, trailers: Head | null): void;
  resetStream(stream: Http2Stream, errorCode: number): void;
  grant(stream: Http2Stream, bytes: number): void;
  resetUnread(stream: Http2Stream): void;
  release(stream: Http2Stream): void;
}

/**
 * One stream of a connection (RFC 9113 §5.1):
 *
 *   server:  HEADERS read ->  Open --END_STREAM read--> half-closed (remote) --END_STREAM written--> Closed
 *   client:  HEADERS written ->  Open --END_STREAM written--> half-closed (local) --END_STREAM read--> Closed
 *                                 \------------------ RST_STREAM either way ------------------------> Closed
 *
 * `remoteEnded` and `localEnded` are the two halves. Idle streams have no object and closed ones none in the table.
 * Credit: what is delivered counts against the peer's window until `grant`.
 */
export class Http2Stream {
  readonly id: number;
  readonly connection: Http2StreamOwner;
  sink: Http2StreamSink;
  /** The message read on it. Shared by streams when `sharedHead`; holds until `release`. */
  head: Head | null;
  sharedHead: boolean;
  trailers: Head | null;
  sharedTrailers: boolean;
  remoteEnded: boolean;
  localEnded: boolean;
  closed: boolean;
  /** A final head was read (client) or written (server). */
  headSeen: boolean;
  /** The method of its request, which decides how a response is framed. */
  methodId: number;
  /** Protocol of its extended CONNECT; empty for none. */
  upgrade: string;
  informationalHeads: number;
  /** Body bytes that content-length still promises; -1 when it says nothing (RFC 9113 §8.1.1). */
  expectedBytes: number;
  /** May be negative, when the peer made windows smaller (RFC 9113 §6.9.2). */
  sendWindow: number;
  receiveWindow: number;
  /** What `receiveWindow` is topped up to. */
  windowBytes: number;
  /** Delivered and not granted. */
  heldBytes: number;
  /** Granted and not announced. */
  creditBytes: number;
  /** What waits to be sent; filled by `hold`. */
  queue: ByteQueue;
  /** In the sender's round. */
  queued: boolean;
  /** `sendEnd` was called while data waited. */
  endWaiting: boolean;
  trailerBlock: Buffer | null;
  /** Server: nobody reads the request any more, so the stream is reset once the response is whole. */
  resetAtEnd: boolean;
  /** Its last frame in the output of turn `lastTurn`, where END_STREAM may still be put in. */
  lastFrameAt: number;
  lastTurn: number;
  /** The owner was told `blocked`. */
  drainDue: boolean;
  /** Since when data has waited without real progress; -1 when none waits. */
  stalledSinceMs: number;
  progressBytes: number;
  /** RFC 9218 §4: 0 (first) to 7, and whether pieces are of use. Parsed and shown; turns are taken evenly. */
  urgency: number;
  incremental: boolean;

  constructor(
    connection: Http2StreamOwner,
    id: number,
    sink: Http2StreamSink,
    sendWindow: number,
    receiveWindow: number,
    windowBytes: number,
  ) {
    this.id = id;
    this.connection = connection;
    this.sink = sink;
    this.head = null;
    this.sharedHead = false;
    this.trailers = null;
    this.sharedTrailers = false;
    this.remoteEnded = false;
    this.localEnded = false;
    this.closed = false;
    this.headSeen = false;
    this.methodId = MethodId.Other;
    this.upgrade = '';
    this.informationalHeads = 0;
    this.expectedBytes = -1;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.windowBytes = windowBytes;
    this.heldBytes = 0;
    this.creditBytes = 0;
    this.queue = nothingHeld;
    this.queued = false;
    this.endWaiting = false;
    this.trailerBlock = null;
    this.resetAtEnd = false;
    this.lastFrameAt = -1;
    this.lastTurn = -1;
    this.drainDue = false;
    this.stalledSinceMs = -1;
    this.progressBytes = 0;
    this.urgency = 3;
    this.incremental = false;
  }

  /** Copies chunk[start, end) behind what waits to be sent. */
  hold(chunk: Buffer, start: number, end: number): void {
    if (this.queue === nothingHeld) this.queue = new ByteQueue();
    this.queue.push(chunk, start, end);
  }

  /** Too much waits to be sent: stop until `onDrained`. What is sent nevertheless is kept. */
  get blocked(): boolean {
    return this.drainDue;
  }

  /** Server: writes an interim or the final head. False, with nothing written, when a text could not stand in it. */
  sendHead(head: Head, edits: HeadEdits, facts: ResponseFacts): boolean {
    return this.connection.sendResponseHead(this, head, edits, facts);
  }

  /** Server: a whole response of our own, unless a head was sent; no body for HEAD, 204 and 304. */
  sendReply(reply: LocalReply): void {
    this.connection.sendReply(this, reply);
  }

  /** Writes chunk[start, end) as far as windows and the turn let it; the rest is copied and waits. */
  sendData(chunk: Buffer, start: number, end: number): void {
    this.connection.sendData(this, chunk, start, end);
  }

  /** Our message is whole. `trailers` are written or copied at once. */
  sendEnd(trailers: Head | null): void {
    this.connection.sendEnd(this, trailers);
  }

  /** Gives the stream up with an error code of RFC 9113 §7; its sink hears nothing any more. */
  reset(errorCode: number): void {
    this.connection.resetStream(this, errorCode);
  }

  /** Server: nobody reads the rest of the request. The stream ends, with NO_ERROR, when the response is whole. */
  abandonRequest(): void {
    if (this.closed || this.remoteEnded) return;
    if (this.localEnded) this.connection.resetUnread(this);
    else this.resetAtEnd = true;
  }

  /** `bytes` of what `onData` delivered are done with. More than that is not granted. */
  grant(bytes: number): void {
    this.connection.grant(this, bytes);
  }

  /** The owner has done with the stream, its head and trailers; they may be used again. At most once. */
  release(): void {
    this.connection.release(this);
  }
}

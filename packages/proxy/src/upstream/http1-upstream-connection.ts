import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { ByteWriter } from '@weft/kernel';
import {
  FieldId,
  Framing,
  Http1ResponseReader,
  http1MeshLimits,
  writeChunkEnd,
  writeChunkStart,
  writeLastChunk,
  writeRequestHead,
} from '@weft/http';
import type { Head, HeadEdits, Http1Limits, MessageSink, RequestFacts } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import { BytePipe } from '../transport/byte-pipe.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { describeFirstBytes, looksLikeHttp1 } from './first-bytes.ts';
import type { UpstreamObserver, UpstreamStream } from './upstream-stream.ts';

/** The pool a connection belongs to, as the connection sees it. */
export interface ConnectionOwner {
  /** The event loop has entered the connection. */
  tick(): number;
  later(delayMs: number, callback: () => void): void;
  /** Both messages are whole: the connection may serve another request. */
  release(connection: Http1UpstreamConnection): void;
  /** The connection is gone or going. */
  forget(connection: Http1UpstreamConnection): void;
}

/** HTTP/1.1 has no announcement by default; applications close idle connections after 5 s (Node) or more. */
const UNANNOUNCED_KEEP_ALIVE_MS = 3_000;

/** The rest of a response that nobody wants is read up to this, which is cheaper than another TLS handshake. */
const DISCARD_BYTES = 65_536;

/** A response that nobody hears and that does not end would keep its connection for good. */
const DISCARD_MS = 5_000;

/**
 * An HTTP/1.1 connection to one endpoint: one request at a time, then back to the pool when both messages are whole and
 * neither side said `close`.
 *
 *   idle -- arm --> requesting -- response ends, request whole, persistent --> idle
 *                        \------- anything else --> closed
 */
export class Http1UpstreamConnection implements UpstreamStream, PipeOwner, MessageSink {
  private readonly pool: ConnectionOwner;
  readonly createdMs: number;
  /** How long it may serve; 0 for no limit. */
  readonly lifetimeMs: number;
  requests: number;
  lastUsedMs: number;
  /** How long the peer keeps an idle connection, less a margin; from `Keep-Alive: timeout=`. */
  keepAliveMs: number;
  closed: boolean;
  private readonly pipe: BytePipe;
  private readonly reader: Http1ResponseReader;
  private observer: UpstreamObserver | null;
  private requestWhole: boolean;
  private responseWhole: boolean;
  private persistent: boolean;
  private headSeen: boolean;
  private chunked: boolean;
  private discarding: boolean;
  private discarded: number;
  private readonly meshPeer: boolean;
  /** What the peer said first, when it was no HTTP/1. */
  private firstBytes: string;

  constructor(
    socket: Socket,
    encrypted: boolean,
    pool: ConnectionOwner,
    limits: Http1Limits,
    nowMs: number,
    lifetimeMs: number,
  ) {
    this.pool = pool;
    this.createdMs = nowMs;
    this.lifetimeMs = lifetimeMs;
    this.requests = 0;
    this.lastUsedMs = nowMs;
    this.closed = false;
    this.observer = null;
    this.requestWhole = true;
    this.responseWhole = true;
    this.persistent = true;
    this.headSeen = false;
    this.chunked = false;
    this.discarding = false;
    this.discarded = 0;
    this.meshPeer = encrypted;
    this.firstBytes = '';
    // Our own sidecars keep idle connections for minutes; an application that announces nothing is given the least.
    this.keepAliveMs = encrypted ? Number.POSITIVE_INFINITY : UNANNOUNCED_KEEP_ALIVE_MS;
    this.reader = new Http1ResponseReader(encrypted ? http1MeshLimits : limits, this);
    this.pipe = new BytePipe(socket, encrypted, this);
    this.pipe.start();
  }

  get blocked(): boolean {
    return this.pipe.blocked;
  }

  get bufferedBytes(): number {
    return this.pipe.pendingBytes;
  }

  get reused(): boolean {
    return this.requests > 0;
  }

  get shared(): boolean {
    return false;
  }

  get socket(): Socket {
    return this.pipe.socket;
  }

  get localPort(): number {
    return this.pipe.socket.localPort ?? 0;
  }

  /** True while it may carry another request: open, quiet, and the peer has not begun to close. */
  get usable(): boolean {
    return !this.closed && !this.pipe.readEnded && this.pipe.pendingBytes === 0;
  }

  sendHead(observer: UpstreamObserver, head: Head, edits: HeadEdits, facts: RequestFacts): boolean {
    this.begin(observer, head.methodId, facts.upgrade, facts.framing === Framing.Chunked);
    return writeRequestHead(this.pipe.writer(), head, edits, facts);
  }

  sendSerialized(
    observer: UpstreamObserver,
    methodId: number,
    bytes: ByteWriter,
    chunked: boolean,
    whole: boolean,
  ): void {
    this.begin(observer, methodId, '', chunked);
    this.pipe.send(bytes.buffer, 0, bytes.length);
    if (whole) this.requestWhole = true;
  }

  sendData(chunk: Buffer, start: number, end: number): void {
    if (!this.chunked) {
      this.pipe.send(chunk, start, end);
      return;
    }
    writeChunkStart(this.pipe.writer(), end - start);
    this.pipe.send(chunk, start, end);
    writeChunkEnd(this.pipe.writer());
  }

  sendEnd(trailers: Head | null): void {
    if (this.chunked) writeLastChunk(this.pipe.writer(), trailers ?? undefined);
    this.requestWhole = true;
  }

  discard(): void {
    this.discarding = true;
    this.discarded = 0;
    if (!this.requestWhole || this.reader.tunnel) {
      this.cancel();
      return;
    }
    this.pipe.resume();
    const { requests } = this;
    this.pool.later(DISCARD_MS, () => {
      if (this.discarding && this.requests === requests) this.cancel();
    });
  }

  cancel(): void {
    this.observer = null;
    this.close();
  }

  pauseResponse(): void {
    this.pipe.pause();
  }

  resumeResponse(): void {
    this.pipe.resume();
  }

  /** Half-closes a tunnel after what was sent. */
  endTunnel(): void {
    this.pipe.end();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pool.forget(this);
    this.pipe.destroy();
  }

  /** Ends the connection and the request on it, with the reason. */
  cutOff(code: TerminationCode, detail: string): void {
    this.onTermination(code, detail);
  }

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    this.pool.tick();
    if (this.observer === null && !this.discarding) {
      // RFC 9112 §9.3: bytes nobody asked for. Whatever they are, they must not be read as the next response.
      if (!this.closed) this.close();
      return;
    }
    if (this.reader.tunnel) {
      this.observer?.onUpstreamTunnelBytes(chunk, start, end);
      return;
    }
    if (this.discarding) {
      this.discarded += end - start;
      if (this.discarded > DISCARD_BYTES) {
        this.cancel();
        return;
      }
    }
    if (this.pipe.bytesRead === end - start && !looksLikeHttp1(chunk, start, end)) {
      this.firstBytes = describeFirstBytes(chunk, start, end);
    }
    const consumed = this.reader.feed(chunk, start, end);
    const rest = end - start - consumed;
    if (this.responseWhole) this.finishResponse(rest === 0);
    else if (rest > 0) {
      if (this.reader.tunnel) this.observer?.onUpstreamTunnelBytes(chunk, start + consumed, end);
      else this.close();
    }
  }

  onPipeEnd(): void {
    this.pool.tick();
    const observer = this.observer;
    if (observer === null || this.discarding) {
      this.close();
      return;
    }
    if (this.reader.tunnel) {
      observer.onUpstreamTunnelEnd();
      return;
    }
    this.persistent = false;
    this.reader.eof();
    if (this.responseWhole) {
      this.finishResponse(false);
      return;
    }
    // Nothing at all had come: the reader has nothing to say about an empty message.
    if (this.observer !== null) this.onTermination(this.headSeen ? 'upstream-cut' : 'upstream-reset', 'closed');
  }

  onPipeDrained(): void {
    this.observer?.onUpstreamDrained();
  }

  onPipeClose(error: string): void {
    this.pool.tick();
    const wasClosed = this.closed;
    this.closed = true;
    if (!wasClosed) this.pool.forget(this);
    const observer = this.discarding ? null : this.observer;
    this.observer = null;
    if (observer === null) return;
    if (this.reader.tunnel && error === '') observer.onUpstreamTunnelEnd();
    else {
      const begun = this.headSeen || this.reader.tunnel;
      observer.onUpstreamFailure(begun ? 'upstream-cut' : 'upstream-reset', error === '' ? 'closed' : error);
    }
  }

  onHead(head: Head): void {
    if (head.status >= 200) {
      this.headSeen = true;
      this.persistent = head.persistent;
      if (!this.meshPeer) this.readKeepAlive(head);
    }
    if (!this.discarding) this.observer?.onUpstreamHead(head);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (!this.discarding) this.observer?.onUpstreamData(chunk, start, end);
  }

  onTrailers(trailers: Head): void {
    if (!this.discarding) this.observer?.onUpstreamTrailers(trailers);
  }

  /** The rest is `finishResponse`, once the reader has returned: it must not be armed for another response inside. */
  onEnd(): void {
    this.responseWhole = true;
  }

  onTermination(code: TerminationCode, detail: string): void {
    const observer = this.discarding ? null : this.observer;
    this.observer = null;
    this.close();
    if (code === 'malformed-response' && this.firstBytes !== '') {
      observer?.onUpstreamFailure('protocol-mismatch', `expected HTTP/1.1, got ${this.firstBytes}`);
    } else observer?.onUpstreamFailure(code, detail);
  }

  /** `clean`: the bytes ended where the response did. What follows it unasked for would be the next one's answer. */
  private finishResponse(clean: boolean): void {
    const observer = this.discarding ? null : this.observer;
    this.observer = null;
    this.discarding = false;
    // Before the observer hears of it: the request that comes next may then take this very connection.
    if (clean && this.requestWhole) this.settle();
    else this.close();
    observer?.onUpstreamEnd();
  }

  private begin(observer: UpstreamObserver, methodId: number, upgrade: string, chunked: boolean): void {
    this.observer = observer;
    this.requestWhole = false;
    this.responseWhole = false;
    this.headSeen = false;
    this.discarding = false;
    this.requests += 1;
    this.chunked = chunked;
    this.reader.expect(methodId, upgrade);
  }

  private settle(): void {
    if (this.persistent && !this.pipe.readEnded && !this.closed) {
      // A slow caller may have stopped the reading inside the last of the bytes; the next one has not.
      this.pipe.resume();
      this.reader.rest();
      this.pool.release(this);
    } else this.close();
  }

  private readKeepAlive(head: Head): void {
    const index = head.field(FieldId.KeepAlive);
    if (index < 0) return;
    const seconds = /timeout=(\d{1,6})/i.exec(head.value(index));
    // One second before the peer's own deadline: POSTs sent 6 ms before it were lost (106 of 400).
    if (seconds !== null) this.keepAliveMs = Math.max(0, Number(seconds[1]) * 1000 - 1000);
  }
}

import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { ByteQueue } from '@weft/kernel';
import {
  CLIENT_PREFACE,
  Framing,
  Http1RequestReader,
  http1MeshLimits,
  writeChunkEnd,
  writeChunkStart,
  writeLastChunk,
  writeLocalReply,
  writeResponseHead,
} from '@weft/http';
import type { Head, HeadEdits, LocalReply, MessageSink, ResponseFacts } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import { Exchange } from '../exchange/exchange.ts';
import type { DownstreamStream, HttpProtocol } from '../exchange/downstream-stream.ts';
import type { Ingress } from '../exchange/ingress.ts';
import { refusalReply } from '../exchange/refusal-reply.ts';
import { BytePipe } from '../transport/byte-pipe.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import type { ConnectionHome, DownstreamConnection, ListenerDeadlines } from './downstream-connection.ts';

/** Pipelined requests wait here while one is answered; a client that sends more is held back by TCP. */
const HELD_BYTES = 16_384;

/** What remains of a request body when its answer is whole is read up to this, and the connection serves on. */
const DISCARD_BYTES = 65_536;

/** How long a connection that is closing waits for its peer to read the last answer. */
const LINGER_MS = 2_000;

/**
 * A body that was answered before it was whole is read and thrown away until its sender has said nothing for so long, and
 * not longer than that in all: closing at once would reset the answer away from whoever sends first and reads then.
 */
const BODY_QUIET_MS = 5_000;
const BODY_LINGER_MS = 30_000;

/** A listener that takes over a connection whose first bytes are HTTP/2's. */
export interface Http1Home extends ConnectionHome {
  /** `rest` of the bytes, behind the connection preface, is chunk[start, end). */
  switchToHttp2(connection: Http1DownstreamConnection, chunk: Buffer, start: number, end: number): void;
}

const PREFACE = Buffer.from(CLIENT_PREFACE, 'latin1');

/**
 * The server side of an HTTP/1.1 connection: one exchange at a time, in the order of the requests.
 *
 *   idle -> reading head -> exchange [request body | response] -> idle
 *                                     `-> tunnel                `-> lingering -> closed
 *
 * Deadlines between requests are looked at by the listener, once a second for all connections, so that a request arms
 * none (`waitingSinceMs`).
 */
export class Http1DownstreamConnection implements DownstreamConnection, DownstreamStream, PipeOwner, MessageSink {
  readonly ingress: Ingress;
  readonly pipe: BytePipe;
  /** Since when the connection waits for a request to begin or for its head to be whole; 0 while an exchange runs. */
  waitingSinceMs: number;
  private readonly home: Http1Home;
  private readonly reader: Http1RequestReader;
  private readonly exchange: Exchange;
  private held: ByteQueue | null;
  /** Nothing has been read, or what was read begins like HTTP/2's connection preface. */
  private opening: boolean;
  /** An exchange is under way. */
  private active: boolean;
  private requestWhole: boolean;
  private responseWhole: boolean;
  private keep: boolean;
  private chunked: boolean;
  private tunnel: boolean;
  private retiring: boolean;
  /** The exchange wants no more of the body for now. */
  private requestPaused: boolean;
  private feeding: boolean;
  private lingering: boolean;
  /** Until when what comes behind an early answer is read; 0 when that is bounded by its bytes. */
  private lingerUntilMs: number;
  private heardMs: number;
  private discarded: number;
  private ending: TerminationCode;
  private endingDetail: string;

  constructor(socket: Socket, encrypted: boolean, ingress: Ingress, home: Http1Home) {
    this.ingress = ingress;
    this.home = home;
    this.waitingSinceMs = home.engine.clock.nowMs();
    this.held = null;
    // Behind TLS ALPN has told.
    this.opening = !encrypted;
    this.active = false;
    this.requestWhole = false;
    this.responseWhole = false;
    this.keep = true;
    this.chunked = false;
    this.tunnel = false;
    this.retiring = false;
    this.requestPaused = false;
    this.feeding = false;
    this.lingering = false;
    this.lingerUntilMs = 0;
    this.heardMs = 0;
    this.discarded = 0;
    this.ending = 'completed';
    this.endingDetail = '';
    this.reader = new Http1RequestReader(ingress.peerIdentity === '' ? home.limits : http1MeshLimits, this);
    this.exchange = new Exchange(home.engine, this, ingress);
    this.pipe = new BytePipe(socket, encrypted, this);
    this.pipe.start();
  }

  /** True between requests: nothing would be lost by closing. */
  get idle(): boolean {
    return !this.active && this.reader.idle && (this.held === null || this.held.length === 0);
  }

  /** True while a head has begun and is not whole. */
  get readingHead(): boolean {
    return !this.active && (!this.reader.idle || (this.opening && this.heldBytes > 0));
  }

  get busyCount(): number {
    return this.idle ? 0 : 1;
  }

  get blocked(): boolean {
    return this.pipe.blocked;
  }

  /** Bytes of answers that wait to be sent, and of requests that wait to be read. */
  get bufferedBytes(): number {
    return this.pipe.pendingBytes + this.heldBytes;
  }

  get protocol(): HttpProtocol {
    return 'http1';
  }

  get shared(): boolean {
    return false;
  }

  sweep(nowMs: number, deadlines: ListenerDeadlines): void {
    const sinceMs = this.waitingSinceMs;
    if (sinceMs === 0) return;
    if (this.readingHead) {
      if (nowMs - sinceMs >= deadlines.headMs) this.refuse('request-head-timeout', 'head-timeout');
    } else if (nowMs - sinceMs >= deadlines.idleMs) this.close('completed', 'idle');
  }

  /** Nothing to do: replies say `close` while the listener drains. */
  drain(): void {}

  /** Ends the connection if it is between requests; else its next reply says `close`. */
  close(code: TerminationCode, detail: string): void {
    if (!this.idle || this.lingering) return;
    this.ending = code;
    this.endingDetail = detail;
    this.pipe.end();
    this.lingering = true;
    this.home.engine.wheel.schedule(LINGER_MS, () => this.pipe.destroy());
  }

  /** Ends the connection and whatever runs on it, with the reason. */
  abort(code: TerminationCode, detail: string): void {
    this.ending = code;
    this.endingDetail = detail;
    if (this.active) this.exchange.abort(code, detail);
    this.pipe.destroy();
  }

  /** The leaves it stands on grow old: it ends with the next reply, or now when it rests. */
  retire(): void {
    this.retiring = true;
    this.close('completed', 'leaf-age');
  }

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    const nowMs = this.home.engine.tick();
    if (this.tunnel) {
      this.exchange.onDownstreamTunnelBytes(chunk, start, end);
      return;
    }
    if (this.lingering) {
      this.heardMs = nowMs;
      this.discarded += end - start;
      if (this.lingerUntilMs === 0 && this.discarded > DISCARD_BYTES) this.pipe.destroy();
      return;
    }
    if (this.opening && this.takeOpening(chunk, start, end)) return;
    const taken = this.feed(chunk, start, end);
    if (taken < end) this.hold(chunk, taken, end);
  }

  onPipeEnd(): void {
    this.home.engine.tick();
    if (this.tunnel) {
      this.exchange.onDownstreamTunnelEnd();
      return;
    }
    if (this.opening && this.heldBytes > 0) {
      this.opening = false;
      this.continueHeld();
      return;
    }
    // A client may half-close behind its last request and still wait for the answers (RFC 9112 §9.6).
    if (this.heldBytes === 0 && !this.lingering) this.reader.eof();
    if (!this.active && this.heldBytes === 0 && !this.lingering) this.pipe.end();
  }

  onPipeDrained(): void {
    if (this.active) this.exchange.onDownstreamDrained();
  }

  onPipeClose(error: string): void {
    this.home.engine.tick();
    if (this.active) {
      // A tunnel has no other end than this.
      const cut = this.tunnel && error === '' ? 'completed' : 'downstream-reset';
      const code = this.ending === 'completed' ? cut : this.ending;
      this.exchange.abort(code, error === '' ? 'closed' : error);
    }
    if (this.ending === 'completed' && error !== '') this.ending = 'downstream-reset';
    this.home.connectionClosed(this, this.ending, this.endingDetail === '' ? error : this.endingDetail);
  }

  onHead(head: Head): void {
    this.active = true;
    this.waitingSinceMs = 0;
    this.requestWhole = head.framing === Framing.None;
    this.responseWhole = false;
    this.chunked = false;
    this.keep = head.persistent;
    this.exchange.begin(head);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (!this.responseWhole) this.exchange.onRequestData(chunk, start, end);
    else {
      this.discarded += end - start;
      if (this.discarded > DISCARD_BYTES) this.keep = false;
    }
  }

  onTrailers(trailers: Head): void {
    if (!this.responseWhole) this.exchange.onRequestTrailers(trailers);
  }

  onEnd(): void {
    this.requestWhole = true;
    if (this.active) {
      if (!this.responseWhole) this.exchange.onRequestEnd();
    } else if (!this.lingering) this.nextRequest();
  }

  onTermination(code: TerminationCode, detail: string): void {
    if (!this.active) {
      this.refuse(code, detail);
      return;
    }
    this.ending = code;
    this.endingDetail = detail;
    this.exchange.refuseRequestBody(code, detail);
  }

  sendInformational(head: Head, edits: HeadEdits, facts: ResponseFacts): void {
    // RFC 9110 §15.2: not to an HTTP/1.0 client.
    if (this.reader.head.minorVersion > 0) writeResponseHead(this.pipe.writer(), head, edits, facts);
  }

  sendHead(head: Head, edits: HeadEdits, facts: ResponseFacts): boolean {
    // A body still under way when the answer comes: the connection cannot be used again without reading all of it.
    if (!this.requestWhole) this.keep = false;
    if (this.home.draining || this.retiring || facts.framing === Framing.UntilClose) this.keep = false;
    if (!this.keep) facts.close = true;
    this.chunked = facts.framing === Framing.Chunked;
    return writeResponseHead(this.pipe.writer(), head, edits, facts);
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
    this.responseWhole = true;
  }

  sendReply(reply: LocalReply, close: boolean): void {
    if (close || !this.requestWhole || this.home.draining || this.retiring) this.keep = false;
    const { methodId, minorVersion } = this.reader.head;
    writeLocalReply(this.pipe.writer(), reply, { methodId, clientMinorVersion: minorVersion, close: !this.keep });
    this.responseWhole = true;
  }

  cut(): void {
    this.keep = false;
    // A reset, so that a body that ends with the connection is not taken for whole.
    this.pipe.flush();
    this.pipe.reset();
  }

  pauseRequest(): void {
    this.requestPaused = true;
    this.reader.pause();
    this.pipe.pause();
  }

  resumeRequest(): void {
    if (!this.requestPaused) return;
    this.requestPaused = false;
    this.continueHeld();
  }

  startTunnel(): void {
    this.tunnel = true;
    if (this.held !== null && this.held.length > 0) {
      const early = this.held.take(this.held.length);
      this.exchange.onDownstreamTunnelBytes(early, 0, early.length);
    }
    if (this.pipe.readEnded) this.exchange.onDownstreamTunnelEnd();
    else this.pipe.resume();
  }

  sendTunnelBytes(chunk: Buffer, start: number, end: number): void {
    this.pipe.send(chunk, start, end);
  }

  endTunnel(): void {
    this.pipe.end();
  }

  exchangeOver(): void {
    this.active = false;
    if (this.pipe.closed) return;
    if (this.tunnel) {
      this.pipe.end();
      return;
    }
    this.requestPaused = false;
    if (!this.keep) {
      if (!this.requestWhole) this.lingerUntilMs = this.home.engine.nowMs + BODY_LINGER_MS;
      this.linger();
    } else if (this.reader.ended) this.nextRequest();
    else this.continueHeld();
  }

  private get heldBytes(): number {
    return this.held === null ? 0 : this.held.length;
  }

  /** Both messages are whole: the connection is ready for what comes next on it. */
  private nextRequest(): void {
    if (this.pipe.readEnded && this.heldBytes === 0 && !this.feeding) {
      this.linger();
      return;
    }
    this.waitingSinceMs = this.home.engine.nowMs;
    this.reader.next();
    this.continueHeld();
  }

  /** The first bytes. True when they are HTTP/2's, whole or so far (RFC 9113 §3.3: prior knowledge). */
  private takeOpening(chunk: Buffer, start: number, end: number): boolean {
    const seen = this.heldBytes;
    const count = Math.min(end - start, PREFACE.length - seen);
    for (let index = 0; index < count; index += 1) {
      if (chunk[start + index] === PREFACE[seen + index]) continue;
      this.opening = false;
      if (seen === 0) return false;
      this.held!.push(chunk, start, end);
      this.continueHeld();
      return true;
    }
    if (seen === 0) this.waitingSinceMs = this.home.engine.nowMs;
    if (seen + count < PREFACE.length) {
      this.held ??= new ByteQueue();
      this.held.push(chunk, start, end);
      return true;
    }
    this.opening = false;
    this.home.switchToHttp2(this, chunk, start + count, end);
    return true;
  }

  private feed(chunk: Buffer, start: number, end: number): number {
    let at = start;
    const resting = this.reader.idle;
    this.feeding = true;
    // An exchange may end inside `feed`; then the next request of the same bytes is read in this loop, not deeper.
    while (at < end && this.reads) {
      const consumed = this.reader.feed(chunk, at, end);
      at += consumed;
      if (consumed === 0) break;
    }
    this.feeding = false;
    // The time a head may take counts from its first byte, not from the request before it.
    if (!this.active && (this.waitingSinceMs === 0 || (resting && !this.reader.idle))) {
      this.waitingSinceMs = this.home.engine.nowMs;
    }
    return this.reader.dead || this.lingering ? end : at;
  }

  /** True while bytes that are there may be read: neither an answer nor room is waited for. */
  private get reads(): boolean {
    return !this.reader.ended && !this.reader.dead && !this.lingering && !this.tunnel && !this.requestPaused;
  }

  private hold(chunk: Buffer, start: number, end: number): void {
    if (this.tunnel) {
      this.exchange.onDownstreamTunnelBytes(chunk, start, end);
      return;
    }
    this.held ??= new ByteQueue();
    this.held.push(chunk, start, end);
    if (this.held.length >= HELD_BYTES) this.pipe.pause();
  }

  private continueHeld(): void {
    if (this.feeding) return;
    const { held } = this;
    if (held !== null && held.length > 0) {
      const bytes = held.take(held.length);
      const taken = this.feed(bytes, 0, bytes.length);
      if (taken < bytes.length) {
        this.hold(bytes, taken, bytes.length);
        return;
      }
    }
    if (!this.requestPaused) this.pipe.resume();
    // The peer's end came while bytes before it were held.
    if (this.pipe.readEnded && !this.lingering) {
      if (!this.reader.ended && !this.reader.dead) this.reader.eof();
      if (!this.active && !this.lingering) this.linger();
    }
  }

  /** Answers what never became an exchange. */
  private refuse(code: TerminationCode, detail: string): void {
    this.ending = code;
    this.endingDetail = detail;
    this.keep = false;
    const reply = refusalReply(code, detail, this.ingress, '');
    if (reply.status > 0) {
      writeLocalReply(this.pipe.writer(), reply, { methodId: 0, clientMinorVersion: 1, close: true });
    }
    this.linger();
  }

  /** Ends our direction and reads on for a while: closing with unread bytes would reset the answer away (§9.6). */
  private linger(): void {
    this.lingering = true;
    this.pipe.resume();
    this.pipe.end();
    if (this.pipe.readEnded) return;
    const { engine } = this.home;
    if (this.lingerUntilMs === 0) engine.wheel.schedule(LINGER_MS, () => this.pipe.destroy());
    else {
      this.heardMs = engine.nowMs;
      engine.wheel.schedule(BODY_QUIET_MS, () => this.lookAtRest());
    }
  }

  /** The sender of a body that was answered early is left when it is quiet, or goes on for too long. */
  private lookAtRest(): void {
    if (this.pipe.closed) return;
    const { engine } = this.home;
    const nowMs = engine.tick();
    const leftMs = Math.min(this.heardMs + BODY_QUIET_MS, this.lingerUntilMs) - nowMs;
    if (leftMs <= 0) this.pipe.destroy();
    else engine.wheel.schedule(leftMs, () => this.lookAtRest());
  }
}

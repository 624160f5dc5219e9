import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { ByteWriter } from '@weft/kernel';
import { Http2Connection, Http2ErrorCode } from '@weft/http';
import type { Head, HeadEdits, Http2ConnectionSink, Http2Limits, Http2Stream, RequestFacts } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import { BytePipe } from '../transport/byte-pipe.ts';
import type { PipeOwner, PipeSource } from '../transport/byte-pipe.ts';
import { describeFirstBytes, looksLikeHttp2 } from './first-bytes.ts';
import { Http2UpstreamStream } from './http2-upstream-stream.ts';
import type { Http2Carrier } from './http2-upstream-stream.ts';
import type { PoolCounters } from './pool-counters.ts';
import { Carriage } from './request-carriage.ts';

/** The lane a connection belongs to, as the connection sees it. */
export interface Http2Owner {
  readonly counters: PoolCounters;
  /** The event loop has entered the connection. */
  tick(): number;
  /** The reading of the clock of this turn. */
  now(): number;
  later(delayMs: number, callback: () => void): void;
  /** A stream may be opened that could not before: one has ended. */
  onRoom(connection: Http2UpstreamConnection): void;
  /** The peer has said what it takes, for the first time or anew. */
  onSettled(connection: Http2UpstreamConnection): void;
  /** It takes no new streams; those under way go on. Once. */
  onLeaving(connection: Http2UpstreamConnection): void;
  /** The transport is closed. Once. */
  onGone(connection: Http2UpstreamConnection): void;
  /** The peer wants requests in HTTP/1.1. */
  onHttp1Required(): void;
}

/** RFC 9113 §6.5.3 leaves the length to us; a peer that has not acknowledged by then speaks no HTTP/2. */
const SETTINGS_MS = 10_000;

/** A sidecar that has said nothing for so long, while calls wait for it, is asked by PING, and given up after as much again. */
const SILENCE_MS = 10_000;

/**
 * A stream whose data the peer has let wait for so long without taking a kilobyte. As long as the built-in
 * `timeouts.streamIdle`: below it, a slow reader is the application's own affair.
 */
const STALL_MS = 300_000;

/** Without a stream for so long, it keeps no memory for the next ones. */
const REST_MS = 5_000;

/** After our last words the peer has so long to close. */
const LINGER_MS = 1_000;

/** So much queued behind windows and turns means that the connection, not its peer's work, is what streams wait for. */
const BUSY_BYTES = 512 * 1024;

/**
 * So many calls in flight are more than the one thread at either end works on at once; another connection may land on
 * another of the peer's threads.
 */
const BUSY_STREAMS = 128;

/** What a connection is to obey. */
export interface Http2Policy {
  readonly idleTimeoutMs: number;
}

/**
 * An HTTP/2 connection to one endpoint, shared by as many requests as the peer takes.
 *
 *   open -- GOAWAY, age, `retire` --> leaving -- last stream ends --> closing (GOAWAY sent) --> closed
 *     \------------- error, end of transport ---------------------------------------------------^
 */
export class Http2UpstreamConnection implements Http2Carrier, Http2ConnectionSink, PipeOwner, PipeSource {
  readonly createdMs: number;
  /** `maxLifetimeMs` with its jitter; 0 for no limit. */
  readonly lifetimeMs: number;
  readonly output: ByteWriter;
  /** It takes no new streams. */
  leaving: boolean;
  /** Streams opened so far. */
  requests: number;
  private readonly owner: Http2Owner;
  private readonly codec: Http2Connection;
  private readonly pipe: BytePipe;
  private readonly meshPeer: boolean;
  private readonly waiting: Http2UpstreamStream[];
  private maxRequests: number;
  private closing: boolean;
  private gone: boolean;
  private lastUsedMs: number;
  private lastReadMs: number;
  private pingedMs: number;
  /** What the peer began with, until that has turned out to be HTTP/2. */
  private firstBytes: string;
  private cutCode: TerminationCode | '';
  private cutDetail: string;
  private bulkStreams: number;
  private countedStreams: number;
  private countedIdle: number;

  constructor(
    socket: Socket,
    encrypted: boolean,
    owner: Http2Owner,
    limits: Http2Limits,
    nowMs: number,
    lifetimeMs: number,
  ) {
    this.owner = owner;
    this.createdMs = nowMs;
    this.lifetimeMs = lifetimeMs;
    this.leaving = false;
    this.requests = 0;
    this.meshPeer = encrypted;
    this.waiting = [];
    this.maxRequests = 0;
    this.closing = false;
    this.gone = false;
    this.lastUsedMs = nowMs;
    this.lastReadMs = nowMs;
    this.pingedMs = -1;
    this.firstBytes = '';
    this.cutCode = '';
    this.cutDetail = '';
    this.bulkStreams = 0;
    this.countedStreams = 0;
    this.countedIdle = 0;
    this.codec = new Http2Connection({ role: 'client', limits, scheme: 'http', connectProtocol: false }, this);
    this.output = this.codec.output;
    this.pipe = new BytePipe(socket, encrypted, this);
    this.pipe.source = this;
    // Our preface and SETTINGS are in the output already.
    this.pipe.signal();
    this.pipe.start();
    this.recount();
  }

  get socket(): Socket {
    return this.pipe.socket;
  }

  get used(): boolean {
    return this.requests > 0;
  }

  /** Until the peer has said how many streams it takes, one: what it would refuse of a burst costs tries. */
  get canLease(): boolean {
    return !this.leaving && this.codec.canOpen && (this.codec.settingsSeen || this.codec.streams === 0);
  }

  get congested(): boolean {
    return this.codec.congested;
  }

  get streams(): number {
    return this.codec.streams;
  }

  get bufferedBytes(): number {
    return this.pipe.pendingBytes + this.codec.queuedBytes;
  }

  /** Most streams the peer takes, as far as it has said. */
  get mostStreams(): number {
    return this.codec.peer.concurrentStreams;
  }

  /** Whether the peer's SETTINGS have come: only then is it known what it takes. */
  get settled(): boolean {
    return this.codec.settingsSeen;
  }

  get takesUpgrades(): boolean {
    return this.codec.peer.connectProtocol;
  }

  /** A request of this carriage could be sent now. */
  carries(carriage: Carriage): boolean {
    if (!this.canLease) return false;
    if (carriage === Carriage.ExtendedConnect) return this.codec.canUpgrade('websocket');
    return carriage !== Carriage.Http1;
  }

  /** Requests would wait here for readers of other requests. */
  get choked(): boolean {
    return this.codec.choked;
  }

  /** Requests would be served better by one more connection. */
  get busy(): boolean {
    const { codec } = this;
    // Three quarters: the others are taken while the next connection is being made.
    const most = Math.min(BUSY_STREAMS, codec.peer.concurrentStreams * 0.75);
    return this.bulkStreams > 0 || codec.streams >= most || codec.queuedBytes >= BUSY_BYTES;
  }

  /** `maxRequests`: how many this connection may carry in all; 0 for no limit. */
  lease(maxRequests: number): Http2UpstreamStream {
    this.maxRequests = maxRequests;
    return new Http2UpstreamStream(this);
  }

  open(stream: Http2UpstreamStream, head: Head, edits: HeadEdits, facts: RequestFacts): Http2Stream | undefined {
    if (!this.canLease) return undefined;
    const opened = this.codec.open(stream, head, edits, facts);
    if (opened === undefined) return undefined;
    this.requests += 1;
    this.recount();
    if (this.maxRequests > 0 && this.requests >= this.maxRequests) this.leave();
    return opened;
  }

  awaitDrain(stream: Http2UpstreamStream): void {
    this.waiting.push(stream);
  }

  now(): number {
    return this.owner.now();
  }

  countBulk(change: 1 | -1): void {
    this.bulkStreams += change;
  }

  countStall(): void {
    this.owner.counters.stalls += 1;
  }

  later(delayMs: number, callback: () => void): void {
    this.owner.later(delayMs, callback);
  }

  endCode(code: TerminationCode): TerminationCode {
    if (this.cutCode !== '') return this.cutCode;
    return this.firstBytes === '' ? code : 'protocol-mismatch';
  }

  endDetail(detail: string): string {
    if (this.cutDetail !== '') return this.cutDetail;
    return this.firstBytes === '' ? detail : `expected HTTP/2, got ${this.firstBytes}`;
  }

  turnToHttp1(): void {
    this.owner.onHttp1Required();
  }

  /** Takes no new streams and ends with the last one under way. */
  retire(): void {
    this.leave();
    if (this.codec.streams === 0) this.shut();
  }

  /** Ends at once what is on it, with the reason. */
  cutOff(code: TerminationCode | '', detail: string): void {
    this.cutCode = code;
    this.cutDetail = detail;
    this.codec.abort(Http2ErrorCode.NoError, detail);
  }

  /** Ends the connection and what is on it without another word. */
  destroy(): void {
    this.leave();
    this.pipe.destroy();
  }

  /** Looks at deadlines; a few times a second while the connection is open. */
  sweep(nowMs: number, policy: Http2Policy): void {
    const { codec } = this;
    if (codec.dead || this.closing) return;
    if (!codec.settingsAcked && nowMs - this.createdMs >= SETTINGS_MS) {
      this.cutCode = codec.settingsSeen ? '' : 'protocol-mismatch';
      this.cutDetail = codec.settingsSeen ? 'settings-timeout' : 'expected HTTP/2, got no SETTINGS in 10 s';
      codec.abort(Http2ErrorCode.SettingsTimeout, 'settings-timeout');
      return;
    }
    if (codec.streams > 0) {
      codec.resetStalled(nowMs, STALL_MS);
      // Servers of gRPC take PINGs without data for an attack; between sidecars they are agreed.
      if (this.meshPeer) this.watch(nowMs);
      if (this.isAged(nowMs)) this.leave();
      return;
    }
    if (nowMs - this.lastUsedMs >= REST_MS) codec.rest();
    if (this.isAged(nowMs) || (policy.idleTimeoutMs > 0 && nowMs - this.lastUsedMs >= policy.idleTimeoutMs)) {
      this.retire();
    }
  }

  isAged(nowMs: number): boolean {
    return this.lifetimeMs > 0 && nowMs - this.createdMs >= this.lifetimeMs;
  }

  get shared(): boolean {
    return this.codec.streams > 1;
  }

  onPipeTook(): void {
    const { codec } = this;
    codec.written(this.owner.now());
    if (codec.congested) return;
    this.pipe.resume();
    if (this.waiting.length === 0) return;
    for (const stream of this.waiting.splice(0)) stream.onCarrierDrained();
  }

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    const nowMs = this.owner.tick();
    this.lastReadMs = nowMs;
    this.pingedMs = -1;
    const { codec } = this;
    if (!codec.settingsSeen && !codec.dead && !looksLikeHttp2(chunk, start, end)) {
      this.firstBytes = describeFirstBytes(chunk, start, end);
      // Fewer bytes than a frame header would otherwise be waited on.
      codec.abort(Http2ErrorCode.ProtocolError, 'no-http2');
      return;
    }
    codec.feed(chunk, start, end, nowMs);
    // Answers to what we would read next could only pile up behind these.
    if (codec.congested) this.pipe.pause();
  }

  onPipeEnd(): void {
    this.owner.tick();
    this.leave();
    this.codec.eof();
    this.recount();
    this.pipe.destroy();
  }

  onPipeDrained(): void {}

  onPipeClose(error: string): void {
    this.owner.tick();
    this.leave();
    if (error !== '' && this.cutDetail === '' && this.firstBytes === '') this.cutDetail = error;
    this.codec.eof();
    this.recount();
    if (this.gone) return;
    this.gone = true;
    this.owner.onGone(this);
  }

  /** No server opens streams to us: PUSH_PROMISE is refused by the codec. */
  onStream(): void {}

  onRefusedHead(): void {}

  onOutput(): void {
    this.pipe.signal();
  }

  onSettings(): void {
    this.firstBytes = '';
    this.owner.onSettled(this);
  }

  onPong(): void {}

  onStreamClosed(): void {
    this.recount();
    if (!this.leaving) this.owner.onRoom(this);
    else if (this.codec.streams === 0) this.shut();
  }

  onGoaway(errorCode: number): void {
    if (errorCode === Http2ErrorCode.Http11Required) this.turnToHttp1();
    this.retire();
  }

  onConnectionEnd(_code: TerminationCode, _errorCode: number, _detail: string): void {
    this.leave();
    this.recount();
    this.shut();
  }

  /** Says GOAWAY and closes once it is sent. */
  private shut(): void {
    if (this.closing) return;
    this.closing = true;
    this.leave();
    this.codec.drain();
    this.pipe.end();
    this.owner.later(LINGER_MS, () => this.pipe.destroy());
  }

  private leave(): void {
    if (this.leaving) return;
    this.leaving = true;
    this.recount();
    this.owner.onLeaving(this);
  }

  private watch(nowMs: number): void {
    if (this.pingedMs >= 0) {
      if (nowMs - this.pingedMs >= SILENCE_MS) this.cutOff('', 'ping-timeout');
    } else if (nowMs - Math.max(this.lastReadMs, this.lastUsedMs) >= SILENCE_MS) {
      this.pingedMs = nowMs;
      this.codec.ping();
    }
  }

  private recount(): void {
    const { counters } = this.owner;
    const streams = this.codec.streams;
    if (streams !== this.countedStreams) {
      counters.streams += streams - this.countedStreams;
      this.countedStreams = streams;
      this.lastUsedMs = this.owner.now();
    }
    const idle = !this.leaving && streams === 0 ? 1 : 0;
    if (idle === this.countedIdle) return;
    counters.idle += idle - this.countedIdle;
    this.countedIdle = idle;
  }
}

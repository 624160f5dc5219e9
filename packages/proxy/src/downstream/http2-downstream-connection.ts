import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { Http2Connection, Http2ErrorCode, http2Defaults, http2MeshLimits } from '@weft/http';
import type { Http2ConnectionSink, Http2Stream, Http2StreamSink } from '@weft/http';
import type { ByteWriter } from '@weft/kernel';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import type { HttpProtocol } from '../exchange/downstream-stream.ts';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import { BytePipe } from '../transport/byte-pipe.ts';
import type { PipeOwner, PipeSource } from '../transport/byte-pipe.ts';
import type { ConnectionHome, DownstreamConnection, ListenerDeadlines } from './downstream-connection.ts';
import { Http2DownstreamStream } from './http2-downstream-stream.ts';
import type { StreamHome } from './http2-downstream-stream.ts';

/**
 * Seats kept for the next requests of a connection until it rests. Fewer than are in use at once would be made anew with
 * each wave of calls, at several times the cost of serving from one; it is as many as a sidecar sends over one connection.
 */
const FREE_SEATS = 128;

/** How long a connection that is ending waits for its peer to read what was said last. */
const LINGER_MS = 2_000;

/** The same for a peer that broke the protocol: enough for the GOAWAY to leave. */
const FAULT_LINGER_MS = 100;

/** Of what comes behind the end. */
const DISCARD_BYTES = 65_536;

/** RFC 9113 §6.5.3 leaves the time to us. */
const SETTINGS_MS = 10_000;

/** A PING at the latest so long after the peer was last heard, while it is owed an answer. */
const SILENCE_MS = 30_000;

/** The answer to a PING. */
const PONG_MS = 15_000;

/** A response that is whole and that the peer's window lets none of out. */
const STALL_MS = 60_000;

/** The second GOAWAY of a drain, for a peer that does not answer the PING behind the first. */
const DRAIN_PING_MS = 2_000;

/** A seat that has rested so long is given up. */
const SEAT_REST_MS = 5_000;

/**
 * The server side of an HTTP/2 connection: a codec on a pipe, and a seat with an exchange for each stream.
 *
 *   open -drain (GOAWAY, PING)-> draining -pong or 2 s (GOAWAY with the last id)-> last stream ends -> ending -> closed
 *     `---- protocol error, flood, time-out (GOAWAY) ------------------------------------------------^
 *
 * What streams write is gathered by the codec and goes out once a turn. Deadlines are looked at once a second; no
 * request arms a timer for its connection.
 */
export class Http2DownstreamConnection
  implements DownstreamConnection, PipeOwner, PipeSource, Http2ConnectionSink, StreamHome
{
  readonly ingress: Ingress;
  readonly engine: Engine;
  readonly pipe: BytePipe;
  private readonly home: ConnectionHome;
  private readonly codec: Http2Connection;
  /** In use, in no order. */
  private readonly seats: Http2DownstreamStream[];
  private readonly free: Http2DownstreamStream[];
  /** Answered within this read, before their request was whole. */
  private readonly unread: Http2Stream[];
  /** Since when no stream is open; 0 while one is. */
  private restingSinceMs: number;
  private heardMs: number;
  private pingSentMs: number;
  private drainSinceMs: number;
  /** The frame that was partial at the last look at the deadlines, and when that was seen first. */
  private partialFrame: number;
  private partialSinceMs: number;
  private feeding: boolean;
  private ended: boolean;
  private discarded: number;
  private readPaused: boolean;
  private ending: TerminationCode;
  private endingDetail: string;

  /** `pipe` is one that another connection began to read; else one is made for the socket. */
  constructor(socket: Socket, encrypted: boolean, ingress: Ingress, home: ConnectionHome, pipe: BytePipe | null) {
    const { engine } = home;
    this.ingress = ingress;
    this.engine = engine;
    this.home = home;
    this.seats = [];
    this.free = [];
    this.unread = [];
    this.restingSinceMs = engine.nowMs;
    this.heardMs = engine.nowMs;
    this.pingSentMs = 0;
    this.drainSinceMs = 0;
    this.partialFrame = -1;
    this.partialSinceMs = 0;
    this.feeding = false;
    this.ended = false;
    this.discarded = 0;
    this.readPaused = false;
    this.ending = 'completed';
    this.endingDetail = '';
    const limits = encrypted && ingress.kind === 'inbound' ? http2MeshLimits : http2Defaults;
    this.codec = new Http2Connection({ role: 'server', limits, scheme: 'http', connectProtocol: true }, this);
    this.pipe = pipe ?? new BytePipe(socket, encrypted, this);
    this.pipe.owner = this;
    this.pipe.source = this;
    this.pipe.signal();
    if (pipe === null) this.pipe.start();
  }

  get protocol(): HttpProtocol {
    return 'http2';
  }

  get busyCount(): number {
    return this.codec.streams;
  }

  get bufferedBytes(): number {
    return this.pipe.pendingBytes + this.codec.queuedBytes;
  }

  /** `PipeSource`. */
  get output(): ByteWriter {
    return this.codec.output;
  }

  get congested(): boolean {
    return this.pipe.blocked;
  }

  sweep(nowMs: number, deadlines: ListenerDeadlines): void {
    if (this.ended) return;
    const { codec } = this;
    if (codec.streams === 0) {
      if (this.restingSinceMs === 0) this.restingSinceMs = nowMs;
      const restedMs = nowMs - this.restingSinceMs;
      if (restedMs >= SEAT_REST_MS && this.free.length > 0) {
        this.free.length = 0;
        codec.rest();
      }
      if (restedMs >= deadlines.idleMs) this.close('completed', 'idle');
    } else {
      this.restingSinceMs = 0;
      if (codec.queuedBytes > 0) codec.resetStalled(nowMs, STALL_MS);
      this.sweepSilence(nowMs);
    }
    if (!codec.settingsAcked && codec.settingsSentMs >= 0 && nowMs - codec.settingsSentMs >= SETTINGS_MS) {
      this.fail('settings-timeout', 'no-ack', Http2ErrorCode.SettingsTimeout);
      return;
    }
    this.sweepPartial(nowMs, deadlines.headMs);
    if (this.drainSinceMs > 0 && nowMs - this.drainSinceMs >= DRAIN_PING_MS) codec.finishDrain();
  }

  drain(): void {
    if (this.drainSinceMs > 0 || this.ended) return;
    this.drainSinceMs = this.engine.nowMs;
    this.codec.drain();
  }

  close(code: TerminationCode, detail: string): void {
    if (this.codec.streams > 0 || this.ended) return;
    this.ending = code;
    this.endingDetail = detail;
    if (this.codec.inPreface) this.end(LINGER_MS);
    else this.drain();
  }

  retire(): void {
    if (this.drainSinceMs === 0) this.endingDetail = 'leaf-age';
    this.drain();
  }

  abort(code: TerminationCode, detail: string): void {
    // One that was told to leave and carries nothing has lost nothing.
    if (this.seats.length > 0 || this.drainSinceMs === 0) {
      this.ending = code;
      this.endingDetail = detail;
    }
    // Each gives its place up.
    for (const seat of this.seats.slice()) seat.abort(code, detail);
    this.ended = true;
    this.codec.abort(Http2ErrorCode.NoError, detail);
    this.pipe.flush();
    this.pipe.destroy();
  }

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    this.heardMs = this.engine.tick();
    if (this.ended) {
      this.discarded += end - start;
      if (this.discarded > DISCARD_BYTES) this.pipe.destroy();
      return;
    }
    this.feeding = true;
    this.codec.feed(chunk, start, end, this.heardMs);
    this.feeding = false;
    if (this.unread.length > 0) this.abandonUnread();
    if (this.codec.congested && !this.ended) {
      this.readPaused = true;
      this.pipe.pause();
    }
  }

  onPipeEnd(): void {
    this.engine.tick();
    this.codec.eof();
    this.end(LINGER_MS);
  }

  onPipeDrained(): void {
    for (let index = this.seats.length - 1; index >= 0; index -= 1) this.seats[index]?.onConnectionDrained();
  }

  get shared(): boolean {
    return this.codec.streams > 1;
  }

  onPipeTook(): void {
    this.codec.written(this.engine.nowMs);
    if (this.readPaused && !this.codec.congested) {
      this.readPaused = false;
      this.pipe.resume();
    }
  }

  onPipeClose(error: string): void {
    this.engine.tick();
    this.ended = true;
    this.codec.eof();
    if (this.ending === 'completed' && error !== '') this.ending = 'downstream-reset';
    this.home.connectionClosed(this, this.ending, this.endingDetail === '' ? error : this.endingDetail);
  }

  onStream(stream: Http2Stream): void {
    this.restingSinceMs = 0;
    const seat = this.free.pop() ?? new Http2DownstreamStream(this, this.ingress);
    seat.position = this.seats.length;
    this.seats.push(seat);
    seat.serve(stream);
  }

  onRefusedHead(code: TerminationCode, detail: string): void {
    this.home.headRefused(this, code, detail);
  }

  onOutput(): void {
    this.pipe.signal();
  }

  onSettings(): void {}

  onPong(): void {
    this.pingSentMs = 0;
  }

  onStreamClosed(): void {
    if (this.codec.streams === 0) {
      this.restingSinceMs = this.engine.nowMs;
      if (this.drainSinceMs > 0 && this.codec.drained) this.end(LINGER_MS);
    }
  }

  /** A client that says GOAWAY takes no pushes, of which there are none; it closes when it has its answers. */
  onGoaway(): void {}

  onConnectionEnd(code: TerminationCode, errorCode: number, detail: string): void {
    // While its address is still known.
    if (errorCode === Http2ErrorCode.EnhanceYourCalm) this.home.flooded(this);
    if (!this.ended && this.ending === 'completed') {
      // A flood has a row of its own, so that there is a count of each kind.
      this.ending = Object.hasOwn(terminations, detail) ? (detail as TerminationCode) : code;
      this.endingDetail = detail;
    }
    this.end(FAULT_LINGER_MS);
  }

  streamStalled(): void {
    this.home.stalled(this);
  }

  streamOver(seat: Http2DownstreamStream, stream: Http2Stream): void {
    const { seats } = this;
    const last = seats.pop()!;
    if (last !== seat) {
      seats[seat.position] = last;
      last.position = seat.position;
    }
    if (this.free.length < FREE_SEATS) this.free.push(seat);
    if (stream.closed) return;
    stream.sink = discardingSink;
    if (stream.remoteEnded) return;
    // The rest of the request may be in the very bytes that are being read: then there is nothing to reset.
    if (this.feeding) this.unread.push(stream);
    else stream.abandonRequest();
  }

  private abandonUnread(): void {
    for (const stream of this.unread) stream.abandonRequest();
    this.unread.length = 0;
  }

  private sweepSilence(nowMs: number): void {
    const silentMs = nowMs - this.heardMs;
    if (this.pingSentMs > 0 && this.heardMs < this.pingSentMs && nowMs - this.pingSentMs >= PONG_MS) {
      this.fail('downstream-reset', 'no-pong', Http2ErrorCode.NoError);
    } else if (this.pingSentMs === 0 && silentMs >= SILENCE_MS && !this.pipe.blocked) {
      this.pingSentMs = nowMs;
      this.codec.ping();
    }
  }

  /** A peer that begins a head, a control frame or its preface and keeps the rest. */
  private sweepPartial(nowMs: number, limitMs: number): void {
    const { codec } = this;
    if (!codec.partial) {
      this.partialFrame = -1;
      return;
    }
    // Parts of a header block are frames of their own, which a slow peer may dribble: those count as one.
    if (this.partialFrame < 0 || (codec.framesRead !== this.partialFrame && !codec.inHeaderBlock)) {
      this.partialFrame = codec.framesRead;
      this.partialSinceMs = nowMs;
    } else if (nowMs - this.partialSinceMs >= limitMs) {
      this.fail('request-head-timeout', 'head-timeout', Http2ErrorCode.NoError);
    }
  }

  private fail(code: TerminationCode, detail: string, errorCode: number): void {
    this.ending = code;
    this.endingDetail = detail;
    this.codec.abort(errorCode, detail);
  }

  /** Nothing is said any more but what is in the output: then our direction ends, and soon the connection. */
  private end(lingerMs: number): void {
    if (this.ended) return;
    this.ended = true;
    if (this.pipe.closed) return;
    this.pipe.resume();
    this.pipe.end();
    this.engine.wheel.schedule(lingerMs, () => this.pipe.destroy());
  }
}

/** Takes what comes of a request that is answered. */
const discardingSink: Http2StreamSink = {
  onHead() {},
  onData() {},
  onTrailers() {},
  onEnd() {},
  onTermination() {},
  onDrained() {},
};

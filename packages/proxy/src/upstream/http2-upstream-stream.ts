import type { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import { Http2ErrorCode, http2ErrorName } from '@weft/http';
import type { Head, HeadEdits, Http2Stream, Http2StreamSink, RequestFacts } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import { sendWritten } from './written-request.ts';
import type { UpstreamObserver, UpstreamStream } from './upstream-stream.ts';

/** What a stream asks of the connection that carries it. */
export interface Http2Carrier {
  /** The connection was not opened for this stream. */
  readonly used: boolean;
  /** So much waits to be written that more would only pile up. */
  readonly congested: boolean;
  /** It carries more than one stream. */
  readonly shared: boolean;
  /** Undefined when the head could not be written, or the connection takes no stream any more (`canLease` is false). */
  open(stream: Http2UpstreamStream, head: Head, edits: HeadEdits, facts: RequestFacts): Http2Stream | undefined;
  readonly canLease: boolean;
  /** Calls `onCarrierDrained` once the connection is no longer `congested`. */
  awaitDrain(stream: Http2UpstreamStream): void;
  /** The request body has begun to wait for the peer. */
  countStall(): void;
  /** The reading of the clock of this turn. */
  now(): number;
  /** A stream has begun (1) or ceased (-1) to move bulk. */
  countBulk(change: 1 | -1): void;
  /** What the end of the connection means for its streams; for other endings the code and detail as they are. */
  endCode(code: TerminationCode): TerminationCode;
  endDetail(detail: string): string;
  later(delayMs: number, callback: () => void): void;
  /** The peer wants requests in HTTP/1.1. */
  turnToHttp1(): void;
}

/** RFC 9113 §7, as the codec tells it. */
const HTTP1_REQUIRED = `reset-${http2ErrorName(Http2ErrorCode.Http11Required)}`;

/** A response that nobody wants is read up to this: a reset would cost the peer more, and count as an attack on it. */
const DISCARD_BYTES = 65_536;

/** A response that nobody hears and that does not end would keep its stream for good. */
const DISCARD_MS = 5_000;

/**
 * A stream that moves so much within the time, in both directions together, is bulk: what is small would wait behind it in
 * the buffers of the kernel, and credit for one direction behind the data of the other, so other requests go elsewhere.
 */
const BULK_BYTES = 524_288;
const BULK_MS = 1_000;

/**
 * One request on an HTTP/2 connection. Credit follows the reader: what was delivered is granted back at once while the
 * response flows, and not before `resumeResponse` when it was paused, so that the peer stops by itself.
 */
export class Http2UpstreamStream implements UpstreamStream, Http2StreamSink {
  readonly reused: boolean;
  private readonly carrier: Http2Carrier;
  private observer: UpstreamObserver | null;
  private stream: Http2Stream | null;
  private requestWhole: boolean;
  /** It asks for a tunnel: its half stays open until the answer says whether there is one. */
  private asking: boolean;
  private tunnel: boolean;
  private paused: boolean;
  /** Told `blocked` because the whole connection is. */
  private held: boolean;
  private discarding: boolean;
  private bulk: boolean;
  /** Moved since `sampleSinceMs`; of a response that is discarded, since nobody wants it. */
  private sampleBytes: number;
  /** Whole and wrapped to 31 bits: a number with a fraction is an allocation for each request. */
  private sampleSinceMs: number;

  constructor(carrier: Http2Carrier) {
    this.reused = carrier.used;
    this.carrier = carrier;
    this.observer = null;
    this.stream = null;
    this.requestWhole = false;
    this.asking = false;
    this.tunnel = false;
    this.paused = false;
    this.held = false;
    this.discarding = false;
    this.bulk = false;
    this.sampleBytes = 0;
    this.sampleSinceMs = carrier.now() | 0;
  }

  get shared(): boolean {
    return this.carrier.shared;
  }

  get blocked(): boolean {
    return this.held || (this.stream !== null && this.stream.blocked);
  }

  sendHead(observer: UpstreamObserver, head: Head, edits: HeadEdits, facts: RequestFacts): boolean {
    this.observer = observer;
    const stream = this.carrier.open(this, head, edits, facts);
    if (stream !== undefined) {
      this.stream = stream;
      this.asking = facts.upgrade !== '';
      return true;
    }
    this.observer = null;
    if (this.carrier.canLease) return false;
    // Leases and heads follow each other at once, so this is a connection that ended in between.
    observer.onUpstreamFailure('stream-refused', 'connection-left');
    return true;
  }

  sendSerialized(
    observer: UpstreamObserver,
    _methodId: number,
    bytes: ByteWriter,
    _chunked: boolean,
    _whole: boolean,
  ): void {
    sendWritten(this, observer, bytes);
  }

  sendData(chunk: Buffer, start: number, end: number): void {
    const { stream } = this;
    if (stream === null) return;
    const before = stream.blocked;
    stream.sendData(chunk, start, end);
    this.sampleBytes += end - start;
    if (this.sampleBytes >= BULK_BYTES) this.judgeBulk();
    if (stream.blocked && !before) this.carrier.countStall();
    if (!this.held && this.carrier.congested) {
      this.held = true;
      this.carrier.awaitDrain(this);
    }
  }

  sendEnd(trailers: Head | null): void {
    this.requestWhole = true;
    if (!this.asking) this.stream?.sendEnd(trailers);
  }

  endTunnel(): void {
    this.requestWhole = true;
    this.stream?.sendEnd(null);
  }

  cancel(): void {
    this.observer = null;
    const { stream } = this;
    if (stream === null) return;
    this.stream = null;
    this.endBulk();
    if (!stream.closed) stream.reset(Http2ErrorCode.Cancel);
    stream.release();
  }

  discard(): void {
    const { stream } = this;
    if (!this.requestWhole || this.tunnel || stream === null || stream.closed) {
      this.cancel();
      return;
    }
    this.discarding = true;
    this.sampleBytes = 0;
    this.observer = null;
    this.resumeResponse();
    this.carrier.later(DISCARD_MS, () => this.cancel());
  }

  pauseResponse(): void {
    this.paused = true;
  }

  resumeResponse(): void {
    if (!this.paused) return;
    this.paused = false;
    const { stream } = this;
    if (stream !== null && stream.heldBytes > 0) stream.grant(stream.heldBytes);
  }

  /** The connection is no longer `congested`. */
  onCarrierDrained(): void {
    this.held = false;
    if (this.stream !== null && !this.stream.blocked) this.observer?.onUpstreamDrained();
  }

  onHead(head: Head): void {
    if (this.asking && (head.status >= 200 || head.status === 101)) {
      this.asking = false;
      this.tunnel = head.status === 101;
      if (!this.tunnel) this.stream?.sendEnd(null);
    }
    this.observer?.onUpstreamHead(head);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    const bytes = end - start;
    this.sampleBytes += bytes;
    if (this.sampleBytes >= BULK_BYTES) this.judgeBulk();
    if (this.discarding) {
      if (this.sampleBytes > DISCARD_BYTES) this.cancel();
    } else if (this.tunnel) this.observer?.onUpstreamTunnelBytes(chunk, start, end);
    else this.observer?.onUpstreamData(chunk, start, end);
    if (!this.paused && this.stream !== null) this.stream.grant(bytes);
  }

  onTrailers(trailers: Head): void {
    this.observer?.onUpstreamTrailers(trailers);
  }

  onEnd(): void {
    const { observer, stream } = this;
    if (this.tunnel) {
      observer?.onUpstreamTunnelEnd();
      return;
    }
    this.observer = null;
    this.stream = null;
    this.endBulk();
    // RFC 9113 §8.1: an answer that did not wait for the whole request; the peer wants no more of it.
    if (stream !== null && !this.requestWhole && !stream.closed) stream.reset(Http2ErrorCode.NoError);
    observer?.onUpstreamEnd();
    stream?.release();
  }

  onTermination(code: TerminationCode, detail: string): void {
    const { observer, stream } = this;
    this.observer = null;
    this.stream = null;
    this.endBulk();
    stream?.release();
    if (detail === HTTP1_REQUIRED) this.carrier.turnToHttp1();
    observer?.onUpstreamFailure(this.carrier.endCode(code), this.carrier.endDetail(detail));
  }

  onDrained(): void {
    if (!this.held) this.observer?.onUpstreamDrained();
  }

  private judgeBulk(): void {
    const nowMs = this.carrier.now() | 0;
    const bulk = ((nowMs - this.sampleSinceMs) | 0) < BULK_MS;
    this.sampleBytes = 0;
    this.sampleSinceMs = nowMs;
    if (bulk === this.bulk || this.stream === null) return;
    this.bulk = bulk;
    this.carrier.countBulk(bulk ? 1 : -1);
  }

  private endBulk(): void {
    if (!this.bulk) return;
    this.bulk = false;
    this.carrier.countBulk(-1);
  }
}

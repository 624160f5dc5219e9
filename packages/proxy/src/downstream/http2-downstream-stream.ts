import type { Buffer } from 'node:buffer';
import { ByteQueue } from '@weft/kernel';
import { Http2ErrorCode, MethodId } from '@weft/http';
import type { Head, HeadEdits, Http2Stream, Http2StreamSink, LocalReply, ResponseFacts } from '@weft/http';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { Exchange } from '../exchange/exchange.ts';
import type { DownstreamStream, HttpProtocol } from '../exchange/downstream-stream.ts';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';

/** The connection of a stream, as the stream sees it. */
export interface StreamHome {
  readonly engine: Engine;
  /** The caller reads none of its streams. */
  readonly congested: boolean;
  /** It carries more than one stream. */
  readonly shared: boolean;
  /** The exchange of `seat` is over; what its stream still has to send, it sends without it. */
  streamOver(seat: Http2DownstreamStream, stream: Http2Stream): void;
  /** A stream's response began to wait for the caller. */
  streamStalled(): void;
}

/**
 * A seat for one request of an HTTP/2 connection: joins a stream of the codec with an exchange, and is used again for
 * another stream when the exchange is over.
 *
 * Back-pressure is credit: what the exchange was given is granted back to the caller when it is not paused, so a stream
 * that is held up stops when its own window is spent, and no other with it. A tunnel (extended CONNECT, RFC 8441) is to
 * the exchange a GET with an upgrade that is answered by 101.
 */
export class Http2DownstreamStream implements DownstreamStream, Http2StreamSink {
  /** Where the connection keeps it while it is in use. */
  position: number;
  private readonly home: StreamHome;
  private readonly exchange: Exchange;
  private stream: Http2Stream | null;
  private paused: boolean;
  /** Given to the exchange and not yet granted. */
  private owedBytes: number;
  /** The exchange was told to stop because of the whole connection: it hears when that has passed. */
  private heldUp: boolean;
  private tunnel: boolean;
  private tunnelEnded: boolean;
  /** The request asks for a tunnel. */
  private connects: boolean;
  /** What a caller sends into a tunnel before it is there. */
  private early: ByteQueue | null;

  constructor(home: StreamHome, ingress: Ingress) {
    this.home = home;
    this.position = 0;
    this.stream = null;
    this.paused = false;
    this.owedBytes = 0;
    this.heldUp = false;
    this.tunnel = false;
    this.tunnelEnded = false;
    this.connects = false;
    this.early = null;
    this.exchange = new Exchange(home.engine, this, ingress);
  }

  /** Serves this stream; its head comes next. */
  serve(stream: Http2Stream): void {
    this.stream = stream;
    stream.sink = this;
    this.paused = false;
    this.owedBytes = 0;
    this.heldUp = false;
    this.tunnel = false;
    this.tunnelEnded = false;
    this.connects = false;
  }

  /** Ends the request with the reason. */
  abort(code: TerminationCode, detail: string): void {
    this.stream?.reset(terminations[code].http2Code);
    this.exchange.abort(code, detail);
  }

  /** The connection is no longer congested. */
  onConnectionDrained(): void {
    if (!this.heldUp || this.stream === null) return;
    this.heldUp = false;
    if (!this.stream.blocked) this.exchange.onDownstreamDrained();
  }

  get shared(): boolean {
    return this.home.shared;
  }

  get blocked(): boolean {
    if (this.home.congested) {
      this.heldUp = true;
      return true;
    }
    return this.stream !== null && this.stream.blocked;
  }

  get protocol(): HttpProtocol {
    return 'http2';
  }

  onHead(head: Head): void {
    // A tunnel's request has no body, whatever its stream carries (RFC 9113 §8.5, RFC 8441 §4).
    this.connects = head.upgrade !== '' || head.methodId === MethodId.Connect;
    this.exchange.begin(head);
    if (this.connects && this.stream !== null) this.exchange.onRequestEnd();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    const stream = this.stream!;
    if (this.tunnel) this.exchange.onDownstreamTunnelBytes(chunk, start, end);
    else if (!this.connects) this.exchange.onRequestData(chunk, start, end);
    else {
      this.early ??= new ByteQueue();
      this.early.push(chunk, start, end);
      this.paused = true;
    }
    // The exchange may have ended inside.
    if (this.stream !== stream) return;
    if (this.paused) this.owedBytes += end - start;
    else stream.grant(end - start);
  }

  onTrailers(trailers: Head): void {
    if (!this.tunnel) this.exchange.onRequestTrailers(trailers);
  }

  onEnd(): void {
    if (this.tunnel) this.onTunnelEnd();
    else if (!this.connects) this.exchange.onRequestEnd();
  }

  onTermination(code: TerminationCode, detail: string): void {
    this.exchange.abort(code, detail);
  }

  onDrained(): void {
    if (this.home.congested) this.heldUp = true;
    else this.exchange.onDownstreamDrained();
  }

  sendInformational(head: Head, edits: HeadEdits, facts: ResponseFacts): void {
    this.stream!.sendHead(head, edits, facts);
  }

  sendHead(head: Head, edits: HeadEdits, facts: ResponseFacts): boolean {
    return this.stream!.sendHead(head, edits, facts);
  }

  sendData(chunk: Buffer, start: number, end: number): void {
    const stream = this.stream!;
    const before = stream.blocked;
    stream.sendData(chunk, start, end);
    if (stream.blocked && !before) this.home.streamStalled();
  }

  sendEnd(trailers: Head | null): void {
    this.stream!.sendEnd(trailers);
  }

  sendReply(reply: LocalReply, _close: boolean): void {
    this.stream!.sendReply(reply);
  }

  cut(): void {
    this.stream!.reset(Http2ErrorCode.InternalError);
  }

  pauseRequest(): void {
    this.paused = true;
  }

  resumeRequest(): void {
    if (!this.paused) return;
    this.paused = false;
    const bytes = this.owedBytes;
    this.owedBytes = 0;
    if (bytes > 0 && this.stream !== null) this.stream.grant(bytes);
  }

  startTunnel(): void {
    this.tunnel = true;
    const { early } = this;
    if (early !== null && early.length > 0) {
      const bytes = early.take(early.length);
      this.paused = false;
      this.exchange.onDownstreamTunnelBytes(bytes, 0, bytes.length);
      if (!this.paused) {
        this.paused = true;
        this.resumeRequest();
      }
    }
    if (this.stream?.remoteEnded === true) this.onTunnelEnd();
  }

  sendTunnelBytes(chunk: Buffer, start: number, end: number): void {
    this.sendData(chunk, start, end);
  }

  endTunnel(): void {
    if (this.tunnelEnded) return;
    this.tunnelEnded = true;
    this.stream!.sendEnd(null);
    if (this.stream!.remoteEnded) this.exchange.abort('completed', 'closed');
  }

  exchangeOver(): void {
    const stream = this.stream!;
    this.stream = null;
    if (this.early !== null && this.early.length > 0) this.early.drop(this.early.length);
    if (this.tunnel && !this.tunnelEnded) stream.sendEnd(null);
    this.home.streamOver(this, stream);
    stream.release();
  }

  private onTunnelEnd(): void {
    this.exchange.onDownstreamTunnelEnd();
    if (this.tunnelEnded) this.exchange.abort('completed', 'closed');
  }
}

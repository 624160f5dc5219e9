import type { Buffer } from 'node:buffer';
import type { Head, HeadEdits, LocalReply, ResponseFacts } from '@weft/http';

export type HttpProtocol = 'http1' | 'http2';

/**
 * One request's use of a downstream connection: what an exchange may say to its caller. An HTTP/1.1 connection carries
 * one at a time, an HTTP/2 connection many.
 */
export interface DownstreamStream {
  /** True while the caller is slow to read: stop sending until the exchange hears `onDownstreamDrained`. */
  readonly blocked: boolean;
  /** What the caller speaks, for logs and `via`. */
  readonly protocol: HttpProtocol;
  /** Its connection carries others beside it. */
  readonly shared: boolean;
  /** A 1xx head other than 101. */
  sendInformational(head: Head, edits: HeadEdits, facts: ResponseFacts): void;
  /** False when a byte would split the head: nothing was sent. */
  sendHead(head: Head, edits: HeadEdits, facts: ResponseFacts): boolean;
  sendData(chunk: Buffer, start: number, end: number): void;
  /** The response is whole. */
  sendEnd(trailers: Head | null): void;
  /** A whole response of our own. */
  sendReply(reply: LocalReply, close: boolean): void;
  /** The response has begun and cannot be finished: the caller must see that it is cut. */
  cut(): void;
  /** Stops and restarts the reading of the request body. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** 101 or a 2xx to CONNECT has been sent: bytes pass both ways from here. */
  startTunnel(): void;
  sendTunnelBytes(chunk: Buffer, start: number, end: number): void;
  endTunnel(): void;
  /** The exchange is over and forgets the stream. */
  exchangeOver(): void;
}

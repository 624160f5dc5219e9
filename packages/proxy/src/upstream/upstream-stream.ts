import type { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import type { Head, HeadEdits, RequestFacts } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';

/**
 * One request's use of an upstream connection, from lease to the end of the response. An HTTP/1.1 connection carries one
 * at a time, an HTTP/2 connection many. Whoever holds it sends one head, then data, then the end.
 */
export interface UpstreamStream {
  /** False when the connection was opened for this request: then a reset cannot be the race with an idle time-out. */
  readonly reused: boolean;
  /** True while the peer is slow to read: stop sending until `onUpstreamDrained`. */
  readonly blocked: boolean;
  /** Its connection carries others beside it. */
  readonly shared: boolean;
  /** False when a byte would split the head: nothing was sent, the stream is to be cancelled. */
  sendHead(observer: UpstreamObserver, head: Head, edits: HeadEdits, facts: RequestFacts): boolean;
  /** A head, and what of the body is there, that were written before; more may follow unless `whole`. */
  sendSerialized(
    observer: UpstreamObserver,
    methodId: number,
    bytes: ByteWriter,
    chunked: boolean,
    whole: boolean,
  ): void;
  sendData(chunk: Buffer, start: number, end: number): void;
  /** The request is whole. */
  sendEnd(trailers: Head | null): void;
  /** Gives the request up: the peer is told, nothing more is heard. */
  cancel(): void;
  /** Lets the rest of the response go by unheard, so that the connection can be used again if it is short. */
  discard(): void;
  /** Stops and restarts the reading of the response body. */
  pauseResponse(): void;
  resumeResponse(): void;
  /** Half-closes a tunnel after what was sent. */
  endTunnel(): void;
}

/** Hears what comes back. Nothing is called after `onUpstreamEnd` or `onUpstreamFailure`. */
export interface UpstreamObserver {
  /** 1xx heads too. */
  onUpstreamHead(head: Head): void;
  onUpstreamData(chunk: Buffer, start: number, end: number): void;
  onUpstreamTrailers(trailers: Head): void;
  onUpstreamEnd(): void;
  onUpstreamFailure(code: TerminationCode, detail: string): void;
  onUpstreamDrained(): void;
  /** Bytes after 101 or a 2xx to CONNECT. */
  onUpstreamTunnelBytes(chunk: Buffer, start: number, end: number): void;
  /** The peer half-closed a tunnel. */
  onUpstreamTunnelEnd(): void;
}

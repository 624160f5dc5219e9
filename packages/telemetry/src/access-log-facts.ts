import type { Termination } from '@weft/outcome';
import type { Direction } from './request-labels.ts';

/**
 * What one request was. Absent text is ''; an absent `grpcStatus`, upstream or connect time is -1; both are left out of
 * the line. Counts and `durationMs` are always there and at least 0.
 */
export interface AccessLogFacts {
  /** Unix milliseconds of the request's first byte. */
  readonly startWallMs: number;
  readonly requestId: string;
  readonly traceId: string;
  readonly direction: Direction;
  /** What the caller spoke; written as in the metrics (`http/2`). */
  readonly protocol: 'http1' | 'http2';
  /** SPIFFE ID of the caller. */
  readonly source: string;
  /** `namespace/name` of the backend Service. */
  readonly destination: string;
  readonly method: string;
  readonly authority: string;
  /** Path with query, as it was received. */
  readonly target: string;
  /** The status sent to the caller; 0 when it was sent none, as in `RequestScope.finish`. */
  readonly status: number;
  readonly grpcStatus: number;
  readonly termination: Termination;
  /** Bits of `accessFlags`. */
  readonly flags: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationMs: number;
  /** From the last attempt's first byte sent to its response head. */
  readonly upstreamMs: number;
  /** Establishing the connection of the last attempt; -1 when one was reused. */
  readonly connectMs: number;
  readonly attempts: number;
  readonly upstreamAddress: string;
  readonly downstreamAddress: string;
  readonly configVersion: string;
  readonly route: string;
  readonly rule: string;
}

/** What one TCP connection was. Absent text is '', an absent `connectMs` -1; both are left out of the line. */
export interface ConnectionLogFacts {
  /** Unix milliseconds of the accepted connection. */
  readonly startWallMs: number;
  readonly direction: Direction;
  /** SPIFFE ID of the caller. */
  readonly source: string;
  /** `namespace/name:port` that was called. */
  readonly destination: string;
  /** Of the ClientHello, when it was read. */
  readonly serverName: string;
  readonly termination: Termination;
  readonly detail: string;
  /** Bits of `accessFlags`. */
  readonly flags: number;
  /** Of the caller, and to it. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly durationMs: number;
  readonly connectMs: number;
  readonly attempts: number;
  readonly upstreamAddress: string;
  readonly downstreamAddress: string;
  readonly configVersion: string;
  readonly route: string;
  readonly rule: string;
}

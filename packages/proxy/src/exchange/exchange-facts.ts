import type { EndpointState } from '@weft/balance';
import type { BackendState, RouteDecision, Tables } from '@weft/decision';
import type { Head } from '@weft/http';
import type { SpanContext } from '@weft/telemetry';
import type { HttpProtocol } from './downstream-stream.ts';
import type { Ingress } from './ingress.ts';

/** What is known of an exchange while it runs and when it ends; an `Exchange` is one. Read, never written, from outside. */
export interface ExchangeFacts {
  readonly ingress: Ingress;
  readonly decision: RouteDecision;
  readonly head: Head;
  readonly protocol: HttpProtocol;
  /** The snapshot it is served from. */
  readonly tables: Tables;
  readonly destination: string;
  /** Monotonic milliseconds of its head. */
  readonly startMs: number;
  /** From its head to the last reading of the clock, milliseconds. */
  readonly durationMs: number;
  readonly requestId: string;
  readonly traceId: string;
  /** Of this hop; null when requests are not traced. */
  readonly span: SpanContext | null;
  /** Under which the next hop hears of the request; empty when requests are not traced. */
  readonly clientSpanId: string;
  /** Monotonic milliseconds of the first try; 0 without one. */
  readonly firstTryMs: number;
  /** What the caller was sent; 0 when nothing was. */
  readonly status: number;
  /** What a gRPC caller was told; -1 for all others, and when it was told nothing. */
  readonly grpcStatus: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Tries started. */
  readonly attempts: number;
  /** From the head sent to the response head, of the last try; -1 when there was none. */
  readonly upstreamMs: number;
  /** Of the connection opened for the last try; -1 when one was reused. */
  readonly connectMs: number;
  readonly retried: boolean;
  /** A retry was not made because the budget had no room. */
  readonly budgetSpent: boolean;
  readonly endpoint: EndpointState | null;
  readonly backend: BackendState | null;
}

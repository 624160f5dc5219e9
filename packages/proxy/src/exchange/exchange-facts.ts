import type { EndpointState } from '@weft/balance';
import type { BackendState, RouteDecision, Tables } from '@weft/decision';
import type { Head } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import type { SpanContext } from '@weft/telemetry';
import type { HttpProtocol } from './downstream-stream.ts';
import type { Ingress } from './ingress.ts';

/** A try that another one followed. */
export interface FailedTryFacts {
  readonly endpoint: EndpointState;
  /** Monotonic milliseconds. */
  readonly startedMs: number;
  readonly durationMs: number;
  readonly connectMs: number;
  /** 0 when no head came; then `code` says what did. */
  readonly status: number;
  readonly code: TerminationCode | '';
  readonly score: number;
  readonly rival: EndpointState | null;
  readonly rivalScore: number;
  /** Why another followed, and after how long. */
  readonly reason: string;
  readonly backoffMs: number;
}

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
  /** Of this hop; null when requests are not traced, and of a trace that begins here and is not sampled. */
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
  /** Of `connectMs`, the TLS handshake; -1 when there was none. */
  readonly tlsMs: number;
  /** Monotonic milliseconds: when the last try began, and when its head was sent. */
  readonly tryStartMs: number;
  readonly sentMs: number;
  /** Of the last try: what the balancer compared, and with whom; null when there was no other. */
  readonly score: number;
  readonly rival: EndpointState | null;
  readonly rivalScore: number;
  /** Monotonic milliseconds; `Infinity` without one. */
  readonly requestDeadlineMs: number;
  /** Tries that another followed; null without. */
  readonly failedTries: FailedTryFacts[] | null;
  readonly retried: boolean;
  /** A retry was not made because the budget had no room. */
  readonly budgetSpent: boolean;
  readonly endpoint: EndpointState | null;
  readonly backend: BackendState | null;
}

/** In which version the caller spoke: `network.protocol.version` of OpenTelemetry's conventions. */
export function protocolVersion({ protocol, head }: ExchangeFacts): '1.0' | '1.1' | '2' {
  if (protocol === 'http2') return '2';
  return head.minorVersion === 0 ? '1.0' : '1.1';
}

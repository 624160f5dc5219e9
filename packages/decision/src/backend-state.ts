import type { EndpointState, TriedEndpoints } from '@weft/balance';
import type { Clock, Random } from '@weft/kernel';
import type { Backend, DestinationKey, EndpointSet, RetryBudgetPolicy } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';

/** What a `BackendState` takes from outside. */
export interface BackendEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  /** The zone of this process; empty when unknown. */
  readonly zone: string;
  /** Processes that share the limits of this workload; 1 when left out. Limits and floors are divided by it. */
  readonly workers?: number;
}

/** How a request ended for its caller, all tries together. The proxy's Exchange may have these fields itself. */
export interface RequestOutcome {
  /** A server's fault: a row of the Termination table with fault `server`, a status of 502, 503, 504, or gRPC UNAVAILABLE. */
  readonly failed: boolean;
  /** From `requestStarted` to now. */
  readonly latencyMs: number;
  /** How many tries were started. A request with none (refused here, or gone before) is no outcome of the service. */
  readonly attempts: number;
}

export type BackendRefusal = 'no-endpoint' | 'circuit-open' | 'request-limit';

/** A change of state, as a fact for log and metrics. */
export interface BackendTransition {
  readonly type: 'ejected' | 'restored' | 'unhealthy' | 'healthy' | 'opened' | 'half-open' | 'closed';
  readonly backend: DestinationKey;
  /** Empty for the breaker's. */
  readonly endpoint: string;
  readonly atMs: number;
  /** Until when at the latest nothing is sent (`ejected`, `opened`); else equal to `atMs`. */
  readonly untilMs: number;
}

export interface EndpointSnapshot {
  readonly key: string;
  readonly address: string;
  readonly port: number;
  readonly zone: string;
  readonly weight: number;
  readonly state: 'healthy' | 'ejected' | 'probing' | 'slow-start' | 'unhealthy';
  /** End of the ejection or of slow start; 0 when neither. On the clock of `nowMs`. */
  readonly untilMs: number;
  /** What the balancer compares: lower is better. */
  readonly score: number;
  readonly latencyMs: number;
  readonly inFlight: number;
  readonly tries: number;
  readonly failures: number;
  readonly consecutiveErrors: number;
  readonly ejections: number;
}

export interface BackendSnapshot {
  readonly key: DestinationKey;
  readonly breaker: {
    readonly state: 'off' | 'closed' | 'open' | 'half-open';
    readonly untilMs: number;
    readonly requests: number;
    readonly failures: number;
  };
  readonly budget: { readonly requests: number; readonly retries: number };
  readonly activeRequests: number;
  /** True while so few endpoints are healthy that all are used. */
  readonly panic: boolean;
  readonly endpoints: readonly EndpointSnapshot[];
}

/** Draft of the signatures; the machines follow. */
export declare class BackendState {
  readonly key: DestinationKey;
  policy: Backend;
  readonly endpoints: readonly EndpointState[];
  readonly refusal: BackendRefusal;
  onTransition: ((event: BackendTransition) => void) | undefined;
  constructor(backend: Backend, endpoints: EndpointSet | undefined, environment: BackendEnvironment);
  update(backend: Backend, endpoints: EndpointSet | undefined): void;
  admit(nowMs: number): TerminationCode | undefined;
  pick(nowMs: number, tried: TriedEndpoints | null, mayProbe?: boolean): EndpointState | undefined;
  tryStarted(endpoint: EndpointState, nowMs: number): void;
  tryHead(
    endpoint: EndpointState,
    nowMs: number,
    latencyMs: number,
    status: number,
    grpcStatus?: number,
    refused?: TerminationCode | '',
  ): void;
  tryEnded(
    endpoint: EndpointState,
    nowMs: number,
    code: TerminationCode,
    latencyMs?: number,
    status?: number,
    grpcStatus?: number,
  ): void;
  requestStarted(nowMs: number): void;
  requestEnded(nowMs: number, outcome: RequestOutcome): void;
  canRetry(nowMs: number, budget: RetryBudgetPolicy): boolean;
  retrySpent(nowMs: number): void;
  healthChecked(endpoint: EndpointState, nowMs: number, passed: boolean): void;
  snapshot(nowMs: number): BackendSnapshot;
}

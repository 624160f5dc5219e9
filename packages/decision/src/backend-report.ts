import { type EndpointState, type Picker, fadedLatencyMs } from '@weft/balance';
import type { Backend, DestinationKey } from '@weft/model';
import type { BreakerState, CircuitBreaker, ConcurrencyLimit, RetryBudget } from '@weft/resilience';

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

/** `BackendSnapshot` in figures only. */
export interface BackendTally {
  readonly atMs: number;
  readonly endpoints: number;
  readonly ejected: number;
  readonly unhealthy: number;
  readonly slowStart: number;
  readonly panic: boolean;
  /** When the first ejected endpoint is tried again; `Infinity` when none is ejected. */
  readonly ejectedUntilMs: number;
  readonly breaker: 'off' | BreakerState;
  readonly budgetRequests: number;
  readonly budgetRetries: number;
}

/** What a report is made of. */
export interface ReportSources {
  readonly policy: Backend;
  readonly endpoints: readonly EndpointState[];
  readonly picker: Picker;
  readonly breaker: CircuitBreaker | null;
  readonly limit: ConcurrencyLimit;
  readonly budget: RetryBudget;
  readonly panic: boolean;
}

export function snapshotOf(sources: ReportSources, nowMs: number): BackendSnapshot {
  const { breaker, budget } = sources;
  return {
    key: sources.policy.name,
    breaker: {
      state: breaker?.state ?? 'off',
      untilMs: breaker?.untilMs ?? 0,
      requests: breaker?.requests(nowMs) ?? 0,
      failures: breaker?.failures(nowMs) ?? 0,
    },
    budget: { requests: budget.requests(nowMs), retries: budget.retries(nowMs) },
    activeRequests: sources.limit.inUse,
    panic: sources.panic,
    endpoints: sources.endpoints.map((endpoint) => describe(sources, endpoint, nowMs)),
  };
}

export function tallyOf({ policy, endpoints, breaker, budget, panic }: ReportSources, nowMs: number): BackendTally {
  const { slowStartMs } = policy.loadBalancer;
  let ejected = 0;
  let unhealthy = 0;
  let slowStart = 0;
  let ejectedUntilMs = Number.POSITIVE_INFINITY;
  for (const state of endpoints) {
    if (state.unhealthy) unhealthy += 1;
    else if (state.ejected) {
      ejected += 1;
      ejectedUntilMs = Math.min(ejectedUntilMs, state.probeDueMs);
    } else if (slowStartMs > 0 && state.startedMs + slowStartMs > nowMs) slowStart += 1;
  }
  return {
    atMs: nowMs,
    endpoints: endpoints.length,
    ejected,
    unhealthy,
    slowStart,
    panic,
    ejectedUntilMs,
    breaker: breaker?.state ?? 'off',
    budgetRequests: budget.requests(nowMs),
    budgetRetries: budget.retries(nowMs),
  };
}

function describe({ policy, picker }: ReportSources, state: EndpointState, nowMs: number): EndpointSnapshot {
  const { decayMs, slowStartMs } = policy.loadBalancer;
  const slowUntilMs = state.startedMs + slowStartMs;
  let standing: EndpointSnapshot['state'] = 'healthy';
  let untilMs = 0;
  if (state.unhealthy) standing = 'unhealthy';
  else if (state.ejected && (state.probeStartedMs < nowMs || state.probeDueMs <= nowMs)) standing = 'probing';
  else if (state.ejected) {
    standing = 'ejected';
    untilMs = state.probeDueMs;
  } else if (slowUntilMs > nowMs) {
    standing = 'slow-start';
    untilMs = slowUntilMs;
  }
  return {
    key: state.key,
    address: state.endpoint.address,
    port: state.endpoint.port,
    zone: state.endpoint.zone,
    weight: state.endpoint.weight,
    state: standing,
    untilMs,
    score: picker.score(state, nowMs),
    latencyMs: fadedLatencyMs(state, nowMs, decayMs),
    inFlight: state.inFlight,
    tries: state.tries,
    failures: state.failures,
    consecutiveErrors: state.consecutiveErrors,
    ejections: state.ejections,
  };
}

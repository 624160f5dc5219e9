import type { BackendSnapshot, EndpointSnapshot } from '@weft/decision';
import type { DestinationKey } from '@weft/model';
import type { PoolCounters } from '../upstream/pool-counters.ts';

/** What one thread says of one destination. */
export interface DestinationFacts extends BackendSnapshot {
  readonly connections: PoolCounters | null;
}

/** Worst last: what a person looks for is the thread that has trouble. */
const ENDPOINT_STATES: readonly EndpointSnapshot['state'][] = [
  'healthy',
  'slow-start',
  'probing',
  'unhealthy',
  'ejected',
];
const BREAKER_STATES: readonly BackendSnapshot['breaker']['state'][] = ['off', 'closed', 'half-open', 'open'];

/**
 * Puts together what several threads say of their destinations: counts are added, of states the worst is shown, of
 * latencies and scores the highest. Each thread ejects and opens by what it has seen itself.
 */
export function mergeDestinations(threads: readonly (readonly DestinationFacts[])[]): DestinationFacts[] {
  const merged = new Map<DestinationKey, DestinationFacts>();
  for (const destinations of threads) {
    for (const facts of destinations) {
      const before = merged.get(facts.key);
      merged.set(facts.key, before === undefined ? facts : merge(before, facts));
    }
  }
  return [...merged.values()];
}

function merge(one: DestinationFacts, other: DestinationFacts): DestinationFacts {
  const endpoints = new Map(one.endpoints.map((endpoint) => [endpoint.key, endpoint]));
  for (const endpoint of other.endpoints) {
    const before = endpoints.get(endpoint.key);
    endpoints.set(endpoint.key, before === undefined ? endpoint : mergeEndpoint(before, endpoint));
  }
  return {
    key: one.key,
    breaker: {
      state: worse(BREAKER_STATES, one.breaker.state, other.breaker.state),
      untilMs: Math.max(one.breaker.untilMs, other.breaker.untilMs),
      requests: one.breaker.requests + other.breaker.requests,
      failures: one.breaker.failures + other.breaker.failures,
    },
    budget: {
      requests: one.budget.requests + other.budget.requests,
      retries: one.budget.retries + other.budget.retries,
    },
    activeRequests: one.activeRequests + other.activeRequests,
    panic: one.panic || other.panic,
    endpoints: [...endpoints.values()],
    connections: mergeCounters(one.connections, other.connections),
  };
}

function mergeEndpoint(one: EndpointSnapshot, other: EndpointSnapshot): EndpointSnapshot {
  return {
    ...one,
    state: worse(ENDPOINT_STATES, one.state, other.state),
    untilMs: Math.max(one.untilMs, other.untilMs),
    score: Math.max(one.score, other.score),
    latencyMs: Math.max(one.latencyMs, other.latencyMs),
    inFlight: one.inFlight + other.inFlight,
    tries: one.tries + other.tries,
    failures: one.failures + other.failures,
    consecutiveErrors: Math.max(one.consecutiveErrors, other.consecutiveErrors),
    ejections: one.ejections + other.ejections,
  };
}

function mergeCounters(one: PoolCounters | null, other: PoolCounters | null): PoolCounters | null {
  if (one === null || other === null) return one ?? other;
  return {
    connects: one.connects + other.connects,
    connectFailures: one.connectFailures + other.connectFailures,
    handshakes: one.handshakes + other.handshakes,
    handshakeMsTotal: one.handshakeMsTotal + other.handshakeMsTotal,
    open: one.open + other.open,
    idle: one.idle + other.idle,
    openHttp2: one.openHttp2 + other.openHttp2,
    streams: one.streams + other.streams,
    stalls: one.stalls + other.stalls,
    pending: one.pending + other.pending,
    overflow: one.overflow + other.overflow,
  };
}

function worse<T>(order: readonly T[], one: T, other: T): T {
  return order.indexOf(one) > order.indexOf(other) ? one : other;
}

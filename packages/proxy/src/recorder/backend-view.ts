import type { BackendSnapshot, EndpointSnapshot } from '@weft/decision';
import { type BackendView, type EndpointView, MAX_VIEWED_ENDPOINTS } from '@weft/wire';
import { clipped } from './told-text.ts';

const MOST_BACKENDS = 64;

/** The backends of one service (`namespace/name`) as a balancer sees them. `nowMs`: the clock of the snapshots. */
export function viewBackends(service: string, snapshots: readonly BackendSnapshot[], nowMs: number): BackendView[] {
  return snapshots
    .filter(({ key }) => key.startsWith(`${service}:`))
    .slice(0, MOST_BACKENDS)
    .map((snapshot) => viewBackend(snapshot, nowMs));
}

function viewBackend(
  { key, endpoints, breaker, budget, activeRequests, panic }: BackendSnapshot,
  nowMs: number,
): BackendView {
  const count = (state: EndpointSnapshot['state']): number => endpoints.filter((one) => one.state === state).length;
  const out = count('ejected') + count('probing');
  const ends = endpoints.filter(({ state }) => state === 'ejected').map(({ untilMs }) => untilMs - nowMs);
  return {
    backend: clipped(key, 600),
    facts: {
      endpoints: endpoints.length,
      healthy: endpoints.length - out - count('unhealthy'),
      ejected: out,
      unhealthy: count('unhealthy'),
      slowStart: count('slow-start'),
      panic,
      ejectedForMs: ends.length === 0 ? -1 : Math.max(0, Math.min(...ends)),
      breaker: breaker.state,
      activeRequests,
      budgetRequests: Math.round(budget.requests),
      budgetRetries: Math.round(budget.retries),
    },
    endpoints: endpoints.slice(0, MAX_VIEWED_ENDPOINTS).map((endpoint) => viewEndpoint(endpoint, nowMs)),
  };
}

function viewEndpoint(endpoint: EndpointSnapshot, nowMs: number): EndpointView {
  const { untilMs, score, latencyMs } = endpoint;
  return {
    endpoint: clipped(endpoint.key, 600),
    address: clipped(`${endpoint.address}:${endpoint.port}`, 600),
    zone: clipped(endpoint.zone, 600),
    weight: endpoint.weight,
    state: endpoint.state,
    forMs: untilMs > nowMs && Number.isFinite(untilMs) ? untilMs - nowMs : -1,
    score: Number.isFinite(score) ? Math.max(0, score) : -1,
    latencyMs: Number.isFinite(latencyMs) ? Math.max(0, latencyMs) : -1,
    inFlight: endpoint.inFlight,
    tries: endpoint.tries,
    failures: endpoint.failures,
    ejections: endpoint.ejections,
  };
}

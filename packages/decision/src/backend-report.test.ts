import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndpointState, compilePicker, newPickCursor } from '@weft/balance';
import { CircuitBreaker, ConcurrencyLimit, RetryBudget } from '@weft/resilience';
import { type ReportSources, snapshotOf, tallyOf } from './backend-report.ts';
import { defaultBackend, endpointSet } from './backend-state-simulation.ts';

const NOW_MS = 10_000;

/** One endpoint of each standing: healthy, unhealthy, ejected, due for its probe, starting slowly. */
function makeSources(breaker: CircuitBreaker | null): ReportSources {
  const policy = {
    ...defaultBackend,
    loadBalancer: { ...defaultBackend.loadBalancer, slowStartMs: 4_000 },
  };
  const endpoints = endpointSet(5).endpoints.map((endpoint) => new EndpointState(endpoint, 30, NOW_MS, 0));
  const [, unhealthy, ejected, due, slow] = endpoints as EndpointState[];
  unhealthy!.unhealthy = true;
  for (const state of [ejected!, due!]) state.ejected = true;
  ejected!.probeDueMs = NOW_MS + 500;
  due!.probeDueMs = NOW_MS - 1;
  slow!.startedMs = NOW_MS - 1_000;
  const limit = new ConcurrencyLimit(0);
  limit.acquire();
  const budget = new RetryBudget(1);
  budget.offered(NOW_MS);
  const picker = compilePicker(endpoints, policy.loadBalancer, '', false, newPickCursor());
  return { policy, endpoints, picker, breaker, limit, budget, panic: true };
}

test('a snapshot names each endpoint with its standing and until when that lasts', () => {
  const snapshot = snapshotOf(makeSources(null), NOW_MS);
  assert.deepEqual(
    snapshot.endpoints.map(({ state, untilMs }) => [state, untilMs]),
    [
      ['healthy', 0],
      ['unhealthy', 0],
      ['ejected', NOW_MS + 500],
      ['probing', 0],
      ['slow-start', NOW_MS + 3_000],
    ],
  );
  assert.deepEqual(
    [snapshot.key, snapshot.breaker.state, snapshot.activeRequests, snapshot.panic, snapshot.budget.requests],
    [defaultBackend.name, 'off', 1, true, 1],
  );
});

test('a tally has the same in figures', () => {
  const breaker = new CircuitBreaker(defaultBackend.circuitBreaker!);
  assert.deepEqual(tallyOf(makeSources(breaker), NOW_MS), {
    atMs: NOW_MS,
    endpoints: 5,
    ejected: 2,
    unhealthy: 1,
    slowStart: 1,
    panic: true,
    ejectedUntilMs: NOW_MS - 1,
    breaker: 'closed',
    budgetRequests: 1,
    budgetRetries: 0,
  });
});

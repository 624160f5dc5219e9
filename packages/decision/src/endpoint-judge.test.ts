import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndpointState } from '@weft/balance';
import { seededRandom } from '@weft/kernel';
import type { Backend } from '@weft/model';
import { defaultBackend, endpointSet } from './backend-state-simulation.ts';
import { EndpointJudge } from './endpoint-judge.ts';

function makeJudge(change: Partial<Backend> = {}): { judge: EndpointJudge; first: EndpointState; told: string[] } {
  const told: string[] = [];
  const policy = { ...defaultBackend, ...change };
  const endpoints = endpointSet(4).endpoints.map((endpoint) => new EndpointState(endpoint, 30, 0, 0));
  const judge = new EndpointJudge(policy, seededRandom(1), {
    onStanding: (endpoint, standing) => void told.push(`${endpoint.key} ${standing}`),
  });
  judge.update(policy, endpoints, 0);
  return { judge, first: endpoints[0]!, told };
}

/** A try from start to head. */
function head(judge: EndpointJudge, endpoint: EndpointState, nowMs: number, status: number): boolean {
  judge.started(endpoint, nowMs - 1);
  return judge.head(endpoint, nowMs, 1, status, -1, '', 0);
}

test('a head says whether the endpoint works, and only what changes its standing is told', () => {
  const { judge, first, told } = makeJudge();
  assert.deepEqual(
    [200, 404, 503].map((status, index) => head(judge, first, 10 + index, status)),
    [true, true, false],
  );
  assert.deepEqual([first.failures, told], [1, []]);
  assert.ok(judge.watch.nextDueMs < 1_000, 'a suspect is looked at again');
  assert.equal(head(judge, first, 20, 200), true);
  assert.deepEqual([judge.watch.nextDueMs, told], [Number.POSITIVE_INFINITY, []]);
});

test('failures in a row eject it, and one good answer to a probe brings it back to a slow start', () => {
  const { judge, first, told } = makeJudge();
  for (let failure = 0; failure < 5; failure += 1) head(judge, first, 100 + failure, 503);
  assert.deepEqual(told, [`${first.key} ejected`]);
  const dueMs = judge.watch.nextDueMs;
  assert.equal(dueMs, first.probeDueMs);
  assert.equal(judge.watch.pick(dueMs, true), first);
  head(judge, first, dueMs + 2, 200);
  assert.deepEqual(told, [`${first.key} ejected`, `${first.key} restored`]);
  assert.deepEqual(
    [first.ejected, first.startedMs, judge.watch.nextDueMs],
    [false, dueMs + 2, Number.POSITIVE_INFINITY],
  );
});

test('one that is spared by the cap is told, and again when it works', () => {
  const { judge, first, told } = makeJudge({
    outlierDetection: { ...defaultBackend.outlierDetection!, maxEjectedPercent: 0 },
  });
  for (let failure = 0; failure < 6; failure += 1) head(judge, first, 100 + failure, 503);
  head(judge, first, 200, 200);
  assert.deepEqual(told, [`${first.key} spared`, `${first.key} acquitted`]);
});

test('an ending without a head counts by its row, one after a good head by what was cut', () => {
  const { judge, first } = makeJudge();
  judge.endedBeforeHead(first, 10, 'connect-refused', 1);
  judge.endedBeforeHead(first, 10, 'downstream-reset', 1);
  assert.equal(first.failures, 1);
  judge.endedBeforeHead(first, 11, 'stream-refused', 1);
  assert.deepEqual([first.failures, first.latencyMs >= 1_000], [1, true]);
  judge.endedAfterHead(first, 12, 'completed', 1, -1);
  judge.endedAfterHead(first, 12, 'downstream-reset', 1, -1);
  assert.equal(first.failures, 1);
  judge.endedAfterHead(first, 13, 'upstream-cut', 1, -1);
  judge.endedAfterHead(first, 13, 'completed', 1, 14);
  assert.equal(first.failures, 3);
});

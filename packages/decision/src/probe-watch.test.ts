import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndpointState } from '@weft/balance';
import { endpointSet } from './backend-state-simulation.ts';
import { ProbeWatch } from './probe-watch.ts';

function makeEndpoints(count: number): EndpointState[] {
  return endpointSet(count).endpoints.map((endpoint) => new EndpointState(endpoint, 30, 0, 0));
}

function eject(endpoint: EndpointState, dueMs: number): void {
  endpoint.ejected = true;
  endpoint.probeDueMs = dueMs;
}

test('the next date is that of the first endpoint that wants a probe', () => {
  const endpoints = makeEndpoints(4);
  const [first, second, third] = endpoints as [EndpointState, EndpointState, EndpointState];
  const watch = new ProbeWatch();
  watch.reset(endpoints, false);
  assert.equal(watch.nextDueMs, Number.POSITIVE_INFINITY);
  eject(first, 300);
  eject(second, 200);
  eject(third, 100);
  third.unhealthy = true;
  watch.reset(endpoints, false);
  assert.equal(watch.nextDueMs, 200);
  second.probeDueMs = 150;
  watch.sooner(second);
  assert.equal(watch.nextDueMs, 150);
  second.probeDueMs = Number.POSITIVE_INFINITY;
  watch.refresh();
  assert.equal(watch.nextDueMs, 300);
});

test('suspects want one only where the balancer would not ask them again by itself', () => {
  const endpoints = makeEndpoints(2);
  const suspect = endpoints[0]!;
  suspect.probeDueMs = 100;
  const watch = new ProbeWatch();
  watch.reset(endpoints, false);
  assert.deepEqual([watch.nextDueMs, watch.pick(200, true)], [Number.POSITIVE_INFINITY, undefined]);
  watch.reset(endpoints, true);
  assert.deepEqual([watch.nextDueMs, watch.pick(200, true)], [100, suspect]);
});

test('a probe goes to one that is due and has room, and takes a request that can not be retried after a second only', () => {
  const endpoints = makeEndpoints(2);
  const [first, second] = endpoints as [EndpointState, EndpointState];
  const watch = new ProbeWatch();
  watch.reset(endpoints, true);
  eject(second, 100);
  watch.add(second);
  watch.add(second);
  eject(first, 500);
  watch.add(first);
  watch.refresh();
  assert.equal(watch.pick(99, true), undefined);
  assert.equal(watch.pick(100, true), second);
  assert.equal(watch.pick(1_099, false), undefined);
  assert.equal(watch.pick(1_100, false), second);
  second.full = true;
  assert.equal(watch.pick(1_100, true), first);
});

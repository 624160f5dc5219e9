import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CircuitBreakerPolicy } from '@weft/model';
import { CircuitBreaker } from './circuit-breaker.ts';

const policy: CircuitBreakerPolicy = {
  failurePercent: 50,
  minimumRequests: 20,
  windowMs: 10_000,
  openForMs: 5_000,
  maxOpenForMs: 12_000,
  probes: 3,
  slowerThanMs: 0,
};

function record(breaker: CircuitBreaker, nowMs: number, good: number, bad: number): void {
  for (let outcome = 0; outcome < good; outcome += 1) breaker.record(nowMs, false, 1);
  for (let outcome = 0; outcome < bad; outcome += 1) breaker.record(nowMs, true, 1);
}

/** Opened at `nowMs`. */
function openBreaker(nowMs: number, change: Partial<CircuitBreakerPolicy> = {}): CircuitBreaker {
  const breaker = new CircuitBreaker({ ...policy, ...change });
  record(breaker, nowMs, 0, 20);
  assert.equal(breaker.admits(nowMs, false), false);
  return breaker;
}

test('it opens when it is asked and half of the window has failed, not before', () => {
  const breaker = new CircuitBreaker(policy);
  record(breaker, 0, 11, 9);
  assert.equal(breaker.admits(0, false), true);
  record(breaker, 0, 0, 2);
  assert.equal(breaker.state, 'closed', 'nobody asked yet');
  assert.equal(breaker.admits(1, false), false);
  assert.deepEqual([breaker.state, breaker.untilMs], ['open', 5_001]);
});

test('it needs the minimum of requests, and forgets those older than the window', () => {
  const breaker = new CircuitBreaker(policy);
  record(breaker, 0, 0, 19);
  assert.equal(breaker.admits(0, false), true);
  record(breaker, 10_000, 0, 1);
  assert.equal(breaker.admits(10_000, false), true);
  assert.equal(breaker.requests(10_000), 1);
});

test('open, it refuses everybody; after its time exactly the probes pass', () => {
  const breaker = openBreaker(0);
  assert.equal(breaker.admits(4_999, false), false);
  assert.equal(breaker.admits(4_999, true), false);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => breaker.admits(5_000, false)),
    [true, true, true, false],
  );
  assert.equal(breaker.state, 'half-open');
});

test('it closes when all probes succeed, with an empty window', () => {
  const breaker = openBreaker(0);
  for (let probe = 0; probe < 3; probe += 1) breaker.admits(5_000, false);
  breaker.record(5_010, false, 10);
  breaker.record(5_010, false, 10);
  assert.equal(breaker.state, 'half-open');
  breaker.record(5_010, false, 10);
  assert.equal(breaker.state, 'closed');
  assert.equal(breaker.failures(5_010), 0);
  assert.equal(breaker.admits(5_011, false), true);
});

test('each failed round of probes doubles the time up to the longest, and closing takes that back', () => {
  const breaker = openBreaker(0);
  const lengths: number[] = [];
  let nowMs = 0;
  for (let round = 0; round < 4; round += 1) {
    lengths.push(breaker.untilMs - nowMs);
    nowMs = breaker.untilMs;
    assert.equal(breaker.admits(nowMs, false), true);
    breaker.record(nowMs, true, 0);
    assert.equal(breaker.state, 'open');
  }
  assert.deepEqual(lengths, [5_000, 10_000, 12_000, 12_000]);
  breaker.recovered();
  record(breaker, nowMs, 0, 20);
  breaker.admits(nowMs, false);
  assert.equal(breaker.untilMs - nowMs, 5_000);
});

test('requests from before it opened decide nothing when they end, whatever the probes waited for before they were sent', () => {
  const breaker = openBreaker(10_000);
  breaker.record(14_000, false, 10);
  breaker.admits(15_000, false);
  breaker.record(15_100, true, 5_200);
  for (let outcome = 0; outcome < 5; outcome += 1) breaker.record(15_100, false, 5_200);
  assert.equal(breaker.state, 'half-open');
  for (let probe = 0; probe < 3; probe += 1) breaker.record(15_100, false, 900);
  assert.equal(breaker.state, 'closed');
});

test('a retry takes no probe of its own', () => {
  const breaker = openBreaker(0);
  for (let probe = 0; probe < 3; probe += 1) breaker.admits(5_000, false);
  assert.equal(breaker.admits(5_010, true), true);
  assert.equal(breaker.admits(5_010, false), false);
});

test('probes that never end let others go later', () => {
  const breaker = openBreaker(0);
  for (let probe = 0; probe < 3; probe += 1) breaker.admits(5_000, false);
  assert.equal(breaker.admits(9_999, false), false);
  assert.equal(breaker.admits(10_000, false), true);
});

test('an outcome slower than asked counts as a failure', () => {
  const breaker = new CircuitBreaker({ ...policy, slowerThanMs: 2_000 });
  for (let outcome = 0; outcome < 20; outcome += 1) breaker.record(0, false, outcome < 10 ? 2_001 : 2_000);
  assert.equal(breaker.failures(0), 10);
  assert.equal(breaker.admits(0, false), false);
});

test('a changed policy keeps state and counts', () => {
  const breaker = new CircuitBreaker(policy);
  record(breaker, 1_000, 5, 5);
  breaker.update({ ...policy, windowMs: 60_000, minimumRequests: 10 }, 2_000);
  assert.deepEqual([breaker.requests(50_000), breaker.failures(50_000)], [10, 5]);
  assert.equal(breaker.admits(50_000, false), false);
});

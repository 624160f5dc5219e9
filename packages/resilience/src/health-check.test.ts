import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HealthCheckPolicy } from '@weft/model';
import { recordHealthCheck } from './health-check.ts';

const policy: HealthCheckPolicy = {
  type: 'Http',
  path: '/healthz',
  statuses: [{ from: 200, to: 299 }],
  intervalMs: 5_000,
  timeoutMs: 1_000,
  unhealthyAfter: 3,
  healthyAfter: 2,
};

test('results in a row change the state, a result in between starts the count anew', () => {
  const subject = { unhealthy: false, healthStreak: 0 };
  const feed = (results: string): string =>
    [...results].map((result) => (recordHealthCheck(subject, policy, result === '+') ? '!' : '.')).join('');
  assert.equal(feed('--+--+'), '......');
  assert.equal(feed('---'), '..!');
  assert.equal(subject.unhealthy, true);
  assert.equal(feed('-+-+-'), '.....');
  assert.equal(feed('++'), '.!');
  assert.equal(subject.unhealthy, false);
  assert.equal(feed('--'), '..');
});

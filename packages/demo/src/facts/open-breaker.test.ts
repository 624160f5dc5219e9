import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Quantiles } from '../load-generator.ts';
import { judge } from './open-breaker.ts';

test('on a quiet machine the slowest hundredth is judged', () => {
  const quiet = quantiles(0.5, 0.8, 1.2);
  assert.match(judge(quantiles(1, 2, 4), quiet).measured, /judged by p99, as the machine is quiet/);
  assert.equal(judge(quantiles(1, 2, 4), quiet).ok, true);
  assert.equal(judge(quantiles(1, 2, 6), quiet).ok, false);
});

test('on a busy machine the highest quantile is judged at which a bare server is quick', () => {
  const busy = quantiles(0.8, 2, 40);
  assert.equal(judge(quantiles(1, 3, 80), busy).ok, true);
  assert.equal(judge(quantiles(1, 6, 80), busy).ok, false);
  assert.match(judge(quantiles(1, 3, 80), busy).measured, /judged by p95, as the machine is too busy/);
});

test('where a bare server is slow in the middle, what it took is taken off, for the way there and back', () => {
  const drowned = quantiles(20, 90, 400);
  assert.equal(judge(quantiles(44, 200, 900), drowned).ok, true);
  assert.equal(judge(quantiles(46, 200, 900), drowned).ok, false);
});

function quantiles(p50Ms: number, p95Ms: number, p99Ms: number): Quantiles {
  return { count: 100, p50Ms, p95Ms, p99Ms, maxMs: p99Ms };
}

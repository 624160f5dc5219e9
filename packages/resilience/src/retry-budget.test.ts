import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { RetryBudget } from './retry-budget.ts';
import { RollingWindow } from './rolling-window.ts';

const policy = { percent: 20, minimumPerSecond: 1, windowMs: 10_000 };

/** Spends what the policy allows at `nowMs`; how much that was. */
function spendAll(budget: RetryBudget, nowMs: number, allowed = policy): number {
  let spent = 0;
  while (budget.allows(nowMs, allowed)) {
    budget.spent(nowMs);
    spent += 1;
  }
  return spent;
}

test('with few requests the floor is what may be spent in a window', () => {
  const budget = new RetryBudget(1);
  assert.equal(spendAll(budget, 0), 10);
  assert.equal(spendAll(budget, 5_000), 0);
  assert.equal(spendAll(budget, 10_000), 10);
});

test('with many requests the percentage is', () => {
  const budget = new RetryBudget(1);
  for (let request = 0; request < 1_000; request += 1) budget.offered(request * 9);
  assert.equal(spendAll(budget, 9_000), 200);
  assert.equal(budget.retries(9_000), 200);
});

test('a floor of 0 and no requests allow nothing', () => {
  assert.equal(spendAll(new RetryBudget(1), 0, { ...policy, minimumPerSecond: 0 }), 0);
});

test('several workers share the floor', () => {
  assert.equal(spendAll(new RetryBudget(2), 0), 5);
});

test('rules with their own percentage look at the same counts', () => {
  const budget = new RetryBudget(1);
  for (let request = 0; request < 1_000; request += 1) budget.offered(0);
  assert.equal(spendAll(budget, 0, { ...policy, percent: 5 }), 50);
  assert.equal(spendAll(budget, 0), 150);
});

test('a longer window takes over what was counted', () => {
  const budget = new RetryBudget(1);
  for (let request = 0; request < 500; request += 1) budget.offered(0);
  assert.equal(budget.allows(0, { ...policy, windowMs: 60_000 }), true);
  assert.equal(budget.requests(55_000), 500);
});

test('the window counts what a plain list of times counts, to a bucket', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = seededRandom(seed);
    const window = new RollingWindow(1_000);
    const times: number[] = [];
    let nowMs = 0;
    for (let step = 0; step < 500; step += 1) {
      nowMs += random() < 0.02 ? random() * 3_000 : random() * 20;
      window.add(nowMs, 1, 0);
      times.push(nowMs);
      const atMost = times.filter((time) => time > nowMs - 1_000).length;
      const atLeast = times.filter((time) => time > nowMs - 950).length;
      const counted = window.total(nowMs);
      assert.ok(counted >= atLeast && counted <= atMost, `seed ${seed}: ${atLeast} <= ${counted} <= ${atMost}`);
    }
  }
});

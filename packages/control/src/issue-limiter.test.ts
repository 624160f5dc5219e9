import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import { IssueLimiter } from './issue-limiter.ts';

const takeAll = (limiter: IssueLimiter, caller: string): number => {
  let taken = 0;
  while (limiter.take(caller)) taken += 1;
  return taken;
};

test('a caller has a burst of 200 and 20 a second after it, whatever others do', () => {
  const clock = new FakeClock();
  const limiter = new IssueLimiter(clock);
  assert.equal(takeAll(limiter, 'a'), 200);
  assert.equal(takeAll(limiter, 'b'), 200);
  clock.advance(500);
  assert.equal(takeAll(limiter, 'a'), 10);
});

test('all callers together are bounded, so inventing names gains nothing', () => {
  const clock = new FakeClock();
  const limiter = new IssueLimiter(clock);
  let taken = 0;
  for (let caller = 0; caller < 20_000; caller += 1) if (limiter.take(`caller-${caller}`)) taken += 1;
  assert.equal(taken, 2000);
  clock.advance(1000);
  taken = 0;
  for (let caller = 0; caller < 20_000; caller += 1) if (limiter.take(`other-${caller}`)) taken += 1;
  assert.equal(taken, 100);
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fullJitterBackoffMs } from './backoff.ts';
import { seededRandom } from './random.ts';

describe('full-jitter backoff', () => {
  it('doubles its ceiling with each attempt up to the maximum', () => {
    const half = (): number => 0.5;
    assert.deepEqual(
      [0, 1, 2, 3, 4, 50, 5000].map((attempt) => fullJitterBackoffMs(half, attempt, 100, 1000)),
      [50, 100, 200, 400, 500, 500, 500],
    );
  });

  it('spreads over the whole range from nothing to the ceiling', () => {
    const random = seededRandom(11);
    const waits = Array.from({ length: 10_000 }, () => fullJitterBackoffMs(random, 2, 100, 1000));
    assert.ok(Math.min(...waits) < 2 && Math.max(...waits) > 398 && Math.max(...waits) < 400);
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    assert.ok(Math.abs(mean - 200) < 6);
  });
});

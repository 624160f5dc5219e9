import { equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { latencyBoundsSeconds, latencyBucket } from './latency-buckets.ts';

/** The definition: the first bucket whose bound is not exceeded. */
function slowBucket(durationMs: number): number {
  const index = latencyBoundsSeconds.findIndex((bound) => durationMs <= bound * 1000);
  return index < 0 ? latencyBoundsSeconds.length : index;
}

describe('latencyBucket', () => {
  test('a bound belongs to its own bucket and anything above to the next', () => {
    for (const [index, bound] of latencyBoundsSeconds.entries()) {
      equal(latencyBucket(bound * 1000), index);
      equal(latencyBucket(bound * 1000 * (1 + Number.EPSILON * 2)), index + 1);
    }
  });

  test('agrees with the definition over ten orders of magnitude', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 20_000; round += 1) {
      const durationMs = 10 ** (random() * 10 - 4);
      equal(latencyBucket(durationMs), slowBucket(durationMs), String(durationMs));
    }
  });

  test('what is no duration counts as none, what has no bound in the last bucket', () => {
    for (const odd of [0, -0, -5, Number.NaN, Number.MIN_VALUE]) equal(latencyBucket(odd), 0);
    for (const long of [60_000.001, 1e12, Infinity]) equal(latencyBucket(long), latencyBoundsSeconds.length);
  });
});

import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NativeBuckets, mergeNativeSeries, nativeIndex, packNativeBuckets } from './native-buckets.ts';

/** Counts by the index of their bucket. */
function read({ first, counts }: NativeBuckets): Map<number, number> {
  return new Map([...counts].map((count, at) => [first + at, count] as const).filter(([, count]) => count > 0));
}

function observed(durations: readonly number[]): NativeBuckets {
  const buckets = new NativeBuckets();
  for (const ms of durations) buckets.observeMs(ms);
  return buckets;
}

describe('NativeBuckets', () => {
  test('a power of two is the upper bound of its bucket, and what is above it is in the next', () => {
    for (let power = -18; power <= 20; power += 1) {
      equal(nativeIndex(2 ** power), power * 8, `2^${power}`);
      equal(nativeIndex(2 ** power * (1 + 1e-9)), power * 8 + 1, `above 2^${power}`);
    }
  });

  test('every duration is within the bounds of its bucket', () => {
    for (let seconds = 0.000_002; seconds < 1_000_000; seconds *= 1.017) {
      const index = nativeIndex(seconds);
      ok(seconds <= 2 ** (index / 8) * (1 + 1e-12), `${seconds} s is at most the upper bound of ${index}`);
      ok(seconds > 2 ** ((index - 1) / 8) * (1 - 1e-12), `${seconds} s is above the lower bound of ${index}`);
    }
  });

  test('none is lost while the window grows both ways', () => {
    const durations = Array.from({ length: 2_000 }, (_, index) => 10 ** (((index * 7_919) % 2_000) / 200 - 3));
    const buckets = observed(durations);
    const counted = [...read(buckets).values()].reduce((sum, count) => sum + count, 0);
    equal(counted + buckets.zero, durations.length);
    ok(buckets.counts.length < 400, `${buckets.counts.length} cells`);
  });

  test('what no clock can tell apart is zero, and what lasts for ever is in the last bucket', () => {
    const buckets = observed([0, -5, Number.NaN, 0.0009, 1e30, Infinity, 1e12]);
    equal(buckets.zero, 4);
    deepEqual([...read(buckets)], [[24 * 8, 3]]);
  });

  test('series of several threads are added bucket by bucket', () => {
    const left = [observed([1, 1, 5]), observed([])];
    const right = [observed([60_000, 0]), observed([1, 3_000])];
    const merged = mergeNativeSeries(
      [
        { series: packNativeBuckets(left), to: [0, 2] },
        { series: packNativeBuckets(right), to: [1, 0] },
      ],
      3,
    );
    const expected = [observed([1, 1, 5, 1, 3_000]), observed([60_000, 0]), observed([])];
    let at = 0;
    for (let index = 0; index < 3; index += 1) {
      const buckets = new NativeBuckets();
      buckets.zero = merged.zeros[index]!;
      buckets.first = merged.firsts[index]!;
      buckets.counts = merged.counts.slice(at, at + merged.lengths[index]!);
      at += merged.lengths[index]!;
      equal(buckets.zero, expected[index]!.zero);
      deepEqual(read(buckets), read(expected[index]!), `series ${index}`);
    }
    equal(at, merged.counts.length);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { median, medianInterval, percentile, ratios, slope, spread } from './statistics.ts';

test('the median of an odd and of an even number of values', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('a median does not order its argument', () => {
  const values = [3, 1, 2];
  median(values);
  assert.deepEqual(values, [3, 1, 2]);
});

test('ratios pair the rounds, so that a slow round of the machine is no slow subject', () => {
  // Round two was twice as slow for both: the medians' ratio would be the same, the ratios' spread is none.
  assert.deepEqual(spread(ratios([20, 40, 20], [10, 20, 10])), { median: 2, min: 2, max: 2 });
});

test('a round that one side lacks gives no ratio', () => {
  assert.deepEqual(ratios([10, 10, 10], [5, Number.NaN]), [2]);
  assert.deepEqual(ratios([10], [0]), []);
});

test('percentiles are the nearest rank, never an invented value', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile(hundred, 0.999), 100);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile([7], 0), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('a slope has the interval that textbooks give', () => {
  const exact = slope([1, 2, 3, 4].map((x) => ({ x, y: 3 * x + 1 })));
  assert.ok(Math.abs(exact.perUnit - 3) < 1e-12);
  assert.ok(exact.halfInterval < 1e-9);
  // Sum of squared residuals 0.8 over 10, two points short of five: t(3) = 3.182.
  const noisy = slope([2, 4, 5, 4, 5].map((y, index) => ({ x: index + 1, y })));
  assert.ok(Math.abs(noisy.perUnit - 0.6) < 1e-12);
  assert.ok(Math.abs(noisy.halfInterval - 3.182 * Math.sqrt(2.4 / 3 / 10)) < 0.02);
  assert.equal(
    slope([
      { x: 0, y: 0 },
      { x: 1, y: 1 },
    ]).halfInterval,
    Number.POSITIVE_INFINITY,
  );
});

test('the median of what was drawn lies in its interval about 95 times of 100, and in a narrower one the more is drawn', () => {
  const random = seededRandom(1);
  for (const [count, widest] of [
    [12, 0.8],
    [60, 0.35],
  ] as const) {
    let inside = 0;
    let width = 0;
    for (let round = 0; round < 2_000; round += 1) {
      const [low, high] = medianInterval(Array.from({ length: count }, () => random()));
      if (low <= 0.5 && high >= 0.5) inside += 1;
      width += (high - low) / 2_000;
    }
    assert.ok(inside >= 1_850 && inside <= 1_990, `${count} values: ${inside} of 2,000`);
    assert.ok(width < widest, `${count} values: ${width} wide`);
  }
});

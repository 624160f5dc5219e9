import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { WeightedDraw } from './weighted-draw.ts';

/** The exact share of each index, by a fine and even grid of uniform numbers. */
function sharesOf(draw: WeightedDraw, points: number): number[] {
  const counts = Array.from({ length: draw.relativeWeights.length }, () => 0);
  for (let point = 0; point < points; point += 1) {
    const index = draw.draw((point + 0.5) / points);
    counts[index] = counts[index]! + 1;
  }
  return counts.map((count) => count / points);
}

test('each index is drawn in proportion to its weight', () => {
  const random = seededRandom(1);
  for (let round = 0; round < 50; round += 1) {
    const weights = Array.from({ length: 1 + Math.trunc(random() * 12) }, () => Math.trunc(random() * 10));
    weights[0] = 1 + weights[0]!;
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const shares = sharesOf(new WeightedDraw(weights), 20_000);
    for (const [index, weight] of weights.entries()) {
      assert.ok(Math.abs(shares[index]! - weight / sum) < 0.001, `${weights.join(' ')} gave ${shares.join(' ')}`);
    }
  }
});

test('a weight of 0 beside others is never drawn', () => {
  assert.equal(sharesOf(new WeightedDraw([0, 3, 0, 5]), 10_000)[0], 0);
  assert.equal(sharesOf(new WeightedDraw([0, 3, 0, 5]), 10_000)[2], 0);
});

test('weights that are all 0 count the same', () => {
  const draw = new WeightedDraw([0, 0]);
  assert.equal(draw.equal, true);
  assert.deepEqual(sharesOf(draw, 10_000), [0.5, 0.5]);
});

test('the largest uniform number stays inside the set', () => {
  for (let size = 1; size < 2_000; size += 1) {
    const draw = new WeightedDraw(Array.from({ length: size }, () => 1));
    assert.equal(draw.draw(1 - 2 ** -53), size - 1);
  }
});

test('a negative or infinite weight is refused', () => {
  assert.throws(() => new WeightedDraw([1, -1]));
  assert.throws(() => new WeightedDraw([1, Number.POSITIVE_INFINITY]));
});

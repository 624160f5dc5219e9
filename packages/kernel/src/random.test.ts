import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, systemRandom } from './random.ts';

function sequence(seed: number, count: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random());
}

describe('a seeded random generator', () => {
  it('repeats its sequence for the same seed and has another for the next', () => {
    assert.deepEqual(sequence(7, 50), sequence(7, 50));
    assert.notDeepEqual(sequence(7, 50), sequence(8, 50));
  });

  it('never changes from one version to the next, so that printed seeds stay useful', () => {
    assert.deepEqual(
      sequence(1, 3).map((number) => number * 2 ** 32),
      [52107484, 3520520, 3760476048],
    );
  });

  it('is uniform: chi-square of 100 cells below its 99.9 % quantile, also over the first numbers of neighbouring seeds', () => {
    const cells = (numbers: number[]): number => {
      const counts = Array.from({ length: 100 }, () => 0);
      for (const number of numbers) counts[Math.floor(number * 100)]! += 1;
      const expected = numbers.length / 100;
      return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    };
    assert.ok(cells(sequence(42, 100_000)) < 149);
    assert.ok(cells(Array.from({ length: 20_000 }, (_, seed) => sequence(seed, 1)[0]!)) < 149);
  });

  it('stays in [0, 1), as the one of the machine does', () => {
    for (const number of [...sequence(3, 10_000), ...Array.from({ length: 1000 }, systemRandom)]) {
      assert.ok(number >= 0 && number < 1);
    }
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { forEachSeed } from './for-each-seed.ts';

describe('forEachSeed', () => {
  it('runs each seed once with its own generator, which is the same when repeated', async () => {
    const first = new Map<number, number>();
    await forEachSeed(10, (random, seed) => void first.set(seed, random()));
    assert.deepEqual([...first.keys()], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(new Set(first.values()).size, 10);
    await forEachSeed(1, (random) => assert.equal(random(), first.get(7)), { first: 7 });
  });

  it('waits for each check before the next', async () => {
    let running = 0;
    await forEachSeed(3, async () => {
      running += 1;
      await Promise.resolve();
      assert.equal(running, 1);
      running -= 1;
    });
  });

  it('names the seed that failed, keeps the cause and stops', async () => {
    const cause = new Error('budget exceeded');
    let last = 0;
    const run = forEachSeed(10, async (_, seed) => {
      last = seed;
      if (seed === 4) throw cause;
    });
    await assert.rejects(run, (error: Error) => /seed 4: budget exceeded/.test(error.message) && error.cause === cause);
    assert.equal(last, 4);
  });
});

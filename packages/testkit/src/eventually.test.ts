import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from './eventually.ts';

describe('eventually', () => {
  it('repeats what throws or gives false until it gives something else, and returns that', async () => {
    let calls = 0;
    const value = await eventually(async () => {
      calls += 1;
      if (calls === 1) throw new Error('not yet');
      return calls === 2 ? false : calls;
    }, 1000);
    assert.equal(value, 3);
    assert.equal(await eventually(() => 0, 0), 0);
  });

  it('outlasts a moment in which nothing of the process ran, however long it was', async () => {
    let isSo = false;
    setImmediate(() => {
      standStill();
      // After the timer that has become due meanwhile.
      setImmediate(() => (isSo = true));
    });
    await eventually(() => isSo, 60);
    let calls = 0;
    await eventually(() => {
      calls += 1;
      if (calls === 1) standStill();
      return calls > 1;
    }, 60);
  });

  it('fails with the last reason when the time is up', async () => {
    const cause = new Error('still down');
    await assert.rejects(
      eventually(() => {
        throw cause;
      }, 10),
      (error: Error) => /not within 10 ms: still down/.test(error.message) && error.cause === cause,
    );
    await assert.rejects(
      eventually(() => false, 5),
      /not within 5 ms: the condition stayed false/,
    );
  });
});

function standStill(): void {
  const endMs = performance.now() + 100;
  while (performance.now() < endMs);
}

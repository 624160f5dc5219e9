import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BulkPace } from './bulk-pace.ts';
import type { Paced } from './bulk-pace.ts';

const FREE = 256 * 1024;

class Scene {
  nowMs = 1_000;
  waitedMs = 0;
  readonly rests: (() => void)[] = [];
  readonly pace: BulkPace;
  went = 0;
  readonly bulk: Paced = { readOn: () => void (this.went += 1) };

  constructor() {
    this.pace = new BulkPace({
      clock: { nowMs: () => this.nowMs },
      processor: { readMs: () => this.waitedMs },
      rest: (callback) => void this.rests.push(callback),
    });
  }

  /** So many milliseconds go by, this share of them in the queue for the processor; then bulk yields. */
  pass(ms: number, share: number, smalls: number): void {
    for (let count = 0; count < smalls; count += 1) this.pace.countSmall();
    this.nowMs += ms;
    this.waitedMs += ms * share;
    this.pace.yield(this.bulk);
  }

  get resting(): boolean {
    return this.pace.shareBytes < FREE;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

describe('bulk', () => {
  it('goes on in the next turn of the loop while the processor is free', async () => {
    const scene = new Scene();
    for (let step = 0; step < 5; step += 1) scene.pass(25, 0.04, 10);
    assert.equal(scene.went, 0);
    await turn();
    assert.equal(scene.went, 5);
    assert.equal(scene.rests.length, 0);
    assert.equal(scene.pace.shareBytes, FREE);
    assert.ok(scene.pace.smallsAbout);
  });

  it('rests after each share where the processor is short and small messages are about', async () => {
    const scene = new Scene();
    scene.pass(25, 0.06, 10);
    await turn();
    scene.went = 0;
    scene.pass(25, 0.06, 10);
    assert.equal(scene.pace.shareBytes, 64 * 1024);
    scene.pass(1, 0.06, 0);
    await turn();
    assert.equal(scene.went, 0);
    assert.equal(scene.rests.length, 1, 'all that rest are woken together');
    scene.rests[0]!();
    assert.equal(scene.went, 2);
  });

  it('goes on where the processor is short and nobody small is there to wait', async () => {
    const scene = new Scene();
    for (let step = 0; step < 10; step += 1) scene.pass(25, 0.5, 0);
    await turn();
    assert.equal(scene.went, 10);
    assert.equal(scene.rests.length, 0);
    assert.ok(!scene.pace.smallsAbout);
  });

  it('rests until a tenth of a second after the last small message, or until the processor is free again', () => {
    const scene = new Scene();
    scene.pass(25, 0.2, 1);
    for (let step = 0; step < 4; step += 1) {
      scene.pass(25, 0.2, 0);
      assert.ok(scene.resting);
    }
    scene.pass(25, 0.2, 0);
    assert.ok(!scene.resting);
    scene.pass(25, 0.2, 1);
    scene.pass(25, 0.03, 1);
    assert.ok(scene.resting, 'a little less is not enough');
    scene.pass(25, 0.01, 1);
    assert.ok(!scene.resting);
  });

  it('is not judged by what was long ago, nor where the system says nothing', () => {
    const scene = new Scene();
    scene.pass(25, 0.5, 1);
    scene.pass(25, 0.5, 1);
    assert.ok(scene.resting);
    scene.pass(10_000, 0.5, 1);
    assert.ok(!scene.resting);
    const silent = new BulkPace({
      clock: { nowMs: () => scene.nowMs },
      processor: { readMs: () => -1 },
      rest: () => assert.fail('rests without a reason'),
    });
    for (let step = 0; step < 5; step += 1) {
      scene.nowMs += 25;
      silent.countSmall();
      silent.yield(scene.bulk);
    }
    assert.equal(silent.shareBytes, FREE);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TurnPace } from './turn-pace.ts';

/** Requests that end one after the other, in turns of so many, on a machine whose sleeps last `sleepMs`. */
class Scene {
  nowMs = 1_000;
  sleeps = 0;
  sleepMs = 0.1;
  readonly pace: TurnPace;

  constructor() {
    this.pace = new TurnPace({
      clock: { nowMs: () => this.nowMs },
      sleep: () => {
        this.sleeps += 1;
        this.nowMs += this.sleepMs;
      },
    });
  }

  /** So many turns; each ends `requests` after `workMs`, which took `durationMs`. */
  turns(
    turns: number,
    {
      requests = 2,
      workMs = 0.04,
      durationMs = 2,
      shared = true,
    }: Partial<Record<'requests' | 'workMs' | 'durationMs', number>> & { shared?: boolean } = {},
  ): number {
    const { sleeps } = this;
    for (let turn = 0; turn < turns; turn += 1) {
      this.nowMs += workMs;
      for (let request = 0; request < requests; request += 1) this.pace.ended(this.nowMs, durationMs, shared);
      if (this.pace.pausing) this.pace.rest();
    }
    return this.sleeps - sleeps;
  }

  /** It pauses. */
  begun(): this {
    this.turns(200);
    assert.ok(this.pace.pausing);
    return this;
  }
}

describe('the pace of turns', () => {
  it('pauses after each turn where many patient requests share connections', () => {
    const scene = new Scene().begun();
    assert.equal(scene.turns(100, { requests: 6 }), 100);
    assert.equal(scene.pace.pauses, scene.sleeps);
    assert.ok(Math.abs(scene.pace.pausedMs - scene.sleeps * 0.1) < 1e-6);
  });

  it('does not where a request would feel it', () => {
    // Eight pauses of a tenth of a millisecond.
    assert.equal(new Scene().turns(1_000, { durationMs: 0.7 }), 0);
    assert.ok(new Scene().turns(1_000, { durationMs: 0.9 }) > 0);
  });

  it('does not where a third of the requests would', () => {
    const scene = new Scene();
    for (let round = 0; round < 500; round += 1) {
      scene.turns(2, { requests: 1 });
      scene.turns(1, { requests: 1, durationMs: 0.3 });
    }
    assert.equal(scene.sleeps, 0);
  });

  it('does not where each request has its connection', () => {
    assert.equal(new Scene().turns(1_000, { shared: false }), 0);
  });

  it('does not where few would come in meanwhile', () => {
    assert.equal(new Scene().turns(1_000, { requests: 1, workMs: 0.1 }), 0);
  });

  it('does not where a turn was a batch already', () => {
    const scene = new Scene().begun();
    assert.equal(scene.turns(1, { requests: 64 }), 0);
    assert.equal(scene.turns(1, { requests: 63 }), 1);
  });

  it('looks ten times a second how long requests take without', () => {
    const scene = new Scene().begun();
    // With pauses they take as long as before; without, they no longer do.
    let without = 0;
    for (let turn = 0; turn < 2_000 && without < 300; turn += 1) {
      if (scene.pace.pausing) scene.turns(1, { requests: 6 });
      else {
        without += 1;
        scene.turns(1, { requests: 6, durationMs: 0.4 });
      }
    }
    assert.equal(without, 300);
    assert.ok(scene.nowMs - 1_000 < 150, `${scene.nowMs - 1_000} ms`);
  });

  it('goes on after the look where nothing has changed', () => {
    const scene = new Scene().begun();
    const turns = 5_000;
    const sleeps = scene.turns(turns, { requests: 6 });
    assert.ok(sleeps > turns * 0.9 && sleeps < turns, `${sleeps} of ${turns}`);
  });

  it('does not judge by requests that began while it paused', () => {
    const scene = new Scene().begun();
    while (scene.pace.pausing) scene.turns(1, { requests: 6 });
    assert.equal(scene.turns(128 / 2, { durationMs: 9 }), 0);
    assert.ok(!scene.pace.pausing);
    assert.ok(scene.turns(128) > 0);
  });

  it('ends with the load', () => {
    const scene = new Scene().begun();
    scene.turns(130, { requests: 1, workMs: 0.2 });
    assert.ok(!scene.pace.pausing);
  });

  it('ends with the first turn after nothing came', () => {
    const scene = new Scene().begun();
    scene.nowMs += 25;
    assert.equal(scene.turns(1, { requests: 1 }), 0);
    assert.ok(!scene.pace.pausing);
  });

  it('is not for machines whose timers are coarse, and is tried again when only something was in the way', () => {
    const scene = new Scene();
    scene.sleepMs = 4;
    scene.turns(3_000);
    // A look of two windows, two pauses, and so on: what it saw last is not forgotten at once.
    assert.ok(scene.sleeps < 60, `${scene.sleeps} pauses of 4 ms`);
    scene.sleepMs = 0.1;
    assert.ok(scene.turns(20_000) > 10_000);
  });
});

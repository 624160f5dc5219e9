import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopTurn } from './loop-turn.ts';
import type { Gathering } from './loop-turn.ts';

/** Turns of a loop that the test makes, and a log of what was done in them. */
class Scene {
  nowMs = 1_000;
  readonly done: string[] = [];
  readonly pace = { pausing: false, rest: () => void this.done.push('rest') };
  readonly turn: LoopTurn;
  private ends: (() => void)[] = [];

  constructor() {
    this.turn = new LoopTurn({
      clock: { nowMs: () => this.nowMs },
      pace: this.pace,
      atEnd: (callback) => void this.ends.push(callback),
    });
  }

  pipe(name: string, encrypted: boolean, onFlush = (): void => {}): Gathering {
    return {
      encrypted,
      flushGathered: () => {
        this.done.push(name);
        onFlush();
      },
    };
  }

  /** The end of a turn that took so long and read something, or nothing; what was done at it. */
  end(read: boolean, ms = 0.02): string {
    this.nowMs += ms;
    if (read) this.turn.countRead();
    this.done.length = 0;
    for (const end of this.ends.splice(0)) end();
    return this.done.join(' ');
  }

  get awaited(): number {
    return this.ends.length;
  }
}

describe('the turn of the loop', () => {
  it('ends with the plain writes that waited, once each, and then the pause', () => {
    const scene = new Scene();
    scene.turn.gather(scene.pipe('one', false));
    scene.turn.gather(scene.pipe('two', false));
    assert.equal(scene.awaited, 1);
    assert.equal(scene.end(true), 'two one rest');
    assert.equal(scene.awaited, 0);
  });

  it('is not awaited for nothing', () => {
    const scene = new Scene();
    scene.turn.countRead();
    assert.equal(scene.awaited, 0);
    scene.pace.pausing = true;
    scene.turn.countRead();
    scene.turn.countRead();
    assert.equal(scene.awaited, 1);
    assert.equal(scene.end(false), 'rest');
  });

  it('leaves to the next what is written while it ends', () => {
    const scene = new Scene();
    const drained = scene.pipe('drained', false);
    scene.turn.gather(scene.pipe('one', false, () => scene.turn.gather(drained)));
    assert.equal(scene.end(true), 'one rest');
    assert.equal(scene.end(false), 'drained rest');
  });

  it('is one of several for records of TLS, while each brings something', () => {
    const scene = new Scene();
    scene.turn.gather(scene.pipe('leg', true));
    assert.equal(scene.end(true), 'rest');
    assert.equal(scene.end(true), 'rest');
    assert.equal(scene.end(false), 'leg rest');
    assert.equal(scene.awaited, 0);
  });

  it('is the eighth at the latest that a record waits for', () => {
    const scene = new Scene();
    for (const round of [1, 2]) {
      scene.turn.gather(scene.pipe('leg', true));
      for (let turn = 1; turn < 8; turn += 1) assert.equal(scene.end(true), 'rest', `turn ${turn} of round ${round}`);
      assert.equal(scene.end(true), 'leg rest');
    }
  });

  it('takes no record further than a quarter of a millisecond', () => {
    const scene = new Scene();
    scene.turn.gather(scene.pipe('leg', true));
    assert.equal(scene.end(true, 0.2), 'rest');
    assert.equal(scene.end(true, 0.1), 'leg rest');
    // Of the first that waits; a turn that is long already is enough.
    scene.turn.gather(scene.pipe('leg', true));
    assert.equal(scene.end(true, 3), 'leg rest');
  });

  it('lets more output wait where it is sealed', () => {
    const { turn } = new Scene();
    assert.deepEqual(
      [0, 399, 400, 3_999, 4_000].map((bytes) => [
        turn.isWorthGathering(bytes, false),
        turn.isWorthGathering(bytes, true),
      ]),
      [
        [true, true],
        [true, true],
        [false, true],
        [false, true],
        [false, false],
      ],
    );
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TimerWheel, seededRandom } from '@weft/kernel';
import { FakeClock } from './fake-clock.ts';

describe('a fake clock', () => {
  it('stands still until it is moved, and moves both times alike', () => {
    const clock = new FakeClock({ startMs: 7, wallStartMs: 1000 });
    assert.equal(clock.nowMs(), 7);
    clock.advance(12.5);
    assert.equal(clock.nowMs(), 19.5);
    assert.equal(clock.wallMs(), 1012);
    assert.equal(new Date(new FakeClock().wallMs()).toISOString(), '2026-01-01T00:00:00.000Z');
  });

  it('keeps appointments in the order of time, then of making, as sorting would', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = seededRandom(seed);
      const clock = new FakeClock();
      const expected = Array.from({ length: 200 }, (_, order) => ({ timeMs: Math.floor(random() * 50), order }));
      const kept: { timeMs: number; order: number }[] = [];
      for (const { timeMs, order } of expected) {
        clock.at(timeMs, () => {
          assert.equal(clock.nowMs(), timeMs);
          kept.push({ timeMs, order });
        });
      }
      clock.advance(20);
      assert.ok(kept.every(({ timeMs }) => timeMs <= 20));
      clock.advance(30);
      assert.deepEqual(
        kept,
        expected.toSorted((one, other) => one.timeMs - other.timeMs || one.order - other.order),
      );
    }
  });

  it('drives several wheels and appointments as one line of time', () => {
    const clock = new FakeClock();
    const coarse = clock.wheel({ tickMs: 10 });
    const fine = clock.drive(new TimerWheel(clock, { tickMs: 1 }));
    const log: string[] = [];
    const note = (what: string) => (): void => void log.push(`${clock.nowMs()} ${what}`);
    coarse.schedule(25, note('coarse'));
    fine.schedule(25, note('fine'));
    fine.schedule(31, note('late'));
    clock.at(30, note('appointment'));
    clock.at(12.5, note('early'));
    clock.advance(100);
    assert.deepEqual(log, ['12.5 early', '25 fine', '30 appointment', '30 coarse', '31 late']);
  });

  it('fires within the same advance what a callback schedules', () => {
    const clock = new FakeClock();
    const wheel = clock.wheel();
    const firedAtMs: number[] = [];
    let rounds = 0;
    const timer = wheel.schedule(100, () => {
      firedAtMs.push(clock.nowMs());
      rounds += 1;
      if (rounds < 3) timer.reschedule(100);
      clock.at(clock.nowMs() + 5, () => firedAtMs.push(clock.nowMs()));
    });
    clock.advance(1000);
    assert.deepEqual(firedAtMs, [100, 105, 200, 205, 300, 305]);
    assert.equal(clock.nowMs(), 1000);
  });

  it('lets promises run between moments when asked to', async () => {
    const clock = new FakeClock();
    const wheel = clock.wheel();
    const log: number[] = [];
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => void wheel.schedule(ms, resolve));
    const work = (async () => {
      for (let round = 0; round < 3; round += 1) {
        await sleep(50);
        log.push(clock.nowMs());
      }
    })();
    await clock.advanceSettled(1000);
    assert.deepEqual(log, [50, 100, 150]);
    await work;
  });

  it('refuses to go back, and to be advanced by a callback', () => {
    const clock = new FakeClock();
    assert.throws(() => clock.advance(-1), { name: 'InvariantError' });
    assert.throws(() => clock.advance(Number.POSITIVE_INFINITY), { name: 'InvariantError' });
    clock.at(1, () => clock.advance(1));
    assert.throws(() => clock.advance(5), { name: 'InvariantError' });
    clock.advance(5);
    assert.equal(clock.nowMs(), 6);
  });
});

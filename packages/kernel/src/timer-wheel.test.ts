import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from './clock.ts';
import { seededRandom } from './random.ts';
import { type Timer, TimerWheel } from './timer-wheel.ts';

interface HandClock extends Clock {
  timeMs: number;
}

function handClock(startMs = 0): HandClock {
  return {
    timeMs: startMs,
    nowMs() {
      return this.timeMs;
    },
    wallMs() {
      return this.timeMs;
    },
  };
}

function moveTo(clock: HandClock, wheel: TimerWheel, timeMs: number): void {
  clock.timeMs = timeMs;
  wheel.advance(timeMs);
}

describe('a timer wheel', () => {
  it('fires within one tick of the deadline and never before it, over all three rings and past their span', () => {
    const clock = handClock(123.4);
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    const delaysMs = [
      0, 0.1, 10, 15, 2549, 2550, 2560, 2570, 655_350, 655_360, 655_370, 167_772_150, 167_772_160, 400_000_000,
    ];
    const firedAtMs = new Map<number, number>();
    for (const delayMs of delaysMs) wheel.schedule(delayMs, () => firedAtMs.set(delayMs, clock.timeMs - 123.4));
    // The whole way to 400,000 s in ticks would be long; it is walked in ticks only around each deadline.
    for (const delayMs of delaysMs) {
      for (let timeMs = Math.max(0, delayMs - 30); timeMs <= delayMs + 30; timeMs += 5) {
        if (123.4 + timeMs > clock.timeMs) moveTo(clock, wheel, 123.4 + timeMs);
      }
    }
    for (const delayMs of delaysMs) {
      const lateMs = firedAtMs.get(delayMs)! - delayMs;
      assert.ok(lateMs > -1e-4 && lateMs <= 15, `${delayMs} ms fired ${lateMs} ms late`);
    }
    assert.equal(wheel.size, 0);
  });

  it('agrees with a plain list of deadlines under random arming, moving, cancelling and advancing', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const random = seededRandom(seed);
      const clock = handClock(random() * 1000);
      const wheel = new TimerWheel(clock, { tickMs: 10 });
      const deadlineMs = new Map<number, number>();
      const spread = [100, 3000, 70_000, 1_000_000][seed % 4]!;
      const timers: Timer[] = [];
      for (let id = 0; id < 40; id += 1) {
        timers.push(
          wheel.create(() => {
            const due = deadlineMs.get(id);
            assert.ok(due !== undefined, `seed ${seed}: timer ${id} fired while not armed`);
            assert.ok(clock.timeMs > due - 1e-4, `seed ${seed}: timer ${id} fired early`);
            deadlineMs.delete(id);
          }),
        );
      }
      for (let round = 0; round < 2000; round += 1) {
        const id = Math.floor(random() * timers.length);
        const action = random();
        if (action < 0.5) {
          const delayMs = random() * spread;
          timers[id]!.reschedule(delayMs);
          deadlineMs.set(id, clock.timeMs + delayMs);
        } else if (action < 0.65) {
          timers[id]!.cancel();
          deadlineMs.delete(id);
        } else {
          moveTo(clock, wheel, clock.timeMs + random() * spread * 0.05);
          for (const [late, due] of deadlineMs) {
            assert.ok(clock.timeMs - due < 20 + 1e-6, `seed ${seed}: timer ${late} is ${clock.timeMs - due} ms late`);
          }
        }
        assert.equal(timers[id]!.armed, deadlineMs.has(id));
        assert.equal(wheel.size, deadlineMs.size);
      }
    }
  });

  it('fires a timer once for each time it is armed, also when the callback arms it again', () => {
    const clock = handClock();
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    let fired = 0;
    const timer = wheel.schedule(10, () => {
      fired += 1;
      assert.equal(timer.armed, false);
      if (fired < 3) timer.reschedule(0);
    });
    moveTo(clock, wheel, 10);
    assert.equal(fired, 1);
    moveTo(clock, wheel, 1000);
    assert.equal(fired, 3);
    assert.equal(timer.armed, false);
  });

  it('lets a callback cancel or postpone timers that are due in the same tick', () => {
    const clock = handClock();
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    const fired: string[] = [];
    wheel.schedule(10, () => {
      fired.push('first');
      second.cancel();
      third.reschedule(50);
    });
    const second = wheel.schedule(10, () => fired.push('second'));
    const third = wheel.schedule(10, () => fired.push('third'));
    moveTo(clock, wheel, 20);
    assert.deepEqual(fired, ['first']);
    moveTo(clock, wheel, 100);
    assert.deepEqual(fired, ['first', 'third']);
  });

  it('takes a deadline that moves nearer after it had moved away', () => {
    const clock = handClock();
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    let firedAtMs = -1;
    const timer = wheel.schedule(100, () => (firedAtMs = clock.timeMs));
    timer.reschedule(5000);
    timer.reschedule(300);
    for (let timeMs = 10; timeMs <= 6000; timeMs += 10) moveTo(clock, wheel, timeMs);
    assert.equal(firedAtMs, 300);
  });

  it('takes a delay below 0 as 0 and an infinite one as never, and refuses what is not a number', () => {
    const clock = handClock(5000);
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    let fired = 0;
    wheel.schedule(-400, () => (fired += 1));
    const never = wheel.schedule(Number.POSITIVE_INFINITY, () => assert.fail('fired'));
    const broken = wheel.create(() => assert.fail('fired'));
    assert.throws(() => broken.reschedule(Number.NaN), { name: 'InvariantError' });
    assert.equal(broken.armed, false);
    assert.equal(wheel.size, 2);
    for (let timeMs = 5010; timeMs < 1_000_000; timeMs += 10) moveTo(clock, wheel, timeMs);
    assert.equal(fired, 1);
    assert.equal(never.armed, true);
    never.reschedule(10);
    never.cancel();
    assert.equal(wheel.size, 0);
  });

  it('uses the reading of the clock that the caller hands on', () => {
    const clock = handClock(1000);
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    let fired = false;
    clock.nowMs = () => assert.fail('the clock was read');
    wheel.create(() => (fired = true)).reschedule(50, 2000);
    wheel.advance(2040);
    assert.equal(fired, false);
    wheel.advance(2050);
    assert.equal(fired, true);
  });

  it('fires what is left of a tick at the next advance when a callback throws', () => {
    const clock = handClock();
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    let fired = 0;
    wheel.schedule(10, () => {
      throw new Error('from a callback');
    });
    wheel.schedule(10, () => (fired += 1));
    assert.throws(() => moveTo(clock, wheel, 10), /from a callback/);
    assert.equal(fired, 0);
    moveTo(clock, wheel, 10);
    assert.equal(fired, 1);
    assert.equal(wheel.size, 0);
  });

  it('refuses to be advanced by its own callback', () => {
    const wheel = new TimerWheel(handClock(), { tickMs: 10 });
    wheel.schedule(0, () => wheel.advance(1000));
    assert.throws(() => wheel.advance(10), { name: 'InvariantError' });
  });

  it('crosses a year without timers in one step, and is on time afterwards', () => {
    const clock = handClock();
    const wheel = new TimerWheel(clock, { tickMs: 10 });
    const yearMs = 365 * 86_400_000;
    const started = process.cpuUsage();
    moveTo(clock, wheel, yearMs);
    const { user, system } = process.cpuUsage(started);
    assert.ok(user + system < 1_000_000, `${user + system} µs of processor`);
    clock.timeMs = 2 * yearMs + 3;
    let firedAtMs = -1;
    wheel.schedule(20, () => (firedAtMs = clock.timeMs));
    moveTo(clock, wheel, 2 * yearMs + 20);
    assert.equal(firedAtMs, -1);
    moveTo(clock, wheel, 2 * yearMs + 30);
    assert.equal(firedAtMs, 2 * yearMs + 30);
  });

  it('reaches its next tick when the clock is set to exactly that time, whatever the rounding', () => {
    const clock = handClock(123.456);
    const wheel = new TimerWheel(clock, { tickMs: 0.7 });
    assert.equal(wheel.nextTickMs, Number.POSITIVE_INFINITY);
    wheel.schedule(700, () => {});
    for (let tick = 1; tick <= 1000; tick += 1) {
      const nextTickMs = wheel.nextTickMs;
      assert.ok(Math.abs(nextTickMs - (123.456 + tick * 0.7)) < 1e-6);
      moveTo(clock, wheel, nextTickMs);
      assert.ok(wheel.nextTickMs > nextTickMs);
    }
    assert.ok(wheel.size === 0 || wheel.nextTickMs < 123.456 + 702);
  });

  it('is driven by one interval that stops when no timer was armed for a while, and starts again with the next', (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    const clock = handClock();
    let readings = 0;
    const counted: Clock = { nowMs: () => ((readings += 1), clock.timeMs), wallMs: () => 0 };
    const wheel = new TimerWheel(counted, { tickMs: 10 });
    const pass = (ms: number): void => {
      for (let elapsed = 0; elapsed < ms; elapsed += 10) {
        clock.timeMs += 10;
        context.mock.timers.tick(10);
      }
    };
    wheel.start();
    readings = 0;
    pass(1000);
    assert.equal(readings, 0);
    let fired = 0;
    wheel.schedule(50, () => (fired += 1));
    wheel.schedule(50, () => (fired += 1));
    pass(60);
    assert.equal(fired, 2);
    assert.equal(readings, 2 + 6, 'one reading for each timer and each tick: one interval, not two');
    pass(5000);
    readings = 0;
    pass(1000);
    assert.equal(readings, 0);
    wheel.schedule(20, () => (fired += 1));
    pass(30);
    assert.equal(fired, 3);
    wheel.schedule(20, () => (fired += 1));
    wheel.stop();
    pass(100);
    assert.equal(fired, 3);
  });

  it('dozes from timer to timer while few are armed, fires them on time, and ticks again under load', (context) => {
    context.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const clock = handClock();
    const wheel = new TimerWheel({ nowMs: () => clock.timeMs, wallMs: () => 0 }, { tickMs: 10 });
    let advances = 0;
    const advance = wheel.advance.bind(wheel);
    wheel.advance = (nowMs: number): void => {
      advances += 1;
      advance(nowMs);
    };
    const pass = (ms: number): void => {
      for (let elapsed = 0; elapsed < ms; elapsed += 1) {
        clock.timeMs += 1;
        context.mock.timers.tick(1);
      }
    };
    wheel.start();
    const late: number[] = [];
    let dueMs = 0;
    const every = wheel.create(() => {
      late.push(clock.timeMs - dueMs);
      dueMs = clock.timeMs + 1000;
      every.reschedule(1000);
    });
    dueMs = clock.timeMs + 1000;
    every.reschedule(1000);
    pass(3000);
    advances = 0;
    pass(60_000);
    assert.ok(late.length >= 60, `${late.length} firings`);
    assert.ok(Math.max(...late) <= 20 && Math.min(...late) >= 0, `late by ${Math.max(...late)} ms`);
    assert.ok(advances <= 60 * 4, `${advances} wake-ups in a minute`);
    // A nearer timer in the middle of a nap.
    pass(500);
    let firedMs = -1;
    const armedMs = clock.timeMs;
    wheel.schedule(30, () => (firedMs = clock.timeMs));
    pass(60);
    assert.ok(firedMs - armedMs >= 30 && firedMs - armedMs <= 50, `fired after ${firedMs - armedMs} ms`);
    // Many timers: the interval is back.
    advances = 0;
    for (let count = 0; count < 100; count += 1) {
      wheel.schedule(15, () => {});
      pass(10);
    }
    assert.ok(advances >= 80, `${advances} ticks`);
    wheel.stop();
  });
});

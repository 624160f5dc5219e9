import { type Clock, TimerWheel, assert } from '@weft/kernel';

interface Appointment {
  readonly timeMs: number;
  /** Order of being made: what is due at the same time happens in this order. */
  readonly order: number;
  readonly callback: () => void;
}

/** 2026-01-01T00:00:00Z, so that dates in expected output stay the same. */
const WALL_START_MS = 1_767_225_600_000;

/**
 * A clock that stands still until a test moves it. Moving it fires what is due in the order of time: appointments
 * (`at`) at their exact time, timers of its wheels at their ticks, appointments first where both meet. A callback sees
 * `nowMs` at the moment it was due, and what it schedules happens within the same `advance` when that is due too.
 */
export class FakeClock implements Clock {
  private timeMs: number;
  private readonly startMs: number;
  private readonly wallStartMs: number;
  private readonly wheels: TimerWheel[];
  private readonly heap: Appointment[];
  private appointments: number;
  private advancing: boolean;

  /** `startMs` is the first `nowMs` (0), `wallStartMs` the first `wallMs` (1 January 2026). */
  constructor(options: { startMs?: number; wallStartMs?: number } = {}) {
    this.startMs = options.startMs ?? 0;
    this.timeMs = this.startMs;
    this.wallStartMs = options.wallStartMs ?? WALL_START_MS;
    this.wheels = [];
    this.heap = [];
    this.appointments = 0;
    this.advancing = false;
  }

  nowMs(): number {
    return this.timeMs;
  }

  wallMs(): number {
    return this.wallStartMs + Math.floor(this.timeMs - this.startMs);
  }

  /** A new timer wheel that this clock drives; it must not be started. */
  wheel(options?: { tickMs?: number }): TimerWheel {
    return this.drive(new TimerWheel(this, options));
  }

  /** Takes over a wheel that was built on this clock elsewhere; it must not be started. Returns it. */
  drive(wheel: TimerWheel): TimerWheel {
    if (!this.wheels.includes(wheel)) this.wheels.push(wheel);
    return wheel;
  }

  /** Calls back when the clock reaches `timeMs`; at the next advance when that has passed. */
  at(timeMs: number, callback: () => void): void {
    const appointment = { timeMs: Math.max(timeMs, this.timeMs), order: this.appointments, callback };
    this.appointments += 1;
    let index = this.heap.length;
    this.heap.push(appointment);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(appointment, this.heap[parent]!)) break;
      this.heap[index] = this.heap[parent]!;
      index = parent;
    }
    this.heap[index] = appointment;
  }

  /** Moves the time by `ms` (at least 0) and fires what is due on the way. */
  advance(ms: number): void {
    this.enter(ms);
    const targetMs = this.timeMs + ms;
    try {
      while (this.nextMomentMs() <= targetMs) this.fireNextMoment();
      this.timeMs = targetMs;
    } finally {
      this.advancing = false;
    }
  }

  /**
   * The same for code that waits on promises: after each moment at which something was due, everything that is
   * already resolved runs before the time moves on.
   */
  async advanceSettled(ms: number): Promise<void> {
    this.enter(ms);
    const targetMs = this.timeMs + ms;
    try {
      await settle();
      while (this.nextMomentMs() <= targetMs) {
        this.fireNextMoment();
        await settle();
      }
      this.timeMs = targetMs;
    } finally {
      this.advancing = false;
    }
  }

  private enter(ms: number): void {
    assert(!this.advancing, 'a fake clock was advanced from within its own advance');
    assert(ms >= 0 && Number.isFinite(ms), 'time moves forward by a finite number of milliseconds');
    this.advancing = true;
  }

  private nextMomentMs(): number {
    let nextMs = this.heap[0]?.timeMs ?? Number.POSITIVE_INFINITY;
    for (const wheel of this.wheels) nextMs = Math.min(nextMs, wheel.nextTickMs);
    return nextMs;
  }

  private fireNextMoment(): void {
    // A wheel may have been armed late with ticks of the past to make up for; the time doesn't go back for them.
    this.timeMs = Math.max(this.timeMs, this.nextMomentMs());
    if (this.heap.length > 0 && this.heap[0]!.timeMs <= this.timeMs) {
      this.takeFirst().callback();
      return;
    }
    for (const wheel of this.wheels) {
      if (wheel.nextTickMs <= this.timeMs) wheel.advance(this.timeMs);
    }
  }

  private takeFirst(): Appointment {
    const first = this.heap[0]!;
    const last = this.heap.pop()!;
    if (this.heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.heap.length) break;
      if (child + 1 < this.heap.length && isBefore(this.heap[child + 1]!, this.heap[child]!)) child += 1;
      if (!isBefore(this.heap[child]!, last)) break;
      this.heap[index] = this.heap[child]!;
      index = child;
    }
    this.heap[index] = last;
    return first;
  }
}

function isBefore(one: Appointment, other: Appointment): boolean {
  return one.timeMs < other.timeMs || (one.timeMs === other.timeMs && one.order < other.order);
}

/** Two turns of the event loop: promise chains of any length, and what they put off by one `setImmediate`. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

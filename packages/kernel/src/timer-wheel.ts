import { assert } from './assert.ts';
import type { Clock } from './clock.ts';

/*
 * A hierarchical wheel (Varghese and Lauck, scheme 7). Three rings of 256 slots; a slot of ring n spans 256^n ticks.
 *
 *   ring 0   [ ][ ][x][ ] ...   one tick a slot:        fires          (10 ms ticks: the next 2.5 s)
 *   ring 1   [ ][x][ ][ ] ...   256 ticks a slot:       moves to 0     (the next 11 min)
 *   ring 2   [x][ ][ ][ ] ...   65,536 ticks a slot:    moves to 1, 0  (the next 46 h; later ones wait here again)
 *
 * A deadline that moves later stays where it is and is placed anew when its old slot comes up: this is what a timer
 * that is pushed back by every request costs, two number writes. Anything else is an unlink and a link.
 */
const SLOT_BITS = 8;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
const RING_1_TICKS = SLOTS;
const RING_2_TICKS = SLOTS * SLOTS;
const SPAN_TICKS = SLOTS * SLOTS * SLOTS;
const NOT_LINKED = -1;

/** In ticks: 10 ns of 10 ms. Without it a clock set to exactly `nextTickMs` could stand a rounding error before that tick. */
const ROUNDING = 1e-6;

/** 10 ms: time-outs are tens of milliseconds at the least, and a tick costs less than a microsecond when nothing is due. */
const DEFAULT_TICK_MS = 10;

/**
 * Every so many ticks the wheel asks itself whether ticking pays. With fewer than `BUSY_ARMS` timers armed meanwhile it
 * dozes: it sleeps to the next slot that holds anything. A process at rest then wakes a few times a second, not a hundred.
 */
const SPAN = 100;
const BUSY_ARMS = 16;

/** What a holder who may not change a timer sees of it. */
export interface TimerHandle {
  readonly armed: boolean;
}

/**
 * One timer: fires once for each time it is armed, and may be armed again any number of times without allocation.
 * Made by `TimerWheel.schedule` or, not armed yet, by `TimerWheel.create`.
 */
export class Timer implements TimerHandle {
  /** The wheel's own fields: nobody else writes them. */
  readonly callback: () => void;
  deadlineTick: number;
  slot: number;
  previous: Timer;
  next: Timer;
  private readonly wheel: TimerWheel;

  constructor(wheel: TimerWheel, callback: () => void) {
    this.callback = callback;
    this.deadlineTick = 0;
    this.slot = NOT_LINKED;
    this.previous = this;
    this.next = this;
    this.wheel = wheel;
  }

  /** True from arming until the callback starts or `cancel`. */
  get armed(): boolean {
    return this.slot !== NOT_LINKED;
  }

  /** Disarms; nothing happens when not armed. */
  cancel(): void {
    if (this.slot !== NOT_LINKED) this.wheel.disarm(this);
  }

  /**
   * Arms, or moves an armed timer, to fire `delayMs` from now; never early, at most two ticks late on an idle machine.
   * Reading the clock is most of the cost (58 of 74 ns): a caller that has just read it hands the reading on as `nowMs`.
   */
  reschedule(delayMs: number, nowMs?: number): void {
    this.wheel.arm(this, delayMs, nowMs);
  }
}

/** Many timers on one clock, each operation O(1). Timers due in the same tick fire in no promised order. */
export class TimerWheel {
  readonly tickMs: number;
  private readonly clock: Clock;
  private readonly originMs: number;
  private readonly slots: (Timer | null)[];
  /** The last tick whose timers have fired. */
  private currentTick: number;
  private armedCount: number;
  private advancing: boolean;
  private started: boolean;
  private spanTicks: number;
  /** Timers armed since the span, or the nap, began. */
  private arms: number;
  private interval: NodeJS.Timeout | null;
  private nap: NodeJS.Timeout | null;
  /** The tick a nap ends with. */
  private napEndTick: number;
  private readonly onInterval: () => void;
  private readonly onNapEnd: () => void;

  /** `tickMs` is the resolution, above 0; 10 when left out. */
  constructor(clock: Clock, options: { tickMs?: number } = {}) {
    this.tickMs = options.tickMs ?? DEFAULT_TICK_MS;
    assert(this.tickMs > 0, 'a tick is longer than nothing');
    this.clock = clock;
    this.originMs = clock.nowMs();
    this.slots = Array.from({ length: SLOTS * 3 }, () => null);
    this.currentTick = 0;
    this.armedCount = 0;
    this.advancing = false;
    this.started = false;
    this.spanTicks = 0;
    this.arms = 0;
    this.interval = null;
    this.nap = null;
    this.napEndTick = 0;
    this.onInterval = () => this.beat();
    this.onNapEnd = () => this.endNap();
  }

  /** Armed timers. */
  get size(): number {
    return this.armedCount;
  }

  /** The time, on the wheel's clock, of the next tick; infinite while no timer is armed. For clocks that jump. */
  get nextTickMs(): number {
    if (this.armedCount === 0) return Number.POSITIVE_INFINITY;
    return this.originMs + (this.currentTick + 1) * this.tickMs;
  }

  /** A timer that fires `delayMs` from now: fractions count, below 0 is 0, `Infinity` is never. */
  schedule(delayMs: number, callback: () => void): Timer {
    const timer = new Timer(this, callback);
    this.arm(timer, delayMs);
    return timer;
  }

  /** A timer that is not armed yet: for objects whose fields are all set at birth. */
  create(callback: () => void): Timer {
    return new Timer(this, callback);
  }

  /**
   * Fires everything due at `nowMs` (of this wheel's clock), tick by tick. A callback may arm and cancel any timer; it
   * may not advance the wheel. What a callback throws goes to the caller; the timers left fire at the next advance.
   */
  advance(nowMs: number): void {
    assert(!this.advancing, 'a timer callback advanced its own wheel');
    const target = Math.floor((nowMs - this.originMs) / this.tickMs + ROUNDING);
    this.advancing = true;
    try {
      // Empty, unless a callback threw in the middle of this slot last time.
      this.fire(this.currentTick & SLOT_MASK);
      while (this.currentTick < target) {
        if (this.armedCount === 0) {
          this.currentTick = target;
          return;
        }
        this.step();
      }
    } finally {
      this.advancing = false;
    }
  }

  /**
   * Lets real time drive the wheel, by one interval that doesn't keep the process alive, or by one timeout while few
   * timers are armed; by nothing while none is. Nothing happens when started already.
   */
  start(): void {
    this.started = true;
    if (this.armedCount > 0) this.wake();
  }

  /** Stops real time from driving the wheel; timers stay armed. */
  stop(): void {
    this.started = false;
    this.rest();
  }

  /** `Timer.reschedule`'s half of the work. */
  arm(timer: Timer, delayMs: number, nowMs?: number): void {
    const elapsedMs = (nowMs ?? this.clock.nowMs()) - this.originMs;
    const due = Math.ceil((elapsedMs + delayMs) / this.tickMs);
    if (timer.slot !== NOT_LINKED && due >= timer.deadlineTick) {
      timer.deadlineTick = due;
      return;
    }
    assert(!Number.isNaN(due), 'a timer was armed with a delay that is not a number');
    if (timer.slot !== NOT_LINKED) {
      this.unlink(timer);
    } else {
      // A wheel that slept is moved to the present, or the timer would wait for all the ticks slept through.
      if (this.armedCount === 0 && !this.advancing)
        this.currentTick = Math.max(this.currentTick, Math.floor(elapsedMs / this.tickMs));
      this.armedCount += 1;
      this.arms += 1;
    }
    timer.deadlineTick = due > this.currentTick ? due : this.currentTick + 1;
    this.place(timer);
    if (this.interval === null && this.started && !this.advancing) this.disturb(timer.deadlineTick);
  }

  /** `Timer.cancel`'s half of the work; the timer must be armed. */
  disarm(timer: Timer): void {
    this.unlink(timer);
    this.armedCount -= 1;
  }

  private step(): void {
    const tick = this.currentTick + 1;
    this.currentTick = tick;
    if ((tick & SLOT_MASK) === 0) {
      const ring1 = (tick >>> SLOT_BITS) & SLOT_MASK;
      if (ring1 === 0) this.cascade(2 * SLOTS + ((tick >>> (2 * SLOT_BITS)) & SLOT_MASK));
      this.cascade(SLOTS + ring1);
    }
    this.fire(tick & SLOT_MASK);
  }

  private fire(slot: number): void {
    // Nothing is placed into the current slot while it fires (a deadline is at least one tick ahead), so this ends.
    for (let timer = this.slots[slot] ?? null; timer !== null; timer = this.slots[slot] ?? null) {
      this.unlink(timer);
      if (timer.deadlineTick > this.currentTick) {
        this.place(timer);
      } else {
        this.armedCount -= 1;
        timer.callback();
      }
    }
  }

  /** Moves the timers of a slot nearer. The slot is emptied first, because one may come back to it. */
  private cascade(slot: number): void {
    const first = this.slots[slot] ?? null;
    if (first === null) return;
    this.slots[slot] = null;
    let timer = first;
    do {
      const next = timer.next;
      timer.previous = timer;
      timer.next = timer;
      this.place(timer);
      timer = next;
    } while (timer !== first);
  }

  private place(timer: Timer): void {
    const ahead = timer.deadlineTick - this.currentTick;
    let slot: number;
    // Shifts and masks are modulo 2^32, so they stay right when ticks no longer fit 32 bits (497 days of 10 ms).
    if (ahead < RING_1_TICKS) {
      slot = timer.deadlineTick & SLOT_MASK;
    } else if (ahead < RING_2_TICKS) {
      slot = SLOTS + ((timer.deadlineTick >>> SLOT_BITS) & SLOT_MASK);
    } else {
      const tick = ahead < SPAN_TICKS ? timer.deadlineTick : this.currentTick + SPAN_TICKS - 1;
      slot = 2 * SLOTS + ((tick >>> (2 * SLOT_BITS)) & SLOT_MASK);
    }
    timer.slot = slot;
    const first = this.slots[slot] ?? null;
    if (first === null) {
      this.slots[slot] = timer;
      return;
    }
    const last = first.previous;
    timer.previous = last;
    timer.next = first;
    last.next = timer;
    first.previous = timer;
  }

  private unlink(timer: Timer): void {
    const { next, previous } = timer;
    if (next === timer) {
      this.slots[timer.slot] = null;
    } else {
      previous.next = next;
      next.previous = previous;
      if (this.slots[timer.slot] === timer) this.slots[timer.slot] = next;
      timer.previous = timer;
      timer.next = timer;
    }
    timer.slot = NOT_LINKED;
  }

  private wake(): void {
    if (this.interval !== null) return;
    this.rest();
    this.spanTicks = 0;
    this.arms = 0;
    this.interval = setInterval(this.onInterval, this.tickMs);
    this.interval.unref();
  }

  private rest(): void {
    if (this.interval !== null) clearInterval(this.interval);
    if (this.nap !== null) clearTimeout(this.nap);
    this.interval = null;
    this.nap = null;
  }

  private beat(): void {
    this.advance(this.clock.nowMs());
    this.spanTicks += 1;
    if (this.spanTicks < SPAN || this.interval === null) return;
    this.spanTicks = 0;
    const busy = this.arms >= BUSY_ARMS;
    this.arms = 0;
    if (busy) return;
    this.rest();
    this.doze();
  }

  /** A timer was armed while the wheel does not tick. */
  private disturb(deadlineTick: number): void {
    if (this.nap === null || this.arms >= BUSY_ARMS) this.wake();
    else if (deadlineTick < this.napEndTick) {
      this.rest();
      this.doze();
    }
  }

  private doze(): void {
    if (this.armedCount === 0) return;
    const ticks = this.ticksToNextSlot();
    this.napEndTick = this.currentTick + ticks;
    const waitMs = this.originMs + this.napEndTick * this.tickMs - this.clock.nowMs();
    this.nap = setTimeout(this.onNapEnd, Math.max(1, Math.ceil(waitMs)));
    this.nap.unref();
  }

  private endNap(): void {
    this.nap = null;
    this.advance(this.clock.nowMs());
    if (this.nap !== null || this.interval !== null || !this.started) return;
    if (this.arms >= BUSY_ARMS) {
      this.wake();
      return;
    }
    this.arms = 0;
    this.doze();
  }

  /** Ticks to the next slot of ring 0 that holds a timer, or to the next cascade, which may fill some. */
  private ticksToNextSlot(): number {
    for (let ticks = 1; ticks < SLOTS; ticks += 1) {
      const tick = this.currentTick + ticks;
      if ((tick & SLOT_MASK) === 0 || (this.slots[tick & SLOT_MASK] ?? null) !== null) return ticks;
    }
    return SLOTS;
  }
}

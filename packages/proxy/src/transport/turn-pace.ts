import { systemClock } from '@weft/kernel';
import type { Clock } from '@weft/kernel';

/** What the pace needs of the machine. */
export interface TurnPorts {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Nothing runs on this thread meanwhile. As good as the system's timers: 20 us asked for are 80 to 110. */
  sleep(ms: number): void;
}

/** Asked for; what comes of it is measured. Linux adds the slack of its timers, 50 us. */
const SLEEP_MS = 0.02;

/** What a pause is taken to last before the first was measured. */
const FIRST_PAUSE_MS = 0.1;

/** A pause that was disturbed by more than this says nothing of others. */
const LONGEST_PAUSE_MS = 1;

/** Judged after so many requests: two or three milliseconds, where there is anything to judge. */
const WINDOW = 128;

/** A request that lasts less than so many pauses would feel one. */
const PATIENT_PAUSES = 8;

/** So much of what ended must be patient and share its connections. */
const CALM = 0.75 * WINDOW;

/** A sleep costs a processor 25 us: so many requests must end in the time of a pause to be worth it, and so many to go on. */
const WORTH_BEGINNING = 2;
const WORTH_GOING_ON = 1;

/** A turn in which so many ended is a batch already. */
const BATCH = 64;

/** It is looked so often how things are without pauses. */
const LOOK_MS = 100;

/** Nothing was judged for so long: whatever it was is over. */
const OVER_MS = 20;

/**
 * Lets requests that come one after the other on shared connections come in together, as a network card does with packets
 * (interrupt moderation). A thread that is done with each read before the next one comes pays a system call of every kind, and the
 * waking of two processes, for a request or two; one that waits a tenth of a millisecond before it asks again
 * finds a dozen, reads them at once and answers each connection with one write.
 *
 * It costs each request up to one pause on its way in and one on its way back, so it is done only where all of this is so:
 * - requests share connections on both sides; else there is nothing to read or write together;
 * - three quarters of them take at least eight pauses anyway, as seen without pauses, anew ten times a second;
 * - two or more end in the time of a pause;
 * - the turn was small. A thread that is behind finds batches without waiting.
 */
export class TurnPace {
  /** The turns of the loop end with `rest`. */
  pausing: boolean;
  /** Since the thread began. */
  pauses: number;
  pausedMs: number;
  private readonly ports: TurnPorts;
  /** What a pause lasts here, a moving mean. */
  private pauseMs: number;
  private count: number;
  private calm: number;
  private windowMs: number;
  /** Of this turn of the loop. */
  private endedInTurn: number;
  private lookMs: number;
  /** What ends now began while there were pauses. */
  private settling: boolean;

  constructor(ports: TurnPorts) {
    this.pausing = false;
    this.pauses = 0;
    this.pausedMs = 0;
    this.ports = ports;
    this.pauseMs = FIRST_PAUSE_MS;
    this.count = 0;
    this.calm = 0;
    this.windowMs = Number.NEGATIVE_INFINITY;
    this.endedInTurn = 0;
    this.lookMs = 0;
    this.settling = false;
  }

  /** A request is over. `shared`: other streams were open on the connections of both sides when it was sent. */
  ended(nowMs: number, durationMs: number, shared: boolean): void {
    this.endedInTurn += 1;
    this.count += 1;
    if (shared && durationMs >= PATIENT_PAUSES * this.pauseMs) this.calm += 1;
    if (this.count >= WINDOW) this.judge(nowMs);
  }

  /** The end of a turn of the loop: all that was read is done and all that was written is on its way. */
  rest(): void {
    const { endedInTurn } = this;
    this.endedInTurn = 0;
    if (!this.pausing || endedInTurn >= BATCH) return;
    const startMs = this.ports.clock.nowMs();
    if (startMs - this.windowMs > OVER_MS) {
      this.stop();
      return;
    }
    this.ports.sleep(SLEEP_MS);
    const tookMs = this.ports.clock.nowMs() - startMs;
    this.pauses += 1;
    this.pausedMs += tookMs;
    this.pauseMs += (Math.min(LONGEST_PAUSE_MS, tookMs) - this.pauseMs) / 16;
  }

  private judge(nowMs: number): void {
    const inAPause = (WINDOW * this.pauseMs) / Math.max(nowMs - this.windowMs, Number.MIN_VALUE);
    const isCalm = this.calm >= CALM;
    this.count = 0;
    this.calm = 0;
    this.windowMs = nowMs;
    if (this.pausing) {
      if (inAPause < WORTH_GOING_ON || nowMs >= this.lookMs) this.stop();
    } else if (this.settling) this.settling = false;
    else if (isCalm && inAPause >= WORTH_BEGINNING) {
      this.pausing = true;
      this.endedInTurn = 0;
      this.lookMs = nowMs + LOOK_MS;
    } else this.pauseMs += (FIRST_PAUSE_MS - this.pauseMs) / 64;
  }

  private stop(): void {
    this.pausing = false;
    this.settling = true;
    this.count = 0;
    this.calm = 0;
  }
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** Of this thread. */
export const turnPace: TurnPace = new TurnPace({
  clock: systemClock,
  // The only wait below a millisecond that Node has: for a word that nobody writes.
  sleep: (ms) => void Atomics.wait(never, 0, 0, ms),
});

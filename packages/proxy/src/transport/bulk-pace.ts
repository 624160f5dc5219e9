import { systemClock } from '@weft/kernel';
import type { Clock } from '@weft/kernel';
import { ProcessorWait } from './processor-wait.ts';

/** Somebody who moves bulk and has stopped for a while. */
export interface Paced {
  /** Goes on. */
  readOn(): void;
}

/** What the pace needs of the machine. */
export interface PacePorts {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly processor: Pick<ProcessorWait, 'readMs'>;
  /** Calls back after a rest, about a millisecond. */
  rest(callback: () => void): void;
}

/**
 * Bulk that has read so much lets the others have a turn of the loop first. libuv reads a socket that always has more up to
 * 32 times in a turn: 2 MiB of an upload stood before every small call, and before each 64 KiB of a download.
 */
const SHARE_BYTES = 262_144;

/**
 * The same while it rests in between, some 50 MiB a second of each connection: what is read at once is what a small call that
 * comes just then waits for.
 */
const RESTING_SHARE_BYTES = 65_536;

/** The processor is looked at so often. */
const SAMPLE_MS = 20;

/** A sample over longer says nothing of now. */
const STALE_MS = 500;

/** Waiting for the processor so much of the time is too much; below the lower one there is enough again. */
const SHORT_SHARE = 0.05;
const ENOUGH_SHARE = 0.02;

/** Small messages are about when one has come within this time: ten a second. */
const SMALL_MS = 100;

/**
 * How bulk makes room for small messages. When this thread waits for its processor, because what it carries for is on the same
 * one (the peer sidecar, the application), it is bulk that fills it: whoever gets a turn then keeps it until the scheduler's
 * tick, 4 ms, and a small call waits for four of them. So bulk rests a millisecond after each share as long as small
 * messages are about; who rests is woken by what comes, before those who never sleep. Where the processor is free, or
 * nobody is there to wait, bulk goes on in the next turn of the loop.
 */
export class BulkPace {
  /** What bulk may read before it yields. */
  shareBytes: number;
  /** Small messages are about; as of the last time bulk yielded. */
  smallsAbout: boolean;
  private readonly ports: PacePorts;
  private readonly waiting: Paced[];
  private resting: boolean;
  private smalls: number;
  private smallsSeen: number;
  private smallMs: number;
  private sampledMs: number;
  private sampledWaitMs: number;

  constructor(ports: PacePorts) {
    this.shareBytes = SHARE_BYTES;
    this.smallsAbout = false;
    this.ports = ports;
    this.waiting = [];
    this.resting = false;
    this.smalls = 0;
    this.smallsSeen = 0;
    this.smallMs = Number.NEGATIVE_INFINITY;
    this.sampledMs = Number.NEGATIVE_INFINITY;
    this.sampledWaitMs = -1;
  }

  /** A small message has come. Called for every one, so it only counts. */
  countSmall(): void {
    this.smalls += 1;
  }

  /** `bulk` has had its share and has stopped: it goes on in the next turn of the loop, or after a rest. */
  yield(bulk: Paced): void {
    this.sample(this.ports.clock.nowMs());
    if (!this.resting) {
      setImmediate(readOn, bulk);
      return;
    }
    if (this.waiting.length === 0) this.ports.rest(() => this.wake());
    this.waiting.push(bulk);
  }

  private wake(): void {
    for (const bulk of this.waiting.splice(0)) bulk.readOn();
  }

  private sample(nowMs: number): void {
    const passedMs = nowMs - this.sampledMs;
    if (passedMs < SAMPLE_MS) return;
    const waitedMs = this.ports.processor.readMs();
    const share = waitedMs < 0 || passedMs > STALE_MS ? 0 : (waitedMs - this.sampledWaitMs) / passedMs;
    this.sampledMs = nowMs;
    this.sampledWaitMs = waitedMs;
    if (this.smalls !== this.smallsSeen) {
      this.smallsSeen = this.smalls;
      this.smallMs = nowMs;
    }
    this.smallsAbout = nowMs - this.smallMs <= SMALL_MS;
    this.resting = this.smallsAbout && share >= (this.resting ? ENOUGH_SHARE : SHORT_SHARE);
    this.shareBytes = this.resting ? RESTING_SHARE_BYTES : SHARE_BYTES;
  }
}

function readOn(bulk: Paced): void {
  bulk.readOn();
}

/** Of this thread. */
export const bulkPace: BulkPace = new BulkPace({
  clock: systemClock,
  processor: new ProcessorWait(),
  rest: (callback) => void setTimeout(callback, 1),
});

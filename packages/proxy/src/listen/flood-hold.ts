/** How the next connections of an address are treated after one of them was a flood. */
export interface FloodHoldLimits {
  /** How long they wait after its first flood; doubled by each that follows. 0: they never wait. */
  readonly firstMs: number;
}

/** Doubled three times at most. */
const MOST_TIMES = 8;

/** Forgotten so long after the last wait was over. */
const FORGET_MS = 60_000;

/** Waiting at once from one address; those beyond are refused. */
const MOST_HELD = 16;

/** With so many other connections open, an address is that of a balancer or of many clients, and one of them does not speak for all. */
const SHARED_CONNECTIONS = 8;

/** Addresses that are remembered; the oldest is forgotten for one more. */
const MOST_ADDRESSES = 1_024;

interface Offender {
  floods: number;
  untilMs: number;
  held: number;
}

/** What becomes of a new connection: milliseconds to wait (0: none), or `refused`. */
export type Welcome = number | 'refused';

/**
 * Whoever is cut off for a flood and comes back at once floods again: each time costs the others the few milliseconds until
 * its budget is spent, which is most of what a flood costs at all. So its address waits: a new connection is accepted and not
 * read, which takes nothing but a descriptor, and served when the time is over. Waiting, not refusing, because others may
 * have the same address; and nobody waits where many do.
 */
export class FloodHold {
  private readonly limits: FloodHoldLimits;
  private readonly offenders: Map<string, Offender>;

  constructor(limits: FloodHoldLimits) {
    this.limits = limits;
    this.offenders = new Map();
  }

  /** Nobody waits: then nobody's address needs to be known. */
  get calm(): boolean {
    return this.offenders.size === 0;
  }

  /**
   * A connection of `address` was a flood; it has `others` open besides. How long its next ones wait now; 0 when they do not,
   * or when that is said already.
   */
  strike(address: string, others: number, nowMs: number): number {
    const { firstMs } = this.limits;
    if (firstMs === 0 || address === '' || others > SHARED_CONNECTIONS) return 0;
    let offender = this.offenders.get(address);
    // One that was open already when the wait began adds nothing to it.
    if (offender !== undefined && nowMs < offender.untilMs) return 0;
    if (offender === undefined || nowMs - offender.untilMs >= FORGET_MS) {
      offender = { floods: 0, untilMs: 0, held: offender?.held ?? 0 };
    }
    // Behind the others: the oldest is the first.
    this.offenders.delete(address);
    if (this.offenders.size >= MOST_ADDRESSES) this.offenders.delete(this.offenders.keys().next().value!);
    this.offenders.set(address, offender);
    const holdMs = firstMs * Math.min(MOST_TIMES, 2 ** offender.floods);
    offender.floods += 1;
    offender.untilMs = nowMs + holdMs;
    return holdMs;
  }

  /** A connection has come. When it is to wait, call `release` once it has waited, or has left. */
  welcome(address: string, nowMs: number): Welcome {
    const offender = this.offenders.get(address);
    if (offender === undefined) return 0;
    const leftMs = offender.untilMs - nowMs;
    if (leftMs <= 0) {
      if (leftMs <= -FORGET_MS) this.offenders.delete(address);
      return 0;
    }
    if (offender.held >= MOST_HELD) return 'refused';
    offender.held += 1;
    return leftMs;
  }

  release(address: string): void {
    const offender = this.offenders.get(address);
    if (offender !== undefined && offender.held > 0) offender.held -= 1;
  }
}

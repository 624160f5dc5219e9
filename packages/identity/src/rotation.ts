/**
 * When a leaf is renewed, when its connections are drained and when it is over. Pure: fed with wall time, sleeps
 * nowhere; the caller asks `nextAtMs` and arms its own timer.
 *
 * ```
 *   notBefore       obtained   half-life +-10 %              drain 80 %        notAfter
 *      |---5 min-------|------------|--------------------------|----------------|
 *                      usable ......| renew, retry with backoff ................| unusable
 * ```
 * Half-life leaves half of the leaf's life for a control plane that is away; the jitter keeps a fleet that started
 * together from renewing together.
 */
import { fullJitterBackoffMs } from '@weft/kernel';
import type { Random } from '@weft/kernel';

/** Life of a leaf as its holder counts it: from the moment it was obtained, not from its backdated notBefore. */
export interface LeafLife {
  /** Unix ms. */
  readonly obtainedAtMs: number;
  /** Unix ms. */
  readonly notAfterMs: number;
}

/** Leaves begin this long before they are issued: the clocks of two nodes of a cluster differ by less. */
export const leafBackdateMs = 5 * 60_000;

export type RotationState = 'fresh' | 'due' | 'over';

// The first retry after 1 s meets a restarting control plane; 60 s bounds the load of a fleet on one that is down.
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
// Full jitter may draw 0; a fleet must not spin on a server that refuses at once.
const shortestRetryMs = 100;
const renewAtShare = 0.5;
const renewJitterShare = 0.1;
const drainAtShare = 0.8;

/**
 * The life of a leaf read back from disk, whose moment of issue nobody noted: `leafBackdateMs` behind its notBefore, or
 * now when that lies ahead (a leaf that was not backdated).
 */
export function storedLeafLife(notBeforeMs: number, notAfterMs: number, nowMs: number): LeafLife {
  return { obtainedAtMs: Math.min(nowMs, notBeforeMs + leafBackdateMs), notAfterMs };
}

/** Unix ms of the renewal: half of the life, moved by at most a tenth of the life either way. */
export function renewalAtMs(life: LeafLife, random: Random): number {
  const lifeMs = Math.max(0, life.notAfterMs - life.obtainedAtMs);
  const share = renewAtShare + (random() * 2 - 1) * renewJitterShare;
  return Math.round(life.obtainedAtMs + lifeMs * share);
}

/**
 * Unix ms at which a connection between two leaves is drained: at 80 % of what was left of the shorter one when the
 * connection was made. A connection drained then is never cut by an expiry, as its successor is up long before.
 */
export function drainAtMs(connectedAtMs: number, ownNotAfterMs: number, peerNotAfterMs: number): number {
  const leftMs = Math.min(ownNotAfterMs, peerNotAfterMs) - connectedAtMs;
  return Math.round(connectedAtMs + Math.max(0, leftMs) * drainAtShare);
}

/** Renewal of one leaf after the other. Single owner; every method takes wall time in Unix ms. */
export class Rotation {
  #life: LeafLife;
  #nextAtMs: number;
  #failures: number;
  readonly #random: Random;

  constructor(life: LeafLife, random: Random) {
    this.#life = life;
    this.#random = random;
    this.#failures = 0;
    this.#nextAtMs = renewalAtMs(life, random);
  }

  /** When the holder must act next: a renewal, or its retry. */
  get nextAtMs(): number {
    return this.#nextAtMs;
  }

  /** Failed renewals since the last leaf was obtained. */
  get failures(): number {
    return this.#failures;
  }

  /** `over` means the leaf may serve no new handshake; renewal goes on all the same. */
  state(nowMs: number): RotationState {
    if (nowMs >= this.#life.notAfterMs) return 'over';
    return nowMs >= this.#nextAtMs ? 'due' : 'fresh';
  }

  /** A new leaf is in hand. */
  renewed(life: LeafLife): void {
    this.#life = life;
    this.#failures = 0;
    this.#nextAtMs = renewalAtMs(life, this.#random);
  }

  /** A renewal failed: the next try comes after a full-jitter backoff, sooner when little life is left. */
  failed(nowMs: number): void {
    this.#failures += 1;
    const leftMs = this.#life.notAfterMs - nowMs;
    // A tenth of what is left: leaves of seconds (tests, demos) get several tries before they end.
    const maxMs = leftMs > 0 ? Math.min(longestRetryMs, leftMs / 10) : longestRetryMs;
    const waitMs = fullJitterBackoffMs(this.#random, this.#failures - 1, firstRetryMs, maxMs);
    this.#nextAtMs = Math.round(nowMs + Math.max(shortestRetryMs, waitMs));
  }
}

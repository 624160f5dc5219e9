import type { Clock } from '@weft/kernel';

/** A signature and the handshake before it cost about 2 ms: these bounds keep issuing under a fifth of a core. */
const PER_CALLER = { perSecond: 20, burst: 200 };
const TOTAL = { perSecond: 100, burst: 2000 };
const MAX_CALLERS = 10_000;

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/**
 * Token buckets for certificates: one for each caller (an identity, or the host of a caller that has none yet), one for all.
 * The bursts let a machine or a mesh that starts as a whole start at once.
 */
export class IssueLimiter {
  private readonly clock: Clock;
  private readonly total: Bucket;
  private readonly callers: Map<string, Bucket>;

  constructor(clock: Clock) {
    this.clock = clock;
    this.total = { tokens: TOTAL.burst, filledAtMs: clock.nowMs() };
    this.callers = new Map();
  }

  /** True when the caller may have one now; it is counted then. */
  take(caller: string): boolean {
    const nowMs = this.clock.nowMs();
    let bucket = this.callers.get(caller);
    if (bucket === undefined) {
      // The oldest goes; a full bucket is what it would find when it comes back, so that costs little.
      if (this.callers.size >= MAX_CALLERS) this.callers.delete(this.callers.keys().next().value!);
      bucket = { tokens: PER_CALLER.burst, filledAtMs: nowMs };
      this.callers.set(caller, bucket);
    }
    fill(bucket, PER_CALLER, nowMs);
    fill(this.total, TOTAL, nowMs);
    if (bucket.tokens < 1 || this.total.tokens < 1) return false;
    bucket.tokens -= 1;
    this.total.tokens -= 1;
    return true;
  }
}

function fill(bucket: Bucket, rate: { readonly perSecond: number; readonly burst: number }, nowMs: number): void {
  bucket.tokens = Math.min(rate.burst, bucket.tokens + ((nowMs - bucket.filledAtMs) / 1000) * rate.perSecond);
  bucket.filledAtMs = nowMs;
}

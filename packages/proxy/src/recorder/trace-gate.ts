/** Samples that a ring takes in a second. */
const WANTED_PER_S = 100;
const WINDOW_MS = 1_000;
/** One of 2^20 traces is the least that is kept. */
const MOST_BITS = 20;

/**
 * Which requests are kept as a sample: those whose trace id ends in so many zero bits. Every proxy looks at the same bits, so a
 * trace that a busy proxy keeps is kept by all that are less busy, and comes out whole. The number of bits follows the rate.
 */
export class TraceGate {
  private mask: number;
  private bits: number;
  private windowStartMs: number;
  private taken: number;

  constructor() {
    this.mask = 0;
    this.bits = 0;
    this.windowStartMs = 0;
    this.taken = 0;
  }

  /** One of so many is kept at present. */
  get oneIn(): number {
    return 2 ** this.bits;
  }

  /** `traceId` has 32 hexadecimal digits; anything else is not kept. */
  keeps(traceId: string, nowMs: number): boolean {
    if (traceId.length !== 32) return false;
    if (this.mask !== 0 && hasAnyBit(traceId, this.mask)) {
      if (nowMs - this.windowStartMs >= WINDOW_MS) this.adapt(nowMs);
      return false;
    }
    if (nowMs - this.windowStartMs >= WINDOW_MS) this.adapt(nowMs);
    this.taken += 1;
    // A burst does not wait for the end of its second.
    if (this.taken > WANTED_PER_S && this.bits < MOST_BITS) {
      this.setBits(this.bits + 1);
      this.taken = WANTED_PER_S >> 1;
    }
    return true;
  }

  private adapt(nowMs: number): void {
    const seconds = Math.max(1, (nowMs - this.windowStartMs) / WINDOW_MS);
    // Half of what is wanted would have been all right with one bit less.
    if (this.bits > 0 && this.taken / seconds < WANTED_PER_S / 2) this.setBits(this.bits - 1);
    this.windowStartMs = nowMs;
    this.taken = 0;
  }

  private setBits(bits: number): void {
    this.bits = bits;
    this.mask = 2 ** bits - 1;
  }
}

/** Of the last 20 bits. Upper and lower case are the same; what is no digit counts as something. */
function hasAnyBit(traceId: string, mask: number): boolean {
  // From the lowest digit, which alone tells of nearly all.
  for (let index = 31, rest = mask; rest !== 0; index -= 1, rest >>= 4) {
    const code = traceId.charCodeAt(index);
    if (((code <= 0x39 ? code & 15 : (code & 7) + 9) & rest & 15) !== 0) return true;
  }
  return false;
}

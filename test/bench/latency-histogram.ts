/**
 * Latencies in log-linear buckets, as HdrHistogram has them: 128 to a power of two, so that a value is known to 0.8 %
 * wherever it lies between a microsecond and 67 seconds, in 4,096 numbers.
 */

const SUB_BITS = 7;
const SUB_BUCKETS = 1 << SUB_BITS;
/** 2^26 microseconds; what is slower counts as that. */
const MOST_US = 2 ** 26 - 1;
const BUCKETS = indexOf(MOST_US) + 1;

export class LatencyHistogram {
  readonly counts: Float64Array;
  total: number;

  constructor() {
    this.counts = new Float64Array(BUCKETS);
    this.total = 0;
  }

  record(ms: number): void {
    this.counts[indexOf(Math.min(MOST_US, Math.max(0, ms * 1_000)))]! += 1;
    this.total += 1;
  }

  add(other: LatencyHistogram): void {
    for (let index = 0; index < BUCKETS; index += 1) this.counts[index]! += other.counts[index]!;
    this.total += other.total;
  }

  /** Milliseconds that `share` (0 to 1) of the values do not exceed: the middle of the bucket. NaN when there are none. */
  percentileMs(share: number): number {
    if (this.total === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(share * this.total));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index += 1) {
      seen += this.counts[index]!;
      if (seen >= rank) return (lowest(index) + lowest(index + 1)) / 2_000;
    }
    return MOST_US / 1_000;
  }

  /** Pairs of bucket and count, for another process. */
  toJSON(): [number, number][] {
    const pairs: [number, number][] = [];
    for (let index = 0; index < BUCKETS; index += 1)
      if (this.counts[index]! > 0) pairs.push([index, this.counts[index]!]);
    return pairs;
  }
}

export function readLatencyHistogram(pairs: readonly (readonly [number, number])[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const [index, count] of pairs) {
    histogram.counts[index]! += count;
    histogram.total += count;
  }
  return histogram;
}

function indexOf(us: number): number {
  const whole = Math.floor(us);
  if (whole < SUB_BUCKETS) return whole;
  const shift = 31 - Math.clz32(whole) - SUB_BITS;
  return shift * SUB_BUCKETS + (whole >>> shift);
}

/** The smallest number of microseconds that falls into a bucket. */
function lowest(index: number): number {
  if (index < 2 * SUB_BUCKETS) return index;
  const shift = Math.floor(index / SUB_BUCKETS) - 1;
  return (index - shift * SUB_BUCKETS) * 2 ** shift;
}

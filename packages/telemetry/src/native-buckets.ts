/**
 * Prometheus' native histograms: bucket `index` counts durations above `2^((index-1)/8)` and up to `2^(index/8)` seconds, so
 * that a percentile is wrong by at most 4.4 %. Written to the wire as they are.
 */
export const NATIVE_SCHEMA = 3;
/** Shorter durations, which no clock of ours can tell apart, are counted as zero. */
export const NATIVE_ZERO_SECONDS = 2 ** -20;
/** Longer ones, half a year, share the last bucket. */
const LONGEST_SECONDS = 2 ** 24;
const BUCKETS_PER_OCTAVE = 2 ** NATIVE_SCHEMA;
/** Room is made two octaves at a time: most series need three or four times as much. */
const ROOM = 2 * BUCKETS_PER_OCTAVE;

/** The exponential buckets of one series, in a window that grows to what was observed. */
export class NativeBuckets {
  zero: number;
  /** Index of the first cell of `counts`. */
  first: number;
  counts: Float64Array;

  constructor() {
    this.zero = 0;
    this.first = 0;
    this.counts = EMPTY;
  }

  /** NaN and negative durations count as zero. */
  observeMs(durationMs: number): void {
    const seconds = durationMs / 1000;
    if (!(seconds > NATIVE_ZERO_SECONDS)) {
      this.zero += 1;
      return;
    }
    const index = nativeIndex(seconds);
    const at = index - this.first;
    if (at >= 0 && at < this.counts.length) this.counts[at]! += 1;
    else this.grow(index);
  }

  private grow(index: number): void {
    const from = Math.floor(index / ROOM) * ROOM;
    const isEmpty = this.counts.length === 0;
    const first = isEmpty ? from : Math.min(this.first, from);
    const end = isEmpty ? from + ROOM : Math.max(this.first + this.counts.length, from + ROOM);
    const counts = new Float64Array(end - first);
    if (!isEmpty) counts.set(this.counts, this.first - first);
    counts[index - first]! += 1;
    this.first = first;
    this.counts = counts;
  }
}

/** Index of the bucket for so many seconds, which are above `NATIVE_ZERO_SECONDS`. */
export function nativeIndex(seconds: number): number {
  return Math.ceil(Math.log2(Math.min(seconds, LONGEST_SECONDS)) * BUCKETS_PER_OCTAVE);
}

const EMPTY = new Float64Array(0);

/** The native buckets of all series of a metric, side by side. Plain data: it may be sent between worker threads. */
export interface NativeSeries {
  readonly zeros: Float64Array;
  /** For each series the index of its first bucket, and how many there are. */
  readonly firsts: Int32Array;
  readonly lengths: Int32Array;
  /** The counts of the first series, then those of the second. */
  readonly counts: Float64Array;
}

/** A copy. */
export function packNativeBuckets(series: readonly NativeBuckets[]): NativeSeries {
  let total = 0;
  for (const { counts } of series) total += counts.length;
  const packed = emptySeries(series.length, total);
  let at = 0;
  for (let index = 0; index < series.length; index += 1) {
    const { zero, first, counts } = series[index]!;
    packed.zeros[index] = zero;
    packed.firsts[index] = first;
    packed.lengths[index] = counts.length;
    packed.counts.set(counts, at);
    at += counts.length;
  }
  return packed;
}

/** One part of a merge: its series `i` is series `to[i]` of the result. */
export interface NativePart {
  readonly series: NativeSeries;
  readonly to: readonly number[];
}

/** The sums of several, of `count` series in all. */
export function mergeNativeSeries(parts: readonly NativePart[], count: number): NativeSeries {
  const ends = new Int32Array(count);
  const merged = emptySeries(count, 0);
  for (const { series, to } of parts) {
    for (let index = 0; index < to.length; index += 1) {
      const length = series.lengths[index]!;
      if (length === 0) continue;
      const first = series.firsts[index]!;
      const at = to[index]!;
      const isNew = merged.firsts[at] === ends[at];
      merged.firsts[at] = isNew ? first : Math.min(merged.firsts[at]!, first);
      ends[at] = isNew ? first + length : Math.max(ends[at]!, first + length);
    }
  }
  const starts = new Int32Array(count);
  let total = 0;
  for (let at = 0; at < count; at += 1) {
    merged.lengths[at] = ends[at]! - merged.firsts[at]!;
    starts[at] = total;
    total += merged.lengths[at]!;
  }
  const counts = new Float64Array(total);
  for (const { series, to } of parts) {
    let from = 0;
    for (let index = 0; index < to.length; index += 1) {
      const at = to[index]!;
      merged.zeros[at]! += series.zeros[index]!;
      const start = starts[at]! + series.firsts[index]! - merged.firsts[at]!;
      for (let cell = 0; cell < series.lengths[index]!; cell += 1) counts[start + cell]! += series.counts[from + cell]!;
      from += series.lengths[index]!;
    }
  }
  return { ...merged, counts };
}

function emptySeries(count: number, cells: number): NativeSeries {
  return {
    zeros: new Float64Array(count),
    firsts: new Int32Array(count),
    lengths: new Int32Array(count),
    counts: new Float64Array(cells),
  };
}

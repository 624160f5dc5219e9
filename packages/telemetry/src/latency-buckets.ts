/**
 * Upper bounds of the latency buckets, in seconds; a last bucket without bound follows them.
 *
 * The 1-2.5-5 series from 0.5 ms to 60 s: a percentile read from it is wrong by at most a factor of 2.5, the usual
 * objectives (10, 100, 250, 500 ms, 1 s) are bounds and so are counted exactly, and 17 buckets keep a scrape small.
 * Below 0.5 ms the loopback hop itself is the noise; past 60 s a request is a stream or a fault, and which one the
 * termination label says.
 */
export const latencyBoundsSeconds: readonly number[] = Object.freeze([
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]);

const boundsMs = Float64Array.from(latencyBoundsSeconds, (bound) => bound * 1000);
const LAST_BOUND_MS = boundsMs[boundsMs.length - 1]!;

/** For each power of two of microseconds the first bucket that can hold it: at most three comparisons are left. */
const firstBucketOfOctave = compileOctaves();

/** Index of the bucket that counts `durationMs`; bounds are inclusive, as OpenMetrics' `le` is. NaN and negatives count as 0. */
export function latencyBucket(durationMs: number): number {
  if (!(durationMs > 0)) return 0;
  if (durationMs > LAST_BOUND_MS) return boundsMs.length;
  let bucket = firstBucketOfOctave[32 - Math.clz32(durationMs * 1000)]!;
  while (durationMs > boundsMs[bucket]!) bucket += 1;
  return bucket;
}

function compileOctaves(): Uint8Array {
  const table = new Uint8Array(33);
  for (let octave = 1; octave <= 32; octave += 1) {
    const lowestMs = 2 ** (octave - 1) / 1000;
    let bucket = 0;
    while (bucket < boundsMs.length && boundsMs[bucket]! < lowestMs) bucket += 1;
    table[octave] = bucket;
  }
  return table;
}

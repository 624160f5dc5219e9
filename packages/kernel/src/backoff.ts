import type { Random } from './random.ts';

/**
 * The wait before another attempt: uniform in [0, min(maxMs, baseMs * 2^attempt)), with fractions. `attempt` counts
 * from 0. "Full jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter": of the variants compared there
 * it makes the fewest calls for the same time to completion, because it spreads clients that failed together.
 */
export function fullJitterBackoffMs(random: Random, attempt: number, baseMs: number, maxMs: number): number {
  return random() * Math.min(maxMs, baseMs * 2 ** attempt);
}

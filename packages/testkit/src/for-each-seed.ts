import { type Random, seededRandom } from '@weft/kernel';

/**
 * Runs `check` once for each of `count` seeds, one after the other. The first failure ends the run as an error that
 * names the seed; `forEachSeed(1, check, { first: seed })` repeats that case alone.
 */
export async function forEachSeed(
  count: number,
  check: (random: Random, seed: number) => void | Promise<void>,
  options: { first?: number } = {},
): Promise<void> {
  const first = options.first ?? 1;
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      await check(seededRandom(seed), seed);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`seed ${seed}: ${reason} (repeat with { first: ${seed} })`, { cause: error });
    }
  }
}

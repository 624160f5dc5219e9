import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { seededRandom } from '@weft/kernel';

/** With inputs of a few hundred bytes this finds what the splits in two can't: faults that take three chunks or more. */
const RANDOM_SPLITS = 64;

/**
 * The law of codecs: any split of the same bytes gives the same result. Runs `decode` on the bytes in one chunk, then
 * in every pair of chunks, byte by byte, and in seeded random splits (empty chunks among them), and requires each
 * result to be deeply equal to the first, which is returned. Each chunk stands alone in its memory with other bytes
 * around it, so that reading past its end shows. A failure names the places of the cuts.
 */
export function everySplit<T>(
  bytes: Buffer,
  decode: (chunks: readonly Buffer[]) => T,
  options: { seed?: number; randomSplits?: number } = {},
): T {
  const expected = decode(chunksOf(bytes, []));
  for (let cut = 0; cut <= bytes.length; cut += 1) check(bytes, [cut], decode, expected);
  check(
    bytes,
    Array.from({ length: Math.max(0, bytes.length - 1) }, (_, index) => index + 1),
    decode,
    expected,
  );
  const random = seededRandom(options.seed ?? 1);
  for (let split = 0; split < (options.randomSplits ?? RANDOM_SPLITS); split += 1) {
    const cuts = Array.from({ length: 2 + Math.floor(random() * 8) }, () => Math.floor(random() * (bytes.length + 1)));
    cuts.sort((one, other) => one - other);
    check(bytes, cuts, decode, expected);
  }
  return expected;
}

function check<T>(bytes: Buffer, cuts: readonly number[], decode: (chunks: readonly Buffer[]) => T, expected: T): void {
  const where = cuts.length > 12 ? 'byte by byte' : `cut at ${cuts.join(', ')} of ${bytes.length}`;
  let actual: T;
  try {
    actual = decode(chunksOf(bytes, cuts));
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  try {
    assert.deepEqual(actual, expected);
  } catch (error) {
    throw new Error(`${where}: another result than in one chunk\n${(error as Error).message}`, { cause: error });
  }
}

function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts, bytes.length];
  let start = 0;
  return ends.map((end) => {
    const island = Buffer.alloc(end - start + 16, 0xa5);
    bytes.copy(island, 8, start, end);
    const chunk = island.subarray(8, 8 + end - start);
    start = end;
    return chunk;
  });
}

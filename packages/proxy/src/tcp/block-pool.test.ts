import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { BULK_BYTES, SMALL_BYTES, blockPool } from './block-pool.ts';

const LENT_BYTES = 33_554_432;

function release(blocks: readonly Buffer[]): void {
  for (const block of blocks) blockPool.release(block);
}

describe('the blocks of a thread', () => {
  it('hold what was asked for, and no two that are lent share memory', () => {
    const sizes = [1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, BULK_BYTES - 1, BULK_BYTES];
    const blocks = [...sizes, ...sizes].map((bytes) => blockPool.take(bytes));
    for (const [index, block] of blocks.entries()) {
      assert.equal(block.length, sizes[index % sizes.length]! <= SMALL_BYTES ? SMALL_BYTES : BULK_BYTES);
    }
    assert.equal(new Set(blocks.map(({ buffer }) => buffer)).size, blocks.length);
    release(blocks);
  });

  it('are used again, up to 16 large ones and 64 small ones', () => {
    for (const [bytes, spare] of [
      [BULK_BYTES, 16],
      [SMALL_BYTES, 64],
    ] as const) {
      const first = Array.from({ length: spare + 5 }, () => blockPool.take(bytes));
      release(first);
      const again = Array.from({ length: spare + 5 }, () => blockPool.take(bytes));
      assert.equal(again.filter((block) => first.includes(block)).length, spare);
      release(again);
    }
  });

  it('are read into by small pieces while more than 32 MiB are lent, and by large ones again after', () => {
    const blocks: Buffer[] = [];
    while (blocks.length * BULK_BYTES <= LENT_BYTES) {
      assert.equal(blockPool.readBytes, BULK_BYTES);
      blocks.push(blockPool.take(BULK_BYTES));
    }
    assert.equal(blockPool.readBytes, SMALL_BYTES);
    release(blocks.splice(0, 1));
    assert.equal(blockPool.readBytes, BULK_BYTES);
    release(blocks);
  });
});

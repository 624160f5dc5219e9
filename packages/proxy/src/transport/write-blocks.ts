import { ByteWriter } from '@weft/kernel';

/** What one read may bring. */
export const READ_BYTES = 65_536;

/** For heads and small bodies: what nearly all turns of a pipe come to. */
const SMALL_BYTES = 16_384;

/** For bulk: one read, with the framing and the heads around it. */
export const BULK_BYTES: number = READ_BYTES + SMALL_BYTES;

/** Blocks kept for the next turn. More than a turn's worth of pipes would only hold memory. */
const SPARE_SMALL = 64;
const SPARE_BULK = 16;

/**
 * Blocks that output is gathered in, and that the kernel keeps while a write is under way. They are used again and again: a
 * buffer made anew for each 16 KiB of a body was garbage that V8 answered with a full collection every 200 ms, 10 to 40 ms of
 * them in the thread that small calls wait for.
 */
class WriteBlocks {
  private readonly small: ByteWriter[];
  private readonly bulk: ByteWriter[];

  constructor() {
    this.small = [];
    this.bulk = [];
  }

  /** An empty block that takes so many bytes without growing, as long as they are at most `BULK_BYTES`. */
  take(bytes: number): ByteWriter {
    return bytes <= SMALL_BYTES
      ? (this.small.pop() ?? new ByteWriter(SMALL_BYTES))
      : (this.bulk.pop() ?? new ByteWriter(BULK_BYTES));
  }

  /** Gives a block back. Once for each `take`. */
  release(block: ByteWriter): void {
    block.reset();
    // A block that grew for one large head is not kept.
    if (block.buffer.length === SMALL_BYTES) {
      if (this.small.length < SPARE_SMALL) this.small.push(block);
    } else if (block.buffer.length === BULK_BYTES && this.bulk.length < SPARE_BULK) this.bulk.push(block);
  }
}

/** Of this thread. */
export const writeBlocks: WriteBlocks = new WriteBlocks();

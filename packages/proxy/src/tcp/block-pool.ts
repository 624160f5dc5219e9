import { Buffer } from 'node:buffer';

/** What one read of an opaque connection may bring: large, so that bulk costs few system calls. */
export const BULK_BYTES = 262_144;

/** One read while much is lent, and a block for what is no larger: a slow peer then holds little. */
export const SMALL_BYTES = 16_384;

/** Lent beyond it, reads are small. With the pipes' own limit it bounds what slow peers can make a thread hold. */
const LENT_BYTES = 33_554_432;

/** Blocks kept for the next writes: nearly all writes are done at once, so few are ever out. */
const SPARE_BULK = 16;
const SPARE_SMALL = 64;

/**
 * Blocks that are lent to the kernel while a write is under way. A read lands in one buffer that all opaque connections of a
 * thread share; it is copied into a block before it is written, because a write that the peer is not ready for keeps its
 * bytes. The copy is cheaper than a buffer of each connection's own, which would miss the processor's cache every time.
 */
class BlockPool {
  private lentBytes: number;
  private readonly bulk: Buffer[];
  private readonly small: Buffer[];

  constructor() {
    this.lentBytes = 0;
    this.bulk = [];
    this.small = [];
  }

  /** How much a connection should read at once. */
  get readBytes(): number {
    return this.lentBytes > LENT_BYTES ? SMALL_BYTES : BULK_BYTES;
  }

  /** A block for so many bytes, at most `BULK_BYTES`. */
  take(bytes: number): Buffer {
    const small = bytes <= SMALL_BYTES;
    const block = (small ? this.small : this.bulk).pop() ?? Buffer.allocUnsafeSlow(small ? SMALL_BYTES : BULK_BYTES);
    this.lentBytes += block.length;
    return block;
  }

  /** Gives it back. Once for each `take`. */
  release(block: Buffer): void {
    this.lentBytes -= block.length;
    if (block.length === SMALL_BYTES) {
      if (this.small.length < SPARE_SMALL) this.small.push(block);
    } else if (this.bulk.length < SPARE_BULK) this.bulk.push(block);
  }
}

/** Of this thread. */
export const blockPool: BlockPool = new BlockPool();

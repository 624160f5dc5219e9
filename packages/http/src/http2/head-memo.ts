import { Buffer } from 'node:buffer';
import type { Head } from '../head.ts';
import type { Insertions } from './hpack/insertions.ts';

const ENTRIES = 8;
const BLOCK_BYTES = 512;
const SEEN = 32;
/** A loop over 47 bytes takes 31 ns, the call into native code 93. */
const LOOP_BYTES = 128;

/** What is remembered of a block. */
export class RememberedBlock {
  readonly bytes: Buffer;
  readonly length: number;
  readonly variant: number;
  /** Table version the bytes hold for; -1 when they refer to no dynamic entry. */
  readonly version: number;
  readonly head: Head;
  /** What the block adds to the dynamic table; null for nothing. */
  readonly added: Insertions | null;

  constructor(bytes: Buffer, variant: number, version: number, head: Head, added: Insertions | null) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.variant = variant;
    this.version = version;
    this.head = head;
    this.added = added;
  }
}

/**
 * Heads by the bytes of their blocks. A client that repeats itself sends the same few index bytes, which mean the same
 * head while the dynamic table is the same, or the same literals, which mean the same whatever it holds; then nothing is
 * decoded and the very same `Head` is handed out again, so that whoever derived something from it finds it by identity. A
 * block is kept when it comes for the second time.
 */
export class HeadMemo {
  private readonly entries: RememberedBlock[];
  private readonly seen: Int32Array;
  private next: number;

  constructor() {
    this.entries = [];
    this.seen = new Int32Array(SEEN);
    this.next = 0;
  }

  /** What block[start, end) was when it was read as `variant`; undefined when it must be decoded. */
  find(block: Buffer, start: number, end: number, variant: number, version: number): RememberedBlock | undefined {
    const length = end - start;
    const entries = this.entries;
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index]!;
      if (entry.length !== length || entry.variant !== variant) continue;
      if (entry.version >= 0 && entry.version !== version) continue;
      if (equals(entry.bytes, block, start, length)) return entry;
    }
    return undefined;
  }

  /**
   * Whether a well-formed head whose block came for the second time is to be kept. Then `keep` shares it from now on: it must
   * not be changed nor used again.
   */
  repeats(block: Buffer, start: number, end: number, variant: number, version: number): boolean {
    if (end - start > BLOCK_BYTES) return false;
    const hash = hashOf(block, start, end, variant ^ (version * 31));
    const slot = hash & (SEEN - 1);
    if (this.seen[slot] !== hash) {
      this.seen[slot] = hash;
      return false;
    }
    return true;
  }

  keep(
    block: Buffer,
    start: number,
    end: number,
    variant: number,
    version: number,
    head: Head,
    added: Insertions | null,
  ): void {
    const bytes = Buffer.allocUnsafeSlow(end - start);
    block.copy(bytes, 0, start, end);
    this.entries[this.next] = new RememberedBlock(bytes, variant, version, head, added);
    this.next = (this.next + 1) % ENTRIES;
  }
}

function equals(bytes: Buffer, block: Buffer, start: number, length: number): boolean {
  if (length > LOOP_BYTES) return block.compare(bytes, 0, length, start, start + length) === 0;
  for (let index = 0; index < length; index += 1) if (bytes[index] !== block[start + index]) return false;
  return true;
}

function hashOf(block: Buffer, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  for (let pos = start; pos < end; pos += 1) hash = Math.imul(hash ^ block[pos]!, 0x01000193);
  return hash ^ (hash >>> 13);
}

import { Buffer } from 'node:buffer';
import type { Head } from '../head.ts';

const ENTRIES = 8;
const BLOCK_BYTES = 512;
const SEEN = 32;

class Entry {
  bytes: Buffer;
  length: number;
  variant: number;
  /** Table version the bytes hold for; -1 when they refer to no dynamic entry. */
  version: number;
  head: Head;

  constructor(bytes: Buffer, length: number, variant: number, version: number, head: Head) {
    this.bytes = bytes;
    this.length = length;
    this.variant = variant;
    this.version = version;
    this.head = head;
  }
}

/**
 * Heads by the bytes of their blocks. A client that repeats itself sends the same few index bytes, which mean the same
 * head while the dynamic table is the same; then nothing is decoded and the very same `Head` is handed out again, so
 * that whoever derived something from it finds it by identity. A block is kept when it comes for the second time.
 */
export class HeadMemo {
  private readonly entries: Entry[];
  private readonly seen: Int32Array;
  private next: number;

  constructor() {
    this.entries = [];
    this.seen = new Int32Array(SEEN);
    this.next = 0;
  }

  /** The head of block[start, end) read as `variant`; undefined when it must be decoded. */
  find(block: Buffer, start: number, end: number, variant: number, version: number): Head | undefined {
    const length = end - start;
    const entries = this.entries;
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index]!;
      if (entry.length !== length || entry.variant !== variant) continue;
      if (entry.version >= 0 && entry.version !== version) continue;
      if (equals(entry.bytes, block, start, length)) return entry.head;
    }
    return undefined;
  }

  /**
   * Offers a well-formed head whose block left the table as it was. True: the head is kept and shared from now on; it
   * must not be changed nor used again.
   */
  keep(block: Buffer, start: number, end: number, variant: number, version: number, head: Head): boolean {
    const length = end - start;
    if (length > BLOCK_BYTES) return false;
    const hash = hashOf(block, start, end, variant ^ (version * 31));
    const slot = hash & (SEEN - 1);
    if (this.seen[slot] !== hash) {
      this.seen[slot] = hash;
      return false;
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    block.copy(bytes, 0, start, end);
    this.entries[this.next] = new Entry(bytes, length, variant, version, head);
    this.next = (this.next + 1) % ENTRIES;
    return true;
  }
}

function equals(bytes: Buffer, block: Buffer, start: number, length: number): boolean {
  if (length > 32) return block.compare(bytes, 0, length, start, start + length) === 0;
  for (let index = 0; index < length; index += 1) if (bytes[index] !== block[start + index]) return false;
  return true;
}

function hashOf(block: Buffer, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  for (let pos = start; pos < end; pos += 1) hash = Math.imul(hash ^ block[pos]!, 0x01000193);
  return hash ^ (hash >>> 13);
}

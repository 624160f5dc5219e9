import { Buffer } from 'node:buffer';

/** Powers of two. Some hundreds of different spans are usual. */
const FIRST_SLOTS = 1 << 8;
const MOST_SLOTS = 1 << 16;
/** Slots in which a span may stand. */
const WAYS = 4;

interface Kept<T> {
  readonly hash: number;
  readonly words: DataView;
  readonly value: T;
}

/**
 * What was made of a span of bytes, found again by bytes that are equal. Bounded whatever comes: of spans that want the
 * same place one is forgotten.
 */
export class SpanCache<T> {
  #slots = emptySlots<T>(FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  #count = 0;

  /** `hash` is that of `spanHash`. */
  get(words: DataView, start: number, end: number, hash: number): T | undefined {
    for (let way = 0; way < WAYS; way += 1) {
      const kept = this.#slots[(hash + way) & this.#mask];
      if (kept === undefined) return undefined;
      if (kept.hash === hash && isEqual(kept.words, words, start, end)) return kept.value;
    }
    return undefined;
  }

  /** Copies the bytes. */
  put(words: DataView, start: number, end: number, hash: number, value: T): void {
    const bytes = Buffer.alloc(end - start);
    bytes.set(new Uint8Array(words.buffer, words.byteOffset + start, end - start));
    this.#count += 1;
    if (this.#count > this.#slots.length / 2 && this.#slots.length < MOST_SLOTS) this.#grow();
    this.#place({ hash, words: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), value });
  }

  #place(kept: Kept<T>): void {
    let slot = kept.hash & this.#mask;
    for (let way = 1; way < WAYS && this.#slots[slot] !== undefined; way += 1) slot = (kept.hash + way) & this.#mask;
    // Each in its turn, should all of them be taken.
    if (this.#slots[slot] !== undefined) slot = (kept.hash + (this.#count % WAYS)) & this.#mask;
    this.#slots[slot] = kept;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = emptySlots(before.length * 4);
    this.#mask = this.#slots.length - 1;
    for (const kept of before) if (kept !== undefined) this.#place(kept);
  }
}

function emptySlots<T>(length: number): (Kept<T> | undefined)[] {
  return Array.from({ length }, () => undefined);
}

/** A hash of words[start, end): a small integer. */
export function spanHash(words: DataView, start: number, end: number): number {
  let hash = end - start;
  let at = start;
  for (; at + 4 <= end; at += 4) hash = Math.imul(hash ^ words.getInt32(at), PRIME) ^ (hash >>> 15);
  for (; at < end; at += 1) hash = Math.imul(hash ^ words.getUint8(at), PRIME);
  hash ^= hash >>> 16;
  return hash & HASH_MASK;
}

function isEqual(kept: DataView, words: DataView, start: number, end: number): boolean {
  const length = end - start;
  if (kept.byteLength !== length) return false;
  let at = 0;
  for (; at + 4 <= length; at += 4) if (kept.getInt32(at) !== words.getInt32(start + at)) return false;
  for (; at < length; at += 1) if (kept.getUint8(at) !== words.getUint8(start + at)) return false;
  return true;
}

const PRIME = 0x9e3779b1 | 0;
const HASH_MASK = 0x3fffffff;

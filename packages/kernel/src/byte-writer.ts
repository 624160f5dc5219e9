import { Buffer } from 'node:buffer';
import { assert } from './assert.ts';

/** Below it a loop of `charCodeAt` beats the call into native code: 22 against 24 ns at 12 characters, 28 against 22 at 16. */
const SHORT_TEXT = 13;

/** The same for bytes: 24 against 29 ns at 24 bytes, 31 against 29 at 32. */
const SHORT_COPY = 28;

/** Views that a writer remembers, by the low bits of their length. */
const VIEWS = 4;

const HEX_DIGITS = Buffer.from('0123456789abcdef', 'latin1');

/** Buffer's encoder without its argument checks; part of Node since its first releases, absent from the type package. */
interface Latin1Buffer extends Buffer {
  latin1Write(text: string, offset: number, length: number): number;
}

/**
 * Scratch space that a message is written into, used again for every message.
 *
 * `buffer` is owned by the writer and replaced when it grows, so it is read again after each write. Bytes
 * [0, `length`) are the message; they stay valid until the next write or `reset`, and whoever needs them longer copies
 * them, or replaces `buffer` by one of its own.
 */
export class ByteWriter {
  buffer: Buffer;
  /** Bytes written since the last `reset`. May be lowered to take back what was written last. */
  length: number;
  private views: (Buffer | null)[] | null;
  /** What the views are of. */
  private viewed: Buffer | null;

  /** `initialBytes` is at least 1. */
  constructor(initialBytes: number) {
    assert(Number.isSafeInteger(initialBytes) && initialBytes > 0, 'a byte writer starts with at least one byte');
    // allocUnsafeSlow: scratch space lives long and must not pin a slab of Node's shared pool.
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.length = 0;
    this.views = null;
    this.viewed = null;
  }

  /**
   * The message as a view of `buffer`. Messages of one length follow each other, and a view costs more than a short message takes
   * to write: the same one is returned for the same length while the buffer is the same.
   */
  view(): Buffer {
    const { length, buffer } = this;
    if (this.views === null || this.viewed !== buffer) {
      this.views = [null, null, null, null];
      this.viewed = buffer;
    }
    const slot = length & (VIEWS - 1);
    const known = this.views[slot]!;
    if (known !== null && known.length === length) return known;
    const made = buffer.subarray(0, length);
    this.views[slot] = made;
    return made;
  }

  /** Makes room for `bytes` more, by doubling, so that writing n bytes costs O(n). */
  reserve(bytes: number): void {
    if (this.length + bytes > this.buffer.length) this.grow(bytes);
  }

  /**
   * Appends one byte for each UTF-16 unit, its low eight bits. Text from outside must have been checked before: U+010A
   * comes out as a line feed.
   */
  latin1(text: string): void {
    const count = text.length;
    this.reserve(count);
    const buffer = this.buffer;
    let offset = this.length;
    if (count < SHORT_TEXT) {
      for (let index = 0; index < count; index += 1) buffer[offset++] = text.charCodeAt(index);
    } else {
      (buffer as Latin1Buffer).latin1Write(text, offset, count);
      offset += count;
    }
    this.length = offset;
  }

  /** Appends source[start, end), a range inside `source`. */
  copy(source: Buffer, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    const buffer = this.buffer;
    let offset = this.length;
    if (count < SHORT_COPY) {
      for (let index = start; index < end; index += 1) buffer[offset++] = source[index]!;
    } else {
      source.copy(buffer, offset, start, end);
      offset += count;
    }
    this.length = offset;
  }

  /** Appends the low eight bits of `value`. */
  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  /** Appends a safe integer of at least 0 in decimal digits. */
  decimal(value: number): void {
    let digits = 1;
    for (let limit = 10; digits < 16 && value >= limit; limit *= 10) digits += 1;
    this.reserve(digits);
    const buffer = this.buffer;
    const end = this.length + digits;
    let rest = value;
    for (let offset = end - 1; offset >= this.length; offset -= 1) {
      const quotient = Math.floor(rest / 10);
      buffer[offset] = 48 + (rest - quotient * 10);
      rest = quotient;
    }
    this.length = end;
  }

  /** Appends a safe integer of at least 0 in lower-case hexadecimal digits without leading zeros. */
  hex(value: number): void {
    let digits = 1;
    for (let limit = 16; value >= limit; limit *= 16) digits += 1;
    this.reserve(digits);
    const buffer = this.buffer;
    const end = this.length + digits;
    let rest = value;
    for (let offset = end - 1; offset >= this.length; offset -= 1) {
      const quotient = Math.floor(rest / 16);
      buffer[offset] = HEX_DIGITS[rest - quotient * 16]!;
      rest = quotient;
    }
    this.length = end;
  }

  /** Forgets the bytes written and keeps the space. */
  reset(): void {
    this.length = 0;
  }

  private grow(bytes: number): void {
    let capacity = this.buffer.length;
    while (capacity < this.length + bytes) capacity *= 2;
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }
}

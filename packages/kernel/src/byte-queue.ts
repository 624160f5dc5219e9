import { Buffer } from 'node:buffer';
import { assert } from './assert.ts';

/** The first allocation: one packet's worth. An emptied queue gives back anything larger. */
const SMALL_BYTES = 2048;

const EMPTY = Buffer.alloc(0);

/**
 * Bytes held back, first in, first out, in one piece of memory. What is pushed is copied, so a receive buffer may be
 * used again at once. The queue sets no limit of its own: whoever pushes watches `length`.
 */
export class ByteQueue {
  private storage: Buffer;
  private head: number;
  private tail: number;

  constructor() {
    this.storage = EMPTY;
    this.head = 0;
    this.tail = 0;
  }

  /** Bytes held. */
  get length(): number {
    return this.tail - this.head;
  }

  /** Bytes of memory kept for them: at most the larger of `SMALL_BYTES` and four times the most ever held at once. */
  get capacityBytes(): number {
    return this.storage.length;
  }

  /** Appends a copy of chunk[start, end). */
  push(chunk: Buffer, start: number, end: number): void {
    const added = end - start;
    if (this.tail + added > this.storage.length) this.makeRoom(added);
    chunk.copy(this.storage, this.tail, start, end);
    this.tail += added;
  }

  /** All bytes held, as a view that is valid until the next `push`, `take` or `drop`. */
  peek(): Buffer {
    return this.storage.subarray(this.head, this.tail);
  }

  /** Removes the oldest `bytes` and returns them in a buffer that belongs to the caller. */
  take(bytes: number): Buffer {
    assert(bytes >= 0 && bytes <= this.length, 'more bytes taken than held');
    const taken = Buffer.allocUnsafe(bytes);
    this.storage.copy(taken, 0, this.head, this.head + bytes);
    this.drop(bytes);
    return taken;
  }

  /** Removes the oldest `bytes`: what a reader of `peek` has consumed. */
  drop(bytes: number): void {
    assert(bytes >= 0 && bytes <= this.length, 'more bytes dropped than held');
    this.head += bytes;
    if (this.head < this.tail) return;
    this.head = 0;
    this.tail = 0;
    if (this.storage.length > SMALL_BYTES) this.storage = EMPTY;
  }

  private makeRoom(added: number): void {
    const held = this.length;
    // Moving costs `held`; it is only done when at least as much was taken since, so pushing stays O(1) a byte.
    if (held + added <= this.storage.length && this.head >= held) {
      this.storage.copyWithin(0, this.head, this.tail);
    } else {
      // For the same reason new storage has room for as much again as is held: the next move is that far away.
      let capacity = SMALL_BYTES;
      while (capacity < 2 * held + added) capacity *= 2;
      const grown = Buffer.allocUnsafeSlow(capacity);
      this.storage.copy(grown, 0, this.head, this.tail);
      this.storage = grown;
    }
    this.head = 0;
    this.tail = held;
  }
}

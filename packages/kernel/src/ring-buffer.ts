import { assert } from './assert.ts';

/** The last `capacity` items, oldest first. A push into a full buffer evicts the oldest item and returns it. */
export class RingBuffer<T> {
  readonly capacity: number;
  private readonly items: (T | undefined)[];
  private oldest: number;
  private count: number;

  /** `capacity` is a whole number of items, at least 1. */
  constructor(capacity: number) {
    assert(Number.isSafeInteger(capacity) && capacity > 0, 'a ring buffer holds at least one item');
    this.capacity = capacity;
    this.items = [];
    this.oldest = 0;
    this.count = 0;
  }

  get length(): number {
    return this.count;
  }

  /** Appends `item`; returns the evicted item, or undefined while there was room. */
  push(item: T): T | undefined {
    if (this.count < this.capacity) {
      // Until the first eviction the items stand from index 0 on, so the array grows with use and never has holes.
      this.items.push(item);
      this.count += 1;
      return undefined;
    }
    const evicted = this.items[this.oldest];
    this.items[this.oldest] = item;
    this.oldest = this.oldest + 1 === this.capacity ? 0 : this.oldest + 1;
    return evicted;
  }

  /** The item `indexFromOldest` places after the oldest one; undefined outside of the buffer. */
  get(indexFromOldest: number): T | undefined {
    if (indexFromOldest < 0 || indexFromOldest >= this.count) return undefined;
    const index = this.oldest + indexFromOldest;
    return this.items[index < this.capacity ? index : index - this.capacity];
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.count; index += 1) yield this.get(index) as T;
  }
}

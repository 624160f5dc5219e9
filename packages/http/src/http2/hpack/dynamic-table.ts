import { Buffer } from 'node:buffer';

/** RFC 7541 §4.1: what an entry counts beside its name and value. */
export const ENTRY_OVERHEAD = 32;

const FIRST_STORAGE = 512;
const EMPTY = Buffer.alloc(0);

/**
 * The dynamic table of one direction (RFC 7541 §2.3.2). Entries leave in the order they came, so their bytes lie in one
 * piece that moves through the storage and is carried back to its front when the end is reached; at twice the size of
 * the table that costs less than a copy per entry. Nothing is allocated before the first entry, and nothing per entry.
 */
export class DynamicTable {
  bytes: Buffer;
  /** Entries inserted since the beginning; the newest has the number `inserted - 1`. */
  inserted: number;
  /** Entries present. */
  count: number;
  /** What the entries present count for. */
  sizeBytes: number;
  capacityBytes: number;
  /** Grows with every change of what indexes mean. */
  version: number;
  private readonly limitBytes: number;
  private readonly mask: number;
  private starts: Int32Array;
  private nameLengths: Int32Array;
  private valueLengths: Int32Array;
  private tags: Int32Array;
  private tail: number;

  /** `limitBytes`: the most `capacityBytes` may ever be. */
  constructor(limitBytes: number, capacityBytes: number) {
    let slots = 1;
    while (slots * ENTRY_OVERHEAD < limitBytes) slots *= 2;
    this.bytes = EMPTY;
    this.inserted = 0;
    this.count = 0;
    this.sizeBytes = 0;
    this.capacityBytes = capacityBytes;
    this.version = 0;
    this.limitBytes = limitBytes;
    this.mask = slots - 1;
    this.starts = new Int32Array(0);
    this.nameLengths = this.starts;
    this.valueLengths = this.starts;
    this.tags = this.starts;
    this.tail = 0;
  }

  /** Where entry `number` lies in `bytes`: the name from here, the value behind it. */
  start(number: number): number {
    return this.starts[number & this.mask]!;
  }

  nameLength(number: number): number {
    return this.nameLengths[number & this.mask]!;
  }

  valueLength(number: number): number {
    return this.valueLengths[number & this.mask]!;
  }

  /** What the owner noted with the entry. */
  tag(number: number): number {
    return this.tags[number & this.mask]!;
  }

  holds(number: number): boolean {
    return number >= this.inserted - this.count && number < this.inserted;
  }

  /** RFC 7541 §4.3: entries that no longer fit leave. At most `limitBytes`. */
  resize(capacityBytes: number): void {
    this.capacityBytes = capacityBytes;
    this.version += 1;
    this.evictTo(capacityBytes);
    if (this.count === 0) this.bytes = EMPTY;
  }

  /** Adds an entry; one larger than the table empties it and is not added (RFC 7541 §4.4). Sources are copied. */
  insert(
    names: Buffer,
    nameStart: number,
    nameEnd: number,
    values: Buffer,
    valueStart: number,
    valueEnd: number,
    tag: number,
  ): void {
    const nameLength = nameEnd - nameStart;
    const valueLength = valueEnd - valueStart;
    const size = nameLength + valueLength + ENTRY_OVERHEAD;
    this.version += 1;
    this.evictTo(this.capacityBytes - size);
    if (size > this.capacityBytes) return;
    const at = this.place(nameLength + valueLength);
    copy(names, nameStart, nameEnd, this.bytes, at);
    copy(values, valueStart, valueEnd, this.bytes, at + nameLength);
    const slot = this.inserted & this.mask;
    this.starts[slot] = at;
    this.nameLengths[slot] = nameLength;
    this.valueLengths[slot] = valueLength;
    this.tags[slot] = tag;
    this.inserted += 1;
    this.count += 1;
    this.sizeBytes += size;
  }

  private evictTo(bytes: number): void {
    while (this.count > 0 && this.sizeBytes > bytes) {
      const slot = (this.inserted - this.count) & this.mask;
      this.sizeBytes -= this.nameLengths[slot]! + this.valueLengths[slot]! + ENTRY_OVERHEAD;
      this.count -= 1;
    }
    if (this.count === 0) this.tail = 0;
  }

  /** Room for `length` bytes behind the newest entry. */
  private place(length: number): number {
    if (this.starts.length === 0) this.allocateSlots();
    if (this.tail + length > this.bytes.length) this.compact(length);
    const at = this.tail;
    this.tail += length;
    return at;
  }

  private compact(length: number): void {
    const oldest = this.inserted - this.count;
    const front = this.count === 0 ? this.tail : this.starts[oldest & this.mask]!;
    const held = this.tail - front;
    let target = this.bytes;
    if (held + length > target.length >> 1) {
      let capacity = target.length === 0 ? FIRST_STORAGE : target.length;
      while (capacity < 2 * (held + length) && capacity < 2 * this.limitBytes) capacity *= 2;
      if (capacity > target.length) target = Buffer.allocUnsafeSlow(capacity);
    }
    this.bytes.copy(target, 0, front, this.tail);
    this.bytes = target;
    this.tail = held;
    for (let number = oldest; number < this.inserted; number += 1) this.starts[number & this.mask]! -= front;
  }

  private allocateSlots(): void {
    const slots = this.mask + 1;
    this.starts = new Int32Array(slots);
    this.nameLengths = new Int32Array(slots);
    this.valueLengths = new Int32Array(slots);
    this.tags = new Int32Array(slots);
  }
}

function copy(source: Buffer, start: number, end: number, target: Buffer, at: number): void {
  if (end - start > 28) {
    source.copy(target, at, start, end);
    return;
  }
  let to = at;
  for (let pos = start; pos < end; pos += 1) target[to++] = source[pos]!;
}

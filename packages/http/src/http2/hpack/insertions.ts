import { Buffer } from 'node:buffer';
import type { DynamicTable } from './dynamic-table.ts';

/**
 * The entries that one block added to the dynamic table. A peer that repeats a block of plain literals (nginx sends every
 * response so) adds the same entries again and again; then they are copied, and nothing is decoded.
 */
export class Insertions {
  private readonly bytes: Buffer;
  /** Three for each entry: length of the name, length of the value, tag. */
  private readonly entries: Int32Array;

  private constructor(bytes: Buffer, entries: Int32Array) {
    this.bytes = bytes;
    this.entries = entries;
  }

  /** What was added since the table had `inserted` entries; undefined when some of it has left already. */
  static since(table: DynamicTable, inserted: number): Insertions | undefined {
    const count = table.inserted - inserted;
    if (count > table.count) return undefined;
    const entries = new Int32Array(count * 3);
    let length = 0;
    for (let index = 0; index < count; index += 1) {
      const number = inserted + index;
      entries[index * 3] = table.nameLength(number);
      entries[index * 3 + 1] = table.valueLength(number);
      entries[index * 3 + 2] = table.tag(number);
      length += table.nameLength(number) + table.valueLength(number);
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let at = 0;
    for (let index = 0; index < count; index += 1) {
      const start = table.start(inserted + index);
      at += table.bytes.copy(bytes, at, start, start + entries[index * 3]! + entries[index * 3 + 1]!);
    }
    return new Insertions(bytes, entries);
  }

  /** Adds them once more, in their order. */
  repeat(table: DynamicTable): void {
    const { bytes, entries } = this;
    let at = 0;
    for (let index = 0; index < entries.length; index += 3) {
      const valueAt = at + entries[index]!;
      const end = valueAt + entries[index + 1]!;
      table.insert(bytes, at, valueAt, bytes, valueAt, end, entries[index + 2]!);
      at = end;
    }
  }
}

import type { Buffer } from 'node:buffer';
import type { DynamicTable } from './dynamic-table.ts';

/** Blocks that add more are not remembered. */
const MOST = 16;

/**
 * What one block adds to the dynamic table. A peer that repeats a block of plain literals (nginx sends every response so)
 * adds the same entries again and again; then they are added without the block being decoded.
 */
export class Insertions {
  count: number;
  /** Where the entries lie; the bytes of a head, which holds them as long as it is not used again. */
  bytes: Buffer;
  /** Four for each entry: start of the name, start of the value, end of the value, tag. */
  private readonly spans: Int32Array;

  constructor(bytes: Buffer, spans: Int32Array = new Int32Array(MOST * 4)) {
    this.count = 0;
    this.bytes = bytes;
    this.spans = spans;
  }

  /** True while all that was noted is here. */
  get whole(): boolean {
    return this.count <= MOST;
  }

  note(nameStart: number, valueStart: number, end: number, tag: number): void {
    if (this.count < MOST) {
      const at = this.count * 4;
      this.spans[at] = nameStart;
      this.spans[at + 1] = valueStart;
      this.spans[at + 2] = end;
      this.spans[at + 3] = tag;
    }
    this.count += 1;
  }

  /** The same for good. `bytes` are those that the spans point into, and will not change. */
  kept(bytes: Buffer): Insertions {
    const copy = new Insertions(bytes, this.spans.slice(0, this.count * 4));
    copy.count = this.count;
    return copy;
  }

  /** Adds them once more, in their order. */
  repeat(table: DynamicTable): void {
    const { bytes, spans } = this;
    for (let at = 0; at < spans.length; at += 4) {
      const valueStart = spans[at + 1]!;
      table.insert(bytes, spans[at]!, valueStart, bytes, valueStart, spans[at + 2]!, spans[at + 3]!);
    }
  }
}

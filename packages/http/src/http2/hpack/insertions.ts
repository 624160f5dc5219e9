import type { Buffer } from 'node:buffer';
import type { DynamicTable } from './dynamic-table.ts';

/** Blocks that add more are not remembered. */
const MOST = 16;

/**
 * What one block adds to the dynamic table. A peer that repeats a block of plain literals (nginx sends every response so)
 * adds the same entries again and again; then they are added without the block being decoded.
 */
export class Insertions {
  private readonly bytes: Buffer;
  /** Four for each entry: start of the name, start of the value, end of the value, tag. */
  private readonly spans: Int32Array;

  /** `bytes` and `spans` are kept, and must not change any more. */
  constructor(bytes: Buffer, spans: Int32Array) {
    this.bytes = bytes;
    this.spans = spans;
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

/** Notes what a block adds while it is read. */
export class InsertionNotes {
  private count: number;
  private readonly spans: Int32Array;

  constructor() {
    this.count = 0;
    this.spans = new Int32Array(MOST * 4);
  }

  /** Another block begins. */
  reset(): void {
    this.count = 0;
  }

  note(nameStart: number, valueStart: number, end: number, tag: number): void {
    const { spans, count } = this;
    this.count = count + 1;
    if (count >= MOST) return;
    const at = count * 4;
    spans[at] = nameStart;
    spans[at + 1] = valueStart;
    spans[at + 2] = end;
    spans[at + 3] = tag;
  }

  /** All of it, for good; undefined when it was more than is noted. `bytes`: what the spans point into. */
  keep(bytes: Buffer): Insertions | undefined {
    return this.count > MOST ? undefined : new Insertions(bytes, this.spans.slice(0, this.count * 4));
  }
}

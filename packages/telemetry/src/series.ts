import { assert } from '@weft/kernel';
import { latencyBoundsSeconds, latencyBucket } from './latency-buckets.ts';

/** Cells of one latency series: a counter for each bucket, the unbounded one included, and the sum in milliseconds. */
export const LATENCY_CELLS = latencyBoundsSeconds.length + 2;
const SUM_CELL = LATENCY_CELLS - 1;

/**
 * The cells of many series, handed out in chunks that never move: a handle keeps its chunk for ever, so that an
 * increment is one load and one store whatever has been added since.
 */
export class CellArena {
  private chunk: Float64Array;
  private used: number;

  constructor() {
    this.chunk = new Float64Array(0);
    this.used = 0;
  }

  /** Reserves `count` zeroed cells side by side and returns where they stand. */
  take(count: number): CellSpan {
    assert(count > 0 && count <= CHUNK_CELLS, 'a series fits into one chunk of cells');
    if (this.used + count > this.chunk.length) {
      this.chunk = new Float64Array(CHUNK_CELLS);
      this.used = 0;
    }
    const offset = this.used;
    this.used += count;
    return { cells: this.chunk, offset };
  }
}

const CHUNK_CELLS = 1024;

export interface CellSpan {
  readonly cells: Float64Array;
  readonly offset: number;
}

/** A count that only grows. Resolved once by its family, then a few nanoseconds an increment and no allocation. */
export class Counter {
  private readonly cells: Float64Array;
  private readonly offset: number;

  constructor(span: CellSpan) {
    this.cells = span.cells;
    this.offset = span.offset;
  }

  /** `amount` is at least 0. */
  add(amount: number): void {
    this.cells[this.offset]! += amount;
  }

  get value(): number {
    return this.cells[this.offset]!;
  }
}

/** A value that goes up and down. */
export class Gauge {
  private readonly cells: Float64Array;
  private readonly offset: number;

  constructor(span: CellSpan) {
    this.cells = span.cells;
    this.offset = span.offset;
  }

  set(value: number): void {
    this.cells[this.offset] = value;
  }

  add(amount: number): void {
    this.cells[this.offset]! += amount;
  }

  get value(): number {
    return this.cells[this.offset]!;
  }
}

/** Durations counted into the fixed buckets of `latencyBoundsSeconds`. */
export class LatencyHistogram {
  private readonly cells: Float64Array;
  private readonly offset: number;

  constructor(span: CellSpan) {
    this.cells = span.cells;
    this.offset = span.offset;
  }

  /** NaN and negative durations, which a clock that was set back can give, count as 0. */
  observeMs(durationMs: number): void {
    this.cells[this.offset + latencyBucket(durationMs)]! += 1;
    if (durationMs > 0) this.cells[this.offset + SUM_CELL]! += durationMs;
  }

  /** How many durations were observed. */
  get count(): number {
    let count = 0;
    for (let bucket = 0; bucket < SUM_CELL; bucket += 1) count += this.cells[this.offset + bucket]!;
    return count;
  }

  get sumMs(): number {
    return this.cells[this.offset + SUM_CELL]!;
  }
}

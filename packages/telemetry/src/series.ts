import { assert } from '@weft/kernel';
import { latencyBoundsSeconds, latencyBucket } from './latency-buckets.ts';
import { NativeBuckets } from './native-buckets.ts';

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

/** The last sampled request that fell into a bucket. */
export interface Exemplar {
  /** Position in `latencyBoundsSeconds`, or one past it. */
  readonly bucket: number;
  readonly traceId: string;
  readonly durationMs: number;
  /** Unix milliseconds. */
  readonly wallMs: number;
}

/** Durations counted twice: into the fixed buckets of `latencyBoundsSeconds`, and into native ones. */
export class LatencyHistogram {
  readonly native: NativeBuckets;
  /** Null until a sampled request came; then one place for each bucket. */
  exemplars: (Exemplar | undefined)[] | null;
  private readonly cells: Float64Array;
  private readonly offset: number;

  constructor(span: CellSpan) {
    this.native = new NativeBuckets();
    this.exemplars = null;
    this.cells = span.cells;
    this.offset = span.offset;
  }

  /** NaN and negative durations, which a clock that was set back can give, count as 0. */
  observeMs(durationMs: number): void {
    this.cells[this.offset + latencyBucket(durationMs)]! += 1;
    if (durationMs > 0) this.cells[this.offset + SUM_CELL]! += durationMs;
    this.native.observeMs(durationMs);
  }

  /** Remembers a request that was observed and whose trace is sampled, in place of the one before it in its bucket. */
  keepExemplar(durationMs: number, traceId: string, wallMs: number): void {
    const bucket = latencyBucket(durationMs);
    this.exemplars ??= Array.from({ length: SUM_CELL }, () => undefined);
    this.exemplars[bucket] = { bucket, traceId, durationMs: durationMs > 0 ? durationMs : 0, wallMs };
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

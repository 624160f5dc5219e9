import { assert } from '@weft/kernel';
import { EDGE_BUCKET_BOUNDS_MS, type EdgeCounters } from '@weft/wire';

/** Latency buckets of a point. */
export const BUCKETS = EDGE_BUCKET_BOUNDS_MS.length + 1;
/** Points of a chunk: what is taken and given back at once. */
export const CHUNK_POINTS = 18;
/**
 * A chunk holds, of all its points: requests, request bytes, response bytes as f32; then failures, retries, secured, plaintext as
 * u16; then the buckets as u8.
 */
const FLOATS = 3;
const SHARES = 4;
const SHARES_AT = CHUNK_POINTS * FLOATS * 4;
const BUCKETS_AT = SHARES_AT + CHUNK_POINTS * SHARES * 2;
const CHUNK_BYTES = Math.ceil((BUCKETS_AT + CHUNK_POINTS * BUCKETS) / 4) * 4;
const SLAB_CHUNKS = 800;
const MOST_U8 = 255;
const MOST_U16 = 65_535;

/** Sums over points. Written by `PointStore.addTo`. */
export class TrafficSum {
  requests = 0;
  failures = 0;
  retries = 0;
  secured = 0;
  plaintext = 0;
  requestBytes = 0;
  responseBytes = 0;
  readonly latencies = new Float64Array(BUCKETS);
}

/** What rounding has left over of each bucket of one series, in requests, so that sums over time stay true. */
export type Rounding = Float32Array;

/**
 * Points of 37 bytes in chunks of 18 points, taken from slabs: a million of them cost what they hold and no objects. Counts are
 * exact up to 65,535 (buckets up to 255) of one point; beyond, they are shares of its requests, whose rounding is carried
 * over to the next point of the series.
 */
export class PointStore {
  private readonly mostChunks: number;
  private readonly floats: Float32Array[];
  private readonly shares: Uint16Array[];
  private readonly bytes: Uint8Array[];
  private readonly free: number[];
  private nextChunk: number;

  /** `mostBytes` is a bound on all slabs together. */
  constructor(mostBytes: number) {
    this.mostChunks = Math.max(1, Math.floor(mostBytes / CHUNK_BYTES));
    this.floats = [];
    this.shares = [];
    this.bytes = [];
    this.free = [];
    this.nextChunk = 0;
  }

  /** Bytes of the slabs there are. */
  get heldBytes(): number {
    return this.bytes.length * SLAB_CHUNKS * CHUNK_BYTES;
  }

  /** A chunk of empty points; -1 when the bound is reached. */
  take(): number {
    const chunk = this.free.pop();
    if (chunk !== undefined) {
      const start = (chunk % SLAB_CHUNKS) * CHUNK_BYTES;
      this.bytes[Math.floor(chunk / SLAB_CHUNKS)]!.fill(0, start, start + CHUNK_BYTES);
      return chunk;
    }
    if (this.nextChunk >= this.mostChunks) return -1;
    if (this.nextChunk % SLAB_CHUNKS === 0) {
      const slab = new ArrayBuffer(SLAB_CHUNKS * CHUNK_BYTES);
      this.floats.push(new Float32Array(slab));
      this.shares.push(new Uint16Array(slab));
      this.bytes.push(new Uint8Array(slab));
    }
    this.nextChunk += 1;
    return this.nextChunk - 1;
  }

  give(chunk: number): void {
    this.free.push(chunk);
  }

  /** Adds what was counted to a point. */
  put(chunk: number, point: number, counted: EdgeCounters, rounding: Rounding): void {
    const sum = scratch;
    sum.requests = counted.requests;
    sum.failures = counted.failures;
    sum.retries = counted.retries;
    sum.secured = counted.secured;
    sum.plaintext = counted.plaintext;
    sum.requestBytes = counted.requestBytes;
    sum.responseBytes = counted.responseBytes;
    for (let index = 0; index < BUCKETS; index += 1) {
      sum.latencies[index] = (counted.latencies[index] ?? 0) + rounding[index]!;
    }
    // Two reports that fall into one step of time.
    this.addTo(chunk, point, sum);
    const start = startOf(chunk, point);
    const slab = Math.floor(chunk / SLAB_CHUNKS);
    const floats = this.floats[slab]!;
    const shares = this.shares[slab]!;
    const bytes = this.bytes[slab]!;
    const floatAt = (start >> 2) + point * FLOATS;
    floats[floatAt] = sum.requests;
    floats[floatAt + 1] = sum.requestBytes;
    floats[floatAt + 2] = sum.responseBytes;
    const unit = Math.max(1, sum.requests / MOST_U16);
    const shareAt = ((start + SHARES_AT) >> 1) + point * SHARES;
    shares[shareAt] = inUnits(sum.failures, unit);
    shares[shareAt + 1] = inUnits(sum.retries, unit);
    shares[shareAt + 2] = inUnits(sum.secured, unit);
    shares[shareAt + 3] = inUnits(sum.plaintext, unit);
    const bucketAt = start + BUCKETS_AT + point * BUCKETS;
    const bucketUnit = Math.max(1, sum.requests / MOST_U8);
    for (let index = 0; index < BUCKETS; index += 1) {
      const wanted = sum.latencies[index]!;
      const units = Math.min(MOST_U8, Math.max(0, Math.round(wanted / bucketUnit)));
      bytes[bucketAt + index] = units;
      rounding[index] = wanted - units * bucketUnit;
    }
  }

  addTo(chunk: number, point: number, sum: TrafficSum): void {
    const start = startOf(chunk, point);
    const slab = Math.floor(chunk / SLAB_CHUNKS);
    const floats = this.floats[slab]!;
    const floatAt = (start >> 2) + point * FLOATS;
    const requests = floats[floatAt]!;
    const received = floats[floatAt + 1]!;
    const sent = floats[floatAt + 2]!;
    if (requests === 0 && received === 0 && sent === 0) return;
    const shares = this.shares[slab]!;
    const bytes = this.bytes[slab]!;
    const shareAt = ((start + SHARES_AT) >> 1) + point * SHARES;
    const bucketAt = start + BUCKETS_AT + point * BUCKETS;
    sum.requests += requests;
    sum.requestBytes += received;
    sum.responseBytes += sent;
    const unit = Math.max(1, requests / MOST_U16);
    sum.failures += shares[shareAt]! * unit;
    sum.retries += shares[shareAt + 1]! * unit;
    sum.secured += shares[shareAt + 2]! * unit;
    sum.plaintext += shares[shareAt + 3]! * unit;
    const bucketUnit = Math.max(1, requests / MOST_U8);
    const { latencies } = sum;
    for (let index = 0; index < BUCKETS; index += 1) {
      latencies[index] = latencies[index]! + bytes[bucketAt + index]! * bucketUnit;
    }
  }
}

const scratch = new TrafficSum();

/** Where its chunk begins in its slab. */
function startOf(chunk: number, point: number): number {
  assert(point >= 0 && point < CHUNK_POINTS, 'a point lies in its chunk');
  return (chunk % SLAB_CHUNKS) * CHUNK_BYTES;
}

/** What happened at all stays visible, however small its share. */
function inUnits(count: number, unit: number): number {
  if (count <= 0) return 0;
  return Math.min(MOST_U16, Math.max(1, Math.round(count / unit)));
}

/** The duration that a share of the requests did not exceed, read from the buckets; -1 when nothing was measured. */
export function percentileMs(latencies: ArrayLike<number>, share: number): number {
  let total = 0;
  for (let index = 0; index < BUCKETS; index += 1) total += Math.max(0, latencies[index]!);
  if (total < 0.5) return -1;
  let left = total * share;
  for (let index = 0; index < BUCKETS; index += 1) {
    const count = Math.max(0, latencies[index]!);
    if (count === 0) continue;
    if (left <= count || index === BUCKETS - 1) {
      const lower = index === 0 ? 0 : EDGE_BUCKET_BOUNDS_MS[index - 1]!;
      const upper = EDGE_BUCKET_BOUNDS_MS[index] ?? lower;
      return lower + (upper - lower) * Math.min(1, left / count);
    }
    left -= count;
  }
  return EDGE_BUCKET_BOUNDS_MS[EDGE_BUCKET_BOUNDS_MS.length - 1]!;
}

/** Snapshots as Prometheus' messages, each behind its length: metrics.proto of prometheus/client_model 0.6.2. */
import { Buffer } from 'node:buffer';
import protobuf from 'protobufjs/minimal.js';
import { latencyBoundsSeconds } from './latency-buckets.ts';
import type { MetricFamily, MetricsSnapshot, SeriesExemplar } from './metrics-snapshot.ts';
import { NATIVE_SCHEMA, NATIVE_ZERO_SECONDS, type NativeSeries } from './native-buckets.ts';

type Writer = protobuf.Writer;

/** MetricType of metrics.proto. An info is a gauge that says 1. */
const types: Readonly<Record<MetricFamily['type'], number>> = { counter: 0, gauge: 1, histogram: 4, info: 1 };

/** Field number and wire type. */
const delimited = (field: number): number => (field << 3) | 2;
const varint = (field: number): number => field << 3;
const fixed64 = (field: number): number => (field << 3) | 1;

/** After so many series the event loop turns; one of a histogram is as much work as sixteen others. */
const SLICE_SERIES = 512;
const NOTHING = new Uint8Array(0);
const LABEL = /([a-z][a-z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** Parts are joined up to this size: each is written, and waited for, by itself. */
const PART_BYTES = 16_384;

/**
 * The snapshot in parts, as `writeMetrics` has it. A message comes behind its length, so a family is held until it is whole;
 * meanwhile parts without bytes give the caller's event loop its turns.
 */
export function* writeMetricsProtobuf(snapshot: MetricsSnapshot): Generator<Uint8Array, void, undefined> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  let series = 0;
  for (const family of snapshot.families) {
    if (family.labels.length === 0) continue;
    const slices = [writeHead(family)];
    const positions = family.native === null ? null : startsOf(family.native);
    const exemplars = new Map(family.exemplars.map((exemplar) => [exemplar.series * 64 + exemplar.bucket, exemplar]));
    const weight = family.type === 'histogram' ? latencyBoundsSeconds.length : 1;
    let writer = protobuf.Writer.create();
    for (let index = 0; index < family.labels.length; index += 1) {
      writeSeries(writer, family, index, positions, exemplars);
      series += weight;
      if (series < SLICE_SERIES) continue;
      slices.push(writer.finish());
      writer = protobuf.Writer.create();
      series = 0;
      yield NOTHING;
    }
    slices.push(writer.finish());
    const length = slices.reduce((sum, slice) => sum + slice.length, 0);
    waiting.push(protobuf.Writer.create().uint32(length).finish(), ...slices);
    bytes += length;
    if (bytes < PART_BYTES) continue;
    yield* partsOf(Buffer.concat(waiting));
    waiting = [];
    bytes = 0;
  }
  if (waiting.length > 0) yield* partsOf(Buffer.concat(waiting));
}

/** Views of the bytes, none longer than two parts. */
function* partsOf(bytes: Buffer): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += 2 * PART_BYTES) yield bytes.subarray(at, at + 2 * PART_BYTES);
}

function writeHead({ name, help, type, unit }: MetricFamily): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(delimited(1)).string(name).uint32(delimited(2)).string(help).uint32(varint(3)).int32(types[type]);
  if (unit !== '') writer.uint32(delimited(5)).string(unit);
  return writer.finish();
}

function writeSeries(
  writer: Writer,
  family: MetricFamily,
  series: number,
  positions: Int32Array | null,
  exemplars: ReadonlyMap<number, SeriesExemplar>,
): void {
  writer.uint32(delimited(4)).fork();
  for (const [, name = '', value = ''] of family.labels[series]!.matchAll(LABEL))
    writeLabel(writer, name, unescape(value));
  if (family.type === 'histogram') {
    writer.uint32(delimited(7)).fork();
    writeClassic(writer, family, series, exemplars);
    if (family.native !== null && positions !== null) writeNative(writer, family.native, series, positions[series]!);
    writer.ldelim();
  } else {
    writer.uint32(delimited(family.type === 'counter' ? 3 : 2)).fork();
    writer.uint32(fixed64(1)).double(family.values[series]!).ldelim();
  }
  writer.ldelim();
}

/** `sample_count`, `sample_sum` and `bucket`, with its exemplars; the last bucket, without bound, is the count. */
function writeClassic(
  writer: Writer,
  family: MetricFamily,
  series: number,
  exemplars: ReadonlyMap<number, SeriesExemplar>,
): void {
  const first = series * family.width;
  const buckets = family.width - 1;
  let count = 0;
  for (let bucket = 0; bucket < buckets; bucket += 1) {
    count += family.values[first + bucket]!;
    writer.uint32(delimited(3)).fork();
    writer.uint32(varint(1)).uint64(count);
    writer.uint32(fixed64(2)).double(latencyBoundsSeconds[bucket] ?? Infinity);
    const exemplar = exemplars.get(series * 64 + bucket);
    if (exemplar !== undefined) writeExemplar(writer, exemplar);
    writer.ldelim();
  }
  writer.uint32(varint(1)).uint64(count);
  writer.uint32(fixed64(2)).double(family.values[first + buckets]!);
}

function writeExemplar(writer: Writer, { traceId, durationMs, wallMs }: SeriesExemplar): void {
  const seconds = Math.floor(wallMs / 1000);
  writer.uint32(delimited(3)).fork();
  writeLabel(writer, 'trace_id', traceId);
  writer.uint32(fixed64(2)).double(durationMs / 1000);
  writer.uint32(delimited(3)).fork();
  writer.uint32(varint(1)).int64(seconds);
  writer.uint32(varint(2)).int32(Math.floor((wallMs - seconds * 1000) * 1_000_000));
  writer.ldelim().ldelim();
}

/** `schema`, `zero_threshold`, `zero_count`, and one span from the first bucket that holds something to the last. */
function writeNative(writer: Writer, native: NativeSeries, series: number, position: number): void {
  writer.uint32(varint(5)).sint32(NATIVE_SCHEMA);
  writer.uint32(fixed64(6)).double(NATIVE_ZERO_SECONDS);
  writer.uint32(varint(7)).uint64(native.zeros[series]!);
  let from = position;
  let end = position + native.lengths[series]!;
  while (from < end && native.counts[from] === 0) from += 1;
  while (end > from && native.counts[end - 1] === 0) end -= 1;
  writer.uint32(delimited(12)).fork();
  // An empty span says that this is a native histogram though nothing was observed.
  if (end > from) {
    writer.uint32(varint(1)).sint32(native.firsts[series]! + from - position);
    writer.uint32(varint(2)).uint32(end - from);
  }
  writer.ldelim();
  let before = 0;
  for (let at = from; at < end; at += 1) {
    writer.uint32(varint(13)).sint64(native.counts[at]! - before);
    before = native.counts[at]!;
  }
}

function writeLabel(writer: Writer, name: string, value: string): void {
  writer.uint32(delimited(1)).fork();
  writer.uint32(delimited(1)).string(name).uint32(delimited(2)).string(value).ldelim();
}

/** Where the counts of each series begin. */
function startsOf({ lengths }: NativeSeries): Int32Array {
  const starts = new Int32Array(lengths.length);
  for (let series = 1; series < lengths.length; series += 1)
    starts[series] = starts[series - 1]! + lengths[series - 1]!;
  return starts;
}

/** Undoes what `SeriesTable` did to a value. */
function unescape(value: string): string {
  return value.includes('\\') ? value.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)) : value;
}

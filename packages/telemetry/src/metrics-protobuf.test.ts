import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs';
import { pickMetricsFormat } from './metrics-format.ts';
import { writeMetricsProtobuf } from './metrics-protobuf.ts';
import { SeriesTable } from './series-table.ts';

// What we write of metrics.proto (prometheus/client_model 0.6.2), by its numbers and types.
const { root } = protobuf.parse(`
syntax = "proto2";
package io.prometheus.client;
message LabelPair { optional string name = 1; optional string value = 2; }
enum MetricType { COUNTER = 0; GAUGE = 1; SUMMARY = 2; UNTYPED = 3; HISTOGRAM = 4; GAUGE_HISTOGRAM = 5; }
message Gauge { optional double value = 1; }
message Counter { optional double value = 1; optional Exemplar exemplar = 2; }
message Histogram {
  optional uint64 sample_count = 1;
  optional double sample_sum = 2;
  repeated Bucket bucket = 3;
  optional sint32 schema = 5;
  optional double zero_threshold = 6;
  optional uint64 zero_count = 7;
  repeated BucketSpan positive_span = 12;
  repeated sint64 positive_delta = 13;
}
message Bucket { optional uint64 cumulative_count = 1; optional double upper_bound = 2; optional Exemplar exemplar = 3; }
message BucketSpan { optional sint32 offset = 1; optional uint32 length = 2; }
message Timestamp { optional int64 seconds = 1; optional int32 nanos = 2; }
message Exemplar { repeated LabelPair label = 1; optional double value = 2; optional Timestamp timestamp = 3; }
message Metric {
  repeated LabelPair label = 1;
  optional Gauge gauge = 2;
  optional Counter counter = 3;
  optional Histogram histogram = 7;
}
message MetricFamily {
  optional string name = 1;
  optional string help = 2;
  optional MetricType type = 3;
  repeated Metric metric = 4;
  optional string unit = 5;
}
`);
const metricFamily = root.lookupType('io.prometheus.client.MetricFamily');

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly unit?: string;
  readonly metric: readonly {
    readonly label?: readonly { readonly name: string; readonly value: string }[];
    readonly gauge?: { readonly value: number };
    readonly counter?: { readonly value: number };
    readonly histogram?: Histogram;
  }[];
}

interface Histogram {
  readonly sampleCount: number;
  readonly sampleSum: number;
  readonly bucket: readonly {
    readonly cumulativeCount: number;
    readonly upperBound: number;
    readonly exemplar?: unknown;
  }[];
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly positiveSpan: readonly { readonly offset?: number; readonly length?: number }[];
  readonly positiveDelta?: readonly number[];
}

function read(table: SeriesTable): Map<string, Family> {
  const reader = protobuf.Reader.create(Buffer.concat([...writeMetricsProtobuf(table.snapshot())]));
  const families = new Map<string, Family>();
  while (reader.pos < reader.len) {
    const message = metricFamily.decodeDelimited(reader);
    const family = metricFamily.toObject(message, { longs: Number, enums: String }) as Family;
    families.set(family.name, family);
  }
  return families;
}

describe('writeMetricsProtobuf', () => {
  test('says of every kind of metric what the text says, labels unescaped', () => {
    const table = new SeriesTable();
    table
      .counter({ name: 'r_total', help: 'R.', labels: ['a', 'b'] })
      .resolve(['x"y\\', 'line\nfeed'])
      .add(3);
    table.gauge({ name: 'g_bytes', help: 'G.', unit: 'bytes', labels: [] }).resolve([]).set(-1.5);
    table.read('info', { name: 'b_info', help: 'B.', labels: ['version'] }, (emit) => emit(['1'], 1));
    const families = read(table);
    deepEqual(families.get('r_total'), {
      name: 'r_total',
      help: 'R.',
      type: 'COUNTER',
      metric: [
        {
          label: [
            { name: 'a', value: 'x"y\\' },
            { name: 'b', value: 'line\nfeed' },
          ],
          counter: { value: 3 },
        },
      ],
    });
    const gauge = { name: 'g_bytes', help: 'G.', type: 'GAUGE', unit: 'bytes', metric: [{ gauge: { value: -1.5 } }] };
    deepEqual(families.get('g_bytes'), gauge);
    equal(families.get('b_info')!.type, 'GAUGE');
  });

  test('a histogram is told in both kinds of buckets, which count the same requests', () => {
    const table = new SeriesTable();
    const durations = table
      .latencyHistogram({ name: 'd_seconds', help: 'D.', unit: 'seconds', labels: [] })
      .resolve([]);
    for (const ms of [0, 1, 250, 250, 1_000, 90_000]) durations.observeMs(ms);
    durations.keepExemplar(250, 'a'.repeat(32), 1_700_000_000_250);
    const { histogram } = read(table).get('d_seconds')!.metric[0]!;
    ok(histogram);
    equal(histogram.sampleCount, 6);
    ok(Math.abs(histogram.sampleSum - 91.501) < 1e-9);
    equal(histogram.bucket.length, 17);
    deepEqual(histogram.bucket.at(-1), { cumulativeCount: 6, upperBound: Infinity });
    deepEqual(
      histogram.bucket.find(({ upperBound }) => upperBound === 0.25),
      {
        cumulativeCount: 4,
        upperBound: 0.25,
        exemplar: {
          label: [{ name: 'trace_id', value: 'a'.repeat(32) }],
          value: 0.25,
          timestamp: { seconds: 1_700_000_000, nanos: 250_000_000 },
        },
      },
    );
    equal(histogram.schema, 3);
    equal(histogram.zeroThreshold, 2 ** -20);
    equal(histogram.zeroCount, 1);
    const counts = new Map<number, number>();
    let count = 0;
    (histogram.positiveDelta ?? []).forEach((delta, at) => {
      count += delta;
      if (count > 0) counts.set(histogram.positiveSpan[0]!.offset! + at, count);
    });
    // 1 ms, 250 ms (the bound of bucket -16), 1 s (of 0) and 90 s.
    deepEqual(
      [...counts],
      [
        [-79, 1],
        [-16, 2],
        [0, 1],
        [52, 1],
      ],
    );
    equal(histogram.positiveSpan[0]!.length, histogram.positiveDelta!.length);
  });

  test('one that observed nothing is a native histogram all the same', () => {
    const table = new SeriesTable();
    table.latencyHistogram({ name: 'd_seconds', help: 'D.', unit: 'seconds', labels: [] }).resolve([]);
    const { histogram } = read(table).get('d_seconds')!.metric[0]!;
    deepEqual(histogram!.positiveSpan, [{}]);
    equal(histogram!.sampleCount, 0);
  });

  test('thousands of series come in many parts, none large, and none is lost', () => {
    const table = new SeriesTable({ maxSeries: 10_000 });
    const durations = table.latencyHistogram({ name: 'd_seconds', help: 'D.', unit: 'seconds', labels: ['x'] });
    for (let index = 0; index < 2_000; index += 1) durations.resolve([`${index}`]).observeMs(index);
    const parts = [...writeMetricsProtobuf(table.snapshot())];
    ok(parts.length > 60 && parts.every((part) => part.length < 65_536), `${parts.length} parts`);
    equal(read(table).get('d_seconds')!.metric.length, 2_000);
  });
});

describe('the format of a scrape', () => {
  test('is protobuf for a Prometheus that reads native histograms, and for nobody else', () => {
    const message = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';
    const cases: readonly (readonly [string, string])[] = [
      [
        `${message},application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
        'protobuf',
      ],
      [`${message};q=0.6,application/openmetrics-text;version=1.0.0;q=0.7`, 'openmetrics'],
      [`${message};q=0`, 'prometheus'],
      ['application/vnd.google.protobuf', 'prometheus'],
      ['application/vnd.google.protobuf;proto=other;encoding=delimited', 'prometheus'],
      ['application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text', 'prometheus'],
    ];
    for (const [accept, format] of cases) equal(pickMetricsFormat(accept), format, accept);
  });
});

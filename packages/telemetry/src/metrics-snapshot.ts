import { type NativeSeries, mergeNativeSeries } from './native-buckets.ts';
import type { Exemplar } from './series.ts';

/** What a metric is, apart from its values. */
export interface MetricDefinition {
  /** The name of its samples: a counter ends in `_total`, an info in `_info`; a histogram's parts get their suffixes. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** The unit, which is also the last word of the name before `_total`; absent for plain counts. */
  readonly unit?: 'seconds' | 'bytes' | 'ratio';
  /** How values are put together when series fold or workers are merged; `sum` unless said. */
  readonly merge?: 'sum' | 'max' | 'min';
  /** Most label sets of this metric; half of the table's budget unless said. */
  readonly maxSeries?: number;
}

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'info';

/** The series of one metric at one moment. Plain data: it may be sent between worker threads. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly unit: string;
  readonly type: MetricType;
  readonly merge: 'sum' | 'max' | 'min';
  /** The label sets as text ready for the wire (`direction="inbound",code="200"`), in order of that text. */
  readonly labels: readonly string[];
  /** `width` values for each label set: one, or a histogram's bucket counts (not cumulative) and its sum in seconds. */
  readonly values: Float64Array;
  readonly width: number;
  /** Of a histogram, the same counts in native buckets; null for everything else. */
  readonly native: NativeSeries | null;
  /** Of a histogram, in the order of its series and buckets. */
  readonly exemplars: readonly SeriesExemplar[];
}

export interface SeriesExemplar extends Exemplar {
  /** Position in `labels`. */
  readonly series: number;
}

/** All families in order of their names. */
export interface MetricsSnapshot {
  readonly families: readonly MetricFamily[];
}

/**
 * Puts the snapshots of several workers together: values of equal label sets are merged as their metric says. Order
 * depends on names alone, so the same numbers give the same text whichever worker answered first.
 */
export function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  if (snapshots.length === 1) return snapshots[0]!;
  const byName = new Map<string, MetricFamily[]>();
  for (const snapshot of snapshots) {
    for (const family of snapshot.families) {
      const same = byName.get(family.name);
      if (same === undefined) byName.set(family.name, [family]);
      else same.push(family);
    }
  }
  const names = [...byName.keys()].sort();
  return { families: names.map((name) => mergeFamilies(byName.get(name)!)) };
}

function mergeFamilies(families: readonly MetricFamily[]): MetricFamily {
  const first = families[0]!;
  if (families.length === 1) return first;
  const labels = [...new Set(families.flatMap((family) => family.labels))].sort();
  const indexes = new Map(labels.map((text, index) => [text, index]));
  const { width } = first;
  const values = new Float64Array(labels.length * width);
  const seen = new Uint8Array(labels.length);
  for (const family of families) {
    for (let series = 0; series < family.labels.length; series += 1) {
      const index = indexes.get(family.labels[series]!)!;
      for (let cell = 0; cell < width; cell += 1) {
        const value = family.values[series * width + cell]!;
        const at = index * width + cell;
        values[at] = seen[index] === 0 ? value : mergeValues(first.merge, values[at]!, value);
      }
      seen[index] = 1;
    }
  }
  const native = mergeNative(families, indexes, labels.length);
  const exemplars = families.flatMap((family) =>
    family.exemplars.map((exemplar) => ({ ...exemplar, series: indexes.get(family.labels[exemplar.series]!)! })),
  );
  return { ...first, labels, values, native, exemplars: newestExemplars(exemplars) };
}

function mergeNative(
  families: readonly MetricFamily[],
  indexes: ReadonlyMap<string, number>,
  count: number,
): NativeSeries | null {
  const parts = families.flatMap(({ native, labels }) =>
    native === null ? [] : [{ series: native, to: labels.map((text) => indexes.get(text)!) }],
  );
  return parts.length === 0 ? null : mergeNativeSeries(parts, count);
}

/** One for each bucket, in order. Of two of the same moment the greater trace, so that the order of workers does not matter. */
function newestExemplars(exemplars: readonly SeriesExemplar[]): readonly SeriesExemplar[] {
  const sorted = exemplars.toSorted(
    (left, right) =>
      left.series - right.series ||
      left.bucket - right.bucket ||
      right.wallMs - left.wallMs ||
      (left.traceId < right.traceId ? 1 : -1),
  );
  return sorted.filter(({ series, bucket }, at) => {
    const before = sorted[at - 1];
    return before === undefined || before.series !== series || before.bucket !== bucket;
  });
}

/** One value out of two. */
export function mergeValues(merge: 'sum' | 'max' | 'min', left: number, right: number): number {
  if (merge === 'sum') return left + right;
  return merge === 'max' ? Math.max(left, right) : Math.min(left, right);
}

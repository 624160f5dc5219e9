import { assert } from '@weft/kernel';
import {
  type MetricDefinition,
  type MetricFamily,
  type MetricType,
  type MetricsSnapshot,
  type SeriesExemplar,
  mergeValues,
} from './metrics-snapshot.ts';
import { packNativeBuckets } from './native-buckets.ts';
import { CellArena, type CellSpan, Counter, Gauge, LATENCY_CELLS, LatencyHistogram } from './series.ts';

/** Resolves label values to the handle of their series, in the order of the definition's `labels`. */
export interface SeriesFamily<Handle> {
  /**
   * The same values give the same handle. Not for every request: keep the handle. Past the budget the handle of the
   * series whose labels all say `other` comes back.
   */
  resolve(labelValues: readonly string[]): Handle;
}

/** Hands one value to a scrape; used inside the callback of `SeriesTable.read` only. */
export type EmitSample = (labelValues: readonly string[], value: number) => void;

export interface SeriesTableOptions {
  /** Most label sets of the whole table (a histogram's label set counts once); 5,000 unless said. */
  readonly maxSeries?: number;
}

const DEFAULT_MAX_SERIES = 5_000;
/** A namespaced Kubernetes name is at most 317 characters; what is longer came from outside. */
const MAX_LABEL_CHARS = 320;
const NAME = /^[a-z][a-z0-9_]*$/;

interface Source {
  readonly definition: MetricDefinition;
  readonly type: MetricType;
  collect(): MetricFamily;
}

/**
 * All metrics of a process (or of one of its workers), with a budget for label sets.
 *
 * Labels are where a mesh's memory, and that of whoever scrapes it, can be driven by strangers. So the table holds at
 * most `maxSeries` label sets and one metric at most half of them, which leaves room for the metrics that say what is
 * going on; whatever is new beyond that is counted in a series named `other` and in
 * `weft_metric_series_folded_total{metric}`.
 */
export class SeriesTable {
  private limit: number;
  private readonly sources: Map<string, Source>;
  private readonly arena: CellArena;
  private readonly folded: Map<string, number>;
  private readonly failedReads: Map<string, number>;
  private seriesCount: number;

  constructor(options: SeriesTableOptions = {}) {
    this.limit = options.maxSeries ?? DEFAULT_MAX_SERIES;
    assert(Number.isSafeInteger(this.maxSeries) && this.maxSeries > 0, 'a series table holds at least one series');
    this.sources = new Map();
    this.arena = new CellArena();
    this.folded = new Map();
    this.failedReads = new Map();
    this.seriesCount = 0;
    this.registerOwn();
  }

  get maxSeries(): number {
    return this.limit;
  }

  /** From now on; what is held already stays. */
  setMaxSeries(maxSeries: number): void {
    assert(Number.isSafeInteger(maxSeries) && maxSeries > 0, 'a series table holds at least one series');
    this.limit = maxSeries;
  }

  /** Label sets held now, those named `other` not counted. */
  get series(): number {
    return this.seriesCount;
  }

  counter(definition: MetricDefinition): SeriesFamily<Counter> {
    return this.add(definition, 'counter', 1, (span) => new Counter(span));
  }

  gauge(definition: MetricDefinition): SeriesFamily<Gauge> {
    return this.add(definition, 'gauge', 1, (span) => new Gauge(span));
  }

  latencyHistogram(definition: MetricDefinition): SeriesFamily<LatencyHistogram> {
    return this.add(definition, 'histogram', LATENCY_CELLS, (span) => new LatencyHistogram(span), withDetail);
  }

  /**
   * A metric whose values are facts of somebody else, asked for at each scrape. A callback that throws leaves its
   * metric out and counts in `weft_metric_read_failures_total{metric}`: a scrape matters most when something is broken.
   */
  read(type: 'counter' | 'gauge' | 'info', definition: MetricDefinition, callback: (emit: EmitSample) => void): void {
    checkDefinition(definition, type);
    this.addSource({ definition, type, collect: () => this.collectRead(definition, type, callback) });
  }

  /** The values of now, in an order that depends on names alone. */
  snapshot(): MetricsSnapshot {
    const collect = (name: string): MetricFamily => this.sources.get(name)!.collect();
    const names = [...this.sources.keys()].sort();
    // The table's own metrics speak of what reading the others did, so they are collected last.
    const others = new Map(names.filter((name) => !name.startsWith(OWN)).map((name) => [name, collect(name)]));
    return { families: names.map((name) => others.get(name) ?? collect(name)) };
  }

  private add<Handle>(
    definition: MetricDefinition,
    type: MetricType,
    width: number,
    make: (span: CellSpan) => Handle,
    detail?: (family: MetricFamily, order: readonly string[], handles: ReadonlyMap<string, Handle>) => MetricFamily,
  ): SeriesFamily<Handle> {
    checkDefinition(definition, type);
    const handles = new Map<string, Handle>();
    const spans = new Map<string, CellSpan>();
    let order: readonly string[] | undefined;
    const enter = (labels: string): Handle => {
      const span = this.arena.take(width);
      const handle = make(span);
      handles.set(labels, handle);
      spans.set(labels, span);
      order = undefined;
      return handle;
    };
    const otherLabels = writeOtherLabels(definition);
    let kept = 0;
    this.addSource({
      definition,
      type,
      collect: () => {
        order ??= [...spans.keys()].sort();
        const family = collectSpans(definition, type, width, order, spans);
        return detail === undefined ? family : detail(family, order, handles);
      },
    });
    return {
      resolve: (labelValues) => {
        const labels = writeLabels(definition, labelValues);
        const known = handles.get(labels);
        if (known !== undefined) return known;
        // A metric without labels has one series and cannot grow: it needs no budget.
        if (definition.labels.length === 0) return enter(labels);
        if (kept >= this.limitOf(definition) || this.seriesCount >= this.maxSeries) {
          this.fold(definition.name);
          return handles.get(otherLabels) ?? enter(otherLabels);
        }
        kept += 1;
        this.seriesCount += 1;
        return enter(labels);
      },
    };
  }

  private collectRead(
    definition: MetricDefinition,
    type: MetricType,
    callback: (emit: EmitSample) => void,
  ): MetricFamily {
    const merge = definition.merge ?? 'sum';
    const limit = this.limitOf(definition);
    const samples = new Map<string, number>();
    const put = (labels: string, value: number): void => {
      const before = samples.get(labels);
      samples.set(labels, before === undefined ? value : mergeValues(merge, before, value));
    };
    try {
      callback((labelValues, value) => {
        const labels = writeLabels(definition, labelValues);
        if (samples.size < limit || samples.has(labels)) {
          put(labels, value);
        } else {
          this.fold(definition.name);
          put(writeOtherLabels(definition), value);
        }
      });
    } catch {
      this.failedReads.set(definition.name, (this.failedReads.get(definition.name) ?? 0) + 1);
      samples.clear();
    }
    const labels = [...samples.keys()].sort();
    return describe(
      definition,
      type,
      1,
      labels,
      Float64Array.from(labels, (text) => samples.get(text)!),
    );
  }

  private addSource(source: Source): void {
    assert(!this.sources.has(source.definition.name), 'a metric is defined once');
    this.sources.set(source.definition.name, source);
  }

  private limitOf(definition: MetricDefinition): number {
    return definition.maxSeries ?? Math.max(1, Math.floor(this.maxSeries / 2));
  }

  private fold(metric: string): void {
    this.folded.set(metric, (this.folded.get(metric) ?? 0) + 1);
  }

  private registerOwn(): void {
    this.read(
      'counter',
      {
        name: `${OWN}series_folded_total`,
        help: 'How often a label set was folded into other because the budget of series was used up.',
        labels: ['metric'],
      },
      (emit) => this.folded.forEach((count, metric) => emit([metric], count)),
    );
    this.read(
      'counter',
      {
        name: `${OWN}read_failures_total`,
        help: 'Scrapes that left a metric out because reading it failed.',
        labels: ['metric'],
      },
      (emit) => this.failedReads.forEach((count, metric) => emit([metric], count)),
    );
    this.read('gauge', { name: `${OWN}series`, help: 'Label sets held by this process.', labels: [] }, (emit) =>
      emit([], this.seriesCount),
    );
    this.read(
      'gauge',
      { name: `${OWN}series_limit`, help: 'Most label sets this process holds.', labels: [] },
      (emit) => emit([], this.maxSeries),
    );
  }
}

const OWN = 'weft_metric_';

function collectSpans(
  definition: MetricDefinition,
  type: MetricType,
  width: number,
  order: readonly string[],
  spans: ReadonlyMap<string, CellSpan>,
): MetricFamily {
  const values = new Float64Array(order.length * width);
  for (let series = 0; series < order.length; series += 1) {
    const { cells, offset } = spans.get(order[series]!)!;
    for (let cell = 0; cell < width; cell += 1) values[series * width + cell] = cells[offset + cell]!;
    // Cells sum milliseconds, the unit on the wire is the second.
    if (type === 'histogram') values[series * width + width - 1]! /= 1000;
  }
  return describe(definition, type, width, order, values);
}

function describe(
  definition: MetricDefinition,
  type: MetricType,
  width: number,
  labels: readonly string[],
  values: Float64Array,
): MetricFamily {
  return {
    name: definition.name,
    help: definition.help,
    unit: definition.unit ?? '',
    type,
    merge: definition.merge ?? 'sum',
    labels,
    values,
    width,
    native: null,
    exemplars: [],
  };
}

/** A histogram's native buckets and exemplars, which its handles hold. */
function withDetail(
  family: MetricFamily,
  order: readonly string[],
  handles: ReadonlyMap<string, LatencyHistogram>,
): MetricFamily {
  const histograms = order.map((labels) => handles.get(labels)!);
  const native = packNativeBuckets(histograms.map((histogram) => histogram.native));
  const exemplars: SeriesExemplar[] = [];
  for (let series = 0; series < histograms.length; series += 1) {
    for (const exemplar of histograms[series]!.exemplars ?? []) {
      if (exemplar !== undefined) exemplars.push({ ...exemplar, series });
    }
  }
  return { ...family, native, exemplars };
}

function checkDefinition(definition: MetricDefinition, type: MetricType): void {
  assert(NAME.test(definition.name), 'a metric name is lower-case words joined by underscores');
  assert(definition.name.endsWith('_total') === (type === 'counter'), 'counters, and only they, end in _total');
  assert(definition.name.endsWith('_info') === (type === 'info'), 'infos, and only they, end in _info');
  const base = definition.name.replace(/_(total|info)$/, '');
  assert(definition.unit === undefined || base.endsWith(`_${definition.unit}`), 'a metric with a unit is named by it');
  assert(
    definition.labels.every((label) => NAME.test(label) && label !== 'le'),
    'label names are lower-case words',
  );
}

/** The label set as it stands on the wire. Escaping is injective, so the text is the key of the series too. */
function writeLabels(definition: MetricDefinition, labelValues: readonly string[]): string {
  assert(labelValues.length === definition.labels.length, 'a series has a value for each label of its metric');
  let text = '';
  for (let index = 0; index < labelValues.length; index += 1) {
    if (index > 0) text += ',';
    text += `${definition.labels[index]!}="${escapeLabelValue(labelValues[index]!)}"`;
  }
  return text;
}

function writeOtherLabels(definition: MetricDefinition): string {
  return definition.labels.map((label) => `${label}="other"`).join(',');
}

/** Whatever is to be escaped or mended, and whole pairs of surrogates, which are left as they are. */
const ODD = /[\\\n"\ud800-\udfff]/;

/** OpenMetrics 1.0, "Escaping": backslash, line feed and double quote. Lone surrogates have no UTF-8 form. */
function escapeLabelValue(value: string): string {
  if (value.length <= MAX_LABEL_CHARS && !ODD.test(value)) return value;
  const bounded = value.length > MAX_LABEL_CHARS ? value.slice(0, MAX_LABEL_CHARS) : value;
  return bounded.toWellFormed().replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

import type { MetricFamily, MetricsSnapshot, SeriesExemplar } from './metrics-snapshot.ts';
import { latencyBoundsSeconds } from './latency-buckets.ts';
import type { TextFormat } from './metrics-format.ts';

/** Samples between two looks at the size of a slice; with the sizes below a slice takes well under a millisecond. */
const SLICE_CHARS = 32_768;

/**
 * The snapshot as text, in slices of about 32 KiB. The caller writes a slice, lets the event loop turn, and asks for
 * the next one: no scrape, however large, keeps requests waiting. The snapshot is a copy, so the slices agree.
 */
export function* writeMetrics(snapshot: MetricsSnapshot, format: TextFormat): Generator<string, void, undefined> {
  let text = '';
  for (const family of snapshot.families) {
    if (family.labels.length === 0) continue;
    text += writeHead(family, format);
    const exemplars = format === 'openmetrics' ? writeExemplars(family.exemplars) : NO_EXEMPLARS;
    for (let series = 0; series < family.labels.length; series += 1) {
      text +=
        family.type === 'histogram' ? writeHistogram(family, series, format, exemplars) : writeSample(family, series);
      if (text.length >= SLICE_CHARS) {
        yield text;
        text = '';
      }
    }
  }
  if (format === 'openmetrics') text += '# EOF\n';
  if (text !== '') yield text;
}

function writeHead(family: MetricFamily, format: TextFormat): string {
  if (format === 'prometheus') {
    const type = family.type === 'info' ? 'gauge' : family.type;
    const help = family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
    return `# HELP ${family.name} ${help}\n# TYPE ${family.name} ${type}\n`;
  }
  // OpenMetrics names a family without the suffix of its samples.
  const name = family.name.replace(/_(total|info)$/, '');
  const unit = family.unit === '' ? '' : `# UNIT ${name} ${family.unit}\n`;
  const help = family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
  return `# TYPE ${name} ${family.type}\n${unit}# HELP ${name} ${help}\n`;
}

function writeSample(family: MetricFamily, series: number): string {
  const labels = family.labels[series]!;
  const value = writeNumber(family.values[series]!);
  return labels === '' ? `${family.name} ${value}\n` : `${family.name}{${labels}} ${value}\n`;
}

function writeHistogram(
  family: MetricFamily,
  series: number,
  format: TextFormat,
  exemplars: ReadonlyMap<number, string>,
): string {
  const labels = family.labels[series]!;
  const first = series * family.width;
  const prefix = `${family.name}_bucket{${labels}${labels === '' ? '' : ','}le="`;
  const bounds = format === 'openmetrics' ? openMetricsBounds : prometheusBounds;
  let text = '';
  let cumulative = 0;
  for (let bucket = 0; bucket < bounds.length; bucket += 1) {
    cumulative += family.values[first + bucket]!;
    const exemplar = exemplars.size === 0 ? '' : (exemplars.get(series * MOST_BUCKETS + bucket) ?? '');
    text += `${prefix}${bounds[bucket]!}"} ${cumulative}${exemplar}\n`;
  }
  const suffix = labels === '' ? '' : `{${labels}}`;
  const sum = writeNumber(family.values[first + family.width - 1]!);
  return `${text}${family.name}_sum${suffix} ${sum}\n${family.name}_count${suffix} ${cumulative}\n`;
}

const MOST_BUCKETS = 64;
const NO_EXEMPLARS: ReadonlyMap<number, string> = new Map();

/** OpenMetrics 1.0, "Exemplars", by series and bucket. */
function writeExemplars(exemplars: readonly SeriesExemplar[]): ReadonlyMap<number, string> {
  if (exemplars.length === 0) return NO_EXEMPLARS;
  return new Map(
    exemplars.map(({ series, bucket, traceId, durationMs, wallMs }) => [
      series * MOST_BUCKETS + bucket,
      ` # {trace_id="${traceId}"} ${writeNumber(durationMs / 1000)} ${(wallMs / 1000).toFixed(3)}`,
    ]),
  );
}

// OpenMetrics asks for a float as the value of le, so that all writers name one bucket alike: 1.0, not 1.
const prometheusBounds = [...latencyBoundsSeconds.map(String), '+Inf'];
const openMetricsBounds = [
  ...latencyBoundsSeconds.map((bound) => (Number.isInteger(bound) ? `${bound}.0` : String(bound))),
  '+Inf',
];

function writeNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

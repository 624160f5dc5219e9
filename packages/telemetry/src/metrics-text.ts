import type { MetricFamily, MetricsSnapshot } from './metrics-snapshot.ts';
import { latencyBoundsSeconds } from './latency-buckets.ts';

/** OpenMetrics 1.0, or the older text format of Prometheus that everything else reads. */
export type MetricsFormat = 'openmetrics' | 'prometheus';

/** The value of `Content-Type` for each format. */
export const metricsContentType: Readonly<Record<MetricsFormat, string>> = Object.freeze({
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
});

/** Samples between two looks at the size of a slice; with the sizes below a slice takes well under a millisecond. */
const SLICE_CHARS = 32_768;

/**
 * The format an `Accept` header asks for (RFC 9110 §12.5.1, qualities compared, ties go to OpenMetrics). Without a
 * header, or when it allows neither, the older text: it is what a person with curl and an old agent can read.
 */
export function pickMetricsFormat(accept: string | undefined): MetricsFormat {
  if (accept === undefined) return 'prometheus';
  let openMetrics = 0;
  let text = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = readQuality(parameters);
    if (type === 'application/openmetrics-text' && hasVersion(parameters, ['1.0.0', '0.0.1'])) {
      openMetrics = Math.max(openMetrics, quality);
    } else if (type === 'text/plain' || type === 'text/*' || type === '*/*') {
      text = Math.max(text, quality);
    }
  }
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'prometheus';
}

/**
 * The snapshot as text, in slices of about 32 KiB. The caller writes a slice, lets the event loop turn, and asks for
 * the next one: no scrape, however large, keeps requests waiting. The snapshot is a copy, so the slices agree.
 */
export function* writeMetrics(snapshot: MetricsSnapshot, format: MetricsFormat): Generator<string, void, undefined> {
  let text = '';
  for (const family of snapshot.families) {
    if (family.labels.length === 0) continue;
    text += writeHead(family, format);
    for (let series = 0; series < family.labels.length; series += 1) {
      text += family.type === 'histogram' ? writeHistogram(family, series, format) : writeSample(family, series);
      if (text.length >= SLICE_CHARS) {
        yield text;
        text = '';
      }
    }
  }
  if (format === 'openmetrics') text += '# EOF\n';
  if (text !== '') yield text;
}

function writeHead(family: MetricFamily, format: MetricsFormat): string {
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

function writeHistogram(family: MetricFamily, series: number, format: MetricsFormat): string {
  const labels = family.labels[series]!;
  const first = series * family.width;
  const prefix = `${family.name}_bucket{${labels}${labels === '' ? '' : ','}le="`;
  const bounds = format === 'openmetrics' ? openMetricsBounds : prometheusBounds;
  let text = '';
  let cumulative = 0;
  for (let bucket = 0; bucket < bounds.length; bucket += 1) {
    cumulative += family.values[first + bucket]!;
    text += `${prefix}${bounds[bucket]!}"} ${cumulative}\n`;
  }
  const suffix = labels === '' ? '' : `{${labels}}`;
  const sum = writeNumber(family.values[first + family.width - 1]!);
  return `${text}${family.name}_sum${suffix} ${sum}\n${family.name}_count${suffix} ${cumulative}\n`;
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

function readQuality(parameters: readonly string[]): number {
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  if (weight === undefined) return 1;
  const quality = Number(weight.slice(2));
  return quality >= 0 && quality <= 1 ? quality : 0;
}

function hasVersion(parameters: readonly string[], versions: readonly string[]): boolean {
  const version = parameters.find((parameter) => parameter.startsWith('version='));
  return version === undefined || versions.includes(version.slice('version='.length));
}

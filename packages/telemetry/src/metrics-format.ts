/** OpenMetrics 1.0, or the older text format of Prometheus that everything else reads. */
export type TextFormat = 'openmetrics' | 'prometheus';

/** And messages of Prometheus, `io.prometheus.client.MetricFamily`: the one form in which native histograms are read. */
export type MetricsFormat = TextFormat | 'protobuf';

/** The value of `Content-Type` for each format. */
export const metricsContentType: Readonly<Record<MetricsFormat, string>> = Object.freeze({
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  protobuf: 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
});

/**
 * The format an `Accept` header asks for (RFC 9110 §12.5.1, qualities compared, ties go to protobuf, then to OpenMetrics).
 * Without a header, or when it allows none of them, the older text: it is what a person with curl and an old agent can read.
 */
export function pickMetricsFormat(accept: string | undefined): MetricsFormat {
  if (accept === undefined) return 'prometheus';
  let protobuf = 0;
  let openMetrics = 0;
  let text = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = readQuality(parameters);
    if (type === 'application/vnd.google.protobuf' && isMetricFamily(parameters)) {
      protobuf = Math.max(protobuf, quality);
    } else if (type === 'application/openmetrics-text' && hasVersion(parameters, ['1.0.0', '0.0.1'])) {
      openMetrics = Math.max(openMetrics, quality);
    } else if (type === 'text/plain' || type === 'text/*' || type === '*/*') {
      text = Math.max(text, quality);
    }
  }
  if (protobuf > 0 && protobuf >= openMetrics && protobuf >= text) return 'protobuf';
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'prometheus';
}

/** Other messages, and other ways to put several after each other, are not written. */
function isMetricFamily(parameters: readonly string[]): boolean {
  return parameters.includes('proto=io.prometheus.client.metricfamily') && parameters.includes('encoding=delimited');
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

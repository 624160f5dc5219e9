import { type Result, fail, ok } from '@weft/kernel';

export type ExportProtocol = 'otlp-grpc' | 'otlp-http' | 'zipkin';

/** Where spans or log records are sent, as a person names it. */
export interface ExportTarget {
  readonly protocol: ExportProtocol;
  /** As the exporter of that protocol wants it: gRPC takes an origin, the others a whole URL. */
  readonly url: string;
}

/** What a person may write, for messages. */
export const exportTargetForms =
  'otlp-grpc://HOST:PORT, otlp-http://HOST:PORT[/PATH] or zipkin://HOST:PORT[/PATH]; +tls after the scheme for TLS, such as otlp-grpc+tls://HOST:PORT';

const paths = {
  traces: { 'otlp-grpc': '', 'otlp-http': '/v1/traces', zipkin: '/api/v2/spans' },
  logs: { 'otlp-grpc': '', 'otlp-http': '/v1/logs', zipkin: '' },
} as const;

/** Who sends, in the words of OpenTelemetry's resource conventions: `service.name` is what every reader shows first. */
export type ExportResource = Readonly<Record<string, string>>;

/**
 * Reads `otlp-grpc://collector:4317` and the like; ports may be left out (4317, 4318, 9411). Zipkin has no logs. The error says
 * what was expected.
 */
export function readExportTarget(text: string, signal: 'traces' | 'logs'): Result<ExportTarget, string> {
  const parts = /^(otlp-grpc|otlp-http|zipkin)(\+tls)?:\/\/([^/?#@\s]+)(\/[^\s#]*)?$/.exec(text);
  if (parts === null) return fail(exportTargetForms);
  const protocol = parts[1] as ExportProtocol;
  if (protocol === 'zipkin' && signal === 'logs') return fail('an otlp target; Zipkin takes traces only');
  const scheme = parts[2] === undefined ? 'http' : 'https';
  const host = /:\d+$/.test(parts[3]!) ? parts[3]! : `${parts[3]!}:${defaultPorts[protocol]}`;
  const given = parts[4] ?? '';
  if (protocol === 'otlp-grpc' && given !== '' && given !== '/') return fail('no path after otlp-grpc://HOST:PORT');
  const path = protocol === 'otlp-grpc' ? '' : given === '' || given === '/' ? paths[signal][protocol] : given;
  const url = `${scheme}://${host}${path}`;
  return URL.canParse(url) ? ok({ protocol, url }) : fail(exportTargetForms);
}

const defaultPorts: Readonly<Record<ExportProtocol, number>> = { 'otlp-grpc': 4317, 'otlp-http': 4318, zipkin: 9411 };

import type { ControlTelemetryOptions } from '@weft/control';
import { CommandFault, exitCodes } from '../exit-code.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Any of these asks for telemetry by OpenTelemetry's own words, with which its SDK is then left alone. */
const ASKING = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
  'OTEL_METRICS_EXPORTER',
];

/** Where a control plane sends its own telemetry; undefined: nowhere. Throws a `CommandFault` for a URL that is none. */
export async function telemetryOf(url: string, environment: Environment): Promise<ControlTelemetryOptions | undefined> {
  if (url !== '') {
    const { otlpEndpointForms, readOtlpEndpoint } = await import('@weft/control');
    const read = readOtlpEndpoint(url);
    if (!read.ok) throw new CommandFault(exitCodes.usage, `--otlp "${url}": expected ${otlpEndpointForms}`);
    return { endpoint: read.value };
  }
  if (environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  const asks = ASKING.some((name) => (environment[name] ?? 'none') !== 'none' && environment[name] !== '');
  return asks ? { endpoint: null } : undefined;
}

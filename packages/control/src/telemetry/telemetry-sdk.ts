/**
 * OpenTelemetry's SDK for Node, and all it loads: imported by a control plane that is told to send its telemetry, and by no
 * other.
 */
import { DiagLogLevel, type DiagLogger, ROOT_CONTEXT, diag, metrics, trace } from '@opentelemetry/api';
import { OTLPMetricExporter as GrpcMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as HttpMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as HttpTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  NodeSDK,
  type NodeSDKConfiguration,
  metrics as sdkMetrics,
  resources,
  tracing as sdkTracing,
} from '@opentelemetry/sdk-node';
import type { Clock, TimerWheel } from '@weft/kernel';
import type { Log } from '../log.ts';
import type { SignalSinks } from './control-signals.ts';
import type { OtlpEndpoint } from './otlp-endpoint.ts';

export interface TelemetrySdkOptions {
  /** Null: as the environment variables of OpenTelemetry (`OTEL_...`) say. */
  readonly endpoint: OtlpEndpoint | null;
  /** Of this replica. */
  readonly name: string;
  readonly version: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
}

export interface TelemetrySdk extends SignalSinks {
  /** Sends what waits, as far as it goes within two seconds. */
  stop(): Promise<void>;
}

const METRICS_MS = 10_000;
const SPANS_MS = 1_000;
const EXPORT_MS = 5_000;
const STOP_MS = 2_000;
/** A collector that stays away is said again after this. */
const SAID_AGAIN_MS = 600_000;

export function openTelemetrySdk(options: TelemetrySdkOptions): TelemetrySdk {
  const { endpoint, name, version } = options;
  // Before the SDK reads anything: what it has to say goes into our log, once.
  diag.setLogger(troubleLogger(options), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const sdk = new NodeSDK({
    resource: resources.resourceFromAttributes({
      'service.name': 'weft-control',
      'service.version': version,
      'service.instance.id': name,
    }),
    // Of the environment, which may name the service otherwise; command lines and users are nobody's business.
    resourceDetectors: [resources.envDetector],
    instrumentations: [],
    textMapPropagator: null,
    // What the control plane logs is lines on standard error.
    logRecordProcessors: [],
    ...(endpoint === null ? {} : exportersTo(endpoint)),
  });
  sdk.start();
  return {
    tracer: trace.getTracer('weft.control', version),
    meter: metrics.getMeter('weft.control', version),
    under: (span) => trace.setSpan(ROOT_CONTEXT, span),
    stop: () => {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = options.wheel.schedule(STOP_MS, resolve);
      const ended = sdk.shutdown().catch(() => undefined);
      return Promise.race([ended, late]).finally(() => timer.cancel());
    },
  };
}

function exportersTo({ protocol, url }: OtlpEndpoint): Partial<NodeSDKConfiguration> {
  const to = (signal: 'traces' | 'metrics') => ({
    url: protocol === 'grpc' ? url : `${url}/v1/${signal}`,
    timeoutMillis: EXPORT_MS,
  });
  const spans = protocol === 'grpc' ? new GrpcTraceExporter(to('traces')) : new HttpTraceExporter(to('traces'));
  const figures = protocol === 'grpc' ? new GrpcMetricExporter(to('metrics')) : new HttpMetricExporter(to('metrics'));
  return {
    spanProcessors: [
      new sdkTracing.BatchSpanProcessor(spans, { scheduledDelayMillis: SPANS_MS, exportTimeoutMillis: EXPORT_MS }),
    ],
    metricReaders: [
      new sdkMetrics.PeriodicExportingMetricReader({
        exporter: figures,
        exportIntervalMillis: METRICS_MS,
        exportTimeoutMillis: EXPORT_MS,
      }),
    ],
  };
}

/** One line when something is wrong, and none for each of the batches that follow. */
function troubleLogger({ clock, log }: TelemetrySdkOptions): DiagLogger {
  let saidAtMs = Number.NEGATIVE_INFINITY;
  const trouble = (message: string): void => {
    const nowMs = clock.nowMs();
    if (nowMs - saidAtMs < SAID_AGAIN_MS) return;
    saidAtMs = nowMs;
    log.warn('telemetry of the control plane is not delivered; nothing waits for it, and it is tried again', {
      reason: reasonOf(message),
    });
  };
  const quiet = (): void => undefined;
  return { error: trouble, warn: trouble, info: quiet, debug: quiet, verbose: quiet };
}

/** Errors come as JSON with a stack. */
function reasonOf(message: string): string {
  const read = /"message":"((?:[^"\\]|\\.)*)"/.exec(message)?.[1] ?? message;
  return read.split('\n', 1)[0]!.slice(0, 200);
}

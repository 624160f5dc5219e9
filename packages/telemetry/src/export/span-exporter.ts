import type { SpanContext as OtelSpanContext, HrTime } from '@opentelemetry/api';
import type { ExportResult } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { TimerWheel } from '@weft/kernel';
import type { Span, SpanSink } from '../span-sink.ts';
import type { BatchExporter } from './export-queue.ts';
import { ExportQueue } from './export-queue.ts';
import type { ExportTarget } from './export-target.ts';

/** Who sends, in the words of OpenTelemetry's resource conventions: `service.name` is what every reader shows first. */
export type ExportResource = Readonly<Record<string, string>>;

export interface SpanExportOptions {
  readonly target: ExportTarget;
  readonly resource: ExportResource;
  readonly timers: TimerWheel;
  onFault?(message: string): void;
  /** Most spans that wait; 4,096 unless said. */
  readonly maxSpans?: number;
  /** How long a span waits for others, in milliseconds; 1,000 unless said. */
  readonly delayMs?: number;
}

/** A receiver that takes longer is given up, and the batch with it. */
const EXPORT_TIMEOUT_MS = 5_000;

/** Spans on their way to a collector. The libraries of the protocols are loaded with the first span, and not without one. */
export class SpanExport implements SpanSink {
  readonly enabled: boolean;
  readonly queue: ExportQueue<Span>;

  constructor(options: SpanExportOptions) {
    this.enabled = true;
    const { timers, onFault, maxSpans, delayMs } = options;
    this.queue = new ExportQueue<Span>({
      timers,
      open: () => openSpanExporter(options.target, options.resource),
      ...(onFault === undefined ? {} : { onFault: (message: string) => onFault(message) }),
      ...(maxSpans === undefined ? {} : { maxItems: maxSpans }),
      ...(delayMs === undefined ? {} : { delayMs }),
    });
  }

  put(span: Span): void {
    this.queue.put(span);
  }

  close(): Promise<void> {
    return this.queue.close();
  }
}

async function openSpanExporter(target: ExportTarget, attributes: ExportResource): Promise<BatchExporter<Span>> {
  const [{ resourceFromAttributes }, exporter] = await Promise.all([
    import('@opentelemetry/resources'),
    openProtocol(target, attributes),
  ]);
  const resource = resourceFromAttributes(attributes);
  return {
    send(spans, done) {
      exporter.export(
        spans.map((span) => readable(span, resource)),
        (result: ExportResult) => done(result.code === EXPORTED ? undefined : (result.error ?? new Error('refused'))),
      );
    },
    close: () => exporter.shutdown(),
  };
}

/** `ExportResultCode.SUCCESS`; an import of the value would load the library. */
const EXPORTED = 0;

async function openProtocol({ protocol, url }: ExportTarget, attributes: ExportResource): Promise<SpanExporter> {
  if (protocol === 'otlp-grpc') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
    return new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  }
  if (protocol === 'otlp-http') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
    return new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  }
  const { ZipkinExporter } = await import('@opentelemetry/exporter-zipkin');
  return new ZipkinExporter({ url, serviceName: attributes['service.name'] ?? 'weft' });
}

/** Numbers of OpenTelemetry's API, which are constants of its protocol as well. */
const SPAN_KIND = { server: 1, client: 2 } as const;
const STATUS_UNSET = 0;
const STATUS_ERROR = 2;
const SCOPE = { name: 'weft' };

function readable(span: Span, resource: Resource): ReadableSpan {
  const { context } = span;
  return {
    name: span.name,
    kind: SPAN_KIND[span.kind],
    spanContext: () => otelContext(context.traceId, context.spanId),
    ...(context.parentSpanId === ''
      ? {}
      : { parentSpanContext: otelContext(context.traceId, context.parentSpanId, span.kind === 'server') }),
    startTime: highResolution(span.startWallMs),
    endTime: highResolution(span.startWallMs + span.durationMs),
    duration: highResolution(span.durationMs),
    ended: true,
    status: { code: span.failed ? STATUS_ERROR : STATUS_UNSET },
    attributes: { ...span.attributes },
    links: [],
    events: span.events.map(({ name, wallMs, attributes }) => ({
      name,
      time: highResolution(wallMs),
      attributes: { ...attributes },
    })),
    resource,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function otelContext(traceId: string, spanId: string, isRemote = false): OtelSpanContext {
  return { traceId, spanId, traceFlags: 1, isRemote };
}

/** Seconds and nanoseconds, in whole microseconds: a double tells no more of today, and Zipkin refuses a part of one. */
export function highResolution(wallMs: number): HrTime {
  const microseconds = Math.round(wallMs * 1_000);
  const seconds = Math.floor(microseconds / 1_000_000);
  return [seconds, (microseconds - seconds * 1_000_000) * 1_000];
}

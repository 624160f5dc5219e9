import type { SpanContext as OtelSpanContext, HrTime } from '@opentelemetry/api';
import type { ExportResult } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import type { IOtlpExportDelegate } from '@opentelemetry/otlp-exporter-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import type { TimerWheel } from '@weft/kernel';
import type { Span, SpanSink } from '../span-sink.ts';
import type { BatchExporter, ExportQueueFacts } from './export-queue.ts';
import { ExportQueue } from './export-queue.ts';
import type { ExportResource, ExportTarget } from './export-target.ts';
import { OtlpSpans } from './otlp-spans.ts';

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
  readonly queue: ExportQueueFacts;
  private readonly way: SpanSinkWay;

  constructor(options: SpanExportOptions) {
    this.enabled = true;
    this.way = options.target.protocol === 'zipkin' ? new ZipkinWay(options) : new OtlpWay(options);
    this.queue = this.way.queue;
  }

  put(span: Span): void {
    this.way.put(span);
  }

  close(): Promise<void> {
    return this.way.queue.close();
  }
}

interface SpanSinkWay {
  readonly queue: ExportQueueFacts;
  put(span: Span): void;
}

/** Spans wait as the bytes that are sent. */
class OtlpWay implements SpanSinkWay {
  readonly queue: ExportQueue<Uint8Array>;
  private readonly spans: OtlpSpans;

  constructor(options: SpanExportOptions) {
    this.spans = new OtlpSpans(options.resource);
    this.queue = queueOf(options, () => openOtlp(options.target, this.spans));
  }

  put(span: Span): void {
    // Nothing is written that would be dropped.
    this.queue.put(this.queue.isFull ? NOTHING : this.spans.write(span));
  }
}

class ZipkinWay implements SpanSinkWay {
  readonly queue: ExportQueue<Span>;

  constructor(options: SpanExportOptions) {
    this.queue = queueOf(options, () => openZipkin(options.target.url, options.resource));
  }

  put(span: Span): void {
    this.queue.put(span);
  }
}

const NOTHING = new Uint8Array(0);

function queueOf<Item>(
  { timers, onFault, maxSpans, delayMs }: SpanExportOptions,
  open: () => Promise<BatchExporter<Item>>,
): ExportQueue<Item> {
  return new ExportQueue<Item>({
    timers,
    open,
    ...(onFault === undefined ? {} : { onFault: (message: string) => onFault(message) }),
    ...(maxSpans === undefined ? {} : { maxItems: maxSpans }),
    ...(delayMs === undefined ? {} : { delayMs }),
  });
}

/** `ExportResultCode.SUCCESS`; an import of the value would load the library. */
const EXPORTED = 0;

function outcomeOf(result: ExportResult): Error | undefined {
  return result.code === EXPORTED ? undefined : (result.error ?? new Error('refused'));
}

/** The library's connection, retries and time-outs around messages that are made already. */
async function openOtlp({ protocol, url }: ExportTarget, spans: OtlpSpans): Promise<BatchExporter<Uint8Array>> {
  const serializer = {
    serializeRequest: (batch: readonly Uint8Array[]) => spans.request(batch),
    deserializeResponse: () => ({}),
  };
  const counted = { name: 'span' as const, countItems: (batch: readonly Uint8Array[]) => batch.length };
  const config = { url, timeoutMillis: EXPORT_TIMEOUT_MS };
  const delegate = protocol === 'otlp-grpc' ? await openGrpc() : await openHttp();
  return {
    send: (batch, done) => delegate.export(batch, (result) => done(outcomeOf(result))),
    close: () => delegate.shutdown(),
  };

  async function openGrpc(): Promise<IOtlpExportDelegate<readonly Uint8Array[]>> {
    const grpc = await import('@opentelemetry/otlp-grpc-exporter-base');
    const options = grpc.convertLegacyOtlpGrpcOptions(config, 'TRACES');
    const service = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
    const name = 'TraceExportService';
    return grpc.createOtlpGrpcExportDelegate(
      options,
      serializer,
      'otlp_grpc_span_exporter',
      counted,
      undefined,
      name,
      service,
    );
  }

  async function openHttp(): Promise<IOtlpExportDelegate<readonly Uint8Array[]>> {
    const http = await import('@opentelemetry/otlp-exporter-base/node-http');
    const options = http.convertLegacyHttpOptions(config, 'TRACES', 'v1/traces', {
      'Content-Type': 'application/x-protobuf',
    });
    return http.createOtlpHttpExportDelegate(options, serializer, 'otlp_http_span_exporter', counted, undefined);
  }
}

async function openZipkin(url: string, attributes: ExportResource): Promise<BatchExporter<Span>> {
  const [{ resourceFromAttributes }, { ZipkinExporter }] = await Promise.all([
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-zipkin'),
  ]);
  const resource = resourceFromAttributes(attributes);
  const exporter = new ZipkinExporter({ url, serviceName: attributes['service.name'] ?? 'weft' });
  return {
    send(spans, done) {
      exporter.export(
        spans.map((span) => readable(span, resource)),
        (result: ExportResult) => done(outcomeOf(result)),
      );
    },
    close: () => exporter.shutdown(),
  };
}

/** Numbers of OpenTelemetry's API, which are constants of its protocol as well. */
const SPAN_KIND = { server: 1, client: 2 } as const;
const STATUS_UNSET = 0;
const STATUS_ERROR = 2;
const SCOPE = { name: 'weft' };

/** As the libraries have it. */
export function readable(span: Span, resource: Resource): ReadableSpan {
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

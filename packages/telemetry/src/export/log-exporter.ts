import type { LogAttributes } from '@opentelemetry/api-logs';
import type { ExportResult } from '@opentelemetry/core';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { Resource } from '@opentelemetry/resources';
import type { TimerWheel } from '@weft/kernel';
import { severityNumbers } from '../line-fields.ts';
import type { LineTarget } from '../line-sink.ts';
import { type BatchExporter, ExportQueue } from './export-queue.ts';
import type { ExportResource, ExportTarget } from './export-target.ts';
import { highResolution } from './span-exporter.ts';

export interface LogExportOptions {
  readonly target: ExportTarget;
  readonly resource: ExportResource;
  readonly timers: TimerWheel;
  onFault?(message: string): void;
}

const EXPORT_TIMEOUT_MS = 5_000;

/**
 * Access log lines on their way to a collector, beside the place they are written to. Lines are read back as the JSON they are:
 * whatever their format, their fields become attributes, so nothing on the path of a request knows of OTLP.
 */
export class LogExport {
  readonly queue: ExportQueue<string>;

  constructor({ target, resource, timers, onFault }: LogExportOptions) {
    this.queue = new ExportQueue<string>({
      timers,
      open: () => openLogExporter(target, resource),
      ...(onFault === undefined ? {} : { onFault: (message: string) => onFault(message) }),
    });
  }

  /** Everything that is written to `target` is sent as well. */
  beside(target: LineTarget): LineTarget {
    return {
      write: (text, done) => {
        for (const line of text.split('\n')) if (line !== '') this.queue.put(line);
        target.write(text, done);
      },
    };
  }

  close(): Promise<void> {
    return this.queue.close();
  }
}

async function openLogExporter(
  { protocol, url }: ExportTarget,
  attributes: ExportResource,
): Promise<BatchExporter<string>> {
  const [{ resourceFromAttributes }, { OTLPLogExporter }] = await Promise.all([
    import('@opentelemetry/resources'),
    protocol === 'otlp-grpc'
      ? import('@opentelemetry/exporter-logs-otlp-grpc')
      : import('@opentelemetry/exporter-logs-otlp-proto'),
  ]);
  const resource = resourceFromAttributes(attributes);
  const exporter = new OTLPLogExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  return {
    send(lines, done) {
      const records = lines.flatMap((line) => readLogRecord(line, resource) ?? []);
      exporter.export(records, (result: ExportResult) =>
        done(result.code === 0 ? undefined : (result.error ?? new Error('refused'))),
      );
    },
    close: () => exporter.shutdown(),
  };
}

/** Undefined for what is no object of JSON. */
export function readLogRecord(line: string, resource: Resource): ReadableLogRecord | undefined {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const time = firstText(fields, ['time', '@timestamp', 'Timestamp']);
  const severity = firstText(fields, ['level', 'log.level', 'SeverityText']);
  const traceId = firstText(fields, ['traceId', 'trace.id', 'TraceId']);
  const wallMs = Date.parse(time);
  const attributes = (fields['Attributes'] ?? fields) as LogAttributes;
  return {
    hrTime: highResolution(wallMs),
    hrTimeObserved: highResolution(wallMs),
    severityText: severity.toUpperCase(),
    severityNumber: severityNumbers[severity.toLowerCase()] ?? 9,
    body: typeof fields['Body'] === 'string' ? fields['Body'] : line,
    ...(traceId.length === 32 ? { spanContext: { traceId, spanId: NO_SPAN, traceFlags: 0 } } : {}),
    attributes,
    resource,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
  };
}

const SCOPE = { name: 'weft.access' };
const NO_SPAN = '0000000000000000';

function firstText(fields: Record<string, unknown>, names: readonly string[]): string {
  for (const name of names) if (typeof fields[name] === 'string') return fields[name];
  return '';
}

import { LogExport, SpanExport } from '@weft/telemetry';
import type { ExportQueueFacts, ExportResource, ExportTarget, LineTarget, SeriesTable } from '@weft/telemetry';
import type { TimerWheel } from '@weft/kernel';
import type { Tracing } from './exchange/exchange-spans.ts';
import type { Log } from './log.ts';

/** Where spans and log lines go beside standard output. */
export interface ExportOptions {
  readonly traces?: { readonly target: ExportTarget; readonly sampledPerMillion: number };
  readonly logs?: ExportTarget;
}

/** A receiver that does not answer is not waited for at the end. */
const CLOSE_MS = 2_000;

/** The exporters of a process: one of each kind, however many threads serve. */
export class TelemetryExports {
  readonly tracing: Tracing | undefined;
  private readonly spans: SpanExport | undefined;
  private readonly logs: LogExport | undefined;
  private readonly timers: TimerWheel;

  constructor({ traces, logs }: ExportOptions, resource: ExportResource, timers: TimerWheel, log: Log) {
    this.timers = timers;
    const shared = { resource, timers };
    this.spans =
      traces === undefined
        ? undefined
        : new SpanExport({
            ...shared,
            target: traces.target,
            onFault: (message) => log.warn(`spans not taken by ${traces.target.url}: ${message}`),
          });
    this.tracing =
      this.spans === undefined ? undefined : { sink: this.spans, sampledPerMillion: traces!.sampledPerMillion };
    this.logs =
      logs === undefined
        ? undefined
        : new LogExport({
            ...shared,
            target: logs,
            onFault: (message) => log.warn(`log lines not taken by ${logs.url}: ${message}`),
          });
  }

  /** Lines go to `target` and, when asked for, to the receiver. */
  lines(target: LineTarget): LineTarget {
    return this.logs?.beside(target) ?? target;
  }

  register(series: SeriesTable): void {
    const queues: (readonly [string, ExportQueueFacts])[] = [];
    if (this.spans !== undefined) queues.push(['traces', this.spans.queue]);
    if (this.logs !== undefined) queues.push(['logs', this.logs.queue]);
    if (queues.length === 0) return;
    series.read(
      'counter',
      {
        name: 'weft_export_items_total',
        help: 'Spans and log records by what became of them: exported, failed (not taken), dropped (queue full).',
        labels: ['signal', 'result'],
      },
      (emit) => {
        for (const [signal, queue] of queues) {
          emit([signal, 'exported'], queue.exported);
          emit([signal, 'failed'], queue.failed);
          emit([signal, 'dropped'], queue.dropped);
        }
      },
    );
    series.read(
      'gauge',
      { name: 'weft_export_waiting', help: 'Spans and log records that wait to be sent.', labels: ['signal'] },
      (emit) => {
        for (const [signal, queue] of queues) emit([signal], queue.waitingItems);
      },
    );
  }

  /** Sends what waits, for at most two seconds. */
  async close(): Promise<void> {
    const ends = [this.spans?.close(), this.logs?.close()].filter((end) => end !== undefined);
    if (ends.length === 0) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.timers.schedule(CLOSE_MS, resolve);
    await Promise.race([Promise.all(ends), late]);
    timer.cancel();
  }
}

import { terminationCodes } from '@weft/outcome';
import type { Direction } from './request-labels.ts';
import type { SeriesFamily, SeriesTable } from './series-table.ts';
import type { Counter, Gauge, LatencyHistogram } from './series.ts';

export interface TcpScopeLabels {
  readonly direction: Direction;
  /** `namespace/service-account` of the caller, or `unknown`. */
  readonly source: string;
  /** `namespace/name` of the backend Service, or `unknown`. */
  readonly destination: string;
  readonly route: string;
}

/** More combinations than a healthy process has; those beyond are counted together. */
const MAX_SCOPES = 10_000;
const OTHER = 'other';

interface TcpFamilies {
  readonly opened: SeriesFamily<Counter>;
  readonly open: SeriesFamily<Gauge>;
  readonly endings: SeriesFamily<Counter>;
  readonly received: SeriesFamily<Counter>;
  readonly sent: SeriesFamily<Counter>;
  readonly durations: SeriesFamily<LatencyHistogram>;
}

/** Counts TCP connections that are carried as opaque bytes. */
export class TcpMetrics {
  private readonly families: TcpFamilies;
  private readonly scopes: Map<string, TcpScope>;

  constructor(table: SeriesTable) {
    const labels = ['direction', 'source', 'destination', 'route'] as const;
    this.families = {
      opened: table.counter({
        name: 'weft_tcp_connections_total',
        help: 'TCP connections taken from callers.',
        labels,
      }),
      open: table.gauge({ name: 'weft_tcp_connections_open', help: 'TCP connections that are carried.', labels }),
      endings: table.counter({
        name: 'weft_tcp_connection_endings_total',
        help: 'TCP connections that ended, by how they ended.',
        labels: [...labels, 'termination'],
      }),
      received: table.counter({
        name: 'weft_tcp_received_bytes_total',
        help: 'Bytes that callers sent.',
        unit: 'bytes',
        labels,
      }),
      sent: table.counter({
        name: 'weft_tcp_sent_bytes_total',
        help: 'Bytes passed on to callers.',
        unit: 'bytes',
        labels,
      }),
      durations: table.latencyHistogram({
        name: 'weft_tcp_connection_duration_seconds',
        help: 'Time from the accepted connection to its end.',
        unit: 'seconds',
        labels,
      }),
    };
    this.scopes = new Map();
  }

  /** The scope of these labels, the same object each time. */
  scope(labels: TcpScopeLabels): TcpScope {
    const { direction, source, destination, route } = labels;
    const key = JSON.stringify([direction, source, destination, route]);
    const known = this.scopes.get(key);
    if (known !== undefined) return known;
    if (this.scopes.size >= MAX_SCOPES && source !== OTHER) {
      return this.scope({ direction, source: OTHER, destination: OTHER, route: OTHER });
    }
    const scope = new TcpScope(this.families, [direction, source, destination, route]);
    this.scopes.set(key, scope);
    return scope;
  }
}

/** Call `start`, then `move` as often as wanted, then `finish`, once for each connection. */
export class TcpScope {
  private readonly families: TcpFamilies;
  private readonly labels: readonly string[];
  private readonly opened: Counter;
  private readonly open: Gauge;
  private readonly received: Counter;
  private readonly sent: Counter;
  private readonly durations: LatencyHistogram;
  private readonly endings: (Counter | undefined)[];

  constructor(families: TcpFamilies, labels: readonly string[]) {
    this.families = families;
    this.labels = labels;
    this.opened = families.opened.resolve(labels);
    this.open = families.open.resolve(labels);
    this.received = families.received.resolve(labels);
    this.sent = families.sent.resolve(labels);
    this.durations = families.durations.resolve(labels);
    this.endings = [];
  }

  start(): void {
    this.opened.add(1);
    this.open.add(1);
  }

  move(receivedBytes: number, sentBytes: number): void {
    this.received.add(receivedBytes);
    this.sent.add(sentBytes);
  }

  /** `termination` is a position in `terminationCodes`. */
  finish(termination: number, durationMs: number): void {
    this.open.add(-1);
    this.durations.observeMs(durationMs);
    let ending = this.endings[termination];
    if (ending === undefined) {
      ending = this.families.endings.resolve([...this.labels, terminationCodes[termination]!]);
      this.endings[termination] = ending;
    }
    ending.add(1);
  }
}

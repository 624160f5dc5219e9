import { terminationCodes } from '@weft/outcome';
import type { Counter } from './series.ts';
import type { SeriesTable } from './series-table.ts';

/** The connections to the endpoints of one Service, summed over them: an endpoint's address is never a label. */
export interface PoolFacts {
  readonly destination: string;
  readonly openConnections: number;
  /** Of them, those that speak HTTP/2; the others speak HTTP/1.1. */
  readonly openHttp2: number;
  /** Requests under way on those. */
  readonly streams: number;
  /** Times that a request body had to wait for the peer of one. */
  readonly stalls: number;
  readonly idleConnections: number;
  readonly pendingRequests: number;
  readonly connects: number;
  readonly connectFailures: number;
}

/** Who calls: the application beside a sidecar, a sidecar, somebody without an identity, somebody outside the mesh. */
export const callerKinds = ['local', 'mesh', 'plain', 'edge'] as const;
export type CallerKind = (typeof callerKinds)[number];

/** The connections that were accepted from one kind of callers and are open. */
export interface CallerFacts {
  readonly caller: CallerKind;
  readonly http1Connections: number;
  readonly http2Connections: number;
  /** Of the HTTP/2 connections. */
  readonly streams: number;
}

export interface BreakerFacts {
  readonly destination: string;
  readonly state: 'closed' | 'open' | 'half-open';
  /** How often it has opened. */
  readonly opened: number;
}

export interface EndpointFacts {
  readonly destination: string;
  readonly endpoints: number;
  readonly ejected: number;
  /** How often an endpoint was ejected. */
  readonly ejections: number;
}

export interface CertificateFacts {
  readonly kind: 'leaf' | 'root' | 'edge';
  readonly identity: string;
  readonly notAfterMs: number;
}

export interface ConfigurationFacts {
  readonly version: string;
  readonly applied: number;
  readonly rejected: number;
  /** Unix milliseconds of the last change that was applied; 0 before the first. */
  readonly lastAppliedMs: number;
  readonly applyMaxMs: number;
}

export interface ControlFacts {
  readonly connected: boolean;
  readonly reconnects: number;
}

export interface LoopFacts {
  readonly delayP50Ms: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  /** Waits for more to read, of which there is then more at once. */
  readonly coalescings: number;
  readonly coalescingTotalMs: number;
  readonly gcPauses: number;
  readonly gcPauseTotalMs: number;
  readonly gcPauseMaxMs: number;
}

export interface ProcessFacts {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly weftVersion: string;
  readonly nodeVersion: string;
}

export interface LogFacts {
  readonly writtenLines: number;
  readonly droppedLines: number;
}

/** Where the facts of a proxy come from; each is asked for at a scrape and at no other time. An absent one has no metrics. */
export interface ProxyFactSources {
  readonly pools?: () => Iterable<PoolFacts>;
  readonly callers?: () => Iterable<CallerFacts>;
  readonly breakers?: () => Iterable<BreakerFacts>;
  readonly endpoints?: () => Iterable<EndpointFacts>;
  readonly certificates?: () => Iterable<CertificateFacts>;
  readonly configuration?: () => ConfigurationFacts;
  readonly control?: () => ControlFacts;
  readonly loop?: () => LoopFacts;
  readonly process?: () => ProcessFacts;
  readonly log?: () => LogFacts;
}

/** Registers the metrics of everything that `sources` knows. Call it once for a table. */
export function registerProxyFacts(table: SeriesTable, sources: ProxyFactSources): void {
  if (sources.pools !== undefined) registerPools(table, sources.pools);
  if (sources.callers !== undefined) registerCallers(table, sources.callers);
  if (sources.breakers !== undefined) registerBreakers(table, sources.breakers);
  if (sources.endpoints !== undefined) registerEndpoints(table, sources.endpoints);
  if (sources.certificates !== undefined) registerCertificates(table, sources.certificates);
  if (sources.configuration !== undefined) registerConfiguration(table, sources.configuration);
  if (sources.control !== undefined) registerControl(table, sources.control);
  if (sources.loop !== undefined) registerLoop(table, sources.loop);
  if (sources.process !== undefined) registerProcess(table, sources.process);
  if (sources.log !== undefined) registerLog(table, sources.log);
}

/** Counts connections of one direction by how they ended; for endings that no request can carry (TLS, first bytes, limits). */
export class ConnectionMetrics {
  private readonly byTermination: readonly Counter[];
  private readonly accepted: Counter;
  private readonly held: Counter;
  private readonly stalls: Readonly<Record<CallerKind, Counter>>;

  constructor(table: SeriesTable) {
    const endings = table.counter({
      name: 'weft_connection_endings_total',
      help: 'Downstream connections that ended, by how they ended.',
      labels: ['termination'],
    });
    this.byTermination = terminationCodes.map((code) => endings.resolve([code]));
    this.accepted = table
      .counter({ name: 'weft_connections_accepted_total', help: 'Downstream connections accepted.', labels: [] })
      .resolve([]);
    this.held = table
      .counter({
        name: 'weft_connections_held_total',
        help: 'Downstream connections that waited unread because another of their address was a flood.',
        labels: [],
      })
      .resolve([]);
    const stalls = table.counter({
      name: 'weft_downstream_flow_control_stalls_total',
      help: 'Times that a response had to wait for the caller of an HTTP/2 connection to take more.',
      labels: ['caller'],
    });
    const [local, mesh, plain, edge] = callerKinds.map((caller) => stalls.resolve([caller]));
    this.stalls = { local: local!, mesh: mesh!, plain: plain!, edge: edge! };
  }

  stall(caller: CallerKind): void {
    this.stalls[caller].add(1);
  }

  accept(): void {
    this.accepted.add(1);
  }

  hold(): void {
    this.held.add(1);
  }

  /** `termination` is a position in `terminationCodes`. */
  finish(termination: number): void {
    this.byTermination[termination]!.add(1);
  }
}

const destinationLabel = ['destination'] as const;

function registerCallers(table: SeriesTable, read: () => Iterable<CallerFacts>): void {
  table.read(
    'gauge',
    {
      name: 'weft_downstream_connections_open',
      help: 'HTTP connections of callers, by the version they speak.',
      labels: ['caller', 'protocol'],
    },
    (emit) => {
      for (const { caller, http1Connections, http2Connections } of read()) {
        emit([caller, 'http/1.1'], http1Connections);
        emit([caller, 'http/2'], http2Connections);
      }
    },
  );
  table.read(
    'gauge',
    {
      name: 'weft_downstream_streams_open',
      help: 'Streams open on the HTTP/2 connections of callers.',
      labels: ['caller'],
    },
    (emit) => {
      for (const { caller, streams } of read()) emit([caller], streams);
    },
  );
}

function registerPools(table: SeriesTable, read: () => Iterable<PoolFacts>): void {
  const each = (type: 'counter' | 'gauge', name: string, help: string, value: (facts: PoolFacts) => number): void => {
    table.read(type, { name, help, labels: destinationLabel }, (emit) => {
      for (const facts of read()) emit([facts.destination], value(facts));
    });
  };
  table.read(
    'gauge',
    {
      name: 'weft_upstream_connections_open',
      help: 'Connections to endpoints, by the version that was agreed with them or declared for them.',
      labels: ['destination', 'protocol'],
    },
    (emit) => {
      for (const { destination, openConnections, openHttp2 } of read()) {
        emit([destination, 'http/1.1'], openConnections - openHttp2);
        emit([destination, 'http/2'], openHttp2);
      }
    },
  );
  each('gauge', 'weft_upstream_streams_open', 'Requests under way on HTTP/2 connections.', (facts) => facts.streams);
  each(
    'counter',
    'weft_upstream_flow_control_stalls_total',
    'Times that a request body had to wait for the peer of an HTTP/2 connection to take more.',
    (facts) => facts.stalls,
  );
  each(
    'gauge',
    'weft_upstream_connections_idle',
    'Connections that carry no request.',
    (facts) => facts.idleConnections,
  );
  each('gauge', 'weft_upstream_requests_pending', 'Requests that wait for one.', (facts) => facts.pendingRequests);
  each('counter', 'weft_upstream_connects_total', 'Connections established.', (facts) => facts.connects);
  each(
    'counter',
    'weft_upstream_connect_failures_total',
    'Connections that could not be established.',
    (facts) => facts.connectFailures,
  );
}

function registerBreakers(table: SeriesTable, read: () => Iterable<BreakerFacts>): void {
  table.read(
    'gauge',
    {
      name: 'weft_breaker_state',
      help: 'State of the circuit breaker of a Service: 1 for the state it is in, 0 for the others.',
      labels: ['destination', 'state'],
      merge: 'max',
    },
    (emit) => {
      for (const facts of read()) {
        for (const state of ['closed', 'open', 'half-open']) {
          emit([facts.destination, state], facts.state === state ? 1 : 0);
        }
      }
    },
  );
  table.read(
    'counter',
    { name: 'weft_breaker_opened_total', help: 'How often a circuit breaker opened.', labels: destinationLabel },
    (emit) => {
      for (const facts of read()) emit([facts.destination], facts.opened);
    },
  );
}

function registerEndpoints(table: SeriesTable, read: () => Iterable<EndpointFacts>): void {
  table.read(
    'gauge',
    { name: 'weft_upstream_endpoints', help: 'Endpoints known.', labels: destinationLabel, merge: 'max' },
    (emit) => {
      for (const facts of read()) emit([facts.destination], facts.endpoints);
    },
  );
  table.read(
    'gauge',
    { name: 'weft_upstream_endpoints_ejected', help: 'Endpoints ejected now.', labels: destinationLabel, merge: 'max' },
    (emit) => {
      for (const facts of read()) emit([facts.destination], facts.ejected);
    },
  );
  table.read(
    'counter',
    { name: 'weft_upstream_ejections_total', help: 'How often an endpoint was ejected.', labels: destinationLabel },
    (emit) => {
      for (const facts of read()) emit([facts.destination], facts.ejections);
    },
  );
}

function registerCertificates(table: SeriesTable, read: () => Iterable<CertificateFacts>): void {
  table.read(
    'gauge',
    {
      name: 'weft_certificate_expiry_timestamp_seconds',
      help: 'When a certificate in use expires, in Unix time.',
      unit: 'seconds',
      labels: ['kind', 'identity'],
      // The one that expires first is the one to worry about.
      merge: 'min',
    },
    (emit) => {
      for (const facts of read()) emit([facts.kind, facts.identity], facts.notAfterMs / 1000);
    },
  );
}

function registerConfiguration(table: SeriesTable, read: () => ConfigurationFacts): void {
  table.read(
    'info',
    { name: 'weft_configuration_info', help: 'The configuration in use.', labels: ['version'], merge: 'max' },
    (emit) => emit([read().version], 1),
  );
  table.read(
    'counter',
    { name: 'weft_configuration_applied_total', help: 'Configuration changes applied.', labels: [], merge: 'max' },
    (emit) => emit([], read().applied),
  );
  table.read(
    'counter',
    { name: 'weft_configuration_rejected_total', help: 'Resources refused (NACK).', labels: [], merge: 'max' },
    (emit) => emit([], read().rejected),
  );
  table.read(
    'gauge',
    {
      name: 'weft_configuration_applied_timestamp_seconds',
      help: 'When configuration was last applied, in Unix time.',
      unit: 'seconds',
      labels: [],
      merge: 'max',
    },
    (emit) => emit([], read().lastAppliedMs / 1000),
  );
  table.read(
    'gauge',
    {
      name: 'weft_configuration_apply_max_seconds',
      help: 'The longest time that applying configuration kept the event loop.',
      unit: 'seconds',
      labels: [],
      merge: 'max',
    },
    (emit) => emit([], read().applyMaxMs / 1000),
  );
}

function registerControl(table: SeriesTable, read: () => ControlFacts): void {
  table.read(
    'gauge',
    {
      name: 'weft_control_connected',
      help: '1 while the stream to the control plane is up.',
      labels: [],
      merge: 'max',
    },
    (emit) => emit([], read().connected ? 1 : 0),
  );
  table.read(
    'counter',
    { name: 'weft_control_reconnects_total', help: 'Reconnects to the control plane.', labels: [], merge: 'max' },
    (emit) => emit([], read().reconnects),
  );
}

function registerLoop(table: SeriesTable, read: () => LoopFacts): void {
  const delay = {
    name: 'weft_event_loop_delay_seconds',
    help: 'How long a turn of the event loop took, of all since the last scrape.',
    unit: 'seconds',
    labels: ['quantile'],
    merge: 'max',
  } as const;
  table.read('gauge', delay, (emit) => {
    const facts = read();
    emit(['0.5'], facts.delayP50Ms / 1000);
    emit(['0.99'], facts.delayP99Ms / 1000);
    emit(['1'], facts.delayMaxMs / 1000);
  });
  table.read(
    'counter',
    {
      name: 'weft_event_loop_coalescings_total',
      help: 'Short waits for more requests of shared connections, so that they are read and answered together.',
      labels: [],
    },
    (emit) => emit([], read().coalescings),
  );
  table.read(
    'counter',
    {
      name: 'weft_event_loop_coalescing_seconds_total',
      help: 'Time in short waits for more requests of shared connections.',
      unit: 'seconds',
      labels: [],
    },
    (emit) => emit([], read().coalescingTotalMs / 1000),
  );
  table.read('counter', { name: 'weft_gc_pauses_total', help: 'Garbage collections.', labels: [] }, (emit) =>
    emit([], read().gcPauses),
  );
  table.read(
    'counter',
    { name: 'weft_gc_pause_seconds_total', help: 'Time in garbage collections.', unit: 'seconds', labels: [] },
    (emit) => emit([], read().gcPauseTotalMs / 1000),
  );
  table.read(
    'gauge',
    {
      name: 'weft_gc_pause_max_seconds',
      help: 'The longest garbage collection.',
      unit: 'seconds',
      labels: [],
      merge: 'max',
    },
    (emit) => emit([], read().gcPauseMaxMs / 1000),
  );
}

// The process_* names are those that Prometheus' own libraries use, so that ready dashboards work.
// Workers share one process, whose facts each of them reports: `max`, not the sum.
function registerProcess(table: SeriesTable, read: () => ProcessFacts): void {
  const gauge = (
    name: string,
    help: string,
    unit: 'bytes' | 'seconds',
    value: (facts: ProcessFacts) => number,
  ): void => {
    table.read('gauge', { name, help, unit, labels: [], merge: 'max' }, (emit) => emit([], value(read())));
  };
  gauge('process_resident_memory_bytes', 'Resident memory.', 'bytes', (facts) => facts.residentBytes);
  gauge('weft_heap_used_bytes', 'JavaScript heap in use.', 'bytes', (facts) => facts.heapUsedBytes);
  gauge('weft_external_memory_bytes', 'Memory of buffers outside the heap.', 'bytes', (facts) => facts.externalBytes);
  gauge('process_start_time_seconds', 'Start of the process in Unix time.', 'seconds', (facts) => facts.startMs / 1000);
  table.read(
    'counter',
    {
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time.',
      unit: 'seconds',
      labels: [],
      merge: 'max',
    },
    (emit) => {
      const facts = read();
      emit([], (facts.cpuUserMs + facts.cpuSystemMs) / 1000);
    },
  );
  table.read(
    'info',
    { name: 'weft_build_info', help: 'What is running.', labels: ['version', 'node'], merge: 'max' },
    (emit) => {
      const facts = read();
      emit([facts.weftVersion, facts.nodeVersion], 1);
    },
  );
}

function registerLog(table: SeriesTable, read: () => LogFacts): void {
  table.read('counter', { name: 'weft_log_lines_total', help: 'Log lines written.', labels: [] }, (emit) =>
    emit([], read().writtenLines),
  );
  table.read(
    'counter',
    { name: 'weft_log_dropped_total', help: 'Log lines dropped because the reader was too slow.', labels: [] },
    (emit) => emit([], read().droppedLines),
  );
}

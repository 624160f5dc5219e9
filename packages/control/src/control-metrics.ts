import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Attestation } from './identity-desk.ts';
import type { PushResult } from './push-progress.ts';

/** What is read when somebody scrapes, not counted as it happens. */
export interface ControlGauges {
  sessions(): number;
  transactions(): number;
  acknowledgements(): number;
  encodedResources(): number;
  openPushes(): number;
  objects(): { readonly inForce: number; readonly refused: number };
  problems(): { readonly errors: number; readonly warnings: number };
  workloads(): number;
  dirtyResources(): number;
}

/** Metrics of one control plane, in a registry of its own: several may live in one process. */
export class ControlMetrics {
  readonly registry: Registry;
  private readonly push: Histogram;
  private readonly pushProxies: Histogram;
  private readonly incomplete: Counter;
  private readonly refusedResources: Counter;
  private readonly issued: Counter;
  private readonly issueFaults: Counter;
  private readonly reloads: Counter;
  private readonly reloadDuration: Histogram;
  private readonly changeSize: Histogram;
  private readonly refusedConnections: Counter;
  private readonly answers: Histogram;
  private readonly watchLag: Histogram;

  constructor(gauges: ControlGauges) {
    this.registry = new Registry();
    const registers = [this.registry];
    this.push = new Histogram({
      name: 'weft_control_push_duration_seconds',
      help: 'From a change to its last acknowledgement by the proxies that use what changed.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    this.pushProxies = new Histogram({
      name: 'weft_control_push_proxies',
      help: 'Proxies that a change concerned.',
      buckets: [1, 3, 10, 30, 100, 300, 1000, 3000],
      registers,
    });
    this.incomplete = new Counter({
      name: 'weft_control_push_incomplete_total',
      help: 'Changes that some proxy did not acknowledge within 30 s.',
      registers,
    });
    this.refusedResources = new Counter({
      name: 'weft_control_resources_refused_total',
      help: 'Resources that proxies refused, each reason once.',
      registers,
    });
    this.issued = new Counter({
      name: 'weft_control_certificates_issued_total',
      help: 'Certificates issued, by attestation.',
      labelNames: ['attestation'],
      registers,
    });
    this.issueFaults = new Counter({
      name: 'weft_control_certificates_refused_total',
      help: 'Certificates not issued, by gRPC status.',
      labelNames: ['code'],
      registers,
    });
    this.reloads = new Counter({
      name: 'weft_control_source_reloads_total',
      help: 'Sets of configuration taken in.',
      registers,
    });
    this.reloadDuration = new Histogram({
      name: 'weft_control_source_reload_duration_seconds',
      help: 'Weighing and indexing one set of configuration.',
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
      registers,
    });
    this.changeSize = new Histogram({
      name: 'weft_control_change_resources',
      help: 'Resources that one change may have touched.',
      buckets: [1, 3, 10, 30, 100, 300, 1000, 10_000, 100_000],
      registers,
    });
    this.refusedConnections = new Counter({
      name: 'weft_control_connections_refused_total',
      help: 'Connections whose certificate was refused.',
      labelNames: ['reason'],
      registers,
    });
    this.answers = new Histogram({
      name: 'weft_control_certificate_duration_seconds',
      help: 'From a certificate request to its answer.',
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
      registers,
    });
    this.watchLag = new Histogram({
      name: 'weft_control_watch_lag_seconds',
      help: 'From a change of endpoints in the cluster, as its EndpointSlice says, to its arrival here.',
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
      registers,
    });
    this.gauge('weft_control_sessions', 'Open Sync streams.', () => gauges.sessions());
    this.gauge('weft_control_workloads', 'Proxies connected, or lost less than 10 s ago.', () => gauges.workloads());
    this.gauge('weft_control_open_pushes', 'Changes that somebody has yet to acknowledge.', () => gauges.openPushes());
    this.gauge('weft_control_dirty_resources', 'Resources to be looked at, over all streams.', () =>
      gauges.dirtyResources(),
    );
    this.total('weft_control_transactions_total', 'Transactions sent.', () => gauges.transactions());
    this.total('weft_control_acknowledgements_total', 'Transactions acknowledged.', () => gauges.acknowledgements());
    this.total('weft_control_resources_encoded_total', 'Resources resolved and encoded.', () =>
      gauges.encodedResources(),
    );
    this.gauge('weft_control_objects', 'Configuration objects in force.', () => gauges.objects().inForce);
    this.gauge(
      'weft_control_objects_refused',
      'Objects whose newest version was refused.',
      () => gauges.objects().refused,
    );
    this.gauge('weft_control_problems', 'Problems of severity error.', () => gauges.problems().errors);
    this.gauge('weft_control_warnings', 'Problems of severity warning.', () => gauges.problems().warnings);
  }

  pushed({ durationMs, subscribers, isComplete }: PushResult): void {
    this.pushProxies.observe(subscribers);
    if (isComplete) this.push.observe(durationMs / 1000);
    else this.incomplete.inc();
  }

  changed(resources: number): void {
    this.changeSize.observe(resources);
  }

  resourceRefused(): void {
    this.refusedResources.inc();
  }

  certificateIssued(attestation: Attestation): void {
    this.issued.inc({ attestation });
  }

  certificateRefused(code: string): void {
    this.issueFaults.inc({ code });
  }

  reloaded(durationMs: number): void {
    this.reloads.inc();
    this.reloadDuration.observe(durationMs / 1000);
  }

  certificateAnswered(durationMs: number): void {
    this.answers.observe(durationMs / 1000);
  }

  /** Endpoints that changed this long ago are known now. */
  watched(lagMs: number): void {
    this.watchLag.observe(Math.max(0, lagMs) / 1000);
  }

  connectionRefused(reason: string): void {
    this.refusedConnections.inc({ reason });
  }

  private gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.registry],
      collect: () => gauge.set(read()),
    });
  }

  /** A counter kept elsewhere: set to where it stands. */
  private total(name: string, help: string, read: () => number): void {
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.registry],
      collect: () => {
        counter.reset();
        counter.inc(read());
      },
    });
  }
}

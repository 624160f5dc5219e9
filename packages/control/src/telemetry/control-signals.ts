import type { Attributes, Context, Counter, Histogram, Meter, Span, Tracer } from '@opentelemetry/api';
import type { Clock } from '@weft/kernel';
import type { ControlGauges } from '../control-metrics.ts';
import type { PushResult } from '../push-progress.ts';

/** Where spans and metrics of a control plane go. Whoever starts the process makes them; only their types are known here. */
export interface SignalSinks {
  readonly tracer: Tracer;
  readonly meter: Meter;
  /** Where a child of a span is started. */
  readonly under: (span: Span) => Context;
}

/** How long the API server has been silent about each kind that is watched. */
export type WatchSilences = () => Iterable<{ readonly kind: string; readonly silentMs: number }>;

const SERVER_KIND = 1;
const STATUS_ERROR = 2;

/**
 * The control plane's own work, in the words of OpenTelemetry: a span for each configuration taken in, with one below it for
 * each push that came of it, and one for each certificate asked for; metrics of the same, of what waits, and of how far the
 * watches are behind. Durations are seconds, as its conventions have them.
 */
export class ControlSignals {
  private readonly sinks: SignalSinks;
  private readonly clock: Clock;
  private readonly pushDuration: Histogram;
  private readonly pushProxies: Histogram;
  private readonly incomplete: Counter;
  private readonly refusedResources: Counter;
  private readonly configurationDuration: Histogram;
  private readonly certificateDuration: Histogram;
  private readonly refusedConnections: Counter;
  private readonly watchLag: Histogram;
  /** While configuration is taken in: what is pushed then came of it. */
  private configuration: Span | null;

  constructor(sinks: SignalSinks, clock: Clock, gauges: ControlGauges, silences: WatchSilences) {
    const { meter } = sinks;
    this.sinks = sinks;
    this.clock = clock;
    this.configuration = null;
    const seconds = (name: string, description: string): Histogram =>
      meter.createHistogram(name, {
        description,
        unit: 's',
        advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
      });
    this.pushDuration = seconds('weft.control.push.duration', 'From a change to its last acknowledgement.');
    this.pushProxies = meter.createHistogram('weft.control.push.proxies', {
      description: 'Proxies that a change concerned.',
      unit: '{proxy}',
      advice: { explicitBucketBoundaries: [1, 3, 10, 30, 100, 300, 1000, 3000] },
    });
    this.incomplete = meter.createCounter('weft.control.push.incomplete', {
      description: 'Changes that some proxy did not acknowledge within 30 s.',
      unit: '{push}',
    });
    this.refusedResources = meter.createCounter('weft.control.resources.refused', {
      description: 'Resources that proxies refused, each reason once.',
      unit: '{resource}',
    });
    this.configurationDuration = seconds('weft.control.configuration.duration', 'Weighing and indexing a change.');
    this.certificateDuration = seconds(
      'weft.control.certificate.duration',
      'From a certificate request to its answer.',
    );
    this.refusedConnections = meter.createCounter('weft.control.connections.refused', {
      description: 'Connections whose certificate was refused.',
      unit: '{connection}',
    });
    this.watchLag = seconds('weft.control.watch.lag', 'From a change of endpoints in the cluster to its arrival here.');
    this.observe(gauges, silences);
  }

  /** Configuration is about to be taken in: `taken` ends it. */
  taking(source: string): void {
    this.configuration = this.sinks.tracer.startSpan('configuration', {
      root: true,
      attributes: { 'weft.source': source },
    });
  }

  taken(changes: number, refused: number, durationMs: number): void {
    this.configurationDuration.record(durationMs / 1000);
    this.configuration?.setAttributes({ 'weft.changes': changes, 'weft.objects.refused': refused });
    this.configuration?.end();
    this.configuration = null;
  }

  /** A push begins, in this turn; its span is handed back to `pushed`. */
  pushing(resources: number): Span {
    const { tracer, under } = this.sinks;
    const attributes = { 'weft.push.resources': resources };
    if (this.configuration === null) return tracer.startSpan('push', { root: true, attributes });
    return tracer.startSpan('push', { attributes }, under(this.configuration));
  }

  pushed({ durationMs, subscribers, acknowledged, refused, isComplete }: PushResult, span: Span): void {
    this.pushProxies.record(subscribers);
    if (isComplete) this.pushDuration.record(durationMs / 1000);
    else this.incomplete.add(1);
    span.setAttributes({
      'weft.push.proxies': subscribers,
      'weft.push.acknowledged': acknowledged,
      'weft.push.refused': refused,
    });
    if (!isComplete) span.setStatus({ code: STATUS_ERROR, message: 'not acknowledged by all within 30 s' });
    else if (refused > 0) span.setStatus({ code: STATUS_ERROR, message: `refused by ${refused}` });
    span.end();
  }

  resourceRefused(): void {
    this.refusedResources.add(1);
  }

  /** A certificate was asked for and answered. `code`: `ok`, or the gRPC status of the refusal. */
  certificateAnswered(attestation: string, code: string, durationMs: number): void {
    const attributes: Attributes = { 'weft.attestation': attestation, 'weft.result': code };
    this.certificateDuration.record(durationMs / 1000, attributes);
    const endMs = this.clock.wallMs();
    const span = this.sinks.tracer.startSpan('certificate', {
      root: true,
      kind: SERVER_KIND,
      startTime: endMs - durationMs,
      attributes,
    });
    if (code !== 'ok') span.setStatus({ code: STATUS_ERROR, message: code });
    span.end(endMs);
  }

  connectionRefused(reason: string): void {
    this.refusedConnections.add(1, { 'weft.reason': reason });
  }

  /** Endpoints that changed in the cluster this long ago are known now. */
  watched(lagMs: number): void {
    this.watchLag.record(Math.max(0, lagMs) / 1000);
  }

  private observe(gauges: ControlGauges, silences: WatchSilences): void {
    const { meter } = this.sinks;
    const gauge = (name: string, unit: string, description: string, read: () => number): void => {
      meter.createObservableGauge(name, { unit, description }).addCallback((result) => result.observe(read()));
    };
    const total = (name: string, unit: string, description: string, read: () => number): void => {
      meter.createObservableCounter(name, { unit, description }).addCallback((result) => result.observe(read()));
    };
    gauge('weft.control.queue.resources', '{resource}', 'To be looked at, over all streams.', gauges.dirtyResources);
    gauge('weft.control.queue.pushes', '{push}', 'Changes that somebody has yet to acknowledge.', gauges.openPushes);
    gauge('weft.control.sessions', '{stream}', 'Open Sync streams.', gauges.sessions);
    gauge('weft.control.objects', '{object}', 'Configuration objects in force.', () => gauges.objects().inForce);
    gauge('weft.control.objects.refused', '{object}', 'Objects whose newest version was refused.', () => {
      return gauges.objects().refused;
    });
    total('weft.control.transactions', '{transaction}', 'Sent to proxies.', gauges.transactions);
    total('weft.control.acknowledgements', '{transaction}', 'Acknowledged by proxies.', gauges.acknowledgements);
    meter
      .createObservableGauge('weft.control.watch.silence', {
        unit: 's',
        description: 'Since the API server last said anything of a kind; it does so once a minute at least.',
      })
      .addCallback((result) => {
        for (const { kind, silentMs } of silences()) result.observe(silentMs / 1000, { 'weft.kind': kind });
      });
  }
}

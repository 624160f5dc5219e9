import type { CompiledBackend, CompiledRule } from '@weft/decision';
import { TargetForm } from '@weft/http';
import { terminationIndex, terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { accessFlags, isFailure } from '@weft/telemetry';
import { putSpans } from './exchange-spans.ts';
import type { LineSink, RequestMetrics, RequestScope, SpanSink, UpstreamScope } from '@weft/telemetry';
import type { Clock } from '@weft/kernel';
import type { MetricSettings } from '@weft/model';
import { type ExchangeFacts, protocolVersion } from './exchange-facts.ts';
import type { ExchangeRecorder } from './engine.ts';
import type { EdgeCount } from '../recorder/edge-counters.ts';
import type { RequestWatch } from '../recorder/request-watch.ts';
import type { AccessLogPlan } from './access-log-plan.ts';
import type { Ingress } from './ingress.ts';
import type { TelemetryInForce } from './telemetry-in-force.ts';

/** What a recorder writes to. */
export interface RecorderSinks {
  readonly metrics: RequestMetrics;
  readonly clock: Clock;
  readonly telemetry: TelemetryInForce;
  readonly lines: LineSink;
  readonly spans: SpanSink;
  /** Edges, decisions and taps. */
  readonly watch: RequestWatch;
}

interface Scopes {
  readonly request: RequestScope;
  readonly upstream: UpstreamScope | null;
  readonly edge: EdgeCount;
}

/** Labels of requests that were refused before a rule was matched. */
const NO_RULE: object = {};
const NO_CHOICE: object = {};
/** As `SeriesTable` has it, and the reference of TelemetryPolicy says. */
const DEFAULT_MAX_SERIES = 5_000;

/**
 * Turns exchanges into counters, histograms and log lines. Series are resolved once for each combination of ingress, rule
 * and backend; a request then costs three additions.
 */
export class TelemetryRecorder implements ExchangeRecorder {
  private readonly sinks: RecorderSinks;
  private metricSettings: MetricSettings | null;
  private scopes: WeakMap<Ingress, WeakMap<object, WeakMap<object, Scopes>>>;
  // The combination of the request before: nearly always the one of this.
  private lastIngress: Ingress | null;
  private lastRule: CompiledRule | undefined;
  private lastChoice: CompiledBackend | undefined;
  private last: Scopes | null;

  constructor(sinks: RecorderSinks) {
    this.sinks = sinks;
    this.scopes = new WeakMap();
    this.metricSettings = null;
    this.lastIngress = null;
    this.lastRule = undefined;
    this.lastChoice = undefined;
    this.last = null;
  }

  begun(exchange: ExchangeFacts): void {
    this.scopesOf(exchange).request.start();
  }

  retried(exchange: ExchangeFacts, reason: string): void {
    this.scopesOf(exchange).upstream?.retry(reason);
  }

  ended(exchange: ExchangeFacts, code: TerminationCode, detail: string): void {
    const row = terminations[code];
    const durationMs = exchange.durationMs;
    const scopes = this.scopesOf(exchange);
    const { grpcStatus } = exchange;
    const failed = isFailure(exchange.status, grpcStatus, row);
    // As it was when the scopes were found.
    const isOpenTelemetry = this.metricSettings !== null && this.metricSettings.names === 'OpenTelemetry';
    scopes.request.finish(
      exchange.head.method,
      exchange.status,
      terminationIndex(code),
      failed,
      durationMs,
      exchange.requestBytes,
      exchange.responseBytes,
      grpcStatus,
      isOpenTelemetry ? protocolVersion(exchange) : '',
      isOpenTelemetry && grpcStatus >= 0 ? exchange.head.path : '',
    );
    if (exchange.attempts > 0) scopes.upstream?.attempts.add(exchange.attempts);
    if (exchange.budgetSpent) scopes.upstream?.budgetExhausted.add(1);
    this.sinks.watch.ended(exchange, code, detail, failed, scopes.edge);
    const { traces, accessLog } = this.sinks.telemetry.of(exchange.decision.rule?.route);
    const isSampled = exchange.span !== null && exchange.span.sampled;
    if (isSampled || (this.sinks.spans.enabled && (failed || row.fault !== 'none'))) {
      const wallMs = this.sinks.clock.wallMs();
      if (isSampled) scopes.request.keepExemplar(durationMs, exchange.traceId, wallMs);
      putSpans(this.sinks.spans, traces, exchange, code, wallMs);
    }
    if (accessLog.wants(exchange.status, grpcStatus, row)) this.log(accessLog, exchange, code, durationMs);
  }

  private log(plan: AccessLogPlan, exchange: ExchangeFacts, code: TerminationCode, durationMs: number): void {
    const { head, ingress, endpoint, decision } = exchange;
    let flags = 0;
    if (ingress.peerIdentity !== '' || endpoint?.endpoint.mesh === true) flags |= accessFlags.mtls;
    if (exchange.connectMs >= 0) flags |= accessFlags['fresh-connection'];
    if (exchange.retried) flags |= accessFlags.retried;
    if (exchange.budgetSpent) flags |= accessFlags['retry-budget-exhausted'];
    const target = head.query === '' ? head.path : `${head.path}?${head.query}`;
    const line = plan.write({
      startWallMs: this.sinks.clock.wallMs() - durationMs,
      requestId: exchange.requestId,
      traceId: exchange.traceId,
      direction: ingress.kind === 'inbound' ? 'inbound' : 'outbound',
      protocol: exchange.protocol,
      source: ingress.peerIdentity === '' ? ingress.source : ingress.peerIdentity,
      destination: exchange.destination,
      method: head.method,
      authority: head.authority,
      target: head.targetForm === TargetForm.Asterisk ? '*' : target,
      status: exchange.status,
      grpcStatus: exchange.grpcStatus,
      termination: terminations[code],
      flags,
      requestBytes: exchange.requestBytes,
      responseBytes: exchange.responseBytes,
      durationMs,
      upstreamMs: exchange.upstreamMs,
      connectMs: exchange.connectMs,
      attempts: exchange.attempts,
      upstreamAddress: endpoint === null ? '' : `${endpoint.endpoint.address}:${endpoint.endpoint.port}`,
      downstreamAddress: ingress.clientAddress,
      configVersion: exchange.tables.version,
      route: decision.rule?.route ?? '',
      rule: decision.rule?.rule ?? '',
    });
    if (line !== undefined) this.sinks.lines.push(line);
  }

  private scopesOf(exchange: ExchangeFacts): Scopes {
    const { ingress } = exchange;
    if (this.sinks.telemetry.metrics !== this.metricSettings) this.followPolicy();
    const matched = exchange.backend !== null || exchange.decision.code !== 'completed';
    const rule = matched ? exchange.decision.rule : undefined;
    const choice = matched ? exchange.decision.choice : undefined;
    if (ingress === this.lastIngress && rule === this.lastRule && choice === this.lastChoice) return this.last!;
    const scopes = this.find(exchange, ingress, rule, choice);
    this.lastIngress = ingress;
    this.lastRule = rule;
    this.lastChoice = choice;
    this.last = scopes;
    return scopes;
  }

  /** Requests that began before are ended in the series of then: the gauge of running ones is of labels that no policy takes. */
  private followPolicy(): void {
    this.metricSettings = this.sinks.telemetry.metrics;
    this.sinks.metrics.setMaxSeries(this.metricSettings?.maxSeries ?? DEFAULT_MAX_SERIES);
    this.sinks.metrics.setNames(this.metricSettings?.names ?? 'Weft');
    this.scopes = new WeakMap();
    this.lastIngress = null;
  }

  private find(
    exchange: ExchangeFacts,
    ingress: Ingress,
    rule: CompiledRule | undefined,
    choice: CompiledBackend | undefined,
  ): Scopes {
    let byRule = this.scopes.get(ingress);
    if (byRule === undefined) this.scopes.set(ingress, (byRule = new WeakMap()));
    let byChoice = byRule.get(rule ?? NO_RULE);
    if (byChoice === undefined) byRule.set(rule ?? NO_RULE, (byChoice = new WeakMap()));
    let scopes = byChoice.get(choice ?? NO_CHOICE);
    if (scopes === undefined) {
      const destination = choice === undefined ? 'unknown' : serviceOf(choice.key);
      // Places outside of the mesh are one: their names are the callers' choice.
      const peer = exchange.destination.startsWith('outside:') ? 'outside' : destination;
      const without = this.metricSettings?.without ?? [];
      scopes = {
        request: this.sinks.metrics.scope({
          direction: ingress.kind === 'inbound' ? 'inbound' : 'outbound',
          source: without.includes('source') ? '' : ingress.source,
          destination,
          route: without.includes('route') ? '' : (rule?.route ?? ''),
          rule: without.includes('rule') ? '' : (rule?.rule ?? ''),
          port: choice === undefined ? '' : portOf(choice.key),
        }),
        upstream:
          exchange.ingress.kind === 'inbound' || choice === undefined ? null : this.sinks.metrics.upstream(destination),
        edge: this.sinks.watch.edges.edge({
          direction: ingress.kind === 'inbound' ? 'Inbound' : 'Outbound',
          peer: ingress.kind === 'inbound' ? ingress.source : peer,
          route: rule?.route ?? '',
          rule: rule?.rule ?? '',
          tcp: false,
        }),
      };
      byChoice.set(choice ?? NO_CHOICE, scopes);
    }
    return scopes;
  }
}

/** `shop/orders:80` without the port. */
function serviceOf(key: string): string {
  const colon = key.lastIndexOf(':');
  return colon < 0 ? key : key.slice(0, colon);
}

/** `shop/orders:80` without the rest. */
function portOf(key: string): string {
  const colon = key.lastIndexOf(':');
  return colon < 0 ? '' : key.slice(colon + 1);
}

import { terminationIndex, terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import type { Clock } from '@weft/kernel';
import { accessFlags, isFailure } from '@weft/telemetry';
import type { LineSink, TcpMetrics, TcpScope } from '@weft/telemetry';
import type { TelemetryInForce } from '../exchange/telemetry-in-force.ts';
import { type Carriage, type EdgeCount, type EdgeTable, carriages } from '../recorder/edge-counters.ts';
import type { TcpRecorder } from './tcp-environment.ts';
import type { TcpFacts } from './tcp-facts.ts';

export interface TcpRecorderSinks {
  readonly metrics: TcpMetrics;
  readonly clock: Clock;
  readonly telemetry: TelemetryInForce;
  readonly lines: LineSink;
  readonly edges: EdgeTable;
}

interface ConnectionScope {
  readonly metrics: TcpScope;
  readonly edge: EdgeCount;
  /** It carries bytes, and was counted. */
  counted: boolean;
}

/**
 * Turns TCP connections into counters and log lines. A connection is counted under its rule and backend from the moment they
 * are known; one that ends before is counted under `unknown`.
 */
export class TelemetryTcpRecorder implements TcpRecorder {
  private readonly sinks: TcpRecorderSinks;
  private readonly scopes: WeakMap<TcpFacts, ConnectionScope>;

  constructor(sinks: TcpRecorderSinks) {
    this.sinks = sinks;
    this.scopes = new WeakMap();
  }

  begun(session: TcpFacts): void {
    const { ingress, decision, destination } = session;
    const key = decision.choice?.key ?? destination;
    const metrics = this.sinks.metrics.scope({
      direction: ingress.kind === 'inbound' ? 'inbound' : 'outbound',
      source: ingress.source,
      destination: key === '' ? 'unknown' : serviceOf(key),
      route: decision.rule?.route ?? '',
    });
    const inbound = ingress.kind === 'inbound';
    const peer = key === '' ? 'unknown' : key.startsWith('outside/') ? 'outside' : serviceOf(key);
    const edge = this.sinks.edges.edge({
      direction: inbound ? 'Inbound' : 'Outbound',
      peer: inbound ? ingress.source : peer,
      route: decision.rule?.route ?? '',
      rule: decision.rule?.rule ?? '',
      tcp: true,
    });
    this.scopes.set(session, { metrics, edge, counted: false });
    metrics.start();
  }

  moved(session: TcpFacts, receivedBytes: number, sentBytes: number): void {
    const scope = this.scopes.get(session);
    scope?.metrics.move(receivedBytes, sentBytes);
    scope?.edge.move(receivedBytes, sentBytes);
    // Not at its end: it may last for days.
    if (scope !== undefined && !scope.counted) {
      scope.counted = true;
      scope.edge.addConnection(Math.max(0, session.attempts - 1), carriageOf(session));
    }
  }

  ended(session: TcpFacts, code: TerminationCode, detail: string): void {
    if (!this.scopes.has(session)) this.begun(session);
    const scope = this.scopes.get(session)!;
    const { metrics, edge } = scope;
    metrics.finish(terminationIndex(code), session.durationMs);
    const row = terminations[code];
    if (!scope.counted) edge.addConnection(Math.max(0, session.attempts - 1), carriageOf(session));
    if (isFailure(0, -1, row)) edge.fail();
    if (this.sinks.telemetry.plan.accessLog.wants(0, -1, row)) this.log(session, code, detail);
  }

  private log(session: TcpFacts, code: TerminationCode, detail: string): void {
    const { ingress, decision, endpoint, durationMs } = session;
    let flags = 0;
    if (isSecured(session)) flags |= accessFlags.mtls;
    if (session.retried) flags |= accessFlags.retried;
    const line = this.sinks.telemetry.plan.accessLog.writeConnection({
      startWallMs: this.sinks.clock.wallMs() - durationMs,
      direction: ingress.kind === 'inbound' ? 'inbound' : 'outbound',
      source: ingress.peerIdentity === '' ? ingress.source : ingress.peerIdentity,
      destination: session.destination,
      serverName: session.serverName === '-' ? '' : session.serverName,
      termination: terminations[code],
      detail,
      flags,
      receivedBytes: session.receivedBytes,
      sentBytes: session.sentBytes,
      durationMs,
      connectMs: session.connectMs,
      attempts: session.attempts,
      upstreamAddress: endpoint === null ? '' : `${endpoint.endpoint.address}:${endpoint.endpoint.port}`,
      downstreamAddress: ingress.clientAddress,
      configVersion: session.tables.version,
      route: decision.rule?.route ?? '',
      rule: decision.rule?.rule ?? '',
    });
    if (line !== undefined) this.sinks.lines.push(line);
  }
}

function isSecured({ ingress, endpoint }: TcpFacts): boolean {
  return ingress.peerIdentity !== '' || endpoint?.endpoint.mesh === true;
}

/** What never reached an endpoint went neither way. */
function carriageOf(session: TcpFacts): Carriage {
  const { ingress, endpoint, connectMs } = session;
  if (ingress.kind === 'inbound') return ingress.peerIdentity === '' ? carriages.plaintext : carriages.secured;
  if (endpoint === null || connectMs < 0) return carriages.none;
  return endpoint.endpoint.mesh ? carriages.secured : carriages.plaintext;
}

/** `shop/orders:80` without the port. */
function serviceOf(key: string): string {
  const colon = key.lastIndexOf(':');
  return colon < 0 ? key : key.slice(0, colon);
}

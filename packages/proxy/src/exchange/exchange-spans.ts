import { grpcStatusNames, terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { RandomIds, isFailure, unsampledRoot } from '@weft/telemetry';
import type { Span, SpanContext, SpanEvent, SpanSink, TracePlan } from '@weft/telemetry';
import { type ExchangeFacts, protocolVersion } from './exchange-facts.ts';

/** How requests are traced; a proxy that was given none spends nothing on it. */
export interface Tracing {
  readonly sink: SpanSink;
  /** Share of the traces that begin here, 0 to 1,000,000; a trace that came in keeps its own decision. */
  readonly sampledPerMillion: number;
}

/**
 * Two spans of one request: what the caller saw of this hop, and under it what this hop saw of the next, with all its tries.
 * The next hop's parent is the second.
 */
export function putSpans(
  sink: SpanSink,
  plan: TracePlan,
  exchange: ExchangeFacts,
  code: TerminationCode,
  endWallMs: number,
): void {
  const { durationMs, firstTryMs, startMs } = exchange;
  const ending = terminations[code];
  // What a caller broke is no failure in the metrics; a span of it is shown as an error all the same.
  const failed = ending.fault !== 'none' || isFailure(exchange.status, exchange.grpcStatus, ending);
  const isSampled = exchange.span !== null && exchange.span.sampled;
  if (!isSampled && !(failed && plan.keepsFailure(startMs + durationMs))) return;
  const span = exchange.span ?? unsampledRoot(exchange.traceId, ids.spanId());
  const startWallMs = endWallMs - durationMs;
  sink.put({
    context: span,
    kind: 'server',
    name: spanName(exchange),
    startWallMs,
    durationMs,
    failed,
    attributes: attributes(exchange, code, span.sampled),
    events: NO_EVENTS,
  });
  if (exchange.attempts === 0) return;
  const waitedMs = firstTryMs - startMs;
  sink.put({
    context: clientContext(span, exchange.clientSpanId),
    kind: 'client',
    name: spanName(exchange),
    startWallMs: startWallMs + waitedMs,
    durationMs: durationMs - waitedMs,
    failed,
    attributes: clientAttributes(exchange, code),
    events: retryEvents(exchange, startWallMs),
  });
}

/** Of failures that are kept though nobody sampled them. */
const ids = new RandomIds();

const NO_EVENTS: readonly SpanEvent[] = Object.freeze([]);

/** Each try that another followed, at the moment it ended. */
function retryEvents({ failedTries, startMs }: ExchangeFacts, startWallMs: number): readonly SpanEvent[] {
  if (failedTries === null || failedTries.length === 0) return NO_EVENTS;
  return failedTries.map(({ endpoint, startedMs, durationMs, status, code, reason, backoffMs }) => ({
    name: 'weft.retry',
    wallMs: startWallMs + (startedMs + durationMs - startMs),
    attributes: {
      'weft.retry.reason': reason,
      'weft.retry.backoff_ms': backoffMs,
      'network.peer.address': endpoint.endpoint.address,
      'network.peer.port': endpoint.endpoint.port,
      ...(status > 0 ? { 'http.response.status_code': status } : { 'error.type': code }),
    },
  }));
}

function clientContext(span: SpanContext, spanId: string): SpanContext {
  return { traceId: span.traceId, spanId, sampled: span.sampled, state: span.state, parentSpanId: span.spanId };
}

/** The method and what matched: a path would make as many names as there are requests. */
function spanName({ head, decision }: ExchangeFacts): string {
  const route = decision.rule?.route ?? '';
  return route === '' ? head.method : `${head.method} ${route}`;
}

/**
 * Names of OpenTelemetry's semantic conventions where it has one. The query is left out: secrets travel there. One literal and
 * no spreading: these are made for one request of a hundred, when nothing of it is in the processor's cache.
 */
function attributes(exchange: ExchangeFacts, code: TerminationCode, isSampled: boolean): Span['attributes'] {
  const { head, ingress } = exchange;
  const facts: Facts = {
    'http.request.method': head.method,
    'http.response.status_code': exchange.status,
    'network.protocol.version': protocolVersion(exchange),
    'url.path': head.path,
    'server.address': head.authority,
    'weft.direction': ingress.kind === 'inbound' ? 'inbound' : 'outbound',
    'weft.source': ingress.peerIdentity === '' ? ingress.source : ingress.peerIdentity,
    'weft.destination': exchange.destination,
    'weft.termination': code,
    'weft.request_id': exchange.requestId,
  };
  putCall(facts, exchange);
  // Why a span is there whose trace was not sampled: the others of it may be missing.
  if (!isSampled) facts['weft.kept'] = 'error';
  return facts;
}

function clientAttributes(exchange: ExchangeFacts, code: TerminationCode): Span['attributes'] {
  const { head, endpoint } = exchange;
  const facts: Facts = {
    'http.request.method': head.method,
    'http.response.status_code': exchange.status,
    'http.request.resend_count': exchange.attempts - 1,
    'network.peer.address': endpoint?.endpoint.address ?? '',
    'network.peer.port': endpoint?.endpoint.port ?? 0,
    'weft.destination': exchange.destination,
    'weft.termination': code,
  };
  putCall(facts, exchange);
  return facts;
}

type Facts = Record<string, string | number>;

/**
 * What a gRPC call is: since 1.39 of the conventions `rpc.method` is the whole name, service and all, and `rpc.service` is no
 * more. The two that readers of older ones look for are written as well.
 */
function putCall(facts: Facts, { head, grpcStatus }: ExchangeFacts): void {
  if (grpcStatus < 0) return;
  facts['rpc.system.name'] = 'grpc';
  facts['rpc.method'] = head.path.slice(1);
  facts['rpc.response.status_code'] = grpcStatusNames[grpcStatus] ?? String(grpcStatus);
  facts['rpc.system'] = 'grpc';
  facts['rpc.grpc.status_code'] = grpcStatus;
}

import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { RandomIds, isFailure, unsampledRoot } from '@weft/telemetry';
import type { Span, SpanContext, SpanEvent, SpanSink, TracePlan } from '@weft/telemetry';
import type { ExchangeFacts } from './exchange-facts.ts';

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
    attributes: span.sampled ? attributes(exchange, code) : { ...attributes(exchange, code), ...KEPT },
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
/** Why a span is there whose trace was not sampled: the others of it may be missing. */
const KEPT = { 'weft.kept': 'error' } as const;

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

/** Names of OpenTelemetry's semantic conventions for HTTP where it has one. The query is left out: secrets travel there. */
function attributes(exchange: ExchangeFacts, code: TerminationCode): Span['attributes'] {
  const { head, ingress } = exchange;
  return {
    'http.request.method': head.method,
    'http.response.status_code': exchange.status,
    ...grpcAttributes(exchange),
    'url.path': head.path,
    'server.address': head.authority,
    'weft.direction': ingress.kind === 'inbound' ? 'inbound' : 'outbound',
    'weft.source': ingress.peerIdentity === '' ? ingress.source : ingress.peerIdentity,
    'weft.destination': exchange.destination,
    'weft.termination': code,
    'weft.request_id': exchange.requestId,
  };
}

function grpcAttributes({ grpcStatus }: ExchangeFacts): Span['attributes'] {
  return grpcStatus < 0 ? {} : { 'rpc.system': 'grpc', 'rpc.grpc.status_code': grpcStatus };
}

function clientAttributes(exchange: ExchangeFacts, code: TerminationCode): Span['attributes'] {
  const { head, endpoint } = exchange;
  return {
    'http.request.method': head.method,
    'http.response.status_code': exchange.status,
    ...grpcAttributes(exchange),
    'http.request.resend_count': exchange.attempts - 1,
    'network.peer.address': endpoint?.endpoint.address ?? '',
    'network.peer.port': endpoint?.endpoint.port ?? 0,
    'weft.destination': exchange.destination,
    'weft.termination': code,
  };
}

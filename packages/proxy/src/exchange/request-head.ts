import { rewrittenTarget } from '@weft/decision';
import type { RouteDecision } from '@weft/decision';
import { FieldId } from '@weft/http';
import type { Head, RequestFacts } from '@weft/http';
import { readRequestId, readTraceParent, startSpan, writeTraceParent } from '@weft/telemetry';
import type { SpanContext } from '@weft/telemetry';
import type { HttpProtocol } from './downstream-stream.ts';
import type { Engine } from './engine.ts';
import type { Tracing } from './exchange-spans.ts';
import { RequestSlot } from './head-slots.ts';
import type { Ingress } from './ingress.ts';

/** By what the request came as (RFC 9110 §7.6.3): HTTP/1.0, HTTP/1.1, HTTP/2. */
const VIA = ['1.0 weft', '1.1 weft', '2.0 weft'] as const;

/** A request whose head is made ready; an `Exchange` is one. */
export interface OutgoingRequest {
  readonly engine: Engine;
  readonly ingress: Ingress;
  readonly decision: RouteDecision;
  readonly head: Head;
  readonly destination: string;
  readonly protocol: HttpProtocol;
  readonly requestFacts: RequestFacts;
  readonly slots: (string | undefined)[];
  requestId: string;
  traceId: string;
  span: SpanContext | null;
  clientSpanId: string;
}

/** Everything about the forwarded head that is the same for each try: facts, and the values of its slots. */
export function prepareRequestHead(request: OutgoingRequest): void {
  const { head, ingress, slots, requestFacts, decision, engine } = request;
  const choice = decision.choice!;
  requestFacts.take(head);
  if (choice.rewrite !== null) {
    requestFacts.target = rewrittenTarget(choice, decision.entry, head);
    requestFacts.host = choice.rewrite.hostname;
  }
  if (head.minorVersion === 0 && requestFacts.host === '' && head.authorityStart === head.authorityEnd) {
    requestFacts.host = hostOfKey(request.destination);
  }
  const idIndex = head.field(FieldId.XRequestId);
  const receivedId = idIndex < 0 ? undefined : readRequestId(head.value(idIndex));
  request.requestId = receivedId ?? engine.ids.requestId();
  slots[RequestSlot.RequestId] = receivedId === undefined ? request.requestId : undefined;
  prepareTrace(request);
  slots[RequestSlot.Via] = VIA[request.protocol === 'http2' ? 2 : head.minorVersion];
  slots[RequestSlot.ClientIdentity] =
    ingress.kind === 'inbound' && ingress.peerIdentity !== '' ? ingress.peerIdentity : undefined;
  slots[RequestSlot.GrpcTimeout] = undefined;
  slots[RequestSlot.GrpcPreviousAttempts] = undefined;
  slots[RequestSlot.ContentType] = undefined;
  if (ingress.kind === 'gateway') {
    slots[RequestSlot.ForwardedFor] = ingress.clientAddress;
    slots[RequestSlot.ForwardedProto] = ingress.scheme;
    slots[RequestSlot.ForwardedHost] = head.authority === '' ? undefined : head.authority;
    slots[RequestSlot.Forwarded] = forwarded(ingress.clientAddress, head.authority, ingress.scheme);
  }
}

/** Only when requests are traced: this hop is a span of its own, and what it sends another under it. */
export function startRequestSpan(request: OutgoingRequest, { sampledPerMillion }: Tracing): void {
  const { head, engine } = request;
  const index = head.field(FieldId.Traceparent);
  const parent = index < 0 ? undefined : readTraceParent(head.value(index));
  const span = startSpan(parent, engine.ids, sampledPerMillion);
  request.span = span;
  request.traceId = span.traceId;
  request.clientSpanId = engine.ids.spanId();
}

/** Keeps the trace that came, or starts one, so that applications and logs share an id even with tracing off. */
function prepareTrace(request: OutgoingRequest): void {
  const { head, slots, engine, span } = request;
  if (span !== null) {
    slots[RequestSlot.Traceparent] = writeTraceParent({ ...span, spanId: request.clientSpanId });
    return;
  }
  const index = head.field(FieldId.Traceparent);
  const parent = index < 0 ? undefined : readTraceParent(head.value(index));
  if (parent !== undefined) {
    request.traceId = parent.traceId;
    slots[RequestSlot.Traceparent] = undefined;
    return;
  }
  const root = engine.ids.rootTraceParent();
  request.traceId = root.substring(3, 35);
  slots[RequestSlot.Traceparent] = root;
}

/** `shop/orders:80` as a `Host` for a client that sent none (HTTP/1.0). */
function hostOfKey(key: string): string {
  const slash = key.indexOf('/');
  const colon = key.lastIndexOf(':');
  return slash < 0 ? '' : `${key.slice(slash + 1, colon)}.${key.slice(0, slash)}`;
}

/** RFC 7239 §4: an IPv6 address is bracketed and quoted, a host may hold a colon and is quoted. */
function forwarded(address: string, host: string, scheme: string): string {
  const node = address.includes(':') ? `"[${address}]"` : address;
  return host === '' ? `for=${node};proto=${scheme}` : `for=${node};host="${host}";proto=${scheme}`;
}

import { rewrittenTarget } from '@weft/decision';
import type { RouteDecision } from '@weft/decision';
import { FieldId } from '@weft/http';
import type { Head, RequestFacts } from '@weft/http';
import { isRequestId, traceIdOf, unsampledRoot } from '@weft/telemetry';
import type { SpanContext } from '@weft/telemetry';
import type { HttpProtocol } from './downstream-stream.ts';
import type { Engine } from './engine.ts';
import { RequestSlot } from './head-slots.ts';
import type { Ingress } from './ingress.ts';
import { TraceCarrier } from './trace-carrier.ts';

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
  const receivedId = receivedIdOf(head);
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

/** One of each thread: it holds a request within one call only. */
const carrier = new TraceCarrier();

/** Only when requests are traced: this hop is a span of its own, and what it sends another under it. */
export function startRequestSpan(request: OutgoingRequest): void {
  const { head, slots, engine } = request;
  const { traces } = engine.telemetry.plan;
  const isNew = traces.writesW3cAlone && head.field(FieldId.Traceparent) < 0;
  const came = isNew ? undefined : traces.read(carrier.of(head, slots));
  if (came === undefined) {
    // Most traces begin here and are not sampled: then what is sent was made in one piece, and is only cut.
    const root = engine.ids.rootTraceParent();
    request.traceId = root.substring(3, 35);
    request.clientSpanId = root.substring(36, 52);
    request.span = traces.startRoot(request.traceId, engine.ids, engine.nowMs);
    slots[RequestSlot.Traceparent] = request.span === null ? root : undefined;
    return;
  }
  const span = traces.start(came, engine.ids, engine.nowMs);
  request.span = span;
  request.traceId = span.traceId;
  request.clientSpanId = engine.ids.spanId();
  slots[RequestSlot.Traceparent] = undefined;
}

/** Keeps the trace that came, or starts one, so that applications and logs share an id even with tracing off. */
function prepareTrace(request: OutgoingRequest): void {
  const { head, slots, engine, decision } = request;
  const { traces } = engine.telemetry.of(decision.rule?.route);
  const headers = carrier.of(head, slots);
  const root = slots[RequestSlot.Traceparent];
  headers.clear();
  if (engine.tracing !== null) {
    if (request.span === null && traces === engine.telemetry.plan.traces && traces.writesW3cAlone) {
      slots[RequestSlot.Traceparent] = root;
      // §4.3: the state of another trace must not travel with a new parent.
      if (head.field(FieldId.Tracestate) >= 0) headers.remove('tracestate');
      return;
    }
    const own = request.span ?? unsampledRoot(request.traceId, engine.ids.spanId());
    request.span = own;
    // A route with a policy of its own decides again, now that it is known.
    if (traces !== engine.telemetry.plan.traces) {
      const { traceId, sampled, state, parentSpanId } = traces.start(traces.read(headers), engine.ids, engine.nowMs);
      request.span = { traceId, spanId: own.spanId, sampled, state, parentSpanId };
      request.traceId = traceId;
    }
    const { traceId, spanId, sampled, state } = request.span;
    const sender = { traceId, spanId: request.clientSpanId, sampled, state, parentSpanId: spanId };
    for (const way of traces.rules.ways) way.write(headers, sender);
    return;
  }
  const traceId = traces.writesW3cAlone ? receivedTraceIdOf(head) : (traces.read(headers)?.parent?.traceId ?? '');
  if (traceId !== '') {
    request.traceId = traceId;
    return;
  }
  const made = engine.ids.rootTraceParent();
  request.traceId = made.substring(3, 35);
  slots[RequestSlot.Traceparent] = made;
}

/** The request id that came; undefined for one that is not taken. */
function receivedIdOf(head: Head): string | undefined {
  const index = head.field(FieldId.XRequestId);
  if (index < 0) return undefined;
  return isRequestId(head.bytes, head.spans[index * 4 + 2]!, head.spans[index * 4 + 3]!)
    ? head.value(index)
    : undefined;
}

/** Of the `traceparent` that came; empty without one. */
function receivedTraceIdOf(head: Head): string {
  const index = head.field(FieldId.Traceparent);
  return index < 0 ? '' : traceIdOf(head.bytes, head.spans[index * 4 + 2]!, head.spans[index * 4 + 3]!);
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

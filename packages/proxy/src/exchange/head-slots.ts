import type { EditRules } from '@weft/decision';

/** Position of the values in `RequestFacts.slots`. */
export const RequestSlot = {
  RequestId: 0,
  Traceparent: 1,
  Via: 2,
  ClientIdentity: 3,
  GrpcTimeout: 4,
  GrpcPreviousAttempts: 5,
  ContentType: 6,
  Tracestate: 7,
  B3: 8,
  XB3TraceId: 9,
  XB3SpanId: 10,
  XB3ParentSpanId: 11,
  XB3Sampled: 12,
  XAmznTraceId: 13,
  ForwardedFor: 14,
  ForwardedProto: 15,
  ForwardedHost: 16,
  Forwarded: 17,
} as const;

export const requestSlotCount = 18;

/**
 * What a sidecar writes into every request head. `weft-*` fields of any sender are dropped by the codec's edits; ours are
 * written after.
 */
export const sidecarRequestEdits: EditRules = {
  slots: [
    { name: 'x-request-id', mode: 'replace', unique: true, madeHere: true },
    { name: 'traceparent', mode: 'replace', unique: true, madeHere: true },
    { name: 'via', mode: 'add' },
    { name: 'weft-client-identity', mode: 'own' },
    { name: 'grpc-timeout', mode: 'replace', unique: true },
    { name: 'grpc-previous-rpc-attempts', mode: 'replace' },
    { name: 'content-type', mode: 'replace' },
    { name: 'tracestate', mode: 'replace', unique: true },
    { name: 'b3', mode: 'replace', unique: true, madeHere: true },
    { name: 'x-b3-traceid', mode: 'replace', unique: true, madeHere: true },
    { name: 'x-b3-spanid', mode: 'replace', unique: true, madeHere: true },
    { name: 'x-b3-parentspanid', mode: 'replace', unique: true, madeHere: true },
    { name: 'x-b3-sampled', mode: 'replace' },
    { name: 'x-amzn-trace-id', mode: 'replace', unique: true },
  ],
};

/** At the edge nothing that says who the client was is believed; it is written anew from the connection. */
export const gatewayRequestEdits: EditRules = {
  slots: [
    ...sidecarRequestEdits.slots!,
    { name: 'x-forwarded-for', mode: 'own' },
    { name: 'x-forwarded-proto', mode: 'own' },
    { name: 'x-forwarded-host', mode: 'own' },
    { name: 'forwarded', mode: 'own' },
  ],
  drop: ['x-forwarded-port', 'x-forwarded-client-cert', 'client-cert', 'client-cert-chain'],
};

/** Responses: `weft-*` of an upstream is dropped; the reason of a refusal by the sidecar of an endpoint is written again. */
export const responseEdits: EditRules = {};

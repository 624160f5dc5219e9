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
  ForwardedFor: 7,
  ForwardedProto: 8,
  ForwardedHost: 9,
  Forwarded: 10,
} as const;

export const requestSlotCount = 11;

/**
 * What a sidecar writes into every request head. `weft-*` fields of any sender are dropped by the codec's edits; ours are
 * written after.
 */
export const sidecarRequestEdits: EditRules = {
  slots: [
    { name: 'x-request-id', mode: 'replace' },
    { name: 'traceparent', mode: 'replace' },
    { name: 'via', mode: 'add' },
    { name: 'weft-client-identity', mode: 'own' },
    { name: 'grpc-timeout', mode: 'replace' },
    { name: 'grpc-previous-rpc-attempts', mode: 'replace' },
    { name: 'content-type', mode: 'replace' },
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

/** Responses: `weft-*` of an upstream is dropped; the reason of a refusal is written by the sidecar that refuses. */
export const responseEdits: EditRules = {};

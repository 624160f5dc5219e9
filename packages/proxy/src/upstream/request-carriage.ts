import { Framing, GrpcKind, MethodId, grpcKindOf } from '@weft/http';
import type { Head, RequestFacts } from '@weft/http';

/** What a request asks of the connection that carries it. */
export const Carriage = {
  /** Every version says it. */
  Any: 0,
  /** A WebSocket: HTTP/2 says it as extended CONNECT, to a peer that takes that (RFC 8441); else HTTP/1.1. */
  ExtendedConnect: 1,
  /** HTTP/2 cannot say it: another upgrade, a request that names no host, the case of field names where it is to be kept. */
  Http1: 2,
  /** Every version of our own says it; an application that has declared nothing is spoken to in HTTP/2 for it. */
  Grpc: 3,
} as const;
export type Carriage = (typeof Carriage)[keyof typeof Carriage];

/**
 * For a head as it is about to be sent; asked once per request, so it looks at nothing but facts. `keepsCase`: field names that came
 * over HTTP/1.1 are to arrive as they were written. HTTP/2 has none but lower-case ones (RFC 9113 §8.2.1).
 */
export function carriageOf(head: Head, facts: RequestFacts, keepsCase: boolean): Carriage {
  // RFC 9113 §8.3.1: an empty Host has no form as `:authority`.
  if (facts.host === '' && head.authorityStart === head.authorityEnd) return Carriage.Http1;
  if (keepsCase && head.raw) return Carriage.Http1;
  if (facts.upgrade === '') {
    return head.methodId === MethodId.Post && grpcKindOf(head) === GrpcKind.Grpc ? Carriage.Grpc : Carriage.Any;
  }
  const websocket = facts.upgrade === 'websocket' && head.methodId === MethodId.Get && facts.framing === Framing.None;
  return websocket ? Carriage.ExtendedConnect : Carriage.Http1;
}

import type { EndpointState } from '@weft/balance';
import type { RouteDecision, Tables } from '@weft/decision';
import type { DestinationKey } from '@weft/model';
import type { Ingress } from '../exchange/ingress.ts';

/** What is known of a TCP connection while it is carried and when it ends. Read, never written, from outside. */
export interface TcpFacts {
  readonly ingress: Ingress;
  readonly decision: RouteDecision;
  readonly tables: Tables;
  /** Empty until it is known. */
  readonly destination: DestinationKey;
  /** Name asked for in the ClientHello, when it was read; else empty. */
  readonly serverName: string;
  /** From the accepted connection to the last reading of the clock, milliseconds. */
  readonly durationMs: number;
  /** Bytes that the caller sent and that were taken from it. */
  readonly receivedBytes: number;
  /** Bytes of the endpoint passed on to the caller. */
  readonly sentBytes: number;
  /** Until the endpoint had accepted, the mesh handshake and the peer's word included; -1 when none did. */
  readonly connectMs: number;
  readonly attempts: number;
  readonly retried: boolean;
  readonly endpoint: EndpointState | null;
}

import type { DestinationKey } from '@weft/model';

/**
 * Where a request came in, as far as it decides where it may go. One object per listener and peer identity, shared by
 * all connections of both.
 *
 * - `explicit`: the local application speaks to us as to a proxy; the host of the request names the destination.
 * - `fixed`: a local address that stands for one destination.
 * - `captured`: the local application called an address that a rule of the kernel led to us; the address decides.
 * - `gateway`: a listener of a Gateway at the edge of the mesh.
 * - `inbound`: a peer, for one port of the local application.
 */
export interface Ingress {
  readonly kind: 'explicit' | 'fixed' | 'captured' | 'gateway' | 'inbound';
  /** `fixed`, `captured` and `inbound`: the destination; `gateway`: empty. */
  readonly destination: DestinationKey;
  /** `gateway`: the name of the listener in the view. */
  readonly listener: string;
  /** `namespace/service-account` or `unknown`: label of the caller. */
  readonly source: string;
  /** SPIFFE ID of a verified peer; empty otherwise. */
  readonly peerIdentity: string;
  /** Address of the peer, for `x-forwarded-for`; only where a gateway needs it. */
  readonly clientAddress: string;
  /** The scheme the client used. */
  readonly scheme: 'http' | 'https';
  /** `gateway`: the name that chose the listener in the TLS handshake (RFC 6066 §3); empty when none did. */
  readonly serverName: string;
}

import type { AddressRange, PortRange } from '@weft/kernel';

/** What is redirected to a proxy, and what is not. Rules for every tool are written from it. */
export interface CapturePlan {
  /** User (by number) the proxy runs as: its own connections leave as they are. */
  readonly proxyUser: number;
  /** Port of the proxy that gets what leaves. */
  readonly outboundPort: number;
  /** Port of the proxy that gets what arrives. */
  readonly inboundPort: number;
  /** Ports whose arrivals are redirected: all but the excluded ones, or these. Empty list: none. */
  readonly inbound: 'all' | readonly PortRange[];
  /** Users whose departures are redirected: all but the proxy's, or these. Empty list: none. */
  readonly outbound: 'all' | readonly number[];
  readonly excludedInboundPorts: readonly PortRange[];
  readonly excludedOutboundPorts: readonly PortRange[];
  readonly excludedOutboundRanges: readonly AddressRange[];
}

/** What goes there, or comes from there, is for the application itself and never redirected. */
export const loopbackRanges = { 4: '127.0.0.0/8', 6: '::1/128' } as const;

/**
 * Addresses from which the proxy hands arrivals to an application that listens on its pod's address. Any of loopback would do;
 * that of IPv4 is nobody else's, so that its ports are all ours and a person who looks at connections can tell.
 */
export const handoverSources = { 4: '127.0.0.6', 6: '::1' } as const;

/**
 * Of documentation, routed nowhere (RFC 5737 §3, RFC 3849): who is answered from there was redirected. Calls of the proxy itself to
 * this one port there are redirected too, so that it can see whether rules are there though it is exempt from them.
 */
export const nowhere = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
/** Any port that no exclusion names would do. */
export const PROOF_PORT = 9;

export function capturesInbound({ inbound }: CapturePlan): boolean {
  return inbound === 'all' || inbound.length > 0;
}

export function capturesOutbound({ outbound }: CapturePlan): boolean {
  return outbound === 'all' || outbound.length > 0;
}

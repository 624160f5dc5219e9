import type { RouteTable } from '@weft/decision';

const known = new WeakMap<RouteTable, boolean>();

/** Whether the rules choose by the name in a ClientHello, so that it must be read first. */
export function readsServerName(routes: RouteTable): boolean {
  let reads = known.get(routes);
  if (reads === undefined) {
    reads = routes.rules.some(({ route, source }) => source.hostnames.length > 0 || route.startsWith('TLSRoute '));
    known.set(routes, reads);
  }
  return reads;
}

/** Whether the rules are of a protocol above TCP: then such a port is never carried as opaque bytes. */
export function readsRequests(routes: RouteTable): boolean {
  return routes.rules.some(({ route }) => route.startsWith('HTTPRoute ') || route.startsWith('GRPCRoute '));
}

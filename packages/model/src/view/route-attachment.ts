import type { GatewayListenerSpec } from '../kinds/gateway.ts';
import type { AnyRoute, ObjectOf } from '../kinds/kind-table.ts';
import type { RouteParentRef } from '../kinds/route-parent.ts';
import type { ServicePort } from '../kinds/service.ts';
import { isMeshPort, isSection, protocolOf } from './destination.ts';
import { type Model, parentOf } from './model.ts';

/** Reasons of the condition `Accepted: False` of a parent, as the standard names them. */
export type NotAttachedReason =
  | 'NoMatchingParent'
  | 'NotAllowedByListeners'
  | 'NoMatchingListenerHostname'
  | 'RouteTypeConflict'
  | 'UnsupportedProtocol';

export type ServiceAttachment =
  | { readonly ok: true; readonly ports: readonly ServicePort[] }
  | { readonly ok: false; readonly reason: NotAttachedReason; readonly message: string };

export interface AttachedListener {
  readonly listener: GatewayListenerSpec;
  /** Hosts of the route that the listener serves; empty: all of the listener's. */
  readonly hostnames: readonly string[];
}

export type GatewayAttachment =
  | { readonly ok: true; readonly listeners: readonly AttachedListener[] }
  | { readonly ok: false; readonly reason: NotAttachedReason; readonly message: string };

/** The controller that a GatewayClass names for Gateways served by Weft. */
export const gatewayController = 'weft.dev/gateway-controller';
export const meshController = 'weft.dev/mesh-controller';

/**
 * Ports of a Service that one parentRef attaches a route to. Declared protocols other than HTTP take no routes of requests,
 * declared HTTP takes none of connections.
 */
export function attachToService(
  service: ObjectOf<'Service'> | undefined,
  ref: RouteParentRef,
  kind: AnyRoute['kind'],
): ServiceAttachment {
  if (service === undefined)
    return { ok: false, reason: 'NoMatchingParent', message: `Service ${ref.name} does not exist` };
  const named = (service.spec.ports ?? []).filter(
    (port) =>
      isMeshPort(port) &&
      (ref.port === undefined || port.port === ref.port) &&
      (ref.sectionName === undefined || isSection(port, ref.sectionName)),
  );
  if (named.length === 0) {
    return { ok: false, reason: 'NoMatchingParent', message: `Service ${ref.name} has no such TCP port` };
  }
  const opaque = isOpaque(kind);
  const ports = named.filter((port) => {
    const protocol = protocolOf(port);
    return protocol === 'Unknown' || (protocol === 'Tcp') === opaque;
  });
  if (ports.length > 0) return { ok: true, ports };
  const message = opaque
    ? `all ports of Service ${ref.name} are declared to speak HTTP`
    : `no port of Service ${ref.name} speaks HTTP`;
  return { ok: false, reason: 'UnsupportedProtocol', message };
}

/** Listeners of a Gateway that one parentRef attaches a route to. */
export function attachToGateway(
  model: Model,
  gateway: ObjectOf<'Gateway'>,
  route: AnyRoute,
  ref: RouteParentRef,
): GatewayAttachment {
  const named = gateway.spec.listeners.filter(
    ({ name, port }) =>
      (ref.sectionName === undefined || name === ref.sectionName) && (ref.port === undefined || port === ref.port),
  );
  if (named.length === 0) {
    return { ok: false, reason: 'NoMatchingParent', message: `Gateway ${ref.name} has no such listener` };
  }
  const served = named.filter(isServed);
  if (served.length === 0) {
    return {
      ok: false,
      reason: 'NoMatchingParent',
      message: `Gateway ${ref.name} has no listener there that is served`,
    };
  }
  const allowed = served.filter((listener) => allows(model, gateway, listener, route));
  if (allowed.length === 0) {
    const message = `no listener of Gateway ${ref.name} allows ${route.kind}s of namespace ${route.metadata.namespace}`;
    return { ok: false, reason: 'NotAllowedByListeners', message };
  }
  const listeners: AttachedListener[] = [];
  for (const listener of allowed) {
    const hostnames = intersectHostnames(listener.hostname ?? '', hostnamesOf(route));
    if (hostnames !== undefined) listeners.push({ listener, hostnames });
  }
  if (listeners.length > 0) return { ok: true, listeners };
  return { ok: false, reason: 'NoMatchingListenerHostname', message: 'no hostname is served by the listeners' };
}

/** Whether this version serves the listener. */
export function isServed(listener: GatewayListenerSpec): boolean {
  return routeKinds(listener).some((kind) => allowsKind(listener, kind));
}

/** The kinds of routes that a listener of its protocol takes; none when the protocol is not served. */
export function routeKinds(listener: GatewayListenerSpec): readonly AnyRoute['kind'][] {
  if (listener.protocol === 'HTTP' || terminates(listener)) return ['HTTPRoute', 'GRPCRoute'];
  if (listener.protocol === 'TCP') return ['TCPRoute'];
  return listener.protocol === 'TLS' && listener.tls?.mode === 'Passthrough' ? ['TLSRoute'] : [];
}

/** Whether the gateway itself ends TLS there, with certificates of its own. */
export function terminates({ protocol, tls }: GatewayListenerSpec): boolean {
  return protocol === 'HTTPS' && tls?.mode !== 'Passthrough' && (tls?.certificateRefs ?? []).length > 0;
}

export function isOpaque(kind: AnyRoute['kind']): boolean {
  return kind === 'TCPRoute' || kind === 'TLSRoute';
}

/** Hosts, or server names, that a route asks for; empty for all. */
export function hostnamesOf(route: AnyRoute): readonly string[] {
  return route.kind === 'TCPRoute' ? [] : (route.spec.hostnames ?? []);
}

export function isOurGateway(model: Model, gateway: ObjectOf<'Gateway'>): boolean {
  return model.object('GatewayClass', '', gateway.spec.gatewayClassName)?.spec.controllerName === gatewayController;
}

/** parentRefs of a route that name this Gateway or Service (`namespace/name`). */
export function refsTo(route: AnyRoute, kind: 'Service' | 'Gateway', key: string): RouteParentRef[] {
  return (route.spec.parentRefs ?? []).filter((ref) => {
    const parent = parentOf(ref, route.metadata.namespace);
    return parent?.kind === kind && parent.key === key;
  });
}

/**
 * Hosts that both sides serve; undefined when none, empty when the route names none. `*.` matches one label or more, on
 * either side, and never the bare domain (Gateway API `Hostname`).
 */
export function intersectHostnames(listener: string, route: readonly string[]): readonly string[] | undefined {
  if (route.length === 0 || listener === '') return route;
  const both = new Set<string>();
  for (const host of route) {
    if (host === listener || covers(listener, host)) both.add(host);
    else if (covers(host, listener)) both.add(listener);
  }
  return both.size === 0 ? undefined : [...both];
}

/** Whether two routes of one listener serve a host in common; none named is all of the listener's. */
export function hostnamesOverlap(left: readonly string[], right: readonly string[]): boolean {
  if (left.length === 0 || right.length === 0) return true;
  return left.some((a) => right.some((b) => a === b || covers(a, b) || covers(b, a)));
}

/** Whether every host of `narrow` is one of `wide`. */
function covers(wide: string, narrow: string): boolean {
  return wide.startsWith('*.') && narrow.endsWith(wide.slice(1)) && narrow.length > wide.length - 1;
}

function allows(model: Model, gateway: ObjectOf<'Gateway'>, listener: GatewayListenerSpec, route: AnyRoute): boolean {
  if (!routeKinds(listener).includes(route.kind) || !allowsKind(listener, route.kind)) return false;
  const namespaces = listener.allowedRoutes?.namespaces;
  switch (namespaces?.from ?? 'Same') {
    case 'All':
      return true;
    case 'None':
      return false;
    case 'Same':
      return route.metadata.namespace === gateway.metadata.namespace;
    case 'Selector': {
      const { namespace } = route.metadata;
      // Kubernetes puts this label on every namespace; without a cluster namespaces need no object to be named by it.
      const labels: Readonly<Record<string, string>> = {
        'kubernetes.io/metadata.name': namespace,
        ...model.object('Namespace', '', namespace)?.metadata.labels,
      };
      const wanted = Object.entries(namespaces?.selector?.matchLabels ?? {});
      return wanted.every(([name, value]) => labels[name] === value);
    }
  }
}

function allowsKind(listener: GatewayListenerSpec, wanted: AnyRoute['kind']): boolean {
  const kinds = listener.allowedRoutes?.kinds ?? [];
  if (kinds.length === 0) return true;
  return kinds.some(
    ({ group, kind }) => kind === wanted && (group ?? 'gateway.networking.k8s.io') === 'gateway.networking.k8s.io',
  );
}

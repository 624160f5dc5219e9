import { type AnyRoute, type ObjectKey, type ObjectOf, keyOf } from '../kinds/kind-table.ts';
import type { ServicePort } from '../kinds/service.ts';
import { mergeRequest } from '../policy/effective-traffic.ts';
import { byAge, gatewayLayers, serviceLayers } from '../policy/policy-layers.ts';
import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import { destinationKey, isMeshPort, readDestination } from './destination.ts';
import { permittedCertificates } from './certificate-reference.ts';
import type { Model } from './model.ts';
import { portProtocol } from './port-protocol.ts';
import type { DestinationKey, DestinationRoutes, GatewayListener, RouteRule } from './resource.ts';
import {
  type AttachedListener,
  attachToGateway,
  attachToService,
  hostnamesOf,
  hostnamesOverlap,
  isOurGateway,
  isServed,
  refsTo,
  terminates,
} from './route-attachment.ts';
import { compileOpaqueRule, compileRule, matchAll, opaqueTimeouts } from './route-rule.ts';

/**
 * The rules of a destination for callers of a namespace; undefined when there is no such Service port. Routes of the
 * caller's namespace replace those of the Service's own (GAMMA); without any, one rule sends everything to the Service.
 */
export function resolveRoutes(
  model: Model,
  key: DestinationKey,
  callerNamespace: string,
): DestinationRoutes | undefined {
  const place = findPort(model, key);
  if (place === undefined) return undefined;
  const { service, port } = place;
  const rules: RouteRule[] = [];
  const opaque = portProtocol(model, service, port) === 'Tcp';
  for (const route of attachedRoutes(model, service, port, callerNamespace)) {
    if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') {
      const request = mergeRequest(serviceLayers(model, service, port, callerNamespace));
      for (const index of route.spec.rules.keys()) {
        rules.push(compileOpaqueRule(model, route, index, hostnamesOf(route), request));
      }
      continue;
    }
    // Hostnames are for Gateways: under a Service the destination has been told by its address already.
    for (const [index, rule] of (route.spec.rules ?? [{}]).entries()) {
      const scope = { route, rule };
      const request = mergeRequest(serviceLayers(model, service, port, callerNamespace, scope), scope);
      rules.push(compileRule(model, route, index, [], key, request));
    }
  }
  if (rules.length === 0) {
    const request = mergeRequest(serviceLayers(model, service, port, callerNamespace));
    const { retries } = request;
    const timeouts = opaque ? opaqueTimeouts(request) : request.timeouts;
    rules.push({
      route: `Service ${service.metadata.namespace}/${service.metadata.name}`,
      rule: '0',
      hostnames: [],
      matches: [matchAll()],
      filters: [],
      backends: [{ backend: key, weight: 1, filters: [] }],
      timeouts,
      retries,
    });
  }
  return { type: 'routes', name: key, rules };
}

const listenerProtocols: Readonly<Record<string, GatewayListener['protocol']>> = {
  HTTP: 'Http',
  HTTPS: 'Https',
  TCP: 'Tcp',
  TLS: 'Tls',
};

/** The served listeners of a Gateway (`namespace/name`) in its own order; empty when it is not one of ours. */
export function resolveGatewayListeners(model: Model, gatewayKey: string): readonly GatewayListener[] {
  const [namespace = '', name = ''] = gatewayKey.split('/');
  const gateway = model.object('Gateway', namespace, name);
  if (gateway === undefined || !isOurGateway(model, gateway)) return [];
  const attached = attachments(model, gateway);
  const listeners: GatewayListener[] = [];
  for (const listener of gateway.spec.listeners) {
    if (!isServed(listener)) continue;
    const rules: RouteRule[] = [];
    for (const { route, listeners: places } of attached) {
      const place = places.get(listener.name);
      if (place === undefined) continue;
      if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') {
        const request = mergeRequest(gatewayLayers(model, gateway, listener.name));
        for (const at of route.spec.rules.keys()) {
          rules.push(compileOpaqueRule(model, route, at, place.hostnames, request));
        }
        continue;
      }
      for (const [index, rule] of (route.spec.rules ?? [{}]).entries()) {
        const scope = { route, rule };
        const request = mergeRequest(gatewayLayers(model, gateway, listener.name, scope), scope);
        rules.push(compileRule(model, route, index, place.hostnames, '', request));
      }
    }
    listeners.push({
      type: 'listener',
      name: `${namespace}/${name}/${listener.name}`,
      port: listener.port,
      protocol: listenerProtocols[listener.protocol] ?? 'Http',
      hostname: listener.hostname ?? '',
      rules,
      certificates: terminates(listener) ? permittedCertificates(model, gateway, listener) : [],
    });
  }
  return listeners;
}

/** Keys of all destinations that rules may send to, mirrors included: what must be sent with them. Sorted. */
export function closure(routes: { readonly rules: readonly RouteRule[] }): readonly DestinationKey[] {
  const keys = new Set<DestinationKey>();
  for (const { backends, filters } of routes.rules) {
    for (const filter of filters) if (filter.type === 'RequestMirror') keys.add(filter.mirror.backend);
    for (const { backend, filters: own } of backends) {
      keys.add(backend);
      for (const filter of own) if (filter.type === 'RequestMirror') keys.add(filter.mirror.backend);
    }
  }
  keys.delete('');
  return [...keys].sort(byCodeUnit);
}

export function findPort(
  model: Model,
  key: DestinationKey,
): { readonly service: ObjectOf<'Service'>; readonly port: ServicePort } | undefined {
  const parts = readDestination(key);
  if (parts === undefined) return undefined;
  const service = model.object('Service', parts.namespace, parts.service);
  const port = service?.spec.ports?.find((each) => each.port === parts.port && isMeshPort(each));
  if (service === undefined || port === undefined) return undefined;
  return destinationKey(`${parts.namespace}/${parts.service}`, port.port) === key ? { service, port } : undefined;
}

/** A route of a Gateway with the listeners it is attached to, each once, however many parentRefs name it. */
export interface GatewayRoute {
  readonly route: AnyRoute;
  readonly listeners: ReadonlyMap<string, AttachedListener>;
  /** Listeners that refused it for a route of another kind with a host in common, and that route. */
  readonly conflicts: ReadonlyMap<string, ObjectKey>;
}

/**
 * The routes of a Gateway, the preferred first. Where routes of two kinds have a host of a listener in common, the older one
 * (then the first `namespace/name`) holds it and the other is not attached (Gateway API `GRPCRouteSpec.hostnames`).
 */
export function attachments(model: Model, gateway: ObjectOf<'Gateway'>): readonly GatewayRoute[] {
  const key = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
  const found = attachmentsByModel.get(model);
  const known = found?.revision === model.revision ? found : { revision: model.revision, byGateway: new Map() };
  attachmentsByModel.set(model, known);
  let routes = known.byGateway.get(key);
  if (routes === undefined) known.byGateway.set(key, (routes = findAttachments(model, gateway, key)));
  return routes;
}

/** The route of a more specific kind that takes a port of a Service from a route of the same namespace; undefined without. */
export function rivalOf(
  model: Model,
  service: ObjectOf<'Service'>,
  port: ServicePort,
  route: AnyRoute,
): AnyRoute | undefined {
  const { namespace } = route.metadata;
  const held = attachedRoutes(model, service, port, namespace, namespace)[0];
  const rank = (kind: AnyRoute['kind']): number => kindsBySpecificity.indexOf(kind);
  return held !== undefined && rank(held.kind) < rank(route.kind) ? held : undefined;
}

/** Asked for by the status of each route of a Gateway, and dear where there are many: remembered until the next change. */
const attachmentsByModel = new WeakMap<Model, { revision: number; byGateway: Map<string, readonly GatewayRoute[]> }>();

function findAttachments(model: Model, gateway: ObjectOf<'Gateway'>, key: string): readonly GatewayRoute[] {
  const keys = model.routesByGateway.get(key);
  const routes: AnyRoute[] = [...model.requestRoutes(keys), ...model.opaqueRoutes(keys)].sort(byAge);
  const mixed = model.grpcRoutesByParent.get(`Gateway/${key}`).size > 0;
  const attached: GatewayRoute[] = [];
  for (const route of routes) {
    const listeners = new Map<string, AttachedListener>();
    const conflicts = new Map<string, ObjectKey>();
    for (const ref of refsTo(route, 'Gateway', key)) {
      const attachment = attachToGateway(model, gateway, route, ref);
      if (!attachment.ok) continue;
      for (const place of attachment.listeners) {
        const rival = mixed ? rivalAtListener(route, place, attached) : undefined;
        if (rival === undefined) listeners.set(place.listener.name, place);
        else conflicts.set(place.listener.name, keyOf(rival));
      }
    }
    attached.push({ route, listeners, conflicts });
  }
  return attached;
}

function rivalAtListener(
  route: AnyRoute,
  place: AttachedListener,
  before: readonly GatewayRoute[],
): AnyRoute | undefined {
  return before.find((other) => {
    if (other.route.kind === route.kind) return false;
    const held = other.listeners.get(place.listener.name);
    return held !== undefined && hostnamesOverlap(held.hostnames, place.hostnames);
  })?.route;
}

/** Where several kinds are attached, the most specific alone holds (GAMMA): GRPCRoute, HTTPRoute, TLSRoute, TCPRoute. */
function attachedRoutes(
  model: Model,
  service: ObjectOf<'Service'>,
  port: ServicePort,
  callerNamespace: string,
  onlyOf?: string,
): AnyRoute[] {
  const { namespace, name } = service.metadata;
  const producers: AnyRoute[] = [];
  const consumers: AnyRoute[] = [];
  const keys = model.routesByService.get(`${namespace}/${name}`);
  for (const route of [...model.requestRoutes(keys), ...model.opaqueRoutes(keys)]) {
    const owner = route.metadata.namespace;
    if (owner !== namespace && owner !== callerNamespace) continue;
    if (onlyOf !== undefined && owner !== onlyOf) continue;
    if (isAttached(route, service, port)) (owner === namespace ? producers : consumers).push(route);
  }
  const routes = consumers.length > 0 ? consumers : producers;
  for (const kind of kindsBySpecificity) {
    const held = routes.filter((route) => route.kind === kind);
    if (held.length > 0) return held.sort(byAge);
  }
  return [];
}

const kindsBySpecificity: readonly AnyRoute['kind'][] = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute'];

function isAttached(route: AnyRoute, service: ObjectOf<'Service'>, port: ServicePort): boolean {
  const key = `${service.metadata.namespace}/${service.metadata.name}`;
  return refsTo(route, 'Service', key).some((ref) => {
    const attachment = attachToService(service, ref, route.kind);
    return attachment.ok && attachment.ports.includes(port);
  });
}

import type { ObjectOf } from '../kinds/kind-table.ts';
import type { ServicePort } from '../kinds/service.ts';
import { mergeRequest } from '../policy/effective-traffic.ts';
import { byAge, gatewayLayers, serviceLayers } from '../policy/policy-layers.ts';
import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import { destinationKey, isMeshPort, readDestination } from './destination.ts';
import type { Model } from './model.ts';
import type { DestinationKey, DestinationRoutes, GatewayListener, RouteRule } from './resource.ts';
import {
  type AttachedListener,
  attachToGateway,
  attachToService,
  isOurGateway,
  isServed,
  refsTo,
} from './route-attachment.ts';
import { compileRule, matchAll } from './route-rule.ts';

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
  for (const route of attachedRoutes(model, service, port, callerNamespace)) {
    // Hostnames are for Gateways: under a Service the destination has been told by its address already.
    for (const [index, rule] of (route.spec.rules ?? [{}]).entries()) {
      const scope = { route, rule };
      const request = mergeRequest(serviceLayers(model, service, port, callerNamespace, scope), scope);
      rules.push(compileRule(model, route, index, [], key, request));
    }
  }
  if (rules.length === 0) {
    const { timeouts, retries } = mergeRequest(serviceLayers(model, service, port, callerNamespace));
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

/** HTTP listeners of a Gateway (`namespace/name`) in its own order; empty when it is not one of ours. */
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
      protocol: 'Http',
      hostname: listener.hostname ?? '',
      rules,
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

/** Routes of each attached HTTPRoute by listener name; each listener once, however many parentRefs name it. */
export function attachments(
  model: Model,
  gateway: ObjectOf<'Gateway'>,
): { readonly route: ObjectOf<'HTTPRoute'>; readonly listeners: ReadonlyMap<string, AttachedListener> }[] {
  const key = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
  const routes = [...model.pick('HTTPRoute', model.routesByGateway.get(key))].sort(byAge);
  return routes.map((route) => {
    const listeners = new Map<string, AttachedListener>();
    for (const ref of refsTo(route, 'Gateway', key)) {
      const attachment = attachToGateway(model, gateway, route, ref);
      if (!attachment.ok) continue;
      for (const place of attachment.listeners) listeners.set(place.listener.name, place);
    }
    return { route, listeners };
  });
}

function attachedRoutes(
  model: Model,
  service: ObjectOf<'Service'>,
  port: ServicePort,
  callerNamespace: string,
): ObjectOf<'HTTPRoute'>[] {
  const { namespace, name } = service.metadata;
  const key = `${namespace}/${name}`;
  const producers: ObjectOf<'HTTPRoute'>[] = [];
  const consumers: ObjectOf<'HTTPRoute'>[] = [];
  for (const route of model.pick('HTTPRoute', model.routesByService.get(key))) {
    const owner = route.metadata.namespace;
    if (owner !== namespace && owner !== callerNamespace) continue;
    const attached = refsTo(route, 'Service', key).some((ref) => {
      const attachment = attachToService(service, ref);
      return attachment.ok && attachment.ports.includes(port);
    });
    if (attached) (owner === namespace ? producers : consumers).push(route);
  }
  return (consumers.length > 0 ? consumers : producers).sort(byAge);
}

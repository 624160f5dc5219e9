import type { Model } from '../view/model.ts';
import { findPort } from '../view/resolve-routes.ts';
import type { DestinationKey } from '../view/resource.ts';
import { type EffectiveEndpoint, type EffectiveRequest, mergeEndpoint, mergeRequest } from './effective-traffic.ts';
import { serviceLayers } from './policy-layers.ts';

export interface EffectiveTraffic {
  readonly request: EffectiveRequest;
  readonly endpoint: EffectiveEndpoint;
}

/**
 * The policy of a destination as callers of a namespace get it, with the layer each value comes from. With `route`
 * (`namespace/name`; a GRPCRoute where there is no HTTPRoute of that name) and `rule` (its index) the request fields are those of that rule. Undefined for what does not exist.
 */
export function effectiveTraffic(
  model: Model,
  key: DestinationKey,
  callerNamespace: string,
  route = '',
  rule = 0,
): EffectiveTraffic | undefined {
  const place = findPort(model, key);
  if (place === undefined) return undefined;
  const { service, port } = place;
  const [namespace = '', name = ''] = route.split('/');
  const routeObject =
    route === ''
      ? undefined
      : (model.object('HTTPRoute', namespace, name) ?? model.object('GRPCRoute', namespace, name));
  const ruleObject = routeObject?.spec.rules?.[rule];
  if (route !== '' && ruleObject === undefined) return undefined;
  const scope =
    routeObject === undefined || ruleObject === undefined ? undefined : { route: routeObject, rule: ruleObject };
  return {
    request: mergeRequest(serviceLayers(model, service, port, callerNamespace, scope), scope),
    endpoint: mergeEndpoint(serviceLayers(model, service, port, callerNamespace), service),
  };
}

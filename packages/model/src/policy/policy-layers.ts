import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import type { ConfigObject, ObjectOf, RequestRoute } from '../kinds/kind-table.ts';
import type { HttpRouteRule } from '../kinds/http-route.ts';
import type { ServicePort } from '../kinds/service.ts';
import type { TrafficSpec } from '../kinds/traffic-policy.ts';
import { isSection } from '../view/destination.ts';
import type { Model, TargetKey } from '../view/model.ts';

/** One policy that has something to say about a call, and how near it is. */
export interface TrafficLayer {
  /** For people: `TrafficPolicy shop/orders`. */
  readonly source: string;
  /** Whether it is the caller's own word about a Service of somebody else. */
  readonly consumer: boolean;
  readonly spec: TrafficSpec;
}

export interface RouteScope {
  readonly route: RequestRoute;
  readonly rule: Pick<HttpRouteRule, 'name' | 'timeouts' | 'retry'>;
}

/**
 * Layers of the request fields of a call to a Service, nearest first:
 * ```
 * consumer: rule > route > Service port > Service          (only for callers of another namespace)
 * producer: rule > route > Service port > Service > namespace
 * Mesh
 * ```
 */
export function serviceLayers(
  model: Model,
  service: ObjectOf<'Service'>,
  port: ServicePort,
  callerNamespace: string,
  scope?: RouteScope,
): TrafficLayer[] {
  const { namespace } = service.metadata;
  const layers: TrafficLayer[] = [];
  const consumerRoute = scope !== undefined && scope.route.metadata.namespace !== namespace;
  if (callerNamespace !== namespace) {
    if (consumerRoute) addRoute(model, scope, true, layers);
    addService(model, service, port, callerNamespace, true, layers);
  }
  if (scope !== undefined && !consumerRoute) addRoute(model, scope, false, layers);
  addService(model, service, port, namespace, false, layers);
  addNamespaceAndMesh(model, namespace, layers);
  return layers;
}

/** Layers of the request fields of a route on a Gateway, nearest first: rule > route > listener > Gateway > namespace > Mesh. */
export function gatewayLayers(
  model: Model,
  gateway: ObjectOf<'Gateway'>,
  listener: string,
  scope?: RouteScope,
): TrafficLayer[] {
  const { namespace, name } = gateway.metadata;
  const layers: TrafficLayer[] = [];
  if (scope !== undefined) addRoute(model, scope, false, layers);
  const target = `Gateway/${namespace}/${name}`;
  add(
    winner(model, target, namespace, (section) => section === listener),
    false,
    layers,
  );
  add(
    winner(model, target, namespace, (section) => section === undefined),
    false,
    layers,
  );
  addNamespaceAndMesh(model, namespace, layers);
  return layers;
}

/**
 * The one policy of `policyNamespace` that holds among those with the same target at the same level: the older, then
 * `namespace/name`.
 */
export function winner(
  model: Model,
  target: TargetKey,
  policyNamespace: string,
  isLevel: (sectionName: string | undefined) => boolean,
): ObjectOf<'TrafficPolicy'> | undefined {
  let best: ObjectOf<'TrafficPolicy'> | undefined;
  for (const policy of model.pick('TrafficPolicy', model.trafficByTarget.get(target))) {
    if (policy.metadata.namespace !== policyNamespace || !names(policy, target, isLevel)) continue;
    if (best === undefined || byAge(policy, best) < 0) best = policy;
  }
  return best;
}

/** Older first, then `namespace/name`: the order of equals everywhere in the standard. Files have no age: the name decides. */
export function byAge(left: ConfigObject, right: ConfigObject): number {
  if (left.metadata.createdAtMs !== right.metadata.createdAtMs)
    return left.metadata.createdAtMs - right.metadata.createdAtMs;
  return byCodeUnit(
    `${left.metadata.namespace}/${left.metadata.name}`,
    `${right.metadata.namespace}/${right.metadata.name}`,
  );
}

function names(
  policy: ObjectOf<'TrafficPolicy'>,
  target: TargetKey,
  isLevel: (sectionName: string | undefined) => boolean,
): boolean {
  const refs = policy.spec.targetRefs;
  if (refs === undefined) return true;
  return refs.some(
    (ref) =>
      `${ref.kind}/${ref.namespace ?? policy.metadata.namespace}/${ref.name}` === target && isLevel(ref.sectionName),
  );
}

function addRoute(model: Model, { route, rule }: RouteScope, consumer: boolean, layers: TrafficLayer[]): void {
  const { namespace, name } = route.metadata;
  const target = `${route.kind}/${namespace}/${name}`;
  if (rule.name !== undefined)
    add(
      winner(model, target, namespace, (section) => section === rule.name),
      consumer,
      layers,
    );
  add(
    winner(model, target, namespace, (section) => section === undefined),
    consumer,
    layers,
  );
}

function addService(
  model: Model,
  service: ObjectOf<'Service'>,
  port: ServicePort,
  policyNamespace: string,
  consumer: boolean,
  layers: TrafficLayer[],
): void {
  const target = `Service/${service.metadata.namespace}/${service.metadata.name}`;
  const onPort = (section: string | undefined): boolean => section !== undefined && isSection(port, section);
  add(winner(model, target, policyNamespace, onPort), consumer, layers);
  add(
    winner(model, target, policyNamespace, (section) => section === undefined),
    consumer,
    layers,
  );
}

function addNamespaceAndMesh(model: Model, namespace: string, layers: TrafficLayer[]): void {
  add(
    winner(model, `Namespace//${namespace}`, namespace, () => true),
    false,
    layers,
  );
  const traffic = model.mesh()?.spec.defaults?.traffic;
  if (traffic !== undefined) layers.push({ source: 'Mesh default', consumer: false, spec: traffic });
}

function add(policy: ObjectOf<'TrafficPolicy'> | undefined, consumer: boolean, layers: TrafficLayer[]): void {
  if (policy === undefined) return;
  const { namespace, name } = policy.metadata;
  layers.push({ source: `TrafficPolicy ${namespace}/${name}`, consumer, spec: policy.spec });
}

import {
  type AnyRoute,
  type ConfigObject,
  type Model,
  type ObjectOf,
  type ResourceKey,
  destinationKey,
  objectKey,
  workloadsOf,
} from '@weft/model';

/**
 * The resources an object has a part in, as the model stands: who holds one of them is concerned by the object. Empty for
 * objects that only allow or describe (`ReferenceGrant`, `GatewayClass`, `Namespace`).
 */
export function resourcesOf(model: Model, object: ConfigObject): readonly ResourceKey[] {
  const { namespace, name } = object.metadata;
  switch (object.kind) {
    case 'Service':
      return [`names:${namespace}`, ...serviceResources(object)];
    case 'HTTPRoute':
    case 'GRPCRoute':
    case 'TCPRoute':
    case 'TLSRoute':
      return [...routeResources(model, object)];
    case 'Gateway':
      return listenersOf(object);
    case 'WorkloadEntry': {
      const key = `${namespace}/${name}`;
      const keys: ResourceKey[] = [`inbound:${key}`];
      for (const service of model.workloads.servicesOf(key)) keys.push(...endpointsOf(model.service(service)));
      return keys;
    }
    case 'Mesh':
      return ['mesh:default'];
    case 'TrafficPolicy':
      return [...trafficResources(model, object)];
    case 'TelemetryPolicy':
      return Array.from(workloadsOf(model, object), (key): ResourceKey => `inbound:${key}`);
    case 'AuthenticationPolicy':
      return [...authenticationResources(model, object)];
    default:
      return [];
  }
}

function destinationsOf(service: ObjectOf<'Service'> | undefined): string[] {
  if (service === undefined) return [];
  const { namespace, name } = service.metadata;
  return (service.spec.ports ?? [])
    .filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP')
    .map(({ port }) => destinationKey(`${namespace}/${name}`, port));
}

function serviceResources(service: ObjectOf<'Service'> | undefined): ResourceKey[] {
  return destinationsOf(service).flatMap((key): ResourceKey[] => [
    `routes:${key}`,
    `backend:${key}`,
    `endpoints:${key}`,
  ]);
}

function endpointsOf(service: ObjectOf<'Service'> | undefined): ResourceKey[] {
  return destinationsOf(service).map((key): ResourceKey => `endpoints:${key}`);
}

function listenersOf(gateway: ObjectOf<'Gateway'> | undefined): ResourceKey[] {
  if (gateway === undefined) return [];
  const { namespace, name } = gateway.metadata;
  return gateway.spec.listeners.map((listener): ResourceKey => `listener:${namespace}/${name}/${listener.name}`);
}

function* routeResources(model: Model, route: AnyRoute): Generator<ResourceKey> {
  for (const { kind = 'Gateway', name, namespace = route.metadata.namespace, port, sectionName } of route.spec
    .parentRefs ?? []) {
    if (kind === 'Service') {
      const service = model.object('Service', namespace, name);
      for (const key of destinationsOf(service)) {
        if (port === undefined || key.endsWith(`:${port}`)) yield `routes:${key}`;
      }
    } else if (kind === 'Gateway') {
      for (const key of listenersOf(model.object('Gateway', namespace, name))) {
        if (sectionName === undefined || key.endsWith(`/${sectionName}`)) yield key;
      }
    }
  }
}

function* trafficResources(model: Model, policy: ObjectOf<'TrafficPolicy'>): Generator<ResourceKey> {
  const own = policy.metadata.namespace;
  const refs = policy.spec.targetRefs;
  if (refs === undefined) {
    for (const key of model.servicesByNamespace.get(own)) yield* serviceResources(model.service(key));
    return;
  }
  for (const { kind, name, namespace = own } of refs) {
    if (kind === 'Service') yield* serviceResources(model.object('Service', namespace, name));
    else if (kind === 'Gateway') yield* listenersOf(model.object('Gateway', namespace, name));
    else {
      const routes = [objectKey(kind, namespace, name)];
      for (const route of model.requestRoutes(routes)) yield* routeResources(model, route);
    }
  }
}

function* authenticationResources(model: Model, policy: ObjectOf<'AuthenticationPolicy'>): Generator<ResourceKey> {
  const { namespace } = policy.metadata;
  const { selector, targetRefs } = policy.spec;
  if (selector !== undefined) {
    for (const key of model.workloads.select(namespace, selector.matchLabels)) yield `inbound:${key}`;
  } else if (targetRefs === undefined) {
    for (const key of model.workloads.inNamespace(namespace)) yield `inbound:${key}`;
  } else {
    for (const { name } of targetRefs)
      for (const key of model.workloads.membersOf(`${namespace}/${name}`)) yield `inbound:${key}`;
  }
}

import {
  type ConfigObject,
  type Kind,
  type ObjectKey,
  type ObjectOf,
  type AnyRoute,
  type OpaqueRoute,
  type RequestRoute,
  keyOf,
  objectKey,
} from '../kinds/kind-table.ts';
import type { RouteParentRef } from '../kinds/route-parent.ts';
import { targetKind } from '../kinds/policy-target.ts';
import { destinationKey, isMeshPort, protocolOf } from './destination.ts';
import { Relation } from './relation.ts';
import type { DestinationKey, ResourceKey } from './resource.ts';
import { type WorkloadInstance, WorkloadIndex, addressesOf } from './workload-index.ts';

export type Change =
  | { readonly type: 'Upsert'; readonly object: ConfigObject }
  | { readonly type: 'Remove'; readonly key: ObjectKey }
  | { readonly type: 'UpsertInstance'; readonly instance: WorkloadInstance }
  | { readonly type: 'RemoveInstance'; readonly workload: string };

/**
 * What may differ after a change: never too little, at times too much. Whoever resolves again and compares hashes stops there
 * when nothing did change.
 */
export interface ChangeEffect {
  readonly resources: ReadonlySet<ResourceKey>;
  /** Objects whose status may differ. */
  readonly objects: ReadonlySet<ObjectKey>;
}

interface Affected {
  readonly resources: Set<ResourceKey>;
  readonly objects: Set<ObjectKey>;
}

export type AnyPolicy = ObjectOf<'TrafficPolicy'> | ObjectOf<'AuthenticationPolicy'> | ObjectOf<'TelemetryPolicy'>;

/** What a policy targets, as `kind/namespace/name`; `Namespace//shop` for policies without a target. */
export type TargetKey = string;

/**
 * All accepted objects and attested proxies, with the reverse keys that make a change cost what it touches. One owner applies
 * changes; what is resolved from it is immutable and shared. It is not copied per change: a copy of 100,000 entries would
 * cost more than all the rest. Nothing depends on the order of arrival.
 */
export class Model {
  readonly workloads = new WorkloadIndex();
  /** Service key to routes that have it as parent. */
  readonly routesByService = new Relation<string, ObjectKey>();
  /** Gateway key to routes that have it as parent. */
  readonly routesByGateway = new Relation<string, ObjectKey>();
  /** `Service/…` or `Gateway/…` to the GRPCRoutes among them. */
  readonly grpcRoutesByParent = new Relation<string, ObjectKey>();
  readonly trafficByTarget = new Relation<TargetKey, ObjectKey>();
  readonly authenticationByTarget = new Relation<TargetKey, ObjectKey>();
  readonly telemetryByTarget = new Relation<TargetKey, ObjectKey>();
  readonly grantsByNamespace = new Relation<string, ObjectKey>();
  readonly servicesByNamespace = new Relation<string, string>();
  readonly gatewaysByNamespace = new Relation<string, ObjectKey>();
  /**
   * What is wrong with Secrets that Gateways name (`namespace/name`), as whoever reads them says. Empty where nobody does:
   * then gateways read them, and nothing is known here.
   */
  readonly certificateFaults = new Map<string, string>();
  readonly #objects = new Map<ObjectKey, ConfigObject>();
  readonly #instances = new Map<string, WorkloadInstance>();
  readonly #routesByBackend = new Relation<string, ObjectKey>();
  /** Namespace to routes elsewhere that refer to a Service in it. */
  readonly #foreignRoutes = new Relation<string, ObjectKey>();
  readonly #routesByNamespace = new Relation<string, ObjectKey>();
  readonly #gatewaysByClass = new Relation<string, ObjectKey>();
  #revision = 0;

  /** Counts what was applied: what was found under one number holds until the next. */
  get revision(): number {
    return this.#revision;
  }

  object<K extends Kind>(kind: K, namespace: string, name: string): ObjectOf<K> | undefined {
    return this.#objects.get(objectKey(kind, namespace, name)) as ObjectOf<K> | undefined;
  }

  byKey(key: ObjectKey): ConfigObject | undefined {
    return this.#objects.get(key);
  }

  /** `namespace/name`. */
  service(key: string): ObjectOf<'Service'> | undefined {
    return this.#objects.get(`Service/${key}` as ObjectKey) as ObjectOf<'Service'> | undefined;
  }

  mesh(): ObjectOf<'Mesh'> | undefined {
    return this.object('Mesh', '', 'default');
  }

  /** In order of arrival: sort what must be deterministic. */
  objects(): IterableIterator<ConfigObject> {
    return this.#objects.values();
  }

  instances(): IterableIterator<WorkloadInstance> {
    return this.#instances.values();
  }

  /** The objects of `kind` among `keys`. */
  *pick<K extends Kind>(kind: K, keys: Iterable<ObjectKey>): Generator<ObjectOf<K>> {
    for (const key of keys) {
      const found = this.#objects.get(key);
      if (found?.kind === kind) yield found as ObjectOf<K>;
    }
  }

  /** The routes among `keys` whose requests are heads with a path. */
  *requestRoutes(keys: Iterable<ObjectKey>): Generator<RequestRoute> {
    for (const key of keys) {
      const found = this.#objects.get(key);
      if (found?.kind === 'HTTPRoute' || found?.kind === 'GRPCRoute') yield found;
    }
  }

  /** The routes among `keys` of whole connections. */
  *opaqueRoutes(keys: Iterable<ObjectKey>): Generator<OpaqueRoute> {
    for (const key of keys) {
      const found = this.#objects.get(key);
      if (found?.kind === 'TCPRoute' || found?.kind === 'TLSRoute') yield found;
    }
  }

  /** Routes that have a TelemetryPolicy, as `kind/namespace/name`. */
  *telemetryRoutes(): Generator<TargetKey> {
    for (const target of this.telemetryByTarget.lefts()) {
      if (!target.startsWith('Namespace//') && !target.startsWith('Selector//')) yield target;
    }
  }

  /** Applies changes in order. Upserting what is there replaces it; removing what is not there is no fault. */
  applyChanges(changes: Iterable<Change>): ChangeEffect {
    const affected: Affected = { resources: new Set(), objects: new Set() };
    this.#revision += 1;
    for (const change of changes) {
      switch (change.type) {
        case 'Upsert':
          this.#replace(keyOf(change.object), change.object, affected);
          break;
        case 'Remove':
          this.#replace(change.key, undefined, affected);
          break;
        case 'UpsertInstance':
          this.#instances.set(change.instance.workload, change.instance);
          this.#setWorkload(change.instance.workload, affected);
          break;
        case 'RemoveInstance':
          this.#instances.delete(change.workload);
          this.#setWorkload(change.workload, affected);
          break;
      }
    }
    return affected;
  }

  #replace(key: ObjectKey, next: ConfigObject | undefined, affected: Affected): void {
    const before = this.#objects.get(key);
    if (before === next) return;
    affected.objects.add(key);
    if (before !== undefined) {
      this.#collect(before, affected);
      this.#index(before, false);
      this.#objects.delete(key);
    }
    if (next !== undefined) {
      this.#objects.set(key, next);
      this.#index(next, true);
    }
    const current = next ?? before;
    if (current?.kind === 'WorkloadEntry') {
      this.#setWorkload(`${current.metadata.namespace}/${current.metadata.name}`, affected);
    } else if (current?.kind === 'Service') {
      const service = serviceKey(current);
      for (const workload of this.workloads.setService(
        service,
        current.metadata.namespace,
        next === undefined ? undefined : current.spec.selector,
      )) {
        affected.resources.add(`inbound:${workload}`);
      }
    }
    if (next !== undefined) this.#collect(next, affected);
  }

  #setWorkload(key: string, affected: Affected): void {
    const entry = this.#objects.get(`WorkloadEntry/${key}` as ObjectKey) as ObjectOf<'WorkloadEntry'> | undefined;
    affected.resources.add(`inbound:${key}`);
    const before = this.workloads.get(key)?.instance;
    const known = learnedOf(before);
    const instance = this.#instances.get(key);
    for (const held of [before, instance]) {
      for (const address of addressesOf(held)) {
        affected.resources.add(`routes:${address}`).add(`backend:${address}`).add(`endpoints:${address}`);
      }
    }
    for (const service of this.workloads.set(key, entry, instance)) {
      this.#collectEndpoints(service, affected);
      if (learnedOf(instance) !== known) this.#collectProtocol(service, affected);
    }
  }

  #index(object: ConfigObject, present: boolean): void {
    const key = keyOf(object);
    const { namespace } = object.metadata;
    const put = <L, R>(relation: Relation<L, R>, left: L, right: R): void => {
      if (present) relation.add(left, right);
      else relation.delete(left, right);
    };
    switch (object.kind) {
      case 'Service':
        put(this.servicesByNamespace, namespace, serviceKey(object));
        break;
      case 'HTTPRoute':
      case 'GRPCRoute':
      case 'TCPRoute':
      case 'TLSRoute': {
        put(this.#routesByNamespace, namespace, key);
        for (const ref of object.spec.parentRefs ?? []) {
          const parent = parentOf(ref, namespace);
          if (parent?.kind === 'Service') put(this.routesByService, parent.key, key);
          if (parent?.kind === 'Gateway') put(this.routesByGateway, parent.key, key);
          if (parent !== undefined && object.kind === 'GRPCRoute')
            put(this.grpcRoutesByParent, `${parent.kind}/${parent.key}`, key);
        }
        for (const ref of backendsOf(object)) {
          const target = ref.namespace ?? namespace;
          put(this.#routesByBackend, `${target}/${ref.name}`, key);
          if (target !== namespace) put(this.#foreignRoutes, target, key);
        }
        break;
      }
      case 'Gateway':
        put(this.#gatewaysByClass, object.spec.gatewayClassName, key);
        put(this.gatewaysByNamespace, namespace, key);
        break;
      case 'ReferenceGrant':
        put(this.grantsByNamespace, namespace, key);
        break;
      case 'TrafficPolicy':
        for (const target of targetsOf(object)) put(this.trafficByTarget, target, key);
        break;
      case 'AuthenticationPolicy':
        for (const target of targetsOf(object)) put(this.authenticationByTarget, target, key);
        break;
      case 'TelemetryPolicy':
        for (const target of targetsOf(object)) put(this.telemetryByTarget, target, key);
        break;
      default:
        break;
    }
  }

  /** Adds what depends on an object that stands in the indexes. */
  #collect(object: ConfigObject, affected: Affected): void {
    const { namespace, name } = object.metadata;
    switch (object.kind) {
      case 'Service':
        this.#collectService(object, affected);
        break;
      case 'HTTPRoute':
      case 'GRPCRoute':
      case 'TCPRoute':
      case 'TLSRoute':
        this.#collectRoute(object, affected);
        break;
      case 'ReferenceGrant':
        this.#collectRoutes(this.#foreignRoutes.get(namespace), affected);
        break;
      case 'Gateway':
        this.#collectGateway(object, affected);
        for (const route of this.routesByGateway.get(`${namespace}/${name}`)) affected.objects.add(route);
        break;
      case 'GatewayClass':
        for (const gateway of this.pick('Gateway', this.#gatewaysByClass.get(name))) {
          this.#collectGateway(gateway, affected);
          for (const route of this.routesByGateway.get(`${gateway.metadata.namespace}/${gateway.metadata.name}`)) {
            affected.objects.add(route);
          }
        }
        break;
      case 'Namespace':
        this.#collectRoutes(this.#routesByNamespace.get(name), affected);
        break;
      case 'Mesh':
        this.#collectAll(affected);
        break;
      case 'TrafficPolicy':
        for (const target of targetsOf(object)) this.#collectTarget(target, affected);
        break;
      case 'AuthenticationPolicy':
        this.#collectAuthentication(object, affected);
        break;
      case 'TelemetryPolicy':
        for (const workload of workloadsOf(this, object)) affected.resources.add(`inbound:${workload}`);
        break;
      case 'WorkloadEntry':
        break;
    }
  }

  #collectService(service: ObjectOf<'Service'>, affected: Affected): void {
    const key = serviceKey(service);
    affected.resources.add(`names:${service.metadata.namespace}`);
    this.#collectDestinations(key, affected);
    this.#collectEndpoints(key, affected);
    this.#collectRoutes(this.#routesByBackend.get(key), affected);
    for (const route of this.routesByService.get(key)) affected.objects.add(route);
    for (const policy of this.trafficByTarget.get(`Service/${key}`)) affected.objects.add(policy);
    const authentication = this.authenticationByTarget.get(`Service/${key}`);
    for (const policy of authentication) affected.objects.add(policy);
    // Such a policy reaches the workloads of this Service, and with them what other Services say of them.
    if (authentication.size > 0) this.#collectWorkloads(this.workloads.membersOf(key), affected);
  }

  /** `routes:` and `backend:` of every port. */
  #collectDestinations(service: string, affected: Affected): void {
    for (const key of destinationsOf(this.service(service)))
      affected.resources.add(`routes:${key}`).add(`backend:${key}`);
  }

  #collectEndpoints(service: string, affected: Affected): void {
    for (const key of destinationsOf(this.service(service))) affected.resources.add(`endpoints:${key}`);
  }

  #collectRoutes(keys: Iterable<ObjectKey>, affected: Affected): void {
    for (const route of this.requestRoutes(keys)) this.#collectRoute(route, affected);
    for (const route of this.opaqueRoutes(keys)) this.#collectRoute(route, affected);
  }

  #collectRoute(route: AnyRoute, affected: Affected): void {
    const { namespace, name } = route.metadata;
    affected.objects.add(keyOf(route));
    for (const ref of route.spec.parentRefs ?? []) {
      const parent = parentOf(ref, namespace);
      if (parent?.kind === 'Service') {
        for (const key of destinationsOf(this.service(parent.key))) affected.resources.add(`routes:${key}`);
        this.#collectProtocol(parent.key, affected);
        this.#collectRivals(parent.kind, parent.key, route, affected);
      } else if (parent?.kind === 'Gateway') {
        const gateway = this.#objects.get(`Gateway/${parent.key}` as ObjectKey);
        if (gateway?.kind === 'Gateway') this.#collectGateway(gateway, affected);
        this.#collectRivals(parent.kind, parent.key, route, affected);
      }
    }
    for (const policy of this.trafficByTarget.get(`${route.kind}/${namespace}/${name}`)) affected.objects.add(policy);
  }

  /** A port that declares nothing speaks what the routes attached to it say, or what was learned. */
  #collectProtocol(service: string, affected: Affected): void {
    const ports = this.service(service)?.spec.ports ?? [];
    if (ports.every((port) => protocolOf(port) !== 'Unknown')) return;
    affected.resources.add(`names:${service.slice(0, service.indexOf('/'))}`);
    for (const key of destinationsOf(this.service(service)))
      affected.resources.add(`backend:${key}`).add(`routes:${key}`);
    for (const workload of this.workloads.membersOf(service)) affected.resources.add(`inbound:${workload}`);
    for (const route of this.routesByService.get(service)) affected.objects.add(route);
  }

  /** Kinds of routes exclude one another at one parent: what a route takes or leaves, others lose or get. */
  #collectRivals(kind: 'Service' | 'Gateway', key: string, route: AnyRoute, affected: Affected): void {
    const opaque = route.kind === 'TCPRoute' || route.kind === 'TLSRoute';
    if (!opaque && this.grpcRoutesByParent.get(`${kind}/${key}`).size === 0) return;
    const routes = kind === 'Service' ? this.routesByService : this.routesByGateway;
    for (const rival of routes.get(key)) affected.objects.add(rival);
  }

  #collectGateway(gateway: ObjectOf<'Gateway'>, affected: Affected): void {
    const { namespace, name } = gateway.metadata;
    affected.objects.add(keyOf(gateway));
    for (const listener of gateway.spec.listeners)
      affected.resources.add(`listener:${namespace}/${name}/${listener.name}`);
    for (const policy of this.trafficByTarget.get(`Gateway/${namespace}/${name}`)) affected.objects.add(policy);
  }

  #collectTarget(target: TargetKey, affected: Affected): void {
    for (const rival of this.trafficByTarget.get(target)) affected.objects.add(rival);
    const [kind, namespace, name] = target.split('/') as [string, string, string];
    if (kind === 'Service') this.#collectDestinations(`${namespace}/${name}`, affected);
    else if (kind === 'Namespace') {
      for (const service of this.servicesByNamespace.get(name)) this.#collectDestinations(service, affected);
      for (const gateway of this.pick('Gateway', this.gatewaysByNamespace.get(name)))
        this.#collectGateway(gateway, affected);
    } else {
      const object = this.#objects.get(target as ObjectKey);
      if (object !== undefined) this.#collect(object, affected);
    }
  }

  /** What is enforced on arrival, and whether an instance without a proxy may be called at all. */
  #collectAuthentication(policy: ObjectOf<'AuthenticationPolicy'>, affected: Affected): void {
    const { namespace } = policy.metadata;
    const workloads = new Set<string>();
    if (policy.spec.selector !== undefined) {
      for (const key of this.workloads.select(namespace, policy.spec.selector.matchLabels)) workloads.add(key);
    } else if (policy.spec.targetRefs === undefined) {
      for (const key of this.workloads.inNamespace(namespace)) workloads.add(key);
    } else {
      for (const ref of policy.spec.targetRefs) {
        for (const key of this.workloads.membersOf(`${namespace}/${ref.name}`)) workloads.add(key);
      }
    }
    this.#collectWorkloads(workloads, affected);
  }

  #collectWorkloads(workloads: Iterable<string>, affected: Affected): void {
    for (const key of workloads) {
      affected.resources.add(`inbound:${key}`);
      for (const service of this.workloads.servicesOf(key)) this.#collectEndpoints(service, affected);
    }
  }

  #collectAll(affected: Affected): void {
    affected.resources.add('mesh:default');
    for (const object of this.#objects.values()) {
      if (object.kind === 'Service') {
        this.#collectDestinations(serviceKey(object), affected);
        this.#collectEndpoints(serviceKey(object), affected);
      } else if (object.kind === 'Gateway') this.#collectGateway(object, affected);
    }
    for (const key of this.workloads.keys()) affected.resources.add(`inbound:${key}`);
  }
}

/** Every destination of the mesh, sorted by nothing. */
export function* destinations(model: Model): Generator<DestinationKey> {
  for (const object of model.objects()) if (object.kind === 'Service') yield* destinationsOf(object);
}

/** Workloads that are told of a policy: any of them may call a route. */
export function workloadsOf(model: Model, { metadata, spec }: ObjectOf<'TelemetryPolicy'>): Iterable<string> {
  const { namespace } = metadata;
  if (spec.targetRefs !== undefined) return model.workloads.keys();
  return spec.selector === undefined
    ? model.workloads.inNamespace(namespace)
    : model.workloads.select(namespace, spec.selector.matchLabels);
}

export function serviceKey(service: ObjectOf<'Service'>): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}

/** The Service or Gateway a route names as parent; undefined for other kinds. */
export function parentOf(
  ref: RouteParentRef,
  routeNamespace: string,
): { readonly kind: 'Service' | 'Gateway'; readonly key: string } | undefined {
  const group = ref.group ?? 'gateway.networking.k8s.io';
  const kind = targetKind({ group, kind: ref.kind ?? 'Gateway' });
  return kind === 'Service' || kind === 'Gateway'
    ? { kind, key: `${ref.namespace ?? routeNamespace}/${ref.name}` }
    : undefined;
}

export function targetsOf(policy: AnyPolicy): TargetKey[] {
  const { namespace } = policy.metadata;
  if (policy.kind !== 'TrafficPolicy' && policy.spec.selector !== undefined) return [`Selector//${namespace}`];
  const refs = policy.spec.targetRefs;
  if (refs === undefined) return [`Namespace//${namespace}`];
  return [...new Set(refs.map((ref) => `${ref.kind}/${ref.namespace ?? namespace}/${ref.name}`))];
}

/** Every reference of a route to something that gets requests or connections, mirrors included. */
export function* backendsOf(route: AnyRoute): Generator<{ readonly name: string; readonly namespace?: string }> {
  if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') {
    for (const rule of route.spec.rules) yield* rule.backendRefs;
    return;
  }
  for (const rule of route.spec.rules ?? []) {
    for (const { requestMirror } of rule.filters ?? []) if (requestMirror !== undefined) yield requestMirror.backendRef;
    for (const backend of rule.backendRefs ?? []) {
      yield backend;
      for (const { requestMirror } of backend.filters ?? [])
        if (requestMirror !== undefined) yield requestMirror.backendRef;
    }
  }
}

/** What the sidecar of an instance has learned, as one text to compare. */
function learnedOf(instance: WorkloadInstance | undefined): string {
  return (instance?.ports ?? []).map(({ applicationPort, learned }) => `${applicationPort} ${learned ?? ''}`).join();
}

function* destinationsOf(service: ObjectOf<'Service'> | undefined): Generator<DestinationKey> {
  if (service === undefined) return;
  for (const port of service.spec.ports ?? [])
    if (isMeshPort(port)) yield destinationKey(serviceKey(service), port.port);
}

import {
  type AnyRoute,
  type Condition,
  type FieldPath,
  type Model,
  type ObjectOf,
  type ObjectRef,
  type ObjectStatus,
  destinations,
  keyOf,
  resolveEndpoints,
  resolveReference,
  statusOf,
} from '@weft/model';
import { hostMatches } from '@weft/routing';
import type { Complaint } from './finding.ts';
import { complain } from './lint-routes.ts';
import { conditionAdvice } from './lint-rule.ts';

/** References to nothing, parents and targets that are not there, hostnames that nobody serves, Services without workloads. */
export function lintReferences(model: Model): Complaint[] {
  const complaints: Complaint[] = [];
  for (const object of model.objects()) {
    const status = statusOf(model, keyOf(object));
    if (status === undefined) continue;
    const ref = status.object;
    const places = isRoute(object) ? unresolvedPlaces(model, object) : [];
    for (const { path, reason, message } of places) complaints.push(ofCondition(reason, message, ref, path));
    for (const { condition, about, path } of unmet(status)) {
      // Told of each reference, with its place.
      if (condition.type === 'ResolvedRefs' && places.length > 0) continue;
      const message = condition.message === '' ? `${condition.type} is ${condition.status}` : condition.message;
      complaints.push(ofCondition(condition.reason, about === '' ? message : `${about}: ${message}`, ref, path));
    }
    if (isRoute(object)) complaints.push(...lintHostnames(model, object, ref, status));
  }
  complaints.push(...lintEndpoints(model));
  return complaints;
}

function ofCondition(reason: string, message: string, object: ObjectRef, path: FieldPath): Complaint {
  return { code: reason, severity: 'warning', object, path, message, fix: conditionAdvice[reason]?.fix ?? '' };
}

function isRoute(object: { readonly kind: string }): object is AnyRoute {
  return ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'].includes(object.kind);
}

interface UnresolvedPlace {
  readonly path: FieldPath;
  readonly reason: string;
  readonly message: string;
}

function unresolvedPlaces(model: Model, route: AnyRoute): UnresolvedPlace[] {
  const found: UnresolvedPlace[] = [];
  const look = (ref: Parameters<typeof resolveReference>[2], path: FieldPath): void => {
    const resolved = resolveReference(model, route, ref);
    if (!resolved.ok) found.push({ path, reason: resolved.reason, message: resolved.message });
  };
  for (const [index, rule] of (route.spec.rules ?? []).entries()) {
    const at = ['spec', 'rules', index];
    const filters = 'filters' in rule ? (rule.filters ?? []) : [];
    for (const [position, filter] of filters.entries()) {
      const mirror = filter.requestMirror?.backendRef;
      if (mirror !== undefined) look(mirror, [...at, 'filters', position, 'requestMirror', 'backendRef']);
    }
    for (const [position, backend] of (rule.backendRefs ?? []).entries()) {
      look(backend, [...at, 'backendRefs', position]);
    }
  }
  return found;
}

function* unmet(status: ObjectStatus): Generator<{ condition: Condition; about: string; path: FieldPath }> {
  for (const condition of status.conditions) if (isUnmet(condition)) yield { condition, about: '', path: NAME };
  // One entry for each reference that is ours to report on, in their order.
  const list = status.object.kind.endsWith('Policy') ? 'targetRefs' : 'parentRefs';
  for (const [index, { parent, conditions }] of status.parents.entries()) {
    const about = `${parent.kind} ${parent.namespace === '' ? '' : `${parent.namespace}/`}${parent.name}`;
    for (const condition of conditions) {
      if (!isUnmet(condition)) continue;
      // What is wrong with references of the whole route is said of each parent.
      if (condition.type === 'ResolvedRefs' && index > 0) continue;
      yield { condition, about, path: ['spec', list, index] };
    }
  }
  for (const { name, conditions } of status.listeners) {
    for (const condition of conditions) {
      if (isUnmet(condition)) yield { condition, about: `listener ${name}`, path: NAME };
    }
  }
}

const NAME: FieldPath = ['metadata', 'name'];

/** Nothing has been pushed here, so `Programmed` means nothing; `Conflicted` is the one condition that is bad when true. */
function isUnmet({ type, status }: Condition): boolean {
  if (type === 'Programmed') return false;
  return type === 'Conflicted' ? status === 'True' : status === 'False';
}

function* lintHostnames(model: Model, route: AnyRoute, ref: ObjectRef, status: ObjectStatus): Generator<Complaint> {
  const owner = { ref };
  if ((route.spec.parentRefs ?? []).length === 0) {
    const fix = 'Name the Service, or the Gateway, whose requests it is for';
    yield complain('route-without-parent', owner, NAME, 'the route has no parentRefs: no request meets it', fix);
  }
  const hostnames = route.kind === 'TCPRoute' ? [] : (route.spec.hostnames ?? []);
  for (const [index, hostname] of hostnames.entries()) {
    const host = hostname.toLowerCase();
    const other = hostnames.find(
      (each, at) => at !== index && (each.toLowerCase() === host ? at < index : hostMatches(each.toLowerCase(), host)),
    );
    if (other === undefined) continue;
    const message = `${hostname} is covered by ${other} of the same route`;
    yield complain('duplicate-hostname', owner, ['spec', 'hostnames', index], message, 'Keep one of the two');
  }
  if (hostnames.length === 0 || route.kind === 'TLSRoute') return;
  const kinds = new Set((route.spec.parentRefs ?? []).map(({ kind }) => kind ?? 'Gateway'));
  if (!kinds.has('Gateway')) {
    const message = 'hostnames are not used under a Service';
    yield complain(
      'unused-hostnames',
      owner,
      ['spec', 'hostnames'],
      message,
      'Remove them, or attach the route to a Gateway',
    );
    return;
  }
  const listeners = servedHostnames(model, route, status);
  if (listeners.length === 0 || listeners.includes('')) return;
  for (const [index, hostname] of hostnames.entries()) {
    const host = hostname.toLowerCase();
    if (listeners.some((each) => hostMatches(each, host) || hostMatches(host, each))) continue;
    const message = `no listener of its parents serves ${hostname}; they serve ${listeners.join(', ')}`;
    yield complain(
      'unserved-hostname',
      owner,
      ['spec', 'hostnames', index],
      message,
      'Add a listener, or remove the hostname',
    );
  }
}

/** Hostnames of the listeners of the Gateways that took the route; '' is any. */
function servedHostnames(model: Model, route: AnyRoute, { parents }: ObjectStatus): string[] {
  const served: string[] = [];
  for (const { parent, conditions } of parents) {
    if (parent.kind !== 'Gateway' || conditions.some(isUnmetAcceptance)) continue;
    const gateway = model.object('Gateway', parent.namespace || route.metadata.namespace, parent.name);
    for (const listener of gateway?.spec.listeners ?? []) {
      if (parent.sectionName !== '' && parent.sectionName !== listener.name) continue;
      served.push((listener.hostname ?? '').toLowerCase());
    }
  }
  return served;
}

function isUnmetAcceptance({ type, status }: Condition): boolean {
  return type === 'Accepted' && status !== 'True';
}

/**
 * Workloads may come by declaration or announce themselves when they start, which files do not tell: a Service is told of only
 * where files do declare workloads in its namespace, and when something sends to it.
 */
function* lintEndpoints(model: Model): Generator<Complaint> {
  const declared = new Set<string>();
  const receivers = new Set<string>();
  for (const object of model.objects()) {
    if (object.kind === 'WorkloadEntry') declared.add(object.metadata.namespace);
    if (!isRoute(object)) continue;
    for (const rule of object.spec.rules ?? []) {
      for (const backend of rule.backendRefs ?? []) {
        const resolved = resolveReference(model, object, backend);
        if (resolved.ok && backend.weight !== 0) receivers.add(resolved.backend);
      }
    }
  }
  for (const key of destinations(model)) {
    const service = model.service(key.slice(0, key.lastIndexOf(':')));
    if (service === undefined || !receivers.has(key) || !declared.has(service.metadata.namespace)) continue;
    if ((resolveEndpoints(model, key)?.endpoints.length ?? 0) > 0) continue;
    yield complain('no-endpoints', { ref: refOf(service) }, NAME, ...withoutEndpoints(service, key));
  }
}

function withoutEndpoints({ spec }: ObjectOf<'Service'>, key: string): [message: string, fix: string] {
  const labels = Object.entries(spec.selector ?? {}).map(([name, value]) => `${name}=${value}`);
  if (labels.length === 0) return [`${key} receives requests, but the Service has no selector`, 'Give it a selector'];
  return [
    `${key} receives requests, but no workload that is declared has the labels ${labels.join(', ')} and the port`,
    'Declare a WorkloadEntry with them, or correct the selector or the target port',
  ];
}

function refOf({ apiVersion, kind, metadata }: ObjectOf<'Service'>): ObjectRef {
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name };
}

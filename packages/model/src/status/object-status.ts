import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import type { HttpRouteParentRef } from '../kinds/http-route.ts';
import { type ObjectKey, type ObjectOf, keyOf, objectKey } from '../kinds/kind-table.ts';
import { type PolicyTargetRef, targetKind } from '../kinds/policy-target.ts';
import { byAge } from '../policy/policy-layers.ts';
import { type ObjectRef, type Problem, formatProblem } from '../problem/problem.ts';
import { problemCodes } from '../problem/problem-code.ts';
import { resolveReference } from '../view/backend-reference.ts';
import { isSection } from '../view/destination.ts';
import { type Model, backendsOf, parentOf } from '../view/model.ts';
import { attachments } from '../view/resolve-routes.ts';
import {
  attachToGateway,
  attachToService,
  gatewayController,
  isOurGateway,
  isServed,
  meshController,
} from '../view/route-attachment.ts';

/** One condition as Kubernetes has it; the time of transition is whoever writes it. */
export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Programmed' | 'Conflicted';
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

/** One entry of `status.parents` of a route, or of `status.ancestors` of a policy. */
export interface ParentStatus {
  readonly parent: ParentReference;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/** Empty text and 0 stand for absent. */
export interface ParentReference {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly sectionName: string;
  readonly port: number;
}

export interface ListenerStatus {
  readonly name: string;
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

export interface ObjectStatus {
  readonly object: ObjectRef;
  /** Of the object as a whole: kinds that have no parents. */
  readonly conditions: readonly Condition[];
  readonly parents: readonly ParentStatus[];
  /** Gateways only. */
  readonly listeners: readonly ListenerStatus[];
}

/** How far proxies have come with what an object became; counted by whoever pushes it. */
export interface ProgrammedCount {
  readonly subscribers: number;
  readonly acknowledged: number;
  /** Subscribers that do not know how to do what the object asks. */
  readonly tooOld: number;
}

/** What became of an accepted object; undefined when the model does not hold it. Deterministic. */
export function statusOf(model: Model, key: ObjectKey): ObjectStatus | undefined {
  const object = model.byKey(key);
  if (object === undefined) return undefined;
  const ref = refTo(object.apiVersion, object.kind, object.metadata);
  const generation = object.metadata.generation;
  const accepted = condition('Accepted', true, 'Accepted', '', generation);
  switch (object.kind) {
    case 'HTTPRoute':
      return { object: ref, conditions: [], parents: routeParents(model, object), listeners: [] };
    case 'TrafficPolicy':
    case 'AuthenticationPolicy':
      if (object.spec.targetRefs !== undefined) {
        return { object: ref, conditions: [], parents: policyParents(model, object), listeners: [] };
      }
      return { object: ref, conditions: [policyCondition(model, object, undefined)], parents: [], listeners: [] };
    case 'Gateway':
      return gatewayStatus(model, object, ref);
    case 'GatewayClass': {
      const ours = object.spec.controllerName === gatewayController;
      return { object: ref, conditions: ours ? [accepted] : [], parents: [], listeners: [] };
    }
    default:
      return { object: ref, conditions: [accepted], parents: [], listeners: [] };
  }
}

/** The status of an object that was refused when read. */
export function statusOfRefused(ref: ObjectRef, problems: readonly Problem[], generation = 0): ObjectStatus {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const reason = errors.every(({ code }) => problemCodes[code].reason === 'UnsupportedValue')
    ? 'UnsupportedValue'
    : 'Invalid';
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const message = first === undefined ? '' : `${formatProblem(first)}${more}`;
  return {
    object: ref,
    conditions: [condition('Accepted', false, reason, message, generation)],
    parents: [],
    listeners: [],
  };
}

/** `Programmed` from counts: nobody who asks is as good as everybody who has it; too old outweighs late. */
export function programmedCondition(count: ProgrammedCount, generation: number): Condition {
  const { subscribers, acknowledged, tooOld } = count;
  if (subscribers === 0) return condition('Programmed', true, 'NoSubscribers', 'no proxy uses it', generation);
  const message = `${acknowledged} of ${subscribers} proxies`;
  if (acknowledged >= subscribers) return condition('Programmed', true, 'Programmed', message, generation);
  if (tooOld > 0) return condition('Programmed', false, 'ProxyTooOld', `${message}, ${tooOld} too old`, generation);
  return condition('Programmed', false, 'Pending', message, generation);
}

function routeParents(model: Model, route: ObjectOf<'HTTPRoute'>): ParentStatus[] {
  const { namespace, generation } = route.metadata;
  const resolved = resolvedRefs(model, route);
  const parents: ParentStatus[] = [];
  for (const ref of route.spec.parentRefs ?? []) {
    const parent = parentOf(ref, namespace);
    if (parent === undefined) continue;
    const [parentNamespace = '', name = ''] = parent.key.split('/');
    let attachment;
    if (parent.kind === 'Service') {
      attachment = attachToService(model.service(parent.key), ref);
    } else {
      const gateway = model.object('Gateway', parentNamespace, name);
      // A Gateway of another controller is that controller's to report on.
      if (gateway !== undefined && !isOurGateway(model, gateway)) continue;
      attachment =
        gateway === undefined
          ? { ok: false as const, reason: 'NoMatchingParent', message: `Gateway ${parent.key} does not exist` }
          : attachToGateway(model, gateway, route, ref);
    }
    const unused = parent.kind === 'Service' && (route.spec.hostnames ?? []).length > 0;
    const accepted = attachment.ok
      ? condition('Accepted', true, 'Accepted', unused ? 'hostnames are not used under a Service' : '', generation)
      : condition('Accepted', false, attachment.reason, attachment.message, generation);
    parents.push({
      parent: routeParentReference(ref, parent.kind, parentNamespace),
      controllerName: parent.kind === 'Service' ? meshController : gatewayController,
      conditions: [accepted, resolved],
    });
  }
  return parents;
}

function resolvedRefs(model: Model, route: ObjectOf<'HTTPRoute'>): Condition {
  const { generation } = route.metadata;
  const faults: string[] = [];
  let reason = '';
  for (const ref of backendsOf(route.spec)) {
    const resolved = resolveReference(model, route, ref);
    if (resolved.ok) continue;
    if (reason === '') reason = resolved.reason;
    if (!faults.includes(resolved.message)) faults.push(resolved.message);
  }
  if (reason === '') return condition('ResolvedRefs', true, 'ResolvedRefs', '', generation);
  return condition('ResolvedRefs', false, reason, faults.slice(0, 8).join('; '), generation);
}

function policyParents(
  model: Model,
  policy: ObjectOf<'TrafficPolicy'> | ObjectOf<'AuthenticationPolicy'>,
): ParentStatus[] {
  return (policy.spec.targetRefs ?? []).map((ref) => ({
    parent: {
      group: ref.group,
      kind: ref.kind,
      namespace: ref.namespace ?? policy.metadata.namespace,
      name: ref.name,
      sectionName: ref.sectionName ?? '',
      port: 0,
    },
    controllerName: ref.kind === 'Gateway' ? gatewayController : meshController,
    conditions: [policyCondition(model, policy, ref)],
  }));
}

/** Whether a policy holds at one target, or for its namespace when `ref` is undefined. */
function policyCondition(
  model: Model,
  policy: ObjectOf<'TrafficPolicy'> | ObjectOf<'AuthenticationPolicy'>,
  ref: PolicyTargetRef | undefined,
): Condition {
  const { namespace, generation } = policy.metadata;
  const missing = ref === undefined ? undefined : missingTarget(model, ref, namespace);
  if (missing !== undefined) return condition('Accepted', false, 'TargetNotFound', missing, generation);
  if (policy.kind === 'TrafficPolicy') {
    const target =
      ref === undefined ? `Namespace//${namespace}` : `${ref.kind}/${ref.namespace ?? namespace}/${ref.name}`;
    const rivals = [...model.pick('TrafficPolicy', model.trafficByTarget.get(target))].filter(
      (rival) =>
        rival.metadata.namespace === namespace && (ref === undefined || sameLevel(model, rival, ref, namespace)),
    );
    const first = rivals.sort(byAge)[0];
    if (first !== undefined && keyOf(first) !== keyOf(policy)) {
      const message = `TrafficPolicy ${first.metadata.namespace}/${first.metadata.name} holds there`;
      return condition('Accepted', false, 'Conflicted', message, generation);
    }
  }
  return condition('Accepted', true, 'Accepted', '', generation);
}

function sameLevel(model: Model, rival: ObjectOf<'TrafficPolicy'>, ref: PolicyTargetRef, namespace: string): boolean {
  return (rival.spec.targetRefs ?? []).some(
    (other) =>
      other.kind === ref.kind &&
      other.name === ref.name &&
      (other.namespace ?? namespace) === (ref.namespace ?? namespace) &&
      sectionOf(model, other, namespace) === sectionOf(model, ref, namespace),
  );
}

/** A port goes by name and by number: both are the same level. */
function sectionOf(model: Model, ref: PolicyTargetRef, namespace: string): string | number | undefined {
  const { sectionName } = ref;
  if (sectionName === undefined || targetKind(ref) !== 'Service') return sectionName;
  const service = model.object('Service', ref.namespace ?? namespace, ref.name);
  return service?.spec.ports?.find((port) => isSection(port, sectionName))?.port ?? sectionName;
}

function missingTarget(model: Model, ref: PolicyTargetRef, policyNamespace: string): string | undefined {
  const kind = targetKind(ref);
  if (kind === undefined) return `${ref.kind} can't be a target`;
  const namespace = ref.namespace ?? policyNamespace;
  const target = model.byKey(objectKey(kind, namespace, ref.name));
  if (target === undefined) return `${kind} ${namespace}/${ref.name} does not exist`;
  const { sectionName } = ref;
  if (sectionName === undefined) return undefined;
  const found =
    (target.kind === 'Service' && target.spec.ports?.some((port) => isSection(port, sectionName))) ||
    (target.kind === 'Gateway' && target.spec.listeners.some(({ name }) => name === sectionName)) ||
    (target.kind === 'HTTPRoute' && target.spec.rules?.some(({ name }) => name === sectionName));
  return found === true ? undefined : `${kind} ${namespace}/${ref.name} has no section ${sectionName}`;
}

function gatewayStatus(model: Model, gateway: ObjectOf<'Gateway'>, object: ObjectRef): ObjectStatus {
  const { generation } = gateway.metadata;
  if (!isOurGateway(model, gateway)) {
    const known = model.object('GatewayClass', '', gateway.spec.gatewayClassName) !== undefined;
    const message = `GatewayClass ${gateway.spec.gatewayClassName} does not exist`;
    const conditions = known ? [] : [condition('Accepted', false, 'Pending', message, generation)];
    return { object, conditions, parents: [], listeners: [] };
  }
  const attached = attachments(model, gateway);
  const listeners = gateway.spec.listeners.map((listener): ListenerStatus => {
    const http = listener.protocol === 'HTTP';
    const message = http ? '' : `${listener.protocol} is not served`;
    const kinds = !http || isServed(listener);
    return {
      name: listener.name,
      attachedRoutes: attached.filter(({ listeners: places }) => places.has(listener.name)).length,
      conditions: [
        condition('Accepted', http, http ? 'Accepted' : 'UnsupportedProtocol', message, generation),
        condition(
          'ResolvedRefs',
          kinds,
          kinds ? 'ResolvedRefs' : 'InvalidRouteKinds',
          kinds ? '' : 'only HTTPRoute is served',
          generation,
        ),
        condition('Conflicted', false, 'NoConflicts', '', generation),
      ],
    };
  });
  const unserved = gateway.spec.listeners.filter((listener) => !isServed(listener)).map(({ name }) => name);
  const some = unserved.length < gateway.spec.listeners.length;
  const accepted =
    unserved.length === 0
      ? condition('Accepted', true, 'Accepted', '', generation)
      : condition(
          'Accepted',
          some,
          'ListenersNotValid',
          `not served: ${unserved.sort(byCodeUnit).join(', ')}`,
          generation,
        );
  return { object, conditions: [accepted], parents: [], listeners };
}

function routeParentReference(
  ref: HttpRouteParentRef,
  kind: 'Service' | 'Gateway',
  namespace: string,
): ParentReference {
  return {
    group: kind === 'Service' ? '' : 'gateway.networking.k8s.io',
    kind,
    namespace,
    name: ref.name,
    sectionName: ref.sectionName ?? '',
    port: ref.port ?? 0,
  };
}

function refTo(
  apiVersion: string,
  kind: string,
  metadata: { readonly namespace: string; readonly name: string },
): ObjectRef {
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name };
}

function condition(
  type: Condition['type'],
  holds: boolean,
  reason: string,
  message: string,
  generation: number,
): Condition {
  return { type, status: holds ? 'True' : 'False', reason, message, observedGeneration: generation };
}

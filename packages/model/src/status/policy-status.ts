import { type ObjectOf, keyOf, objectKey } from '../kinds/kind-table.ts';
import { type PolicyTargetRef, targetKind } from '../kinds/policy-target.ts';
import { byAge } from '../policy/policy-layers.ts';
import { isSection } from '../view/destination.ts';
import type { AnyPolicy, Model } from '../view/model.ts';
import { gatewayController, meshController } from '../view/route-attachment.ts';
import { type Condition, type ParentStatus, condition } from './condition.ts';

/** One entry per target (GEP-713). */
export function policyParents(model: Model, policy: AnyPolicy): ParentStatus[] {
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
export function policyCondition(model: Model, policy: AnyPolicy, ref: PolicyTargetRef | undefined): Condition {
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
    ((target.kind === 'HTTPRoute' || target.kind === 'GRPCRoute') &&
      target.spec.rules?.some(({ name }) => name === sectionName));
  return found === true ? undefined : `${kind} ${namespace}/${ref.name} has no section ${sectionName}`;
}

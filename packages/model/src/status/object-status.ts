import type { ObjectKey } from '../kinds/kind-table.ts';
import { problemCodes } from '../problem/problem-code.ts';
import { type ObjectRef, type Problem, formatProblem } from '../problem/problem.ts';
import type { Model } from '../view/model.ts';
import { gatewayController } from '../view/route-attachment.ts';
import { type ObjectStatus, condition } from './condition.ts';
import { gatewayStatus } from './gateway-status.ts';
import { policyCondition, policyParents } from './policy-status.ts';
import { routeParents } from './route-status.ts';

/** What became of an accepted object; undefined when the model does not hold it. Deterministic. */
export function statusOf(model: Model, key: ObjectKey): ObjectStatus | undefined {
  const object = model.byKey(key);
  if (object === undefined) return undefined;
  const ref = refTo(object.apiVersion, object.kind, object.metadata);
  const generation = object.metadata.generation;
  const accepted = condition('Accepted', true, 'Accepted', '', generation);
  switch (object.kind) {
    case 'HTTPRoute':
    case 'GRPCRoute':
    case 'TCPRoute':
    case 'TLSRoute':
      return { object: ref, conditions: [], parents: routeParents(model, object), listeners: [] };
    case 'TrafficPolicy':
    case 'AuthenticationPolicy':
    case 'TelemetryPolicy':
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

function refTo(
  apiVersion: string,
  kind: string,
  metadata: { readonly namespace: string; readonly name: string },
): ObjectRef {
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name };
}

import type { DesiredStatus } from '@weft/kube';
import { type Condition, type Model, type ParentStatus, gatewayController, meshController } from '@weft/model';
import type { Standing } from '../object-report.ts';

type Fields = Readonly<Record<string, unknown>>;

const routes = new Set(['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute']);

/**
 * What is to stand in the status of an object. One that was refused has no parents that anybody could read; they are taken
 * from what it says, as far as that goes, since the standard wants the reason at each parent.
 */
export function statusToWrite(standing: Standing, raw: Fields, model: Model): DesiredStatus | undefined {
  const { object, conditions, parents, listeners, programmed } = standing;
  const { kind, namespace, name } = object;
  const base = { kind, namespace, name, listeners, programmed };
  if (routes.has(kind) && parents.length === 0 && conditions.length > 0) {
    return { ...base, conditions: [], parents: parentsSaid(raw, namespace, conditions, model), programmed: undefined };
  }
  if (kind === 'Gateway' && !isOurs(model, textOf(fieldsOf(raw['spec'])['gatewayClassName']))) return undefined;
  if (kind === 'GatewayClass' && fieldsOf(raw['spec'])['controllerName'] !== gatewayController) return undefined;
  return { ...base, conditions, parents };
}

function parentsSaid(
  raw: Fields,
  routeNamespace: string,
  conditions: readonly Condition[],
  model: Model,
): ParentStatus[] {
  const refs = fieldsOf(raw['spec'])['parentRefs'];
  const parents: ParentStatus[] = [];
  for (const each of Array.isArray(refs) ? refs : []) {
    const ref = fieldsOf(each);
    const group = typeof ref['group'] === 'string' ? ref['group'] : 'gateway.networking.k8s.io';
    const kind = textOf(ref['kind']) || 'Gateway';
    const namespace = textOf(ref['namespace']) || routeNamespace;
    const name = textOf(ref['name']);
    const isService = group === '' && kind === 'Service';
    if (!isService) {
      const gateway = kind === 'Gateway' ? model.object('Gateway', namespace, name) : undefined;
      // Gateways of others are theirs to report on.
      if (gateway === undefined || !isOurs(model, gateway.spec.gatewayClassName)) continue;
    }
    const port = ref['port'];
    parents.push({
      parent: {
        group,
        kind,
        namespace,
        name,
        sectionName: textOf(ref['sectionName']),
        port: typeof port === 'number' ? port : 0,
      },
      controllerName: isService ? meshController : gatewayController,
      conditions,
    });
  }
  return parents;
}

function isOurs(model: Model, className: string): boolean {
  return model.object('GatewayClass', '', className)?.spec.controllerName === gatewayController;
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

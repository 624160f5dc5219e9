import type { ObjectOf } from '../kinds/kind-table.ts';
import { isSection } from '../view/destination.ts';
import type { Model } from '../view/model.ts';
import type { MtlsMode } from '../view/resource.ts';
import { type Workload, applicationPortOf } from '../view/workload-index.ts';
import { builtInDefaults } from './built-in-defaults.ts';

export interface EffectiveMtls {
  readonly mode: MtlsMode;
  readonly source: string;
}

const strictness: Readonly<Record<MtlsMode, number>> = { Disabled: 0, Permissive: 1, Strict: 2 };

/**
 * The mode of one port of a workload. Every policy that applies is asked, none replaces another, and the strictest answer
 * holds; where none answers, the Mesh's default. `Mesh.spec.required` is a floor under all of it.
 */
export function effectiveMtls(model: Model, workload: Workload, port: number): EffectiveMtls {
  const mesh = model.mesh()?.spec;
  let strictest: EffectiveMtls | undefined;
  for (const policy of policiesOf(model, workload, port)) {
    const mode = policy.spec.mtls?.ports?.find((each) => each.port === port)?.mode ?? policy.spec.mtls?.mode;
    if (mode === undefined) continue;
    const { namespace, name } = policy.metadata;
    const answer = { mode, source: `AuthenticationPolicy ${namespace}/${name}` };
    const more = strictest === undefined ? 1 : strictness[mode] - strictness[strictest.mode];
    // Among equals the first by name is shown, whatever the order of arrival.
    if (strictest === undefined || more > 0 || (more === 0 && answer.source < strictest.source)) strictest = answer;
  }
  const said = mesh?.defaults?.authentication?.mtls?.mode;
  const fallback =
    said === undefined
      ? { mode: builtInDefaults.mesh.mtlsMode, source: 'built-in' }
      : { mode: said, source: 'Mesh default' };
  const effective = strictest ?? fallback;
  const floor = mesh?.required?.authentication?.mtls?.mode;
  if (floor === undefined || strictness[floor] <= strictness[effective.mode]) return effective;
  return { mode: floor, source: 'Mesh default, required' };
}

function* policiesOf(model: Model, workload: Workload, port: number): Generator<ObjectOf<'AuthenticationPolicy'>> {
  const kind = 'AuthenticationPolicy';
  const { namespace, labels } = workload;
  yield* model.pick(kind, model.authenticationByTarget.get(`Namespace//${namespace}`));
  for (const policy of model.pick(kind, model.authenticationByTarget.get(`Selector//${namespace}`))) {
    const wanted = Object.entries(policy.spec.selector?.matchLabels ?? {});
    if (wanted.every(([name, value]) => labels[name] === value)) yield policy;
  }
  for (const key of model.workloads.servicesOf(workload.key)) {
    for (const policy of model.pick(kind, model.authenticationByTarget.get(`Service/${key}`))) {
      if (targetsPort(model, policy, key, workload, port)) yield policy;
    }
  }
}

function targetsPort(
  model: Model,
  policy: ObjectOf<'AuthenticationPolicy'>,
  serviceKey: string,
  workload: Workload,
  port: number,
): boolean {
  const service = model.service(serviceKey);
  for (const { name, sectionName } of policy.spec.targetRefs ?? []) {
    if (`${policy.metadata.namespace}/${name}` !== serviceKey) continue;
    if (sectionName === undefined) return true;
    const section = service?.spec.ports?.find((each) => isSection(each, sectionName));
    if (section !== undefined && applicationPortOf(workload, section) === port) return true;
  }
  return false;
}

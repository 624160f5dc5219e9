import { type CapturePlan, readCaptureArguments } from '@weft/capture';
import {
  type JsonMap,
  captureContainer,
  captureRulesVariable,
  mapOf,
  mapsOf,
  sidecarContainer,
  textOf,
} from '@weft/injection';
import { type Result, fail, ok } from '@weft/kernel';

/** Word of the command line by which pods of before proved in a container of its own what the agent is to write. */
const PROOF = 'prove';

/** The container that proves redirection in a pod whose rules the agent writes, and what it proves. */
export interface PodProof {
  readonly container: string;
  /** As arguments of `weft capture`. */
  readonly rules: readonly string[];
}

/**
 * What is to be redirected in a pod: what its own sidecar proves before it starts, so that both are one text. Null for a pod that
 * is not captured, or writes its rules itself.
 */
export function readPodPlan(pod: unknown): Result<CapturePlan | null, string> {
  const proof = readPodProof(pod);
  if (proof === undefined) return ok(null);
  const plan = readCaptureArguments(proof.rules);
  return plan.ok ? plan : fail(`the container ${proof.container} asks for what is not understood: ${plan.error}`);
}

export function readPodProof(pod: unknown): PodProof | undefined {
  for (const container of mapsOf(mapOf(mapOf(pod)['spec'])['initContainers'])) {
    const rules = rulesOf(container);
    if (rules !== undefined) return { container: textOf(container['name']), rules };
  }
  return undefined;
}

function rulesOf({ name, env, args }: JsonMap): readonly string[] | undefined {
  if (name === sidecarContainer) {
    const variable = mapsOf(env).find((each) => each['name'] === captureRulesVariable);
    return variable === undefined ? undefined : textOf(variable['value']).split(' ');
  }
  const isProof = name === captureContainer && Array.isArray(args) && args[0] === 'capture' && args[1] === PROOF;
  return isProof ? args.map(textOf) : undefined;
}

import { type CapturePlan, readCaptureArguments } from '@weft/capture';
import { type JsonMap, captureContainer, mapOf, mapsOf, textOf } from '@weft/injection';
import { type Result, fail, ok } from '@weft/kernel';

/** Word of the command line by which the injector has a pod prove what the agent is to write. */
const PROOF = 'prove';

/**
 * What is to be redirected in a pod: what its own container proves before anything else of the pod starts, so that both are one
 * text. Null for a pod that is not captured, or writes its rules itself.
 */
export function readPodPlan(pod: unknown): Result<CapturePlan | null, string> {
  const container = proofContainer(pod);
  if (container === undefined) return ok(null);
  const args = Array.isArray(container['args']) ? container['args'].map(textOf) : [];
  const plan = readCaptureArguments(args);
  return plan.ok ? plan : fail(`the container ${captureContainer} asks for what is not understood: ${plan.error}`);
}

/** The container that proves redirection, in a pod whose rules the agent writes. */
export function proofContainer(pod: unknown): JsonMap | undefined {
  return mapsOf(mapOf(mapOf(pod)['spec'])['initContainers']).find((container) => {
    const { args } = container;
    return container['name'] === captureContainer && Array.isArray(args) && args[0] === 'capture' && args[1] === PROOF;
  });
}

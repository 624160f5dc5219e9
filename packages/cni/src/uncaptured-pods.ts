import { type JsonMap, isMap, mapOf, mapsOf, sidecarContainer, textOf, uncapturedExitCode } from '@weft/injection';
import { readPodProof } from './pod-plan.ts';

/** A pod whose proof failed: it started before an agent was there, and cannot be captured any more. */
export interface UncapturedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Something makes it again when it goes. */
  readonly owned: boolean;
}

/**
 * Whether a pod shows that it is not captured: the container that proves it has ended because of it. A pod that goes is none, nor is
 * one whose proof has passed since.
 */
export function readUncaptured(pod: unknown): UncapturedPod | undefined {
  const { metadata, status } = mapOf(pod);
  const own = mapOf(metadata);
  const proof = readPodProof(pod);
  if (proof === undefined || own['deletionTimestamp'] !== undefined) return undefined;
  const seen = mapsOf(mapOf(status)['initContainerStatuses']).find(({ name }) => name === proof.container);
  if (seen === undefined || seen['ready'] === true) return undefined;
  const isSidecar = proof.container === sidecarContainer;
  const state = mapOf(seen['state']);
  if (mapOf(state['terminated'])['exitCode'] === 0) return undefined;
  // One that runs is looking, or has found.
  if (isSidecar && isMap(state['running'])) return undefined;
  if (!hasFailed(state, isSidecar) && !hasFailed(mapOf(seen['lastState']), isSidecar)) return undefined;
  const owned = mapsOf(own['ownerReferences']).some(({ controller }) => controller === true);
  return { namespace: textOf(own['namespace']), name: textOf(own['name']), uid: textOf(own['uid']), owned };
}

function hasFailed(state: JsonMap, isSidecar: boolean): boolean {
  const terminated = state['terminated'];
  if (!isMap(terminated)) return false;
  return isSidecar ? terminated['exitCode'] === uncapturedExitCode : terminated['exitCode'] !== 0;
}

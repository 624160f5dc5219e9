import { type JsonMap, captureContainer, isMap, mapOf, mapsOf, textOf } from '@weft/injection';
import { proofContainer } from './pod-plan.ts';

/** A pod whose proof failed: it started before an agent was there, and cannot be captured any more. */
export interface UncapturedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Something makes it again when it goes. */
  readonly owned: boolean;
}

/**
 * Whether a pod shows that it is not captured: the container that proves it has ended with a fault. A pod that goes is none, and
 * one that has already begun anew is looked at when its proof ends.
 */
export function readUncaptured(pod: unknown): UncapturedPod | undefined {
  const { metadata, status } = mapOf(pod);
  const own = mapOf(metadata);
  if (proofContainer(pod) === undefined || own['deletionTimestamp'] !== undefined) return undefined;
  const proof = mapsOf(mapOf(status)['initContainerStatuses']).find(({ name }) => name === captureContainer);
  if (proof === undefined) return undefined;
  const state = mapOf(proof['state']);
  if (mapOf(state['terminated'])['exitCode'] === 0) return undefined;
  if (!hasFailed(state) && !hasFailed(mapOf(proof['lastState']))) return undefined;
  const owned = mapsOf(own['ownerReferences']).some(({ controller }) => controller === true);
  return { namespace: textOf(own['namespace']), name: textOf(own['name']), uid: textOf(own['uid']), owned };
}

function hasFailed(state: JsonMap): boolean {
  const terminated = state['terminated'];
  return isMap(terminated) && terminated['exitCode'] !== 0;
}

import { type JsonMap, isMap, mapOf, mapsOf, sidecarContainer, textOf, uncapturedExitCode } from '@weft/injection';
import { readPodProof } from './pod-plan.ts';

/** A pod whose proof failed: it started before an agent was there, and cannot be captured any more. */
export interface UncapturedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Something makes it again when it goes. */
  readonly owned: boolean;
  /** For people: which container ended, with which code, and the last that it said where that is known. */
  readonly ending: string;
}

/** Of what a container said last, which may be the end of its log. */
const MOST_SAID = 300;

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
  const failed = failureIn(state, isSidecar) ?? failureIn(mapOf(seen['lastState']), isSidecar);
  if (failed === undefined) return undefined;
  const owned = mapsOf(own['ownerReferences']).some(({ controller }) => controller === true);
  return {
    namespace: textOf(own['namespace']),
    name: textOf(own['name']),
    uid: textOf(own['uid']),
    owned,
    ending: endingOf(proof.container, failed),
  };
}

function failureIn({ terminated }: JsonMap, isSidecar: boolean): JsonMap | undefined {
  if (!isMap(terminated)) return undefined;
  const { exitCode } = terminated;
  return (isSidecar ? exitCode === uncapturedExitCode : exitCode !== 0) ? terminated : undefined;
}

function endingOf(container: string, { exitCode, reason, message }: JsonMap): string {
  const why = textOf(reason) === '' ? '' : `, ${textOf(reason)}`;
  const said = (textOf(message).trim().split('\n').at(-1) ?? '').slice(0, MOST_SAID);
  return `container ${container} ended with code ${String(exitCode)}${why}${said === '' ? '' : `: ${said}`}`;
}

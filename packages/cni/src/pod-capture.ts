import { writeNftRules } from '@weft/capture';
import type { Result } from '@weft/kernel';
import {
  type CniAnswer,
  type CniCall,
  type PodName,
  cniCodes,
  cniFailure,
  cniSuccess,
  readCniCall,
} from './cni-call.ts';
import { readPodPlan } from './pod-plan.ts';

/** The pod as the API server has it. The error is for people. */
export type PodReader = (pod: PodName) => Promise<Result<unknown, string>>;

/** What became of a call, for logs and counters. */
export interface CallFacts {
  readonly command: CniCall['command'] | 'unreadable';
  readonly pod: PodName | null;
  /** `captured`: the plugin was given rules; `left`: none are asked for. */
  readonly outcome: 'captured' | 'left' | 'failed';
  readonly message: string;
}

/**
 * Tells the plugin what to write into the network of a pod: the rules that the pod's own proof names, before any container of it
 * starts. What cannot be told fails the call: the runtime takes the pod's network down again, and the kubelet tries anew.
 */
export async function answerCall(
  lines: string,
  configuration: string,
  readPod: PodReader,
  onCall: (facts: CallFacts) => void,
): Promise<CniAnswer> {
  const read = readCniCall(lines, configuration);
  if (!read.ok) {
    onCall({ command: 'unreadable', pod: null, outcome: 'failed', message: read.error.text.trim() });
    return read.error;
  }
  const call = read.value;
  const { command, pod } = call;
  const failed = (code: number, message: string): CniAnswer => {
    onCall({ command, pod, outcome: 'failed', message });
    return cniFailure(call.cniVersion, code, `weft: ${message}`);
  };
  const found = pod === null ? null : await readPod(pod);
  if (found?.ok === false) {
    return failed(cniCodes.later, `the pod cannot be read from the API server: ${found.error}`);
  }
  const plan = readPodPlan(found?.value);
  if (!plan.ok) return failed(cniCodes.badConfiguration, plan.error);
  const rules = plan.value === null ? '' : writeNftRules(plan.value);
  onCall({ command, pod, outcome: rules === '' ? 'left' : 'captured', message: '' });
  return cniSuccess(call, rules);
}

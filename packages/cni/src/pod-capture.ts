import { type NamespaceEntry, type RulePlace, findRuleTool, workingRuleTools } from '@weft/capture';
import { type Result, fail } from '@weft/kernel';
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

/** The pod as the API server has it; undefined when there is none of this name. The error is for people. */
export type PodReader = (pod: PodName) => Promise<Result<unknown, string>>;

/** What became of a call, for logs and counters. */
export interface CallFacts {
  readonly command: CniCall['command'] | 'unreadable';
  readonly pod: PodName | null;
  /** `captured`: rules were written, or were there; `left`: none are asked for. */
  readonly outcome: 'captured' | 'left' | 'removed' | 'failed';
  readonly message: string;
}

/**
 * Answers the plugin: writes the rules that a pod's own proof names into its network namespace, before any container of it
 * starts. What cannot be done fails the call: the runtime takes the pod's network down again, and the kubelet tries anew.
 */
export class PodCapture {
  private readonly readPod: PodReader;
  private readonly enter: NamespaceEntry;
  private readonly onCall: (facts: CallFacts) => void;

  constructor(readPod: PodReader, enter: NamespaceEntry, onCall: (facts: CallFacts) => void) {
    this.readPod = readPod;
    this.enter = enter;
    this.onCall = onCall;
  }

  async answer(lines: string, configuration: string): Promise<CniAnswer> {
    const read = readCniCall(lines, configuration);
    if (!read.ok) {
      this.onCall({ command: 'unreadable', pod: null, outcome: 'failed', message: read.error.text.trim() });
      return read.error;
    }
    const call = read.value;
    const tell = (outcome: CallFacts['outcome'], message = ''): void =>
      this.onCall({ command: call.command, pod: call.pod, outcome, message });
    const failed = (code: number, message: string): CniAnswer => {
      tell('failed', message);
      return cniFailure(call.cniVersion, code, `weft: ${message}`);
    };
    if (call.command === 'DEL') {
      await this.removeRules(call.namespacePath);
      tell('removed');
      return cniSuccess(call);
    }
    if (call.pod === null) {
      tell('left');
      return cniSuccess(call);
    }
    const pod = await this.readPod(call.pod);
    if (!pod.ok) return failed(cniCodes.later, `the pod cannot be read from the API server: ${pod.error}`);
    const plan = readPodPlan(pod.value);
    if (!plan.ok) return failed(cniCodes.badConfiguration, plan.error);
    if (plan.value === null) {
      tell('left');
      return cniSuccess(call);
    }
    const tool = await findRuleTool('', this.placeOf(call.namespacePath));
    if (!tool.ok) return failed(cniCodes.notCaptured, `no rules can be written for the pod: ${tool.error}`);
    if (call.command === 'CHECK') {
      const present = await tool.value.present();
      if (!present.ok || !present.value) return failed(cniCodes.notCaptured, 'the rules of the pod are gone');
    } else {
      const applied = await tool.value.apply(plan.value);
      if (!applied.ok) return failed(cniCodes.notCaptured, `no rules can be written for the pod: ${applied.error}`);
    }
    tell('captured');
    return cniSuccess(call);
  }

  /** The namespace goes, and its rules with it; one that stays is to have none of ours. */
  private async removeRules(namespacePath: string): Promise<void> {
    if (namespacePath === '') return;
    for (const tool of await workingRuleTools(this.placeOf(namespacePath))) await tool.remove();
  }

  private placeOf(namespacePath: string): RulePlace {
    return (start) => {
      const started = this.enter(namespacePath, start);
      return started.ok ? started : fail(started.error);
    };
  }
}

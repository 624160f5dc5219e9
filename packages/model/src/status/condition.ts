import type { ObjectRef } from '../problem/problem.ts';

/** One condition as Kubernetes has it; the time of transition is whoever writes it. */
export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Programmed' | 'Conflicted';
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

/** One entry of `status.parents` of a route, or of `status.ancestors` of a policy. */
export interface ParentStatus {
  readonly parent: ParentReference;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/** Empty text and 0 stand for absent. */
export interface ParentReference {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly sectionName: string;
  readonly port: number;
}

export interface ListenerStatus {
  readonly name: string;
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

export interface ObjectStatus {
  readonly object: ObjectRef;
  /** Of the object as a whole: kinds that have no parents. */
  readonly conditions: readonly Condition[];
  readonly parents: readonly ParentStatus[];
  /** Gateways only. */
  readonly listeners: readonly ListenerStatus[];
}

/** How far proxies have come with what an object became; counted by whoever pushes it. */
export interface ProgrammedCount {
  readonly subscribers: number;
  readonly acknowledged: number;
  /** Subscribers that do not know how to do what the object asks. */
  readonly tooOld: number;
}

/** `Programmed` from counts: nobody who asks is as good as everybody who has it; too old outweighs late. */
export function programmedCondition(count: ProgrammedCount, generation: number): Condition {
  const { subscribers, acknowledged, tooOld } = count;
  if (subscribers === 0) return condition('Programmed', true, 'NoSubscribers', 'no proxy uses it', generation);
  const message = `${acknowledged} of ${subscribers} proxies`;
  if (acknowledged >= subscribers) return condition('Programmed', true, 'Programmed', message, generation);
  if (tooOld > 0) return condition('Programmed', false, 'ProxyTooOld', `${message}, ${tooOld} too old`, generation);
  return condition('Programmed', false, 'Pending', message, generation);
}

/** Builds a condition; `holds` is its status. */
export function condition(
  type: Condition['type'],
  holds: boolean,
  reason: string,
  message: string,
  generation: number,
): Condition {
  return { type, status: holds ? 'True' : 'False', reason, message, observedGeneration: generation };
}

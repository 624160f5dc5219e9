/**
 * Which instance stands in the model for each workload, and by whose word:
 *
 *   a sidecar of ours  >  another replica, of a sidecar of its own  >  the pod  >  what was remembered
 *
 * The first that speaks is believed, held to the pod where there is one. So a stream that ends takes nothing out of the mesh
 * as long as the pod stands, and a replica that has just started calls no pod in plaintext.
 */
import type { Timer, TimerWheel } from '@weft/kernel';
import type { PodFacts } from '@weft/kube';
import { type Change, type ResourceKey, type WorkloadInstance, destinationKey, objectKey } from '@weft/model';
import type { ChangeFeed } from './change-feed.ts';
import { type PodSource, expectInstance, heldToPod } from './expected-instance.ts';
import { isCaller } from './workload-admission.ts';
import type { WorkloadMemory } from './workload-memory.ts';

export interface InstanceBookOptions {
  readonly feed: ChangeFeed;
  readonly memory: WorkloadMemory;
  readonly wheel: TimerWheel;
  /** Absent where there is no cluster. */
  readonly pods?: PodSource;
}

/** After a restart of this process: proxies reconnect after at most 10 s of backoff, and then some are slow. */
const RESTORED_MS = 30_000;

interface Told {
  readonly instance: WorkloadInstance;
  readonly replica: string;
}

export class InstanceBook {
  /** Told of each workload of which our own sidecars say something else than before. */
  onOwn: (workload: string) => void;
  private readonly options: InstanceBookOptions;
  private readonly own: Map<string, WorkloadInstance>;
  private readonly told: Map<string, Told>;
  private readonly standing: Map<string, WorkloadInstance>;
  /** Services that a workload was last an endpoint of: who called it is to learn that it leaves, though they name it no more. */
  private readonly services: Map<string, readonly string[]>;
  /** Sidecars that left while their pod stood, and how often they had been started by then. */
  private readonly left: Map<string, number>;
  /** Remembered from the last process, and not heard of since. */
  private readonly restored: Set<string>;
  private restoredTimer: Timer | null;
  /** Empty until `begin`. */
  private trustDomain: string;

  constructor(options: InstanceBookOptions) {
    this.options = options;
    this.onOwn = () => undefined;
    this.own = new Map();
    this.told = new Map();
    this.standing = new Map();
    this.services = new Map();
    this.left = new Map();
    this.restored = new Set();
    this.restoredTimer = null;
    this.trustDomain = '';
  }

  /** Puts in what the pods say and what the last process knew; whoever of those does not reconnect in time is withdrawn. */
  begin(trustDomain: string): void {
    const { memory, wheel, pods } = this.options;
    this.trustDomain = trustDomain;
    for (const workload of memory.remembered.keys()) this.restored.add(workload);
    this.settle([...(pods?.keys() ?? []), ...this.restored]);
    if (this.restored.size === 0) return;
    this.restoredTimer = wheel.schedule(RESTORED_MS, () => {
      const due = [...this.restored];
      this.restored.clear();
      for (const workload of due) if (!this.isSpokenFor(workload)) this.remember(workload);
      this.settle(due);
    });
  }

  stop(): void {
    this.restoredTimer?.cancel();
  }

  /** Whether the pod's own word stands behind a workload. */
  hasPod(workload: string): boolean {
    return this.expected(workload) !== undefined;
  }

  /** What stands in the model. */
  get(workload: string): WorkloadInstance | undefined {
    return this.standing.get(workload);
  }

  /** A connected sidecar stands for a workload. In force with the next `settle`. */
  say(instance: WorkloadInstance): void {
    const { workload } = instance;
    this.own.set(workload, instance);
    this.left.delete(workload);
    this.restored.delete(workload);
    // Of a caller nobody else needs to know.
    if (isCaller(instance)) return;
    this.remember(workload, instance);
    this.onOwn(workload);
  }

  /** The sidecar that stood for a workload is gone. In force with the next `settle`. */
  unsay(workload: string): void {
    const said = this.own.get(workload);
    if (said?.draining === true) this.leave(workload);
    this.own.delete(workload);
    if (said !== undefined && isCaller(said)) return;
    if (!this.isSpokenFor(workload)) this.remember(workload);
    this.onOwn(workload);
  }

  /** What another replica says of its sidecars; `isWhole` when that is all it says. In force at once. */
  tell(replica: string, instances: readonly WorkloadInstance[], removed: readonly string[], isWhole: boolean): void {
    const gone = new Set(removed);
    if (isWhole) for (const [workload, told] of this.told) if (told.replica === replica) gone.add(workload);
    for (const instance of instances) {
      gone.delete(instance.workload);
      this.told.set(instance.workload, { instance, replica });
      this.left.delete(instance.workload);
      this.restored.delete(instance.workload);
      this.remember(instance.workload, instance);
    }
    for (const workload of gone) {
      const told = this.told.get(workload);
      if (told === undefined || told.replica !== replica) continue;
      if (told.instance.draining) this.leave(workload);
      this.told.delete(workload);
      if (!this.isSpokenFor(workload)) this.remember(workload);
    }
    this.settle([...instances.map(({ workload }) => workload), ...gone]);
  }

  /** What our sidecar says of a workload, where that differs from what its pod says; undefined otherwise. */
  news(workload: string): WorkloadInstance | undefined {
    const said = this.own.get(workload);
    if (said === undefined || isCaller(said)) return undefined;
    const pod = this.podOf(workload);
    const expected = this.expected(workload);
    if (pod === undefined || expected === undefined) return said;
    const held = heldToPod(said, pod);
    return held === undefined || isSameInstance({ ...held, zone: '', weight: expected.weight }, expected)
      ? undefined
      : said;
  }

  /** All that our sidecars say and nobody else could know. */
  *allNews(): Generator<WorkloadInstance> {
    for (const workload of this.own.keys()) {
      const instance = this.news(workload);
      if (instance !== undefined) yield instance;
    }
  }

  /** Brings the model in line with what is said of these workloads now. */
  settle(workloads: Iterable<string>): void {
    if (this.trustDomain === '') return;
    const changes: Change[] = [];
    for (const workload of new Set(workloads)) {
      const next = this.resolve(workload);
      const before = this.standing.get(workload);
      if (next === undefined) {
        this.services.delete(workload);
        if (before === undefined) continue;
        this.standing.delete(workload);
        changes.push({ type: 'RemoveInstance', workload });
        continue;
      }
      const services = this.options.feed.index.model.workloads.servicesOf(workload);
      if (services.size > 0) this.services.set(workload, [...services]);
      if (isSameInstance(next, before)) continue;
      this.standing.set(workload, next);
      changes.push({ type: 'UpsertInstance', instance: next });
    }
    if (changes.length > 0) this.options.feed.apply(changes);
  }

  /** The endpoint sets a workload is in, or was in until it left. */
  endpointSets(workload: string): ResourceKey[] {
    const { model } = this.options.feed.index;
    const keys: ResourceKey[] = [];
    const services = new Set([...model.workloads.servicesOf(workload), ...(this.services.get(workload) ?? [])]);
    for (const service of services) {
      for (const { port } of model.service(service)?.spec.ports ?? []) {
        keys.push(`endpoints:${destinationKey(service, port)}`);
      }
    }
    return keys;
  }

  private resolve(workload: string): WorkloadInstance | undefined {
    const said = this.own.get(workload) ?? this.told.get(workload)?.instance;
    const pod = this.podOf(workload);
    const expected = this.expected(workload);
    if (pod !== undefined && expected !== undefined) {
      const held = said === undefined ? undefined : heldToPod(said, pod);
      if (held !== undefined) return held;
      const restarts = pod.sidecar?.restarts ?? 0;
      const leftAt = this.left.get(workload);
      if (leftAt !== undefined && leftAt < restarts) this.left.delete(workload);
      return leftAt === restarts ? { ...expected, draining: true } : expected;
    }
    this.left.delete(workload);
    return said ?? this.options.memory.remembered.get(workload);
  }

  /** What is to outlive the process. A pod does by itself. */
  private remember(workload: string, instance = this.options.memory.remembered.get(workload)): void {
    const { memory } = this.options;
    if (this.hasPod(workload)) return;
    const isSpokenFor = this.isSpokenFor(workload);
    if (instance === undefined) return;
    if (isSpokenFor && !instance.draining) memory.remember(instance);
    else if (this.hasEntry(workload)) memory.remember({ ...instance, draining: true });
    else memory.forget(workload);
  }

  private leave(workload: string): void {
    const pod = this.podOf(workload);
    if (pod?.sidecar !== undefined) this.left.set(workload, pod.sidecar.restarts);
  }

  private isSpokenFor(workload: string): boolean {
    return this.own.has(workload) || this.told.has(workload);
  }

  private podOf(workload: string): PodFacts | undefined {
    return this.options.pods?.get(workload);
  }

  private expected(workload: string): WorkloadInstance | undefined {
    const pod = this.podOf(workload);
    if (pod === undefined || this.trustDomain === '') return undefined;
    return expectInstance(pod, this.trustDomain, this.options.feed.index.model);
  }

  private hasEntry(workload: string): boolean {
    const [namespace = '', name = ''] = workload.split('/');
    return this.options.feed.index.model.byKey(objectKey('WorkloadEntry', namespace, name)) !== undefined;
  }
}

/** By their JSON: fields in another order, as of an instance that was told, are another one, which costs a look and no more. */
export function isSameInstance(left: WorkloadInstance, right: WorkloadInstance | undefined): boolean {
  return right !== undefined && JSON.stringify(left) === JSON.stringify(right);
}

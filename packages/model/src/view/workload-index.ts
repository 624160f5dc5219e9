import type { ObjectOf } from '../kinds/kind-table.ts';
import type { ServicePort } from '../kinds/service.ts';
import { builtInDefaults } from '../policy/built-in-defaults.ts';
import { addressKey } from './destination.ts';
import { Relation } from './relation.ts';
import type { DestinationKey } from './resource.ts';

/** A proxy that proved whose it is: the control plane's registry holds one per live Sync stream. */
export interface WorkloadInstance {
  /** `namespace/name`: of its `WorkloadEntry`, or a name of its own for one that no entry describes. */
  readonly workload: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly zone: string;
  readonly weight: number;
  readonly ports: readonly InstancePort[];
  /** Where its sidecar listens. */
  readonly address: string;
  /** SPIFFE ID of its leaf. */
  readonly identity: string;
  /** Leaves every endpoint set; its entry is not called without it either. */
  readonly draining: boolean;
}

export interface InstancePort {
  /** Name that a Service may give as targetPort; empty for none. */
  readonly name: string;
  readonly applicationPort: number;
  readonly meshPort: number;
  /** What its sidecar has seen the application speak. Absent: nothing yet. */
  readonly learned?: 'Http1' | 'Tcp';
}

/** One instance as services see it: an entry, an attested proxy, or both. */
export interface Workload {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly zone: string;
  readonly weight: number;
  readonly entry: ObjectOf<'WorkloadEntry'> | undefined;
  readonly instance: WorkloadInstance | undefined;
}

export type Selector = Readonly<Record<string, string>>;

/**
 * Which workloads a selector selects, and which selectors select a workload, without looking at the others: both sides are
 * indexed by one `key=value` pair. Counts what it looks at.
 */
export class WorkloadIndex {
  /** Objects looked at since the start; tests bound it. */
  visited = 0;
  readonly #workloads = new Map<string, Workload>();
  readonly #byNamespace = new Relation<string, string>();
  readonly #byLabel = new Relation<string, string>();
  readonly #services = new Map<string, { namespace: string; selector: Selector; pair: string }>();
  readonly #servicesByPair = new Relation<string, string>();
  readonly #members = new Relation<string, string>();
  readonly #memberships = new Relation<string, string>();
  readonly #byAddress = new Relation<DestinationKey, string>();

  get(key: string): Workload | undefined {
    return this.#workloads.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#workloads.keys();
  }

  /** Workloads whose sidecar listens at an address and port; more than one only where they clash. */
  at(key: DestinationKey): ReadonlySet<string> {
    return this.#byAddress.get(key);
  }

  membersOf(service: string): ReadonlySet<string> {
    return this.#members.get(service);
  }

  servicesOf(workload: string): ReadonlySet<string> {
    return this.#memberships.get(workload);
  }

  inNamespace(namespace: string): ReadonlySet<string> {
    return this.#byNamespace.get(namespace);
  }

  /** Workloads of a namespace that carry all labels of a selector; an empty one selects nothing, as a Service's does. */
  *select(namespace: string, selector: Selector): Generator<string> {
    let least: ReadonlySet<string> | undefined;
    for (const [name, value] of Object.entries(selector)) {
      const candidates = this.#byLabel.get(pairOf(namespace, name, value));
      if (least === undefined || candidates.size < least.size) least = candidates;
    }
    for (const key of least ?? []) {
      this.visited += 1;
      const workload = this.#workloads.get(key);
      if (workload !== undefined && carries(workload.labels, selector)) yield key;
    }
  }

  /** Replaces or removes a workload. Returns the services that select it now or did before. */
  set(key: string, entry: ObjectOf<'WorkloadEntry'> | undefined, instance: WorkloadInstance | undefined): Set<string> {
    this.visited += 1;
    const affected = new Set<string>();
    const before = this.#workloads.get(key);
    if (before !== undefined) {
      this.#byNamespace.delete(before.namespace, key);
      for (const address of addressesOf(before.instance)) this.#byAddress.delete(address, key);
      for (const [name, value] of Object.entries(before.labels))
        this.#byLabel.delete(pairOf(before.namespace, name, value), key);
      for (const service of this.#memberships.get(key)) {
        affected.add(service);
        this.#unlink(service, key);
      }
      this.#workloads.delete(key);
    }
    const workload = workloadOf(key, entry, instance);
    if (workload === undefined) return affected;
    this.#workloads.set(key, workload);
    this.#byNamespace.add(workload.namespace, key);
    for (const address of addressesOf(instance)) this.#byAddress.add(address, key);
    for (const [name, value] of Object.entries(workload.labels)) {
      const pair = pairOf(workload.namespace, name, value);
      this.#byLabel.add(pair, key);
      for (const service of this.#servicesByPair.get(pair)) {
        this.visited += 1;
        const selector = this.#services.get(service)?.selector;
        if (selector === undefined || !carries(workload.labels, selector)) continue;
        affected.add(service);
        this.#link(service, key);
      }
    }
    return affected;
  }

  /** Replaces or removes (undefined) a service's selector. Returns the workloads it selects now or did before. */
  setService(service: string, namespace: string, selector: Selector | undefined): Set<string> {
    this.visited += 1;
    const affected = new Set<string>();
    const before = this.#services.get(service);
    if (before !== undefined) {
      this.#servicesByPair.delete(before.pair, service);
      this.#services.delete(service);
      for (const key of this.#members.get(service)) {
        affected.add(key);
        this.#unlink(service, key);
      }
    }
    const first = selector === undefined ? undefined : Object.entries(selector).at(0);
    if (selector === undefined || first === undefined) return affected;
    const pair = pairOf(namespace, first[0], first[1]);
    this.#services.set(service, { namespace, selector, pair });
    this.#servicesByPair.add(pair, service);
    for (const key of this.select(namespace, selector)) {
      affected.add(key);
      this.#link(service, key);
    }
    return affected;
  }

  #link(service: string, key: string): void {
    this.#members.add(service, key);
    this.#memberships.add(key, service);
  }

  #unlink(service: string, key: string): void {
    this.#members.delete(service, key);
    this.#memberships.delete(key, service);
  }
}

/** Destinations that an instance is reached at by its address. */
export function* addressesOf(instance: WorkloadInstance | undefined): Generator<DestinationKey> {
  if (instance !== undefined) for (const { meshPort } of instance.ports) yield addressKey(instance.address, meshPort);
}

/** The application's port that a service port leads to; undefined when the workload has no port of that name. */
export function applicationPortOf(workload: Workload, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  const entryPort = workload.entry?.spec.ports?.find(({ name }) => name === target)?.port;
  return entryPort ?? workload.instance?.ports.find(({ name }) => name === target)?.applicationPort;
}

function workloadOf(
  key: string,
  entry: ObjectOf<'WorkloadEntry'> | undefined,
  instance: WorkloadInstance | undefined,
): Workload | undefined {
  if (entry !== undefined) {
    const { spec, metadata } = entry;
    return {
      key,
      namespace: metadata.namespace,
      labels: spec.labels ?? metadata.labels,
      serviceAccount: spec.serviceAccount ?? builtInDefaults.workload.serviceAccount,
      zone: spec.zone ?? instance?.zone ?? '',
      weight: spec.weight ?? builtInDefaults.workload.weight,
      entry,
      instance,
    };
  }
  if (instance === undefined) return undefined;
  const { namespace, labels, serviceAccount, zone, weight } = instance;
  return { key, namespace, labels, serviceAccount, zone, weight, entry, instance };
}

function carries(labels: Selector, selector: Selector): boolean {
  for (const name of Object.keys(selector)) if (labels[name] !== selector[name]) return false;
  return true;
}

/** Label keys and values hold no space. */
function pairOf(namespace: string, name: string, value: string): string {
  return `${namespace} ${name} ${value}`;
}

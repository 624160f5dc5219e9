/**
 * What a cluster holds, in words of the model:
 *
 *   Service                       --> Service, whose selector is a label of Weft's own: an endpoint is who the slices name
 *   EndpointSlice                 --> that label on workloads, and the port each service port leads to
 *   Pod, address of a slice       --> WorkloadEntry, named like the pod
 *   everything that is configured --> itself
 *
 * So readiness, services without selector and ports that differ from pod to pod come from Kubernetes, and the model need
 * not know of them. Facts go in one by one; what changed comes out in one piece.
 */
import { fnv1a32 } from '@weft/kernel';
import { type ConfigObject, type ObjectOf, type Problem, type ReadResult, byCodeUnit, readObject } from '@weft/model';
import type { ObjectName, RawObject } from '../watch/kind-watch.ts';
import type { PodFacts, SliceFacts } from './raw-kinds.ts';

/** One object as the model takes it. */
export interface TranslatedObject {
  /** `Kind/namespace/name`: unique. */
  readonly name: string;
  /** As people are to see it. */
  readonly raw: unknown;
  readonly result: ReadResult;
}

export interface TranslationUpdate {
  readonly changed: readonly TranslatedObject[];
  /** Names of objects that are gone. */
  readonly removed: readonly string[];
  /** Pods of which anything differs, as `namespace/name`, those that are gone too: more is known of them than their objects say. */
  readonly pods: readonly string[];
}

/** Label of the workloads that are endpoints of a Service; its name follows. */
const endpointLabel = 'endpoint.weft.dev/';

type ServiceKey = ObjectName;
type WorkloadKey = ObjectName;
type Selector = Readonly<Record<string, string>>;

/** What a Service's slices say of one workload. */
interface Membership {
  readonly zone: string;
  readonly address: string;
  /** Names that a translated Service gives as targetPort; only where its workloads differ. */
  readonly ports: readonly { readonly name: string; readonly port: number }[];
}

interface Candidate {
  readonly workload: WorkloadKey;
  readonly address: string;
  readonly zone: string;
  readonly isReady: boolean;
  readonly isServing: boolean;
  /** By name of the Service's port. */
  readonly ports: ReadonlyMap<string, number>;
}

interface ServiceState {
  raw: RawObject | undefined;
  readonly slices: Map<string, SliceFacts>;
  members: ReadonlyMap<WorkloadKey, Membership>;
  /** Service port name to where it leads. */
  targets: ReadonlyMap<string, number | string>;
}

export interface TranslationOptions {
  readonly checkRegularExpression?: (pattern: string) => string | undefined;
}

export class ClusterTranslation {
  private readonly options: TranslationOptions;
  private readonly services: Map<ServiceKey, ServiceState>;
  private readonly sliceServices: Map<ObjectName, ServiceKey>;
  private readonly pods: Map<WorkloadKey, PodFacts>;
  private readonly entries: Map<WorkloadKey, RawObject>;
  private readonly memberships: Map<WorkloadKey, Map<ServiceKey, Membership>>;
  /** Namespace to its services; entries that are written by hand are matched against those. */
  private readonly servicesIn: Map<string, Set<ServiceKey>>;
  private readonly dirtyServices: Set<ServiceKey>;
  private readonly dirtyWorkloads: Set<WorkloadKey>;
  private readonly changedPods: Set<WorkloadKey>;
  private readonly given: Map<string, TranslatedObject>;
  private readonly changed: Map<string, TranslatedObject | undefined>;

  constructor(options: TranslationOptions = {}) {
    this.options = options;
    this.services = new Map();
    this.sliceServices = new Map();
    this.pods = new Map();
    this.entries = new Map();
    this.memberships = new Map();
    this.servicesIn = new Map();
    this.dirtyServices = new Set();
    this.dirtyWorkloads = new Set();
    this.changedPods = new Set();
    this.given = new Map();
    this.changed = new Map();
  }

  /** `raw` as `serviceObject` makes it. */
  service(key: ServiceKey, raw: RawObject | undefined): void {
    const state = this.stateOf(key);
    state.raw = raw;
    const [namespace = ''] = key.split('/');
    let own = this.servicesIn.get(namespace);
    if (own === undefined) this.servicesIn.set(namespace, (own = new Set()));
    if (raw === undefined) own.delete(key);
    else own.add(key);
    this.dirtyServices.add(key);
  }

  slice(name: ObjectName, facts: SliceFacts | undefined): void {
    const key = facts === undefined ? undefined : `${facts.namespace}/${facts.service}`;
    const before = this.sliceServices.get(name);
    if (before !== undefined && before !== key) {
      this.stateOf(before).slices.delete(name);
      this.dirtyServices.add(before);
      this.sliceServices.delete(name);
    }
    if (facts === undefined || key === undefined) return;
    this.sliceServices.set(name, key);
    this.stateOf(key).slices.set(name, facts);
    this.dirtyServices.add(key);
  }

  pod(key: WorkloadKey, facts: PodFacts | undefined): void {
    if (facts === undefined || facts.isOver || facts.address === '') this.pods.delete(key);
    else this.pods.set(key, facts);
    this.dirtyWorkloads.add(key);
    this.changedPods.add(key);
  }

  /** An object of a kind that is configured; `WorkloadEntry` too. */
  configured(kind: string, key: ObjectName, raw: RawObject | undefined): void {
    if (kind === 'WorkloadEntry') {
      if (raw === undefined) this.entries.delete(key);
      else this.entries.set(key, raw);
      this.dirtyWorkloads.add(key);
      // What it says may make it an endpoint of any Service of its namespace.
      for (const service of this.servicesIn.get(key.split('/')[0] ?? '') ?? []) this.dirtyServices.add(service);
      return;
    }
    const name = `${kind}/${key}`;
    this.put(name, raw === undefined ? undefined : { name, raw, result: this.read(raw) });
  }

  /** The pod of a name; for attestation. */
  podOf(key: WorkloadKey): PodFacts | undefined {
    return this.pods.get(key);
  }

  /** All that changed since the last call. */
  take(): TranslationUpdate {
    for (const key of this.dirtyServices) this.resolveService(key);
    this.dirtyServices.clear();
    for (const key of this.dirtyWorkloads) this.resolveWorkload(key);
    this.dirtyWorkloads.clear();
    const changed: TranslatedObject[] = [];
    const removed: string[] = [];
    for (const [name, object] of this.changed) {
      if (object === undefined) removed.push(name);
      else changed.push(object);
    }
    this.changed.clear();
    const pods = [...this.changedPods];
    this.changedPods.clear();
    return { changed, removed, pods };
  }

  private stateOf(key: ServiceKey): ServiceState {
    let state = this.services.get(key);
    if (state === undefined) {
      state = { raw: undefined, slices: new Map(), members: new Map(), targets: new Map() };
      this.services.set(key, state);
    }
    return state;
  }

  private read(raw: unknown): ReadResult {
    return readObject(raw, undefined, this.options);
  }

  private put(name: string, object: TranslatedObject | undefined): void {
    const before = this.given.get(name);
    if (object === undefined) {
      if (before === undefined) return;
      this.given.delete(name);
    } else {
      if (before !== undefined && isSameObject(before, object)) return;
      this.given.set(name, object);
    }
    this.changed.set(name, object);
  }

  private resolveService(key: ServiceKey): void {
    const state = this.stateOf(key);
    const candidates = state.raw === undefined ? [] : [...this.candidatesOf(key, state)];
    const ready = candidates.filter(({ isReady }) => isReady);
    // As kube-proxy does: the last ones are called until they are gone.
    const used = ready.length > 0 ? ready : candidates.filter(({ isServing }) => isServing);
    state.targets = targetsOf(key, used);
    const members = new Map<WorkloadKey, Membership>();
    for (const candidate of used) {
      if (members.has(candidate.workload)) continue;
      members.set(candidate.workload, membershipOf(candidate, state.targets));
    }
    for (const [workload, before] of state.members) {
      if (!members.has(workload)) this.setMember(workload, key, undefined);
      else if (isSameMember(before, members.get(workload)!)) members.set(workload, before);
    }
    for (const [workload, member] of members) {
      if (state.members.get(workload) !== member) this.setMember(workload, key, member);
    }
    state.members = members;
    this.put(`Service/${key}`, state.raw === undefined ? undefined : this.translateService(key, state.raw, state));
    if (state.raw === undefined && state.slices.size === 0) this.services.delete(key);
  }

  private setMember(workload: WorkloadKey, service: ServiceKey, member: Membership | undefined): void {
    this.dirtyWorkloads.add(workload);
    let memberships = this.memberships.get(workload);
    if (member === undefined) {
      memberships?.delete(service);
      if (memberships?.size === 0) this.memberships.delete(workload);
      return;
    }
    if (memberships === undefined) this.memberships.set(workload, (memberships = new Map()));
    memberships.set(service, member);
  }

  private *candidatesOf(key: ServiceKey, state: ServiceState): Generator<Candidate> {
    const [namespace = '', service = ''] = key.split('/');
    for (const slice of [...state.slices.values()].sort((left, right) => byCodeUnit(left.name, right.name))) {
      const ports = new Map<string, number>();
      for (const { name, port, protocol } of slice.ports) if (protocol === 'TCP') ports.set(name, port);
      for (const { address, pod, ready, serving, zone } of slice.endpoints) {
        const workload = pod === '' ? `${namespace}/${service}~${address.replaceAll(':', '-')}` : `${namespace}/${pod}`;
        yield { workload, address, zone, isReady: ready, isServing: serving, ports };
      }
    }
    const selector = fieldsOf(fieldsOf(state.raw)['spec'])['selector'] as Selector | undefined;
    if (selector === undefined || Object.keys(selector).length === 0) return;
    for (const [workload, raw] of this.entries) {
      if (!workload.startsWith(`${namespace}/`)) continue;
      const entry = this.read(raw).object;
      if (entry?.kind !== 'WorkloadEntry' || !carries(entry.spec.labels ?? entry.metadata.labels, selector)) continue;
      const { address, zone = '' } = entry.spec;
      yield { workload, address, zone, isReady: true, isServing: true, ports: portsOfEntry(entry, state.raw) };
    }
  }

  private translateService(key: ServiceKey, raw: RawObject, { targets }: ServiceState): TranslatedObject | undefined {
    // A name for something outside: its callers resolve it themselves, and reach it as they reach any outside host.
    if (fieldsOf(raw['spec'])['type'] === 'ExternalName') return undefined;
    const name = `Service/${key}`;
    const result = this.read(raw);
    if (result.object?.kind !== 'Service') return { name, raw, result };
    const { metadata, spec } = result.object;
    const ports = spec.ports?.map((port) => ({ ...port, targetPort: targets.get(port.name ?? '') ?? port.port }));
    const object: ConfigObject = {
      ...result.object,
      spec: {
        ...spec,
        selector: { [`${endpointLabel}${metadata.name}`]: 'true' },
        ...(ports === undefined ? {} : { ports }),
      },
    };
    return { name, raw, result: { ...result, object } };
  }

  private resolveWorkload(key: WorkloadKey): void {
    const name = `WorkloadEntry/${key}`;
    const pod = this.pods.get(key);
    const memberships = this.memberships.get(key);
    const members = [...(memberships ?? [])].sort(([left], [right]) => byCodeUnit(left, right));
    const written = this.entries.get(key);
    const result = written === undefined ? undefined : this.read(written);
    if (pod !== undefined) {
      const entry = madeEntry(name, pod, members);
      const problems = result === undefined ? [] : [clashProblem(result)];
      this.put(name, { ...entry, result: { ...entry.result, problems } });
    } else if (result !== undefined) {
      const { object } = result;
      const merged =
        object?.kind === 'WorkloadEntry'
          ? withMembers(object, object.spec.labels ?? object.metadata.labels, members)
          : undefined;
      this.put(name, { name, raw: written, result: { ...result, object: merged } });
    } else this.put(name, members.length > 0 && key.includes('~') ? addressEntry(name, key, members) : undefined);
  }
}

/** A service port leads to one number for all workloads, or else to a name that each workload resolves. */
function targetsOf(key: ServiceKey, candidates: readonly Candidate[]): Map<string, number | string> {
  const targets = new Map<string, number | string>();
  for (const { ports } of candidates) {
    for (const [name, port] of ports) {
      const known = targets.get(name);
      if (known === undefined) targets.set(name, port);
      else if (known !== port) targets.set(name, targetName(key, name));
    }
  }
  return targets;
}

/** Short: it travels as the name of an inbound port. Two services of one workload have different ones. */
function targetName(service: ServiceKey, port: string): string {
  return `${port}~${fnv1a32(service).toString(16)}`;
}

function membershipOf({ zone, address, ports }: Candidate, targets: ReadonlyMap<string, number | string>): Membership {
  const named: { name: string; port: number }[] = [];
  for (const [name, port] of ports) {
    const target = targets.get(name);
    if (typeof target === 'string') named.push({ name: target, port });
  }
  return { zone, address, ports: named };
}

function isSameMember(left: Membership, right: Membership): boolean {
  return (
    left.zone === right.zone &&
    left.address === right.address &&
    left.ports.length === right.ports.length &&
    left.ports.every(({ name, port }, index) => right.ports[index]?.name === name && right.ports[index].port === port)
  );
}

type Members = readonly (readonly [ServiceKey, Membership])[];

function labelsOf(own: Selector, members: Members): Selector {
  const labels: Record<string, string> = { ...own };
  for (const [service] of members) labels[`${endpointLabel}${service.slice(service.indexOf('/') + 1)}`] = 'true';
  return labels;
}

function withMembers(entry: ObjectOf<'WorkloadEntry'>, own: Selector, members: Members): ObjectOf<'WorkloadEntry'> {
  const ports = [...(entry.spec.ports ?? []), ...members.flatMap(([, { ports }]) => ports)];
  return {
    ...entry,
    spec: { ...entry.spec, labels: labelsOf(own, members), ...(ports.length === 0 ? {} : { ports }) },
  };
}

function madeEntry(name: string, pod: PodFacts, members: Members): TranslatedObject {
  const metadata = { name: pod.name, namespace: pod.namespace, labels: pod.labels };
  const base: ObjectOf<'WorkloadEntry'> = {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'WorkloadEntry',
    metadata: { ...metadata, generation: 0, createdAtMs: pod.createdAtMs },
    spec: { address: pod.address, serviceAccount: pod.serviceAccount, ...zoneOf(members) },
  };
  return made(name, withMembers(base, pod.labels, members));
}

function addressEntry(name: string, key: WorkloadKey, members: Members): TranslatedObject {
  const [namespace = '', own = ''] = key.split('/');
  const base: ObjectOf<'WorkloadEntry'> = {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'WorkloadEntry',
    metadata: { name: own, namespace, labels: {}, generation: 0, createdAtMs: 0 },
    spec: { address: members[0]?.[1].address ?? '', ...zoneOf(members) },
  };
  return made(name, withMembers(base, {}, members));
}

function zoneOf(members: Members): { zone?: string } {
  const zone = members.find((member) => member[1].zone !== '')?.[1].zone;
  return zone === undefined ? {} : { zone };
}

/** Not read: it is made of checked facts, and its names are such as no file may use. */
function made(name: string, object: ObjectOf<'WorkloadEntry'>): TranslatedObject {
  const { apiVersion, kind, metadata, spec } = object;
  const { name: own, namespace, labels } = metadata;
  const raw = { apiVersion, kind, metadata: { name: own, namespace, labels }, spec };
  return { name, raw, result: { ref: { apiVersion, kind, namespace, name: own }, object, problems: [] } };
}

function clashProblem({ ref }: ReadResult): Problem {
  return {
    code: 'duplicate-object',
    severity: 'error',
    message: `a pod is named ${ref.name} too; the pod is in force`,
    expected: '',
    path: 'metadata.name',
    object: ref,
    origin: undefined,
    fix: 'Give the WorkloadEntry another name.',
  };
}

/** Where each port of the Service leads at an entry that was written by hand. */
function portsOfEntry(entry: ObjectOf<'WorkloadEntry'>, service: RawObject | undefined): Map<string, number> {
  const ports = new Map<string, number>();
  const declared = fieldsOf(fieldsOf(service)['spec'])['ports'];
  for (const each of Array.isArray(declared) ? declared : []) {
    const { name, port, targetPort } = fieldsOf(each);
    const target = targetPort ?? port;
    const number = typeof target === 'number' ? target : entry.spec.ports?.find((own) => own.name === target)?.port;
    if (number !== undefined) ports.set(typeof name === 'string' ? name : '', number);
  }
  return ports;
}

function carries(labels: Selector, selector: Selector): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}

/** Made anew from the same facts; the version an API server gives to an object is no difference. */
function isSameObject(before: TranslatedObject, after: TranslatedObject): boolean {
  if (before.raw === after.raw && before.result === after.result) return true;
  return contentOf(before) === contentOf(after);
}

function contentOf({ raw, result }: TranslatedObject): string {
  const { status: _, metadata, ...rest } = raw as RawObject;
  const { resourceVersion: __, ...named } = metadata ?? {};
  return JSON.stringify([named, rest, result.object, result.problems]);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

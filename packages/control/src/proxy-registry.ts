/**
 * Who is connected, and what that makes of the mesh:
 *
 *   Hello --judge--> connected --Report.draining--> draining --stream ends--> gone
 *                     |     ^                        (endpoints left at once)
 *         stream ends |     | same instance, same identity, within 10 s
 *                     v     |
 *                    lost --+--10 s--> gone, its endpoints with it, but for a pod's, which stay while the pod stands
 *
 * A workload that had a sidecar is never called in plaintext afterwards: a `WorkloadEntry` whose proxy is gone has no
 * endpoints until a proxy comes back or the entry is made anew. What stands in the model for whom is kept by `InstanceBook`.
 */
import { type PeerIdentity, type TrustBundle, isVouchedFor } from '@weft/identity';
import { type Clock, type Result, type Timer, type TimerWheel, fail, ok } from '@weft/kernel';
import type { ObjectKey, ResourceKey, WorkloadInstance } from '@weft/model';
import type { CallFault, ClientMessage, Hello, SyncSession, View } from '@weft/wire';
import type { ChangeFeed } from './change-feed.ts';
import type { EventLog } from './event-log.ts';
import { type InstanceBook, isSameInstance } from './instance-book.ts';
import type { Follower } from './push-progress.ts';
import type { Audience } from './resource-index.ts';
import { type Admission, admitWorkload, isCaller, judgeHello } from './workload-admission.ts';
import type { WorkloadMemory } from './workload-memory.ts';

/** One proxy, from its Hello until its endpoints are gone. Fields are the registry's to write. */
export interface ProxyRecord extends Follower {
  /** `namespace/instance`. */
  readonly name: string;
  readonly peer: PeerIdentity;
  readonly hello: Hello;
  readonly address: string;
  readonly session: SyncSession;
  readonly view: View;
  readonly connectedAtMs: number;
  readonly audience: { namespace: string; workload: string; gateway: string };
  instance: WorkloadInstance | undefined;
  withheld: string;
  lastAckAtMs: number;
  isConnected: boolean;
  isDraining: boolean;
  /** A newer stream of the same instance has taken its place. */
  isSuperseded: boolean;
  /** All it holds is to be looked through for refusals, once it is up to date. */
  isScanDue: boolean;
  /** Refusals told of, by key: the reason. */
  readonly refusals: Map<ResourceKey, string>;
  timer: Timer | null;
  /** Ends the stream with the certificate it was opened with; a proxy that renewed has opened another one by then. */
  readonly expiry: Timer;
}

export interface ProxyRegistryOptions {
  readonly feed: ChangeFeed;
  readonly book: InstanceBook;
  readonly memory: WorkloadMemory;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly events: EventLog;
  /** A proxy refused a resource. */
  readonly onRefused: () => void;
  /** Tells the other replicas of an instance that leaves; resolves with their callers, at most `withinMs` later. */
  readonly tellLeaving?: (instance: WorkloadInstance, withinMs: number) => Promise<Acknowledged>;
}

/** How far those who call an instance have learned that it leaves. */
export interface Acknowledged {
  readonly subscribers: number;
  readonly acknowledged: number;
}

const WITHDRAW_MS = 10_000;
/** The longest wait for callers to learn that an instance leaves; callers of other replicas are waited for as long. */
const DRAIN_WAIT_MS = 5000;
/** A proxy that opens a second stream ends the first itself, once it was welcomed on the second. */
const SUPERSEDED_MS = 5000;

export class ProxyRegistry {
  private readonly options: ProxyRegistryOptions;
  private readonly byName: Map<string, ProxyRecord>;
  private readonly bySession: Map<SyncSession, ProxyRecord>;
  private readonly admitted: WeakMap<Hello, { readonly audience: ProxyRecord['audience']; readonly view: View }>;
  /** Workload key to the proxy whose instance stands in the model. */
  private readonly owners: Map<string, ProxyRecord>;
  /** Connected proxies that no pod stands behind: any change of their namespace may concern them. */
  private readonly loose: Set<ProxyRecord>;
  private isStopping: boolean;

  constructor(options: ProxyRegistryOptions) {
    this.options = options;
    this.byName = new Map();
    this.bySession = new Map();
    this.admitted = new WeakMap();
    this.owners = new Map();
    this.loose = new Set();
    this.isStopping = false;
  }

  /** Connected proxies, and those lost less than 10 s ago. */
  get records(): Iterable<ProxyRecord> {
    return this.byName.values();
  }

  get size(): number {
    return this.byName.size;
  }

  find(name: string): ProxyRecord | undefined {
    return this.byName.get(name);
  }

  /** Judges a Hello, and gives what its proxy may see. */
  admit(hello: Hello, peer: PeerIdentity): Result<View, CallFault> {
    const { feed, memory } = this.options;
    const judged = judgeHello(hello, peer, memory);
    if (!judged.ok) return judged;
    const name = nameOf(hello);
    const known = this.byName.get(name);
    if (known !== undefined && known.peer.id !== peer.id) {
      const message = `the instance ${name} is ${known.peer.id}, not ${peer.id}; give every process an instance name of its own`;
      return fail({ code: 'PermissionDenied', message });
    }
    const { workload } = admitWorkload(hello, peer, feed.index.model, memory, false);
    const audience = { namespace: hello.workload.namespace, workload, gateway: hello.gateway };
    const view = feed.index.view(audience satisfies Audience);
    this.admitted.set(hello, { audience, view });
    return ok(view);
  }

  /** The session of an admitted Hello is about to start. */
  opened(session: SyncSession, peer: PeerIdentity, address: string): void {
    const { hello } = session;
    const admitted = this.admitted.get(hello);
    if (admitted === undefined) return;
    const name = nameOf(hello);
    const previous = this.byName.get(name);
    const nowMs = this.options.clock.wallMs();
    const record: ProxyRecord = {
      name,
      peer,
      hello,
      address,
      session,
      ...admitted,
      connectedAtMs: nowMs,
      instance: undefined,
      withheld: previous?.withheld ?? '',
      lastAckAtMs: 0,
      isConnected: true,
      isDraining: false,
      isSuperseded: false,
      isScanDue: true,
      refusals: new Map(),
      timer: null,
      expiry: this.options.wheel.schedule(Math.max(0, peer.notAfterMs - nowMs), () =>
        this.end(record, 'its certificate has expired'),
      ),
    };
    this.byName.set(name, record);
    this.bySession.set(session, record);
    if (previous !== undefined) this.supersede(previous);
    this.options.feed.followers.add(record);
    if (previous === undefined || !previous.isConnected) {
      this.options.events.add('info', 'proxy-connected', name, `${name} connected from ${address} as ${peer.id}`);
    }
    this.update(record);
  }

  /** A message of the proxy was taken in. */
  advanced(session: SyncSession, what: Exclude<ClientMessage['type'], 'hello'>): void {
    const record = this.bySession.get(session);
    if (record === undefined || record.isSuperseded) return;
    if (what === 'subscribe') record.isScanDue = true;
    else if (what === 'ack') this.acknowledged(record);
    else if (what === 'report') this.reported(record);
  }

  closed(session: SyncSession, reason: string): void {
    const record = this.bySession.get(session);
    if (record === undefined) return;
    const { feed, events, wheel } = this.options;
    this.bySession.delete(session);
    record.expiry.cancel();
    feed.followers.delete(record);
    feed.progress.gone(record);
    record.isConnected = false;
    this.loose.delete(record);
    if (this.isStopping) return;
    if (record.isSuperseded) {
      record.timer?.cancel();
      return;
    }
    if (record.isDraining) {
      events.add('info', 'proxy-left', record.name, `${record.name} left after draining`);
      this.remove(record);
      return;
    }
    events.add('warning', 'proxy-lost', record.name, `the stream of ${record.name} ended: ${reason}`);
    record.timer = wheel.schedule(WITHDRAW_MS, () => this.remove(record));
  }

  /** Configuration changed: what proxies stand for may have, too. */
  refresh(objects: ReadonlySet<ObjectKey>): void {
    const { workloads } = this.options.feed.index.model;
    const namespaces = new Set<string>();
    const touched = new Set<string>();
    for (const key of objects) {
      const [kind, namespace = '', name = ''] = key.split('/');
      if (kind !== 'Service' && kind !== 'WorkloadEntry') continue;
      namespaces.add(namespace);
      const own = `${namespace}/${name}`;
      if (kind === 'Service') for (const member of workloads.membersOf(own)) touched.add(member);
      else {
        touched.add(own);
        this.forgetWithoutEntry(own, key);
      }
    }
    if (namespaces.size === 0) return;
    for (const record of this.loose) {
      if (namespaces.has(record.audience.namespace)) this.weigh(record, touched);
    }
    // What a look adds was looked at already: a Set is walked to its end, with what comes in on the way.
    for (const workload of touched) {
      const record = this.owners.get(workload);
      if (record?.isConnected === true && !this.loose.has(record)) this.weigh(record, touched);
    }
    this.options.book.settle(touched);
  }

  /** Pods changed: where one stands behind a workload, what it says counts at once. */
  podsChanged(pods: readonly string[]): void {
    this.options.book.settle(pods);
  }

  /** What another replica says of its sidecars. Resolves when callers here have learned of those that leave, or `awaitMs` is over. */
  told(
    replica: string,
    instances: readonly WorkloadInstance[],
    removed: readonly string[],
    isWhole: boolean,
    awaitMs: number,
  ): Promise<Acknowledged> {
    const { book, feed } = this.options;
    for (const { workload } of instances) {
      // It has gone over to the other one, which knows better than a stream that ended here.
      const record = this.owners.get(workload);
      if (record !== undefined && !record.isConnected) {
        record.timer?.cancel();
        this.remove(record);
      }
    }
    book.tell(replica, instances, removed, isWhole);
    const leaving = instances.filter(({ draining }) => draining).flatMap(({ workload }) => book.endpointSets(workload));
    if (awaitMs === 0 || leaving.length === 0) return Promise.resolve(nobody);
    return new Promise((resolve) => {
      feed.progress.begin(leaving, feed.followers, Math.min(awaitMs, DRAIN_WAIT_MS), ({ subscribers, acknowledged }) =>
        resolve({ subscribers, acknowledged }),
      );
    });
  }

  /** Roots changed: whom none of them vouches for any more is no longer served. */
  trustChanged(bundle: TrustBundle): void {
    const nowMs = this.options.clock.wallMs();
    for (const record of this.bySession.values()) {
      if (!isVouchedFor(record.peer, bundle, nowMs)) this.end(record, 'its root is no longer trusted');
    }
  }

  /** Streams that end from now on are our own doing: nobody is withdrawn. */
  quiesce(): void {
    this.isStopping = true;
  }

  /** Ends all timers; sessions are ended by the server. */
  stop(): void {
    for (const record of [...this.byName.values(), ...this.bySession.values()]) {
      record.timer?.cancel();
      record.expiry.cancel();
    }
  }

  private end(record: ProxyRecord, why: string): void {
    this.options.events.add('warning', 'proxy-untrusted', record.name, `the stream of ${record.name} is ended: ${why}`);
    record.session.close('server-stopping');
  }

  private supersede(previous: ProxyRecord): void {
    previous.timer?.cancel();
    if (!previous.isConnected) return;
    previous.isSuperseded = true;
    this.options.feed.followers.delete(previous);
    this.options.feed.progress.gone(previous);
    previous.timer = this.options.wheel.schedule(SUPERSEDED_MS, () => previous.session.close('replaced'));
  }

  /** Brings the model in line with what a connected proxy stands for now. */
  private update(record: ProxyRecord): void {
    const touched = new Set<string>();
    this.weigh(record, touched);
    this.options.book.settle(touched);
  }

  /** Says what a connected proxy stands for now; adds the workloads that are to be settled. */
  private weigh(record: ProxyRecord, touched: Set<string>): void {
    const { feed, memory, book } = this.options;
    const next = withLearned(
      admitWorkload(record.hello, record.peer, feed.index.model, memory, record.isDraining),
      record.session.report?.opaquePorts ?? [],
    );
    const before = record.audience.workload;
    record.audience.workload = next.workload;
    if (before !== '' && before !== next.workload && this.owners.get(before) === record) {
      this.owners.delete(before);
      book.unsay(before);
      touched.add(before);
    }
    this.tellWithheld(record, next);
    if (book.hasPod(next.workload)) this.loose.delete(record);
    else this.loose.add(record);
    const isOwner = this.owners.get(next.workload) === record;
    const isKnown = isOwner && next.instance !== undefined && isSameInstance(next.instance, record.instance);
    record.instance = next.instance;
    if (next.instance === undefined || isKnown) return;
    this.owners.set(next.workload, record);
    book.say(next.instance);
    touched.add(next.workload);
  }

  private tellWithheld(record: ProxyRecord, { withheld }: Admission): void {
    const services = withheld.join(', ');
    if (services === record.withheld) return;
    record.withheld = services;
    if (services === '') return;
    this.options.events.add(
      'warning',
      'labels-withheld',
      record.name,
      `${record.name} has labels that would make it an endpoint of ${services}, which no token of its account was made for`,
    );
  }

  private acknowledged(record: ProxyRecord): void {
    record.lastAckAtMs = this.options.clock.wallMs();
    this.options.feed.progress.acknowledged(record);
    const { session } = record;
    if (!record.isScanDue || session.dirtyCount > 0 || session.unacknowledgedCount > 0) return;
    record.isScanDue = false;
    for (const { key, error } of session.versions()) if (error !== '') this.refused(session, key, error);
  }

  /** A proxy refused a resource: told once for each reason. */
  refused(session: SyncSession, key: ResourceKey, reason: string): void {
    const record = this.bySession.get(session);
    if (record === undefined || record.refusals.get(key) === reason) return;
    record.refusals.set(key, reason);
    this.options.onRefused();
    this.options.events.add('error', 'resource-refused', record.name, `${record.name} refused ${key}: ${reason}`);
  }

  private reported(record: ProxyRecord): void {
    const isDraining = record.session.report?.draining === true;
    if (isDraining === record.isDraining) {
      // Only a proxy before an application teaches what that application speaks, and only of its own ports.
      if (!isDraining && record.instance !== undefined) this.update(record);
      return;
    }
    record.isDraining = isDraining;
    if (isDraining) this.drain(record);
    else this.update(record);
  }

  /** Endpoints leave, those who use them acknowledge, the proxy is told: only then does it refuse new connections. */
  private drain(record: ProxyRecord): void {
    const { feed, book, events, tellLeaving } = this.options;
    events.add('info', 'proxy-draining', record.name, `${record.name} is draining`);
    const { workload } = record.audience;
    const { instance } = record;
    if (instance === undefined || isCaller(instance) || this.owners.get(workload) !== record) {
      record.session.drain({ reason: 'Withdrawn', subscribers: 0, acknowledged: 0, withinMs: 0 });
      return;
    }
    const leaving = { ...instance, draining: true };
    record.instance = leaving;
    book.say(leaving);
    book.settle([workload]);
    const others = [...feed.followers].filter((follower) => follower !== record);
    const elsewhere = tellLeaving?.(leaving, DRAIN_WAIT_MS);
    feed.progress.begin(book.endpointSets(workload), others, DRAIN_WAIT_MS, (here) => {
      if (elsewhere === undefined) tellDrained(record, here, nobody);
      else void elsewhere.then((there) => tellDrained(record, here, there));
    });
  }

  private remove(record: ProxyRecord): void {
    if (this.byName.get(record.name) === record) this.byName.delete(record.name);
    const { workload } = record.audience;
    if (workload !== '' && this.owners.get(workload) === record) this.withdraw(workload);
  }

  private withdraw(workload: string): void {
    this.owners.delete(workload);
    this.options.book.unsay(workload);
    this.options.book.settle([workload]);
  }

  /** An entry that is gone takes with it that it once had a sidecar. */
  private forgetWithoutEntry(workload: string, key: ObjectKey): void {
    const { feed, memory } = this.options;
    if (feed.index.model.byKey(key) !== undefined || this.owners.has(workload)) return;
    if (memory.remembered.has(workload)) this.withdraw(workload);
  }
}

const nobody: Acknowledged = { subscribers: 0, acknowledged: 0 };

function tellDrained({ session }: ProxyRecord, here: Acknowledged, there: Acknowledged): void {
  const subscribers = here.subscribers + there.subscribers;
  const acknowledged = here.acknowledged + there.acknowledged;
  session.drain({ reason: 'Withdrawn', subscribers, acknowledged, withinMs: 0 });
}

/** The instance with what its proxy has learned. It counts where nothing is declared (`portProtocol` of the model). */
function withLearned(admission: Admission, opaquePorts: readonly number[]): Admission {
  const { instance } = admission;
  if (instance === undefined || opaquePorts.length === 0) return admission;
  const ports = instance.ports.map((port) =>
    opaquePorts.includes(port.applicationPort) ? { ...port, learned: 'Tcp' as const } : port,
  );
  return { ...admission, instance: { ...instance, ports } };
}

function nameOf({ workload }: Hello): string {
  return `${workload.namespace}/${workload.instance}`;
}

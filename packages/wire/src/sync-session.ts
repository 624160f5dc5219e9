/**
 * The server's side of one Sync stream, as a state machine without I/O. It knows what its proxy holds, is told which
 * resources may have changed, and brings the proxy from the one to the other:
 *
 *            changed(keys)   Subscribe            drained()
 *                  |             |                    |
 *                  v             v                    v
 *   view ---> dirty set -- flush: compare hashes, order, cut at 1 MiB --> Transaction --> proxy
 *                  ^                                                          |
 *                  +--- refused or base unknown <--- Ack{errors} <------------+     at most two on their way
 *
 * What is to be done is a set of keys, never a queue of messages: however slow a proxy is, it costs at most one entry per
 * resource, and always gets the newest version next.
 */
import { assert, type Timer, type TimerWheel } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import type { EndpointDeltas } from './endpoint-delta.ts';
import type { Counters, TapFilter } from './observation-message.ts';
import { NO_HASH } from './message/field.ts';
import { rawMessage, rawMessages } from './message/raw-message.ts';
import type { VersionedResource } from './resource-codec.ts';
import {
  type Answer,
  type ClientMessage,
  type Drain,
  type Hello,
  MAX_DESTINATIONS,
  PROTOCOL_VERSION,
  type Query,
  type Report,
  type ResourceError,
  type Subscribe,
  type Tapped,
  CERTIFICATES_CAPABILITY,
  type EdgeCertificates,
  type TrustBundleMessage,
  serverMessage,
  transactionMessage,
  trustBundleMessage,
} from './sync-message.ts';

/** What one audience may see, as of now. Asked again and again; must be cheap. */
export interface View {
  /** Keys held whatever is subscribed: mesh, names, inbound, and a gateway's listeners. */
  roots(): readonly ResourceKey[];
  /** The newest version; undefined when there is no such resource, or this audience may not see it. */
  lookup(key: ResourceKey): VersionedResource | undefined;
}

/** Where a session's output goes. */
export interface SessionPort {
  /** Takes an encoded `ServerMessage`. False: nothing more until the session's `drained` is called. */
  write(message: Buffer): boolean;
  /** Ends the stream; the session is over. */
  close(reason: SessionEnd): void;
}

/** Why a session ended its stream. */
export type SessionEnd =
  | 'ack-timeout'
  | 'protocol-violation'
  | 'too-many-destinations'
  | 'replaced'
  | 'server-stopping';

export interface SessionOptions {
  readonly server: string;
  /** Unique per stream. */
  readonly session: string;
  readonly mesh: string;
  readonly reportIntervalMs: number;
  /** A proxy that has not acknowledged a transaction for so long is taken for dead; 30 s. */
  readonly ackTimeoutMs: number;
  /** Where a transaction is cut; 1 MiB. One larger resource travels alone. */
  readonly transactionBytes: number;
  readonly trustBundle: TrustBundleMessage | null;
  /** Shared by all sessions. */
  readonly deltas: EndpointDeltas;
  readonly timers: TimerWheel;
}

/** Version facts of one resource on one stream, for `GetVersions`. Hashes; empty when there is none. */
export interface ResourceFacts {
  readonly key: ResourceKey;
  readonly current: string;
  readonly sent: string;
  readonly inForce: string;
  readonly error: string;
}

/** Two, so that the next transaction travels while the last one is compiled; more would only age in buffers. */
const MAX_UNACKNOWLEDGED = 2;
const MAX_QUERIES = 16;
const MAX_TAPS = 16;
/** The proxy holds some version, but not the one we thought: no delta may build on it. */
const UNKNOWN_HASH = 'unknown';

/** What the proxy has of one resource. A version is null while only its hash is known, from a resume digest. */
interface Holding {
  inForceHash: string;
  inForce: VersionedResource | null;
  /** After everything on its way has been applied. */
  sentHash: string;
  sent: VersionedResource | null;
  /** Not sent again until the resource changes. */
  refusedHash: string;
  error: string;
}

interface Unacknowledged {
  readonly id: number;
  /** Null: removed. */
  readonly items: Map<ResourceKey, VersionedResource | null>;
}

export class SyncSession {
  readonly hello: Hello;
  private readonly view: View;
  private readonly port: SessionPort;
  private readonly options: SessionOptions;
  private readonly subscribed: Set<string>;
  /** Roots, subscriptions and what they refer to, as of the last `resolve`; includes keys that don't exist. */
  private wanted: Set<ResourceKey>;
  private readonly holdings: Map<ResourceKey, Holding>;
  private readonly dirty: Set<ResourceKey>;
  /** Routes held back until a backend they name is in force. Looked at again with every change to a backend. */
  private readonly waiting: Set<ResourceKey>;
  private readonly missing: Set<string>;
  private readonly unacknowledged: Unacknowledged[];
  private readonly queries: Map<number, (answer: Answer | null) => void>;
  private readonly taps: Map<number, (tapped: Tapped | null) => void>;
  private lastCounters: Counters | null;
  private readonly ackTimer: Timer;
  private trustBundle: TrustBundleMessage | null;
  private trustDirty: boolean;
  /** Null: none were given. */
  private edgeCertificates: EdgeCertificates | null;
  private started: boolean;
  private referencesDirty: boolean;
  private completeSaid: boolean;
  private blocked: boolean;
  private ended: boolean;
  private lastId: number;
  private lastAckedId: number;
  private lastQuery: number;
  private lastReport: Report | null;

  /** `hello` was read from the stream; the identity behind it was checked. Nothing is sent before `start`. */
  constructor(view: View, hello: Hello, port: SessionPort, options: SessionOptions) {
    this.hello = hello;
    this.view = view;
    this.port = port;
    this.options = options;
    this.subscribed = new Set(hello.destinations);
    this.wanted = new Set();
    this.holdings = new Map();
    this.dirty = new Set();
    this.waiting = new Set();
    this.missing = new Set();
    this.unacknowledged = [];
    this.queries = new Map();
    this.taps = new Map();
    this.lastCounters = null;
    this.ackTimer = options.timers.create(() => this.close('ack-timeout'));
    this.trustBundle = options.trustBundle;
    this.trustDirty = false;
    this.edgeCertificates = null;
    this.started = false;
    this.referencesDirty = true;
    this.completeSaid = false;
    this.blocked = false;
    this.ended = false;
    this.lastId = 0;
    this.lastAckedId = 0;
    this.lastQuery = 0;
    this.lastReport = null;
  }

  /** Says Welcome and sends what differs from the resume digest. */
  start(): void {
    for (const { key, hash } of this.hello.held) {
      const current = this.view.lookup(key as ResourceKey);
      const version = current?.hash === hash ? current : null;
      const holding: Holding = {
        inForceHash: hash,
        inForce: version,
        sentHash: hash,
        sent: version,
        refusedHash: '',
        error: '',
      };
      this.holdings.set(key as ResourceKey, holding);
      if (version === null) this.dirty.add(key as ResourceKey);
    }
    for (const destination of this.subscribed) this.noteMissing(destination);
    this.send(
      serverMessage.encode({
        type: 'welcome',
        welcome: {
          server: this.options.server,
          session: this.options.session,
          mesh: this.options.mesh,
          protocolVersion: Math.min(PROTOCOL_VERSION, this.hello.protocolVersion),
          reportIntervalMs: this.options.reportIntervalMs,
          trustBundle: this.trustBundle,
        },
      }),
    );
    this.started = true;
    if (this.edgeCertificates !== null) this.sendCertificates(this.edgeCertificates);
    this.flush();
  }

  /** Notes that these resources may have changed, appeared or gone; true when this proxy is concerned. `flush` sends. */
  changed(keys: Iterable<ResourceKey>): boolean {
    let concerned = false;
    for (const key of keys) {
      const isLeaf = key.startsWith('endpoints:') || key.startsWith('backend:');
      if (this.wanted.has(key) || this.holdings.has(key)) {
        this.dirty.add(key);
        if (!isLeaf) this.referencesDirty = true;
        concerned = true;
      } else if (!isLeaf && !key.startsWith('routes:')) {
        // A root that is new to this audience, perhaps.
        this.referencesDirty = true;
        concerned = true;
      }
      if (isLeaf && this.waiting.size > 0) concerned = this.retryWaiting() || concerned;
    }
    return concerned;
  }

  /** New roots, sent with the next flush. */
  trustChanged(bundle: TrustBundleMessage): void {
    this.trustBundle = bundle;
    this.trustDirty = true;
  }

  /** All certificates of the proxy's Gateway; sent at once, or after Welcome. Nothing to a proxy that cannot take them. */
  certificatesChanged(certificates: EdgeCertificates): void {
    if (!this.hello.capabilities.includes(CERTIFICATES_CAPABILITY)) return;
    this.edgeCertificates = certificates;
    if (this.started && !this.ended) this.sendCertificates(certificates);
  }

  /** Reads one message of the proxy. A second Hello, an Ack out of order and the like end the stream. */
  receive(message: ClientMessage): void {
    if (this.ended) return;
    switch (message.type) {
      case 'hello':
        this.close('protocol-violation');
        return;
      case 'subscribe':
        this.subscribe(message.subscribe);
        return;
      case 'ack':
        this.acknowledge(message.ack.transaction, message.ack.errors);
        return;
      case 'report':
        this.lastReport = message.report;
        return;
      case 'answer':
        this.answer(message.answer);
        return;
      case 'counters':
        this.lastCounters = message.counters;
        return;
      case 'tapped':
        this.taps.get(message.tapped.id)?.(message.tapped);
        return;
    }
  }

  /** The port can take messages again. */
  drained(): void {
    this.blocked = false;
    this.flush();
  }

  /** Sends what is dirty, as far as acknowledgements and the port allow. Call it 10 ms after a change, so that changes meet. */
  flush(): void {
    if (this.referencesDirty && this.mayWrite()) this.resolve();
    while (this.mayWrite()) if (!this.sendTransaction()) return;
  }

  /** Tells the proxy that callers have left, or that this server is going away. */
  drain(drain: Drain): void {
    if (!this.ended) this.send(serverMessage.encode({ type: 'drain', drain }));
  }

  /**
   * Asks the proxy what it holds; `done` gets null when the stream ends first, or at once when 16 questions are open. The
   * caller keeps the time.
   */
  query(keyPrefix: string, done: (answer: Answer | null) => void): void {
    this.ask({ keyPrefix, request: '', service: '' }, done);
  }

  /** Asks the proxy what it remembers of a request, by its trace id or request id; otherwise as `query`. */
  queryRequest(request: string, done: (answer: Answer | null) => void): void {
    this.ask({ keyPrefix: '', request, service: '' }, done);
  }

  /** Asks how its balancers see a service, `namespace/name`; otherwise as `query`. */
  queryService(service: string, done: (answer: Answer | null) => void): void {
    this.ask({ keyPrefix: '', request: '', service }, done);
  }

  /**
   * Live requests that fit, for at most `lastsMs`, until the returned function is called. `told` gets null when the stream
   * ends, or at once when 16 taps are open.
   */
  tap(filter: TapFilter, lastsMs: number, told: (tapped: Tapped | null) => void): () => void {
    if (this.ended || this.taps.size >= MAX_TAPS) {
      told(null);
      return () => undefined;
    }
    this.lastQuery += 1;
    const id = this.lastQuery;
    this.taps.set(id, told);
    this.send(serverMessage.encode({ type: 'tap', tap: { id, stop: false, filter, lastsMs } }));
    return () => {
      if (!this.taps.delete(id) || this.ended) return;
      this.send(serverMessage.encode({ type: 'tap', tap: { id, stop: true, filter: null, lastsMs: 0 } }));
    };
  }

  private ask(what: Omit<Query, 'id'>, done: (answer: Answer | null) => void): void {
    if (this.ended || this.queries.size >= MAX_QUERIES) {
      done(null);
      return;
    }
    this.lastQuery += 1;
    this.queries.set(this.lastQuery, done);
    this.send(serverMessage.encode({ type: 'query', query: { id: this.lastQuery, ...what } }));
  }

  /** Ends the stream from our side. */
  close(reason: SessionEnd): void {
    if (this.ended) return;
    this.finish();
    this.port.close(reason);
  }

  /** The stream is gone. */
  finish(): void {
    if (this.ended) return;
    this.ended = true;
    this.ackTimer.cancel();
    this.dirty.clear();
    const open = [...this.queries.values()];
    this.queries.clear();
    for (const done of open) done(null);
    const taps = [...this.taps.values()];
    this.taps.clear();
    for (const told of taps) told(null);
  }

  /** What was said last; null before that. */
  get counters(): Counters | null {
    return this.lastCounters;
  }

  get report(): Report | null {
    return this.lastReport;
  }

  get destinations(): ReadonlySet<string> {
    return this.subscribed;
  }

  get lastTransaction(): number {
    return this.lastId;
  }

  get acknowledgedTransaction(): number {
    return this.lastAckedId;
  }

  /** Keys waiting to be looked at: at most one for each resource wanted or held. */
  get dirtyCount(): number {
    return this.dirty.size;
  }

  get unacknowledgedCount(): number {
    return this.unacknowledged.length;
  }

  /** The version in force at the proxy; empty when it holds none. */
  inForce(key: ResourceKey): string {
    return shownHash(this.holdings.get(key)?.inForceHash ?? NO_HASH);
  }

  /** True when the proxy uses the resource, or soon will. */
  wants(key: ResourceKey): boolean {
    return this.wanted.has(key);
  }

  /** Why the newest version was refused; empty when it was not. */
  refusal(key: ResourceKey): string {
    const holding = this.holdings.get(key);
    if (holding === undefined || holding.refusedHash === '') return '';
    return holding.refusedHash === this.view.lookup(key)?.hash ? holding.error : '';
  }

  /** One row for each resource wanted or held, in no particular order. */
  versions(): ResourceFacts[] {
    const rows: ResourceFacts[] = [];
    for (const key of new Set([...this.wanted, ...this.holdings.keys()])) {
      const holding = this.holdings.get(key);
      const current = this.view.lookup(key);
      if (holding === undefined && current === undefined) continue;
      rows.push({
        key,
        current: current?.hash ?? '',
        sent: shownHash(holding?.sentHash ?? NO_HASH),
        inForce: shownHash(holding?.inForceHash ?? NO_HASH),
        error: this.refusal(key),
      });
    }
    return rows;
  }

  private subscribe({ add, remove }: Subscribe): void {
    for (const destination of remove) {
      if (!this.subscribed.delete(destination)) continue;
      this.missing.delete(destination);
      this.referencesDirty = true;
    }
    for (const destination of add) {
      this.subscribed.add(destination);
      this.noteMissing(destination);
      this.want(`routes:${destination}`);
    }
    if (this.subscribed.size > MAX_DESTINATIONS) this.close('too-many-destinations');
    // At once: a request is waiting for it.
    else this.flush();
  }

  private noteMissing(destination: string): void {
    if (this.view.lookup(`routes:${destination}`) === undefined) this.missing.add(destination);
  }

  /** Finds anew what is wanted; what is no longer becomes dirty, and so does what is new. */
  private resolve(): void {
    this.referencesDirty = false;
    this.wanted = new Set();
    for (const key of this.view.roots()) this.want(key);
    for (const destination of this.subscribed) this.want(`routes:${destination}`);
    for (const key of this.holdings.keys()) if (!this.wanted.has(key)) this.dirty.add(key);
    for (const key of this.waiting) if (!this.wanted.has(key)) this.waiting.delete(key);
  }

  private want(key: ResourceKey): void {
    this.wantOne(key);
    for (const reference of this.view.lookup(key)?.references ?? []) this.wantOne(reference);
  }

  private wantOne(key: ResourceKey): void {
    this.wanted.add(key);
    const holding = this.holdings.get(key);
    if (holding === undefined || holding.sentHash === NO_HASH) this.dirty.add(key);
  }

  private mayWrite(): boolean {
    return !this.ended && !this.blocked && this.unacknowledged.length < MAX_UNACKNOWLEDGED;
  }

  /** Sends one transaction; false when there was nothing to send. */
  private sendTransaction(): boolean {
    const { upserts, removals } = this.sort();
    const items = new Map<ResourceKey, VersionedResource | null>();
    const bodies: Uint8Array[] = [];
    const deltas: Uint8Array[] = [];
    let bytes = 0;
    let cut = false;
    for (const version of upserts) {
      if (!this.referencesMet(version, items)) {
        this.dirty.delete(version.key);
        this.waiting.add(version.key);
        continue;
      }
      const base = this.holdings.get(version.key)?.sent ?? null;
      const delta = base === null || base.endpointsByKey === null ? null : this.options.deltas.between(base, version);
      const encoded = delta ?? version.upsert;
      if (bytes > 0 && bytes + encoded.length > this.options.transactionBytes) {
        cut = true;
        break;
      }
      bytes += encoded.length;
      (delta === null ? bodies : deltas).push(encoded);
      items.set(version.key, version);
      this.dirty.delete(version.key);
      this.waiting.delete(version.key);
    }
    // Last: when all that was sent is known to be in force, nothing refers to them any more.
    const removed = items.size === 0 && this.unacknowledged.length === 0 ? this.removable(removals) : [];
    for (const key of removed) {
      items.set(key, null);
      this.dirty.delete(key);
    }
    const complete = !cut;
    if (items.size === 0 && this.missing.size === 0 && !this.trustDirty && (this.completeSaid || !complete))
      return false;

    this.lastId += 1;
    for (const [key, version] of items) this.noteSent(key, version);
    const head = transactionMessage.encode({
      id: this.lastId,
      upserts: [],
      endpointDeltas: [],
      removed,
      missing: [...this.missing],
      trustBundle: null,
      complete,
    });
    const trust = this.trustDirty && this.trustBundle !== null ? [trustBundleMessage.encode(this.trustBundle)] : [];
    this.unacknowledged.push({ id: this.lastId, items });
    this.missing.clear();
    this.trustDirty = false;
    this.completeSaid ||= complete;
    if (this.unacknowledged.length === 1) this.ackTimer.reschedule(this.options.ackTimeoutMs);
    // Bodies are joined as they were encoded once for all streams (fields of `Transaction`, then `ServerMessage`).
    this.send(rawMessage(2, [head, rawMessages(2, bodies), rawMessages(3, deltas), rawMessages(6, trust)]));
    return true;
  }

  private sendCertificates(certificates: EdgeCertificates): void {
    this.send(serverMessage.encode({ type: 'certificates', certificates }));
  }

  /** Looks at every dirty key: forgets those that are settled, gives the rest in the order in which they are to be sent. */
  private sort(): { upserts: VersionedResource[]; removals: ResourceKey[] } {
    const upserts: VersionedResource[] = [];
    const removals: ResourceKey[] = [];
    for (const key of this.dirty) {
      const holding = this.holdings.get(key);
      const current = this.wanted.has(key) ? this.view.lookup(key) : undefined;
      if (current === undefined) {
        if (holding === undefined) {
          this.dirty.delete(key);
        } else if (holding.sentHash === NO_HASH && holding.inForceHash === NO_HASH) {
          // Refused from the beginning: the proxy has nothing of it.
          this.dirty.delete(key);
          if (!this.onItsWay(key)) this.holdings.delete(key);
        } else {
          removals.push(key);
        }
        this.waiting.delete(key);
      } else if (holding !== undefined && (holding.sentHash === current.hash || holding.refusedHash === current.hash)) {
        this.dirty.delete(key);
      } else {
        upserts.push(current);
      }
    }
    return { upserts: upserts.sort(inSendingOrder), removals };
  }

  /** Each reference is in force, on its way, or in this transaction. */
  private referencesMet(
    version: VersionedResource,
    items: ReadonlyMap<ResourceKey, VersionedResource | null>,
  ): boolean {
    for (const reference of version.references) {
      if (items.has(reference)) continue;
      const holding = this.holdings.get(reference);
      if (holding === undefined || holding.sentHash === NO_HASH) return false;
    }
    return true;
  }

  /**
   * Of the keys no longer wanted, those that nothing in force names. A route whose newest version was refused or held back
   * still runs in its old version, and needs what that one names.
   */
  private removable(candidates: readonly ResourceKey[]): ResourceKey[] {
    if (candidates.length === 0) return [];
    const leaving = new Set(candidates);
    const needed = new Set<ResourceKey>();
    for (const [key, holding] of this.holdings) {
      if (leaving.has(key) || !(key.startsWith('routes:') || key.startsWith('listener:'))) continue;
      if (holding.inForceHash === NO_HASH) continue;
      // Known by hash only: what it names is unknown, so no backend may go.
      if (holding.inForce === null) return candidates.filter((candidate) => !isBackend(candidate));
      for (const reference of holding.inForce.references) needed.add(reference);
    }
    return candidates.filter((candidate) => !needed.has(candidate));
  }

  private noteSent(key: ResourceKey, version: VersionedResource | null): void {
    const holding = this.holdings.get(key);
    const hash = version?.hash ?? NO_HASH;
    if (holding === undefined) {
      assert(version !== null, 'what is removed was held');
      this.holdings.set(key, {
        inForceHash: NO_HASH,
        inForce: null,
        sentHash: hash,
        sent: version,
        refusedHash: '',
        error: '',
      });
      return;
    }
    holding.sentHash = hash;
    holding.sent = version;
  }

  private acknowledge(id: number, errors: readonly ResourceError[]): void {
    const acknowledged = this.unacknowledged.shift();
    if (acknowledged === undefined || acknowledged.id !== id) {
      this.close('protocol-violation');
      return;
    }
    this.lastAckedId = id;
    if (this.unacknowledged.length === 0) this.ackTimer.cancel();
    else this.ackTimer.reschedule(this.options.ackTimeoutMs);
    const errorsByKey = new Map(errors.map((error) => [error.key, error]));
    let backendArrived = false;
    for (const [key, version] of acknowledged.items) {
      const error = errorsByKey.get(key);
      if (error !== undefined && version !== null) {
        this.refused(key, version, error);
      } else {
        this.accepted(key, version);
        backendArrived ||= isBackend(key);
      }
    }
    if (backendArrived) this.retryWaiting();
    this.flush();
  }

  private accepted(key: ResourceKey, version: VersionedResource | null): void {
    const holding = this.holdings.get(key);
    if (holding === undefined) return;
    if (version === null && holding.sentHash === NO_HASH && !this.onItsWay(key)) {
      this.holdings.delete(key);
      return;
    }
    holding.inForceHash = version?.hash ?? NO_HASH;
    holding.inForce = version;
    holding.refusedHash = '';
    holding.error = '';
  }

  private refused(key: ResourceKey, version: VersionedResource, error: ResourceError): void {
    const holding = this.holdings.get(key);
    if (holding === undefined) return;
    if (error.code === 'BaseMismatch') {
      holding.inForceHash = UNKNOWN_HASH;
      holding.inForce = null;
    } else if (error.code !== 'MissingReference') {
      holding.refusedHash = version.hash;
      holding.error = error.message === '' ? error.code : error.message;
    }
    // What was sent later still counts on this one; its own acknowledgement will settle it.
    if (!this.onItsWay(key)) {
      holding.sentHash = holding.inForceHash;
      holding.sent = holding.inForce;
    }
    if (error.code === 'MissingReference') this.waiting.add(key);
    else this.dirty.add(key);
  }

  private onItsWay(key: ResourceKey): boolean {
    return this.unacknowledged.some((transaction) => transaction.items.has(key));
  }

  private retryWaiting(): boolean {
    if (this.waiting.size === 0) return false;
    for (const key of this.waiting) this.dirty.add(key);
    this.waiting.clear();
    return true;
  }

  private answer(answer: Answer): void {
    const done = this.queries.get(answer.id);
    this.queries.delete(answer.id);
    if (done !== undefined) done(answer);
  }

  private send(message: Buffer): void {
    if (!this.port.write(message)) this.blocked = true;
  }
}

/**
 * Settings first, so that those of one change are not parted by a cut; then endpoints, backends and, last, routes: at whatever
 * place the list is cut, what was sent before is closed under reference.
 */
function inSendingOrder(left: VersionedResource, right: VersionedResource): number {
  return rank(left.key) - rank(right.key);
}

function rank(key: ResourceKey): number {
  if (key.startsWith('endpoints:')) return 1;
  if (key.startsWith('backend:')) return 2;
  return key.startsWith('routes:') || key.startsWith('listener:') ? 3 : 0;
}

function isBackend(key: ResourceKey): boolean {
  return key.startsWith('backend:') || key.startsWith('endpoints:');
}

function shownHash(hash: string): string {
  return hash === NO_HASH ? '' : hash;
}

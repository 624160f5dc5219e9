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
import type { Timer } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import { DirtySet } from './dirty-set.ts';
import { HoldingLedger, isBackend } from './holding-ledger.ts';
import type { Counters, TapFilter } from './observation-message.ts';
import { NO_HASH } from './message/field.ts';
import { rawMessage, rawMessages } from './message/raw-message.ts';
import type { VersionedResource } from './resource-codec.ts';
import type { ResourceFacts, SessionEnd, SessionOptions, SessionPort, View } from './session-contract.ts';
import { SessionQuestions } from './session-questions.ts';
import {
  type Answer,
  type ClientMessage,
  type Drain,
  type Hello,
  MAX_DESTINATIONS,
  PROTOCOL_VERSION,
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

/** Two, so that the next transaction travels while the last one is compiled; more would only age in buffers. */
const MAX_UNACKNOWLEDGED = 2;

export class SyncSession {
  readonly hello: Hello;
  private readonly view: View;
  private readonly port: SessionPort;
  private readonly options: SessionOptions;
  private readonly ledger: HoldingLedger;
  private readonly questions: SessionQuestions;
  private readonly dirty: DirtySet;
  private lastCounters: Counters | null;
  private readonly ackTimer: Timer;
  private trustBundle: TrustBundleMessage | null;
  private trustDirty: boolean;
  /** Null: none were given. */
  private edgeCertificates: EdgeCertificates | null;
  private started: boolean;
  private completeSaid: boolean;
  private blocked: boolean;
  private ended: boolean;
  private lastId: number;
  private lastAckedId: number;
  private lastReport: Report | null;

  /** `hello` was read from the stream; the identity behind it was checked. Nothing is sent before `start`. */
  constructor(view: View, hello: Hello, port: SessionPort, options: SessionOptions) {
    this.hello = hello;
    this.view = view;
    this.port = port;
    this.options = options;
    this.ledger = new HoldingLedger();
    this.questions = new SessionQuestions((message) => this.send(serverMessage.encode(message)));
    this.dirty = new DirtySet(view, this.ledger, hello.destinations);
    this.lastCounters = null;
    this.ackTimer = options.timers.create(() => this.close('ack-timeout'));
    this.trustBundle = options.trustBundle;
    this.trustDirty = false;
    this.edgeCertificates = null;
    this.started = false;
    this.completeSaid = false;
    this.blocked = false;
    this.ended = false;
    this.lastId = 0;
    this.lastAckedId = 0;
    this.lastReport = null;
  }

  /** Says Welcome and sends what differs from the resume digest. */
  start(): void {
    for (const { key, hash } of this.hello.held) {
      const current = this.view.lookup(key as ResourceKey);
      const version = current?.hash === hash ? current : null;
      this.ledger.resume(key as ResourceKey, hash, version);
      if (version === null) this.dirty.add(key as ResourceKey);
    }
    this.dirty.begin();
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
    return this.dirty.changed(keys);
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
        this.questions.answered(message.answer);
        return;
      case 'counters':
        this.lastCounters = message.counters;
        return;
      case 'tapped':
        this.questions.tapped(message.tapped);
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
    if (this.mayWrite()) this.dirty.resolve();
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
    this.questions.ask({ keyPrefix, request: '', service: '' }, done);
  }

  /** Asks the proxy what it remembers of a request, by its trace id or request id; otherwise as `query`. */
  queryRequest(request: string, done: (answer: Answer | null) => void): void {
    this.questions.ask({ keyPrefix: '', request, service: '' }, done);
  }

  /** Asks how its balancers see a service, `namespace/name`; otherwise as `query`. */
  queryService(service: string, done: (answer: Answer | null) => void): void {
    this.questions.ask({ keyPrefix: '', request: '', service }, done);
  }

  /**
   * Live requests that fit, for at most `lastsMs`, until the returned function is called. `told` gets null when the stream
   * ends, or at once when 16 taps are open.
   */
  tap(filter: TapFilter, lastsMs: number, told: (tapped: Tapped | null) => void): () => void {
    return this.questions.tap(filter, lastsMs, told);
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
    this.questions.finish();
  }

  /** What was said last; null before that. */
  get counters(): Counters | null {
    return this.lastCounters;
  }

  get report(): Report | null {
    return this.lastReport;
  }

  get destinations(): ReadonlySet<string> {
    return this.dirty.destinations;
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
    return this.ledger.unacknowledgedCount;
  }

  /** The version in force at the proxy; empty when it holds none. */
  inForce(key: ResourceKey): string {
    return shownHash(this.ledger.get(key)?.inForceHash ?? NO_HASH);
  }

  /** True when the proxy uses the resource, or soon will. */
  wants(key: ResourceKey): boolean {
    return this.dirty.wantedKeys.has(key);
  }

  /** Why the newest version was refused; empty when it was not. */
  refusal(key: ResourceKey): string {
    const holding = this.ledger.get(key);
    if (holding === undefined || holding.refusedHash === '') return '';
    return holding.refusedHash === this.view.lookup(key)?.hash ? holding.error : '';
  }

  /** One row for each resource wanted or held, in no particular order. */
  versions(): ResourceFacts[] {
    const rows: ResourceFacts[] = [];
    for (const key of new Set([...this.dirty.wantedKeys, ...this.ledger.keys])) {
      const holding = this.ledger.get(key);
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

  private subscribe(subscribe: Subscribe): void {
    this.dirty.subscribe(subscribe);
    if (this.dirty.destinations.size > MAX_DESTINATIONS) this.close('too-many-destinations');
    // At once: a request is waiting for it.
    else this.flush();
  }

  private mayWrite(): boolean {
    return !this.ended && !this.blocked && this.ledger.unacknowledgedCount < MAX_UNACKNOWLEDGED;
  }

  /** Sends one transaction; false when there was nothing to send. */
  private sendTransaction(): boolean {
    const { upserts, removals } = this.dirty.due();
    const items = new Map<ResourceKey, VersionedResource | null>();
    const bodies: Uint8Array[] = [];
    const deltas: Uint8Array[] = [];
    let bytes = 0;
    let cut = false;
    for (const version of upserts) {
      if (!this.referencesMet(version, items)) {
        this.dirty.holdBack(version.key);
        continue;
      }
      const base = this.ledger.get(version.key)?.sent ?? null;
      const delta = base === null || base.endpointsByKey === null ? null : this.options.deltas.between(base, version);
      const encoded = delta ?? version.upsert;
      if (bytes > 0 && bytes + encoded.length > this.options.transactionBytes) {
        cut = true;
        break;
      }
      bytes += encoded.length;
      (delta === null ? bodies : deltas).push(encoded);
      items.set(version.key, version);
      this.dirty.settled(version.key);
    }
    // Last: when all that was sent is known to be in force, nothing refers to them any more.
    const removed = items.size === 0 && this.ledger.unacknowledgedCount === 0 ? this.ledger.removable(removals) : [];
    for (const key of removed) {
      items.set(key, null);
      this.dirty.settled(key);
    }
    const complete = !cut;
    if (items.size === 0 && this.dirty.missingCount === 0 && !this.trustDirty && (this.completeSaid || !complete))
      return false;

    this.lastId += 1;
    this.ledger.noteSent(this.lastId, items);
    const head = transactionMessage.encode({
      id: this.lastId,
      upserts: [],
      endpointDeltas: [],
      removed,
      missing: this.dirty.takeMissing(),
      trustBundle: null,
      complete,
    });
    const trust = this.trustDirty && this.trustBundle !== null ? [trustBundleMessage.encode(this.trustBundle)] : [];
    this.trustDirty = false;
    this.completeSaid ||= complete;
    if (this.ledger.unacknowledgedCount === 1) this.ackTimer.reschedule(this.options.ackTimeoutMs);
    // Bodies are joined as they were encoded once for all streams (fields of `Transaction`, then `ServerMessage`).
    this.send(rawMessage(2, [head, rawMessages(2, bodies), rawMessages(3, deltas), rawMessages(6, trust)]));
    return true;
  }

  private sendCertificates(certificates: EdgeCertificates): void {
    this.send(serverMessage.encode({ type: 'certificates', certificates }));
  }

  /** Each reference is in force, on its way, or in this transaction. */
  private referencesMet(
    version: VersionedResource,
    items: ReadonlyMap<ResourceKey, VersionedResource | null>,
  ): boolean {
    for (const reference of version.references) {
      if (items.has(reference)) continue;
      if (!this.ledger.isSent(reference)) return false;
    }
    return true;
  }

  private acknowledge(id: number, errors: readonly ResourceError[]): void {
    let backendArrived = false;
    const isDue = this.ledger.settle(id, errors, (key, what) => {
      if (what === 'refused') this.dirty.add(key);
      else if (what === 'missing-reference') this.dirty.awaitBackend(key);
      else backendArrived ||= isBackend(key);
    });
    if (!isDue) {
      this.close('protocol-violation');
      return;
    }
    this.lastAckedId = id;
    if (this.ledger.unacknowledgedCount === 0) this.ackTimer.cancel();
    else this.ackTimer.reschedule(this.options.ackTimeoutMs);
    if (backendArrived) this.dirty.retryWaiting();
    this.flush();
  }

  private send(message: Buffer): void {
    if (!this.port.write(message)) this.blocked = true;
  }
}

function shownHash(hash: string): string {
  return hash === NO_HASH ? '' : hash;
}

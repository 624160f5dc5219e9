/**
 * The proxy's side of Sync, as a state machine without I/O: it keeps a stream open, says what it holds and wants, applies
 * transactions and acknowledges them. What it holds outlives every stream.
 *
 *                 start          stream open, Hello sent        Welcome
 *    (stopped) ----------> (connecting) --------------------------------> (connected)
 *                               ^   |  no Welcome in 10 s, or it broke         |
 *                               |   v                                          |  broke
 *                             (waiting)  <-------------------------------------+
 *                      full jitter, 100 ms to 4 s; from the start again after a good minute
 */
import type { Buffer } from 'node:buffer';
import { type Clock, type Random, type Timer, type TimerWheel, fullJitterBackoffMs } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import type { Counters, Hop } from './observation-message.ts';
import { encodeResource } from './resource-codec.ts';
import { type HeldVersion, encodeSnapshotInPieces } from './snapshot.ts';
import {
  type AnnouncedListener,
  type ClientMessage,
  MAX_DESTINATIONS,
  PROTOCOL_VERSION,
  type Query,
  type Report,
  type ResourceError,
  type Tapped,
  type Transaction,
  type Upsert,
  type Welcome,
  type WorkloadFacts,
  clientMessage,
  serverMessage,
} from './sync-message.ts';
import type {
  AppliedChanges,
  Changes,
  ConnectionFacts,
  SyncConnector,
  SyncHandler,
  SyncStream,
} from './sync-handler.ts';
import { errorOf, isLargeTransaction, readTransaction, readTransactionInPieces } from './transaction-reader.ts';

export interface SyncClientOptions {
  readonly workload: WorkloadFacts;
  readonly listeners: readonly AnnouncedListener[];
  readonly capabilities: readonly string[];
  /** `namespace/name` of the Gateway served; empty for a sidecar. */
  readonly gateway: string;
  readonly connector: SyncConnector;
  readonly handler: SyncHandler;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly random: Random;
  /**
   * Lets the event loop turn. Given, transactions and snapshots of many resources are read and written in pieces with a
   * breath between them; absent (machines that are simulated), each in one go.
   */
  readonly breathe?: () => Promise<void>;
}

const BACKOFF_BASE_MS = 100;
/** A control plane that is back is found within 4 s; 1,000 sidecars then come at 250 a second. */
const BACKOFF_MAX_MS = 4_000;
/** A connection that lasted so long was good: the next failure is a new story. */
const GOOD_MS = 60_000;
const WELCOME_TIMEOUT_MS = 10_000;
/** The server has at most two on their way; a third breaks the protocol and ends the stream. */
const MAX_QUEUED = 2;
const ANSWER_BYTES = 8 * 1024 * 1024;

/** One stream's own state, so that whatever comes late from an old one is told apart. */
interface Attempt {
  stream: SyncStream | null;
  readonly queue: Transaction[];
  welcome: Welcome | null;
  lastId: number;
  completeSaid: boolean;
  ended: boolean;
}

export class SyncClient {
  private readonly options: SyncClientOptions;
  private readonly handler: SyncHandler;
  private readonly held: Map<ResourceKey, HeldVersion>;
  private readonly wanted: Set<string>;
  private listeners: readonly AnnouncedListener[];
  /** The stream that counts; null while stopped or waiting. */
  private attempt: Attempt | null;
  /** The stream that is to be followed by `attempt`: kept open, no longer listened to. */
  private retiring: Attempt | null;
  private readonly timer: Timer;
  private running: boolean;
  private applying: boolean;
  private connectWhenApplied: boolean;
  private failures: number;
  private connectedAtMs: number;
  private facts: ConnectionFacts;
  private lastReport: Report | null;

  constructor(options: SyncClientOptions) {
    this.options = options;
    this.handler = options.handler;
    this.held = new Map();
    this.wanted = new Set();
    this.listeners = options.listeners;
    this.attempt = null;
    this.retiring = null;
    this.timer = options.timers.create(() => this.timeout());
    this.running = false;
    this.applying = false;
    this.connectWhenApplied = false;
    this.failures = 0;
    this.connectedAtMs = 0;
    this.facts = {
      state: 'stopped',
      sinceMs: options.clock.wallMs(),
      server: '',
      session: '',
      failures: 0,
      lastError: '',
    };
    this.lastReport = null;
  }

  /** What is in force, by key. */
  get resources(): ReadonlyMap<ResourceKey, HeldVersion> {
    return this.held;
  }

  get connection(): ConnectionFacts {
    return this.facts;
  }

  get destinations(): ReadonlySet<string> {
    return this.wanted;
  }

  /** Takes in what an earlier process held, before `start`. The caller has put it into force itself. */
  restore(held: ReadonlyMap<ResourceKey, HeldVersion>): void {
    for (const [key, version] of held) this.held.set(key, version);
  }

  /**
   * Everything held, for the state folder: parts that make a snapshot one behind the other. With `breathe`, what is held
   * when this is called.
   */
  async snapshot(): Promise<readonly Buffer[]> {
    const parts: Buffer[] = [];
    for (const part of encodeSnapshotInPieces([...this.held])) {
      parts.push(part);
      await this.options.breathe?.();
    }
    return parts;
  }

  /** Connects, and keeps connected until `stop`. */
  start(): void {
    if (this.running) return;
    this.running = true;
    this.connect();
  }

  /** Ends the stream and every attempt. What is held stays. */
  stop(): void {
    this.running = false;
    this.timer.cancel();
    this.endAttempt(this.retiring);
    this.endAttempt(this.attempt);
    this.retiring = null;
    this.attempt = null;
    this.say('stopped', '');
  }

  /**
   * Wants these destinations from now on, over every reconnect. False when that would be more than 20,000; those that fit
   * were added.
   */
  subscribe(destinations: readonly string[]): boolean {
    const added: string[] = [];
    for (const destination of destinations) {
      if (this.wanted.has(destination)) continue;
      if (this.wanted.size >= MAX_DESTINATIONS) break;
      this.wanted.add(destination);
      added.push(destination);
    }
    if (added.length > 0) this.send({ type: 'subscribe', subscribe: { add: added, remove: [] } });
    return destinations.every((destination) => this.wanted.has(destination));
  }

  /** Wants these no longer; what they brought is removed by the server's next transaction. */
  unsubscribe(destinations: readonly string[]): void {
    const removed = destinations.filter((destination) => this.wanted.delete(destination));
    if (removed.length > 0) this.send({ type: 'subscribe', subscribe: { add: [], remove: removed } });
  }

  /** Sends a report; the last one is said again on every new stream. */
  report(report: Report): void {
    this.lastReport = report;
    if (this.facts.state === 'connected') this.send({ type: 'report', report });
  }

  /** Sends what was carried; false when nobody is there to hear it. */
  count(counters: Counters): boolean {
    if (this.facts.state !== 'connected') return false;
    this.send({ type: 'counters', counters });
    return true;
  }

  /** Tells of tapped requests. What nobody hears is lost. */
  tapped(tapped: Tapped): void {
    if (this.facts.state === 'connected') this.send({ type: 'tapped', tapped });
  }

  /** What is announced with the next Hello. */
  announce(listeners: readonly AnnouncedListener[]): void {
    this.listeners = listeners;
  }

  /**
   * Opens a new stream, with whatever credentials the connector now uses, and leaves the old one when the new one has been
   * welcomed. Nothing in force changes, no loss is reported.
   */
  reauthenticate(): void {
    if (!this.running) return;
    if (this.facts.state !== 'connected' || this.attempt === null) {
      // Not connected: try the new credentials now.
      this.timer.cancel();
      this.endAttempt(this.attempt);
      this.attempt = null;
      this.connect();
      return;
    }
    this.endAttempt(this.retiring);
    this.retiring = this.attempt;
    this.retiring.queue.length = 0;
    this.attempt = null;
    this.connect();
  }

  private connect(): void {
    if (this.applying) {
      // Hello says what is held; that is about to change.
      this.connectWhenApplied = true;
      return;
    }
    const attempt: Attempt = { stream: null, queue: [], welcome: null, lastId: 0, completeSaid: false, ended: false };
    this.attempt = attempt;
    if (this.retiring === null) this.say('connecting', this.facts.lastError);
    this.timer.reschedule(WELCOME_TIMEOUT_MS);
    attempt.stream = this.options.connector.open({
      message: (bytes) => this.receive(attempt, bytes),
      closed: (reason) => this.lost(attempt, reason),
    });
    this.send({
      type: 'hello',
      hello: {
        protocolVersion: PROTOCOL_VERSION,
        workload: this.options.workload,
        capabilities: this.options.capabilities,
        listeners: this.listeners,
        held: Array.from(this.held, ([key, { hash }]) => ({ key, hash })),
        destinations: [...this.wanted],
        gateway: this.options.gateway,
      },
    });
  }

  private timeout(): void {
    if (!this.running) return;
    if (this.attempt === null) this.connect();
    else if (this.attempt.welcome === null) this.fail(this.attempt, 'no welcome within 10 s');
  }

  private receive(attempt: Attempt, bytes: Uint8Array): void {
    if (attempt.ended || attempt !== this.attempt) return;
    const decoded = serverMessage.decode(bytes);
    if (!decoded.ok) {
      // A message of a later protocol version is skipped; anything else is no protocol at all.
      if (decoded.error.code === 'Unsupported') return;
      this.fail(attempt, `unreadable message: ${decoded.error.path} ${decoded.error.message}`);
      return;
    }
    const message = decoded.value;
    if (message.type === 'welcome') this.welcomed(attempt, message.welcome);
    else if (attempt.welcome === null) this.fail(attempt, 'the server did not begin with Welcome');
    else if (message.type === 'transaction') this.enqueue(attempt, message.transaction);
    else if (message.type === 'query') this.answer(message.query);
    else if (message.type === 'tap') this.handler.tap?.(message.tap);
    else if (message.type === 'certificates') this.handler.certificates?.(message.certificates);
    else this.handler.drain(message.drain);
  }

  private welcomed(attempt: Attempt, welcome: Welcome): void {
    if (attempt.welcome !== null) {
      this.fail(attempt, 'the server said Welcome twice');
      return;
    }
    attempt.welcome = welcome;
    this.timer.cancel();
    this.connectedAtMs = this.options.clock.nowMs();
    this.endAttempt(this.retiring);
    this.retiring = null;
    this.say('connected', '');
    if (this.lastReport !== null) this.send({ type: 'report', report: this.lastReport });
    if (welcome.trustBundle !== null) this.handler.trustBundle(welcome.trustBundle);
  }

  private enqueue(attempt: Attempt, transaction: Transaction): void {
    attempt.lastId += 1;
    const waiting = attempt.queue.length + (this.applying ? 1 : 0);
    if (transaction.id !== attempt.lastId || waiting >= MAX_QUEUED) {
      this.fail(attempt, 'the server broke the order of transactions');
      return;
    }
    attempt.queue.push(transaction);
    if (!this.applying) this.applyNext();
  }

  private applyNext(): void {
    for (let attempt = this.attempt; attempt !== null; attempt = this.attempt) {
      const transaction = attempt.queue.shift();
      if (transaction === undefined) return;
      if (transaction.trustBundle !== null) this.handler.trustBundle(transaction.trustBundle);
      const errors: ResourceError[] = [];
      const { breathe } = this.options;
      if (breathe !== undefined && isLargeTransaction(transaction)) {
        this.applying = true;
        void this.applyInPieces(attempt, transaction, errors, breathe);
        return;
      }
      const changes = readTransaction(transaction, this.held, errors);
      const applied = this.put(changes);
      if (applied instanceof Promise) {
        this.applying = true;
        const current = attempt;
        const settle = (result: AppliedChanges): void => this.applied(current, transaction, changes, errors, result);
        applied.then(settle, (error: unknown) => settle(refuseAll(changes, error)));
        return;
      }
      this.commit(attempt, transaction, changes, errors, applied);
    }
  }

  private put(changes: Changes): AppliedChanges | Promise<AppliedChanges> {
    return changes.upserted.length + changes.removed.length === 0 ? NOTHING_REFUSED : this.handler.apply(changes);
  }

  private async applyInPieces(
    attempt: Attempt,
    transaction: Transaction,
    errors: ResourceError[],
    breathe: () => Promise<void>,
  ): Promise<void> {
    const reading = readTransactionInPieces(transaction, this.held, errors);
    let step = reading.next();
    while (step.done !== true) {
      await breathe();
      step = reading.next();
    }
    const changes = step.value;
    let result: AppliedChanges;
    try {
      result = await this.put(changes);
    } catch (error) {
      result = refuseAll(changes, error);
    }
    this.applied(attempt, transaction, changes, errors, result);
  }

  private applied(
    attempt: Attempt,
    transaction: Transaction,
    changes: Changes,
    errors: ResourceError[],
    result: AppliedChanges,
  ): void {
    this.applying = false;
    this.commit(attempt, transaction, changes, errors, result);
    if (this.connectWhenApplied) {
      this.connectWhenApplied = false;
      if (this.running && this.attempt === null) this.connect();
    }
    this.applyNext();
  }

  /** Notes what is in force now and acknowledges, if the stream it came from still counts. */
  private commit(
    attempt: Attempt,
    transaction: Transaction,
    changes: Changes,
    errors: ResourceError[],
    { errors: refusals }: AppliedChanges,
  ): void {
    const refused = new Map(refusals.map((refusal) => [refusal.key, refusal]));
    for (const change of changes.upserted) {
      const refusal = refused.get(change.key);
      if (refusal === undefined) this.held.set(change.key, { hash: change.hash, resource: change.resource });
      else errors.push(errorOf(change, refusal.code, refusal.message));
    }
    for (const key of changes.removed) this.held.delete(key);
    if (attempt.ended || attempt !== this.attempt) return;
    this.send({ type: 'ack', ack: { transaction: transaction.id, errors } });
    if (transaction.missing.length > 0) this.handler.missing(transaction.missing);
    if (transaction.complete && !attempt.completeSaid) {
      attempt.completeSaid = true;
      this.handler.complete();
    }
  }

  private answer(query: Query): void {
    if (query.request !== '' || query.service !== '') {
      void this.answerLater(query);
      return;
    }
    const { resources, truncated } = upsertsOf(this.held, query.keyPrefix);
    this.send({ type: 'answer', answer: { id: query.id, resources, truncated, hops: [], reach: null, backends: [] } });
  }

  private async answerLater({ id, request, service }: Query): Promise<void> {
    const { attempt } = this;
    const memory = request === '' ? NOTHING_KEPT : ((await this.handler.why?.(request)) ?? NOTHING_KEPT);
    const backends = service === '' ? [] : ((await this.handler.backends?.(service)) ?? []);
    // Another stream has other questions.
    if (attempt === null || attempt !== this.attempt) return;
    const { hops, reach } = memory;
    this.send({ type: 'answer', answer: { id, resources: [], truncated: false, hops, reach, backends } });
  }

  private send(message: ClientMessage): void {
    this.attempt?.stream?.send(clientMessage.encode(message));
  }

  private fail(attempt: Attempt, reason: string): void {
    const stream = attempt.stream;
    this.lost(attempt, reason);
    stream?.close();
  }

  private lost(attempt: Attempt, reason: string): void {
    if (attempt.ended) return;
    attempt.ended = true;
    attempt.stream = null;
    attempt.queue.length = 0;
    if (attempt === this.retiring) {
      this.retiring = null;
      if (this.attempt?.welcome === null) this.say('connecting', reason);
      return;
    }
    if (attempt !== this.attempt) return;
    this.attempt = null;
    // The successor failed: its predecessor was not listened to meanwhile, so it can't be taken up again.
    this.endAttempt(this.retiring);
    this.retiring = null;
    if (attempt.welcome !== null && this.options.clock.nowMs() - this.connectedAtMs >= GOOD_MS) this.failures = 0;
    const delayMs = fullJitterBackoffMs(this.options.random, this.failures, BACKOFF_BASE_MS, BACKOFF_MAX_MS);
    this.failures += 1;
    this.timer.cancel();
    this.timer.reschedule(delayMs);
    this.say('waiting', reason);
  }

  private endAttempt(attempt: Attempt | null): void {
    if (attempt === null || attempt.ended) return;
    attempt.ended = true;
    attempt.queue.length = 0;
    attempt.stream?.close();
    attempt.stream = null;
  }

  private say(state: ConnectionFacts['state'], lastError: string): void {
    const before = this.facts;
    const turned = (before.state === 'connected') !== (state === 'connected');
    const welcome = state === 'connected' ? (this.attempt?.welcome ?? null) : null;
    this.facts = {
      state,
      sinceMs: turned ? this.options.clock.wallMs() : before.sinceMs,
      server: welcome?.server ?? '',
      session: welcome?.session ?? '',
      failures: this.failures,
      lastError,
    };
    this.handler.connection(this.facts);
  }
}

const NOTHING_REFUSED: AppliedChanges = { errors: [] };
const NOTHING_KEPT: { readonly hops: readonly Hop[]; readonly reach: null } = { hops: [], reach: null };

function refuseAll(changes: Changes, error: unknown): AppliedChanges {
  const message = error instanceof Error ? error.message : String(error);
  return { errors: changes.upserted.map(({ key }) => ({ key, code: 'Invalid', message })) };
}

/** What is held under keys that begin so, sorted, as far as one answer carries it. */
function upsertsOf(
  held: ReadonlyMap<ResourceKey, HeldVersion>,
  keyPrefix: string,
): { readonly resources: readonly Upsert[]; readonly truncated: boolean } {
  const resources: Upsert[] = [];
  let bytes = 0;
  const keys = [...held.keys()].filter((key) => key.startsWith(keyPrefix)).sort();
  for (const key of keys) {
    const version = held.get(key);
    if (version === undefined) continue;
    const body = encodeResource(version.resource);
    if (bytes > 0 && bytes + body.length > ANSWER_BYTES) return { resources, truncated: true };
    bytes += body.length;
    resources.push({ key, hash: version.hash, body });
  }
  return { resources, truncated: false };
}

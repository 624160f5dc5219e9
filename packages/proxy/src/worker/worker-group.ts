import { Worker } from 'node:worker_threads';
import type { ReceivedResource, ResourceError } from '@weft/decision';
import { toCaPem } from '@weft/identity';
import type { KeyAgreement } from '@weft/identity';
import type { Clock, TimerWheel } from '@weft/kernel';
import type { DestinationKey, ResourceKey } from '@weft/model';
import { mergeSnapshots } from '@weft/telemetry';
import type { LineTarget, MetricsSnapshot } from '@weft/telemetry';
import type { Changes, RequestMemory, Tap, Tapped } from '@weft/wire';
import type { Tracing } from '../exchange/exchange-spans.ts';
import type { Log } from '../log.ts';
import { type EdgeReading, mergeEdges } from '../recorder/edge-counters.ts';
import { mergeMemories } from '../recorder/request-watch.ts';
import type { MeshTls } from '../security/mesh-tls.ts';
import { TicketKeys } from '../security/ticket-keys.ts';
import type { ServingSettings } from '../serving-thread.ts';
import type { DrainScope, InForce, ListenerPlan, Serving, ServingLoad } from '../serving.ts';
import { mergeDestinations } from './destination-merge.ts';
import type { DestinationFacts } from './destination-merge.ts';
import { provePortFree } from './free-port.ts';
import type { IdentityText, OpenListener, ToWorker, WorkerQuestion, WorkerStart } from './worker-message.ts';
import { WorkerHandle } from './worker-handle.ts';

export interface WorkerGroupOptions {
  /** `workers` of it is the number of threads. */
  readonly settings: ServingSettings;
  readonly keyAgreement: KeyAgreement;
  readonly log: Log;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly lines: LineTarget;
  /** Requests are not traced when absent. */
  readonly tracing?: Tracing;
  /** What is in force by now: a new thread begins with it. */
  held(): ReadonlyMap<ResourceKey, ReceivedResource>;
  onDemand(key: DestinationKey): void;
  onTapped(tapped: Tapped): void;
  /** Starts a thread; the program's own way in unless a test has another. */
  readonly startThread?: (start: WorkerStart) => Worker;
}

/** A thread that keeps dying is started again once a second. */
const RESTART_MS = 1_000;
/** One that does not end when it is told is ended. */
const STOP_MS = 2_000;
/** One that has lived so long is replaced at once. */
const GOOD_LIFE_MS = 10_000;

const NOTHING_IN_FORCE: InForce = {
  version: '',
  refused: [],
  wanted: { gatewayPorts: [], destinations: [], opaque: [] },
};

/**
 * Several worker threads behind the face of one: they share the ports by `reusePort`, and limits and budgets by their
 * number. Identity, control plane and state folder stay in the thread that owns this group and reach the workers as
 * messages, in the order in which they were said.
 *
 * Ejection, breakers and connection pools are each thread's own. A thread that dies takes its requests with it and is
 * started again with what is in force by then; the others go on.
 */
export class WorkerGroup implements Serving {
  private readonly options: WorkerGroupOptions;
  private readonly workers: WorkerHandle[];
  private readonly listeners: Map<string, OpenListener>;
  private readonly lines: LineQueue;
  private readonly tickets: TicketKeys;
  private used: Set<DestinationKey>;
  private identity: IdentityText | null;
  private force: InForce;
  private lastDestinations: readonly DestinationFacts[];
  private applying: Promise<unknown>;
  private leaving: boolean;
  private stopped: boolean;

  constructor(options: WorkerGroupOptions) {
    this.options = options;
    this.workers = [];
    this.listeners = new Map();
    this.lines = new LineQueue(options.lines);
    this.tickets = new TicketKeys(options.clock, options.settings.ticketSeed);
    this.used = new Set();
    this.identity = null;
    this.force = NOTHING_IN_FORCE;
    this.lastDestinations = [];
    this.applying = Promise.resolve();
    this.leaving = false;
    this.stopped = false;
  }

  get inForce(): InForce {
    return this.force;
  }

  get load(): ServingLoad {
    let openConnections = 0;
    let longestStallMs = 0;
    let loopDelayP99Ms = 0;
    const active = new Set<DestinationKey>();
    const learned = new Set<number>();
    for (const { load } of this.workers) {
      if (load === null) continue;
      openConnections += load.openConnections;
      longestStallMs = Math.max(longestStallMs, load.longestStallMs);
      loopDelayP99Ms = Math.max(loopDelayP99Ms, load.loopDelayP99Ms);
      for (const key of load.active) active.add(key);
      for (const port of load.learned) learned.add(port);
    }
    return { openConnections, active: [...active], learned: [...learned], longestStallMs, loopDelayP99Ms };
  }

  useIdentity(tls: MeshTls): void {
    this.identity = this.describe(tls);
    tls.onChange(() => {
      this.identity = this.describe(tls);
      this.tell({ type: 'identity', identity: this.identity });
    });
  }

  /** Starts the threads. */
  async restore(resources: ReadonlyMap<ResourceKey, ReceivedResource>): Promise<void> {
    const { workers } = this.options.settings;
    for (let index = 0; index < workers; index += 1) this.workers.push(this.startWorker(index, resources));
    await Promise.all(this.workers.map((worker) => worker.up));
  }

  async apply(
    changes: Changes,
    _resources: ReadonlyMap<ResourceKey, ReceivedResource>,
  ): Promise<readonly ResourceError[]> {
    const upserted = changes.upserted.map(({ key, hash, resource }) => ({ key, hash, resource }));
    const applied = this.ask<readonly ResourceError[]>({
      type: 'apply',
      changes: { upserted, removed: changes.removed },
    });
    this.applying = applied;
    // All compile the same resources in the same order, so what one refuses all refuse.
    return (await applied)[0] ?? [];
  }

  async listen(plan: ListenerPlan, port: number): Promise<number> {
    const listener = { plan, port: await provePortFree(plan.host, port) };
    this.listeners.set(plan.name, listener);
    try {
      await this.ask({ type: 'listen', listener });
    } catch (error) {
      this.close(plan.name);
      throw error;
    }
    return listener.port;
  }

  close(name: string): void {
    this.listeners.delete(name);
    this.tell({ type: 'close', name });
  }

  takeUsed(): Set<DestinationKey> {
    const { used } = this;
    this.used = new Set();
    return used;
  }

  missing(keys: readonly DestinationKey[]): void {
    this.tell({ type: 'missing', keys });
  }

  leave(scope: DrainScope): void {
    this.tell({ type: 'leave', scope });
  }

  drain(scope: DrainScope): void {
    this.leaving = true;
    this.tell({ type: 'drain', scope });
  }

  closeIdle(scope: DrainScope): void {
    this.tell({ type: 'close-idle', scope });
  }

  async countBusy(scope: DrainScope): Promise<number> {
    const counts = await this.ask<number>({ type: 'busy', scope });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  destinations(): readonly DestinationFacts[] {
    void this.readDestinations();
    return this.lastDestinations;
  }

  async readDestinations(): Promise<readonly DestinationFacts[]> {
    this.lastDestinations = mergeDestinations(await this.ask<readonly DestinationFacts[]>({ type: 'destinations' }));
    return this.lastDestinations;
  }

  async readMetrics(): Promise<MetricsSnapshot> {
    const snapshots = await this.ask<MetricsSnapshot>({ type: 'metrics' });
    return snapshots.length === 0 ? { families: [] } : mergeSnapshots(snapshots);
  }

  async takeEdges(): Promise<EdgeReading> {
    const readings = await this.ask<EdgeReading>({ type: 'edges' });
    return readings.length === 0 ? { edges: [], folded: 0 } : mergeEdges(readings);
  }

  async findRequest(request: string): Promise<RequestMemory> {
    return mergeMemories(await this.ask<RequestMemory>({ type: 'request', request }));
  }

  tap(tap: Tap): void {
    this.tell({ type: 'tap', tap });
  }

  closeTaps(): void {
    this.tell({ type: 'close-taps' });
  }

  async destroy(): Promise<void> {
    this.stopped = true;
    const patience = this.options.wheel.schedule(STOP_MS, () => {
      for (const worker of this.workers) worker.kill();
    });
    await Promise.all(this.workers.map((worker) => worker.stop()));
    patience.cancel();
  }

  private startWorker(index: number, resources: ReadonlyMap<ResourceKey, ReceivedResource>): WorkerHandle {
    const { settings, log, clock, tracing, startThread = startOwnThread } = this.options;
    const thread = startThread({
      weftWorker: true,
      settings: { ...settings, ticketSeed: this.tickets.seed },
      identity: this.identity!,
      resources,
      listeners: [...this.listeners.values()],
      sampledPerMillion: tracing?.sink.enabled === true ? tracing.sampledPerMillion : undefined,
    });
    const startedMs = clock.nowMs();
    return new WorkerHandle(thread, {
      up: (inForce) => (this.force = inForce),
      demand: (key) => this.options.onDemand(key),
      used: (keys) => {
        for (const key of keys) this.used.add(key);
      },
      spans: (spans) => {
        for (const span of spans) tracing?.sink.put(span);
      },
      tapped: (tapped) => this.options.onTapped(tapped),
      lines: (text, done) => this.lines.write(text, done),
      log: (level, message, fields) => log[level](message, { ...fields, worker: index }),
      ended: (why) => this.replace(index, why, clock.nowMs() - startedMs),
    });
  }

  /** A thread has ended by itself. */
  private replace(index: number, why: string, livedMs: number): void {
    if (this.stopped || this.leaving) return;
    const { log, wheel } = this.options;
    log.error(`a worker thread ended (${why}); its requests are lost, it is started again`, { worker: index });
    wheel.schedule(livedMs < GOOD_LIFE_MS ? RESTART_MS : 0, () => void this.startAgain(index));
  }

  private async startAgain(index: number): Promise<void> {
    await this.settled();
    if (this.stopped || this.leaving) return;
    const worker = this.startWorker(index, this.options.held());
    this.workers[index] = worker;
    // One that ends at its start is heard of by `ended`.
    await worker.up.then(
      () => this.options.log.info('a worker thread serves again', { worker: index }),
      () => {},
    );
  }

  /** What is being put into force counts as held only when that has ended, in the same turn. */
  private async settled(): Promise<void> {
    let applying: Promise<unknown>;
    do {
      applying = this.applying;
      await applying.catch(() => {});
      await new Promise<void>((resolve) => void setImmediate(resolve));
    } while (applying !== this.applying);
  }

  /** The answers of those that live. Rejects when one reports a fault. */
  private async ask<T>(question: WorkerQuestion): Promise<T[]> {
    const asked = this.workers.map((worker) => worker.ask(question));
    const answers: T[] = [];
    for (const answer of await Promise.all(asked)) {
      if (answer === undefined) continue;
      if (answer.inForce !== null) this.force = answer.inForce;
      answers.push(answer.value as T);
    }
    return answers;
  }

  private tell(message: ToWorker): void {
    for (const worker of this.workers) worker.tell(message);
  }

  private describe({ svid, bundle }: MeshTls): IdentityText {
    const { keyPem, certificatesPem } = svid;
    const { trustDomain, aliases } = bundle;
    const { keyAgreement } = this.options;
    return { keyPem, certificatesPem, rootsPem: toCaPem(bundle), trustDomain, aliases, keyAgreement };
  }
}

/** One writer for the lines of all threads: one batch after the other. */
class LineQueue implements LineTarget {
  private readonly target: LineTarget;
  private readonly waiting: { text: string; done: (error: Error | undefined) => void }[];
  private writing: boolean;

  constructor(target: LineTarget) {
    this.target = target;
    this.waiting = [];
    this.writing = false;
  }

  /** Each thread has one batch under way at a time, so at most as many wait as there are threads. */
  write(text: string, done: (error: Error | undefined) => void): void {
    this.waiting.push({ text, done });
    if (!this.writing) this.next();
  }

  private next(): void {
    const batch = this.waiting.shift();
    this.writing = batch !== undefined;
    if (batch === undefined) return;
    this.target.write(batch.text, (error) => {
      batch.done(error);
      this.next();
    });
  }
}

/** From the sources a thread has a file of its own; a bundle is one file, whose entry sees that it is a worker. */
function startOwnThread(start: WorkerStart): Worker {
  const here = import.meta.url;
  const entry = here.endsWith('worker-group.ts') ? here.replace(/worker-group\.ts$/, 'worker-main.ts') : here;
  return new Worker(new URL(entry), { workerData: start });
}

import type { Clock, Result, Timer, TimerWheel } from '@weft/kernel';
import type { WorkloadInstance } from '@weft/model';
import { type CallFault, type ClientTls, PeerClient, type TellRequest, type TellResponse, writeTold } from '@weft/wire';
import type { InstanceBook } from '../instance-book.ts';
import type { Log } from '../log.ts';
import type { Acknowledged } from '../proxy-registry.ts';

export interface PeerLinkOptions {
  /** Our own name. */
  readonly replica: string;
  /** The other one's. */
  readonly peer: string;
  /** `host:port`. */
  readonly address: string;
  readonly book: InstanceBook;
  readonly tls: () => ClientTls;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** What the other one had to say when it was asked. */
  readonly onAnswer: (response: TellResponse) => void;
}

/** A burst of news travels as one message. */
const QUIET_MS = 20;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** News are answered at once: who has not after so long is in trouble, though the call may yet be answered. */
const SILENT_MS = 2_000;
/** The answer comes back within the time that the asker has. */
const RETURN_MS = 500;

/**
 * What one replica tells another. Each message says how things are now, so that one that is lost is made good by the next:
 * after any failure all is said again.
 */
export class PeerLink {
  readonly address: string;
  private readonly options: PeerLinkOptions;
  private readonly due: Set<string>;
  private readonly timer: Timer;
  private client: PeerClient | null;
  private context: ClientTls['context'] | null;
  private isWholeDue: boolean;
  private isSending: boolean;
  /** When the last news were sent. */
  private sentAtMs: number;
  private failures: number;
  private fault: string;
  private isClosed: boolean;

  constructor(options: PeerLinkOptions) {
    this.options = options;
    this.address = options.address;
    this.due = new Set();
    this.timer = options.wheel.create(() => void this.flush());
    this.client = null;
    this.context = null;
    this.isWholeDue = true;
    this.isSending = false;
    this.sentAtMs = 0;
    this.failures = 0;
    this.fault = '';
    this.isClosed = false;
    this.timer.reschedule(0);
  }

  /** Something else is to be said of a workload. */
  changed(workload: string): void {
    if (this.isClosed) return;
    this.due.add(workload);
    if (!this.timer.armed && !this.isSending) this.timer.reschedule(QUIET_MS);
  }

  /** Tells of an instance that leaves, and waits for its callers there; nobody when there is no answer in time. */
  async leaving(instance: WorkloadInstance, withinMs: number): Promise<Acknowledged> {
    const { wheel, log, peer } = this.options;
    const { promise: late, resolve } = Promise.withResolvers<null>();
    const timer = wheel.schedule(withinMs, () => resolve(null));
    const awaitMs = Math.max(1, withinMs - RETURN_MS);
    const told = await Promise.race([this.send({ instances: [writeTold(instance)], awaitMs }), late]);
    timer.cancel();
    if (told?.ok === true) return told.value;
    const why = told === null ? `no answer within ${withinMs} ms` : told.error.message;
    log.warn(`callers of ${instance.workload} at replica ${peer} were not waited for: ${why}`);
    if (told === null) this.renew();
    this.sayAllAgain(why);
    return { subscribers: 0, acknowledged: 0 };
  }

  /** Why the last message did not arrive; empty: it did, or may yet. Another is tried soon. */
  get trouble(): string {
    if (this.failures > 0) return this.fault;
    if (!this.isSending) return '';
    const silentMs = this.options.clock.nowMs() - this.sentAtMs;
    return silentMs < SILENT_MS ? '' : `no answer for ${Math.floor(silentMs / 1_000)} s`;
  }

  /** The other one has spoken, so that it is there: what did not reach it is said now, though no more than twice a second. */
  heard(): void {
    if (this.isClosed || this.failures === 0) return;
    this.failures = 1;
    if (this.isSending) return;
    this.timer.reschedule(Math.max(0, this.sentAtMs + FIRST_RETRY_MS - this.options.clock.nowMs()));
  }

  /** Asks it something, over the one connection. */
  ask<T>(question: (client: PeerClient) => T): T {
    return question(this.connected());
  }

  /**
   * Tells it something. A connection that did not carry it is given up, because it would try again in its own time; one of an
   * older version says that it knows no such call on a connection that is well.
   */
  async say<T>(words: (client: PeerClient) => Promise<Result<T, CallFault>>): Promise<Result<T, CallFault>> {
    const client = this.connected();
    const said = await words(client);
    if (said.ok) this.heard();
    else if (said.error.code !== 'Unimplemented' && client === this.client) this.renew();
    return said;
  }

  close(): void {
    this.isClosed = true;
    this.timer.cancel();
    this.renew();
  }

  private async flush(): Promise<void> {
    if (this.isSending || this.isClosed) return;
    const { book, log, peer, onAnswer } = this.options;
    const isWhole = this.isWholeDue;
    const instances: WorkloadInstance[] = [];
    const removed: string[] = [];
    if (isWhole) instances.push(...book.allNews());
    else {
      for (const workload of this.due) {
        const news = book.news(workload);
        if (news === undefined) removed.push(workload);
        else instances.push(news);
      }
    }
    this.due.clear();
    this.isWholeDue = false;
    this.isSending = true;
    this.sentAtMs = this.options.clock.nowMs();
    const told = await this.send({ instances: instances.map(writeTold), removed, whole: isWhole, asks: isWhole });
    this.isSending = false;
    if (this.isClosed) return;
    if (!told.ok) {
      if (this.failures === 0) log.warn(`replica ${peer} at ${this.address} is not reached: ${told.error.message}`);
      this.sayAllAgain(told.error.message);
      return;
    }
    if (this.failures > 0) log.info(`replica ${peer} is reached again`);
    this.failures = 0;
    if (isWhole) onAnswer(told.value);
    if (this.due.size > 0 || this.isWholeDue) this.timer.reschedule(QUIET_MS);
  }

  private sayAllAgain(fault: string): void {
    if (this.isClosed) return;
    this.fault = fault;
    this.isWholeDue = true;
    const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    if (!this.isSending) this.timer.reschedule(delayMs);
  }

  private send(words: Partial<TellRequest>): ReturnType<PeerClient['tell']> {
    const request = { whole: false, instances: [], removed: [], awaitMs: 0, asks: false, ...words };
    return this.say((client) => client.tell({ replica: this.options.replica, ...request }));
  }

  private renew(): void {
    this.client?.close();
    this.client = null;
  }

  private connected(): PeerClient {
    const current = this.options.tls();
    // A renewed certificate is shown by a new connection.
    if (this.client === null || this.context !== current.context) {
      this.client?.close();
      this.client = new PeerClient(this.address, current);
      this.context = current.context;
    }
    return this.client;
  }
}

import type { Worker } from 'node:worker_threads';
import type { DestinationKey } from '@weft/model';
import type { Span } from '@weft/telemetry';
import type { Tapped } from '@weft/wire';
import type { LogFields } from '../log.ts';
import type { InForce, ServingLoad } from '../serving.ts';
import type { FromWorker, ToWorker, WorkerQuestion } from './worker-message.ts';

/** What a worker tells its group. */
export interface WorkerEvents {
  up(inForce: InForce): void;
  demand(key: DestinationKey): void;
  used(keys: readonly DestinationKey[]): void;
  spans(spans: readonly Span[]): void;
  tapped(tapped: Tapped): void;
  lines(text: string, done: (error: Error | undefined) => void): void;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: LogFields | undefined): void;
  /** By itself: an error nobody caught, or its memory is used up. */
  ended(why: string): void;
}

export interface WorkerAnswer {
  readonly value: unknown;
  /** After a change of configuration; null otherwise. */
  readonly inForce: InForce | null;
}

interface Asked {
  /** Undefined when the thread has ended. */
  resolve(answer: WorkerAnswer | undefined): void;
  reject(error: Error): void;
}

/** One worker thread, as its group sees it. */
export class WorkerHandle {
  /** As it was last heard of; null before that. */
  load: ServingLoad | null;
  /** Resolves when it listens; rejects when it ended before. */
  readonly up: Promise<void>;
  private readonly thread: Worker;
  private readonly events: WorkerEvents;
  private readonly asked: Map<number, Asked>;
  private lastId: number;
  private ended: boolean;
  private stopping: boolean;
  private why: string;
  private readonly exited: Promise<void>;

  constructor(thread: Worker, events: WorkerEvents) {
    this.load = null;
    this.thread = thread;
    this.events = events;
    this.asked = new Map();
    this.lastId = 0;
    this.ended = false;
    this.stopping = false;
    this.why = '';
    const { promise: up, resolve: isUp, reject: isNotUp } = Promise.withResolvers<void>();
    this.up = up;
    // Who does not wait for it hears of the end by `ended`.
    up.catch(() => {});
    thread.on('message', (message: FromWorker) => {
      if (message.type === 'up') isUp();
      this.hear(message);
    });
    thread.on('error', (error) => (this.why = error instanceof Error ? error.message : String(error)));
    this.exited = new Promise((resolve) => {
      thread.on('exit', (code) => {
        this.end(code);
        isNotUp(new Error(`a worker thread ended at its start: ${this.why}`));
        resolve();
      });
    });
  }

  tell(message: ToWorker): void {
    if (!this.ended) this.thread.postMessage(message);
  }

  /** Undefined when the thread ends before it has answered. */
  ask(question: WorkerQuestion): Promise<WorkerAnswer | undefined> {
    if (this.ended) return Promise.resolve(undefined);
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.thread.postMessage({ type: 'ask', id, question } satisfies ToWorker);
    });
  }

  /** Ends everything in it now; resolves when the thread is gone. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.tell({ type: 'stop' });
    await this.exited;
  }

  kill(): void {
    void this.thread.terminate();
  }

  private hear(message: FromWorker): void {
    const { events } = this;
    if (message.type === 'up') events.up(message.inForce);
    else if (message.type === 'answer') this.take(message.id)?.resolve(message);
    else if (message.type === 'fault') {
      const { code, port } = message;
      this.take(message.id)?.reject(Object.assign(new Error(message.message), { code, port }));
    } else if (message.type === 'demand') events.demand(message.key);
    else if (message.type === 'load') {
      this.load = message.load;
      events.used(message.used);
    } else if (message.type === 'spans') events.spans(message.spans);
    else if (message.type === 'tapped') events.tapped(message.tapped);
    else if (message.type === 'lines') {
      events.lines(message.text, (error) => this.tell({ type: 'written', fault: error?.message ?? '' }));
    } else events.log(message.level, message.message, message.fields);
  }

  private take(id: number): Asked | undefined {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    return asked;
  }

  private end(code: number): void {
    this.ended = true;
    this.load = null;
    if (this.why === '') this.why = `exit ${code}`;
    for (const { resolve } of this.asked.values()) resolve(undefined);
    this.asked.clear();
    if (!this.stopping) this.events.ended(this.why);
  }
}

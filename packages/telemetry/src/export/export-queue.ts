import { type Timer, type TimerWheel, assert } from '@weft/kernel';

/** Sends a batch somewhere. `done` is called once, with an Error when the batch was not taken. */
export interface BatchExporter<Item> {
  send(items: readonly Item[], done: (error: Error | undefined) => void): void;
  close(): Promise<void>;
}

export interface ExportQueueOptions<Item> {
  readonly timers: TimerWheel;
  /** Asked once, before the first batch. */
  open(): Promise<BatchExporter<Item>>;
  /** The first batch of a run of failures was not taken: worth one line of log. */
  onFault?(message: string): void;
  /** Most items that wait; 4,096 unless said. */
  readonly maxItems?: number;
  /** How long an item waits for others, in milliseconds; 1,000 unless said. */
  readonly delayMs?: number;
}

/** What can be asked of a queue, whatever waits in it. */
export type ExportQueueFacts = Pick<ExportQueue<never>, 'exported' | 'failed' | 'dropped' | 'waitingItems' | 'close'>;

/** OTLP's usual size of a batch; sent early when so many wait. */
const BATCH_ITEMS = 512;
const MAX_ITEMS = 4_096;
const DELAY_MS = 1_000;

/**
 * A bounded queue in front of an exporter. One batch is under way at a time; what comes while the queue is full is dropped and
 * counted, a batch that was not taken is counted and forgotten. A collector that is down costs counters, never a request.
 */
export class ExportQueue<Item> {
  exported: number;
  /** Lost because the receiver did not take them. */
  failed: number;
  /** Lost because the queue was full. */
  dropped: number;
  private readonly options: ExportQueueOptions<Item>;
  private readonly maxItems: number;
  private readonly delayMs: number;
  private waiting: Item[];
  private exporter: BatchExporter<Item> | null;
  private isSending: boolean;
  private isClosed: boolean;
  private hasFailed: boolean;
  private timer: Timer | null;
  private idle: (() => void) | null;

  constructor(options: ExportQueueOptions<Item>) {
    this.exported = 0;
    this.failed = 0;
    this.dropped = 0;
    this.options = options;
    this.maxItems = options.maxItems ?? MAX_ITEMS;
    this.delayMs = options.delayMs ?? DELAY_MS;
    assert(this.maxItems > 0, 'an export queue holds at least one item');
    this.waiting = [];
    this.exporter = null;
    this.isSending = false;
    this.isClosed = false;
    this.hasFailed = false;
    this.timer = null;
    this.idle = null;
  }

  /** Items that wait, those being sent not counted. */
  get waitingItems(): number {
    return this.waiting.length;
  }

  /** The next item would be dropped. */
  get isFull(): boolean {
    return this.isClosed || this.waiting.length >= this.maxItems;
  }

  /** Takes an item over; never blocks and never throws. */
  put(item: Item): void {
    if (this.isFull) {
      this.dropped += 1;
      return;
    }
    this.waiting.push(item);
    if (this.isSending) return;
    if (this.waiting.length >= BATCH_ITEMS) void this.send();
    else if (this.timer === null) {
      this.timer = this.options.timers.schedule(this.delayMs, () => {
        this.timer = null;
        void this.send();
      }) as Timer;
    }
  }

  /** Sends what waits and lets go of the exporter. Whoever cannot wait for a receiver that hangs bounds it. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.isSending || this.waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.idle = resolve;
        if (!this.isSending) void this.send();
      });
    }
    await this.exporter?.close().catch(() => undefined);
  }

  private async send(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    try {
      this.exporter ??= await this.options.open();
      while (this.waiting.length > 0) await this.sendBatch(this.exporter);
    } catch (error) {
      // The exporter could not be loaded: the next item tries again.
      this.fault(this.waiting.length, error as Error);
      this.waiting = [];
    }
    this.isSending = false;
    this.idle?.();
  }

  private sendBatch(exporter: BatchExporter<Item>): Promise<void> {
    const batch = this.waiting.splice(0, BATCH_ITEMS);
    return new Promise((resolve) => {
      let isDone = false;
      exporter.send(batch, (error) => {
        if (isDone) return;
        isDone = true;
        if (error === undefined) {
          this.exported += batch.length;
          this.hasFailed = false;
        } else this.fault(batch.length, error);
        resolve();
      });
    });
  }

  private fault(items: number, error: Error): void {
    this.failed += items;
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.options.onFault?.(error.message);
  }
}

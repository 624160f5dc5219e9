import type { Clock, Result, Timer, TimerWheel } from '@weft/kernel';
import type { CallFault, CountRequest, CountedProxy, Counters, Nothing } from '@weft/wire';
import type { Reporter } from '../observation/traffic-window.ts';

export interface CounterFeedOptions {
  /** Our own name. */
  readonly replica: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly send: (request: CountRequest) => Promise<Result<Nothing, CallFault>>;
}

interface Waiting {
  readonly reporter: Reporter;
  readonly counters: Counters;
  readonly atMs: number;
}

/** What came in this time travels as one message. */
const GATHER_MS = 500;
/** The longest time without a word, so that silence means something. */
export const BEAT_MS = 5_000;
/** Edges of one message, of at most about 150 bytes each; one proxy's reports are not divided. */
const MOST_EDGES_SENT = 20_000;
/** Edges that wait for a replica that hangs: what comes then is counted as lost. */
const MOST_EDGES_WAITING = 100_000;

/**
 * Tells one other replica what our proxies count, so that each answers for the whole mesh, and remembers it when another is gone. A
 * message that fails is not sent again: how much was lost is told, and what it would have said is then unknown there.
 */
export class CounterFeed {
  private readonly options: CounterFeedOptions;
  private readonly timer: Timer;
  private waiting: Waiting[];
  private edges: number;
  private lost: number;
  private isSending: boolean;
  private isClosed: boolean;
  private saidAtMs: number;
  /** Why the last message did not arrive; empty: it did, or there was none. One is sent every five seconds at least. */
  trouble: string;

  constructor(options: CounterFeedOptions) {
    this.options = options;
    this.waiting = [];
    this.edges = 0;
    this.lost = 0;
    this.isSending = false;
    this.isClosed = false;
    this.saidAtMs = Number.NEGATIVE_INFINITY;
    this.trouble = '';
    this.timer = options.wheel.create(() => this.beat());
    this.timer.reschedule(0);
  }

  /** A proxy with its stream here has counted. */
  counted(reporter: Reporter, counters: Counters): void {
    if (this.isClosed) return;
    const edges = counters.edges.length + 1;
    if (this.edges + edges > MOST_EDGES_WAITING) {
      this.lost += 1;
      return;
    }
    this.edges += edges;
    this.waiting.push({ reporter, counters, atMs: this.options.clock.nowMs() });
  }

  close(): void {
    this.isClosed = true;
    this.timer.cancel();
    this.waiting = [];
  }

  private beat(): void {
    const isDue = this.waiting.length > 0 || this.options.clock.nowMs() - this.saidAtMs >= BEAT_MS;
    if (isDue && !this.isSending) void this.flush();
    this.timer.reschedule(GATHER_MS);
  }

  private async flush(): Promise<void> {
    const { replica, clock, send } = this.options;
    this.isSending = true;
    do {
      const nowMs = clock.nowMs();
      const proxies = this.takeBatch(nowMs);
      const { lost } = this;
      this.lost = 0;
      this.saidAtMs = nowMs;
      const sent = await send({ replica, proxies, lost });
      // An older version takes no counts, and is reached all the same.
      this.trouble = sent.ok || sent.error.code === 'Unimplemented' ? '' : sent.error.message;
      if (!sent.ok) {
        this.lost += lost + proxies.length;
        // That it is back shows soon, though there be nothing to count.
        if (this.trouble !== '') this.saidAtMs = Number.NEGATIVE_INFINITY;
        break;
      }
    } while (this.waiting.length > 0 && !this.isClosed);
    this.isSending = false;
  }

  private takeBatch(nowMs: number): CountedProxy[] {
    let edges = 0;
    let count = 0;
    for (const { counters } of this.waiting) {
      if (count > 0 && edges + counters.edges.length + 1 > MOST_EDGES_SENT) break;
      edges += counters.edges.length + 1;
      count += 1;
    }
    this.edges -= edges;
    return this.waiting.splice(0, count).map(({ reporter, counters, atMs }) => ({
      proxy: reporter.proxy,
      place: reporter.workload,
      gateway: reporter.gateway,
      account: reporter.account,
      workload: reporter.entry,
      ageMs: Math.max(0, Math.round(nowMs - atMs)),
      counters,
    }));
  }
}

/**
 * Frames that cost the sender nothing and us something. A connection has a budget for each kind, which time refills
 * slowly and honest work quickly; whoever empties one is closed with ENHANCE_YOUR_CALM. An offender that
 * does nothing else is gone within 500 events; late frames alone may be many where uploads were refused, and cost least.
 */
export const Flood = {
  /** Streams reset by the peer before they were answered (CVE-2023-44487), and those its own faults made us reset or
   * refuse (CVE-2025-8671). */
  Reset: 0,
  Settings: 1,
  Ping: 2,
  Priority: 3,
  WindowUpdate: 4,
  EmptyData: 5,
  /** Frames of types that nobody here knows. */
  Unknown: 6,
  /** Header blocks that begin by resizing the table. */
  TableSize: 7,
  /** Frames for streams that are gone. */
  Late: 8,
  /** DATA that is nearly all padding. */
  Padding: 9,
  /**
   * Header blocks that decode to more than a head may have: a few bytes each, and all of them must be decoded. One that decodes
   * to many times as much was made for that, and counts as so many.
   */
  LargeHead: 10,
} as const;
export type Flood = (typeof Flood)[keyof typeof Flood];

interface Budget {
  readonly detail: string;
  readonly events: number;
  readonly perSecond: number;
  /** Refilled by a stream that was answered to its end. */
  readonly perStream: number;
  /** Refilled by a DATA frame with something in it, in either direction, unless a tiny window made it small. */
  readonly perData: number;
}

// Pings: gRPC measures its path with one for nearly every message. Window updates: two for each DATA frame is usual.
// Resets: clients that hedge cancel about as often as they succeed.
const budgets: readonly Budget[] = [
  { detail: 'flood-reset', events: 200, perSecond: 20, perStream: 1, perData: 0 },
  { detail: 'flood-settings', events: 50, perSecond: 2, perStream: 0, perData: 0 },
  { detail: 'flood-ping', events: 100, perSecond: 10, perStream: 1, perData: 1 },
  { detail: 'flood-priority', events: 200, perSecond: 20, perStream: 2, perData: 0 },
  { detail: 'flood-window-update', events: 400, perSecond: 50, perStream: 4, perData: 4 },
  { detail: 'flood-empty-data', events: 100, perSecond: 10, perStream: 1, perData: 0 },
  { detail: 'flood-unknown-frame', events: 100, perSecond: 10, perStream: 1, perData: 0 },
  { detail: 'flood-table-size', events: 50, perSecond: 5, perStream: 0, perData: 0 },
  { detail: 'flood-late-frame', events: 2000, perSecond: 100, perStream: 4, perData: 0 },
  { detail: 'flood-padding', events: 200, perSecond: 20, perStream: 1, perData: 0 },
  { detail: 'flood-large-head', events: 50, perSecond: 5, perStream: 1, perData: 0 },
];

export class FloodGuard {
  private readonly left: Float64Array;
  /** What an honest peer of many callers brings about by passing on that they left: counted this many times more slowly. */
  private readonly patience: number;
  private lastMs: number;
  /** Streams and DATA frames to be credited before the next event is counted; most connections never come to one. */
  private streams: number;
  private dataFrames: number;

  /** `patience` is at least 1. */
  constructor(patience = 1) {
    this.patience = patience;
    this.left = Float64Array.from(budgets, (budget) => budget.events);
    this.lastMs = -1;
    this.streams = 0;
    this.dataFrames = 0;
  }

  /** Counts one event, or one that weighs as much as several; false when its budget is spent. */
  take(kind: Flood, events = 1): boolean {
    if (this.streams + this.dataFrames > 0) this.applyCredit();
    const patient = kind === Flood.Reset || kind === Flood.Late || kind === Flood.LargeHead;
    this.left[kind]! -= patient ? events / this.patience : events;
    return this.left[kind]! >= 0;
  }

  /** The stable token of a kind. */
  detail(kind: Flood): string {
    return budgets[kind]!.detail;
  }

  /** Time passes; `nowMs` never falls. */
  tick(nowMs: number): void {
    if (this.lastMs < 0) this.lastMs = nowMs;
    const passedMs = nowMs - this.lastMs;
    // Once in a tenth of a second is often enough, and it keeps this off the path of every read.
    if (passedMs < 100) return;
    this.lastMs = nowMs;
    for (let kind = 0; kind < budgets.length; kind += 1)
      this.refill(kind, (budgets[kind]!.perSecond * passedMs) / 1000);
  }

  /** A stream was answered to its end. */
  creditStream(): void {
    this.streams += 1;
  }

  /** `frames` DATA frames carried something. */
  creditData(frames: number): void {
    this.dataFrames += frames;
  }

  private applyCredit(): void {
    for (let kind = 0; kind < budgets.length; kind += 1) {
      const budget = budgets[kind]!;
      this.refill(kind, budget.perStream * this.streams + budget.perData * this.dataFrames);
    }
    this.streams = 0;
    this.dataFrames = 0;
  }

  private refill(kind: number, events: number): void {
    const most = budgets[kind]!.events;
    const left = this.left[kind]! + events;
    this.left[kind] = left > most ? most : left;
  }
}

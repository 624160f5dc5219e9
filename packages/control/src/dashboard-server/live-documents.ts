import type { Result, Timer, TimerWheel } from '@weft/kernel';
import type { CallFault } from '@weft/wire';
import type { DashboardDocument } from './dashboard-documents.ts';

/** Gets the JSON of a document whenever it has changed, or the fault that took its place. */
export type Follow = (json: string, fault: CallFault | null) => void;

interface Live {
  readonly document: DashboardDocument;
  readonly followers: Set<Follow>;
  last: string;
  fault: CallFault | null;
  timer: Timer | null;
  isReading: boolean;
}

/** Reads each document that somebody looks at once for all who do, again and again until nobody does. */
export class LiveDocuments {
  private readonly wheel: TimerWheel;
  private readonly open: Map<string, Live>;

  constructor(wheel: TimerWheel) {
    this.wheel = wheel;
    this.open = new Map();
  }

  /** `address` tells documents apart. The first JSON comes at once; the returned function ends it. */
  follow(address: string, document: DashboardDocument, told: Follow): () => void {
    let live = this.open.get(address);
    if (live === undefined) {
      live = { document, followers: new Set(), last: '', fault: null, timer: null, isReading: false };
      this.open.set(address, live);
    }
    const joined = live;
    joined.followers.add(told);
    if (joined.last !== '' || joined.fault !== null) told(joined.last, joined.fault);
    else void this.read(address, joined);
    return () => {
      joined.followers.delete(told);
      if (joined.followers.size > 0 || this.open.get(address) !== joined) return;
      joined.timer?.cancel();
      this.open.delete(address);
    };
  }

  stop(): void {
    for (const { timer } of this.open.values()) timer?.cancel();
    this.open.clear();
  }

  private async read(address: string, live: Live): Promise<void> {
    if (live.isReading) return;
    live.isReading = true;
    const found: Result<object, CallFault> = await live.document.read();
    live.isReading = false;
    if (this.open.get(address) !== live) return;
    const json = found.ok ? JSON.stringify(found.value) : '';
    const fault = found.ok ? null : found.error;
    if (json !== live.last || fault?.message !== live.fault?.message) {
      live.last = json;
      live.fault = fault;
      for (const told of live.followers) told(json, fault);
    }
    live.timer = this.wheel.schedule(live.document.refreshMs, () => void this.read(address, live));
  }
}

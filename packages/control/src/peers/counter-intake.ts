import type { Clock } from '@weft/kernel';
import type { CountRequest } from '@weft/wire';
import type { TrafficWindow } from '../observation/traffic-window.ts';
import { BEAT_MS } from './counter-feed.ts';

interface Heard {
  lastMs: number;
  /** Times of which something is missing, oldest first. */
  readonly gaps: { readonly fromMs: number; toMs: number }[];
}

/** Longer without a word is not a late message. */
const QUIET_MS = 2.5 * BEAT_MS;
/** As far back as traffic is remembered. */
const REMEMBERED_MS = 1_800_000;
const MOST_GAPS = 64;
/** Reports that were held back for longer are of no use. */
const MOST_AGE_MS = 60_000;

/** Takes in what other replicas tell of their proxies' traffic, and knows for which times they did not. */
export class CounterIntake {
  private readonly window: TrafficWindow;
  private readonly clock: Clock;
  private readonly heard: Map<string, Heard>;

  constructor(window: TrafficWindow, clock: Clock) {
    this.window = window;
    this.clock = clock;
    this.heard = new Map();
  }

  take({ replica, proxies, lost }: CountRequest): void {
    let tooOld = 0;
    for (const { proxy, place, gateway, account, workload, ageMs, counters } of proxies) {
      if (ageMs > MOST_AGE_MS) tooOld += 1;
      else this.window.take({ proxy, workload: place, account, gateway, entry: workload }, counters, ageMs);
    }
    this.note(replica, lost + tooOld > 0);
  }

  /** Why figures of the last `windowMs` lack something that this replica's proxies carried; empty: they do not. */
  silence(replica: string, windowMs: number): string {
    const heard = this.heard.get(replica);
    if (heard === undefined) return 'it has told nothing of the traffic of its sidecars yet';
    const nowMs = this.clock.nowMs();
    const sinceMs = nowMs - heard.lastMs;
    let missingMs = sinceMs > QUIET_MS ? Math.min(sinceMs, windowMs) : 0;
    for (const { fromMs, toMs } of heard.gaps) missingMs += Math.max(0, toMs - Math.max(fromMs, nowMs - windowMs));
    if (missingMs === 0) return '';
    const seconds = Math.ceil(missingMs / 1_000);
    return `the traffic of its sidecars is not known for ${seconds} s of the last ${Math.round(windowMs / 1_000)} s`;
  }

  /** It is there no more. */
  forget(replica: string): void {
    this.heard.delete(replica);
  }

  private note(replica: string, isLossy: boolean): void {
    const nowMs = this.clock.nowMs();
    let heard = this.heard.get(replica);
    if (heard === undefined) {
      heard = { lastMs: nowMs, gaps: [] };
      this.heard.set(replica, heard);
    }
    if (isLossy || nowMs - heard.lastMs > QUIET_MS) {
      const last = heard.gaps.at(-1);
      if (last?.toMs === heard.lastMs) last.toMs = nowMs;
      else heard.gaps.push({ fromMs: heard.lastMs, toMs: nowMs });
    }
    heard.lastMs = nowMs;
    while (heard.gaps.length > MOST_GAPS || (heard.gaps[0]?.toMs ?? nowMs) < nowMs - REMEMBERED_MS) heard.gaps.shift();
  }
}

import { PerformanceObserver, monitorEventLoopDelay } from 'node:perf_hooks';
import type { LoopFacts } from '@weft/telemetry';

/** Twenty samples a second see every stall of note and cost an idle process nothing one could measure. */
const RESOLUTION_MS = 50;

/** How the event loop and the collector of this thread do. */
export class LoopWatch {
  private readonly histogram: ReturnType<typeof monitorEventLoopDelay>;
  private readonly observer: PerformanceObserver;
  private pauses: number;
  private pauseTotalMs: number;
  private pauseMaxMs: number;
  private lastP99Ms: number;

  constructor() {
    this.histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.histogram.enable();
    this.pauses = 0;
    this.pauseTotalMs = 0;
    this.pauseMaxMs = 0;
    this.lastP99Ms = 0;
    this.observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        this.pauses += 1;
        this.pauseTotalMs += entry.duration;
        if (entry.duration > this.pauseMaxMs) this.pauseMaxMs = entry.duration;
      }
    });
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** Delay since the last call; the histogram starts anew. */
  loop(): LoopFacts {
    const { histogram } = this;
    // The timer of the histogram itself waits its resolution; what is above it is delay.
    const over = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    const facts: LoopFacts = {
      delayP50Ms: over(histogram.percentile(50)),
      delayP99Ms: over(histogram.percentile(99)),
      delayMaxMs: histogram.count === 0 ? 0 : over(histogram.max),
      gcPauses: this.pauses,
      gcPauseTotalMs: this.pauseTotalMs,
      gcPauseMaxMs: this.pauseMaxMs,
    };
    this.lastP99Ms = facts.delayP99Ms;
    histogram.reset();
    return facts;
  }

  /** As last read by `loop`, or now when nothing has read it yet. */
  loopDelayP99Ms(): number {
    return this.lastP99Ms === 0 ? this.loop().delayP99Ms : this.lastP99Ms;
  }

  stop(): void {
    this.histogram.disable();
    this.observer.disconnect();
  }
}

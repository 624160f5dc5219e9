import { PerformanceObserver, monitorEventLoopDelay } from 'node:perf_hooks';
import type { LoopFacts } from '@weft/telemetry';
import { turnPace } from '../transport/turn-pace.ts';

/**
 * How the event loop and the collector of this thread do. Delay is how long a turn of the loop takes: what becomes ready
 * meanwhile waits so long. Every turn is a sample, 80 ns each. Sampling by a timer instead, twenty times a second, was
 * nine tenths of what woke an idle sidecar, and saw a stall of 10 ms one time in five.
 */
export class LoopWatch {
  private readonly histogram: ReturnType<typeof monitorEventLoopDelay>;
  private readonly observer: PerformanceObserver;
  private pauses: number;
  private pauseTotalMs: number;
  private pauseMaxMs: number;
  private lastP99Ms: number;

  constructor() {
    this.histogram = monitorEventLoopDelay({ samplePerIteration: true });
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
    const facts: LoopFacts = {
      delayP50Ms: histogram.percentile(50) / 1e6,
      delayP99Ms: histogram.percentile(99) / 1e6,
      delayMaxMs: histogram.count === 0 ? 0 : histogram.max / 1e6,
      coalescings: turnPace.pauses,
      coalescingTotalMs: turnPace.pausedMs,
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

const GAP_MS = 10;

/** How late timers of this process came in an interval: what the machine's other work adds to anything that is timed here. */
export class TimerLateness {
  private readonly samples: number[];
  private timer: NodeJS.Timeout;

  constructor() {
    this.samples = [];
    this.timer = this.wait(performance.now());
  }

  /** Ends the interval and gives its longest lateness. */
  finish(): number {
    clearTimeout(this.timer);
    return Math.max(0, ...this.samples);
  }

  private wait(nowMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      const atMs = performance.now();
      this.samples.push(Math.max(0, atMs - nowMs - GAP_MS));
      this.timer = this.wait(atMs);
    }, GAP_MS);
  }
}

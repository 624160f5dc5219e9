/**
 * The time port. Code above the ground ring takes a `Clock`, so that a test can own the time.
 */
export interface Clock {
  /** Monotonic time in milliseconds with a fraction; its zero is arbitrary. For durations and deadlines. */
  nowMs(): number;
  /** Unix epoch in milliseconds. It may jump in both directions: for log lines and certificate dates only. */
  wallMs(): number;
}

/** The clock of the machine: the one place that reads `performance.now` and `Date.now`. */
export const systemClock: Clock = {
  nowMs(): number {
    return performance.now();
  },
  wallMs(): number {
    return Date.now();
  },
};

import type { RetryBudgetPolicy } from '@weft/model';
import { RollingWindow } from './rolling-window.ts';

/** The window until a rule asks with a longer one. */
const DEFAULT_WINDOW_MS = 10_000;

/**
 * How many retries a service may be sent by this process: the larger of a percentage of the requests in a sliding window and
 * a floor for services with few requests. The counts are the service's; each rule looks at them with its own percentage and
 * floor. With several windows the longest one is used.
 */
export class RetryBudget {
  private readonly window: RollingWindow;
  private windowMs: number;
  private readonly workers: number;

  /** `workers`: processes that share the floor; at least 1. The percentage is of each one's own requests. */
  constructor(workers: number) {
    this.windowMs = DEFAULT_WINDOW_MS;
    this.window = new RollingWindow(DEFAULT_WINDOW_MS);
    this.workers = workers;
  }

  /** A request, whatever comes of it; its retries are counted by `spent`. */
  offered(nowMs: number): void {
    this.window.add(nowMs, 1, 0);
  }

  allows(nowMs: number, policy: RetryBudgetPolicy): boolean {
    if (policy.windowMs > this.windowMs) {
      this.windowMs = policy.windowMs;
      this.window.resize(policy.windowMs, nowMs);
    }
    const floor = (policy.minimumPerSecond * this.windowMs) / 1_000 / this.workers;
    const allowed = Math.max((this.window.total(nowMs) * policy.percent) / 100, floor);
    return this.window.totalMarked(nowMs) + 1 <= allowed;
  }

  spent(nowMs: number): void {
    this.window.add(nowMs, 0, 1);
  }

  requests(nowMs: number): number {
    return this.window.total(nowMs);
  }

  retries(nowMs: number): number {
    return this.window.totalMarked(nowMs);
  }
}

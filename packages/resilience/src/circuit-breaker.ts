import type { CircuitBreakerPolicy } from '@weft/model';
import { RollingWindow } from './rolling-window.ts';

/*
 * The breaker of a service: the ratio of failures among final outcomes.
 *
 *             consulted, and the window fails
 *   closed ------------------------------------> open ---- openFor over ----> half-open
 *     ^  ^                                        ^  \                          |    |
 *     |  |                                        |   \-- recovered()           |    |
 *     |  +--------------- recovered() ------------|---- (a healthy endpoint) <--+    |
 *     |                                           +-------- a probe fails (twice as long)
 *     +------------------- `probes` succeed ---------------------------------------+
 *
 * It counts all the time and decides only when asked. Its owner asks only while no healthy endpoint is left (or panic
 * holds): as long as there is one, avoiding the bad ones is better than refusing everybody.
 */

export type BreakerState = 'closed' | 'open' | 'half-open';

export class CircuitBreaker {
  private policy: CircuitBreakerPolicy;
  private readonly window: RollingWindow;
  private current: BreakerState;
  /** When it last opened, and until when that lasts. */
  private openedMs: number;
  private endsMs: number;
  /** When it last half-opened. */
  private halfOpenedMs: number;
  /** Openings since it was last closed. */
  private openings: number;
  private probesAdmitted: number;
  private probesSucceeded: number;

  constructor(policy: CircuitBreakerPolicy) {
    this.policy = policy;
    this.window = new RollingWindow(policy.windowMs);
    this.current = 'closed';
    this.openedMs = 0;
    this.endsMs = 0;
    this.halfOpenedMs = 0;
    this.openings = 0;
    this.probesAdmitted = 0;
    this.probesSucceeded = 0;
  }

  get state(): BreakerState {
    return this.current;
  }

  /** When an open breaker lets the first probe through; 0 in other states. */
  get untilMs(): number {
    return this.current === 'open' ? this.endsMs : 0;
  }

  /** Final outcomes in the window, and how many of them failed. */
  requests(nowMs: number): number {
    return this.window.total(nowMs);
  }

  failures(nowMs: number): number {
    return this.window.totalMarked(nowMs);
  }

  /** Takes a changed policy; state and counts stay. */
  update(policy: CircuitBreakerPolicy, nowMs: number): void {
    this.policy = policy;
    this.window.resize(policy.windowMs, nowMs);
  }

  /**
   * Whether one more try may go. `again`: the request had a try before, so it takes no probe of its own; it passes as long
   * as the breaker is not open. May open or half-open the breaker.
   */
  admits(nowMs: number, again: boolean): boolean {
    if (this.current === 'closed') {
      if (!this.fails(nowMs)) return true;
      this.open(nowMs);
      return false;
    }
    if (this.current === 'open') {
      if (nowMs < this.endsMs) return false;
      this.halfOpen(nowMs);
    }
    // Probes that never end must not close the door for good: after the time it was open, more may try.
    if (nowMs - this.halfOpenedMs >= this.openMs()) this.halfOpen(nowMs);
    if (again) return this.probesAdmitted > 0;
    if (this.probesAdmitted >= this.policy.probes) return false;
    this.probesAdmitted += 1;
    return true;
  }

  /** A final outcome of a request that was sent at least once. `latencyMs`: since the request began. */
  record(nowMs: number, failed: boolean, latencyMs: number): void {
    const slow = this.policy.slowerThanMs > 0 && latencyMs > this.policy.slowerThanMs;
    const counted = failed || slow;
    if (this.current === 'closed') {
      this.window.add(nowMs, 1, counted ? 1 : 0);
      return;
    }
    // What began after it opened and was sent is a probe, for nothing else was let through; what began before ends late.
    if (this.current === 'open' || nowMs - latencyMs < this.openedMs) return;
    if (counted) {
      this.open(nowMs);
      return;
    }
    this.probesSucceeded += 1;
    if (this.probesSucceeded >= this.policy.probes) this.recovered();
  }

  /** Endpoints are healthy again, by their own account: the breaker closes and starts counting anew. */
  recovered(): void {
    this.current = 'closed';
    this.openings = 0;
    this.window.clear();
  }

  private fails(nowMs: number): boolean {
    const requests = this.window.total(nowMs);
    if (requests === 0 || requests < this.policy.minimumRequests) return false;
    return this.window.totalMarked(nowMs) * 100 >= requests * this.policy.failurePercent;
  }

  private open(nowMs: number): void {
    this.current = 'open';
    this.openings += 1;
    this.openedMs = nowMs;
    this.endsMs = nowMs + this.openMs();
  }

  private halfOpen(nowMs: number): void {
    this.current = 'half-open';
    this.halfOpenedMs = nowMs;
    this.probesAdmitted = 0;
    this.probesSucceeded = 0;
  }

  private openMs(): number {
    return Math.min(this.policy.openForMs * 2 ** (this.openings - 1), this.policy.maxOpenForMs);
  }
}

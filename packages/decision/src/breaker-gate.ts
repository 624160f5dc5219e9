import type { CircuitBreakerPolicy } from '@weft/model';
import { type BreakerState, CircuitBreaker } from '@weft/resilience';

/**
 * The breaker of a backend, where it has one, and whether it has a say at the moment: as long as endpoints are known to be
 * healthy, avoiding the others is better than refusing everybody.
 */
export class BreakerGate {
  /** Null while the policy has none. */
  breaker: CircuitBreaker | null;
  /** Whether the breaker has a say. */
  consulted: boolean;
  private readonly onChange: (state: BreakerState, nowMs: number, untilMs: number) => void;

  /** `onChange` hears of each change of its state. `untilMs`: until when at the latest nothing is sent, when it opened; else now. */
  constructor(onChange: (state: BreakerState, nowMs: number, untilMs: number) => void) {
    this.breaker = null;
    this.consulted = false;
    this.onChange = onChange;
  }

  /** Takes a changed policy; state and counts stay. */
  update(policy: CircuitBreakerPolicy | null, nowMs: number): void {
    if (policy === null) this.breaker = null;
    else if (this.breaker === null) this.breaker = new CircuitBreaker(policy);
    else this.breaker.update(policy, nowMs);
  }

  /** Whether one more try may go. `again`: the request had a try before. */
  admits(nowMs: number, again: boolean): boolean {
    const { breaker } = this;
    if (breaker === null) return true;
    const before = breaker.state;
    let admitted = true;
    if (this.consulted) admitted = breaker.admits(nowMs, again);
    else if (before !== 'closed') breaker.recovered();
    this.announce(breaker, before, nowMs);
    return admitted;
  }

  /** A final outcome of a request that was sent at least once. */
  record(nowMs: number, failed: boolean, latencyMs: number): void {
    const { breaker } = this;
    if (breaker === null) return;
    const before = breaker.state;
    breaker.record(nowMs, failed, latencyMs);
    this.announce(breaker, before, nowMs);
  }

  private announce(breaker: CircuitBreaker, before: BreakerState, nowMs: number): void {
    const { state } = breaker;
    if (state !== before) this.onChange(state, nowMs, state === 'open' ? breaker.untilMs : nowMs);
  }
}

import { systemClock } from '@weft/kernel';
import type { Clock } from '@weft/kernel';

/**
 * The time of a mesh in a test: the system's, moved ahead by what the test says. Sockets need real time to pass, so this
 * clock never stands still; a test that would wait for a time-out, an ejection or an idle limit jumps over the wait.
 */
export class MeshClock implements Clock {
  private aheadMs: number;

  constructor() {
    this.aheadMs = 0;
  }

  nowMs(): number {
    return systemClock.nowMs() + this.aheadMs;
  }

  wallMs(): number {
    return systemClock.wallMs() + this.aheadMs;
  }

  /**
   * Moves the time of all proxies and of the control plane ahead by `ms` (above 0). What became due happens within a few
   * milliseconds of real time. Certificates age too: a jump past half of their life leaves no time to renew them.
   */
  advance(ms: number): void {
    this.aheadMs += ms;
  }
}

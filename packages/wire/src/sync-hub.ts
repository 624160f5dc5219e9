import type { Clock, Timer, TimerWheel } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import type { SyncSession } from './sync-session.ts';
import type { TrustBundleMessage } from './sync-message.ts';

/** A burst of events (one deployment touches slices, pods and routes) becomes one transaction when it pauses this long. */
const QUIET_MS = 10;
/** Nobody waits longer for a burst that doesn't pause. */
const MAX_DELAY_MS = 50;

/** All Sync sessions of one server: tells them of changes and lets them send when a burst of changes has paused. */
export class SyncHub {
  private readonly live = new Set<SyncSession>();
  private readonly concerned = new Set<SyncSession>();
  private readonly clock: Clock;
  private readonly timer: Timer;
  private firstEventMs: number;

  /** `timers` runs on `clock`; its tick bounds how exact the two delays are. */
  constructor(clock: Clock, timers: TimerWheel) {
    this.clock = clock;
    this.timer = timers.create(() => this.flush());
    this.firstEventMs = 0;
  }

  /** Sessions whose streams are open. */
  get sessions(): ReadonlySet<SyncSession> {
    return this.live;
  }

  /** Takes a session in; call its `start` yourself. */
  add(session: SyncSession): void {
    this.live.add(session);
  }

  /** Forgets a session whose stream has ended. */
  remove(session: SyncSession): void {
    this.live.delete(session);
    this.concerned.delete(session);
  }

  /** These resources may have changed, appeared or gone. Sent 10 ms after the last of a burst, 50 ms after its first. */
  changed(keys: readonly ResourceKey[]): void {
    let any = false;
    for (const session of this.live) {
      if (!session.changed(keys)) continue;
      this.concerned.add(session);
      any = true;
    }
    if (any) this.schedule();
  }

  /** New roots for all. */
  trustChanged(bundle: TrustBundleMessage): void {
    for (const session of this.live) {
      session.trustChanged(bundle);
      this.concerned.add(session);
    }
    if (this.live.size > 0) this.schedule();
  }

  /** Sends now what waits; for tests, and for changes that must not wait. */
  flush(): void {
    this.timer.cancel();
    const due = [...this.concerned];
    this.concerned.clear();
    for (const session of due) session.flush();
  }

  private schedule(): void {
    const nowMs = this.clock.nowMs();
    if (!this.timer.armed) this.firstEventMs = nowMs;
    this.timer.reschedule(Math.max(0, Math.min(QUIET_MS, this.firstEventMs + MAX_DELAY_MS - nowMs)));
  }
}

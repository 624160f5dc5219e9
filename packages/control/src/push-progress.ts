/** How far changes have come: which proxies that use what changed have acknowledged it. */
import type { Clock, Timer, TimerWheel } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import type { SyncSession, View } from '@weft/wire';
import type { Audience } from './resource-index.ts';

/** A proxy as pushes see it. */
export interface Follower {
  readonly session: SyncSession;
  readonly view: View;
  readonly audience: Audience;
}

/** The end of one push. */
export interface PushResult {
  /** Proxies that used something of it when it began. */
  readonly subscribers: number;
  readonly acknowledged: number;
  readonly refused: number;
  /** From the change to the last acknowledgement, or until it was given up. */
  readonly durationMs: number;
  readonly isComplete: boolean;
}

interface Push {
  readonly keys: readonly ResourceKey[];
  readonly waiting: Set<Follower>;
  readonly startedMs: number;
  readonly subscribers: number;
  acknowledged: number;
  refused: number;
  timer: Timer | null;
  readonly done: (result: PushResult) => void;
}

/** Of a change to a whole mesh these stand for all: they travel in the same transactions. */
const MAX_KEYS = 256;

export class PushProgress {
  private readonly clock: Clock;
  private readonly wheel: TimerWheel;
  private readonly onRefused: (follower: Follower, key: ResourceKey, reason: string) => void;
  private readonly open: Set<Push>;

  constructor(
    clock: Clock,
    wheel: TimerWheel,
    onRefused: (follower: Follower, key: ResourceKey, reason: string) => void,
  ) {
    this.clock = clock;
    this.wheel = wheel;
    this.onRefused = onRefused;
    this.open = new Set();
  }

  /** Pushes that somebody has yet to acknowledge. */
  get openCount(): number {
    return this.open.size;
  }

  /** Follows a change until all of `audience` who use it have it, or `timeoutMs` is over. `done` may be called at once. */
  begin(
    changed: Iterable<ResourceKey>,
    audience: Iterable<Follower>,
    timeoutMs: number,
    done: (result: PushResult) => void,
  ): void {
    const keys: ResourceKey[] = [];
    for (const key of changed) if (keys.push(key) >= MAX_KEYS) break;
    const waiting = new Set<Follower>();
    let subscribers = 0;
    for (const follower of audience) {
      let uses = false;
      let behind = false;
      for (const key of keys) {
        if (!follower.session.wants(key) && follower.session.inForce(key) === '') continue;
        uses = true;
        if (isSettled(follower, key)) continue;
        behind = true;
        break;
      }
      if (uses) subscribers += 1;
      if (behind) waiting.add(follower);
    }
    const push: Push = {
      keys,
      waiting,
      startedMs: this.clock.nowMs(),
      subscribers,
      acknowledged: subscribers - waiting.size,
      refused: 0,
      timer: null,
      done,
    };
    if (waiting.size === 0) {
      this.finish(push);
      return;
    }
    this.open.add(push);
    push.timer = this.wheel.schedule(timeoutMs, () => this.finish(push));
  }

  /** A proxy has acknowledged something. */
  acknowledged(follower: Follower): void {
    for (const push of this.open) {
      if (!push.waiting.has(follower)) continue;
      let refused = false;
      let settled = true;
      for (const key of push.keys) {
        const reason = follower.session.refusal(key);
        if (reason !== '') {
          refused = true;
          this.onRefused(follower, key, reason);
        } else if (!isSettled(follower, key)) {
          settled = false;
          break;
        }
      }
      if (!settled) continue;
      push.waiting.delete(follower);
      if (refused) push.refused += 1;
      else push.acknowledged += 1;
      if (push.waiting.size === 0) this.finish(push);
    }
  }

  /** The dead are not waited for. */
  gone(follower: Follower): void {
    for (const push of this.open) {
      if (push.waiting.delete(follower) && push.waiting.size === 0) this.finish(push);
    }
  }

  /** Gives up all that is open. */
  stop(): void {
    for (const push of this.open) this.finish(push);
  }

  private finish(push: Push): void {
    this.open.delete(push);
    push.timer?.cancel();
    push.done({
      subscribers: push.subscribers,
      acknowledged: push.acknowledged,
      refused: push.refused,
      durationMs: this.clock.nowMs() - push.startedMs,
      isComplete: push.waiting.size === 0,
    });
  }
}

/** The newest version is in force, or gone where there is none. */
function isSettled({ session, view }: Follower, key: ResourceKey): boolean {
  return session.inForce(key) === (session.wants(key) ? (view.lookup(key)?.hash ?? '') : '');
}

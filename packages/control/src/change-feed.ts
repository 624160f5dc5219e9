import type { Span } from '@opentelemetry/api';
import type { Timer, TimerWheel } from '@weft/kernel';
import type { Change, ChangeEffect, ResourceKey } from '@weft/model';
import type { SyncHub } from '@weft/wire';
import type { Follower, PushProgress, PushResult } from './push-progress.ts';
import type { ResourceIndex } from './resource-index.ts';

/** Counts what goes by. */
export interface FeedObserver {
  /** A push begins; what it returns is handed back with its result. */
  changed(resources: number): Span | null;
  pushed(result: PushResult, span: Span | null): void;
}

/** How long a change is followed for metrics; a proxy that takes longer is shown as behind, not measured. */
const FOLLOW_MS = 30_000;
/** As the hub waits for more before it sends. */
const QUIET_MS = 10;

/** The one way by which anything changes: into the index, out to the sessions it concerns, and followed until they have it. */
export class ChangeFeed {
  readonly index: ResourceIndex;
  readonly progress: PushProgress;
  /** Proxies whose streams count. */
  readonly followers: Set<Follower>;
  private readonly observer: FeedObserver;
  private readonly concerned: Set<Follower>;
  private readonly timer: Timer;
  private hub: SyncHub | null;

  constructor(index: ResourceIndex, progress: PushProgress, wheel: TimerWheel, observer: FeedObserver) {
    this.index = index;
    this.progress = progress;
    this.followers = new Set();
    this.observer = observer;
    this.concerned = new Set();
    this.timer = wheel.create(() => this.flush());
    this.hub = null;
  }

  /** Sessions are told from now on. */
  connect(hub: SyncHub): void {
    this.hub = hub;
  }

  apply(changes: readonly Change[]): ChangeEffect {
    const effect = this.index.apply(changes);
    if (effect.resources.size === 0 || this.hub === null) return effect;
    this.tell(this.hub, effect.resources);
    const span = this.observer.changed(effect.resources.size);
    // What nobody waits for was no push.
    this.progress.begin(effect.resources, this.followers, FOLLOW_MS, (result) => {
      if (result.durationMs > 0) this.observer.pushed(result, span);
    });
    return effect;
  }

  stop(): void {
    this.timer.cancel();
  }

  /**
   * What one proxy enforces and what one gateway listens to are nobody else's: told to all, each change to an instance
   * would have a thousand sessions look through all they hold.
   */
  private tell(hub: SyncHub, resources: Iterable<ResourceKey>): void {
    const shared: ResourceKey[] = [];
    const own = new Map<string, ResourceKey[]>();
    for (const key of resources) {
      const owner = ownerOf(key);
      if (owner === '') shared.push(key);
      else if (own.has(owner)) own.get(owner)!.push(key);
      else own.set(owner, [key]);
    }
    if (shared.length > 0) hub.changed(shared);
    if (own.size === 0) return;
    for (const follower of this.followers) {
      const { workload, gateway } = follower.audience;
      for (const keys of [own.get(`inbound:${workload}`), own.get(`listener:${gateway}`)]) {
        if (keys !== undefined && follower.session.changed(keys)) this.concerned.add(follower);
      }
    }
    if (this.concerned.size > 0 && !this.timer.armed) this.timer.reschedule(QUIET_MS);
  }

  private flush(): void {
    const due = [...this.concerned];
    this.concerned.clear();
    for (const { session } of due) session.flush();
  }
}

/** `inbound:workload` or `listener:gateway`; empty for what many hold. */
function ownerOf(key: ResourceKey): string {
  if (key.startsWith('inbound:')) return key;
  return key.startsWith('listener:') ? key.slice(0, key.lastIndexOf('/')) : '';
}

import type { Change, ChangeEffect } from '@weft/model';
import type { SyncHub } from '@weft/wire';
import type { Follower, PushProgress, PushResult } from './push-progress.ts';
import type { ResourceIndex } from './resource-index.ts';

/** How long a change is followed for metrics; a proxy that takes longer is shown as behind, not measured. */
const FOLLOW_MS = 30_000;

/** Counts what goes by. */
export interface FeedObserver {
  changed(resources: number): void;
  pushed(result: PushResult): void;
}

/** The one way by which anything changes: into the index, out to the sessions it concerns, and followed until they have it. */
export class ChangeFeed {
  readonly index: ResourceIndex;
  readonly progress: PushProgress;
  /** Proxies whose streams count. */
  readonly followers: Set<Follower>;
  private readonly observer: FeedObserver;
  private hub: SyncHub | null;

  constructor(index: ResourceIndex, progress: PushProgress, observer: FeedObserver) {
    this.index = index;
    this.progress = progress;
    this.followers = new Set();
    this.observer = observer;
    this.hub = null;
  }

  /** Sessions are told from now on. */
  connect(hub: SyncHub): void {
    this.hub = hub;
  }

  apply(changes: readonly Change[]): ChangeEffect {
    const effect = this.index.apply(changes);
    if (effect.resources.size === 0 || this.hub === null) return effect;
    this.hub.changed([...effect.resources]);
    this.observer.changed(effect.resources.size);
    // What nobody waits for was no push.
    this.progress.begin(effect.resources, this.followers, FOLLOW_MS, (result) => {
      if (result.durationMs > 0) this.observer.pushed(result);
    });
    return effect;
  }
}

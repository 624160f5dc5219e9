import type { ResourceKey } from '@weft/model';
import { type HoldingLedger, isBackend } from './holding-ledger.ts';
import { NO_HASH } from './message/field.ts';
import type { VersionedResource } from './resource-codec.ts';
import type { View } from './session-contract.ts';
import type { Subscribe } from './sync-message.ts';

/** What is to be looked at next, in the order in which it is to be sent. */
export interface DueResources {
  readonly upserts: readonly VersionedResource[];
  readonly removals: readonly ResourceKey[];
}

/**
 * What one proxy wants, and of it what may differ from what it has: a set of keys, at most one for each resource wanted or held,
 * whatever happens in between.
 *
 *   changed, subscribed, refused --> dirty --> due: settled ones forgotten, the rest in sending order
 *                                      ^  |
 *                         retried <----+  +--> waiting (routes whose backends are not there yet)
 */
export class DirtySet {
  private readonly view: View;
  private readonly ledger: HoldingLedger;
  private readonly subscribed: Set<string>;
  /** Roots, subscriptions and what they refer to, as of the last `resolve`; includes keys that don't exist. */
  private wanted: Set<ResourceKey>;
  private readonly dirty: Set<ResourceKey>;
  /** Routes held back until a backend they name is in force. Looked at again with every change to a backend. */
  private readonly waiting: Set<ResourceKey>;
  private readonly missing: Set<string>;
  private referencesDirty: boolean;

  constructor(view: View, ledger: HoldingLedger, destinations: readonly string[]) {
    this.view = view;
    this.ledger = ledger;
    this.subscribed = new Set(destinations);
    this.wanted = new Set();
    this.dirty = new Set();
    this.waiting = new Set();
    this.missing = new Set();
    this.referencesDirty = true;
  }

  get size(): number {
    return this.dirty.size;
  }

  get destinations(): ReadonlySet<string> {
    return this.subscribed;
  }

  /** Keys of the last `resolve` and of subscriptions since. */
  get wantedKeys(): ReadonlySet<ResourceKey> {
    return this.wanted;
  }

  /** Destinations that do not exist, and the proxy was not told. */
  get missingCount(): number {
    return this.missing.size;
  }

  takeMissing(): string[] {
    const missing = [...this.missing];
    this.missing.clear();
    return missing;
  }

  /** Notes which of the destinations of the beginning do not exist. */
  begin(): void {
    for (const destination of this.subscribed) this.noteMissing(destination);
  }

  /** True when this proxy is concerned. */
  changed(keys: Iterable<ResourceKey>): boolean {
    let concerned = false;
    for (const key of keys) {
      const isLeaf = isBackend(key);
      if (this.wanted.has(key) || this.ledger.has(key)) {
        this.dirty.add(key);
        if (!isLeaf) this.referencesDirty = true;
        concerned = true;
      } else if (!isLeaf && !key.startsWith('routes:')) {
        // A root that is new to this audience, perhaps.
        this.referencesDirty = true;
        concerned = true;
      }
      if (isLeaf && this.waiting.size > 0) concerned = this.retryWaiting() || concerned;
    }
    return concerned;
  }

  subscribe({ add, remove }: Subscribe): void {
    for (const destination of remove) {
      if (!this.subscribed.delete(destination)) continue;
      this.missing.delete(destination);
      this.referencesDirty = true;
    }
    for (const destination of add) {
      this.subscribed.add(destination);
      this.noteMissing(destination);
      this.want(`routes:${destination}`);
    }
  }

  /** Finds anew what is wanted, where that may have changed; what is no longer becomes dirty, and so does what is new. */
  resolve(): void {
    if (!this.referencesDirty) return;
    this.referencesDirty = false;
    this.wanted = new Set();
    for (const key of this.view.roots()) this.want(key);
    for (const destination of this.subscribed) this.want(`routes:${destination}`);
    for (const key of this.ledger.keys) if (!this.wanted.has(key)) this.dirty.add(key);
    for (const key of this.waiting) if (!this.wanted.has(key)) this.waiting.delete(key);
  }

  /** Looks at every dirty key. Those that are due stay dirty until `settled` or `holdBack`. */
  due(): DueResources {
    const upserts: VersionedResource[] = [];
    const removals: ResourceKey[] = [];
    for (const key of this.dirty) {
      const holding = this.ledger.get(key);
      const current = this.wanted.has(key) ? this.view.lookup(key) : undefined;
      if (current === undefined) {
        if (holding === undefined) {
          this.dirty.delete(key);
        } else if (holding.sentHash === NO_HASH && holding.inForceHash === NO_HASH) {
          // Refused from the beginning: the proxy has nothing of it.
          this.dirty.delete(key);
          this.ledger.forget(key);
        } else {
          removals.push(key);
        }
        this.waiting.delete(key);
      } else if (holding !== undefined && (holding.sentHash === current.hash || holding.refusedHash === current.hash)) {
        this.dirty.delete(key);
      } else {
        upserts.push(current);
      }
    }
    return { upserts: upserts.sort(inSendingOrder), removals };
  }

  /** To be looked at again. */
  add(key: ResourceKey): void {
    this.dirty.add(key);
  }

  /** It is on its way. */
  settled(key: ResourceKey): void {
    this.dirty.delete(key);
    this.waiting.delete(key);
  }

  /** It waits for a backend that it names. */
  holdBack(key: ResourceKey): void {
    this.dirty.delete(key);
    this.waiting.add(key);
  }

  /** The proxy lacked a backend that it names; it is looked at when one arrives. */
  awaitBackend(key: ResourceKey): void {
    this.waiting.add(key);
  }

  /** A backend has arrived or changed: true when something waited for one. */
  retryWaiting(): boolean {
    if (this.waiting.size === 0) return false;
    for (const key of this.waiting) this.dirty.add(key);
    this.waiting.clear();
    return true;
  }

  clear(): void {
    this.dirty.clear();
  }

  private noteMissing(destination: string): void {
    if (this.view.lookup(`routes:${destination}`) === undefined) this.missing.add(destination);
  }

  private want(key: ResourceKey): void {
    this.wantOne(key);
    for (const reference of this.view.lookup(key)?.references ?? []) this.wantOne(reference);
  }

  private wantOne(key: ResourceKey): void {
    this.wanted.add(key);
    if (!this.ledger.isSent(key)) this.dirty.add(key);
  }
}

/**
 * Settings first, so that those of one change are not parted by a cut; then endpoints, backends and, last, routes: at whatever
 * place the list is cut, what was sent before is closed under reference.
 */
function inSendingOrder(left: VersionedResource, right: VersionedResource): number {
  return rank(left.key) - rank(right.key);
}

function rank(key: ResourceKey): number {
  if (key.startsWith('endpoints:')) return 1;
  if (key.startsWith('backend:')) return 2;
  return key.startsWith('routes:') || key.startsWith('listener:') ? 3 : 0;
}

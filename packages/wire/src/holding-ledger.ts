/**
 * What the proxy at the other end of one stream has, as far as it has said so: of each resource the version that is in force there,
 * and the one it will have when all that is on its way was applied.
 *
 *   noteSent --> on its way --> settle: accepted (in force), refused (not sent again until it changes), base unknown
 */
import { assert } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import { NO_HASH } from './message/field.ts';
import type { VersionedResource } from './resource-codec.ts';
import type { ResourceError } from './sync-message.ts';

/** What the proxy has of one resource. A version is null while only its hash is known, from a resume digest. */
export interface Holding {
  inForceHash: string;
  inForce: VersionedResource | null;
  /** After everything on its way has been applied. */
  sentHash: string;
  sent: VersionedResource | null;
  /** Not sent again until the resource changes. */
  refusedHash: string;
  error: string;
}

/** The resources of one transaction; null: removed. */
export type SentItems = ReadonlyMap<ResourceKey, VersionedResource | null>;

/** What became of one resource of a transaction. */
export type Settled = 'accepted' | 'refused' | 'missing-reference';

interface OnItsWay {
  readonly id: number;
  readonly items: SentItems;
}

/** The proxy holds some version, but not the one we thought: no delta may build on it. */
const UNKNOWN_HASH = 'unknown';

export class HoldingLedger {
  private readonly holdings: Map<ResourceKey, Holding>;
  private readonly unacknowledged: OnItsWay[];

  constructor() {
    this.holdings = new Map();
    this.unacknowledged = [];
  }

  /** Transactions that are not acknowledged. */
  get unacknowledgedCount(): number {
    return this.unacknowledged.length;
  }

  get keys(): Iterable<ResourceKey> {
    return this.holdings.keys();
  }

  get(key: ResourceKey): Holding | undefined {
    return this.holdings.get(key);
  }

  has(key: ResourceKey): boolean {
    return this.holdings.has(key);
  }

  /** The proxy says that it holds this version; `current` is what we know under that hash. */
  resume(key: ResourceKey, hash: string, current: VersionedResource | null): void {
    this.holdings.set(key, {
      inForceHash: hash,
      inForce: current,
      sentHash: hash,
      sent: current,
      refusedHash: '',
      error: '',
    });
  }

  /** Something of it is there, or will be. */
  isSent(key: ResourceKey): boolean {
    const holding = this.holdings.get(key);
    return holding !== undefined && holding.sentHash !== NO_HASH;
  }

  /** A transaction was sent. */
  noteSent(id: number, items: SentItems): void {
    for (const [key, version] of items) this.noteItem(key, version);
    this.unacknowledged.push({ id, items });
  }

  /** Whether some transaction that is not acknowledged speaks of it. */
  isOnItsWay(key: ResourceKey): boolean {
    return this.unacknowledged.some(({ items }) => items.has(key));
  }

  /** Takes an acknowledgement in, and tells what became of each resource. False: it is not the one that was due. */
  settle(id: number, errors: readonly ResourceError[], settled: (key: ResourceKey, what: Settled) => void): boolean {
    const acknowledged = this.unacknowledged.shift();
    if (acknowledged === undefined || acknowledged.id !== id) return false;
    const errorsByKey = new Map(errors.map((error) => [error.key, error]));
    for (const [key, version] of acknowledged.items) {
      const error = errorsByKey.get(key);
      if (error === undefined || version === null) {
        this.accepted(key, version);
        settled(key, 'accepted');
      } else if (this.refused(key, version, error)) {
        settled(key, error.code === 'MissingReference' ? 'missing-reference' : 'refused');
      }
    }
    return true;
  }

  /** Forgets one of which the proxy has nothing, unless a transaction on its way speaks of it. */
  forget(key: ResourceKey): void {
    if (!this.isOnItsWay(key)) this.holdings.delete(key);
  }

  /**
   * Of the keys no longer wanted, those that nothing in force names. A route whose newest version was refused or held back
   * still runs in its old version, and needs what that one names.
   */
  removable(candidates: readonly ResourceKey[]): ResourceKey[] {
    if (candidates.length === 0) return [];
    const leaving = new Set(candidates);
    const needed = new Set<ResourceKey>();
    for (const [key, holding] of this.holdings) {
      if (leaving.has(key) || !(key.startsWith('routes:') || key.startsWith('listener:'))) continue;
      if (holding.inForceHash === NO_HASH) continue;
      // Known by hash only: what it names is unknown, so no backend may go.
      if (holding.inForce === null) return candidates.filter((candidate) => !isBackend(candidate));
      for (const reference of holding.inForce.references) needed.add(reference);
    }
    return candidates.filter((candidate) => !needed.has(candidate));
  }

  private noteItem(key: ResourceKey, version: VersionedResource | null): void {
    const holding = this.holdings.get(key);
    const hash = version?.hash ?? NO_HASH;
    if (holding === undefined) {
      assert(version !== null, 'what is removed was held');
      this.holdings.set(key, {
        inForceHash: NO_HASH,
        inForce: null,
        sentHash: hash,
        sent: version,
        refusedHash: '',
        error: '',
      });
      return;
    }
    holding.sentHash = hash;
    holding.sent = version;
  }

  private accepted(key: ResourceKey, version: VersionedResource | null): void {
    const holding = this.holdings.get(key);
    if (holding === undefined) return;
    if (version === null && holding.sentHash === NO_HASH && !this.isOnItsWay(key)) {
      this.holdings.delete(key);
      return;
    }
    holding.inForceHash = version?.hash ?? NO_HASH;
    holding.inForce = version;
    holding.refusedHash = '';
    holding.error = '';
  }

  /** False when nothing is known of it any more. */
  private refused(key: ResourceKey, version: VersionedResource, error: ResourceError): boolean {
    const holding = this.holdings.get(key);
    if (holding === undefined) return false;
    if (error.code === 'BaseMismatch') {
      holding.inForceHash = UNKNOWN_HASH;
      holding.inForce = null;
    } else if (error.code !== 'MissingReference') {
      holding.refusedHash = version.hash;
      holding.error = error.message === '' ? error.code : error.message;
    }
    // What was sent later still counts on this one; its own acknowledgement will settle it.
    if (!this.isOnItsWay(key)) {
      holding.sentHash = holding.inForceHash;
      holding.sent = holding.inForce;
    }
    return true;
  }
}

/** A backend or its endpoints: what routes name. */
export function isBackend(key: ResourceKey): boolean {
  return key.startsWith('backend:') || key.startsWith('endpoints:');
}

import type { ReceivedResource, ResourceError } from '@weft/decision';
import type { ResourceKey } from '@weft/model';
import type { Changes, Refusal } from '@weft/wire';

/** Puts all resources into force and says which were refused. */
export type Apply = (resources: ReadonlyMap<ResourceKey, ReceivedResource>) => Promise<readonly ResourceError[]>;

/**
 * Everything this process was sent, as the base that transactions change. A transaction is tried on a copy: what is
 * refused keeps its last good version, in force and here.
 */
export class ResourceStore {
  /** Counts for metrics. */
  applied: number;
  rejected: number;
  lastAppliedWallMs: number;
  private held: Map<ResourceKey, ReceivedResource>;

  constructor(held: Map<ResourceKey, ReceivedResource>) {
    this.applied = 0;
    this.rejected = 0;
    this.lastAppliedWallMs = 0;
    this.held = held;
  }

  get resources(): ReadonlyMap<ResourceKey, ReceivedResource> {
    return this.held;
  }

  async change(changes: Changes, apply: Apply, wallMs: number): Promise<{ errors: Refusal[] }> {
    const next = new Map(this.held);
    for (const { key, hash, resource } of changes.upserted) next.set(key, { hash, resource });
    for (const key of changes.removed) next.delete(key);
    const changed = new Set(changes.upserted.map(({ key }) => key));
    const errors: Refusal[] = [];
    for (const { key, message } of await apply(next)) {
      // What was refused before and has not changed was answered before.
      if (!changed.has(key)) continue;
      errors.push({ key, code: 'Invalid', message });
      const before = this.held.get(key);
      if (before === undefined) next.delete(key);
      else next.set(key, before);
    }
    this.held = next;
    this.applied += 1;
    this.rejected += errors.length;
    this.lastAppliedWallMs = wallMs;
    return { errors };
  }
}

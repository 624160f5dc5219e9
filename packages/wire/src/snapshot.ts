import { type Result, fail, ok } from '@weft/kernel';
import type { Resource, ResourceKey } from '@weft/model';
import type { WireProblem } from './message/message.ts';
import { decodeResource, encodeResource } from './resource-codec.ts';
import { transactionMessage } from './sync-message.ts';

/** One resource in force, with the version the control plane gave it. */
export interface HeldVersion {
  readonly hash: string;
  readonly resource: Resource;
}

/** Everything a proxy holds, as bytes for its state folder. Read by `readSnapshot` of this and later versions. */
export function encodeSnapshot(held: ReadonlyMap<ResourceKey, HeldVersion>): Buffer {
  const upserts = [...held].map(([key, { hash, resource }]) => ({ key, hash, body: encodeResource(resource) }));
  return transactionMessage.encode({
    id: 1,
    upserts,
    endpointDeltas: [],
    removed: [],
    missing: [],
    trustBundle: null,
    complete: true,
  });
}

/**
 * Reads what `encodeSnapshot` wrote. The bytes may be damaged: a resource that cannot be read spoils all, because what names
 * it would be in force without it.
 */
export function readSnapshot(bytes: Uint8Array): Result<Map<ResourceKey, HeldVersion>, WireProblem> {
  const decoded = transactionMessage.decode(bytes);
  if (!decoded.ok) return decoded;
  const held = new Map<ResourceKey, HeldVersion>();
  for (const { key, hash, body } of decoded.value.upserts) {
    const resource = decodeResource(key, body);
    if (!resource.ok) return fail({ ...resource.error, path: `${key} ${resource.error.path}` });
    held.set(key as ResourceKey, { hash, resource: resource.value });
  }
  return ok(held);
}

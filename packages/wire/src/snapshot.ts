import { Buffer } from 'node:buffer';
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

/** Endpoints, rules and resources in one piece; encoding them takes about a millisecond. */
const PIECE_ITEMS = 300;

/** Everything a proxy holds, as bytes for its state folder. Read by `readSnapshot` of this and later versions. */
export function encodeSnapshot(held: ReadonlyMap<ResourceKey, HeldVersion>): Buffer {
  return Buffer.concat([...encodeSnapshotInPieces([...held])]);
}

/**
 * The same in pieces, for a proxy that serves meanwhile. Joined they are one message: in protobuf, encodings of a message
 * one behind the other merge, and repeated fields append.
 */
export function* encodeSnapshotInPieces(held: readonly (readonly [ResourceKey, HeldVersion])[]): Generator<Buffer> {
  let from = 0;
  do {
    let to = from;
    for (let items = 0; to < held.length && items < PIECE_ITEMS; to += 1) items += itemsOf(held[to]![1].resource);
    const upserts = held
      .slice(from, to)
      .map(([key, { hash, resource }]) => ({ key, hash, body: encodeResource(resource) }));
    from = to;
    yield transactionMessage.encode({
      id: 1,
      upserts,
      endpointDeltas: [],
      removed: [],
      missing: [],
      trustBundle: null,
      complete: true,
    });
  } while (from < held.length);
}

function itemsOf(resource: Resource): number {
  if (resource.type === 'endpoints') return 1 + resource.endpoints.length;
  return resource.type === 'routes' || resource.type === 'listener' ? 1 + resource.rules.length : 1;
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

import { assert } from '@weft/kernel';
import type { Endpoint, EndpointSet } from '@weft/model';
import type { VersionedResource } from './resource-codec.ts';
import { type EndpointDelta, endpointDeltaMessage } from './sync-message.ts';
import { rawMessages } from './message/raw-message.ts';

/** A delta longer than this share of the whole set is not worth the risk of a wrong base. */
const WORTHWHILE_SHARE = 0.5;

/**
 * Encoded `EndpointDelta`s, each made once and shared by all streams that are at the same base: a thousand sidecars that
 * follow one service cost one comparison and one encoding per change. Forgets a delta with its base version.
 */
export class EndpointDeltas {
  private readonly byBase = new WeakMap<VersionedResource, { target: VersionedResource; delta: Uint8Array | null }>();

  /** The way from one version to another of the same endpoint set; null when the whole set should be sent. */
  between(base: VersionedResource, target: VersionedResource): Uint8Array | null {
    const known = this.byBase.get(base);
    if (known !== undefined && known.target === target) return known.delta;
    const delta = encodeDelta(base, target);
    this.byBase.set(base, { target, delta });
    return delta;
  }
}

/**
 * Applies a delta whose base was checked already. Null when the result has not as many endpoints as the sender counted, or a
 * removed endpoint was not there: the base was not what both sides thought.
 */
export function applyEndpointDelta(base: EndpointSet, delta: EndpointDelta): EndpointSet | null {
  const removed = new Set(delta.removed);
  const upserted = [...delta.upserted].sort(byKey);
  const endpoints: Endpoint[] = [];
  let next = 0;
  let unseen = removed.size;
  // Both lists are sorted: one merge, in which an upserted endpoint replaces the one of the same key.
  for (const endpoint of base.endpoints) {
    let candidate = upserted[next];
    while (candidate !== undefined && candidate.key < endpoint.key) {
      endpoints.push(candidate);
      next += 1;
      candidate = upserted[next];
    }
    if (removed.has(endpoint.key)) {
      unseen -= 1;
    } else if (candidate !== undefined && candidate.key === endpoint.key) {
      endpoints.push(candidate);
      next += 1;
    } else {
      endpoints.push(endpoint);
    }
  }
  for (; next < upserted.length; next += 1) {
    const candidate = upserted[next];
    if (candidate !== undefined) endpoints.push(candidate);
  }
  if (unseen !== 0 || endpoints.length !== delta.count) return null;
  return { type: 'endpoints', name: base.name, endpoints };
}

function encodeDelta(base: VersionedResource, target: VersionedResource): Uint8Array | null {
  const before = base.endpointsByKey;
  const after = target.endpointsByKey;
  assert(before !== null && after !== null, 'a delta is made of endpoint sets');
  const removed: string[] = [];
  const upserted: Uint8Array[] = [];
  let bytes = 0;
  for (const [key, endpoint] of after) {
    const previous = before.get(key);
    if (previous === endpoint || (previous !== undefined && Buffer.compare(previous, endpoint) === 0)) continue;
    upserted.push(endpoint);
    bytes += endpoint.length;
  }
  for (const key of before.keys()) {
    if (after.has(key)) continue;
    removed.push(key);
    bytes += key.length;
  }
  if (bytes > target.body.length * WORTHWHILE_SHARE) return null;
  const head = endpointDeltaMessage.encode({
    key: target.key,
    base: base.hash,
    target: target.hash,
    upserted: [],
    removed,
    count: after.size,
  });
  // Field 4, `upserted`; protobuf allows fields in any order and messages to be joined end to end.
  return Buffer.concat([head, rawMessages(4, upserted)]);
}

function byKey(left: Endpoint, right: Endpoint): number {
  return left.key < right.key ? -1 : 1;
}

/**
 * Transactions, read against what is held: bytes to changes that are closed under reference. What cannot be read is refused by
 * name and left out, and the rest goes on.
 */
import type { ResourceKey } from '@weft/model';
import { applyEndpointDelta } from './endpoint-delta.ts';
import { decodeResource, referencesOf } from './resource-codec.ts';
import type { HeldVersion } from './snapshot.ts';
import type { ChangedResource, Changes } from './sync-handler.ts';
import {
  type EndpointDelta,
  type ErrorCode,
  MAX_RESOURCES,
  type ResourceError,
  type Transaction,
  type Upsert,
} from './sync-message.ts';

/** Reading so many bytes of resources takes about 1 ms: what a request may have to wait. */
const PIECE_BYTES = 32 * 1024;
/** What a resource costs beside its bytes, and each endpoint of the set that a delta changes, in bytes read. */
const RESOURCE_BYTES = 128;
const ENDPOINT_BYTES = 32;
const MESSAGE_BYTES = 1024;

type Held = ReadonlyMap<ResourceKey, HeldVersion>;

/** Whether it is more than one piece, read or taken together. */
export function isLargeTransaction({ upserts, endpointDeltas }: Transaction): boolean {
  let bytes = 0;
  for (const { body } of upserts) bytes += RESOURCE_BYTES + body.length;
  for (const { count } of endpointDeltas) bytes += RESOURCE_BYTES + ENDPOINT_BYTES * count;
  return bytes > PIECE_BYTES;
}

/** Reads it whole; see `readTransactionInPieces`. */
export function readTransaction(transaction: Transaction, held: Held, errors: ResourceError[]): Changes {
  const reading = readTransactionInPieces(transaction, held, errors);
  for (;;) {
    const step = reading.next();
    if (step.done === true) return step.value;
  }
}

/** Decodes a transaction against what is held; what cannot be read is refused and left out. */
export function* readTransactionInPieces(
  transaction: Transaction,
  held: Held,
  errors: ResourceError[],
): Generator<void, Changes> {
  const upserted = new Map<ResourceKey, ChangedResource>();
  let bytes = 0;
  for (const upsert of transaction.upserts) {
    if ((bytes += RESOURCE_BYTES + upsert.body.length) > PIECE_BYTES) {
      bytes = 0;
      yield;
    }
    readUpsert(upsert, held, upserted, errors);
  }
  for (const delta of transaction.endpointDeltas) {
    if ((bytes += RESOURCE_BYTES + ENDPOINT_BYTES * delta.count) > PIECE_BYTES) {
      bytes = 0;
      yield;
    }
    readDelta(delta, held, upserted, errors);
  }
  const removed = transaction.removed.filter((key) => held.has(key as ResourceKey)) as ResourceKey[];
  const leaving = new Set<ResourceKey>(removed);
  for (const change of upserted.values()) {
    if ((bytes += RESOURCE_BYTES) > PIECE_BYTES) {
      bytes = 0;
      yield;
    }
    const absent = referencesOf(change.resource).find(
      (key) => !upserted.has(key) && (!held.has(key) || leaving.has(key)),
    );
    if (absent === undefined) continue;
    upserted.delete(change.key);
    errors.push(errorOf(change, 'MissingReference', `${absent} is not held`));
  }
  return { upserted: [...upserted.values()], removed };
}

function readUpsert(
  upsert: Upsert,
  held: Held,
  into: Map<ResourceKey, ChangedResource>,
  errors: ResourceError[],
): void {
  const decoded = decodeResource(upsert.key, upsert.body);
  if (!decoded.ok) {
    const { code, path, message } = decoded.error;
    errors.push(errorOf(upsert, code, path === '' ? message : `${path} ${message}`));
    return;
  }
  const key = upsert.key as ResourceKey;
  if (!held.has(key) && held.size + into.size >= MAX_RESOURCES) {
    errors.push(errorOf(upsert, 'Invalid', `this proxy holds ${MAX_RESOURCES} resources already`));
    return;
  }
  const previous = held.get(key)?.resource ?? null;
  into.set(key, { key, hash: upsert.hash, resource: decoded.value, previous });
}

function readDelta(
  delta: EndpointDelta,
  held: Held,
  into: Map<ResourceKey, ChangedResource>,
  errors: ResourceError[],
): void {
  const key = delta.key as ResourceKey;
  const base = held.get(key);
  const resource =
    base !== undefined && base.hash === delta.base && base.resource.type === 'endpoints'
      ? applyEndpointDelta(base.resource, delta)
      : null;
  if (base === undefined || resource === null) {
    const message = `${delta.base} is not the version held`;
    errors.push(errorOf({ key, hash: delta.target }, 'BaseMismatch', message));
    return;
  }
  into.set(key, { key, hash: delta.target, resource, previous: base.resource });
}

/** Why a resource is refused, in so many words as a message may have. */
export function errorOf(
  { key, hash }: { readonly key: string; readonly hash: string },
  code: ErrorCode,
  message: string,
): ResourceError {
  return { key, hash, code, message: message.slice(0, MESSAGE_BYTES) };
}

/**
 * Resources to bytes and back. The bytes are deterministic, so their hash is the version of the resource on every replica.
 */
import { hash as digest } from 'node:crypto';
import { type Result, fail, ok } from '@weft/kernel';
import type { Resource, ResourceKey } from '@weft/model';
import type { WireProblem } from './message/message.ts';
import { endpointMessage, resourceMessage } from './resource-message.ts';
import { upsertMessage } from './sync-message.ts';

/**
 * One version of one resource as the control plane keeps it: made once, then shared by reference between all streams. Two
 * versions with the same hash are the same; a stream recognises what it has sent by it.
 */
export interface VersionedResource {
  readonly key: ResourceKey;
  /** 16 hexadecimal digits: the first 64 bits of the SHA-256 of `body`. */
  readonly hash: string;
  /** An encoded `weft.v1.Resource`: the end of `upsert`. */
  readonly body: Uint8Array;
  /** An encoded `weft.v1.Upsert` of key, hash and body, ready to be joined into a transaction. */
  readonly upsert: Uint8Array;
  /** Keys that must be held whenever this one is: backends and endpoints of every backend a rule names. Without repeats. */
  readonly references: readonly ResourceKey[];
  /** Of an endpoint set: the encoded `weft.v1.Endpoint` of each, by key, for deltas. Null for other resources. */
  readonly endpointsByKey: ReadonlyMap<string, Uint8Array> | null;
}

/** `type:name`. */
export function resourceKey(resource: Resource): ResourceKey {
  return `${resource.type}:${resource.name}`;
}

/** Encodes a resource and gives it its version. Asserts the bounds that `decodeResource` checks. */
export function versionResource(resource: Resource): VersionedResource {
  const key = resourceKey(resource);
  const encoded = resourceMessage.encode(resource);
  const hash = digest('sha256', encoded, 'hex').slice(0, 16);
  const upsert = upsertMessage.encode({ key, hash, body: encoded });
  return {
    key,
    hash,
    // The body is the last field, so one copy of the bytes serves both.
    body: upsert.subarray(upsert.length - encoded.length),
    upsert,
    references: referencesOf(resource),
    endpointsByKey: resource.type === 'endpoints' ? encodeEndpoints(resource.endpoints) : null,
  };
}

/** The deterministic encoding of a resource. */
export function encodeResource(resource: Resource): Buffer {
  return resourceMessage.encode(resource);
}

/**
 * Reads a body that arrived under `key`. Every bound is checked; hostile bytes give a problem, never an exception. The
 * result shares no memory with `body`.
 */
export function decodeResource(key: string, body: Uint8Array): Result<Resource, WireProblem> {
  const decoded = resourceMessage.decode(body);
  if (!decoded.ok) return decoded;
  const actual = resourceKey(decoded.value);
  if (actual !== key)
    return fail({ code: 'Malformed', path: 'name', message: `the body is of ${actual}, sent as ${key}` });
  if (decoded.value.type === 'endpoints') {
    const problem = judgeOrder(decoded.value.endpoints);
    if (problem !== null) return fail({ code: 'Malformed', path: 'endpoints.key', message: problem });
  }
  return ok(decoded.value);
}

/** The keys a resource must never be in force without; empty for all but routes and listeners. */
export function referencesOf(resource: Resource): readonly ResourceKey[] {
  if (resource.type !== 'routes' && resource.type !== 'listener') return NONE;
  const backends = new Set<string>();
  for (const rule of resource.rules) {
    addMirrors(rule.filters, backends);
    for (const backend of rule.backends) {
      if (backend.backend !== '') backends.add(backend.backend);
      addMirrors(backend.filters, backends);
    }
  }
  const keys: ResourceKey[] = [];
  for (const backend of backends) keys.push(`backend:${backend}`, `endpoints:${backend}`);
  return keys;
}

const NONE: readonly ResourceKey[] = [];

type Filters = Extract<Resource, { type: 'routes' }>['rules'][number]['filters'];

function addMirrors(filters: Filters, backends: Set<string>): void {
  for (const filter of filters) {
    if (filter.type === 'RequestMirror' && filter.mirror.backend !== '') backends.add(filter.mirror.backend);
  }
}

type Endpoints = Extract<Resource, { type: 'endpoints' }>['endpoints'];

function encodeEndpoints(endpoints: Endpoints): ReadonlyMap<string, Uint8Array> {
  const byKey = new Map<string, Uint8Array>();
  for (const endpoint of endpoints) byKey.set(endpoint.key, endpointMessage.encode(endpoint));
  return byKey;
}

/** Deltas are merged by key, which needs sorted keys without repeats. */
function judgeOrder(endpoints: Endpoints): string | null {
  for (let index = 1; index < endpoints.length; index += 1) {
    const previous = endpoints[index - 1]?.key ?? '';
    const current = endpoints[index]?.key ?? '';
    if (current <= previous) return `${current} does not come after ${previous}`;
  }
  return null;
}

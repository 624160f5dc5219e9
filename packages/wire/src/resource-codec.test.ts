import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { seededRandom } from '@weft/kernel';
import type { Resource } from '@weft/model';
import { decodeResource, encodeResource, resourceKey, versionResource } from './resource-codec.ts';
import { encodeSnapshot, readSnapshot } from './snapshot.ts';
import { exampleEndpoints, exampleResources, exampleRule } from './wire-examples.ts';

const PROTO = fileURLToPath(new URL('../../../proto/weft/v1/resource.proto', import.meta.url));

test('a resource of every type comes back as it was, and shares no memory with the bytes', () => {
  const types = new Set<string>();
  for (const resource of exampleResources()) {
    types.add(resource.type);
    const bytes = encodeResource(resource);
    const decoded = decodeResource(resourceKey(resource), bytes);
    assert.ok(decoded.ok);
    bytes.fill(0);
    assert.deepEqual(decoded.value, resource);
  }
  assert.equal(types.size, 7);
});

test('absent policies and empty lists come back as null and as empty', () => {
  const backend = exampleResources().find((resource) => resource.type === 'backend');
  assert.ok(backend?.type === 'backend');
  const bare: Resource = {
    ...backend,
    circuitBreaker: null,
    outlierDetection: null,
    healthCheck: null,
    maxRequests: 0,
  };
  const decoded = decodeResource(resourceKey(bare), encodeResource(bare));
  assert.deepEqual(decoded, { ok: true, value: bare });
});

test('the bytes are what a stock protobuf library makes of the .proto file and the same message', () => {
  const type = protobuf.loadSync(PROTO).lookupType('weft.v1.Resource');
  for (const resource of exampleResources()) {
    const bytes = encodeResource(resource);
    const again = type.encode(type.decode(bytes)).finish();
    assert.deepEqual(Buffer.from(again), bytes, resource.type);
  }
});

test('the version is the hash of the body: equal for equal content whatever the order of properties, another for other content', () => {
  for (const resource of exampleResources()) {
    const reversed = reverseProperties(resource) as Resource;
    const version = versionResource(resource);
    assert.equal(versionResource(reversed).hash, version.hash);
    assert.match(version.hash, /^[0-9a-f]{16}$/);
    assert.deepEqual(Buffer.from(version.body), encodeResource(resource));
  }
  const set = (weight: number): Resource => ({
    type: 'endpoints',
    name: 'shop/orders:80',
    endpoints: exampleEndpoints(3).map((endpoint) => ({ ...endpoint, weight })),
  });
  assert.notEqual(versionResource(set(1)).hash, versionResource(set(2)).hash);
});

test('routes and listeners refer to backend and endpoints of every backend and mirror, once', () => {
  const routes = exampleResources().find((resource) => resource.type === 'routes');
  assert.ok(routes !== undefined);
  assert.deepEqual(versionResource(routes).references, ['backend:shop/orders:80', 'endpoints:shop/orders:80']);
});

test('fields and resource types of a later version are skipped and refused as unsupported', () => {
  const [mesh] = exampleResources();
  assert.ok(mesh !== undefined);
  const body = encodeResource(mesh);
  // Field 99 of Resource, a varint, after the known field.
  const later = Buffer.concat([body, Buffer.from([0x98, 0x06, 0x01])]);
  assert.deepEqual(decodeResource('mesh:default', later), { ok: true, value: mesh });
  const unknown = decodeResource('mesh:default', Buffer.from([0x9a, 0x06, 0x00]));
  assert.ok(!unknown.ok && unknown.error.code === 'Unsupported');
});

for (const [name, resource, path] of [
  ['a port above 65535', { port: 70_000 }, 'endpoints.endpoints.port'],
  ['a port of 0', { port: 0 }, 'endpoints.endpoints.port'],
  ['an empty key', { key: '' }, 'endpoints.endpoints.key'],
  ['a key with a line end', { key: 'a\nb' }, 'endpoints.endpoints.key'],
  ['an address of 300 bytes', { address: 'a'.repeat(300) }, 'endpoints.endpoints.address'],
  ['a weight above a million', { weight: 1_000_001 }, 'endpoints.endpoints.weight'],
] as const) {
  test(`${name} is refused with its path`, () => {
    const type = protobuf.loadSync(PROTO).lookupType('weft.v1.Resource');
    const [endpoint] = exampleEndpoints(1);
    const body = type
      .encode(type.fromObject({ endpoints: { name: 'a', endpoints: [{ ...endpoint, ...resource }] } }))
      .finish();
    const decoded = decodeResource('endpoints:a', body);
    assert.ok(!decoded.ok);
    assert.equal(decoded.error.path, path);
  });
}

test('numbers that are not finite, repeated keys and a body under another key are refused', () => {
  const type = protobuf.loadSync(PROTO).lookupType('weft.v1.Resource');
  const backend = exampleResources().find((resource) => resource.type === 'backend');
  assert.ok(backend !== undefined);
  const plain = type.toObject(type.decode(encodeResource(backend))) as { backend: { loadBalancer: object } };
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, 101]) {
    const loadBalancer = { ...plain.backend.loadBalancer, panicBelowPercent: value };
    const body = type.encode(type.fromObject({ backend: { ...plain.backend, loadBalancer } })).finish();
    const decoded = decodeResource('backend:shop/orders:80', body);
    assert.ok(!decoded.ok && decoded.error.path === 'backend.loadBalancer.panicBelowPercent', String(value));
  }
  const [endpoint] = exampleEndpoints(1);
  assert.ok(endpoint !== undefined);
  const twice = encodeResource({ type: 'endpoints', name: 'a', endpoints: [endpoint, endpoint] });
  assert.ok(!decodeResource('endpoints:a', twice).ok);
  assert.ok(!decodeResource('backend:b', encodeResource(backend)).ok);
});

test('every byte flipped, every truncation and 10,000 mutations give a result or a problem, never an exception', () => {
  let refused = 0;
  let taken = 0;
  const tryOne = (key: string, bytes: Buffer): void => {
    const decoded = decodeResource(key, bytes);
    if (decoded.ok) {
      taken += 1;
      // Whatever was taken is within bounds: writing asserts them.
      encodeResource(decoded.value);
    } else {
      refused += 1;
      assert.ok(decoded.error.message.length > 0);
    }
  };
  const bodies = exampleResources().map((resource) => ({ key: resourceKey(resource), body: encodeResource(resource) }));
  for (const { key, body } of bodies) {
    for (let index = 0; index < body.length; index += 1) {
      const flipped = Buffer.from(body);
      flipped[index] = (flipped[index] ?? 0) ^ 0xff;
      tryOne(key, flipped);
      tryOne(key, body.subarray(0, index));
    }
  }
  const random = seededRandom(1);
  for (let round = 0; round < 10_000; round += 1) {
    const { key, body } = bodies[round % bodies.length] ?? { key: '', body: Buffer.alloc(0) };
    const mutated = Buffer.from(body);
    for (let change = Math.floor(random() * 8); change >= 0; change -= 1) {
      mutated[Math.floor(random() * mutated.length)] = Math.floor(random() * 256);
    }
    tryOne(key, mutated);
  }
  assert.ok(refused > 5000 && taken > 100, `${refused} refused, ${taken} taken`);
});

test('a body of many tiny items is refused before it becomes large', () => {
  // 100,000 empty endpoints of two bytes each: the first one lacks its key.
  const items = Buffer.alloc(200_000);
  for (let index = 0; index < items.length; index += 2) items[index] = 0x12;
  const length = Buffer.from([0x3a, 0xc0, 0x9a, 0x0c]);
  const decoded = decodeResource('endpoints:a', Buffer.concat([length, items]));
  assert.ok(!decoded.ok);
  assert.equal(decoded.error.path, 'endpoints.endpoints.key');
});

test('a snapshot comes back as it was, and a damaged one as a problem', () => {
  const held = new Map(
    exampleResources().map((resource) => [resourceKey(resource), { hash: versionResource(resource).hash, resource }]),
  );
  const bytes = encodeSnapshot(held);
  assert.deepEqual(readSnapshot(bytes), { ok: true, value: held });
  assert.ok(!readSnapshot(bytes.subarray(0, bytes.length - 1)).ok);
});

test('a rule that breaks a bound is refused on our own side before it is sent', () => {
  const rule = { ...exampleRule(), rule: 'x'.repeat(300) };
  assert.throws(() => encodeResource({ type: 'routes', name: 'shop/orders:80', rules: [rule] }), /longer than 253/);
});

function reverseProperties(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reverseProperties);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, inner]) => [name, reverseProperties(inner)]),
  );
}

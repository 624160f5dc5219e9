import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Resource, ResourceKey } from '@weft/model';
import { versionResource } from './resource-codec.ts';
import { type HeldVersion, encodeSnapshot, encodeSnapshotInPieces, readSnapshot } from './snapshot.ts';
import { exampleResources, manyResources } from './wire-examples.ts';

/** Resources, and how many pieces they are written in: a hundred each, and an empty snapshot is still a message. */
const sizes: readonly [resources: number, pieces: number][] = [
  [0, 1],
  [1, 1],
  [300, 1],
  [301, 2],
  [1_000, 4],
];

for (const [count, pieces] of sizes) {
  test(`${count} resources are written in ${pieces} pieces that joined read as what was held`, () => {
    const held = heldOf(manyResources(count));
    const parts = [...encodeSnapshotInPieces([...held])];
    assert.equal(parts.length, pieces);
    assert.ok(parts.every(({ length }) => length > 0));
    const joined = Buffer.concat(parts);
    assert.deepEqual(joined, encodeSnapshot(held));
    const read = readSnapshot(joined);
    assert.ok(read.ok);
    assert.deepEqual([...read.value], [...held]);
  });
}

test('a piece ends after three hundred endpoints, however few resources hold them', () => {
  const base = exampleResources().find((resource) => resource.type === 'endpoints')!;
  const sets = Array.from({ length: 5 }, (_, set): Resource => ({
    ...base,
    name: `shop/many-${set}:80`,
    endpoints: Array.from({ length: 160 }, (_, index) => ({
      ...base.endpoints[0]!,
      key: `shop/cart-${1000 + index}:80`,
    })),
  }));
  const held = heldOf(sets);
  const parts = [...encodeSnapshotInPieces([...held])];
  assert.equal(parts.length, 3);
  assert.deepEqual(readSnapshot(Buffer.concat(parts)), { ok: true, value: held });
});

test('every type of resource comes back from a snapshot as it went in', () => {
  const held = heldOf(exampleResources());
  assert.deepEqual(readSnapshot(encodeSnapshot(held)), { ok: true, value: held });
});

test('a snapshot whose last pieces are missing reads as the pieces before, and one cut inside a field does not read', () => {
  const held = heldOf(manyResources(750));
  const [first, second, third] = [...encodeSnapshotInPieces([...held])] as [Buffer, Buffer, Buffer];
  const shorter = readSnapshot(Buffer.concat([first, second]));
  assert.ok(shorter.ok);
  assert.deepEqual([...shorter.value], [...held].slice(0, 600));
  const cut = readSnapshot(Buffer.concat([first, second, third.subarray(0, -1)]));
  assert.equal(cut.ok, false);
});

test('one resource that cannot be read spoils the snapshot, and is named', () => {
  const good = exampleResources()[0]!;
  const { key, hash } = versionResource(good);
  // Under a key of another type the bytes are no resource.
  const held = new Map<ResourceKey, HeldVersion>([
    [key, { hash, resource: good }],
    ['names:shop', { hash, resource: good }],
  ]);
  const read = readSnapshot(encodeSnapshot(held));
  assert.equal(read.ok, false);
  assert.ok(!read.ok && read.error.path.startsWith('names:shop'));
});

function heldOf(resources: readonly Resource[]): Map<ResourceKey, HeldVersion> {
  return new Map(
    resources.map((resource) => {
      const { key, hash } = versionResource(resource);
      return [key, { hash, resource }];
    }),
  );
}

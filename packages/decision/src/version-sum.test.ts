import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VersionSum } from './version-sum.ts';

function versionOf(entries: readonly (readonly [string, string])[]): string {
  const sum = new VersionSum();
  for (const [key, hash] of entries) sum.add(key, hash);
  return sum.toString();
}

test('the same resources have the same version whatever came first, and one other hash another', () => {
  const entries = [
    ['routes shop/orders:80', 'e3b0c44298fc1c14'],
    ['endpoints shop/orders:80', '9f86d081884c7d65'],
    ['mesh default', '2c26b46b68ffc68f'],
  ] as const;
  assert.equal(versionOf(entries), versionOf(entries.toReversed()));
  assert.match(versionOf(entries), /^[0-9a-f]{16}$/);
  const changed = entries.map(([key, hash], index) => [key, index === 1 ? `${hash.slice(0, 15)}6` : hash] as const);
  assert.notEqual(versionOf(entries), versionOf(changed));
});

test('hashes that change places make another version', () => {
  assert.notEqual(
    versionOf([
      ['a', '1'],
      ['b', '2'],
    ]),
    versionOf([
      ['a', '2'],
      ['b', '1'],
    ]),
  );
});

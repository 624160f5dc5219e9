import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantError } from '@weft/kernel';
import { byCodeUnit, canonicalBytes } from './canonical-bytes.ts';
import { hash64 } from './content-hash.ts';

test('keys are sorted by code unit, lists keep their order, and nothing stands between', () => {
  const text = canonicalBytes({ b: [2, 1], a: { z: null, é: 'x', Z: true } }).toString();
  assert.equal(text, '{"a":{"Z":true,"z":null,"é":"x"},"b":[2,1]}');
});

test('equal data gives equal bytes and another value gives another hash', () => {
  assert.deepEqual(canonicalBytes({ a: 1, b: 2 }), canonicalBytes({ b: 2, a: 1 }));
  assert.notEqual(hash64(canonicalBytes({ a: 1 })), hash64(canonicalBytes({ a: 2 })));
});

test('the hash is the first 64 bits of SHA-256 in hex', () => {
  assert.equal(hash64(new Uint8Array()), 'e3b0c44298fc1c14');
});

test('what JSON can not write is a broken invariant', () => {
  for (const value of [{ a: undefined }, Number.NaN, Number.POSITIVE_INFINITY, (): void => undefined, 1n]) {
    assert.throws(() => canonicalBytes(value), InvariantError);
  }
});

test('the order of sets is that of code units, not of a locale', () => {
  assert.deepEqual(['b', 'B', 'a', 'ä', '1'].sort(byCodeUnit), ['1', 'B', 'a', 'b', 'ä']);
});

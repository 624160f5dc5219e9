import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSpiffeId, readWorkloadName, workloadId } from './spiffe-id.ts';

// SPIFFE-ID 2.1 and 2.2: letters that may stand in a trust domain and in a path segment.
const trustDomainLetters = 'abcdefghijklmnopqrstuvwxyz0123456789._-';
const pathLetters = `${trustDomainLetters}ABCDEFGHIJKLMNOPQRSTUVWXYZ`;

test('every character up to 255 is taken or refused in a trust domain as the spec says', () => {
  for (let code = 0; code < 256; code++) {
    const letter = String.fromCharCode(code);
    if (letter === '/') continue;
    const read = readSpiffeId(`spiffe://trustdomain${letter}/path`);
    assert.equal(read.ok, trustDomainLetters.includes(letter), `character ${code}`);
    if (!read.ok) assert.equal(read.error, 'id-trust-domain');
  }
});

test('every character up to 255 is taken or refused in a path as the spec says', () => {
  for (let code = 0; code < 256; code++) {
    const letter = String.fromCharCode(code);
    if (letter === '/') continue;
    const read = readSpiffeId(`spiffe://trustdomain/path${letter}`);
    assert.equal(read.ok, pathLetters.includes(letter), `character ${code}`);
    if (!read.ok) assert.equal(read.error, 'id-path-character');
  }
});

const valid: readonly (readonly [string, string, string])[] = [
  ['spiffe://trustdomain', 'trustdomain', ''],
  ['spiffe://trustdomain/path', 'trustdomain', '/path'],
  ['spiffe://a/b/c/d', 'a', '/b/c/d'],
  ['spiffe://1.2.3.4/x', '1.2.3.4', '/x'],
  ['spiffe://trustdomain/.path', 'trustdomain', '/.path'],
  ['spiffe://trustdomain/..path', 'trustdomain', '/..path'],
  ['spiffe://trustdomain/...', 'trustdomain', '/...'],
  ['spiffe://trustdomain/UPPER_lower-1.2', 'trustdomain', '/UPPER_lower-1.2'],
  [`spiffe://${'a'.repeat(255)}/x`, 'a'.repeat(255), '/x'],
  [`spiffe://t/${'p'.repeat(2037)}`, 't', `/${'p'.repeat(2037)}`],
];
for (const [text, trustDomain, path] of valid) {
  test(`${text.slice(0, 60)} is an ID`, () => {
    assert.deepEqual(readSpiffeId(text), { ok: true, value: { text, trustDomain, path } });
  });
}

const invalid: readonly (readonly [string, string])[] = [
  ['', 'id-scheme'],
  ['s', 'id-scheme'],
  ['spiffe:/', 'id-scheme'],
  ['Spiffe://trustdomain/path', 'id-scheme'],
  ['SPIFFE://trustdomain/path', 'id-scheme'],
  ['https://trustdomain/path', 'id-scheme'],
  [' spiffe://trustdomain/path', 'id-scheme'],
  ['spiffe://', 'id-trust-domain'],
  ['spiffe:///', 'id-trust-domain'],
  ['spiffe:///path', 'id-trust-domain'],
  ['spiffe://TrustDomain/path', 'id-trust-domain'],
  ['spiffe://user@trustdomain/path', 'id-trust-domain'],
  ['spiffe://trustdomain:8443/path', 'id-trust-domain'],
  ['spiffe://trustdomain?q', 'id-trust-domain'],
  ['spiffe://trustdomain#f', 'id-trust-domain'],
  ['spiffe://%74rust/path', 'id-trust-domain'],
  ['spiffe://[::1]/path', 'id-trust-domain'],
  [`spiffe://${'a'.repeat(256)}/x`, 'id-trust-domain'],
  ['spiffe://trustdomain/path?q=1', 'id-path-character'],
  ['spiffe://trustdomain/path#f', 'id-path-character'],
  ['spiffe://trustdomain/%70ath', 'id-path-character'],
  ['spiffe://trustdomain/path\n', 'id-path-character'],
  ['spiffe://trustdomain/path\u0000', 'id-path-character'],
  ['spiffe://trustdomain/p\u0430th', 'id-path-character'],
  ['spiffe://trustdomain/', 'id-path-segment'],
  ['spiffe://trustdomain//', 'id-path-segment'],
  ['spiffe://trustdomain//path', 'id-path-segment'],
  ['spiffe://trustdomain/path/', 'id-path-segment'],
  ['spiffe://trustdomain/.', 'id-path-segment'],
  ['spiffe://trustdomain/./path', 'id-path-segment'],
  ['spiffe://trustdomain/path/..', 'id-path-segment'],
  ['spiffe://trustdomain/../path', 'id-path-segment'],
  ['spiffe://trustdomain/path/../other', 'id-path-segment'],
  [`spiffe://t/${'p'.repeat(2038)}`, 'id-too-long'],
];
for (const [text, fault] of invalid) {
  test(`${JSON.stringify(text.slice(0, 60))} is refused as ${fault}`, () => {
    assert.deepEqual(readSpiffeId(text), { ok: false, error: fault });
  });
}

test('the ID of a workload is written and its names are read back', () => {
  const text = workloadId('cluster.local', 'shop', 'cart');
  assert.equal(text, 'spiffe://cluster.local/ns/shop/sa/cart');
  const id = readSpiffeId(text!);
  assert.ok(id.ok);
  assert.deepEqual(readWorkloadName(id.value), { namespace: 'shop', serviceAccount: 'cart' });
});

test('names that would change the shape of an ID make none', () => {
  for (const name of ['', '.', '..', 'a/b', 'a b', 'ä', 'a%2fb', 'x'.repeat(2048)]) {
    assert.equal(workloadId('cluster.local', name, 'cart'), undefined, name);
    assert.equal(workloadId('cluster.local', 'shop', name), undefined, name);
  }
  assert.equal(workloadId('Cluster.local', 'shop', 'cart'), undefined);
});

test('an ID of another shape has no workload names', () => {
  for (const text of [
    'spiffe://a/ns/shop',
    'spiffe://a/ns/shop/sa',
    'spiffe://a/ns/shop/sa/cart/x',
    'spiffe://a/NS/shop/sa/cart',
    'spiffe://a/ns/shop/cart/sa',
    'spiffe://a',
  ]) {
    const id = readSpiffeId(text);
    assert.ok(id.ok);
    assert.equal(readWorkloadName(id.value), undefined, text);
  }
});

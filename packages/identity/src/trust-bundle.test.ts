import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundleOf, makeCa, makeLeaf, trustDomain } from './svid-cases.ts';
import { readTrustBundle, toCaPem, uniteBundles, withoutRoot } from './trust-bundle.ts';

const nowMs = Date.UTC(2026, 5, 1);
const [a, b] = [makeCa(nowMs), makeCa(nowMs)];

test('equal roots make equal generations, in any order and however often', () => {
  const one = bundleOf(a, b);
  assert.equal(bundleOf(b, a, b).generation, one.generation);
  assert.equal(uniteBundles(bundleOf(b), bundleOf(a)).generation, one.generation);
  const read = readTrustBundle(toCaPem(one), trustDomain);
  assert.equal(read.ok && read.value.generation, one.generation);
  assert.equal(one.roots.length, 2);
});

test('another root, domain or alias makes another generation', () => {
  const generations = new Set([
    bundleOf(a).generation,
    bundleOf(b).generation,
    bundleOf(a, b).generation,
    generationOf('other.local', []),
    generationOf(trustDomain, ['old.local']),
  ]);
  assert.equal(generations.size, 5);
});

test('a removed root is gone, and the bundle it was taken from is unchanged', () => {
  const both = bundleOf(a, b);
  const reduced = withoutRoot(both, bundleOf(a).roots[0]!.fingerprint);
  assert.equal(reduced.generation, bundleOf(b).generation);
  assert.equal(both.roots.length, 2);
  assert.equal(withoutRoot(both, 'unknown').generation, both.generation);
});

test('what is no root, no PEM or no trust domain is refused', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [makeLeaf(nowMs, a).pem, trustDomain, 'root-not-ca'],
    [makeCa(nowMs, { keyUsage: 0x80 }).pem, trustDomain, 'root-not-ca'],
    [a.pem.slice(0, 100), trustDomain, 'bundle-malformed'],
    [a.pem.replace('MII', 'XII'), trustDomain, 'bundle-malformed'],
    [a.pem, 'Cluster.Local', 'trust-domain-malformed'],
    [Array.from({ length: 65 }, () => a.pem).join(''), trustDomain, 'bundle-too-large'],
  ];
  for (const [pem, domain, fault] of cases) {
    assert.deepEqual(readTrustBundle(pem, domain), { ok: false, error: fault });
  }
  assert.deepEqual(readTrustBundle(a.pem, trustDomain, ['']), { ok: false, error: 'trust-domain-malformed' });
});

function generationOf(domain: string, aliases: readonly string[]): string {
  const read = readTrustBundle(a.pem, domain, aliases);
  assert.ok(read.ok);
  return read.value.generation;
}

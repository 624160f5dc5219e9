import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCertificateFacts } from './certificate-facts.ts';
import {
  bundleOf,
  cartId,
  clientAuth,
  extension,
  makeCa,
  makeLeaf,
  permittedHosts,
  serverAuth,
  trustDomain,
  uriNames,
  usage,
} from './svid-cases.ts';
import type { CaseOptions } from './svid-cases.ts';
import { isVouchedFor, verifySvid } from './svid.ts';
import type { PeerRole } from './svid.ts';
import { readTrustBundle, uniteBundles, withoutRoot } from './trust-bundle.ts';

const nowMs = Date.UTC(2026, 5, 1);
const hourMs = 3_600_000;
const root = makeCa(nowMs);
const bundle = bundleOf(root);

function reasonOf(options: CaseOptions, role: PeerRole = 'client'): string {
  const leaf = makeLeaf(nowMs, root, options);
  const verified = verifySvid([leaf.certificate], bundle, nowMs, role);
  return verified.ok ? 'ok' : verified.error.reason;
}

test('a right leaf is believed, and what it says is read', () => {
  const leaf = makeLeaf(nowMs, root, { notAfterMs: nowMs + hourMs });
  const verified = verifySvid([leaf.certificate], bundle, nowMs, 'client');
  assert.deepEqual(verified, {
    ok: true,
    value: {
      id: cartId,
      trustDomain,
      namespace: 'shop',
      serviceAccount: 'cart',
      notAfterMs: nowMs + hourMs,
      rootFingerprint: bundle.roots[0]!.fingerprint,
      leafFingerprint: leaf.certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    },
  });
});

const wrongLeaves: readonly (readonly [string, CaseOptions, string])[] = [
  ['without a name', { uris: [] }, 'no-uri-san'],
  ['without a SAN extension', { uris: undefined as never }, 'no-uri-san'],
  ['with two URI names', { uris: [cartId, 'spiffe://cluster.local/ns/shop/sa/pay'] }, 'many-uri-sans'],
  ['with the same URI name twice', { uris: [cartId, cartId] }, 'many-uri-sans'],
  ['with two SAN extensions', { extraExtensions: [uriNames([cartId])] }, 'certificate-malformed'],
  ['with NUL in its name', { uris: [`${cartId}\0.evil`] }, 'san-encoding'],
  ['with a high byte in its name', { uris: [Buffer.from(`${cartId}\u00e4`, 'latin1')] }, 'san-encoding'],
  ['with UTF-8 in its name', { uris: [Buffer.from(`${cartId}\u0430`, 'utf8')] }, 'san-encoding'],
  ['with a line break in its name', { uris: [`${cartId}\nx`] }, 'san-encoding'],
  ['with a comma in its name', { uris: [`${cartId},URI:x`] }, 'id-path-character'],
  ['with a web address for a name', { uris: ['https://cluster.local/'] }, 'id-scheme'],
  ['with dot segments', { uris: ['spiffe://cluster.local/ns/../sa/cart'] }, 'id-path-segment'],
  ['named as the trust domain itself', { uris: ['spiffe://cluster.local'] }, 'id-without-path'],
  ['of another trust domain', { uris: ['spiffe://other.local/ns/shop/sa/cart'] }, 'trust-domain-foreign'],
  ['of a domain below ours', { uris: ['spiffe://a.cluster.local/ns/shop/sa/cart'] }, 'trust-domain-foreign'],
  ['that is a CA', { isCa: true }, 'leaf-is-ca'],
  ['without key usage', { keyUsage: undefined }, 'key-usage'],
  ['without digitalSignature', { keyUsage: 0x20 }, 'key-usage'],
  ['that may sign certificates', { keyUsage: usage.digitalSignature | usage.keyCertSign }, 'key-usage'],
  ['that may sign revocations', { keyUsage: usage.digitalSignature | usage.crlSign }, 'key-usage'],
  ['for servers only, as a client', { extendedKeyUsages: [serverAuth] }, 'extended-key-usage'],
  ['with an empty list of usages', { extendedKeyUsages: [] }, 'extended-key-usage'],
  ['that has expired', { notAfterMs: nowMs - 1000 }, 'expired'],
  ['that ends this very second', { notAfterMs: nowMs }, 'expired'],
  ['that is not valid yet', { notBeforeMs: nowMs + 1000 }, 'not-yet-valid'],
  [
    'with an unknown critical extension',
    { extraExtensions: [extension('2a0304', true, Buffer.of(5, 0))] },
    'unknown-critical-extension',
  ],
  ['signed with SHA-1 by its own word', { signatureOid: '2a8648ce3d0401' }, 'weak-signature'],
];
for (const [name, options, reason] of wrongLeaves) {
  test(`a leaf ${name} is refused as ${reason}`, () => {
    assert.equal(reasonOf(options), reason);
  });
}

test('a leaf is taken without extended key usage, and with an unknown extension that is not critical', () => {
  assert.equal(reasonOf({ extendedKeyUsages: undefined }), 'ok');
  assert.equal(reasonOf({ extraExtensions: [extension('2a0304', false, Buffer.of(5, 0))] }), 'ok');
});

test('extended key usage is asked for by role, on the first look and on the cached one', () => {
  const leaf = makeLeaf(nowMs, root, { extendedKeyUsages: [serverAuth] }).certificate;
  assert.ok(verifySvid([leaf], bundle, nowMs, 'server').ok);
  const asClient = verifySvid([leaf], bundle, nowMs, 'client');
  assert.equal(asClient.ok ? 'ok' : asClient.error.reason, 'extended-key-usage');
  assert.equal(reasonOf({ extendedKeyUsages: [clientAuth] }, 'server'), 'extended-key-usage');
});

test('a leaf of a foreign root is untrusted, also when that root bears the name of ours', () => {
  for (const foreign of [makeCa(nowMs), makeCa(nowMs, { subject: root.subject })]) {
    const leaf = makeLeaf(nowMs, foreign);
    const verified = verifySvid([leaf.certificate, foreign.certificate], bundle, nowMs, 'client');
    assert.equal(verified.ok ? 'ok' : verified.error.reason, 'untrusted');
  }
});

test('a leaf whose signature was changed is untrusted', () => {
  const { certificate } = makeLeaf(nowMs, root);
  const der = Buffer.from(certificate.raw);
  der[der.indexOf('cart')] = 'k'.charCodeAt(0);
  const changed = new (certificate.constructor as new (der: Buffer) => typeof certificate)(der);
  const verified = verifySvid([changed], bundle, nowMs, 'client');
  assert.equal(verified.ok ? 'ok' : verified.error.reason, 'untrusted');
});

test('several roots stand side by side, and a removed one ends what it vouched for', () => {
  const second = makeCa(nowMs);
  const both = uniteBundles(bundle, bundleOf(second));
  const first = makeLeaf(nowMs, root).certificate;
  const other = makeLeaf(nowMs, second).certificate;
  assert.ok(verifySvid([first], both, nowMs, 'client').ok);
  assert.ok(verifySvid([other], both, nowMs, 'client').ok);
  const reduced = withoutRoot(both, bundle.roots[0]!.fingerprint);
  assert.notEqual(reduced.generation, both.generation);
  const refused = verifySvid([first], reduced, nowMs, 'client');
  assert.equal(refused.ok ? 'ok' : refused.error.reason, 'untrusted');
  assert.ok(verifySvid([other], reduced, nowMs, 'client').ok);
});

test('time is checked again on a leaf that was proven before', () => {
  const leaf = makeLeaf(nowMs, root, { notAfterMs: nowMs + 10_000 }).certificate;
  assert.ok(verifySvid([leaf], bundle, nowMs, 'client').ok);
  assert.ok(verifySvid([leaf], bundle, nowMs + 9_999, 'client').ok);
  const late = verifySvid([leaf], bundle, nowMs + 10_000, 'client');
  assert.equal(late.ok ? 'ok' : late.error.reason, 'expired');
  const early = verifySvid([leaf], bundle, nowMs - hourMs, 'client');
  assert.equal(early.ok ? 'ok' : early.error.reason, 'not-yet-valid');
});

test('a long connection outlives its leaf, but neither the removal nor the end of its root, nor its trust domain', () => {
  const shortRoot = makeCa(nowMs, { notAfterMs: nowMs + hourMs });
  const trusted = bundleOf(shortRoot, root);
  const leaf = makeLeaf(nowMs, shortRoot, { notAfterMs: nowMs + 1000 }).certificate;
  const verified = verifySvid([leaf], trusted, nowMs, 'client');
  assert.ok(verified.ok);
  const peer = verified.value;
  assert.equal(isVouchedFor(peer, trusted, nowMs + 2000), true);
  assert.equal(isVouchedFor(peer, withoutRoot(trusted, bundle.roots[0]!.fingerprint), nowMs + 2000), true);
  assert.equal(isVouchedFor(peer, withoutRoot(trusted, peer.rootFingerprint), nowMs), false);
  assert.equal(isVouchedFor(peer, trusted, nowMs + hourMs), false);
  assert.equal(isVouchedFor({ ...peer, trustDomain: 'other.local' }, trusted, nowMs), false);
});

test('an expired root vouches for nobody, and a leaf ends with the first of its chain', () => {
  const shortRoot = makeCa(nowMs, { notAfterMs: nowMs + 5000 });
  const shortBundle = bundleOf(shortRoot);
  const leaf = makeLeaf(nowMs, shortRoot).certificate;
  const verified = verifySvid([leaf], shortBundle, nowMs, 'client');
  assert.equal(verified.ok && verified.value.notAfterMs, nowMs + 5000);
  const late = verifySvid([leaf], shortBundle, nowMs + 5000, 'client');
  assert.equal(late.ok ? 'ok' : late.error.reason, 'expired');
});

test('an intermediate is followed in any order of the chain, and needs to be sent', () => {
  const upper = makeCa(nowMs, {}, root);
  const lower = makeCa(nowMs, { notAfterMs: nowMs + hourMs }, upper);
  const leaf = makeLeaf(nowMs, lower).certificate;
  for (const between of [
    [lower.certificate, upper.certificate],
    [upper.certificate, lower.certificate],
    [root.certificate, upper.certificate, lower.certificate],
  ]) {
    const fresh = bundleOf(root);
    const verified = verifySvid([leaf, ...between], fresh, nowMs, 'client');
    assert.equal(verified.ok && verified.value.notAfterMs, nowMs + hourMs);
  }
  const alone = verifySvid([leaf, lower.certificate], bundleOf(root), nowMs, 'client');
  assert.equal(alone.ok ? 'ok' : alone.error.reason, 'untrusted');
});

test('what is no CA signs nobody', () => {
  const wrongIssuers: readonly CaseOptions[] = [
    { isCa: false },
    { isCa: undefined },
    { keyUsage: usage.digitalSignature },
    { keyUsage: undefined },
  ];
  for (const options of wrongIssuers) {
    const between = makeCa(nowMs, options, root);
    const leaf = makeLeaf(nowMs, between).certificate;
    const verified = verifySvid([leaf, between.certificate], bundleOf(root), nowMs, 'client');
    assert.equal(verified.ok ? 'ok' : verified.error.reason, 'untrusted');
  }
});

test('a workload cannot issue: its leaf as an intermediate vouches for nobody', () => {
  const cart = makeLeaf(nowMs, root, { subject: 'cart' });
  const forged = makeLeaf(nowMs, cart, { uris: ['spiffe://cluster.local/ns/shop/sa/admin'] }).certificate;
  const verified = verifySvid([forged, cart.certificate], bundleOf(root), nowMs, 'client');
  assert.equal(verified.ok ? 'ok' : verified.error.reason, 'untrusted');
});

test('the path length of a root is kept', () => {
  const flat = makeCa(nowMs, { pathLength: 0 });
  const between = makeCa(nowMs, {}, flat);
  const direct = makeLeaf(nowMs, flat).certificate;
  const below = makeLeaf(nowMs, between).certificate;
  assert.ok(verifySvid([direct], bundleOf(flat), nowMs, 'client').ok);
  const refused = verifySvid([below, between.certificate], bundleOf(flat), nowMs, 'client');
  assert.equal(refused.ok ? 'ok' : refused.error.reason, 'untrusted');
});

test('name constraints of a root and of an intermediate confine the trust domain', () => {
  const ours = makeCa(nowMs, { extraExtensions: [permittedHosts(trustDomain)] });
  assert.ok(verifySvid([makeLeaf(nowMs, ours).certificate], bundleOf(ours), nowMs, 'client').ok);
  const foreign = makeCa(nowMs, { extraExtensions: [permittedHosts('other.local', '.cluster.local')] });
  const refused = verifySvid([makeLeaf(nowMs, foreign).certificate], bundleOf(foreign), nowMs, 'client');
  assert.equal(refused.ok ? 'ok' : refused.error.reason, 'name-constraints');
  const between = makeCa(nowMs, { extraExtensions: [permittedHosts('other.local')] }, root);
  const below = verifySvid(
    [makeLeaf(nowMs, between).certificate, between.certificate],
    bundleOf(root),
    nowMs,
    'client',
  );
  assert.equal(below.ok ? 'ok' : below.error.reason, 'name-constraints');
});

test('an alias of the trust domain is accepted and reported as it stands in the leaf', () => {
  const aliased = readTrustBundle(root.pem, 'new.local', [trustDomain]);
  assert.ok(aliased.ok);
  const verified = verifySvid([makeLeaf(nowMs, root).certificate], aliased.value, nowMs, 'client');
  assert.equal(verified.ok && verified.value.trustDomain, trustDomain);
});

test('a chain of a hundred look-alikes costs a few signature checks and is refused', () => {
  const twins = Array.from({ length: 100 }, () => makeCa(nowMs, { subject: 'twin' }).certificate);
  const leaf = makeLeaf(nowMs, makeCa(nowMs, { subject: 'twin' })).certificate;
  const started = process.cpuUsage();
  const verified = verifySvid([leaf, ...twins], bundleOf(root), nowMs, 'client');
  assert.equal(verified.ok ? 'ok' : verified.error.reason, 'untrusted');
  // 8 checks are under 2 ms of processor; 100 factorial would not end.
  const { user, system } = process.cpuUsage(started);
  assert.ok(user + system < 500_000, `${user + system} µs`);
});

test('an empty chain and an empty bundle trust nobody', () => {
  const none = verifySvid([], bundle, nowMs, 'client');
  assert.equal(none.ok ? 'ok' : none.error.reason, 'no-certificate');
  const empty = withoutRoot(bundle, bundle.roots[0]!.fingerprint);
  const verified = verifySvid([makeLeaf(nowMs, root).certificate], empty, nowMs, 'client');
  assert.equal(verified.ok ? 'ok' : verified.error.reason, 'untrusted');
});

test('a certificate with any byte flipped or any tail cut is read or refused, never thrown at', () => {
  const der = makeLeaf(nowMs, root, { extraExtensions: [permittedHosts('a')] }).certificate.raw;
  for (let at = 0; at < der.length; at++) {
    const flipped = Buffer.from(der);
    flipped[at]! ^= 0xff;
    readCertificateFacts(flipped);
    assert.equal(readCertificateFacts(der.subarray(0, at)).ok, false);
  }
  const tooLarge = readCertificateFacts(Buffer.alloc(20_000, 0x30));
  assert.deepEqual(tooLarge, { ok: false, error: 'certificate-too-large' });
});

import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { createAuthority, readAuthority } from './authority.ts';
import type { Authority, AuthorityMaterial } from './authority.ts';
import { readCertificateFacts } from './certificate-facts.ts';
import { makeKeyAndCsr } from './csr.ts';
import { leafBackdateMs } from './rotation.ts';
import { cartId, makeCa, makeLeaf, trustDomain } from './svid-cases.ts';
import { verifySvid } from './svid.ts';
import { uniteBundles } from './trust-bundle.ts';
import { readWorkloadSvid } from './workload-svid.ts';

// Whole seconds, as certificates count.
const nowMs = Date.UTC(2026, 5, 1);
const dayMs = 86_400_000;

async function newAuthority(lifetimeMs = 3650 * dayMs): Promise<Authority> {
  return opened(await createAuthority({ trustDomain, lifetimeMs, nowMs }));
}

async function opened(material: AuthorityMaterial): Promise<Authority> {
  const authority = await readAuthority(material, trustDomain);
  assert.ok(authority.ok, JSON.stringify(authority));
  return authority.value;
}

test('an issued leaf is an X.509-SVID of the attested workload, backdated five minutes', async () => {
  const authority = await newAuthority();
  const svid = await authority.issueOwn(cartId, dayMs, nowMs);
  assert.ok(svid.ok);
  for (const role of ['client', 'server'] as const) {
    const verified = verifySvid(svid.value.chain, authority.bundle, nowMs, role);
    assert.equal(verified.ok && verified.value.id, cartId);
  }
  assert.equal(svid.value.notBeforeMs, nowMs - leafBackdateMs);
  assert.equal(svid.value.notAfterMs, nowMs + dayMs);
  const facts = readCertificateFacts(svid.value.chain[0]!.raw);
  assert.ok(facts.ok);
  assert.deepEqual(facts.value.uriNames, [cartId]);
  assert.equal(facts.value.keyUsage, 1);
  assert.equal(facts.value.extendedKeyUsages?.length, 2);
  assert.equal(facts.value.subject.length, 2, 'the subject is empty');
});

test('OpenSSL agrees with the root: it is confined to its trust domain', async () => {
  const authority = await newAuthority();
  const root = authority.bundle.roots[0]!;
  assert.deepEqual(root.facts.permittedUriHosts, [trustDomain]);
  assert.equal(root.facts.pathLength, 0);
  const svid = await authority.issueOwn(cartId, dayMs, nowMs);
  assert.ok(svid.ok && svid.value.chain[0]!.checkIssued(root.certificate));
});

test('a request that asks for another name, to be a CA, or for a subject gets only its key certified', async () => {
  const authority = await newAuthority();
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const greedy = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=admin, O=system:masters',
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: 'spiffe://cluster.local/ns/weft-system/sa/weft-control' },
        { type: 'dns', value: 'kubernetes.default' },
      ]),
      new x509.BasicConstraintsExtension(true, 3, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const issued = await authority.issue({ csr: Buffer.from(greedy.rawData), id: cartId, lifetimeMs: dayMs, nowMs });
  assert.ok(issued.ok);
  const leaf = new X509Certificate(issued.value.certificatesPem);
  const facts = readCertificateFacts(leaf.raw);
  assert.ok(facts.ok);
  assert.deepEqual(facts.value.uriNames, [cartId]);
  assert.equal(leaf.subjectAltName, `URI:${cartId}`);
  assert.equal(facts.value.isCa, false);
  assert.equal(facts.value.keyUsage, 1);
  assert.equal(facts.value.subject.length, 2);
  const spki = Buffer.from(await crypto.subtle.exportKey('spki', keys.publicKey));
  assert.deepEqual(leaf.publicKey.export({ type: 'spki', format: 'der' }), spki);
});

test('identities of other trust domains, the domain itself and texts that are no IDs are never issued', async () => {
  const authority = await newAuthority();
  const { csr } = makeKeyAndCsr();
  for (const id of ['spiffe://other.local/ns/shop/sa/cart', 'spiffe://cluster.local', 'cart', '', `${cartId}/`]) {
    const issued = await authority.issue({ csr, id, lifetimeMs: dayMs, nowMs });
    assert.deepEqual(issued, { ok: false, error: 'id-not-ours' }, id);
  }
  const bad = await authority.issue({ csr: Buffer.alloc(10), id: cartId, lifetimeMs: dayMs, nowMs });
  assert.deepEqual(bad, { ok: false, error: 'csr-malformed' });
});

test('serials are 128 random bits, positive, and never the same', async () => {
  const authority = await newAuthority();
  const { csr } = makeKeyAndCsr();
  const serials = new Set<string>();
  for (let index = 0; index < 50; index++) {
    const issued = await authority.issue({ csr, id: cartId, lifetimeMs: dayMs, nowMs });
    assert.ok(issued.ok);
    assert.match(issued.value.serial, /^01[0-9a-f]{32}$/);
    assert.equal(new X509Certificate(issued.value.certificatesPem).serialNumber.toLowerCase(), issued.value.serial);
    serials.add(issued.value.serial);
  }
  assert.equal(serials.size, 50);
});

test('no leaf outlives its authority, and an expired authority issues nothing', async () => {
  const authority = await newAuthority(10_000);
  const svid = await authority.issueOwn(cartId, dayMs, nowMs);
  assert.equal(svid.ok && svid.value.notAfterMs, nowMs + 10_000);
  assert.deepEqual(await authority.issueOwn(cartId, dayMs, nowMs + 10_000), { ok: false, error: 'authority-expired' });
});

test('leaves on both sides of 2050, where certificates change the form of their dates, are read alike', async () => {
  const lateMs = Date.UTC(2049, 11, 31, 23, 59, 30);
  const authority = await opened(await createAuthority({ trustDomain, lifetimeMs: 100 * dayMs, nowMs: lateMs }));
  const svid = await authority.issueOwn(cartId, 60_000, lateMs);
  assert.ok(svid.ok);
  assert.equal(svid.value.notBeforeMs, lateMs - leafBackdateMs);
  assert.equal(svid.value.notAfterMs, Date.UTC(2050, 0, 1, 0, 0, 30));
  assert.equal(svid.value.chain[0]!.validToDate.getTime(), svid.value.notAfterMs);
  assert.ok(verifySvid(svid.value.chain, authority.bundle, lateMs + 45_000, 'client').ok);
});

test('two authorities side by side: each vouches for its own leaves only', async () => {
  const [first, second] = [await newAuthority(), await newAuthority()];
  const svid = await first.issueOwn(cartId, dayMs, nowMs);
  assert.ok(svid.ok);
  assert.equal(verifySvid(svid.value.chain, second.bundle, nowMs, 'client').ok, false);
  assert.ok(verifySvid(svid.value.chain, uniteBundles(first.bundle, second.bundle), nowMs, 'client').ok);
});

test('a signing certificate below a root of the user issues leaves that bring their chain', async () => {
  const root = makeCa(nowMs);
  const between = makeCa(nowMs, { notAfterMs: nowMs + dayMs }, root);
  const authority = await opened({ certificatePem: between.pem + root.pem, keyPem: between.keyPem });
  assert.equal(authority.rootFingerprint, root.certificate.fingerprint256.replaceAll(':', '').toLowerCase());
  const svid = await authority.issueOwn(cartId, 30 * dayMs, nowMs);
  assert.ok(svid.ok);
  assert.equal(svid.value.chain.length, 2);
  assert.equal(svid.value.notAfterMs, nowMs + dayMs);
  assert.ok(verifySvid(svid.value.chain, authority.bundle, nowMs, 'server').ok);
});

test('keys of the user may be RSA or P-384 too', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  for (const [{ publicKey, privateKey }, name, hash] of [
    [rsa, 'RSASSA-PKCS1-v1_5', 'SHA-256'],
    [p384, 'ECDSA', 'SHA-384'],
  ] as const) {
    const key = name === 'ECDSA' ? { name, namedCurve: 'P-384' } : { name, hash };
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=Own root',
      notBefore: new Date(nowMs - dayMs),
      notAfter: new Date(nowMs + dayMs),
      signingAlgorithm: { name, hash },
      keys: {
        privateKey: privateKey.toCryptoKey(key, true, ['sign']),
        publicKey: publicKey.toCryptoKey(key, true, ['verify']),
      },
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const authority = await opened({ certificatePem: certificate.toString('pem'), keyPem });
    const svid = await authority.issueOwn(cartId, dayMs, nowMs);
    assert.ok(svid.ok);
    assert.ok(verifySvid(svid.value.chain, authority.bundle, nowMs, 'client').ok, name);
  }
});

test('material that cannot sign is refused with the reason', async () => {
  const ca = makeCa(nowMs);
  const other = makeCa(nowMs);
  const leaf = makeLeaf(nowMs, ca);
  const below = makeCa(nowMs, {}, ca);
  const mayNotSign = makeCa(nowMs, { keyUsage: 0x80 });
  const edwards = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const cases: readonly (readonly [AuthorityMaterial, string])[] = [
    [{ certificatePem: '', keyPem: ca.keyPem }, 'certificate-malformed'],
    [{ certificatePem: ca.pem.replace('M', '!'), keyPem: ca.keyPem }, 'certificate-malformed'],
    [{ certificatePem: ca.pem, keyPem: 'no key' }, 'key-malformed'],
    [{ certificatePem: ca.pem, keyPem: other.keyPem }, 'key-mismatch'],
    [{ certificatePem: ca.pem, keyPem: edwards }, 'key-mismatch'],
    [{ certificatePem: leaf.pem, keyPem: leaf.keyPem }, 'not-a-ca'],
    [{ certificatePem: mayNotSign.pem, keyPem: mayNotSign.keyPem }, 'not-a-ca'],
    [{ certificatePem: below.pem, keyPem: below.keyPem }, 'chain-without-root'],
    [{ certificatePem: below.pem + other.pem, keyPem: below.keyPem }, 'chain-without-root'],
  ];
  for (const [material, fault] of cases) {
    assert.deepEqual(await readAuthority(material, trustDomain), { ok: false, error: fault });
  }
  const wrongDomain = await readAuthority({ certificatePem: ca.pem, keyPem: ca.keyPem }, 'Not A Domain');
  assert.deepEqual(wrongDomain, { ok: false, error: 'trust-domain-malformed' });
});

test('key and leaf must belong together to be served with', async () => {
  const authority = await newAuthority();
  const svid = await authority.issueOwn(cartId, dayMs, nowMs);
  assert.ok(svid.ok);
  const { keyPem } = makeKeyAndCsr();
  assert.deepEqual(readWorkloadSvid(keyPem, svid.value.certificatesPem), { ok: false, error: 'key-mismatch' });
  assert.deepEqual(readWorkloadSvid('', svid.value.certificatesPem), { ok: false, error: 'key-malformed' });
  assert.deepEqual(readWorkloadSvid(keyPem, ''), { ok: false, error: 'leaf-malformed' });
  assert.equal(createPrivateKey(svid.value.keyPem).asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

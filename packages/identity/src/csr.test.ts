import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { makeCsr, makeKeyAndCsr, readCsr } from './csr.ts';
import { derTag, writeElement } from './der.ts';

test('a request gives back the public key of its maker', () => {
  const { keyPem, csr } = makeKeyAndCsr();
  const read = readCsr(csr);
  assert.ok(read.ok);
  assert.deepEqual(read.value, createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' }));
  const again = readCsr(makeCsr(keyPem));
  assert.ok(again.ok);
  assert.deepEqual(again.value, read.value);
});

test('every request is made with a key of its own', () => {
  assert.notEqual(makeKeyAndCsr().keyPem, makeKeyAndCsr().keyPem);
});

test('no byte of a request can be changed without a refusal', () => {
  const { csr } = makeKeyAndCsr();
  for (let at = 0; at < csr.length; at++) {
    const changed = Buffer.from(csr);
    changed[at]! ^= 0x01;
    assert.equal(readCsr(changed).ok, false, `byte ${at}`);
    assert.equal(readCsr(csr.subarray(0, at)).ok, false);
  }
  assert.equal(readCsr(Buffer.concat([csr, Buffer.of(0)])).ok, false);
});

test('a request signed by another key than the one it names is refused', () => {
  const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  assert.ok(readCsr(requestFor(mine.publicKey.export({ type: 'spki', format: 'der' }), mine.privateKey)).ok);
  assert.deepEqual(readCsr(requestFor(theirs.publicKey.export({ type: 'spki', format: 'der' }), mine.privateKey)), {
    ok: false,
    error: 'csr-signature',
  });
});

test('only P-256 keys are taken', () => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const edwards = generateKeyPairSync('ed25519');
  for (const { publicKey } of [p384, rsa, edwards]) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const request = requestFor(publicKey.export({ type: 'spki', format: 'der' }), privateKey);
    assert.deepEqual(readCsr(request), { ok: false, error: 'csr-key' });
  }
});

test('a point that is not on the curve is refused', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = Buffer.from(publicKey.export({ type: 'spki', format: 'der' }));
  spki.fill(0x11, spki.length - 64);
  assert.deepEqual(readCsr(requestFor(spki, privateKey)), { ok: false, error: 'csr-key' });
});

test('a request of more than 4 KiB is refused unread', () => {
  assert.deepEqual(readCsr(Buffer.alloc(4097)), { ok: false, error: 'csr-too-large' });
});

function requestFor(spki: Buffer, key: Parameters<typeof sign>[2]): Buffer {
  const empty = writeElement(derTag.sequence);
  const info = writeElement(derTag.sequence, Buffer.of(2, 1, 0), empty, spki, writeElement(0xa0));
  const algorithm = Buffer.from('300a06082a8648ce3d040302', 'hex');
  const signature = writeElement(derTag.bitString, Buffer.of(0), sign('sha256', info, key));
  return writeElement(derTag.sequence, info, algorithm, signature);
}

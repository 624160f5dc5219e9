import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { makeForeignLeaf } from './foreign-leaf.ts';

test('it is right in everything but its root: key, name, validity', async () => {
  const pem = await makeForeignLeaf('spiffe://shop.test/ns/shop/sa/web');
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)!;
  const [leaf, root] = blocks.map((block) => new X509Certificate(block));
  assert.equal(leaf!.subjectAltName, 'URI:spiffe://shop.test/ns/shop/sa/web');
  assert.ok(leaf!.checkPrivateKey(createPrivateKey(pem)));
  assert.ok(leaf!.verify(root!.publicKey) && root!.ca && !leaf!.ca);
  assert.ok(leaf!.validFromDate.getTime() < Date.now() && leaf!.validToDate.getTime() > Date.now());
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '@weft/model';
import { ResourceIndex } from './resource-index.ts';
import { readPlace } from './source/config-place.ts';

function upserts(text: string): Change[] {
  return readPlace('a.yaml', text).objects.map(({ result }) => {
    assert.ok(result.object !== undefined, result.problems[0]?.message ?? '');
    return { type: 'Upsert', object: result.object };
  });
}

const service = (namespace: string, name: string, extra = ''): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {selector: {app: ${name}}, ports: [{port: 80}]${extra}}\n`;
const entry = (weight: number): string =>
  `apiVersion: weft.dev/v1alpha1\nkind: WorkloadEntry\nmetadata: {name: a, namespace: shop}\nspec: {address: 10.0.0.1, ports: [{port: 80}], labels: {app: orders}, weight: ${weight}}\n`;
const audience = (namespace: string) => ({ namespace, workload: '', gateway: '' });
const ORDERS = 'shop/orders:80';

test('a resource is encoded once for all who see it alike', () => {
  const index = new ResourceIndex();
  index.apply(upserts(`${service('shop', 'orders')}---\n${service('pay', 'bank')}`));
  const versions = ['shop', 'shop', 'pay'].map((namespace) => index.version(`routes:${ORDERS}`, namespace));
  assert.ok(versions[0] !== undefined);
  assert.ok(versions.every((version) => version === versions[0]));
  assert.equal(index.encodedTotal, 2);
  assert.equal(index.version(`endpoints:${ORDERS}`, 'shop'), index.version(`endpoints:${ORDERS}`, 'pay'));
  assert.equal(index.encodedTotal, 3);
});

test('a change that changes nothing ends at the index: the version stays the same object', () => {
  const index = new ResourceIndex();
  index.apply(upserts(`${service('shop', 'orders')}---\n${entry(1)}`));
  const before = index.version(`endpoints:${ORDERS}`, 'shop');
  const effect = index.apply(upserts(entry(1)));
  assert.ok(effect.resources.has(`endpoints:${ORDERS}`));
  assert.equal(index.version(`endpoints:${ORDERS}`, 'shop'), before);
  index.apply(upserts(entry(2)));
  assert.notEqual(index.version(`endpoints:${ORDERS}`, 'shop')?.hash, before?.hash);
});

test('changes between two looks cost one encoding, and what nobody looks at none', () => {
  const index = new ResourceIndex();
  index.apply(upserts(`${service('shop', 'orders')}---\n${entry(1)}`));
  index.version(`endpoints:${ORDERS}`, 'shop');
  for (let weight = 2; weight < 50; weight += 1) index.apply(upserts(entry(weight)));
  assert.equal(index.encodedTotal, 1);
  index.version(`endpoints:${ORDERS}`, 'shop');
  assert.equal(index.encodedTotal, 2);
});

test('a view shows what its audience may see and nothing else', () => {
  const index = new ResourceIndex();
  const mesh =
    'apiVersion: weft.dev/v1alpha1\nkind: Mesh\nmetadata: {name: default}\nspec: {discovery: {visibility: Namespace}}\n';
  index.apply(upserts(`${service('shop', 'orders')}---\n${service('pay', 'bank')}`));
  const shop = index.view({ namespace: 'shop', workload: 'shop/a', gateway: '' });
  assert.deepEqual(shop.roots(), ['mesh:default', 'names:pay', 'names:shop', 'inbound:shop/a']);
  assert.ok(shop.lookup('routes:pay/bank:80') !== undefined);
  index.apply(upserts(mesh));
  assert.deepEqual(shop.roots(), ['mesh:default', 'names:shop', 'inbound:shop/a']);
  assert.equal(shop.lookup('routes:pay/bank:80'), undefined);
  assert.equal(shop.lookup('names:pay'), undefined);
  assert.ok(shop.lookup(`routes:${ORDERS}`) !== undefined);
  index.apply(upserts(entry(1)));
  assert.ok(shop.lookup('inbound:shop/a') !== undefined);
  assert.equal(index.view(audience('shop')).lookup('inbound:shop/a'), undefined);
});

test('a destination that appears is found, one that goes is not', () => {
  const index = new ResourceIndex();
  const view = index.view(audience('shop'));
  assert.equal(view.lookup(`routes:${ORDERS}`), undefined);
  index.apply(upserts(service('shop', 'orders')));
  assert.ok(view.lookup(`routes:${ORDERS}`) !== undefined);
  index.apply([{ type: 'Remove', key: 'Service/shop/orders' }]);
  assert.equal(view.lookup(`routes:${ORDERS}`), undefined);
  assert.equal(view.lookup('routes:not a destination'), undefined);
});

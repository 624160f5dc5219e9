import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeServices } from './service-places.ts';

function places(
  called: readonly string[],
  behind: Readonly<Record<string, readonly string[]>>,
  more: readonly string[] = [],
) {
  const workloads = new Set([...Object.values(behind).flat(), ...more]);
  return placeServices(called, workloads, (service) => new Set(behind[service] ?? []));
}

test('services of single versions of a workload are that workload', () => {
  const { ofService, ofWorkload } = places(['shop/orders-v1', 'shop/orders-v2', 'shop/prices'], {
    'shop/orders-v1': ['shop/orders'],
    'shop/orders-v2': ['shop/orders'],
    'shop/prices': ['shop/price-server'],
  });
  assert.deepEqual(['shop/orders-v1', 'shop/orders-v2', 'shop/prices', 'outside'].map(ofService), [
    'shop/orders',
    'shop/orders',
    'shop/price-server',
    'outside',
  ]);
  assert.equal(ofWorkload('shop/orders'), 'shop/orders');
});

test('workloads that one service has for itself are that service', () => {
  const { ofService, ofWorkload } = places(['shop/orders'], { 'shop/orders': ['shop/orders-a', 'shop/orders-b'] });
  assert.equal(ofService('shop/orders'), 'shop/orders');
  assert.deepEqual(['shop/orders-a', 'shop/orders-b'].map(ofWorkload), ['shop/orders', 'shop/orders']);
});

test('a service that selects half a namespace joins nothing', () => {
  const { ofService, ofWorkload } = places(['shop/cart', 'shop/stock', 'shop/all'], {
    'shop/cart': ['shop/cart'],
    'shop/stock': ['shop/stock'],
    'shop/all': ['shop/cart', 'shop/stock'],
  });
  assert.deepEqual(['shop/cart', 'shop/stock', 'shop/all'].map(ofService), ['shop/cart', 'shop/stock', 'shop/all']);
  assert.deepEqual(['shop/cart', 'shop/stock'].map(ofWorkload), ['shop/cart', 'shop/stock']);
});

test('two wide services do not fight over the workloads they share', () => {
  const both = ['shop/a', 'shop/b'];
  const { ofWorkload } = places(['shop/x', 'shop/y'], { 'shop/x': both, 'shop/y': both });
  assert.deepEqual(both.map(ofWorkload), both);
});

test('a service whose workload nobody reports keeps its name', () => {
  const { ofService } = placeServices(['shop/legacy'], new Set(['shop/web']), () => new Set(['shop/legacy-vm']));
  assert.equal(ofService('shop/legacy'), 'shop/legacy');
});

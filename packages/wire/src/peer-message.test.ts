import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkloadInstance } from '@weft/model';
import { readTold, tellRequest, writeTold } from './peer-message.ts';

test('an instance arrives as it was told', () => {
  const instance: WorkloadInstance = {
    workload: 'shop/cart-1',
    namespace: 'shop',
    serviceAccount: 'cart',
    labels: { app: 'cart' },
    zone: 'a',
    weight: 100,
    ports: [
      { name: 'http', applicationPort: 8080, meshPort: 15_006 },
      { name: '', applicationPort: 9000, meshPort: 9000, learned: 'Tcp' },
    ],
    address: '10.0.0.1',
    identity: 'spiffe://cluster.local/ns/shop/sa/cart',
    draining: true,
  };
  const request = { replica: 'one', whole: false, removed: ['shop/x'], awaitMs: 5000, asks: true };
  const read = tellRequest.decode(tellRequest.encode({ ...request, instances: [writeTold(instance)] }));
  assert.ok(read.ok);
  assert.deepEqual(read.value.instances.map(readTold), [instance]);
  assert.deepEqual({ ...read.value, instances: [] }, { ...request, instances: [] });
});

import assert from 'node:assert/strict';
import test from 'node:test';
import type { NameIndex } from '@weft/model';
import { NameTable } from './name-table.ts';

const shop: NameIndex = {
  type: 'names',
  name: 'shop',
  services: [
    {
      service: 'orders',
      ports: [
        { port: 80, name: 'http', protocol: 'Http1' },
        { port: 9090, name: 'admin', protocol: 'Http1' },
      ],
      addresses: ['10.0.0.7', 'fd00::7'],
    },
  ],
};
const bank: NameIndex = {
  type: 'names',
  name: 'bank',
  services: [{ service: 'ledger', ports: [{ port: 80, name: '', protocol: 'Http1' }], addresses: [] }],
};

test('a service is found by every form of its name and by its addresses', () => {
  const names = new NameTable([shop, bank]);
  const rows: [string, number, string, string][] = [
    ['orders', 80, 'shop', 'shop/orders:80'],
    ['orders', 9090, 'shop', 'shop/orders:9090'],
    ['orders', 81, 'shop', ''],
    ['orders', 80, 'bank', ''],
    ['orders.shop', 80, 'bank', 'shop/orders:80'],
    ['orders.shop.svc', 80, 'bank', 'shop/orders:80'],
    ['orders.shop.svc.cluster.local', 80, 'bank', 'shop/orders:80'],
    ['orders.shop.svc.cluster.local.', 80, 'bank', 'shop/orders:80'],
    ['Orders.Shop.SVC', 80, 'bank', 'shop/orders:80'],
    ['orders.shop.svc.other.local', 80, 'bank', ''],
    ['orders.shop.example', 80, 'shop', ''],
    ['a.orders.shop', 80, 'shop', ''],
    ['orders.bank', 80, 'shop', ''],
    ['10.0.0.7', 80, 'bank', 'shop/orders:80'],
    ['10.0.0.7', 81, 'bank', ''],
    ['[fd00::7]', 80, 'bank', 'shop/orders:80'],
    ['FD00::7', 80, 'bank', 'shop/orders:80'],
    ['', 80, 'shop', ''],
  ];
  for (const [host, port, namespace, expected] of rows) {
    assert.equal(names.resolve(host, port, namespace), expected, `${host}:${port} from ${namespace}`);
  }
});

test('the domain of the cluster can be another one', () => {
  const names = new NameTable([shop], 'Corp.Internal');
  assert.equal(names.resolve('orders.shop.svc.corp.internal', 80, 'x'), 'shop/orders:80');
  assert.equal(names.resolve('orders.shop.svc.cluster.local', 80, 'x'), '');
});

test('names that can only mean the mesh are told from outside ones', () => {
  const names = new NameTable([shop]);
  for (const host of [
    'orders',
    'orderz',
    'orderz.shop',
    'x.y.svc',
    'x.y.svc.cluster.local',
    '10.0.0.7',
    '[fd00::7]',
    'ORDERZ.Shop.',
  ]) {
    assert.ok(names.isMeshName(host), host);
  }
  for (const host of [
    'a.example',
    'orders.shop.example',
    'localhost',
    '10.0.0.8',
    '[::1]',
    '',
    'svc.example',
    '2130706433',
  ]) {
    assert.ok(!names.isMeshName(host), host);
  }
});

test('all destinations are told, and the ports of a host', () => {
  const names = new NameTable([shop, bank]);
  assert.deepEqual([...names.destinations()], ['shop/orders:80', 'shop/orders:9090', 'bank/ledger:80']);
  assert.deepEqual(
    names.portsOf('orders.shop', 'bank').map(({ port }) => port),
    [80, 9090],
  );
  assert.deepEqual(names.portsOf('nobody', 'bank'), []);
});

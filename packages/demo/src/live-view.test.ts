import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HopFigures } from './hop-figures.ts';
import { writeLiveView, writePlainLine } from './live-view.ts';

const around = {
  elapsedMs: 12_345,
  connected: 8,
  proxies: 8,
  canary: '80/20',
  url: 'http://127.0.0.1:1/',
  configFolder: '/somewhere/mesh',
  events: ['3 s  stock-2 answers 503'],
};

const hops: HopFigures[] = [
  hop({ caller: 'shoppers', callee: 'edge', perSecond: 30, success: 0.9995 }),
  hop({
    caller: 'orders',
    callee: 'stock',
    breaker: 'open',
    identity: 'shop/orders',
    instances: [
      { name: 'stock-1', perSecond: 20, state: 'healthy' },
      { name: 'stock-2', perSecond: 0, state: 'ejected' },
    ],
  }),
];

test('the table shows breaker, ejection and the proven caller of a hop', () => {
  const row = writeLiveView(hops, around, false).find((line) => line.startsWith('orders > stock'))!;
  for (const part of ['open', 'shop/orders', 'stock-1 20/s', 'stock-2 0/s ejected']) assert.ok(row.includes(part), row);
});

test('a hop says what it speaks; one that carries connections counts those and their bytes', () => {
  const db = hop({
    caller: 'prices',
    callee: 'db',
    protocol: 'TCP in TLS',
    identity: 'shop/prices',
    tcp: { open: 1, bytesPerSecond: 1_250 },
  });
  const row = writeLiveView([db], around, false).find((line) => line.startsWith('prices > db'))!;
  for (const part of ['TCP in TLS', ' - ', 'shop/prices', '1 open, 1.3 kB/s']) assert.ok(row.includes(part), row);
  assert.match(writePlainLine([...hops, db], around), /db 1 open, 1\.3 kB\/s/);
});

test('without colours there is no escape sequence, with them there is', () => {
  assert.ok(!writeLiveView(hops, around, false).join('').includes('\u001B'));
  assert.ok(writeLiveView(hops, around, true).join('').includes('\u001B[31m'));
});

test('colours do not move columns', () => {
  const escape = new RegExp('\u001B\\[\\d+m', 'g');
  const coloured = writeLiveView(hops, around, true).map((line) => line.replaceAll(escape, ''));
  assert.deepEqual(coloured, writeLiveView(hops, around, false));
});

test('a share is never rounded up to success', () => {
  assert.match(writePlainLine(hops, around), /edge 30\.0\/s 99\.9 %/);
});

function hop(given: Partial<HopFigures>): HopFigures {
  return {
    caller: 'a',
    callee: 'b',
    protocol: '',
    perSecond: 0,
    success: 1,
    p50Ms: 0,
    p99Ms: 0,
    breaker: '',
    instances: [],
    identity: '',
    tcp: null,
    ...given,
  };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FoundHop } from '@weft/wire';
import { orderHops } from './hop-order.ts';
import { exampleHop } from './hop-fixture.ts';

test('hops stand under what caused them, whatever the order in which proxies answered', () => {
  const hops = [
    hop('shop/cart-1', 'Inbound', 'r1', 1_002, 40),
    hop('shop/stock-1', 'Inbound', 'r2', 1_012, 10),
    hop('shop/web-1', 'Outbound', 'r1', 1_001, 45),
    hop('shop/cart-1', 'Outbound', 'r2', 1_010, 20),
    hop('shop/web-1', 'Inbound', 'r0', 1_000, 50),
  ];
  assert.deepEqual(
    orderHops(hops).map(({ proxy, hop: { direction }, depth }) => `${depth} ${proxy} ${direction}`),
    [
      '0 shop/web-1 Inbound',
      '1 shop/web-1 Outbound',
      '2 shop/cart-1 Inbound',
      '3 shop/cart-1 Outbound',
      '4 shop/stock-1 Inbound',
    ],
  );
});

test('an application that passes the request id on does not confuse causes that overlap', () => {
  const hops = [
    hop('shop/web-1', 'Outbound', 'r1', 1_000, 40),
    hop('shop/cart-1', 'Inbound', 'r1', 1_000, 39),
    hop('shop/cart-1', 'Outbound', 'r1', 1_000, 38),
    hop('shop/stock-1', 'Inbound', 'r1', 1_000, 37),
  ];
  for (const order of [hops, hops.toReversed()]) {
    assert.deepEqual(
      orderHops(order).map(({ proxy, depth }) => `${depth} ${proxy}`),
      ['0 shop/web-1', '1 shop/cart-1', '2 shop/cart-1', '3 shop/stock-1'],
    );
  }
});

test('two tries of one request are two effects of it', () => {
  const hops = [
    hop('shop/web-1', 'Outbound', 'r1', 1_000, 100),
    hop('shop/cart-1', 'Inbound', 'r1', 1_001, 10),
    hop('shop/cart-2', 'Inbound', 'r1', 1_060, 10),
  ];
  assert.deepEqual(
    orderHops(hops).map(({ depth }) => depth),
    [0, 1, 1],
  );
});

test('a clock that is a little late does not part an effect from its cause', () => {
  const hops = [hop('shop/web-1', 'Outbound', 'r1', 1_000, 5), hop('shop/cart-1', 'Inbound', 'r1', 980, 3)];
  assert.deepEqual(
    orderHops(hops).map(({ proxy, depth }) => `${depth} ${proxy}`),
    ['0 shop/web-1', '1 shop/cart-1'],
  );
});

test('a request that comes back to where it started loses no hop', () => {
  const hops = [
    hop('shop/web-1', 'Outbound', 'r1', 1_000, 5),
    hop('shop/web-1', 'Inbound', 'r1', 1_000, 5),
    hop('shop/web-1', 'Outbound', 'r1', 1_000, 5),
  ];
  assert.equal(orderHops(hops).length, 3);
});

function hop(
  proxy: string,
  direction: 'Inbound' | 'Outbound',
  requestId: string,
  atMs: number,
  durationMs: number,
): FoundHop {
  const { attempts } = exampleHop();
  const to = targets[`${proxy} ${requestId}`] ?? [];
  return {
    proxy,
    workload: proxy.split('-')[0]!,
    identity: `spiffe://example/${proxy}`,
    addresses: [`${proxy}:1`],
    hop: exampleHop({
      direction,
      requestId,
      startedAtMs: atMs,
      durationMs,
      attempts: to.map((address) => ({ ...attempts[0]!, address: `${address}:1` })),
    }),
  };
}

const targets: Readonly<Record<string, readonly string[]>> = {
  'shop/web-1 r1': ['shop/cart-1', 'shop/cart-2'],
  'shop/cart-1 r2': ['shop/stock-1'],
  'shop/cart-1 r1': ['shop/stock-1'],
};

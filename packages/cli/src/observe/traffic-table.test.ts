import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GetTrafficResponse, Traffic } from '@weft/wire';
import type { Cell } from '../output/text-table.ts';
import { edgesTable, routesTable, statTable } from './traffic-table.ts';

function edge(changed: Partial<Traffic> = {}): Traffic {
  return {
    source: 'shop/cart',
    destination: 'shop/orders-v1',
    workload: 'shop/orders',
    route: 'HTTPRoute shop/orders',
    rule: 'canary',
    tcp: false,
    direction: 'Outbound',
    requests: 600,
    failures: 0,
    retries: 0,
    secured: 600,
    plaintext: 0,
    requestBytes: 60_000,
    responseBytes: 540_000,
    p50Ms: 4,
    p90Ms: 20,
    p99Ms: 1_500,
    ...changed,
  };
}

function traffic(...edges: Traffic[]): GetTrafficResponse {
  return { coveredMs: 60_000, proxies: 2, edges, replicas: [] };
}

function texts(rows: readonly (readonly Cell[])[]): string[][] {
  return rows.map((row) => row.map((cell) => (typeof cell === 'string' ? cell : cell.text)));
}

test('an edge says what was called and who carries it, where that has another name', () => {
  const { rows } = edgesTable(
    traffic(edge(), edge({ source: 'shop/web', destination: 'shop/cart', workload: 'shop/cart' })),
  );
  assert.deepEqual(texts(rows), [
    ['shop/cart', 'shop/orders-v1', 'shop/orders', 'http', 'caller', 'yes', '10', '100 %', '0', '4ms', '20ms', '1.50s'],
    ['shop/web', 'shop/cart', '', 'http', 'caller', 'yes', '10', '100 %', '0', '4ms', '20ms', '1.50s'],
  ]);
});

test('what never had a connection is neither secured nor plaintext', () => {
  const mtls = (changed: Partial<Traffic>): string => texts(edgesTable(traffic(edge(changed))).rows)[0]![5]!;
  assert.equal(mtls({ secured: 0, plaintext: 0, failures: 600 }), '');
  assert.equal(mtls({ secured: 590, failures: 10 }), 'yes');
  assert.equal(mtls({ secured: 0, plaintext: 600 }), 'no');
  assert.equal(mtls({ secured: 599, plaintext: 1 }), '99 %');
});

test('what is seldom is not called nothing, and bytes have units', () => {
  const connection = edge({ tcp: true, requests: 1, retries: 1, p50Ms: -1, p90Ms: -1, p99Ms: -1, secured: 1 });
  const [row] = texts(statTable(traffic(connection)).rows);
  assert.deepEqual(row, ['shop/orders-v1', 'tcp', '<0.1', '100 %', '<0.1', '', '', '', 'yes', '10 kB/s']);
});

test('failures are never rounded to success, and figures of no time are unknown', () => {
  const [failed] = texts(routesTable(traffic(edge({ requests: 1_000_000, failures: 1 }))).rows);
  assert.equal(failed![4], '99.99 %');
  const [unknown] = texts(routesTable({ ...traffic(edge({ requests: 0 })), coveredMs: 0 }).rows);
  assert.deepEqual(unknown!.slice(3, 6), ['', '', '']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latencyBoundsSeconds } from '@weft/telemetry';
import { EDGE_BUCKET_BOUNDS_MS, MAX_EDGES } from '@weft/wire';
import { EdgeTable, carriages, mergeEdges } from './edge-counters.ts';

const name = (peer: string) => ({ direction: 'Outbound' as const, peer, route: '', rule: '0', tcp: false });

test('the buckets that are sent are those that are counted in', () => {
  assert.deepEqual(
    latencyBoundsSeconds.map((bound) => bound * 1_000),
    [...EDGE_BUCKET_BOUNDS_MS],
  );
});

test('what was taken is counted from zero again, and silence sends nothing', () => {
  const table = new EdgeTable();
  const edge = table.edge(name('shop/orders'));
  edge.add(true, 2, carriages.secured, 3, 10, 20);
  edge.add(false, 0, carriages.plaintext, 700, 0, 5);
  edge.add(true, 0, carriages.none, 0.1, 0, 0);
  const { edges } = table.take();
  assert.equal(edges.length, 1);
  const { requests, failures, retries, secured, plaintext, requestBytes, responseBytes, latencies } = edges[0]!;
  assert.deepEqual(
    { requests, failures, retries, secured, plaintext, requestBytes, responseBytes },
    { requests: 3, failures: 2, retries: 2, secured: 1, plaintext: 1, requestBytes: 10, responseBytes: 25 },
  );
  assert.equal(latencies[3], 1);
  assert.equal(latencies[10], 1);
  assert.deepEqual(table.take().edges, []);
});

test('too many edges are folded into one, and it is said', () => {
  const table = new EdgeTable();
  for (let index = 0; index < MAX_EDGES + 100; index += 1)
    table.edge(name(`shop/s${index}`)).add(false, 0, carriages.secured, 1, 0, 0);
  const { edges, folded } = table.take();
  assert.ok(edges.length <= MAX_EDGES);
  assert.equal(folded, MAX_EDGES + 100 - (MAX_EDGES - 2));
  assert.equal(edges.find(({ peer }) => peer === 'other')?.requests, folded);
});

test('the readings of threads are added', () => {
  const tables = [new EdgeTable(), new EdgeTable()];
  for (const table of tables) table.edge(name('shop/orders')).add(false, 0, carriages.secured, 1, 1, 1);
  tables[1]!.edge(name('shop/cart')).add(true, 0, carriages.plaintext, 1, 1, 1);
  const { edges } = mergeEdges(tables.map((table) => table.take()));
  assert.deepEqual(
    edges.map(({ peer, requests, latencies }) => [peer, requests, latencies[1]]),
    [
      ['shop/orders', 2, 2],
      ['shop/cart', 1, 1],
    ],
  );
});

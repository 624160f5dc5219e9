import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HopWatch } from './hop-figures.ts';
import type { LoadCounts } from './load-generator.ts';
import type { Shop } from './shop.ts';

const quantiles = { count: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 };
const load: LoadCounts = {
  elapsedMs: 1_000,
  sent: 0,
  ok: 0,
  failed: 0,
  statuses: {},
  refused: {},
  instances: {},
  versions: {},
  errors: {},
  latency: quantiles,
  service: quantiles,
  refusal: quantiles,
};

/** What the sidecars of orders say of the prices. */
function ofOrders(good: number, unavailable: number): string {
  const labels = 'direction="outbound",destination="shop/prices",code="200"';
  return `weft_requests_total{${labels},grpc_status="0"} ${good}
weft_requests_total{${labels},grpc_status="14"} ${unavailable}
weft_upstream_connections_open{destination="shop/prices:80",protocol="http/1.1"} 0
weft_upstream_connections_open{destination="shop/prices:80",protocol="http/2"} 1
weft_requests_total{direction="outbound",destination="shop/stock",code="200",grpc_status=""} ${good}
weft_upstream_connections_open{destination="shop/stock:80",protocol="http/2"} 1
`;
}

/** What the sidecar of the database says: one caller has left, one is there. */
function ofDatabase(received: number, sent: number): string {
  const labels = (source: string): string => `direction="inbound",source="${source}",destination="shop/db",route="r"`;
  return `weft_tcp_connections_open{${labels('shop/past')}} 0
weft_tcp_connections_open{${labels('shop/prices')}} 1
weft_tcp_received_bytes_total{${labels('shop/prices')}} ${received}
weft_tcp_sent_bytes_total{${labels('shop/prices')}} ${sent}
`;
}

function shopOf(texts: Map<string, string>): Shop {
  const sidecar = (name: string): object => ({
    stats: () => Promise.resolve({ control: { state: 'connected' }, destinations: [] }),
    metrics: () => Promise.resolve(texts.get(name) ?? ''),
  });
  const names = ['web', 'cart', 'orders-v1', 'orders-v2', 'prices', 'stock-1', 'stock-2', 'stock-3'];
  const service = { counts: () => Promise.resolve({ requests: 0, byIdentity: {} }) };
  return {
    instances: new Map(names.map((name) => [name, { name, service, sidecar: sidecar(name) }])),
    edge: sidecar('edge'),
    database: { sidecar: sidecar('db') },
  } as unknown as Shop;
}

test('each hop says what it speaks, and a gRPC status that tells of a failure counts as one', async () => {
  const texts = new Map([['orders-v1', ofOrders(10, 0)]]);
  const watch = new HopWatch(shopOf(texts));
  await watch.read(load);
  texts.set('orders-v1', ofOrders(40, 10));
  const hops = await watch.read(load);
  const prices = hops.find(({ callee }) => callee === 'prices')!;
  assert.deepEqual([prices.protocol, prices.success, prices.tcp], ['gRPC in h2', 0.75, null]);
  const stock = hops.find(({ callee }) => callee === 'stock')!;
  assert.deepEqual([stock.protocol, stock.success], ['HTTP/1.1 in h2', 1]);
  assert.equal(hops.find(({ callee }) => callee === 'cart')!.protocol, '', 'nothing was seen of it');
});

test('a hop of TCP shows its connections, its bytes and who proved to be the caller', async () => {
  const texts = new Map([['db', ofDatabase(100, 50)]]);
  const watch = new HopWatch(shopOf(texts));
  await watch.read(load);
  texts.set('db', ofDatabase(5_100, 3_050));
  const db = (await watch.read(load)).find(({ callee }) => callee === 'db')!;
  assert.deepEqual([db.protocol, db.identity, db.tcp?.open], ['TCP in TLS', 'shop/prices', 1]);
  assert.ok(db.tcp!.bytesPerSecond > 0);
});

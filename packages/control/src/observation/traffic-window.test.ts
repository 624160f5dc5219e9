import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import type { Counters, EdgeCounters } from '@weft/wire';
import { BUCKETS, PointStore, TrafficSum, percentileMs } from './point-store.ts';
import { TrafficReport } from './traffic-report.ts';
import { type Reporter, STEPS, STEP_MS, TrafficWindow } from './traffic-window.ts';

const web: Reporter = {
  proxy: 'shop/web-1',
  workload: 'shop/web',
  account: 'shop/web-account',
  gateway: false,
  entry: '',
};
const orders: Reporter = {
  proxy: 'shop/orders-1',
  workload: 'shop/orders',
  account: 'shop/orders',
  gateway: false,
  entry: '',
};

function edge(changed: Partial<EdgeCounters> = {}): EdgeCounters {
  const latencies = Array.from({ length: BUCKETS }, () => 0);
  latencies[3] = changed.requests ?? 10;
  return {
    direction: 'Outbound',
    peer: 'shop/orders',
    route: 'HTTPRoute shop/orders',
    rule: '0',
    tcp: false,
    requests: 10,
    failures: 1,
    retries: 2,
    secured: 10,
    plaintext: 0,
    requestBytes: 100,
    responseBytes: 1_000,
    latencies,
    ...changed,
  };
}

function counters(...edges: EdgeCounters[]): Counters {
  return { intervalMs: STEP_MS, edges, folded: 0, residentBytes: 50_000_000, loopDelayP99Ms: 2, connections: 4 };
}

test('a request that both ends have counted is shown once, by its caller', () => {
  const clock = new FakeClock();
  const window = new TrafficWindow(clock);
  const report = new TrafficReport(window, () => clock.wallMs());
  window.take(web, counters(edge()));
  window.take(
    orders,
    counters(
      edge({ direction: 'Inbound', peer: 'shop/web-account' }),
      edge({ direction: 'Inbound', peer: 'unknown', secured: 0, plaintext: 10 }),
    ),
  );
  clock.advance(STEP_MS);
  const { edges, coveredMs } = report.topology(60_000);
  assert.equal(coveredMs, STEP_MS);
  assert.deepEqual(
    edges.map(({ source, destination, countedBy, requestsPerS, securedShare }) => ({
      source,
      destination,
      countedBy,
      requestsPerS,
      securedShare,
    })),
    [
      { source: 'shop/web', destination: 'shop/orders', countedBy: 'Outbound', requestsPerS: 2, securedShare: 1 },
      { source: 'unknown', destination: 'shop/orders', countedBy: 'Inbound', requestsPerS: 2, securedShare: 0 },
    ],
  );
});

test('a request that failed before it had a connection is no sign of plaintext', () => {
  const clock = new FakeClock();
  const window = new TrafficWindow(clock);
  const report = new TrafficReport(window, () => clock.wallMs());
  window.take(
    web,
    counters(
      edge({ peer: 'shop/refused', failures: 10, secured: 0 }),
      edge({ peer: 'shop/mostly', failures: 4, secured: 6 }),
      edge({ peer: 'shop/legacy', secured: 0, plaintext: 10 }),
      edge({ peer: 'shop/mixed', secured: 6, plaintext: 2 }),
    ),
  );
  clock.advance(STEP_MS);
  assert.deepEqual(
    report.topology(60_000).edges.map(({ destination, securedShare }) => [destination, securedShare]),
    [
      ['shop/legacy', 0],
      ['shop/mixed', 0.75],
      ['shop/mostly', 1],
      ['shop/refused', null],
    ],
  );
});

test('what was sent to versions of a workload arrives at that workload, also when its proxies are gone', () => {
  const clock = new FakeClock();
  const window = new TrafficWindow(clock);
  let isThere = true;
  const behind = (service: string): ReadonlySet<string> =>
    new Set(isThere && service.startsWith('shop/orders-v') ? ['shop/orders'] : []);
  const report = new TrafficReport(
    window,
    () => clock.wallMs(),
    () => behind,
  );
  window.take(web, counters(edge({ peer: 'shop/orders-v1', requests: 30 }), edge({ peer: 'shop/orders-v2' })));
  window.take(orders, counters(edge({ direction: 'Inbound', peer: 'shop/web-account', requests: 40 })));
  clock.advance(STEP_MS);
  for (const there of [true, false]) {
    isThere = there;
    const { nodes, edges } = report.topology(60_000);
    assert.deepEqual(
      edges.map(({ source, destination, requestsPerS }) => [source, destination, requestsPerS]),
      [['shop/web', 'shop/orders', 8]],
    );
    assert.deepEqual(
      nodes.map(({ id, kind, proxies, requestsPerS }) => [id, kind, proxies, requestsPerS]),
      [
        ['shop/orders', 'workload', 1, 8],
        ['shop/web', 'workload', 1, 0],
      ],
    );
  }
  // Under its own name a service keeps its own figures, and who stands behind it.
  const version = report.service('shop/orders-v1', 60_000);
  assert.equal(version.signals.requestsPerS, 6);
  assert.deepEqual(version.proxies, ['shop/orders-1']);
  assert.equal(report.service('shop/orders', 60_000).signals.requestsPerS, 8);
  assert.deepEqual(report.callsTo('shop/orders', 60_000), [
    { proxy: 'shop/web-1', service: 'shop/orders-v1' },
    { proxy: 'shop/web-1', service: 'shop/orders-v2' },
  ]);
  assert.deepEqual(
    report
      .traffic(60_000, 'shop/orders')
      .edges.map(({ destination, workload, requests }) => [destination, workload, requests]),
    [
      ['shop/orders-v1', 'shop/orders', 30],
      ['shop/orders-v2', 'shop/orders', 10],
    ],
  );
});

test('a connection that began before the window is as secured as it was then, and its bytes arrive', () => {
  const clock = new FakeClock();
  const window = new TrafficWindow(clock);
  const report = new TrafficReport(window, () => clock.wallMs());
  const tcp = { tcp: true, peer: 'shop/db', failures: 0, retries: 0, latencies: [] };
  window.take(web, counters(edge({ ...tcp, requests: 1, secured: 1 })));
  for (let step = 0; step < 20; step += 1) {
    clock.advance(STEP_MS);
    window.take(web, counters(edge({ ...tcp, requests: 0, secured: 0, requestBytes: 500, responseBytes: 500 })));
  }
  clock.advance(STEP_MS);
  const { edges, nodes } = report.topology(60_000);
  assert.deepEqual(
    edges.map(({ destination, requestsPerS, securedShare, requestBytesPerS }) => [
      destination,
      requestsPerS,
      securedShare,
      requestBytesPerS,
    ]),
    [['shop/db', 0, 1, 100]],
  );
  assert.equal(nodes.find(({ id }) => id === 'shop/db')?.bytesPerS, 200);
});

test('time in which nobody reported is unknown; time in which there was nothing to report is zero', () => {
  const clock = new FakeClock();
  const window = new TrafficWindow(clock);
  const report = new TrafficReport(window, () => clock.wallMs());
  window.take(web, counters(edge()));
  clock.advance(STEP_MS);
  window.take(web, counters());
  clock.advance(2 * STEP_MS);
  window.take(web, counters(edge()));
  clock.advance(STEP_MS);
  const { series } = report.service('shop/orders', 5 * STEP_MS);
  assert.deepEqual(series.requestsPerS, [null, 2, 0, null, 2]);
  assert.deepEqual(
    series.p99Ms.map((value) => value === null),
    [true, false, true, true, false],
  );
  assert.deepEqual(report.gauges('shop/web-1', 5 * STEP_MS)?.connections, [null, 4, 4, null, 4]);
  assert.equal(report.service('shop/none', 60_000).signals.p99Ms, null);
});

test('half an hour is remembered and no more, and what is over takes no room', () => {
  const clock = new FakeClock();
  const window = new TrafficWindow(clock);
  const report = new TrafficReport(window, () => clock.wallMs());
  for (let step = 0; step < STEPS * 3; step += 1) {
    window.take(web, counters(edge()));
    clock.advance(STEP_MS);
    if (step % 12 === 0) window.sweep();
  }
  const { edges, coveredMs } = report.traffic(STEPS * STEP_MS, '');
  assert.equal(coveredMs, STEPS * STEP_MS);
  assert.equal(edges[0]?.requests, STEPS * 10);
  assert.equal(edges[0].failures, STEPS);
  const held = window.heldBytes;
  for (let minute = 0; minute < 40; minute += 1) {
    clock.advance(60_000);
    window.sweep();
  }
  assert.equal([...window.reporters].length, 0);
  assert.equal(report.topology(60_000).coveredMs, 0);
  // The slabs stay and are used again.
  window.take(orders, counters(edge()));
  assert.equal(window.heldBytes, held);
});

test('a bound on its bytes costs the newest edges, which are counted', () => {
  const clock = new FakeClock();
  const window = new TrafficWindow(clock, 4 * 668);
  for (let index = 0; index < 10; index += 1) window.take(web, counters(edge({ peer: `shop/s${index}` })));
  assert.equal(window.dropped, 6);
});

test('sums over time stay true within a thousandth however large the counts are, and no failure is lost', () => {
  const store = new PointStore(1 << 20);
  const random = seededRandom(7);
  const rounding = new Float32Array(BUCKETS);
  const truth = new TrafficSum();
  const sum = new TrafficSum();
  for (let chunk = 0, points = 0; points < 360; points += 1) {
    if (points % 18 === 0) chunk = store.take();
    const latencies = Array.from({ length: BUCKETS }, (_, index) => Math.floor(random() * 10 ** (index % 6)));
    const requests = latencies.reduce((total, count) => total + count, 0);
    const failures = points % 7 === 0 ? 1 : 0;
    store.put(chunk, points % 18, edge({ requests, failures, latencies }), rounding);
    truth.requests += requests;
    truth.failures += failures;
    for (const [index, count] of latencies.entries()) truth.latencies[index]! += count;
    store.addTo(chunk, points % 18, sum);
  }
  assert.equal(sum.requests, truth.requests);
  assert.ok(sum.failures >= truth.failures);
  for (let index = 0; index < BUCKETS; index += 1) {
    const off = Math.abs(sum.latencies[index]! - truth.latencies[index]!);
    assert.ok(off <= truth.requests / 1_000, `bucket ${index} is off by ${off} of ${truth.requests}`);
  }
});

test('percentiles lie in their bucket, and of nothing there is none', () => {
  const latencies = new Float64Array(BUCKETS);
  assert.equal(percentileMs(latencies, 0.5), -1);
  latencies[4] = 90;
  latencies[9] = 10;
  const [p50, p99] = [percentileMs(latencies, 0.5), percentileMs(latencies, 0.99)];
  assert.ok(p50 > 5 && p50 <= 10);
  assert.ok(p99 > 250 && p99 <= 500);
});

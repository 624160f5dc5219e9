import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import { routeRule } from '../fixture/plane-fixture.ts';
import { DecisionRing, RECORD_BYTES } from './decision-ring.ts';
import { ExplanationBudget, writeHop } from './hop-writer.ts';
import { ExampleExchanges } from './recorder-fixture.ts';

const ID = '9b2f2a34-6d0c-4b1e-8f53-2f0f3a9c4a11';
const beta = routeRule({
  rule: 'beta',
  matches: [
    {
      path: { type: 'PathPrefix', value: '/' },
      method: '',
      headers: [{ name: 'x-beta', type: 'Exact', value: 'yes' }],
      queries: [],
      grpc: null,
    },
  ],
});

test('10,000 records take 2 MB, 200 bytes each', () => {
  const ring = new DecisionRing(10_000);
  assert.equal(RECORD_BYTES, 200);
  assert.ok(ring.heldBytes <= 2_000_000, `${ring.heldBytes} bytes`);
});

test('a record is read as it was written, by request id and by trace id', () => {
  const clock = new FakeClock();
  const exchanges = new ExampleExchanges(clock);
  const ring = new DecisionRing(100);
  ring.put(exchanges.exchange({ path: '/items/7' }), 'completed', '', 'sample', 0.25, 1_700_000_000_000);
  for (const id of [ID, '4bf92f3577b34da6a3ce929d0e0e4736']) {
    const [record, ...rest] = ring.find(id);
    assert.ok(record !== undefined);
    assert.deepEqual(rest, []);
    assert.equal(record.requestId, ID);
    assert.equal(record.traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
    assert.equal(record.path, '/items/7');
    assert.equal(record.authority, 'orders.shop');
    assert.equal(record.endpoint, 'orders-1');
    assert.equal(record.rival, 'orders-2');
    assert.equal(record.address, '127.0.0.1:1');
    assert.equal(record.durationMs, 12.5);
    assert.equal(record.tlsMs, 1.5);
    assert.equal(record.responseBytes, 70_000);
    assert.equal(record.backend?.endpoints, 2);
    assert.equal(record.kept, 'sample');
    assert.equal(record.version, exchanges.version);
  }
  assert.deepEqual(ring.find('4bf92f3577b34da6a3ce929d0e0e4737'), []);
  assert.deepEqual(ring.find('nothing'), []);
});

test('a request id that is no UUID, and the longest there may be, is kept as it is', () => {
  const exchanges = new ExampleExchanges(new FakeClock());
  const ring = new DecisionRing(10);
  for (const requestId of ['order:7', 'x'.repeat(128), '9B2F2A34-6D0C-4B1E-8F53-2F0F3A9C4A11']) {
    ring.put(exchanges.exchange({}, { requestId }), 'completed', '', 'sample', 0, 1);
    assert.equal(ring.find(requestId)[0]?.requestId, requestId);
  }
});

test('of a request that was refused before it had an id of ours, the one it came with counts', () => {
  const exchanges = new ExampleExchanges(new FakeClock());
  const ring = new DecisionRing(10);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
  const refused = { requestId: '', traceId: '', endpoint: null, rival: null, backend: null, attempts: 0, status: 404 };
  const head = { fields: { 'x-request-id': 'theirs', traceparent } };
  ring.put(exchanges.exchange(head, refused), 'unknown-host', 'no such host', 'error', 0, 1);
  assert.equal(ring.find('theirs')[0]?.detail, 'no such host');
  assert.equal(ring.find('0af7651916cd43dd8448eb211c80319c')[0]?.requestId, 'theirs');
});

test('the oldest records make room, and the reach says so', () => {
  const exchanges = new ExampleExchanges(new FakeClock());
  const ring = new DecisionRing(100);
  for (let index = 0; index < 250; index += 1) {
    ring.put(exchanges.exchange({}, { requestId: `r${index}` }), 'completed', '', 'sample', 0, 1_000 + index);
  }
  assert.ok(ring.length <= 100 && ring.length > 90);
  assert.deepEqual(ring.find('r100'), []);
  assert.equal(ring.find('r249').length, 1);
  assert.equal(ring.sinceMs, 1_000 + 250 - ring.length);
});

test('records with very long texts make room for themselves and never tear one another', () => {
  const exchanges = new ExampleExchanges(new FakeClock());
  const ring = new DecisionRing(200);
  for (let index = 0; index < 1_000; index += 1) {
    const path = `/${String(index).repeat(index % 90)}`;
    ring.put(
      exchanges.exchange({ path }, { requestId: `r${index}` }),
      'completed',
      'd'.repeat(index % 200),
      'error',
      0,
      1 + index,
    );
    const [record] = ring.find(`r${index}`);
    assert.equal(record?.path, path.slice(0, 160));
    assert.equal(record.pathCut, path.length > 160);
  }
  const held = Array.from({ length: 1_000 }, (_, index) => ring.find(`r${index}`)).flat();
  assert.equal(held.length, ring.length);
  for (const { requestId, path } of held) {
    const index = Number(requestId.slice(1));
    assert.equal(path, `/${String(index).repeat(index % 90)}`.slice(0, 160));
  }
});

test('what was passed over is decided again by the same routes with the fields they ask for', () => {
  const exchanges = new ExampleExchanges(new FakeClock(), [beta, routeRule({ rule: 'all' })]);
  const ring = new DecisionRing(10);
  const fields = { 'x-beta': 'no', authorization: 'Bearer secret' };
  ring.put(exchanges.exchange({ fields }), 'completed', '', 'sample', 0, 1);
  const hop = writeHop(ring.find(ID)[0]!, exchanges.version, 0);
  assert.equal(hop.rule, 'all');
  assert.deepEqual(
    hop.passedOver.map(({ rule, field, name, expected, actual }) => [rule, field, name, expected, actual]),
    [['beta', 'header', 'x-beta', 'yes', 'no']],
  );
  assert.doesNotMatch(JSON.stringify(hop), /secret/);
});

test('when the path was too long to be kept, nobody pretends to know what it passed', () => {
  const exchanges = new ExampleExchanges(new FakeClock(), [beta, routeRule({ rule: 'all' })]);
  const ring = new DecisionRing(10);
  ring.put(exchanges.exchange({ path: `/${'x'.repeat(400)}` }), 'completed', '', 'sample', 0, 1);
  const hop = writeHop(ring.find(ID)[0]!, exchanges.version, 0);
  assert.deepEqual(hop.passedOver, []);
  assert.match(hop.passedOverUnknown, /too long/);
});

test('of ten thousand routes a few decisions are gone through again and no more', () => {
  const many = Array.from({ length: 9_000 }, (_, index) =>
    routeRule({
      rule: `r${index}`,
      matches: [{ path: { type: 'Exact', value: `/x${index}` }, method: '', headers: [], queries: [], grpc: null }],
    }),
  );
  const exchanges = new ExampleExchanges(new FakeClock(), [...many, routeRule({ rule: 'all' })]);
  const ring = new DecisionRing(10);
  for (let index = 0; index < 4; index += 1) ring.put(exchanges.exchange(), 'completed', '', 'sample', 0, 1);
  const budget = new ExplanationBudget();
  const hops = ring.find(ID).map((record) => writeHop(record, exchanges.version, 0, budget));
  assert.deepEqual(
    hops.map(({ passedOver, passedOverCount }) => [passedOver.length, passedOverCount]),
    [
      [40, 9_000],
      [40, 9_000],
      [0, 0],
      [0, 0],
    ],
  );
  assert.match(hops[3]!.passedOverUnknown, /too many/);
});

test('tries that others followed are kept with their reasons and scores, eight of them at most', () => {
  const exchanges = new ExampleExchanges(new FakeClock());
  const base = exchanges.exchange();
  const failed = {
    endpoint: base.endpoint!,
    startedMs: 1_000.5,
    durationMs: 3,
    connectMs: -1,
    status: 0,
    code: 'connect-refused' as const,
    score: 2,
    rival: null,
    rivalScore: -0.5,
    reason: 'NeverSent',
    backoffMs: 4,
  };
  const ring = new DecisionRing(10);
  const failedTries = Array.from({ length: 12 }, () => failed);
  ring.put(exchanges.exchange({}, { failedTries, attempts: 13, durationMs: 200 }), 'completed', '', 'retried', 0, 1);
  const [record] = ring.find(ID);
  assert.equal(record?.tries.length, 8);
  const hop = writeHop(record, exchanges.version, 0);
  assert.equal(hop.attempts.length, 9);
  const { endpoint, startedMs, termination, retryReason, backoffMs, score } = hop.attempts[0]!;
  assert.deepEqual(
    { endpoint, startedMs, termination, retryReason, backoffMs, score },
    {
      endpoint: 'orders-1',
      startedMs: 0.5,
      termination: 'connect-refused',
      retryReason: 'NeverSent',
      backoffMs: 4,
      score: 2,
    },
  );
  assert.equal(hop.spent.backoffMs, 48);
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { Resource, ResourceKey, RouteRule } from '@weft/model';
import type { RequestView } from '@weft/routing';
import { FakeClock } from '@weft/testkit';
import { type DecisionRecord, explainRequest } from './decision-record.ts';
import { backendFixture, endpointsFixture, ruleFixture, weighted } from './rule-fixture.ts';
import { compileTables } from './table-compiler.ts';

function explained(rules: RouteRule[], path: string, endpoints = 2): DecisionRecord {
  const resources = new Map<ResourceKey, { resource: Resource; hash: string }>();
  for (const resource of [
    { type: 'routes', name: 'shop/orders:80', rules },
    backendFixture('shop/a:80'),
    endpointsFixture('shop/a:80', endpoints),
  ] satisfies Resource[]) {
    resources.set(`${resource.type}:${resource.name}`, { resource, hash: '1' });
  }
  const clock = new FakeClock();
  const { tables } = compileTables(resources, undefined, {
    clock,
    random: seededRandom(1),
    zone: '',
    namespace: 'shop',
  });
  const [plain = '', query = ''] = path.split('?');
  const view: RequestView = { method: 'GET', authority: 'orders', path: plain, query, valueOf: () => undefined };
  assert.equal(explainRequest(tables, 'shop/absent:80', view, 0), undefined);
  const record = explainRequest(tables, 'shop/orders:80', view, clock.nowMs());
  assert.ok(record);
  assert.equal(record.version, tables.version);
  return record;
}

const at = (value: string): RouteRule['matches'] => [
  { path: { type: 'PathPrefix', value }, method: '', headers: [], queries: [], grpc: null },
];

test('a record names the winner, what was passed over, the shares and the endpoints behind them', () => {
  const record = explained(
    [
      ruleFixture({ rule: 'all', matches: at('/') }),
      ruleFixture({
        rule: 'split',
        matches: at('/v1'),
        backends: weighted('shop/a:80*3', '*1', 'shop/absent:80*0'),
        filters: [{ type: 'URLRewrite', rewrite: { hostname: '', path: { type: 'ReplacePrefixMatch', value: '/' } } }],
      }),
    ],
    '/v1/x?q=1',
  );
  assert.equal(record.outcome, 'draw');
  assert.deepEqual(record.winner, { route: 'HTTPRoute shop/orders', rule: 'split', match: 0, path: 'PathPrefix /v1' });
  assert.deepEqual(
    record.passedOver.map(({ rule, field, name }) => [rule, field, name]),
    [['all', 'precedence', 'path length']],
  );
  assert.deepEqual(
    record.backends.map(({ backend, share, refused, target, endpointCount }) => [
      backend,
      share,
      refused,
      target,
      endpointCount,
    ]),
    [
      ['shop/a:80', 0.75, undefined, '/x?q=1', 2],
      ['', 0.25, 'backend-not-found', '/x?q=1', 0],
      ['shop/absent:80', 0, 'no-config', '/x?q=1', 0],
    ],
  );
  assert.deepEqual(
    record.backends[0]!.state?.endpoints.map(({ state }) => state),
    ['healthy', 'healthy'],
  );
  assert.equal(record.drawn, -1);
});

test('a refusal and a reply are told as they would be answered', () => {
  const none = explained([ruleFixture({ matches: at('/v1') })], '/x');
  assert.deepEqual(
    [none.outcome, none.code, none.winner, none.passedOver[0]?.field],
    ['refuse', 'no-route', undefined, 'path'],
  );
  const unweighted = explained([ruleFixture({ backends: weighted('shop/a:80*0') })], '/x');
  assert.deepEqual([unweighted.outcome, unweighted.code], ['refuse', 'backend-not-found']);
  const redirect = explained(
    [
      ruleFixture({
        filters: [
          {
            type: 'RequestRedirect',
            redirect: { scheme: 'https', hostname: '', path: null, port: 0, statusCode: 308 },
          },
        ],
      }),
    ],
    '/x',
  );
  assert.deepEqual([redirect.outcome, redirect.status, redirect.location], ['reply', 308, 'https://orders/x']);
  assert.deepEqual(redirect.backends, []);
});

test('a record is plain data of bounded size, however many rules and endpoints there are', () => {
  const rules = Array.from({ length: 5000 }, (_, index) =>
    ruleFixture({ rule: String(index), matches: at(`/r${index}`) }),
  );
  const record = explained([...rules, ruleFixture({ backends: weighted('shop/a:80') })], '/x', 500);
  assert.equal(record.passedOverCount, 5000);
  assert.equal(record.passedOver.length, 100);
  assert.equal(record.backends[0]?.endpointCount, 500);
  assert.equal(record.backends[0]?.state?.endpoints.length, 100);
  assert.ok(JSON.stringify(record).length < 100_000);
});

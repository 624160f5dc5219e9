import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { Resource, ResourceKey, RouteFilter, RouteRule } from '@weft/model';
import type { RequestView } from '@weft/routing';
import { FakeClock } from '@weft/testkit';
import { rewrittenTarget } from './compiled-rule.ts';
import { RouteDecision, type RouteTable, decide } from './decide.ts';
import { mirrorDrawn } from './mirror.ts';
import { backendFixture, endpointsFixture, ruleFixture, weighted } from './rule-fixture.ts';
import { compileTables } from './table-compiler.ts';

const held = ['shop/a:80', 'shop/b:80', 'shop/orders:80'];

function routesOf(rules: RouteRule[], name = 'shop/orders:80'): RouteTable {
  const resources = new Map<ResourceKey, { resource: Resource; hash: string }>();
  const put = (resource: Resource): void => {
    resources.set(`${resource.type}:${resource.name}`, { resource, hash: '1' });
  };
  put({ type: 'routes', name, rules });
  for (const key of held) {
    put(backendFixture(key));
    put(endpointsFixture(key, 2));
  }
  const environment = { clock: new FakeClock(), random: seededRandom(1), zone: '', namespace: 'shop' };
  const { tables, errors } = compileTables(resources, undefined, environment);
  assert.deepEqual(errors, []);
  const routes = tables.destination(name)?.routes;
  assert.ok(routes);
  return routes;
}

function request(path: string, authority = 'orders'): RequestView {
  const [plain = '', query = ''] = path.split('?');
  return { method: 'GET', authority, path: plain, query, valueOf: () => undefined };
}

function decided(routes: RouteTable, view: RequestView, random: () => number = () => 0): RouteDecision {
  const out = new RouteDecision();
  decide(routes, view, random, out);
  return out;
}

test('a request that matches is forwarded to the state of its backend', () => {
  const out = decided(routesOf([ruleFixture()]), request('/x'));
  assert.equal(out.kind, 'forward');
  assert.equal(out.code, 'completed');
  assert.equal(out.backend?.key, 'shop/orders:80');
  assert.equal(out.backendIndex, 0);
  assert.equal(out.rule?.route, 'HTTPRoute shop/orders');
});

test('no match under attached routes is refused as no-route', () => {
  const matches = [{ path: { type: 'Exact' as const, value: '/a' }, method: '', headers: [], queries: [], grpc: null }];
  const out = decided(routesOf([ruleFixture({ matches })]), request('/b'));
  assert.deepEqual([out.kind, out.code, out.rule, out.backend], ['refuse', 'no-route', undefined, undefined]);
});

test('what a decision held before is gone with the next', () => {
  const out = new RouteDecision();
  const forward = routesOf([ruleFixture()]);
  const none = routesOf([ruleFixture({ backends: [] })]);
  decide(forward, request('/'), () => 0, out);
  decide(none, request('/'), () => 0, out);
  assert.deepEqual(
    [out.kind, out.code, out.backend, out.backendIndex, out.choice],
    ['refuse', 'backend-not-found', undefined, -1, undefined],
  );
  decide(forward, request('/'), () => 0, out);
  assert.deepEqual([out.kind, out.code, out.detail, out.backendIndex], ['forward', 'completed', '', 0]);
});

test('weights are drawn in proportion; 0 draws nothing; unresolved shares are refused', () => {
  // Backends of the rule; share of each outcome: forwarded to a, to b, refused with a code.
  const rows: [string[], Record<string, number>][] = [
    [['shop/a:80*80', 'shop/b:80*20'], { 'shop/a:80': 0.8, 'shop/b:80': 0.2 }],
    [['shop/a:80*1', 'shop/b:80*0'], { 'shop/a:80': 1 }],
    [['shop/a:80*0', 'shop/b:80*3'], { 'shop/b:80': 1 }],
    [['shop/a:80*0', 'shop/b:80*0'], { 'backend-not-found': 1 }],
    [['shop/a:80*0'], { 'backend-not-found': 1 }],
    [[], { 'backend-not-found': 1 }],
    [['shop/a:80*9', '*1'], { 'shop/a:80': 0.9, 'backend-not-found': 0.1 }],
    [['*1'], { 'backend-not-found': 1 }],
    [['shop/a:80*1', 'shop/absent:80*1'], { 'shop/a:80': 0.5, 'no-config': 0.5 }],
    [
      ['shop/a:80*1000000', 'shop/b:80*1000000', 'shop/orders:80*1000000'],
      { 'shop/a:80': 1 / 3, 'shop/b:80': 1 / 3, 'shop/orders:80': 1 / 3 },
    ],
  ];
  const draws = 20_000;
  for (const [backends, shares] of rows) {
    const routes = routesOf([ruleFixture({ backends: weighted(...backends) })]);
    const random = seededRandom(11);
    const out = new RouteDecision();
    const counts: Record<string, number> = {};
    for (let index = 0; index < draws; index += 1) {
      decide(routes, request('/'), random, out);
      const key = out.kind === 'forward' ? out.backend!.key : out.code;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    assert.deepEqual(Object.keys(counts).sort(), Object.keys(shares).sort(), backends.join(' '));
    for (const [key, share] of Object.entries(shares)) {
      assert.ok(Math.abs(counts[key]! / draws - share) < 0.015, `${backends.join(' ')}: ${key} ${counts[key]}`);
    }
  }
});

test('a draw at the very end of the range falls on the last backend that has weight', () => {
  const routes = routesOf([ruleFixture({ backends: weighted('shop/a:80*1', 'shop/b:80*2', 'shop/orders:80*0') })]);
  assert.equal(decided(routes, request('/'), () => 1).backend?.key, 'shop/b:80');
});

test('a redirect answers before any backend is drawn, on the port of its service', () => {
  const redirect: RouteFilter = {
    type: 'RequestRedirect',
    redirect: { scheme: '', hostname: 'new.example', path: null, port: 0, statusCode: 301 },
  };
  const draw = (): number => assert.fail('nothing is drawn');
  const out = decided(routesOf([ruleFixture({ filters: [redirect], backends: [] })]), request('/x?q=1'), draw);
  assert.deepEqual([out.kind, out.code, out.backend], ['reply', 'filter-replied', undefined]);
  assert.deepEqual(out.reply, {
    status: 301,
    fields: [{ name: 'location', value: 'http://new.example/x?q=1' }],
    contentType: '',
    body: '',
  });
  const other = decided(routesOf([ruleFixture({ filters: [redirect] })], 'shop/orders:8080'), request('/'));
  assert.equal(other.reply?.fields[0]?.value, 'http://new.example:8080/');
});

test('a redirect of one backend answers its share only', () => {
  const backends = weighted('shop/a:80*1', 'shop/b:80*1').map((backend, index) => ({
    ...backend,
    filters: (index === 0
      ? []
      : [
          { type: 'RequestRedirect', redirect: { scheme: '', hostname: 'b', path: null, port: 0, statusCode: 302 } },
        ]) as RouteFilter[],
  }));
  const routes = routesOf([ruleFixture({ backends })]);
  assert.equal(decided(routes, request('/'), () => 0.1).kind, 'forward');
  assert.equal(decided(routes, request('/'), () => 0.9).kind, 'reply');
});

test("edits are the rule's and then the backend's; a rewrite of the backend stands before the rule's", () => {
  const set = (value: string): RouteFilter => ({
    type: 'RequestHeaderModifier',
    modifier: { set: [{ name: 'x-who', value }], add: [], remove: [] },
  });
  const rewrite = (value: string): RouteFilter => ({
    type: 'URLRewrite',
    rewrite: { hostname: '', path: { type: 'ReplacePrefixMatch', value } },
  });
  const routes = routesOf([
    ruleFixture({
      filters: [set('rule'), rewrite('/rule')],
      backends: [
        { backend: 'shop/a:80', weight: 1, filters: [set('backend'), rewrite('/backend')] },
        { backend: 'shop/b:80', weight: 1, filters: [] },
      ],
    }),
  ]);
  const [a, b] = [decided(routes, request('/x?q=1'), () => 0), decided(routes, request('/x?q=1'), () => 0.9)];
  assert.equal(a.choice?.requestEdits.lines.toString('latin1'), 'x-who: backend\r\n');
  assert.equal(b.choice?.requestEdits.lines.toString('latin1'), 'x-who: rule\r\n');
  assert.equal(rewrittenTarget(a.choice!, a.entry, request('/x?q=1')), '/backend/x?q=1');
  assert.equal(rewrittenTarget(b.choice!, b.entry, request('/x')), '/rule/x');
  const plain = decided(routesOf([ruleFixture()]), request('/'));
  assert.equal(rewrittenTarget(plain.choice!, plain.entry, request('/')), '');
});

test('mirrors are drawn by their fraction, and never when they do not resolve', () => {
  const mirror = (backend: string, numerator: number, denominator: number): RouteFilter => ({
    type: 'RequestMirror',
    mirror: { backend, numerator, denominator },
  });
  const filters = [
    mirror('shop/a:80', 1, 4),
    mirror('shop/b:80', 100, 100),
    mirror('', 100, 100),
    mirror('shop/a:80', 0, 100),
  ];
  const out = decided(routesOf([ruleFixture({ filters })]), request('/'));
  const random = seededRandom(3);
  const counts = out.choice!.mirrors.map((each) => {
    let count = 0;
    for (let index = 0; index < 4000; index += 1) if (mirrorDrawn(each, random)) count += 1;
    return count;
  });
  assert.ok(Math.abs(counts[0]! - 1000) < 100, String(counts[0]));
  assert.deepEqual(counts.slice(1), [4000, 0, 0]);
  assert.equal(out.choice?.mirrors[0]?.state?.key, 'shop/a:80');
});

test('statuses to retry are a table, ranges included', () => {
  const retries = {
    ...ruleFixture().retries,
    statuses: [
      { from: 500, to: 502 },
      { from: 409, to: 409 },
    ],
  };
  const { rule } = decided(routesOf([ruleFixture({ retries })]), request('/'));
  const named = [...rule!.retryStatuses.entries()].filter(([, on]) => on === 1).map(([status]) => status);
  assert.deepEqual(named, [409, 500, 501, 502]);
});

test('forwarding leaves no garbage behind, but for the number a draw among several backends takes', () => {
  const rule = ruleFixture({
    matches: [{ path: { type: 'PathPrefix', value: '/shop' }, method: '', headers: [], queries: [], grpc: null }],
  });
  const split = { ...rule, backends: weighted('shop/a:80*80', 'shop/b:80*20') };
  assert.ok(garbageBytes([ruleFixture(), rule]) < 2);
  // One boxed double, 12 or 16 bytes.
  assert.ok(garbageBytes([ruleFixture(), split]) < 18);
});

/** Bytes of garbage a decision makes. */
function garbageBytes(rules: RouteRule[]): number {
  const routes = routesOf(rules);
  const view = request('/shop/orders/7');
  const out = new RouteDecision();
  const draws = [0.1, 0.5, 0.9];
  let turn = 0;
  const random = (): number => draws[(turn = (turn + 1) % 3)]!;
  const turns = 50_000;
  let least = Number.POSITIVE_INFINITY;
  // The first rounds run before the compiler has seen enough; a collection in between only lowers the figure of a round.
  for (let round = 0; round < 8; round += 1) {
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < turns; index += 1) decide(routes, view, random, out);
    const grown = process.memoryUsage().heapUsed - before;
    if (grown >= 0) least = Math.min(least, grown);
  }
  assert.equal(out.kind, 'forward');
  return least / turns;
}

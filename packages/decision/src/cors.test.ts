import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { Cors, Resource, ResourceKey, RouteMatch, RouteRule } from '@weft/model';
import type { RequestView } from '@weft/routing';
import { FakeClock } from '@weft/testkit';
import { CorsRule } from './cors.ts';
import { RouteDecision, type RouteTable, decide } from './decide.ts';
import { explainRoutes } from './decision-record.ts';
import { backendFixture, endpointsFixture, ruleFixture } from './rule-fixture.ts';
import { compileTables } from './table-compiler.ts';

function cors(fields: Partial<Cors> = {}): Cors {
  return {
    allowOrigins: ['https://shop.example'],
    allowCredentials: false,
    allowMethods: [],
    allowHeaders: [],
    exposeHeaders: [],
    maxAgeS: 5,
    ...fields,
  };
}

function routesOf(rules: RouteRule[]): RouteTable {
  const name = 'shop/orders:80';
  const resources = new Map<ResourceKey, { resource: Resource; hash: string }>();
  for (const resource of [
    { type: 'routes' as const, name, rules },
    backendFixture(name),
    endpointsFixture(name, 1),
    backendFixture('shop/other:80'),
    endpointsFixture('shop/other:80', 1),
  ]) {
    resources.set(`${resource.type}:${resource.name}`, { resource, hash: JSON.stringify(resource) });
  }
  const environment = { clock: new FakeClock(), random: seededRandom(1), zone: '', namespace: 'shop' };
  const { tables, errors } = compileTables(resources, undefined, environment);
  assert.deepEqual(errors, []);
  return tables.destination(name)!.routes;
}

function request(method: string, path: string, headers: Record<string, string> = {}): RequestView {
  return { method, authority: 'orders', path, query: '', valueOf: (name) => headers[name] };
}

function preflight(method: string, origin = 'https://shop.example', headers = ''): RequestView {
  return request('OPTIONS', '/orders', {
    origin,
    'access-control-request-method': method,
    ...(headers === '' ? {} : { 'access-control-request-headers': headers }),
  });
}

function decided(routes: RouteTable, view: RequestView, random = 0): RouteDecision {
  const out = new RouteDecision();
  decide(routes, view, () => random, out);
  return out;
}

function fieldsOf(out: RouteDecision): Record<string, string> {
  assert.equal(out.kind, 'reply');
  assert.equal(out.reply?.status, 204);
  return Object.fromEntries(out.reply!.fields.map(({ name, value }) => [name, value]));
}

test('an origin may read when it is listed, whatever its case and its default port, or covered by a star', () => {
  const rule = new CorsRule(
    cors({
      allowOrigins: ['https://shop.example:443', 'http://localhost:8080', 'https://*.web.example', 'http://*:99'],
    }),
  );
  const may = ['https://shop.example', 'https://Shop.example', 'http://localhost:8080', 'https://a.b.web.example'];
  for (const origin of [...may, 'https://a.web.example:443', 'http://x:99']) {
    assert.equal(rule.allowedOrigin(origin), origin, origin);
  }
  const not = ['http://shop.example', 'https://shop.example:444', 'https://web.example', 'https://.web.example'];
  for (const origin of [...not, 'https://a.web.example:8443', 'null', '', 'http://x', 'https://a.web.example.evil']) {
    assert.equal(rule.allowedOrigin(origin), undefined, origin);
  }
  assert.equal(new CorsRule(cors({ allowOrigins: ['*'] })).allowedOrigin('null'), '*');
  assert.equal(new CorsRule(cors({ allowOrigins: ['*'], allowCredentials: true })).allowedOrigin('null'), 'null');
  assert.equal(new CorsRule(cors({ allowOrigins: [] })).allowedOrigin('https://shop.example'), undefined);
});

test('a preflight is answered with what is allowed, and one from elsewhere with nothing', () => {
  const filter = cors({ allowMethods: ['PUT', 'DELETE'], allowHeaders: ['x-a', 'x-b'], maxAgeS: 600 });
  const routes = routesOf([ruleFixture({ filters: [{ type: 'CORS', cors: filter }] })]);
  const vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
  assert.deepEqual(fieldsOf(decided(routes, preflight('PUT'))), {
    vary,
    'access-control-allow-origin': 'https://shop.example',
    'access-control-allow-methods': 'PUT, DELETE',
    'access-control-allow-headers': 'x-a, x-b',
    'access-control-max-age': '600',
  });
  assert.deepEqual(fieldsOf(decided(routes, preflight('PUT', 'https://evil.example'))), { vary });
});

test('with credentials what was asked for is said in place of a star', () => {
  const open = { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'] };
  const answer = (fields: Partial<Cors>, headers: string): Record<string, string> =>
    fieldsOf(
      decided(
        routesOf([ruleFixture({ filters: [{ type: 'CORS', cors: cors(fields) }] })]),
        preflight('PATCH', 'https://any.example', headers),
      ),
    );
  const plain = answer(open, 'x-a');
  assert.equal(plain['access-control-allow-origin'], '*');
  assert.equal(plain['access-control-allow-methods'], '*');
  assert.equal(plain['access-control-allow-headers'], '*');
  const bound = answer({ ...open, allowCredentials: true }, 'x-a, x-b');
  assert.equal(bound['access-control-allow-origin'], 'https://any.example');
  assert.equal(bound['access-control-allow-credentials'], 'true');
  assert.equal(bound['access-control-allow-methods'], 'PATCH');
  assert.equal(bound['access-control-allow-headers'], 'x-a, x-b');
  assert.ok(!('access-control-allow-headers' in answer({ ...open, allowCredentials: true }, '')));
});

test('a preflight finds the rule of the method it asks about; OPTIONS that is none goes to the application', () => {
  const at = (method: string): RouteMatch[] => [
    { path: { type: 'PathPrefix', value: '/orders' }, method, headers: [], queries: [], grpc: null },
  ];
  const routes = routesOf([
    ruleFixture({ rule: 'put', matches: at('PUT'), filters: [{ type: 'CORS', cors: cors() }] }),
    ruleFixture({ rule: 'post', matches: at('POST') }),
    ruleFixture({ rule: 'rest' }),
  ]);
  assert.equal(decided(routes, preflight('PUT')).rule?.rule, 'put');
  assert.equal(decided(routes, preflight('PUT')).kind, 'reply');
  assert.equal(decided(routes, preflight('POST')).rule?.rule, 'rest');
  const plain = decided(routes, request('OPTIONS', '/orders', { origin: 'https://shop.example' }));
  assert.deepEqual([plain.kind, plain.rule?.rule], ['forward', 'rest']);
  for (const view of [preflight('PUT'), preflight('POST'), request('PUT', '/orders')]) {
    const record = explainRoutes('', routes, view, 0);
    assert.equal(record.winner?.rule, decided(routes, view).rule?.rule);
  }
});

test("a backend's own filter answers for its share, the rule's for the others", () => {
  const own = cors({ allowOrigins: ['https://own.example'] });
  const routes = routesOf([
    ruleFixture({
      filters: [{ type: 'CORS', cors: cors() }],
      backends: [
        { backend: 'shop/orders:80', weight: 1, filters: [] },
        { backend: 'shop/other:80', weight: 1, filters: [{ type: 'CORS', cors: own }] },
      ],
    }),
  ]);
  const allowed = (random: number, origin: string): string | undefined =>
    fieldsOf(decided(routes, preflight('GET', origin), random))['access-control-allow-origin'];
  assert.equal(allowed(0, 'https://shop.example'), 'https://shop.example');
  assert.equal(allowed(0, 'https://own.example'), undefined);
  assert.equal(allowed(0.9, 'https://own.example'), 'https://own.example');
  assert.equal(allowed(0.9, 'https://shop.example'), undefined);
});

test('a reply of our own can be read where the response could be', () => {
  const rule = new CorsRule(cors({ exposeHeaders: ['grpc-status', 'grpc-message'], allowCredentials: true }));
  assert.deepEqual(rule.replyFields('https://shop.example'), [
    { name: 'vary', value: 'Origin' },
    { name: 'access-control-allow-origin', value: 'https://shop.example' },
    { name: 'access-control-allow-credentials', value: 'true' },
    { name: 'access-control-expose-headers', value: 'grpc-status, grpc-message' },
  ]);
  assert.deepEqual(rule.replyFields('https://evil.example'), [{ name: 'vary', value: 'Origin' }]);
  assert.deepEqual(new CorsRule(cors({ allowOrigins: ['*'] })).replyFields(''), []);
});

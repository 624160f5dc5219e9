import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { Backend, Resource, ResourceKey, RouteRule } from '@weft/model';
import { FakeClock } from '@weft/testkit';
import { backendFixture, endpointsFixture, ruleFixture, weighted } from './rule-fixture.ts';
import { type ReceivedResource, compileTables, compileTablesInSlices, emptyTables } from './table-compiler.ts';
import type { Tables } from './tables.ts';

const environment = { clock: new FakeClock(), random: seededRandom(1), zone: 'a', namespace: 'shop' };

/** The resources of a process, changed by hand as a stream of transactions would. */
class Resources extends Map<ResourceKey, ReceivedResource> {
  put(resource: Resource, hash = '1'): this {
    return this.set(`${resource.type}:${resource.name}`, { resource, hash });
  }
}

function compile(resources: Resources, previous?: Tables): Tables {
  const { tables, errors } = compileTables(resources, previous, environment);
  assert.deepEqual(errors, []);
  return tables;
}

function shop(rules: RouteRule[] = [ruleFixture()]): Resources {
  return new Resources()
    .put({
      type: 'mesh',
      name: 'default',
      trustDomain: 'cluster.local',
      trustDomainAliases: [],
      egress: 'AllowAny',
      gatewayProxyProtocol: false,
    })
    .put({
      type: 'names',
      name: 'shop',
      services: [{ service: 'orders', ports: [{ port: 80, name: '', protocol: 'Http1' }], addresses: [] }],
    })
    .put({ type: 'routes', name: 'shop/orders:80', rules })
    .put(backendFixture('shop/orders:80'))
    .put(endpointsFixture('shop/orders:80', 3));
}

const badRule = ruleFixture({
  matches: [{ path: { type: 'RegularExpression', value: '/(' }, method: '', headers: [], queries: [], grpc: null }],
});

test('a process that has received nothing allows nothing outside and knows no name', () => {
  const tables = emptyTables(environment);
  assert.equal(tables.mesh.egress, 'DeclaredOnly');
  assert.equal(tables.names.resolve('orders', 80, 'shop'), '');
  assert.deepEqual([...tables.listeners()], []);
});

test('a view becomes tables', () => {
  const resources = shop()
    .put({
      type: 'inbound',
      telemetry: null,
      name: 'shop/cart',
      identity: 'spiffe://cluster.local/ns/shop/sa/cart',
      ports: [{ port: 8080, name: 'http', protocol: 'Http1', mtls: 'Strict' }],
    })
    .put({
      type: 'listener',
      name: 'shop/edge/http',
      port: 8000,
      protocol: 'Http',
      hostname: '',
      rules: [ruleFixture()],
      certificates: [],
    })
    .put({
      type: 'listener',
      name: 'shop/edge/wild',
      port: 8000,
      protocol: 'Http',
      hostname: '*.example',
      rules: [],
      certificates: [],
    })
    .put({
      type: 'listener',
      name: 'shop/edge/exact',
      port: 8000,
      protocol: 'Http',
      hostname: 'a.example',
      rules: [],
      certificates: [],
    });
  const tables = compile(resources);
  assert.equal(tables.mesh.trustDomain, 'cluster.local');
  assert.equal(tables.names.resolve('orders', 80, 'shop'), 'shop/orders:80');
  const destination = tables.destination('shop/orders:80');
  assert.equal(destination?.routes.rules[0]?.backends[0]?.state, tables.backend('shop/orders:80'));
  assert.equal(destination?.backend, tables.backend('shop/orders:80'));
  assert.equal(tables.backend('shop/orders:80')?.endpoints.length, 3);
  assert.equal(tables.destination('shop/absent:80'), undefined);
  assert.equal(tables.inbound(8080)?.mtls, 'Strict');
  assert.equal(tables.inbound(8081), undefined);
  assert.equal(tables.listener('shop/edge/http')?.routes.origin.port, 8000);
  assert.equal(tables.listenerFor(8000, 'A.example:8000')?.name, 'shop/edge/exact');
  assert.equal(tables.listenerFor(8000, 'b.example')?.name, 'shop/edge/wild');
  assert.equal(tables.listenerFor(8000, 'example')?.name, 'shop/edge/http');
  assert.equal(tables.listenerFor(8001, 'a.example'), undefined);
});

test('what did not change is taken over, state and all', () => {
  const resources = shop();
  const first = compile(resources);
  const second = compile(resources, first);
  assert.equal(second.destination('shop/orders:80')?.routes, first.destination('shop/orders:80')?.routes);
  assert.equal(second.backend('shop/orders:80'), first.backend('shop/orders:80'));
  assert.equal(second.names, first.names);
  assert.equal(second.version, first.version);
});

test('a change of endpoints keeps the backend, its unchanged endpoints and the compiled routes', () => {
  const resources = shop();
  const first = compile(resources);
  const before = first.backend('shop/orders:80')!.endpoints[0];
  resources.put(endpointsFixture('shop/orders:80', 4), '2');
  const second = compile(resources, first);
  assert.equal(second.backend('shop/orders:80'), first.backend('shop/orders:80'));
  assert.equal(second.backend('shop/orders:80')!.endpoints.length, 4);
  assert.equal(second.backend('shop/orders:80')!.endpoints[0], before);
  assert.equal(second.destination('shop/orders:80')?.routes, first.destination('shop/orders:80')?.routes);
  assert.notEqual(second.version, first.version);
  resources.delete('endpoints:shop/orders:80');
  const third = compile(resources, second);
  assert.equal(third.backend('shop/orders:80')!.endpoints.length, 0);
});

test('a backend that comes or goes is bound anew to routes that did not change, and the older tables stay as they were', () => {
  const rules = [
    ruleFixture(),
    ruleFixture({
      backends: weighted('shop/late:80'),
      filters: [{ type: 'RequestMirror', mirror: { backend: 'shop/late:80', numerator: 1, denominator: 1 } }],
    }),
  ];
  const resources = shop(rules);
  const bound = (tables: Tables) => tables.destination('shop/orders:80')!.routes.rules[1]!.backends[0]!;
  const first = compile(resources);
  assert.equal(bound(first).state, undefined);
  resources.put(backendFixture('shop/late:80')).put(endpointsFixture('shop/late:80', 1));
  const second = compile(resources, first);
  assert.equal(bound(second).state?.key, 'shop/late:80');
  assert.equal(bound(second).mirrors[0]?.state?.key, 'shop/late:80');
  assert.equal(bound(first).state, undefined);
  const routes = (tables: Tables) => tables.destination('shop/orders:80')!.routes;
  assert.equal(routes(second).match, routes(first).match);
  assert.equal(routes(second).rules[0], routes(first).rules[0]);
  resources.delete('backend:shop/late:80');
  const third = compile(resources, second);
  assert.equal(bound(third).state, undefined);
  assert.equal(bound(second).state?.key, 'shop/late:80');
});

test('a resource that does not compile is refused alone, and its last good form serves on', () => {
  const resources = shop();
  const first = compile(resources);
  resources
    .put({ type: 'routes', name: 'shop/orders:80', rules: [badRule, badRule] }, 'bad')
    .put({ type: 'routes', name: 'shop/cart:80', rules: [ruleFixture()] })
    .put({ type: 'routes', name: 'shop/new:80', rules: [badRule] });
  const { tables, errors } = compileTables(resources, first, environment);
  assert.deepEqual(
    errors.map(({ key }) => key),
    ['routes:shop/orders:80', 'routes:shop/new:80'],
  );
  assert.match(errors[0]!.message, /^HTTPRoute shop\/orders rule 0: matches\[0\]\.path\.value: error parsing regexp/);
  assert.equal(tables.destination('shop/orders:80')?.routes, first.destination('shop/orders:80')?.routes);
  assert.ok(tables.destination('shop/cart:80'));
  assert.equal(tables.destination('shop/new:80'), undefined);
  const again = compileTables(resources, tables, environment);
  assert.deepEqual(again.errors, errors);
  assert.equal(again.tables.version, tables.version);
  const healed = compile(
    shop([ruleFixture({ rule: 'fixed' })]).put(
      { type: 'routes', name: 'shop/orders:80', rules: [ruleFixture({ rule: 'fixed' })] },
      '3',
    ),
    again.tables,
  );
  assert.equal(healed.destination('shop/orders:80')?.routes.rules[0]?.rule, 'fixed');
});

test('last good routes follow backends that come later', () => {
  const resources = shop([ruleFixture({ backends: weighted('shop/late:80') })]);
  const first = compile(resources);
  resources
    .put({ type: 'routes', name: 'shop/orders:80', rules: [badRule] }, 'bad')
    .put(backendFixture('shop/late:80'));
  const { tables } = compileTables(resources, first, environment);
  assert.equal(tables.destination('shop/orders:80')?.routes.rules[0]?.backends[0]?.state?.key, 'shop/late:80');
});

test('filters that no codec would write are refused with the place of the field', () => {
  const rows: [RouteRule, RegExp][] = [
    [
      ruleFixture({ filters: [{ type: 'URLRewrite', rewrite: { hostname: 'a b', path: null } }] }),
      /filters\[0\]\.urlRewrite\.hostname/,
    ],
    [
      ruleFixture({
        filters: [
          { type: 'URLRewrite', rewrite: { hostname: '', path: { type: 'ReplaceFullPath', value: '/a\r\nx: y' } } },
        ],
      }),
      /filters\[0\]\.urlRewrite\.path/,
    ],
    [
      ruleFixture({
        filters: [
          {
            type: 'RequestHeaderModifier',
            modifier: { set: [{ name: 'content-length', value: '1' }], add: [], remove: [] },
          },
        ],
      }),
      /backendRefs\[0\]\.filters: requestHeaderModifier: content-length: protected-field/,
    ],
    [
      ruleFixture({
        filters: [
          { type: 'ResponseHeaderModifier', modifier: { set: [{ name: 'x', value: 'a\nb' }], add: [], remove: [] } },
        ],
      }),
      /responseHeaderModifier: x: bad-value/,
    ],
  ];
  for (const [rule, message] of rows) {
    const { errors } = compileTables(shop([rule]), undefined, environment);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!.message, message);
  }
});

test('a backend whose policy its machines refuse is an error of its own, and what served before serves on', () => {
  const resources = shop();
  const first = compile(resources);
  const broken = { ...backendFixture('shop/orders:80'), loadBalancer: null } as unknown as Backend;
  resources
    .put(broken, 'bad')
    .put({ ...broken, name: 'shop/new:80' })
    .put(backendFixture('shop/fine:80'));
  const { tables, errors } = compileTables(resources, first, environment);
  assert.deepEqual(
    errors.map(({ key }) => key),
    ['backend:shop/orders:80', 'backend:shop/new:80'],
  );
  assert.equal(tables.backend('shop/orders:80'), first.backend('shop/orders:80'));
  assert.equal(tables.held.get('backend:shop/orders:80')?.hash, '1');
  assert.equal(tables.backend('shop/new:80'), undefined);
  assert.ok(tables.backend('shop/fine:80'));
});

test('a resource under a key that is not its own is refused', () => {
  const resources = shop();
  const [, received] = [...resources].find(([key]) => key.startsWith('backend:'))!;
  resources.set('backend:shop/other:80', received);
  const { tables, errors } = compileTables(resources, undefined, environment);
  assert.deepEqual(
    errors.map(({ key }) => key),
    ['backend:shop/other:80'],
  );
  assert.equal(tables.backend('shop/other:80'), undefined);
});

test('the version tells what is held, whatever the order it came in', () => {
  const resources = shop();
  const reversed = new Resources([...resources].toReversed());
  assert.equal(compile(reversed).version, compile(resources).version);
  assert.match(compile(resources).version, /^[0-9a-f]{16}$/);
  const changed = compile(shop().put(endpointsFixture('shop/orders:80', 3), '2'));
  assert.notEqual(changed.version, compile(resources).version);
});

test('the same resources give the same tables in slices as at once, and no slice holds more than its share', () => {
  const rules = Array.from({ length: 2000 }, (_, index) =>
    ruleFixture({
      rule: String(index),
      matches: [
        { path: { type: 'PathPrefix', value: `/r${index}` }, method: '', headers: [], queries: [], grpc: null },
      ],
    }),
  );
  const resources = shop(rules);
  for (let index = 0; index < 200; index += 1) {
    resources.put(backendFixture(`shop/b${index}:80`)).put(endpointsFixture(`shop/b${index}:80`, 10));
  }
  const slices = compileTablesInSlices(resources, undefined, environment);
  let count = 0;
  let slice = slices.next();
  for (; slice.done !== true; slice = slices.next()) count += 1;
  const { tables } = slice.value;
  assert.ok(count > 150, `${count} slices`);
  assert.equal(tables.version, compile(resources).version);
  assert.equal(tables.destination('shop/orders:80')?.routes.rules.length, 2000);
  assert.equal([...tables.backends()].length, 201);
});

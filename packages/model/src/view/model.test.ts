import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { canonicalBytes } from '../canonical/canonical-bytes.ts';
import { type ConfigObject, type ObjectKey, keyOf } from '../kinds/kind-table.ts';
import { readObject } from '../reader/object-reader.ts';
import { statusOf } from '../status/object-status.ts';
import { type Change, Model, destinations } from './model.ts';
import { addressKey } from './destination.ts';
import { resolveEndpoints } from './resolve-endpoints.ts';
import { resolveResource } from './resolve-resource.ts';
import { closure, resolveRoutes } from './resolve-routes.ts';
import type { ResourceKey } from './resource.ts';
import type { WorkloadInstance } from './workload-index.ts';

function object(kind: string, name: string, spec: unknown, namespace = 'default', metadata: object = {}): ConfigObject {
  const group: Readonly<Record<string, string>> = { Service: 'v1', Namespace: 'v1' };
  const gatewayApi = ['Gateway', 'GatewayClass', 'HTTPRoute', 'GRPCRoute'].includes(kind)
    ? 'gateway.networking.k8s.io/v1'
    : undefined;
  const apiVersion =
    group[kind] ??
    gatewayApi ??
    (kind === 'ReferenceGrant' ? 'gateway.networking.k8s.io/v1beta1' : 'weft.dev/v1alpha1');
  const scoped = ['Mesh', 'GatewayClass', 'Namespace'].includes(kind) ? {} : { namespace };
  const { object, problems } = readObject({ apiVersion, kind, metadata: { name, ...scoped, ...metadata }, spec });
  assert.deepEqual(problems, []);
  return object!;
}

const upsert = (object: ConfigObject): Change => ({ type: 'Upsert', object });
const service = (name: string, namespace = 'default'): ConfigObject =>
  object('Service', name, { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] }, namespace);
const entry = (name: string, app: string, address = '127.0.0.1'): ConfigObject =>
  object('WorkloadEntry', name, { address, labels: { app } });
const route = (name: string, parent: string, to: string, namespace = 'default'): ConfigObject =>
  object(
    'HTTPRoute',
    name,
    {
      parentRefs: [{ group: '', kind: 'Service', name: parent, namespace: 'default' }],
      rules: [{ backendRefs: [{ name: to, namespace: 'default', port: 80 }] }],
    },
    namespace,
  );
const instance = (workload: string, extra: Partial<WorkloadInstance> = {}): WorkloadInstance => ({
  workload,
  namespace: 'default',
  serviceAccount: 'default',
  labels: {},
  zone: '',
  weight: 100,
  ports: [{ name: '', applicationPort: 8080, meshPort: 19_000 }],
  address: '127.0.0.1',
  identity: 'spiffe://cluster.local/ns/default/sa/default',
  draining: false,
  ...extra,
});

function everything(model: Model): Buffer {
  const keys = new Set<ResourceKey>(['mesh:default', 'names:default', 'names:web']);
  for (const key of destinations(model)) keys.add(`routes:${key}`).add(`backend:${key}`).add(`endpoints:${key}`);
  for (const key of model.workloads.keys()) keys.add(`inbound:${key}`);
  const resources = [...keys]
    .sort()
    .flatMap((key) => ['default', 'web'].map((caller) => resolveResource(model, key, caller) ?? null));
  return canonicalBytes(resources);
}

test('any order of arrival, with detours, gives the same bytes', () => {
  const changes: Change[] = [
    upsert(
      object('Mesh', 'default', { trustDomain: 'weft.test', defaults: { traffic: { timeouts: { connect: '2s' } } } }),
    ),
    ...['a', 'b', 'c'].map((name) => upsert(service(name))),
    ...[0, 1, 2, 3, 4].map((index) => upsert(entry(`w${index}`, index % 2 === 0 ? 'a' : 'b'))),
    upsert(route('r1', 'a', 'b')),
    upsert(route('r2', 'a', 'c')),
    upsert(route('mine', 'a', 'b', 'web')),
    upsert(
      object('TrafficPolicy', 'p1', {
        targetRefs: [{ group: '', kind: 'Service', name: 'a' }],
        retries: { attempts: 1 },
      }),
    ),
    upsert(
      object('TrafficPolicy', 'p2', {
        targetRefs: [{ group: '', kind: 'Service', name: 'a' }],
        retries: { attempts: 5 },
      }),
    ),
    upsert(object('AuthenticationPolicy', 's', { selector: { matchLabels: { app: 'b' } }, mtls: { mode: 'Strict' } })),
    { type: 'UpsertInstance', instance: instance('default/w1') },
    { type: 'UpsertInstance', instance: instance('default/own', { labels: { app: 'a' } }) },
  ];
  const random = seededRandom(7);
  const detours: Change[][] = [
    [upsert(entry('w0', 'c')), upsert(entry('gone', 'a'))],
    [upsert(object('Service', 'a', { selector: { app: 'b' }, ports: [{ port: 81 }] }))],
    [{ type: 'UpsertInstance', instance: instance('default/own', { labels: { app: 'c' }, draining: true }) }],
  ];
  let expected: Buffer | undefined;
  for (let round = 0; round < 50; round += 1) {
    const model = new Model();
    if (round > 0) for (const detour of detours) if (random() < 0.5) model.applyChanges(detour);
    const shuffled = changes.map((change) => ({ change, at: random() })).sort((left, right) => left.at - right.at);
    for (const { change } of shuffled) model.applyChanges([change]);
    model.applyChanges([{ type: 'Remove', key: 'WorkloadEntry/default/gone' }]);
    expected ??= everything(model);
    assert.deepEqual(everything(model), expected, `round ${round}`);
  }
});

test('whatever a change alters is among the resources and objects it names', () => {
  const model = new Model();
  const random = seededRandom(11);
  const names = ['a', 'b', 'c'];
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const traffic = (): ConfigObject => {
    const targets = [
      undefined,
      [{ group: '', kind: 'Service', name: pick(names), namespace: 'default' }],
      [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: pick(['r1', 'r2']) }],
    ];
    const targetRefs = pick(targets);
    return object(
      'TrafficPolicy',
      pick(['p', 'q']),
      { ...(targetRefs && { targetRefs }), timeouts: { request: `${1 + Math.floor(random() * 9)}s` } },
      pick(['default', 'web']),
    );
  };
  const moves: readonly (() => Change)[] = [
    () => upsert(service(pick(names))),
    () =>
      upsert(
        object('Service', pick(names), {
          selector: { app: pick(names) },
          ports: [{ port: pick([80, 81]), appProtocol: pick(['http', 'mysql']) }],
        }),
      ),
    () => ({ type: 'Remove', key: `Service/default/${pick(names)}` }),
    () => upsert(entry(pick(['w0', 'w1', 'w2']), pick(names), pick(['10.0.0.1', '10.0.0.2']))),
    () => ({ type: 'Remove', key: `WorkloadEntry/default/${pick(['w0', 'w1', 'w2'])}` }),
    () => upsert(route(pick(['r1', 'r2']), pick(names), pick(names), pick(['default', 'web']))),
    () => ({ type: 'Remove', key: `HTTPRoute/${pick(['default', 'web'])}/${pick(['r1', 'r2'])}` }),
    () =>
      upsert(
        object(
          'GRPCRoute',
          pick(['r0', 'g1']),
          {
            parentRefs: [
              pick([
                { group: '', kind: 'Service', name: pick(names), namespace: 'default' },
                { name: 'edge', namespace: 'default' },
              ]),
            ],
            hostnames: pick([[], ['a.example'], ['b.example']]),
            rules: [{ matches: [{ method: { service: pick(['s.A', 's.B']) } }] }],
          },
          pick(['default', 'web']),
        ),
      ),
    () => ({ type: 'Remove', key: `GRPCRoute/${pick(['default', 'web'])}/${pick(['r0', 'g1'])}` }),
    () => upsert(traffic()),
    () => ({ type: 'Remove', key: `TrafficPolicy/${pick(['default', 'web'])}/${pick(['p', 'q'])}` }),
    () =>
      upsert(
        object('AuthenticationPolicy', 'auth', {
          ...pick([
            {},
            { selector: { matchLabels: { app: pick(names) } } },
            { targetRefs: [{ group: '', kind: 'Service', name: pick(names) }] },
          ]),
          mtls: { mode: pick(['Strict', 'Disabled']) },
        }),
      ),
    () => ({ type: 'Remove', key: 'AuthenticationPolicy/default/auth' }),
    () => ({
      type: 'UpsertInstance',
      instance: instance(`default/${pick(['w0', 'w9'])}`, { labels: { app: pick(names) }, draining: random() < 0.3 }),
    }),
    () => ({ type: 'RemoveInstance', workload: `default/${pick(['w0', 'w9'])}` }),
    () =>
      upsert(
        object('ReferenceGrant', 'g', {
          from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'web' }],
          to: [{ group: '', kind: 'Service', name: pick(names) }],
        }),
      ),
    () => ({ type: 'Remove', key: 'ReferenceGrant/default/g' }),
    () =>
      upsert(
        object('Mesh', 'default', {
          trustDomain: pick(['a.test', 'b.test']),
          defaults: { authentication: { mtls: { mode: pick(['Strict', 'Permissive']) } } },
        }),
      ),
    () => ({ type: 'Remove', key: 'Mesh//default' }),
    () =>
      upsert(
        object('GatewayClass', 'weft', { controllerName: pick(['weft.dev/gateway-controller', 'other.example/x']) }),
      ),
    () =>
      upsert(
        object('Gateway', 'edge', {
          gatewayClassName: 'weft',
          listeners: [
            {
              name: 'http',
              port: pick([80, 81]),
              protocol: 'HTTP',
              allowedRoutes: { namespaces: { from: 'Selector', selector: { matchLabels: { edge: 'yes' } } } },
            },
          ],
        }),
      ),
    () => upsert(object('Namespace', 'web', {}, '', { labels: pick([{ edge: 'yes' }, {}]) })),
    () =>
      upsert(
        object(
          'HTTPRoute',
          'edge',
          {
            parentRefs: [{ name: 'edge', namespace: 'default' }],
            hostnames: pick([[], ['*.example'], ['b.example']]),
            rules: [{ backendRefs: [{ name: pick(names), namespace: 'default', port: 80 }] }],
          },
          'web',
        ),
      ),
    () =>
      upsert(
        object('TrafficPolicy', 'edge', {
          targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' }],
          timeouts: { request: pick(['1s', '2s']) },
        }),
      ),
  ];
  const watched: ResourceKey[] = ['mesh:default', 'names:default', 'listener:default/edge/http'];
  for (const name of names)
    for (const port of [80, 81])
      watched.push(
        `routes:default/${name}:${port}`,
        `backend:default/${name}:${port}`,
        `endpoints:default/${name}:${port}`,
      );
  for (const name of ['w0', 'w1', 'w2', 'w9']) watched.push(`inbound:default/${name}`);
  const snapshot = (): Map<string, string> =>
    new Map(
      watched.flatMap((key) =>
        ['default', 'web'].map((caller) => [
          `${key}@${caller}`,
          canonicalBytes(resolveResource(model, key, caller) ?? null).toString(),
        ]),
      ),
    );
  const statuses = (): Map<ObjectKey, string> =>
    new Map([...model.objects()].map((each) => [keyOf(each), JSON.stringify(statusOf(model, keyOf(each)))]));
  let before = snapshot();
  let statusBefore = statuses();
  for (let step = 0; step < 3_000; step += 1) {
    const change = pick(moves)();
    const effect = model.applyChanges([change]);
    const after = snapshot();
    for (const [key, bytes] of after) {
      if (before.get(key) === bytes) continue;
      const resource = key.slice(0, key.indexOf('@')) as ResourceKey;
      assert.ok(
        effect.resources.has(resource),
        `step ${step}: ${resource} changed unannounced by ${JSON.stringify(change)}`,
      );
    }
    const statusAfter = statuses();
    for (const key of new Set([...statusBefore.keys(), ...statusAfter.keys()])) {
      if (statusBefore.get(key) === statusAfter.get(key)) continue;
      assert.ok(
        effect.objects.has(key),
        `step ${step}: status of ${key} changed unannounced by ${JSON.stringify(change)}`,
      );
    }
    statusBefore = statusAfter;
    before = after;
  }
});

test('one endpoint among 100,000 costs what its own service has, not what the mesh has', () => {
  const model = new Model();
  const changes: Change[] = [];
  for (let index = 0; index < 10_000; index += 1) {
    const name = `s${index}`;
    changes.push(upsert(service(name)), upsert(route(`r${index}`, name, name)));
    for (let each = 0; each < 10; each += 1) changes.push(upsert(plainEntry(`${name}-${each}`, name, '10.0.0.1')));
  }
  model.applyChanges(changes);
  assert.equal(resolveEndpoints(model, 'default/s77:80')?.endpoints.length, 10);
  const before = model.workloads.visited;
  const effect = model.applyChanges([upsert(plainEntry('s77-3', 's77', '10.0.0.2'))]);
  assert.deepEqual([...effect.resources].sort(), ['endpoints:default/s77:80', 'inbound:default/s77-3']);
  const endpoints = resolveEndpoints(model, 'default/s77:80')?.endpoints;
  assert.equal(endpoints?.find(({ address }) => address === '10.0.0.2')?.key, 'default/s77-3:8080');
  assert.ok(model.workloads.visited - before <= 13, `looked at ${model.workloads.visited - before} objects`);
});

/** As the reader gives it; reading 100,000 would be most of the test. */
function plainEntry(name: string, app: string, address: string): ConfigObject {
  return {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'WorkloadEntry',
    metadata: { name, namespace: 'default', labels: {}, generation: 0, createdAtMs: 0 },
    spec: { address, labels: { app } },
  };
}

test('the closure of routes names every backend and mirror once', () => {
  const model = new Model();
  const spec = {
    parentRefs: [{ group: '', kind: 'Service', name: 'a' }],
    rules: [
      {
        filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'c', port: 80 } } }],
        backendRefs: [
          { name: 'b', port: 80 },
          {
            name: 'b',
            port: 80,
            filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'a', port: 80 } } }],
          },
          { name: 'nowhere', port: 80 },
        ],
      },
    ],
  };
  model.applyChanges([...['a', 'b', 'c'].map((name) => upsert(service(name))), upsert(object('HTTPRoute', 'r', spec))]);
  assert.deepEqual(closure(resolveRoutes(model, 'default/a:80', 'default')!), [
    'default/a:80',
    'default/b:80',
    'default/c:80',
  ]);
});

test('the address of an instance leads to that instance by mutual TLS, and to nobody when it goes', () => {
  const model = new Model();
  const at = instance('default/w', {
    address: 'fd00::7',
    ports: [{ name: '', applicationPort: 8080, meshPort: 8080, learned: 'Tcp' }],
  });
  const key = addressKey('fd00::7', 8080);
  const of = (type: 'routes' | 'backend' | 'endpoints') => resolveResource(model, `${type}:${key}`, 'web');
  assert.equal(of('routes'), undefined);
  const { resources } = model.applyChanges([
    upsert(entry('w', 'a', 'fd00::7')),
    { type: 'UpsertInstance', instance: at },
  ]);
  assert.ok(resources.has(`routes:${key}`) && resources.has(`endpoints:${key}`));
  assert.deepEqual(of('endpoints'), {
    type: 'endpoints',
    name: key,
    endpoints: [
      {
        key: 'default/w:8080',
        address: 'fd00::7',
        port: 8080,
        applicationPort: 8080,
        identity: at.identity,
        mesh: true,
        zone: '',
        weight: 1,
      },
    ],
  });
  const routes = of('routes');
  assert.ok(routes?.type === 'routes');
  assert.deepEqual(closure(routes), [key]);
  assert.equal(routes.rules[0]?.retries.attempts, 0);
  assert.equal(resolveResource(model, `routes:${addressKey('fd00::7', 9000)}`, 'web'), undefined);
  // Another has the address now.
  const { resources: moved } = model.applyChanges([
    { type: 'UpsertInstance', instance: { ...at, address: 'fd00::8' } },
    {
      type: 'UpsertInstance',
      instance: { ...at, workload: 'default/next', identity: 'spiffe://cluster.local/ns/default/sa/next' },
    },
  ]);
  assert.ok(moved.has(`routes:${key}`) && moved.has(`routes:${addressKey('fd00::8', 8080)}`));
  const next = of('endpoints');
  assert.ok(next?.type === 'endpoints');
  assert.equal(next.endpoints[0]?.identity, 'spiffe://cluster.local/ns/default/sa/next');
  model.applyChanges([{ type: 'RemoveInstance', workload: 'default/next' }]);
  assert.equal(of('routes'), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Change, type ConfigObject, Model, resolveEndpoints } from '@weft/model';
import type { RawObject } from '../watch/kind-watch.ts';
import { ClusterTranslation, type TranslationUpdate } from './cluster-translation.ts';
import { type SliceFacts, podFacts, serviceObject, sliceFacts } from './raw-kinds.ts';

const NAMESPACE = 'shop';

function pod(name: string, address: string, more: Readonly<Record<string, unknown>> = {}): RawObject {
  return {
    metadata: { name, namespace: NAMESPACE, uid: `uid-${name}`, labels: { app: 'orders' }, ...more },
    spec: { serviceAccountName: 'orders', nodeName: 'n1' },
    status: { podIP: address, podIPs: [{ ip: address }], phase: 'Running' },
  };
}

function service(name: string, spec: object): RawObject {
  return serviceObject({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: NAMESPACE }, spec });
}

interface End {
  readonly address: string;
  readonly pod?: string;
  readonly ready?: boolean | null;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zone?: string;
  readonly hint?: string;
}

function slice(name: string, of: string, ports: object[], ends: readonly End[], addressType = 'IPv4'): SliceFacts {
  const facts = sliceFacts({
    metadata: { name, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': of } },
    addressType,
    ports,
    endpoints: ends.map(({ address, pod: target, ready = true, serving, terminating, zone, hint }) => ({
      addresses: [address],
      conditions: {
        ready,
        ...(serving === undefined ? {} : { serving }),
        ...(terminating === undefined ? {} : { terminating }),
      },
      ...(target === undefined ? {} : { targetRef: { kind: 'Pod', name: target } }),
      ...(zone === undefined ? {} : { zone }),
      ...(hint === undefined ? {} : { hints: { forZones: [{ name: hint }] } }),
    })),
  });
  assert.ok(facts !== undefined);
  return facts;
}

/** A translation whose updates go into a model, as in the control plane. */
class Bench {
  readonly translation = new ClusterTranslation();
  readonly model = new Model();
  last: TranslationUpdate = { changed: [], removed: [], pods: [] };

  service(name: string, spec: object | undefined): this {
    this.translation.service(`${NAMESPACE}/${name}`, spec === undefined ? undefined : service(name, spec));
    return this;
  }

  slice(facts: SliceFacts): this {
    this.translation.slice(`${NAMESPACE}/${facts.name}`, facts);
    return this;
  }

  pod(raw: RawObject): this {
    this.translation.pod(`${NAMESPACE}/${raw.metadata.name}`, podFacts(raw));
    return this;
  }

  take(): this {
    this.last = this.translation.take();
    const changes: Change[] = [];
    for (const name of this.last.removed)
      changes.push({ type: 'Remove', key: name as `${string}/${string}/${string}` });
    for (const { result } of this.last.changed)
      if (result.object !== undefined) changes.push({ type: 'Upsert', object: result.object });
    this.model.applyChanges(changes);
    return this;
  }

  /** `address:port` of a destination's endpoints. */
  endpoints(destination: string): string {
    const set = resolveEndpoints(this.model, destination as never);
    return (set?.endpoints ?? []).map(({ address, port }) => `${address}:${port}`).join(' ');
  }

  object(key: string): ConfigObject | undefined {
    return this.model.byKey(key as `${string}/${string}/${string}`);
  }
}

const port = [{ name: '', port: 8080, protocol: 'TCP' }];
const orders = { selector: { app: 'orders' }, clusterIP: '10.96.0.5', ports: [{ port: 80, targetPort: 8080 }] };

test('endpoints are those that slices call ready; a condition that is absent is ready', () => {
  const ends = [
    { address: '10.0.0.1', pod: 'a' },
    { address: '10.0.0.2', pod: 'b', ready: false },
    { address: '10.0.0.3', pod: 'c', ready: null },
  ];
  const bench = new Bench().service('orders', orders).slice(slice('s', 'orders', port, ends));
  for (const { address, pod: name } of ends) bench.pod(pod(name, address));
  assert.equal(bench.take().endpoints('shop/orders:80'), '10.0.0.1:8080 10.0.0.3:8080');
});

test('when none is ready, those that end but still serve are called, as kube-proxy does', () => {
  const ends = [
    { address: '10.0.0.1', pod: 'a', ready: false, serving: true, terminating: true },
    { address: '10.0.0.2', pod: 'b', ready: false, serving: false },
  ];
  const bench = new Bench().service('orders', orders).slice(slice('s', 'orders', port, ends));
  for (const { address, pod: name } of ends) bench.pod(pod(name, address));
  assert.equal(bench.take().endpoints('shop/orders:80'), '10.0.0.1:8080');
});

test('a change of one pod gives that pod anew and nothing else', () => {
  const ends = [1, 2, 3].map((each) => ({ address: `10.0.0.${each}`, pod: `p${each}` }));
  const bench = new Bench().service('orders', orders).slice(slice('s', 'orders', port, ends));
  for (const { address, pod: name } of ends) bench.pod(pod(name, address));
  bench.take();
  bench.slice(slice('s', 'orders', port, [...ends.slice(0, 2), { ...ends[2]!, ready: false }])).take();
  assert.deepEqual(
    bench.last.changed.map(({ name }) => name),
    ['WorkloadEntry/shop/p3'],
  );
  assert.equal(bench.endpoints('shop/orders:80'), '10.0.0.1:8080 10.0.0.2:8080');
  bench.slice(slice('s', 'orders', port, [...ends.slice(0, 2), { ...ends[2]!, ready: false }])).take();
  assert.deepEqual(bench.last, { changed: [], removed: [], pods: [] });
});

test('a port by name that differs from pod to pod leads to the right one at each', () => {
  const bench = new Bench()
    .service('orders', { ...orders, ports: [{ name: 'http', port: 80, targetPort: 'web' }] })
    .slice(slice('s1', 'orders', [{ name: 'http', port: 8080 }], [{ address: '10.0.0.1', pod: 'a' }]))
    .slice(slice('s2', 'orders', [{ name: 'http', port: 9090 }], [{ address: '10.0.0.2', pod: 'b' }]))
    .pod(pod('a', '10.0.0.1'))
    .pod(pod('b', '10.0.0.2'));
  assert.equal(bench.take().endpoints('shop/orders:80'), '10.0.0.1:8080 10.0.0.2:9090');
});

test('a Service without selector has the addresses that somebody wrote into its slice', () => {
  const bench = new Bench()
    .service('outside', { ports: [{ port: 5432 }] })
    .slice(slice('s', 'outside', [{ name: '', port: 15_432 }], [{ address: '192.0.2.7' }, { address: '192.0.2.8' }]));
  assert.equal(bench.take().endpoints('shop/outside:5432'), '192.0.2.7:15432 192.0.2.8:15432');
  bench.slice(slice('s', 'outside', [{ name: '', port: 15_432 }], [{ address: '192.0.2.8' }])).take();
  assert.equal(bench.endpoints('shop/outside:5432'), '192.0.2.8:15432');
  assert.deepEqual(bench.last.removed, ['WorkloadEntry/shop/outside~192.0.2.7']);
});

test('a headless Service has endpoints and no address of its own; slices of both families are one workload a pod', () => {
  const bench = new Bench()
    .service('db', { ...orders, clusterIP: 'None', clusterIPs: ['None'] })
    .slice(slice('v4', 'db', port, [{ address: '10.0.0.1', pod: 'db-0' }]))
    .slice(slice('v6', 'db', port, [{ address: 'fd00::1', pod: 'db-0' }], 'IPv6'))
    .pod(pod('db-0', '10.0.0.1'));
  assert.equal(bench.take().endpoints('shop/db:80'), '10.0.0.1:8080');
});

test('a zone is that of the endpoint, or the one its hint gives it to', () => {
  const bench = new Bench()
    .service('orders', orders)
    .slice(
      slice('s', 'orders', port, [
        { address: '10.0.0.1', pod: 'a', zone: 'x' },
        { address: '10.0.0.2', pod: 'b', zone: 'x', hint: 'y' },
      ]),
    )
    .pod(pod('a', '10.0.0.1'))
    .pod(pod('b', '10.0.0.2'))
    .take();
  const zones = ['a', 'b'].map((name) => {
    const entry = bench.object(`WorkloadEntry/shop/${name}`);
    return entry?.kind === 'WorkloadEntry' ? entry.spec.zone : undefined;
  });
  assert.deepEqual(zones, ['x', 'y']);
});

test('an ExternalName is no destination; a pod that is over is no workload', () => {
  const bench = new Bench()
    .service('saas', { type: 'ExternalName', externalName: 'api.example' })
    .pod({ ...pod('job', '10.0.0.9'), status: { podIP: '10.0.0.9', phase: 'Succeeded' } })
    .take();
  assert.deepEqual(bench.last.changed, []);
});

test('an entry written by hand is an endpoint of the Services that select it, with its own ports', () => {
  const bench = new Bench().service('orders', { ...orders, ports: [{ port: 80, targetPort: 'web' }] });
  bench.translation.configured('WorkloadEntry', 'shop/vm', {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'WorkloadEntry',
    metadata: { name: 'vm', namespace: NAMESPACE },
    spec: { address: '192.0.2.9', labels: { app: 'orders' }, ports: [{ name: 'web', port: 7000 }] },
  });
  assert.equal(bench.take().endpoints('shop/orders:80'), '192.0.2.9:7000');
});

test('an entry that has the name of a pod says so, and the pod stays', () => {
  const bench = new Bench().pod(pod('a', '10.0.0.1'));
  bench.translation.configured('WorkloadEntry', 'shop/a', {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'WorkloadEntry',
    metadata: { name: 'a', namespace: NAMESPACE },
    spec: { address: '192.0.2.9' },
  });
  bench.take();
  const { result } = bench.last.changed[0]!;
  assert.equal(result.problems[0]?.code, 'duplicate-object');
  assert.equal(result.object?.kind === 'WorkloadEntry' && result.object.spec.address, '10.0.0.1');
});

test('fields of a newer Kubernetes refuse nothing', () => {
  const raw = serviceObject({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'new', namespace: NAMESPACE, managedFields: [{}], annotations: { 'example.com/x': 'y' } },
    spec: { ports: [{ port: 80, aNewField: 1 }], anotherNewField: {} },
    status: {},
  });
  const bench = new Bench();
  bench.translation.service('shop/new', raw);
  assert.deepEqual(bench.take().last.changed[0]?.result.problems, []);
});

test('the order in which facts arrive makes no difference', () => {
  const ends = [
    { address: '10.0.0.1', pod: 'a' },
    { address: '10.0.0.2', pod: 'b' },
  ];
  const forwards = new Bench()
    .service('orders', orders)
    .slice(slice('s', 'orders', port, ends))
    .pod(pod('a', '10.0.0.1'))
    .pod(pod('b', '10.0.0.2'));
  const backwards = new Bench()
    .pod(pod('b', '10.0.0.2'))
    .take()
    .pod(pod('a', '10.0.0.1'))
    .slice(slice('s', 'orders', port, ends))
    .take()
    .service('orders', orders);
  assert.equal(forwards.take().endpoints('shop/orders:80'), backwards.take().endpoints('shop/orders:80'));
  assert.deepEqual(forwards.object('WorkloadEntry/shop/a'), backwards.object('WorkloadEntry/shop/a'));
});

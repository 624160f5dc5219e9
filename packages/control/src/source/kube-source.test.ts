import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TimerWheel, seededRandom, systemClock } from '@weft/kernel';
import { ClusterWatch, KubeClient } from '@weft/kube';
import { ScriptedApiServer, type ScriptedObject, eventually } from '@weft/testkit';
import { parseAllDocuments } from 'yaml';
import { ConfigStore } from '../config-store.ts';
import { RecordedLog } from '../control-harness.ts';
import type { ConfigPlace } from './config-place.ts';
import { KubeSource } from './kube-source.ts';
import { testSource } from './source-contract.ts';

const WAIT_MS = 3000;

async function cluster(t: TestContext, objects: readonly ScriptedObject[] = []) {
  const server = new ScriptedApiServer();
  server.define({
    group: 'weft.dev',
    version: 'v1alpha1',
    kind: 'WorkloadEntry',
    plural: 'workloadentries',
    namespaced: true,
  });
  for (const object of objects) server.put(object);
  const url = await server.listen();
  const client = new KubeClient({
    description: 'a scripted server',
    server: url,
    token: () => '',
    namespace: 'weft-system',
  });
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const log = new RecordedLog();
  const source = new KubeSource('a scripted server', (onUpdate, checkRegularExpression) => {
    const clock = systemClock;
    return new ClusterWatch({ client, clock, wheel, random: seededRandom(1), log, onUpdate, checkRegularExpression });
  });
  t.after(async () => {
    await source.stop();
    await client.close();
    wheel.stop();
    await server.close();
  });
  return { server, source, log };
}

function objectsIn(text: string): ScriptedObject[] {
  return parseAllDocuments(text).map((document) => document.toJS() as ScriptedObject);
}

// A "place" of the suite is whatever was applied under that name.
testSource(
  'kubernetes',
  async (t, texts) => {
    const { server, source } = await cluster(t);
    const applied = new Map<string, ScriptedObject[]>();
    const write = (place: string, text: string): void => {
      const next = objectsIn(text);
      for (const { kind, metadata } of applied.get(place) ?? []) {
        if (next.some((object) => object.metadata.name === metadata.name)) continue;
        server.remove(kind, metadata.namespace ?? '', metadata.name);
      }
      for (const object of next) server.put(object);
      applied.set(place, next);
    };
    for (const [place, text] of Object.entries(texts)) write(place, text);
    return {
      source,
      write,
      remove: (place) => {
        write(place, '');
      },
    };
  },
  false,
);

function service(name: string, port = 80): ScriptedObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec: { ports: [{ port }] } };
}

function pod(name: string, address: string): ScriptedObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels: { app: 'orders' } },
    spec: { serviceAccountName: 'orders', nodeName: 'n1' },
    status: { podIP: address, phase: 'Running' },
  };
}

test('the first set of a cluster is whole: services, pods and slices belong together', async (t) => {
  const { source } = await cluster(t, [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'orders', namespace: 'shop' },
      spec: { selector: { app: 'orders' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
    pod('orders-1', '10.0.0.1'),
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'orders-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'orders' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: ['10.0.0.1'],
          conditions: { ready: true },
          targetRef: { kind: 'Pod', name: 'orders-1' },
          zone: 'a',
        },
      ],
    },
  ]);
  const sets: (readonly ConfigPlace[])[] = [];
  await source.start((places) => sets.push(places));
  assert.equal(sets.length, 1);
  const entry = sets[0]!.find(({ name }) => name === 'WorkloadEntry/shop/orders-1')?.objects[0]?.result.object;
  assert.ok(entry?.kind === 'WorkloadEntry');
  assert.deepEqual(entry.spec, {
    address: '10.0.0.1',
    serviceAccount: 'orders',
    zone: 'a',
    labels: { app: 'orders', 'endpoint.weft.dev/orders': 'true' },
  });
});

test('what differs, applied to the store, is what the whole set would be', async (t) => {
  const { server, source } = await cluster(t, [service('a'), service('b')]);
  const store = new ConfigStore();
  const told: string[] = [];
  await source.start(
    (places) => store.replace(places),
    (delta) => told.push(...store.patch(delta).changes.map((change) => change.type)),
  );
  assert.equal(store.records.size, 2);
  server.put(service('a', 81));
  server.put(service('c'));
  server.remove('Service', 'shop', 'b');
  await eventually(() => told.length === 3, WAIT_MS);
  assert.deepEqual(told.toSorted(), ['Remove', 'Upsert', 'Upsert']);
  server.put(service('c', 80_000));
  await eventually(() => store.records.get('Service/shop/c')?.isRefused === true, WAIT_MS);
  // The last good version stays in force.
  const kept = store.records.get('Service/shop/c')?.object;
  assert.equal(kept?.kind === 'Service' && kept.spec.ports?.[0]?.port, 80);
  assert.deepEqual([...store.records.keys()].toSorted(), ['Service/shop/a', 'Service/shop/c']);
});

test('kinds that are not installed are one line in the log, and are followed once they are', async (t) => {
  const { server, source, log } = await cluster(t);
  const sets: (readonly ConfigPlace[])[] = [];
  await source.start((places) => sets.push(places));
  assert.equal(log.lines.filter((line) => /not installed in this cluster/.test(line)).length, 1);
  assert.equal(server.calls.filter(({ path }) => path === '/apis').length, 1);
  assert.ok(!server.calls.some(({ path }) => path.includes('gateway.networking.k8s.io')));
});

test('a server that refuses is one line for a person', async (t) => {
  const { server, source } = await cluster(t);
  server.fault = () => ({ status: 401, reason: 'Unauthorized' });
  const started = await source.start(() => undefined);
  assert.ok(!started.ok && /cannot be read: scripted/.test(started.error));
  await eventually(() => server.openWatches === 0, WAIT_MS);
});

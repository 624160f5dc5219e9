import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ScriptedApiServer, type ScriptedObject, eventually } from '@weft/testkit';
import { AdminClient, PeerClient, type WhyResponse } from '@weft/wire';
import {
  type TestControl,
  type TestProxy,
  type TestProxyOptions,
  joinMesh,
  startTestControl,
  startTestProxy,
} from '../control-harness.ts';
import { exampleHop } from '../observation/hop-fixture.ts';

const WAIT_MS = 5000;
const DESTINATION = 'shop/orders:80';
const ORDERS = 'spiffe://cluster.local/ns/shop/sa/orders';

interface PodScript {
  readonly address: string;
  readonly account: string;
  readonly injected?: boolean;
  readonly terminating?: boolean;
  readonly capture?: string;
}

function pod(name: string, script: PodScript): ScriptedObject {
  const { address, account, injected = true, terminating = false, capture = 'redirect' } = script;
  const env = [
    { name: 'WEFT_CAPTURE', value: capture },
    { name: 'WEFT_PORTS', value: 'http=8080' },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      labels: { app: account },
      ...(terminating ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      serviceAccountName: account,
      nodeName: 'n1',
      initContainers: injected ? [{ name: 'weft-proxy', env }] : [],
      containers: [{ name: 'app' }],
    },
    status: { podIP: address, phase: 'Running' },
  };
}

function controlPod(name: string, address: string, isReady = true): ScriptedObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'weft-system', labels: { 'app.kubernetes.io/name': 'weft-control' } },
    spec: { serviceAccountName: 'weft-control', nodeName: 'n1', containers: [{ name: 'control' }] },
    status: { podIP: address, phase: 'Running', conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] },
  };
}

function slice(...ends: readonly (readonly [string, string])[]): ScriptedObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'orders-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'orders' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: ends.map(([name, address]) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name },
    })),
  };
}

function service(name: string): ScriptedObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  };
}

/** A cluster with a Service `orders` of one injected pod, and a caller; replicas at 127.0.0.1 and 127.0.0.2. */
class Bench {
  readonly server = new ScriptedApiServer();
  private readonly t: TestContext;
  private port = 0;

  constructor(t: TestContext) {
    this.t = t;
  }

  async open(): Promise<this> {
    const { server, t } = this;
    for (const name of ['orders', 'web']) server.put(service(name));
    server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders' }));
    server.put(pod('web-1', { address: '10.0.0.9', account: 'web' }));
    server.put(slice(['orders-1', '10.0.0.1']));
    server.put(controlPod('one', '127.0.0.1'));
    server.put(controlPod('two', '127.0.0.2'));
    await server.listen();
    t.after(() => server.close());
    return this;
  }

  async replica(name: 'one' | 'two'): Promise<TestControl> {
    const access = {
      description: 'a scripted server',
      server: this.server.url,
      token: () => '',
      namespace: 'weft-system',
    };
    const started = await startTestControl(this.t, {
      name,
      host: name === 'one' ? '127.0.0.1' : '127.0.0.2',
      port: this.port,
      cluster: { access, replica: name, namespace: 'weft-system' },
    });
    this.port = started.control.port;
    return started;
  }

  /** The sidecar of `web-1`, which calls the Service. */
  async caller(mesh: TestControl): Promise<TestProxy> {
    const caller = await startTestProxy(mesh, { service: 'web', instance: 'web-1', ephemeral: false });
    caller.client.subscribe([DESTINATION]);
    await eventually(() => caller.get(`endpoints:${DESTINATION}`) !== undefined, WAIT_MS);
    return caller;
  }

  sidecar(mesh: TestControl, more: Partial<TestProxyOptions> = {}): Promise<TestProxy> {
    return startTestProxy(mesh, {
      service: 'orders',
      instance: 'orders-1',
      ephemeral: false,
      capabilities: ['captured'],
      listeners: [{ applicationPort: 8080, name: 'http', address: '10.0.0.1', port: 8080 }],
      ...more,
    });
  }
}

/** `address:port identity` of each endpoint; without one it would be called in plaintext. */
function called(caller: TestProxy): string[] {
  return (caller.get(`endpoints:${DESTINATION}`)?.endpoints ?? []).map(
    ({ address, port, identity, mesh }) => `${address}:${port} ${mesh ? identity : 'plaintext'}`,
  );
}

const throughMesh = [`10.0.0.1:8080 ${ORDERS}`];

test('a pod whose sidecar is connected to another replica is called through the mesh, under its identity', async (t) => {
  const bench = await new Bench(t).open();
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  await bench.sidecar(two);
  assert.deepEqual(called(await bench.caller(one)), throughMesh);
  assert.deepEqual(called(await bench.caller(two)), throughMesh);
});

test('a replica that no sidecar is connected to serves pods as members of the mesh at once', async (t) => {
  const bench = await new Bench(t).open();
  bench.server.put(pod('orders-2', { address: '10.0.0.2', account: 'orders', injected: false }));
  bench.server.put(slice(['orders-1', '10.0.0.1'], ['orders-2', '10.0.0.2']));
  const caller = await bench.caller(await bench.replica('one'));
  // A pod without a sidecar stays what it is.
  assert.deepEqual(called(caller), [...throughMesh, '10.0.0.2:8080 plaintext']);
});

test('a pod whose stream is lost stays in the mesh as long as it stands', async (t) => {
  const bench = await new Bench(t).open();
  const one = await bench.replica('one');
  const caller = await bench.caller(one);
  const sidecar = await bench.sidecar(one);
  await eventually(() => sidecar.isComplete, WAIT_MS);
  sidecar.client.stop();
  await eventually(() => one.control.status().proxies.every(({ name }) => name !== 'shop/orders-1'), 15_000);
  assert.deepEqual(called(caller), throughMesh);
  // A pod that is told to end is called no more, whoever knows its sidecar.
  bench.server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders', terminating: true }));
  await eventually(() => called(caller).length === 0, WAIT_MS);
});

test('a drain waits for callers of the other replica, and counts them', async (t) => {
  const bench = await new Bench(t).open();
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  const caller = await bench.caller(one);
  const sidecar = await bench.sidecar(two);
  await eventually(() => sidecar.isComplete, WAIT_MS);
  caller.hold();
  sidecar.report({ draining: true });
  let isTold = false;
  const end = two.control.watchEvents(({ type }) => (isTold ||= type === 'proxy-draining'));
  await eventually(() => isTold, WAIT_MS);
  end();
  assert.deepEqual(sidecar.drains, []);
  caller.release();
  await eventually(() => sidecar.drains.length === 1, WAIT_MS);
  assert.deepEqual(called(caller), []);
  const { reason, subscribers, acknowledged } = sidecar.drains[0]!;
  assert.deepEqual({ reason, subscribers, acknowledged }, { reason: 'Withdrawn', subscribers: 1, acknowledged: 1 });
});

test('what a sidecar alone knows reaches callers of the other replica: a listener of an explicit proxy', async (t) => {
  const bench = await new Bench(t).open();
  bench.server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders', capture: '' }));
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  const caller = await bench.caller(one);
  assert.deepEqual(called(caller), ['10.0.0.1:8080 plaintext']);
  const listeners = [{ applicationPort: 8080, name: 'http', address: '10.0.0.1', port: 15_008 }];
  const sidecar = await bench.sidecar(two, { capabilities: [], listeners });
  await eventually(() => called(caller)[0] === `10.0.0.1:15008 ${ORDERS}`, WAIT_MS);
  // It leaves, and the callers of the other one know; in plaintext it is called no more.
  sidecar.report({ draining: true });
  await eventually(() => called(caller).length === 0, WAIT_MS);
});

test('a replica that starts knows at once what the others know', async (t) => {
  const bench = await new Bench(t).open();
  bench.server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders', capture: '' }));
  const one = await bench.replica('one');
  const listeners = [{ applicationPort: 8080, name: 'http', address: '10.0.0.1', port: 15_008 }];
  const sidecar = await bench.sidecar(one, { capabilities: [], listeners });
  await eventually(() => sidecar.isComplete, WAIT_MS);
  const caller = await bench.caller(await bench.replica('two'));
  assert.deepEqual(called(caller), [`10.0.0.1:15008 ${ORDERS}`]);
});

test('a replica that does not answer delays a drain by no more than its wait, and is named in the log', async (t) => {
  const bench = await new Bench(t).open();
  const one = await bench.replica('one');
  const sidecar = await bench.sidecar(one);
  await eventually(() => sidecar.isComplete, WAIT_MS);
  // `two` is said to be ready and is not there.
  const began = performance.now();
  sidecar.report({ draining: true });
  await eventually(() => sidecar.drains.length === 1, 8000);
  assert.ok(performance.now() - began < 6500);
  assert.ok(one.log.lines.some((line) => /replica two/.test(line)));
});

test('nobody but a control plane may tell', async (t) => {
  const bench = await new Bench(t).open();
  const one = await bench.replica('one');
  const { control } = one;
  const identity = await joinMesh(control, 'web');
  const client = new PeerClient(control.address, identity.tls());
  t.after(() => client.close());
  const told = await client.tell({
    replica: 'two',
    whole: true,
    instances: [],
    removed: ['shop/orders-1'],
    awaitMs: 0,
    asks: true,
  });
  assert.ok(!told.ok && told.error.code === 'PermissionDenied');
  assert.match(told.error.message, /sa\/web is no control plane/);
  assert.deepEqual(called(await bench.caller(one)), throughMesh);
});

test('a request is found whatever replica its sidecars are connected to, and a replica that is gone is named', async (t) => {
  const bench = await new Bench(t).open();
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  const reach = { records: 3, samplesSinceMs: 1, errorsSinceMs: 0, sampledOneIn: 1, rings: 1 };
  const hop = (direction: 'Inbound' | 'Outbound') => exampleHop({ requestId: 'r1', direction });
  const web = await startTestProxy(one, {
    service: 'web',
    instance: 'web-1',
    ephemeral: false,
    why: () => Promise.resolve({ hops: [hop('Outbound')], reach }),
  });
  const orders = await bench.sidecar(two, { why: () => Promise.resolve({ hops: [hop('Inbound')], reach }) });
  await eventually(() => web.isComplete && orders.isComplete, WAIT_MS);
  const admin = new AdminClient(one.control.adminSocket);
  t.after(() => admin.close());
  const why = async (): Promise<WhyResponse> => {
    const answer = await admin.why('r1');
    assert.ok(answer.ok);
    return answer.value;
  };
  let found = await why();
  // The first replica has looked for the second before it was there.
  let isAsking = false;
  await eventually(() => {
    if (!isAsking) {
      isAsking = true;
      void why().then((answer) => {
        found = answer;
        isAsking = false;
      });
    }
    return found.hops.length === 2;
  }, 3 * WAIT_MS);
  assert.deepEqual(found.hops.map(({ proxy, hop: { direction } }) => `${proxy} ${direction}`).sort(), [
    'shop/orders-1 Inbound',
    'shop/web-1 Outbound',
  ]);
  assert.deepEqual(
    found.rings.map(({ proxy, silent, reach: known }) => [proxy, silent, known?.records]),
    [
      ['shop/orders-1', '', 3],
      ['shop/web-1', '', 3],
    ],
  );
  orders.client.stop();
  await two.control.stop();
  const alone = await why();
  assert.match(alone.rings[0]!.proxy, /^replica two$/);
  assert.match(alone.rings[0]!.silent, /sidecars were not asked/);
  assert.deepEqual(
    alone.hops.map(({ proxy }) => proxy),
    ['shop/web-1'],
  );
});

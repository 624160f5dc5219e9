import assert from 'node:assert/strict';
import { type Server, type Socket, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually } from '@weft/testkit';
import {
  type AdminClient,
  type BackendView,
  type CallFault,
  type Counters,
  type EdgeCounters,
  type MeshEvent,
  PeerClient,
  type TapEvent,
  type TapRequest,
} from '@weft/wire';
import { type TestControl, type TestProxy, joinMesh } from '../control-harness.ts';
import type { ServiceEndpointsJson, TopologyJson } from '../dashboard-server/dashboard-api.ts';
import { DESTINATION, Replicas, WAIT_MS } from './replica-fixture.ts';

interface RouteStatus {
  readonly parents: readonly { readonly conditions: readonly { readonly type: string; readonly message: string }[] }[];
}

/** Replicas `one`, with the sidecar of web, and `two`, with that of orders, which know each other. */
interface Pair {
  readonly replicas: Replicas;
  readonly one: TestControl;
  readonly two: TestControl;
  readonly web: TestProxy;
  readonly orders: TestProxy;
  /** Whether that of orders is being tapped. */
  readonly tapped: () => boolean;
  /** Asks `one`, and `two`. */
  readonly admins: readonly [AdminClient, AdminClient];
}

const dashboard = { port: 0, folder: '/nonexistent' };
const both = [
  { replica: 'one', silent: '' },
  { replica: 'two', silent: '' },
];

async function pair(t: TestContext): Promise<Pair> {
  const replicas = await new Replicas(t).open();
  const one = await replicas.replica('one', { dashboard });
  const two = await replicas.replica('two', { dashboard });
  const web = await replicas.caller(one, {
    backends: () => Promise.resolve([backendView('shop/orders:80')]),
  });
  const taps = new Set<number>();
  const orders = await replicas.sidecar(two, {
    tap: ({ id, stop }) => {
      if (stop) taps.delete(id);
      else {
        taps.add(id);
        orders.client.tapped({ id, requests: [], dropped: 7 });
      }
    },
  });
  await eventually(() => web.isComplete && orders.isComplete, WAIT_MS);
  const admins = [replicas.admin(one), replicas.admin(two)] as const;
  // They find each other by their pods.
  for (const admin of admins) await until(async () => (await proxiesOf(admin)).length === 2);
  return { replicas, one, two, web, orders, tapped: () => taps.size > 0, admins };
}

/** Asks again until it is so: what is asked takes part in a mesh that is still coming together. */
async function until(holds: () => Promise<boolean>, timeoutMs: number = WAIT_MS): Promise<void> {
  let isSo = false;
  let asking = false;
  await eventually(() => {
    if (!asking && !isSo) {
      asking = true;
      void holds().then((answer) => {
        isSo = answer;
        asking = false;
      });
    }
    return isSo;
  }, timeoutMs);
}

async function proxiesOf(admin: AdminClient): Promise<string[]> {
  const listed = await admin.listProxies();
  assert.ok(listed.ok);
  return listed.value.proxies.map(({ name }) => name);
}

function backendView(backend: string): BackendView {
  const facts = {
    endpoints: 1,
    healthy: 1,
    ejected: 0,
    unhealthy: 0,
    slowStart: 0,
    panic: false,
    ejectedForMs: -1,
    breaker: 'closed',
    activeRequests: 0,
    budgetRequests: 0,
    budgetRetries: 0,
  };
  return { backend, facts, endpoints: [] };
}

function counted(changed: Pick<EdgeCounters, 'direction' | 'peer'> & Partial<EdgeCounters>): Counters {
  const edge: EdgeCounters = {
    route: 'shop/orders',
    rule: '0',
    tcp: false,
    requests: 10,
    failures: 0,
    retries: 0,
    secured: 10,
    plaintext: 0,
    requestBytes: 100,
    responseBytes: 200,
    latencies: [],
    ...changed,
  };
  return {
    intervalMs: 5_000,
    edges: [edge],
    folded: 0,
    residentBytes: 80_000_000,
    loopDelayP99Ms: 1,
    connections: 1,
  };
}

/** All sidecars' reports have arrived at both replicas, and the step of time they fell into is over. */
async function reported(replicas: Replicas, admins: Pair['admins'], reporters = 2): Promise<void> {
  for (const admin of admins) {
    await until(async () => {
      const traffic = await admin.getTraffic({ windowMs: 60_000, service: '' });
      return (
        traffic.ok && traffic.value.proxies === reporters && traffic.value.replicas.every(({ silent }) => silent === '')
      );
    });
  }
  replicas.finishStep();
}

async function edgesOf(admin: AdminClient): Promise<string[]> {
  const traffic = await admin.getTraffic({ windowMs: 60_000, service: '' });
  assert.ok(traffic.ok);
  return traffic.value.edges.map(
    ({ source, destination, direction, requests }) => `${source} ${destination} ${direction} ${requests}`,
  );
}

/** A document of the dashboard. */
async function shown({ dashboard: served }: TestControl['control'], path: string): Promise<unknown> {
  const { address, token } = served!;
  const got = await fetch(`${address}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } });
  return got.json();
}

async function endpointsOf(control: TestControl['control'], service: string): Promise<ServiceEndpointsJson> {
  return (await shown(control, `services/${service}/endpoints`)) as ServiceEndpointsJson;
}

/** Callers of orders whose balancers answered, and those that did not; where a replica had no time to say, neither. */
async function callersSeen(control: TestControl['control']): Promise<string> {
  const { views, silent } = await endpointsOf(control, 'shop/orders');
  return `${views.map(({ proxy }) => proxy).join()}, silent: ${silent.join()}`;
}

/** In time that this process had a part in; see `eventually`. */
async function within<T>(limitMs: number, asked: Promise<T>): Promise<T> {
  let answered = false;
  void asked.then(() => (answered = true));
  await eventually(() => answered, limitMs);
  return asked;
}

test('proxies of all replicas are listed by each, once, with where one can be asked what they hold', async (t) => {
  const { admins, one, two } = await pair(t);
  for (const [at, admin] of admins.entries()) {
    const listed = await admin.listProxies();
    assert.ok(listed.ok);
    assert.deepEqual(
      listed.value.proxies.map(({ name, state }) => `${name} ${state}`),
      ['shop/orders-1 Synced', 'shop/web-1 Synced'],
    );
    assert.deepEqual(listed.value.replicas, at === 0 ? both : both.toReversed());
    const server = await admin.getServer();
    assert.ok(server.ok);
    assert.deepEqual([server.value.server, server.value.proxies], [at === 0 ? 'one' : 'two', 2]);
    for (const proxy of ['shop/orders-1', 'web-1']) {
      const versions = await admin.getVersions(proxy);
      assert.ok(versions.ok && versions.value.resources.length > 0, proxy);
      const config = await admin.getConfig({ proxy, keyPrefix: 'mesh:' });
      assert.ok(config.ok, proxy);
      assert.deepEqual(
        config.value.resources.map(({ key }) => key),
        ['mesh:default'],
      );
    }
    const none = await admin.getVersions('shop/cart-1');
    assert.ok(!none.ok && none.error.code === 'NotFound');
    assert.match(none.error.message, /connected: shop\/orders-1, shop\/web-1/);
  }
  // What one of them says of itself is not passed on.
  assert.deepEqual(
    [one, two].map(({ control }) => control.status().proxies.map(({ name }) => name)),
    [['shop/web-1'], ['shop/orders-1']],
  );
});

test('traffic of all sidecars is known to each replica, and what both ends counted is counted once', async (t) => {
  const { replicas, admins, one, two, web, orders } = await pair(t);
  web.client.count(counted({ direction: 'Outbound', peer: 'shop/orders' }));
  orders.client.count(counted({ direction: 'Inbound', peer: 'shop/web' }));
  await reported(replicas, admins);
  for (const admin of admins) {
    assert.deepEqual(await edgesOf(admin), ['shop/web shop/orders Outbound 10']);
    const traffic = await admin.getTraffic({ windowMs: 60_000, service: '' });
    assert.ok(traffic.ok);
    assert.equal(traffic.value.proxies, 2);
    assert.deepEqual(
      traffic.value.replicas.map(({ silent }) => silent),
      ['', ''],
    );
    assert.equal(traffic.value.edges[0]?.workload, 'shop/orders');
  }
  for (const { control } of [one, two]) {
    const topology = (await shown(control, 'topology?window=60000')) as TopologyJson;
    assert.deepEqual(
      topology.nodes.map(({ id, kind, proxies }) => `${id} ${kind} ${proxies}`),
      ['shop/orders workload 1', 'shop/web workload 1'],
    );
    assert.deepEqual(
      topology.edges.map(({ countedBy, securedShare }) => `${countedBy} ${securedShare}`),
      ['Outbound 1'],
    );
    assert.deepEqual(topology.replicas.map(({ replica }) => replica).sort(), ['one', 'two']);
    await until(async () => (await callersSeen(control)) === 'shop/web-1, silent: ');
  }
});

test('of the callers of a service those are called silent that are connected to any replica and do not answer', async (t) => {
  const { replicas, admins, one, two, web } = await pair(t);
  const caller = (mesh: TestControl, instance: string): Promise<TestProxy> =>
    replicas.caller(mesh, { instance, backends: () => new Promise(() => undefined) });
  const [slow, gone] = [await caller(two, 'web-2'), await caller(two, 'web-3')];
  const callers = [web, slow, gone];
  await eventually(() => callers.every(({ isComplete }) => isComplete), WAIT_MS);
  for (const { client } of callers) client.count(counted({ direction: 'Outbound', peer: 'shop/orders' }));
  await reported(replicas, admins, callers.length);
  gone.client.stop();
  await eventually(() => two.control.status().proxies.some(({ state }) => state === 'Lost'), WAIT_MS);
  for (const { control } of [one, two]) {
    await until(async () => (await callersSeen(control)) === 'shop/web-1, silent: shop/web-2');
  }
});

test('how far an object has come is counted over the proxies of all replicas', async (t) => {
  const { admins, web, orders, replicas } = await pair(t);
  const figures = async (admin: AdminClient): Promise<string> => {
    const listed = await admin.listObjects({ kind: 'Service', namespace: 'shop', name: 'orders' });
    assert.ok(listed.ok);
    assert.deepEqual(
      listed.value.replicas.map(({ silent }) => silent),
      ['', ''],
    );
    const { proxies, programmed, conditions } = listed.value.objects[0]!;
    return `${programmed}/${proxies} ${conditions.find(({ type }) => type === 'Programmed')?.status}`;
  };
  for (const admin of admins) await until(async () => (await figures(admin)) === '2/2 True');
  orders.hold();
  replicas.server.put({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'orders', namespace: 'shop' },
    spec: { selector: { app: 'orders' }, ports: [{ name: 'http', port: 81, targetPort: 8080 }] },
  });
  for (const admin of admins) await until(async () => /^1\/2 (?:False|Unknown)$/.test(await figures(admin)));
  orders.release();
  for (const admin of admins) await until(async () => (await figures(admin)) === '2/2 True');
  assert.equal(web.missing.length, 0);
});

test('the status of an object says the same as its list: both count the proxies of all replicas, once', async (t) => {
  const { replicas, admins, one, two, orders } = await pair(t);
  const write = (seconds: number): void => {
    const spec = {
      parentRefs: [{ group: '', kind: 'Service', name: 'orders', port: 80 }],
      rules: [{ timeouts: { request: `${seconds}s` }, backendRefs: [{ name: 'orders', port: 80 }] }],
    };
    const metadata = { name: 'orders', namespace: 'shop' };
    replicas.server.put({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata, spec });
  };
  const listed = async (admin: AdminClient): Promise<string> => {
    const answer = await admin.listObjects({ kind: 'HTTPRoute', namespace: 'shop', name: 'orders' });
    const found = answer.ok ? answer.value.objects[0] : undefined;
    return found?.conditions.find(({ type }) => type === 'Programmed')?.message ?? '';
  };
  const written = (): string => {
    const { status } = replicas.server.get('HTTPRoute', 'shop', 'orders') as { readonly status?: RouteStatus };
    return status?.parents[0]?.conditions.find(({ type }) => type === 'weft.dev/Programmed')?.message ?? '';
  };
  const agreed = async (expected: string): Promise<void> => {
    for (const admin of admins) await until(async () => (await listed(admin)) === expected);
    // The leader asks and writes every ten seconds.
    replicas.pass(10_000);
    await eventually(() => written() === expected, WAIT_MS);
  };
  assert.deepEqual([one, two].map(({ control }) => control.isLeader()).filter(Boolean).length, 1);
  orders.client.subscribe([DESTINATION]);
  write(5);
  await agreed('2 of 2 proxies');
  orders.hold();
  write(6);
  await agreed('1 of 2 proxies');
  orders.release();
  await agreed('2 of 2 proxies');
});

test('events of all replicas are told in the order of their time, each once, with the replica', async (t) => {
  const { admins } = await pair(t);
  for (const admin of admins) {
    const events = await new Promise<MeshEvent[]>((resolve) => {
      const seen: MeshEvent[] = [];
      admin.watchEvents(
        true,
        (event) => seen.push(event),
        () => resolve(seen),
      );
    });
    const connected = events.filter(({ type }) => type === 'proxy-connected');
    assert.deepEqual(connected.map(({ subject, replica }) => `${subject} ${replica}`).sort(), [
      'shop/orders-1 two',
      'shop/web-1 one',
    ]);
    assert.deepEqual(
      events.map(({ atMs }) => atMs),
      events.map(({ atMs }) => atMs).sort((left, right) => left - right),
    );
  }
});

const tapRequest: TapRequest = {
  target: 'shop/orders',
  lastsMs: 0,
  filter: {
    direction: 'Both',
    destination: '',
    method: '',
    path: '',
    statusFrom: 0,
    statusTo: 0,
    slowerThanMs: 0,
    maxRate: 10,
    showValues: false,
  },
};

test('a tap hears the sidecars of all replicas, and ends at them when nobody listens any more', async (t) => {
  const { admins, tapped } = await pair(t);
  const [admin] = admins;
  const heard: TapEvent[] = [];
  const stop = admin.tap(
    tapRequest,
    (event) => heard.push(event),
    () => undefined,
  );
  await eventually(() => heard.length === 1, WAIT_MS);
  assert.deepEqual([heard[0]?.proxy, heard[0]?.dropped], ['shop/orders-1', 7]);
  stop();
  // Eight taps are the most that a replica has open.
  for (let turn = 0; turn < 9; turn += 1) {
    const again: TapEvent[] = [];
    let fault: CallFault | null = null;
    const end = admin.tap(
      tapRequest,
      (event) => again.push(event),
      (ended) => (fault = ended),
    );
    await eventually(() => again.length === 1 || fault !== null, WAIT_MS);
    end();
    assert.equal(fault, null);
    await eventually(() => !tapped(), WAIT_MS);
  }
  const nowhere = await new Promise<CallFault | null>((resolve) => {
    admin.tap({ ...tapRequest, target: 'shop/nobody' }, () => undefined, resolve);
  });
  assert.equal(nowhere?.code, 'NotFound');
  assert.match(nowhere.message, /there are shop\/web.*replica two: .*there are shop\/orders/);
});

test('a replica that has stopped is named in every answer, and nothing of it is shown as zero', async (t) => {
  const { replicas, admins, two, web, orders } = await pair(t);
  const [admin] = admins;
  orders.client.count(counted({ direction: 'Inbound', peer: 'unknown' }));
  web.client.count(counted({ direction: 'Outbound', peer: 'shop/orders' }));
  await reported(replicas, admins);
  const taps: TapEvent[] = [];
  admin.tap(
    { ...tapRequest, target: '' },
    (event) => taps.push(event),
    () => undefined,
  );
  await eventually(() => taps.some(({ proxy }) => proxy === 'shop/orders-1'), WAIT_MS);
  await two.control.stop();
  const listed = await within(3_000, admin.listProxies());
  assert.ok(listed.ok);
  const silentOf = (all: readonly { readonly replica: string; readonly silent: string }[]): string[] =>
    all.filter(({ silent }) => silent !== '').map(({ replica }) => replica);
  assert.deepEqual(
    listed.value.proxies.map(({ name }) => name),
    ['shop/web-1'],
  );
  assert.equal(listed.value.replicas.length, 2);
  assert.deepEqual(silentOf(listed.value.replicas), ['two']);
  const objects = await admin.listObjects({ kind: '', namespace: '', name: '' });
  assert.ok(objects.ok);
  assert.deepEqual(silentOf(objects.value.replicas), ['two']);
  const lost = await admin.getVersions('shop/orders-1');
  assert.ok(!lost.ok);
  assert.match(lost.error.message, /1 of 2 replicas of the control plane not reached.*two/);
  await eventually(() => taps.some((event) => silentOf(event.replicas)[0] === 'two'), WAIT_MS);
  // What it told before it went is remembered here; that it tells no more is said.
  await until(async () => {
    const traffic = await admin.getTraffic({ windowMs: 60_000, service: '' });
    return traffic.ok && silentOf(traffic.value.replicas)[0] === 'two';
  }, 15_000);
  assert.deepEqual(await edgesOf(admin), ['shop/web shop/orders Outbound 10', 'unknown shop/orders Inbound 10']);
});

test('a replica that hangs costs two seconds at most, and is named', async (t) => {
  const replicas = await new Replicas(t).open();
  const one = await replicas.replica('one');
  const web = await replicas.caller(one);
  await eventually(() => web.isComplete, WAIT_MS);
  const silent = await hangingServer(t, Number(one.control.address.split(':')[1]));
  replicas.claimReady('two');
  await eventually(() => silent.accepted.length > 0, WAIT_MS);
  const admin = replicas.admin(one);
  const listed = await within(2_800, admin.listProxies());
  assert.ok(listed.ok);
  assert.deepEqual(
    listed.value.proxies.map(({ name }) => name),
    ['shop/web-1'],
  );
  assert.notEqual(listed.value.replicas.find(({ replica }) => replica === 'two')?.silent, '');
  // A tap of what is not here ends with who did not answer, not as if this control plane were away.
  const ended = await new Promise<CallFault | null>((resolve) => {
    admin.tap({ ...tapRequest, target: 'shop/nobody' }, () => undefined, resolve);
  });
  assert.equal(ended?.code, 'FailedPrecondition');
  assert.match(ended.message, /nothing fits.*replica two.*try again/);
});

test('a replica that was long away is known at once when it is there', async (t) => {
  const replicas = await new Replicas(t).open();
  const one = await replicas.replica('one');
  const admin = replicas.admin(one);
  const refusing = await hangingServer(t, Number(one.control.address.split(':')[1]), (socket) => socket.destroy());
  replicas.claimReady('two');
  // Long enough that the next time to try again is ten seconds away.
  for (let minute = 0; minute < 8; minute += 1) {
    const tried = refusing.accepted.length;
    replicas.pass(60_000);
    await eventually(() => refusing.accepted.length > tried + 1, WAIT_MS);
  }
  await refusing.close();
  assert.deepEqual(await silentReplicas(admin), ['two']);
  await replicas.replica('two');
  await until(async () => (await silentReplicas(admin)).length === 0, 1_000);
});

test('a replica that comes back is asked again at once', async (t) => {
  const { replicas, admins, two: first } = await pair(t);
  const [admin] = admins;
  assert.deepEqual(await silentReplicas(admin), []);
  let two = first;
  for (let time = 0; time < 3; time += 1) {
    await two.control.stop();
    await until(async () => (await silentReplicas(admin)).length === 1);
    two = await replicas.replica('two');
    await until(async () => (await silentReplicas(admin)).length === 0, 1_000);
  }
});

async function silentReplicas(admin: AdminClient): Promise<string[]> {
  const listed = await admin.listProxies();
  assert.ok(listed.ok);
  return listed.value.replicas.filter(({ silent }) => silent !== '').map(({ replica }) => replica);
}

interface Impostor {
  readonly accepted: readonly Socket[];
  close(): Promise<void>;
}

/** Where replica two would listen: takes connections and says nothing, or does with each what is asked. */
async function hangingServer(
  t: TestContext,
  port: number,
  taken: (socket: Socket) => void = () => undefined,
): Promise<Impostor> {
  const accepted: Socket[] = [];
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    accepted.push(socket);
    taken(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.2', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      for (const socket of accepted) socket.destroy();
      server.close(() => resolve());
    });
  t.after(close);
  return { accepted, close };
}

test('nobody but a control plane is answered as one', async (t) => {
  const { one } = await pair(t);
  const identity = await joinMesh(one.control, 'web');
  const client = new PeerClient(one.control.address, identity.tls());
  t.after(() => client.close());
  const asked = await Promise.all([
    client.listProxies(),
    client.getVersions('shop/web-1'),
    client.getConfig({ proxy: 'shop/web-1', keyPrefix: '' }),
    client.countHolders({ kind: '', namespace: '', name: '' }),
    client.viewServices({ calls: [] }),
    client.why({ replica: 'two', request: 'r', awaitMs: 1 }),
    client.count({ replica: 'two', proxies: [], lost: 0 }),
  ]);
  const streams = await Promise.all([
    new Promise<CallFault | null>((resolve) => client.tap(tapRequest, () => assert.fail('heard'), resolve)),
    new Promise<CallFault | null>((resolve) => client.watchEvents(true, () => assert.fail('heard'), resolve)),
  ]);
  const codes = asked.map((answer) => (answer.ok ? 'answered' : answer.error.code));
  assert.deepEqual(
    [...codes, ...streams.map((fault) => fault?.code)],
    Array.from({ length: 9 }, () => 'PermissionDenied'),
  );
});

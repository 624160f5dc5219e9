import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeClock, eventually } from '@weft/testkit';
import { AdminClient } from '@weft/wire';
import {
  startTestControl,
  startTestProxy,
  temporaryFolder,
  joinMesh,
  redeem,
  type TestProxy,
} from './control-harness.ts';
import { ControlStartError } from './control-options.ts';
import { MemorySource } from './source/memory-source.ts';

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: shop}
spec: {selector: {app: orders}, ports: [{name: http, port: 80, targetPort: 8080, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080, appProtocol: http}]}
`;
const route = (header: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: orders}]
  rules:
  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-mark, value: "${header}"}]}}]
    backendRefs: [{name: orders, port: 80}]
`;
const LISTENER = [{ applicationPort: 8080, name: 'http', address: '127.0.0.1', port: 15006 }];
const WAIT_MS = 5000;
const ORDERS = 'shop/orders:80';

const mark = (proxy: TestProxy): string =>
  JSON.stringify(proxy.get(`routes:${ORDERS}`)?.rules[0]?.filters ?? []).match(/"value":"([^"]*)"/)?.[1] ?? '';

test('a token becomes a leaf, a leaf a stream, and a stream brings routes and the endpoints of attested proxies', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES, 'b.yaml': route('one') }) });
  const orders = await startTestProxy(mesh, { service: 'orders', listeners: LISTENER });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  cart.client.subscribe([ORDERS]);
  await eventually(() => cart.endpoints(ORDERS).length === 1 && mark(cart) === 'one', WAIT_MS);
  assert.deepEqual(cart.get(`endpoints:${ORDERS}`)?.endpoints[0], {
    key: 'shop/orders~orders-1:8080',
    address: '127.0.0.1',
    port: 15006,
    applicationPort: 8080,
    identity: 'spiffe://cluster.local/ns/shop/sa/orders',
    mesh: true,
    zone: '',
    weight: 100,
  });
  await eventually(() => orders.isComplete, WAIT_MS);
  assert.equal(orders.get('inbound:shop/orders~orders-1')?.ports[0]?.protocol, 'Http1');
  assert.equal(cart.get('mesh:default')?.trustDomain, 'cluster.local');
  assert.deepEqual(
    cart.get('names:shop')?.services.map(({ service }) => service),
    ['cart', 'orders'],
  );
  assert.equal(cart.bundles.length, 1);
});

test('what the sidecar of one instance has learned of a port is told to its callers; a declaration wins', async (t) => {
  const ports = `[{name: a, port: 80, targetPort: 8080}, {name: b, port: 81, targetPort: 8081, appProtocol: http}]`;
  const source = new MemorySource({
    'a.yaml': SERVICES.replace(/ports: .*8080, appProtocol: http}\]/, `ports: ${ports}`),
  });
  const mesh = await startTestControl(t, { source });
  const listeners = [8080, 8081].map((applicationPort) => ({ ...LISTENER[0]!, applicationPort }));
  const orders = await startTestProxy(mesh, { service: 'orders', listeners });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  cart.client.subscribe([ORDERS, 'shop/orders:81']);
  const told = (): string =>
    [ORDERS, 'shop/orders:81'].map((key) => cart.get(`backend:${key}`)?.protocol ?? '').join(' ');
  await eventually(() => told() === 'Unknown Http1' && cart.endpoints(ORDERS).length === 1, WAIT_MS);
  orders.report({ opaquePorts: [8080, 8081] });
  await eventually(() => told() === 'Tcp Http1', WAIT_MS);
  // An application that has changed is looked at anew.
  orders.report({ opaquePorts: [] });
  await eventually(() => told() === 'Unknown Http1', WAIT_MS);
});

test('an edited file is acknowledged by every sidecar within 500 ms, saved in place or by renaming', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'services.yaml'), SERVICES);
  writeFileSync(join(folder, 'route.yaml'), route('one'));
  const mesh = await startTestControl(t, { configFolder: folder });
  const proxies: TestProxy[] = [];
  for (const instance of ['cart-1', 'cart-2', 'cart-3']) {
    proxies.push(await startTestProxy(mesh, { service: 'cart', instance }));
  }
  for (const proxy of proxies) proxy.client.subscribe([ORDERS]);
  const programmed = (): string => {
    const [found] = mesh.control.status().objects.filter(({ kind }) => kind === 'HTTPRoute');
    return `${found?.programmed}/${found?.proxies}`;
  };
  await eventually(() => proxies.every((proxy) => mark(proxy) === 'one') && programmed() === '3/3', WAIT_MS);
  for (const [value, save] of [
    ['two', (text: string) => writeFileSync(join(folder, 'route.yaml'), text)],
    [
      'three',
      (text: string) => {
        writeFileSync(join(folder, '.route.yaml.swp'), text);
        renameSync(join(folder, '.route.yaml.swp'), join(folder, 'route.yaml'));
      },
    ],
  ] as const) {
    save(route(value));
    await eventually(() => proxies.every((proxy) => mark(proxy) === value) && programmed() === '3/3', 500);
  }
});

test('a file that cannot be parsed leaves its objects in force and is reported with file, line and column', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'services.yaml'), SERVICES);
  writeFileSync(join(folder, 'route.yaml'), route('one'));
  const mesh = await startTestControl(t, { configFolder: folder });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  cart.client.subscribe([ORDERS]);
  await eventually(() => mark(cart) === 'one', WAIT_MS);
  writeFileSync(join(folder, 'route.yaml'), `${route('two')}\n  broken: [1, 2\n`);
  const broken = await eventually(() => {
    const found = mesh.control.status().objects.find(({ kind }) => kind === 'File');
    assert.ok(found !== undefined);
    return found;
  }, WAIT_MS);
  assert.equal(broken.file, join(folder, 'route.yaml'));
  assert.ok(broken.problems[0]!.line > 1 && broken.problems[0]!.column > 0);
  assert.ok(mesh.log.lines.some((line) => line.startsWith(`error ${join(folder, 'route.yaml')}:`)));
  const refused = route('two').replace('type: RequestHeaderModifier', 'type: RequestHeaderModifyer');
  writeFileSync(join(folder, 'route.yaml'), refused);
  const object = await eventually(() => {
    const found = mesh.control.status().objects.find(({ kind }) => kind === 'HTTPRoute');
    assert.ok(found !== undefined && found.problems.length > 0);
    return found;
  }, WAIT_MS);
  assert.equal(object.problems[0]?.path, 'spec.rules[0].filters[0].type');
  assert.equal(object.problems[0]?.line, 8);
  assert.equal(object.conditions.find(({ type }) => type === 'Accepted')?.status, 'False');
  assert.equal(object.programmed, 1);
  assert.equal(mark(cart), 'one');
  writeFileSync(join(folder, 'route.yaml'), route('three'));
  await eventually(() => mark(cart) === 'three', WAIT_MS);
});

test('what a proxy refuses is shown at the object, at the proxy and among the events', async (t) => {
  const source = new MemorySource({ 'a.yaml': SERVICES, 'b.yaml': route('one') });
  const mesh = await startTestControl(t, { source });
  const refuse = (resource: { type: string }): string | undefined =>
    JSON.stringify(resource).includes('"bad"') ? 'no such mark' : undefined;
  const cart = await startTestProxy(mesh, { service: 'cart', refuse });
  cart.client.subscribe([ORDERS]);
  await eventually(() => mark(cart) === 'one', WAIT_MS);
  source.put('b.yaml', route('bad'));
  const object = await eventually(() => {
    const found = mesh.control.status().objects.find(({ kind }) => kind === 'HTTPRoute');
    assert.match(found?.conditions.find(({ type }) => type === 'Programmed')?.message ?? '', /0 of 1 .*no such mark/);
    return found!;
  }, WAIT_MS);
  assert.equal(object.programmed, 0);
  assert.equal(mesh.control.status().proxies[0]?.state, 'Refusing');
  assert.equal(mark(cart), 'one');
  await eventually(() => mesh.log.lines.some((line) => /cart-1 refused routes:.*no such mark/.test(line)), WAIT_MS);
  source.put('b.yaml', route('two'));
  await eventually(() => mark(cart) === 'two' && mesh.control.status().proxies[0]?.state === 'Synced', WAIT_MS);
});

test('endpoints of a proxy go 10 s after its stream, not earlier, and not at all when it comes back', async (t) => {
  const clock = new FakeClock({ wallStartMs: Date.now() });
  const wheel = clock.wheel();
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }), clock, wheel });
  const step = (check: () => boolean): Promise<unknown> =>
    eventually(() => {
      clock.advance(10);
      return check();
    }, WAIT_MS);
  const identity = await joinMesh(mesh.control, 'orders');
  const orders = await startTestProxy(mesh, { service: 'orders', listeners: LISTENER, identity });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  cart.client.subscribe([ORDERS]);
  await step(() => cart.endpoints(ORDERS).length === 1);
  const stateOf = (name: string): string | undefined =>
    mesh.control.status().proxies.find((proxy) => proxy.name === name)?.state;
  orders.client.stop();
  await step(() => stateOf('shop/orders-1') === 'Lost');
  clock.advance(8000);
  const again = await startTestProxy(mesh, { service: 'orders', listeners: LISTENER, identity });
  await step(() => stateOf('shop/orders-1') === 'Synced');
  clock.advance(8000);
  assert.equal(cart.endpoints(ORDERS).length, 1);
  again.client.stop();
  await step(() => stateOf('shop/orders-1') === 'Lost');
  clock.advance(9500);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(cart.endpoints(ORDERS).length, 1);
  clock.advance(600);
  await step(() => cart.endpoints(ORDERS).length === 0);
  assert.equal(stateOf('shop/orders-1'), undefined);
});

test('a draining proxy is told that callers have left when all of them have acknowledged it', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }) });
  const orders = await startTestProxy(mesh, { service: 'orders', listeners: LISTENER });
  const first = await startTestProxy(mesh, { service: 'cart', instance: 'cart-1' });
  const second = await startTestProxy(mesh, { service: 'cart', instance: 'cart-2' });
  for (const cart of [first, second]) cart.client.subscribe([ORDERS]);
  await eventually(() => first.endpoints(ORDERS).length === 1 && second.endpoints(ORDERS).length === 1, WAIT_MS);
  second.hold();
  orders.report({ draining: true });
  await eventually(() => first.endpoints(ORDERS).length === 0, WAIT_MS);
  assert.deepEqual(orders.drains, []);
  second.release();
  await eventually(() => orders.drains.length === 1, WAIT_MS);
  assert.deepEqual(orders.drains[0], { reason: 'Withdrawn', subscribers: 2, acknowledged: 2, withinMs: 0 });
  assert.equal(second.endpoints(ORDERS).length, 0);
  orders.client.stop();
  await eventually(() => mesh.control.status().proxies.length === 2, WAIT_MS);
});

test('a caller that does not acknowledge is waited for 5 s, a dead one not at all', async (t) => {
  const clock = new FakeClock({ wallStartMs: Date.now() });
  const wheel = clock.wheel();
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }), clock, wheel });
  const step = (check: () => boolean): Promise<unknown> =>
    eventually(() => {
      clock.advance(10);
      return check();
    }, WAIT_MS);
  const orders = await startTestProxy(mesh, { service: 'orders', listeners: LISTENER });
  const slow = await startTestProxy(mesh, { service: 'cart', instance: 'cart-1' });
  slow.client.subscribe([ORDERS]);
  await step(() => slow.endpoints(ORDERS).length === 1);
  slow.hold();
  orders.report({ draining: true });
  await step(() => mesh.control.status().proxies.some(({ state }) => state === 'Draining'));
  clock.advance(4000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(orders.drains.length, 0);
  clock.advance(1100);
  await step(() => orders.drains.length === 1);
  assert.deepEqual(orders.drains[0], { reason: 'Withdrawn', subscribers: 1, acknowledged: 0, withinMs: 0 });
  slow.release();
});

test('who says another identity than its certificate, or takes the name of another, is refused', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }) });
  const liar = await startTestProxy(mesh, { service: 'cart', claimedAccount: 'orders' });
  await eventually(() => /says that it is shop\/orders/.test(liar.client.connection.lastError), WAIT_MS);
  const orders = await startTestProxy(mesh, { service: 'orders', instance: 'one', listeners: LISTENER });
  await eventually(() => orders.isComplete, WAIT_MS);
  const thief = await startTestProxy(mesh, { service: 'cart', instance: 'one', listeners: LISTENER });
  await eventually(() => /the instance shop\/one is .*sa\/orders/.test(thief.client.connection.lastError), WAIT_MS);
  const pretender = await startTestProxy(mesh, {
    service: 'cart',
    instance: 'two',
    listeners: LISTENER,
    labels: { app: 'orders' },
  });
  await eventually(() => pretender.isComplete, WAIT_MS);
  pretender.client.subscribe([ORDERS]);
  await eventually(() => pretender.endpoints(ORDERS).length > 0, WAIT_MS);
  assert.deepEqual(pretender.endpoints(ORDERS), ['shop/orders~one:8080']);
});

test('a token works once, for one workload, and only for what configuration names', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }) });
  const askedMs = Date.now();
  const { token, expiresAtMs } = await mesh.control.createToken({ namespace: 'shop', service: 'cart' });
  assert.ok(expiresAtMs >= askedMs + 600_000 && expiresAtMs <= Date.now() + 600_000, `${expiresAtMs - askedMs} ms`);
  const identity = await redeem(token);
  assert.equal(identity.id, 'spiffe://cluster.local/ns/shop/sa/cart');
  await assert.rejects(redeem(token), /was used already/);
  await assert.rejects(
    mesh.control.createToken({ namespace: 'shop', service: 'ordrs' }),
    /no service ordrs in namespace shop; known: cart, orders; did you mean orders\?/,
  );
  await assert.rejects(
    mesh.control.createToken({ namespace: 'nowhere', service: 'cart' }),
    /none in namespace nowhere; namespaces with services: shop/,
  );
});

test('the Admin socket answers every question, and is for its owner only', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES, 'b.yaml': route('one') }) });
  assert.equal(statSync(mesh.control.adminSocket).mode & 0o777, 0o600);
  const cart = await startTestProxy(mesh, { service: 'cart' });
  cart.client.subscribe([ORDERS]);
  await eventually(() => mark(cart) === 'one', WAIT_MS);
  const admin = new AdminClient(mesh.control.adminSocket);
  t.after(() => admin.close());
  const server = await admin.getServer();
  assert.ok(server.ok);
  assert.deepEqual([server.value.address, server.value.objects, server.value.proxies], [mesh.control.address, 3, 1]);
  const proxies = await admin.listProxies();
  assert.ok(proxies.ok);
  assert.equal(proxies.value.proxies[0]?.identity, 'spiffe://cluster.local/ns/shop/sa/cart');
  assert.equal(proxies.value.proxies[0]?.version.length, 16);
  const config = await admin.getConfig({ proxy: 'shop/cart-1', keyPrefix: 'routes:' });
  assert.ok(config.ok);
  assert.deepEqual(
    config.value.resources.map(({ key }) => key),
    [`routes:${ORDERS}`],
  );
  const versions = await admin.getVersions('shop/cart-1');
  assert.ok(versions.ok);
  const version = versions.value.resources.find(({ key }) => key === `routes:${ORDERS}`);
  assert.ok(version !== undefined && version.current !== '' && version.current === version.inForce);
  const objects = await admin.listObjects({ kind: 'HTTPRoute', namespace: 'shop', name: 'orders' });
  assert.ok(objects.ok);
  assert.match(objects.value.objects[0]?.yaml ?? '', /kind: HTTPRoute[^]*status:[^]*1 of 1 proxies/);
  const unknown = await admin.getConfig({ proxy: 'shop/none', keyPrefix: '' });
  assert.ok(!unknown.ok && unknown.error.code === 'NotFound' && unknown.error.message.includes('shop/cart-1'));
  const token = await admin.createToken({ namespace: 'shop', service: 'nope', serviceAccount: '', lifetimeMs: 0 });
  assert.ok(!token.ok && token.error.code === 'NotFound' && token.error.message.includes('cart, orders'));
  const types: string[] = [];
  await new Promise<void>((resolve) => {
    admin.watchEvents(
      true,
      ({ type }) => types.push(type),
      () => resolve(),
    );
  });
  assert.ok(types.includes('proxy-connected') && types.includes('certificate-issued'));
});

test('a restarted control plane still knows endpoints whose proxies have not come back yet, and its root', async (t) => {
  const source = new MemorySource({ 'a.yaml': SERVICES });
  const first = await startTestControl(t, { source });
  const cartIdentity = await joinMesh(first.control, 'cart');
  const orders = await startTestProxy(first, { service: 'orders', listeners: LISTENER });
  await eventually(() => orders.isComplete, WAIT_MS);
  const path = join(first.folder, 'workloads.json');
  await eventually(() => existsSync(path), WAIT_MS);
  orders.client.stop();
  await first.control.stop();
  const second = await startTestControl(t, {
    source: new MemorySource({ 'a.yaml': SERVICES }),
    stateFolder: first.folder,
  });
  const cart = await startTestProxy(second, { service: 'cart', identity: cartIdentity });
  cart.client.subscribe([ORDERS]);
  await eventually(() => cart.endpoints(ORDERS).length === 1, WAIT_MS);
});

test('a new root reaches every proxy before it signs, and leaves of both are taken until the old one is removed', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }) });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  await eventually(() => cart.isComplete, WAIT_MS);
  const old = cart.bundles.at(-1)!;
  const fingerprint = await mesh.control.roots.prepare();
  await eventually(() => cart.bundles.at(-1)!.roots.length === 2, WAIT_MS);
  assert.ok(cart.bundles.at(-1)!.generation > old.generation);
  await mesh.control.roots.activate(fingerprint);
  const later = await startTestProxy(mesh, { service: 'orders', listeners: LISTENER });
  await eventually(() => later.isComplete, WAIT_MS);
  await assert.rejects(mesh.control.roots.remove(fingerprint), /still signs/);
});

test('metrics and health are served on loopback, and to loopback names only', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }), metricsPort: 0 });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  await eventually(() => cart.isComplete, WAIT_MS);
  const base = `http://127.0.0.1:${mesh.control.metricsPort}`;
  const text = await (await fetch(`${base}/metrics`)).text();
  assert.match(text, /^weft_control_sessions 1$/m);
  assert.match(text, /^weft_control_objects 2$/m);
  assert.match(text, /^weft_control_certificates_issued_total\{attestation="token"\} 1$/m);
  assert.match(text, /^weft_control_acknowledgements_total [1-9]/m);
  assert.equal((await fetch(`${base}/ready`)).status, 200);
  assert.equal((await fetch(`${base}/live`)).status, 200);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
});

test('what stands in the way of a start is one line, and nothing is left open', async (t) => {
  const source = new MemorySource();
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', () => resolve()));
  t.after(() => taken.close());
  const { port } = taken.address() as { port: number };
  const refuses = (promise: Promise<unknown>, line: RegExp): Promise<void> =>
    assert.rejects(promise, (error: unknown) => error instanceof ControlStartError && line.test(error.message));
  await refuses(startTestControl(t, { source, port }), /^port \d+ on 127\.0\.0\.1 is taken; .*--port$/);
  await refuses(startTestControl(t, { configFolder: '/nowhere/at/all' }), /cannot be read \(ENOENT\); check --config/);
  const open = join(temporaryFolder(t), 'state');
  mkdirSync(open);
  chmodSync(open, 0o755);
  await refuses(startTestControl(t, { source, stateFolder: open }), /may be read or written by others .*chmod 0700/);
  const foreign = await startTestControl(t, { source, trustDomain: 'other.example' });
  await foreign.control.stop();
  await refuses(
    startTestControl(t, { source, stateFolder: foreign.folder }),
    /another mesh \(this one is cluster\.local\)/,
  );
});

test('stopping asks proxies to move and leaves no socket and no timer behind', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }) });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  await eventually(() => cart.isComplete, WAIT_MS);
  await mesh.control.stop();
  assert.equal(cart.drains[0]?.reason, 'Move');
  cart.client.stop();
  assert.equal(mesh.wheel.size, 0);
  assert.ok(!existsSync(mesh.control.adminSocket));
  assert.ok(!mesh.log.lines.some((line) => line.startsWith('warn')));
});

test('an entry in the files gets the mesh port of its proxy, and is never called in plaintext after that', async (t) => {
  const entry = `apiVersion: weft.dev/v1alpha1
kind: WorkloadEntry
metadata: {name: orders-vm, namespace: shop}
spec: {address: 127.0.0.1, ports: [{port: 8080}], serviceAccount: orders, labels: {app: orders}}
`;
  const source = new MemorySource({ 'a.yaml': SERVICES, 'entry.yaml': entry });
  const mesh = await startTestControl(t, { source });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  cart.client.subscribe([ORDERS]);
  const shown = (): unknown[] =>
    (cart.get(`endpoints:${ORDERS}`)?.endpoints ?? []).map((endpoint) => [endpoint.port, endpoint.mesh]);
  await eventually(() => JSON.stringify(shown()) === '[[8080,false]]', WAIT_MS);
  const proxy = await startTestProxy(mesh, {
    service: 'orders',
    instance: 'orders-vm',
    ephemeral: false,
    listeners: LISTENER,
  });
  await eventually(() => JSON.stringify(shown()) === '[[15006,true]]', WAIT_MS);
  proxy.report({ draining: true });
  await eventually(() => proxy.drains.length === 1, WAIT_MS);
  proxy.client.stop();
  await eventually(() => mesh.control.status().proxies.length === 1, WAIT_MS);
  assert.deepEqual(shown(), []);
  source.remove('entry.yaml');
  source.put('entry.yaml', entry);
  await eventually(() => JSON.stringify(shown()) === '[[8080,false]]', WAIT_MS);
});

test('a gateway is sent its listeners with the routes attached to them, a sidecar is not', async (t) => {
  const gateway = `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: edge, namespace: shop}
spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: orders, port: 80}]}]}
`;
  const source = new MemorySource({ 'a.yaml': SERVICES, 'edge.yaml': gateway });
  const mesh = await startTestControl(t, { source });
  const edge = await startTestProxy(mesh, { service: 'edge', ephemeral: false, gateway: 'shop/edge' });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  const KEY = 'listener:shop/edge/http';
  await eventually(() => edge.get(KEY)?.rules[0]?.backends[0]?.backend === ORDERS && cart.isComplete, WAIT_MS);
  assert.ok(edge.get(`endpoints:${ORDERS}`) !== undefined);
  assert.equal(cart.get(KEY), undefined);
  source.put('edge.yaml', gateway.replace('backendRefs: [{name: orders', 'backendRefs: [{name: cart'));
  await eventually(() => edge.get(KEY)?.rules[0]?.backends[0]?.backend === 'shop/cart:80', WAIT_MS);
  const route = mesh.control.status().objects.find(({ kind }) => kind === 'HTTPRoute');
  assert.equal(route?.conditions[0]?.about, 'Gateway shop/edge');
});

test('a stream ends with the root that vouched for it', async (t) => {
  const mesh = await startTestControl(t, { source: new MemorySource({ 'a.yaml': SERVICES }) });
  const cart = await startTestProxy(mesh, { service: 'cart' });
  await eventually(() => cart.isComplete, WAIT_MS);
  const first = mesh.control.roots.signing;
  const next = await mesh.control.roots.prepare();
  await mesh.control.roots.activate(next);
  await mesh.control.roots.remove(first);
  await eventually(
    () => mesh.log.lines.some((line) => /cart-1 is ended: its root is no longer trusted/.test(line)),
    WAIT_MS,
  );
  await eventually(() => mesh.control.status().proxies[0]?.state === 'Lost', WAIT_MS);
});

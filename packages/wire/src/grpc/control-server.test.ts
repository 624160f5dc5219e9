import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, before, test } from 'node:test';
import { type TLSSocket, connect, createSecureContext } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { type ServiceClientConstructor, credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { type Result, TimerWheel, fail, ok, systemClock } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import { type CertificatePair, makeAuthority } from '../wire-certificates.ts';
import { exampleResources } from '../wire-examples.ts';
import { type VersionedResource, versionResource } from '../resource-codec.ts';
import { SyncClient } from '../sync-client.ts';
import type { Drain, Hello } from '../sync-message.ts';
import type { View } from '../session-contract.ts';
import type { SyncSession } from '../sync-session.ts';
import { AdminServer } from './admin-server.ts';
import type { AdminService } from './admin-service.ts';
import { AdminClient } from './admin-client.ts';
import type { ClientTls } from './client-tls.ts';
import { issueCertificate, syncConnector } from './control-client.ts';
import { ControlServer, type ControlService } from './control-server.ts';
import type { CallFault } from './method.ts';

let authority: Awaited<ReturnType<typeof makeAuthority>>;
let foreign: Awaited<ReturnType<typeof makeAuthority>>;
let serverPair: CertificatePair;
let clientPair: CertificatePair;

before(async () => {
  authority = await makeAuthority('mesh');
  foreign = await makeAuthority('foreign');
  serverPair = await authority.issue('spiffe://example/control');
  clientPair = await authority.issue('spiffe://example/ns/shop/sa/cart');
});

test('a proxy with a certificate is welcomed, sent its view, told of changes by deltas, and acknowledges', async (t) => {
  const mesh = await startServer(t);
  const proxy = startProxy(t, mesh.address, () => tlsOf(clientPair));
  proxy.client.subscribe(['shop/orders:80']);
  await proxy.until(() => proxy.client.resources.has('routes:shop/orders:80'));
  assert.equal(proxy.client.connection.state, 'connected');
  assert.equal(mesh.opened[0]?.peer, 'spiffe://example/ns/shop/sa/cart');
  assert.deepEqual(
    [...proxy.client.resources].map(([key, held]) => [key, held.hash]).sort(),
    [...mesh.resources].map(([key, version]) => [key, version.hash]).sort(),
  );

  const before = proxy.client.resources.get('endpoints:shop/orders:80')?.resource;
  assert.ok(before?.type === 'endpoints');
  const [first, ...rest] = before.endpoints;
  assert.ok(first !== undefined);
  const changed = versionResource({ ...before, endpoints: [{ ...first, weight: 7 }, ...rest] });
  mesh.resources.set(changed.key, changed);
  mesh.server.hub.changed([changed.key]);
  await proxy.until(() => proxy.client.resources.get(changed.key)?.hash === changed.hash);
  const after = proxy.client.resources.get(changed.key)?.resource;
  assert.ok(after?.type === 'endpoints' && after.endpoints[0]?.weight === 7);
  await mesh.until(() => [...mesh.server.hub.sessions][0]?.inForce(changed.key) === changed.hash);
});

test('a proxy that says another identity than its certificate is refused', async (t) => {
  const mesh = await startServer(t, (hello) =>
    hello.workload.serviceAccount === 'cart' ? ok(null) : fail({ code: 'PermissionDenied', message: 'not yours' }),
  );
  const proxy = startProxy(t, mesh.address, () => tlsOf(clientPair), 'somebody');
  await proxy.until(() => proxy.client.connection.lastError.includes('not yours'));
  assert.equal(proxy.client.connection.state === 'connected', false);
});

test('a connection without a certificate may call Issue and nothing else', async (t) => {
  const mesh = await startServer(t);
  const request = { csr: Buffer.from('a request'), joinToken: 'a token', serviceAccountToken: '', certificate: null };
  const issued = await issueCertificate(mesh.address, tlsOf(null), request);
  assert.ok(issued.ok);
  assert.equal(issued.value.identity, 'for null');
  assert.equal(Buffer.from(issued.value.chain[0] ?? []).toString(), 'a request');
  const renewed = await issueCertificate(mesh.address, tlsOf(clientPair), { ...request, joinToken: '' });
  assert.ok(renewed.ok);
  assert.equal(renewed.value.identity, 'for spiffe://example/ns/shop/sa/cart');

  const proxy = startProxy(t, mesh.address, () => tlsOf(null));
  await proxy.until(() => /does not implement|unimplemented/i.test(proxy.client.connection.lastError));
  assert.equal(mesh.opened.length, 0);
});

test('a certificate of a foreign authority is refused, and the connection closed before anything is read', async (t) => {
  const mesh = await startServer(t);
  const pair = await foreign.issue('spiffe://example/ns/shop/sa/cart');
  const socket = connect({
    host: '127.0.0.1',
    port: Number(mesh.address.split(':')[1]),
    ca: authority.pem,
    cert: pair.certificate,
    key: pair.key,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => undefined);
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  assert.equal(received, 0);
  assert.deepEqual(mesh.refused, ['untrusted']);
});

test('a server whose certificate the proxy does not accept gets nothing from it', async (t) => {
  const mesh = await startServer(t);
  const proxy = startProxy(t, mesh.address, () => ({
    ...tlsOf(clientPair),
    verifyServer: () => new Error('this is not the control plane'),
  }));
  await proxy.until(() => proxy.client.connection.failures > 0);
  assert.equal(mesh.opened.length, 0);
});

test('the server killed and back on its port: the proxy keeps everything and is sent only what changed', async (t) => {
  const mesh = await startServer(t);
  const proxy = startProxy(t, mesh.address, () => tlsOf(clientPair));
  proxy.client.subscribe(['shop/orders:80']);
  await proxy.until(() => proxy.client.resources.has('routes:shop/orders:80'));
  const applied = proxy.appliedKeys.length;
  await mesh.server.close(0, 0);
  await proxy.until(() => proxy.client.connection.state !== 'connected');
  assert.ok(proxy.client.resources.has('routes:shop/orders:80'));

  const meshSettings = versionResource({
    type: 'mesh',
    name: 'default',
    trustDomain: 'example',
    trustDomainAliases: ['older.example'],
    egress: 'DeclaredOnly',
    gatewayProxyProtocol: false,
  });
  mesh.resources.set(meshSettings.key, meshSettings);
  await mesh.restart();
  await proxy.until(() => proxy.client.resources.get(meshSettings.key)?.hash === meshSettings.hash);
  assert.deepEqual(proxy.appliedKeys.slice(applied), [meshSettings.key]);
});

test('a rotated leaf is used by a new stream, and the proxy is never without one', async (t) => {
  const mesh = await startServer(t);
  const next = await authority.issue('spiffe://example/ns/shop/sa/cart-next');
  let current = clientPair;
  const proxy = startProxy(t, mesh.address, () => tlsOf(current));
  await proxy.until(() => proxy.client.connection.state === 'connected');
  const states = proxy.states.length;
  current = next;
  proxy.client.reauthenticate();
  await mesh.until(() => mesh.closed === 1);
  assert.deepEqual(
    mesh.opened.map(({ peer }) => peer),
    ['spiffe://example/ns/shop/sa/cart', 'spiffe://example/ns/shop/sa/cart-next'],
  );
  assert.deepEqual(proxy.states.slice(states), ['connected']);
});

test('the server can ask a proxy what it holds', async (t) => {
  const mesh = await startServer(t);
  const proxy = startProxy(t, mesh.address, () => tlsOf(clientPair));
  proxy.client.subscribe(['shop/orders:80']);
  await proxy.until(() => proxy.client.resources.has('routes:shop/orders:80'));
  const answer = await new Promise((resolve) => {
    mesh.opened[0]?.session.query('routes:', resolve);
  });
  const routes = mesh.resources.get('routes:shop/orders:80');
  assert.deepEqual(answer, {
    id: 1,
    resources: [{ key: routes?.key, hash: routes?.hash, body: Buffer.from(routes?.body ?? []) }],
    truncated: false,
    hops: [],
    reach: null,
    backends: [],
  });
});

test('Admin is served on a socket that only its owner may open, and a stock client made of the .proto files can use it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-wire-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'control.sock');
  const server = new AdminServer(adminService());
  assert.deepEqual(await server.listen(path), ok(undefined));
  t.after(() => server.close());
  assert.equal(statSync(path).mode & 0o777, 0o600);

  const client = new AdminClient(path);
  t.after(() => client.close());
  const created = await client.createToken({ namespace: 'shop', service: 'cart', serviceAccount: '', lifetimeMs: 0 });
  assert.deepEqual(created, ok({ token: 'shop.cart', expiresAtMs: 1_700_000_000_000, workload: 'shop/cart' }));
  const unknown = await client.getConfig({ proxy: 'shop/none', keyPrefix: '' });
  assert.deepEqual(unknown, fail({ code: 'NotFound', message: 'no proxy shop/none' }));
  const events: string[] = [];
  await new Promise<void>((resolve) => {
    client.watchEvents(
      true,
      (event) => events.push(event.type),
      () => resolve(),
    );
  });
  assert.deepEqual(events, ['proxy-connected']);

  const second = new AdminServer(adminService());
  const taken = await second.listen(path);
  assert.ok(!taken.ok && taken.error.includes('another process'));

  const proto = fileURLToPath(new URL('../../../../proto', import.meta.url));
  const loaded = loadPackageDefinition(loadSync('weft/v1/admin.proto', { includeDirs: [proto] }));
  const weft = loaded['weft'] as unknown as { v1: { Admin: ServiceClientConstructor } };
  const stock = new weft.v1.Admin(`unix:${path}`, credentials.createInsecure());
  const info = await new Promise<{ mesh: string; proxies: number }>((resolve, reject) => {
    stock['GetServer']?.({}, (error: Error | null, value: { mesh: string; proxies: number }) =>
      error === null ? resolve(value) : reject(error),
    );
  });
  stock.close();
  assert.equal(info.mesh, 'test');
  assert.equal(info.proxies, 3);
});

function adminService(): AdminService {
  return {
    getServer: () =>
      ok({
        server: 'control-0',
        mesh: 'test',
        version: '0.1.0',
        trustDomain: 'example',
        startedAtMs: 1,
        address: '127.0.0.1:1',
        source: 'folder',
        proxies: 3,
        objects: 4,
        objectsRefused: 0,
        replicas: [{ replica: 'control-0', silent: '' }],
      }),
    listProxies: () => ok({ proxies: [], replicas: [] }),
    getConfig: ({ proxy }) => fail({ code: 'NotFound', message: `no proxy ${proxy}` }),
    getVersions: () => ok({ resources: [] }),
    listObjects: () => ok({ objects: [], replicas: [] }),
    why: () => ok({ hops: [], rings: [] }),
    getTraffic: () => ok({ coveredMs: 0, proxies: 0, edges: [], replicas: [] }),
    getDashboard: () => ok({ address: 'http://127.0.0.1:15080', token: 'x' }),
    tap: () => ok(() => undefined),
    watchEvents: (noFollow, emit, ended) => {
      emit({
        atMs: 1,
        type: 'proxy-connected',
        severity: 'info',
        subject: 'shop/cart',
        message: '',
        replica: 'control-0',
      });
      if (noFollow) ended();
      return () => undefined;
    },
    createToken: ({ namespace, service }) =>
      Promise.resolve(
        ok({ token: `${namespace}.${service}`, expiresAtMs: 1_700_000_000_000, workload: `${namespace}/${service}` }),
      ),
  };
}

function tlsOf(pair: CertificatePair | null): ClientTls {
  const context = createSecureContext({
    ca: authority.pem,
    minVersion: 'TLSv1.3',
    ...(pair === null ? {} : { cert: pair.certificate, key: pair.key }),
  });
  return {
    context,
    verifyServer: (certificate) =>
      certificate.subjectaltname === 'URI:spiffe://example/control' ? undefined : new Error('not the control plane'),
  };
}

interface Opened {
  readonly session: SyncSession;
  readonly peer: string;
}

async function startServer(t: TestContext, judge: (hello: Hello) => Result<null, CallFault> = () => ok(null)) {
  const resources = new Map<ResourceKey, VersionedResource>();
  for (const resource of exampleResources()) {
    const version = versionResource(resource);
    resources.set(version.key, version);
  }
  const roots = [...resources.keys()].filter((key) => /^(mesh|names|inbound|listener):/.test(key));
  const view: View = { roots: () => roots, lookup: (key) => resources.get(key) };
  const timers = new TimerWheel(systemClock);
  timers.start();
  const opened: Opened[] = [];
  const refused: string[] = [];
  const waits = waiting();
  const state = { closed: 0 };
  const service: ControlService<string> = {
    authenticate: judgeCertificate,
    admit: (hello) => {
      const judged = judge(hello);
      return judged.ok ? ok(view) : judged;
    },
    opened: (session, peer) => {
      opened.push({ session, peer });
      waits.poke();
    },
    advanced: () => waits.poke(),
    closed: () => {
      state.closed += 1;
      waits.poke();
    },
    issue: (request, peer) => ok({ chain: [request.csr], trustBundle: null, notAfterMs: 1, identity: `for ${peer}` }),
    trustBundle: () => ({ trustDomain: 'example', generation: 1, roots: [Buffer.from('root')] }),
    refused: (_address, reason) => refused.push(reason),
  };
  const start = () =>
    new ControlServer({
      server: 'control-0',
      mesh: 'test',
      tls: { cert: serverPair.certificate, key: serverPair.key, ca: authority.pem },
      service,
      clock: systemClock,
      timers,
    });
  const mesh = {
    server: start(),
    address: '',
    resources,
    opened,
    refused,
    until: waits.until,
    get closed() {
      return state.closed;
    },
    async restart() {
      mesh.server = start();
      await mesh.server.listen('127.0.0.1', Number(mesh.address.split(':')[1]));
    },
  };
  const bound = await mesh.server.listen('127.0.0.1', 0);
  mesh.address = `127.0.0.1:${bound.port}`;
  t.after(async () => {
    await mesh.server.close(0, 0);
    timers.stop();
  });
  return mesh;
}

function judgeCertificate(socket: TLSSocket): Result<string | null, string> {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return ok(null);
  if (!certificate.verify(new X509Certificate(authority.pem).publicKey)) return fail('untrusted');
  return ok((certificate.subjectAltName ?? '').replace('URI:', ''));
}

function startProxy(t: TestContext, address: string, tls: () => ClientTls, serviceAccount = 'cart') {
  const timers = new TimerWheel(systemClock);
  timers.start();
  const waits = waiting();
  const appliedKeys: string[] = [];
  const states: string[] = [];
  const drains: Drain[] = [];
  const client = new SyncClient({
    workload: {
      namespace: 'shop',
      name: 'cart',
      serviceAccount,
      instance: 'cart-1',
      labels: [],
      node: '',
      zone: '',
      version: '0.1.0',
      ephemeral: false,
      service: '',
      weight: 100,
    },
    listeners: [],
    capabilities: [],
    gateway: '',
    connector: syncConnector(() => address, tls),
    handler: {
      apply: (changes) => {
        appliedKeys.push(...changes.upserted.map(({ key }) => key));
        queueMicrotask(waits.poke);
        return { errors: [] };
      },
      missing: waits.poke,
      trustBundle: waits.poke,
      complete: waits.poke,
      drain: (drain) => drains.push(drain),
      connection: (facts) => {
        states.push(facts.state);
        waits.poke();
      },
    },
    clock: systemClock,
    timers,
    random: () => 0.5,
  });
  client.start();
  t.after(() => {
    client.stop();
    timers.stop();
  });
  return { client, appliedKeys, states, drains, until: waits.until };
}

/** Waits for facts, looking at them whenever something happened. */
function waiting() {
  const open: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];
  return {
    poke(): void {
      for (const entry of open.splice(0)) {
        if (entry.holds()) entry.resolve();
        else open.push(entry);
      }
    },
    until(holds: () => boolean): Promise<void> {
      if (holds()) return Promise.resolve();
      return new Promise((resolve) => {
        open.push({ holds, resolve });
      });
    },
  };
}

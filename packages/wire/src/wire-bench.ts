/**
 * What the control protocol costs. `node packages/wire/src/wire-bench.ts [codec] [sessions COUNT] [streams COUNT] [counts]`:
 * `codec` encodes and decodes 10,000 routes and 100,000 endpoints; `sessions` runs so many pairs of machines without a
 * network, `streams` so many over gRPC and mutual TLS on loopback, with 10 endpoint changes a second for 10 s; `counts` encodes
 * and decodes what one replica tells another of the counters of 1,000 sidecars in a second.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { TimerWheel, ok, systemClock, systemRandom } from '@weft/kernel';
import type { Endpoint, Resource, ResourceKey } from '@weft/model';
import { ControlServer } from './grpc/control-server.ts';
import { syncConnector } from './grpc/control-client.ts';
import { EndpointDeltas } from './endpoint-delta.ts';
import { type VersionedResource, decodeResource, versionResource } from './resource-codec.ts';
import { SyncClient } from './sync-client.ts';
import type { SyncConnector } from './sync-handler.ts';
import { SyncHub } from './sync-hub.ts';
import { EDGE_BUCKET_BOUNDS_MS } from './observation-message.ts';
import { countRequest } from './peer-message.ts';
import { clientMessage } from './sync-message.ts';
import type { View } from './session-contract.ts';
import { SyncSession } from './sync-session.ts';
import { makeAuthority } from './wire-certificates.ts';
import { exampleEndpoints, exampleResources, exampleRule } from './wire-examples.ts';

const CHANGES_PER_SECOND = 10;
const SECONDS = 10;
const ENDPOINTS = 100;

/** Each sidecar counts every 5 s. */
function benchCounts(): void {
  const edge = {
    direction: 'Outbound' as const,
    peer: 'shop/orders',
    route: 'HTTPRoute shop/orders',
    rule: '0',
    tcp: false,
    requests: 408,
    failures: 2,
    retries: 1,
    secured: 408,
    plaintext: 0,
    requestBytes: 10_000,
    responseBytes: 1_000_000,
    latencies: EDGE_BUCKET_BOUNDS_MS.map((_bound, at) => at * 3),
  };
  const edges = Array.from({ length: 10 }, (_, at) => ({ ...edge, peer: `shop/orders-${at}` }));
  const proxies = Array.from({ length: 200 }, (_, at) => ({
    proxy: `shop/web-6f7c9d-${at}`,
    place: 'shop/web',
    gateway: false,
    account: 'shop/web',
    workload: `shop/web-6f7c9d-${at}`,
    ageMs: 250,
    counters: { intervalMs: 5_000, edges, folded: 0, residentBytes: 8e7, loopDelayP99Ms: 1.5, connections: 12 },
  }));
  const request = { replica: 'weft-control-0', proxies, lost: 0 };
  const rounds = 50;
  for (let round = 0; round < 10; round += 1) countRequest.decode(countRequest.encode(request));
  let bytes: Buffer = Buffer.alloc(0);
  const encodeMs = processorMs(() => {
    for (let round = 0; round < rounds; round += 1) bytes = countRequest.encode(request);
  });
  const decodeMs = processorMs(() => {
    for (let round = 0; round < rounds; round += 1) countRequest.decode(bytes);
  });
  console.log(
    `counts of 1,000 sidecars with 10 edges each, a second of them: ${(bytes.length / 1_000).toFixed(0)} kB, ` +
      `${(encodeMs / rounds).toFixed(1)} ms to write, ${(decodeMs / rounds).toFixed(1)} ms to read`,
  );
}

/** Of processor, so that other work on the machine is no part of it. */
function processorMs(action: () => void): number {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function benchCodec(): void {
  const rule = { ...exampleRule(), filters: [], matches: exampleRule().matches.slice(1) };
  const resources: Resource[] = [];
  for (let index = 0; index < 1000; index += 1) {
    const name = `shop/service-${index}:80`;
    const backends = [{ backend: name, weight: 1, filters: [] }];
    resources.push(
      { type: 'routes', name, rules: Array.from({ length: 10 }, (_, at) => ({ ...rule, rule: String(at), backends })) },
      { type: 'endpoints', name, endpoints: exampleEndpoints(100) },
    );
  }
  for (let round = 0; round < 4; round += 1) {
    const startMs = systemClock.nowMs();
    const versions = resources.map(versionResource);
    const encodedMs = systemClock.nowMs();
    let bytes = 0;
    let longestMs = 0;
    for (const { key, body } of versions) {
      const beforeMs = systemClock.nowMs();
      if (!decodeResource(key, body).ok) throw new Error(`${key} does not decode`);
      longestMs = Math.max(longestMs, systemClock.nowMs() - beforeMs);
      bytes += body.length;
    }
    const decodeMs = systemClock.nowMs() - encodedMs;
    console.log(
      `codec: ${(bytes / 1e6).toFixed(1)} MB; version ${(encodedMs - startMs).toFixed(0)} ms; decode ${decodeMs.toFixed(0)} ms ` +
        `(${(bytes / 1e3 / decodeMs).toFixed(0)} MB/s), longest resource ${longestMs.toFixed(2)} ms`,
    );
  }
}

async function run(
  name: string,
  count: number,
  hub: SyncHub,
  resources: Map<ResourceKey, VersionedResource>,
): Promise<void> {
  const key: ResourceKey = 'endpoints:shop/orders:80';
  let endpoints: readonly Endpoint[] = exampleEndpoints(ENDPOINTS);
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  const startMs = systemClock.nowMs();
  for (let change = 0; change < CHANGES_PER_SECOND * SECONDS; change += 1) {
    const changedMs = systemClock.nowMs();
    endpoints = endpoints.map((endpoint, index) =>
      index === change % ENDPOINTS ? { ...endpoint, weight: 100 + change } : endpoint,
    );
    const version = versionResource({ type: 'endpoints', name: 'shop/orders:80', endpoints });
    resources.set(key, version);
    hub.changed([key]);
    const isBehind = (session: SyncSession): boolean => session.inForce(key) !== version.hash;
    while (hub.sessions.size < count || [...hub.sessions].some(isBehind)) await pause(1);
    latencies.push(systemClock.nowMs() - changedMs);
    const dueMs = startMs + ((change + 1) * 1000) / CHANGES_PER_SECOND;
    if (dueMs > systemClock.nowMs()) await pause(dueMs - systemClock.nowMs());
  }
  const used = process.cpuUsage(cpu);
  const wallMs = systemClock.nowMs() - startMs;
  latencies.sort((left, right) => left - right);
  const at = (share: number): string => (latencies[Math.floor((latencies.length - 1) * share)] ?? 0).toFixed(1);
  console.log(
    `${name} ${count}: change to last Ack p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; CPU of both sides ` +
      `${(((used.user + used.system) / 1000 / wallMs) * 100).toFixed(0)} % of a core, ` +
      `${((used.user + used.system) / latencies.length / count).toFixed(1)} us per change and proxy; ` +
      `RSS ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function exampleView(): { resources: Map<ResourceKey, VersionedResource>; view: View } {
  const resources = new Map<ResourceKey, VersionedResource>();
  for (const resource of exampleResources()) {
    const version = versionResource(resource);
    resources.set(version.key, version);
  }
  return { resources, view: { roots: () => ['mesh:default'], lookup: (key) => resources.get(key) } };
}

function newClient(index: number, connector: SyncConnector, timers: TimerWheel): SyncClient {
  const client = new SyncClient({
    workload: {
      namespace: 'shop',
      name: 'cart',
      serviceAccount: 'cart',
      instance: `cart-${index}`,
      labels: [],
      node: '',
      zone: '',
      version: '0',
      ephemeral: false,
      service: '',
      weight: 0,
    },
    listeners: [],
    capabilities: [],
    gateway: '',
    connector,
    handler: {
      apply: () => ({ errors: [] }),
      missing: () => undefined,
      trustBundle: () => undefined,
      complete: () => undefined,
      drain: () => undefined,
      connection: () => undefined,
    },
    clock: systemClock,
    timers,
    random: systemRandom,
  });
  client.subscribe(['shop/orders:80']);
  return client;
}

async function benchSessions(count: number): Promise<void> {
  const timers = new TimerWheel(systemClock);
  timers.start();
  const hub = new SyncHub(systemClock, timers);
  const deltas = new EndpointDeltas();
  const { resources, view } = exampleView();
  const connector: SyncConnector = {
    open(events) {
      let session: SyncSession | null = null;
      const port = {
        write: (bytes: Buffer): boolean => {
          setImmediate(() => events.message(bytes));
          return true;
        },
        close: (): void => undefined,
      };
      return {
        send(bytes) {
          setImmediate(() => {
            const decoded = clientMessage.decode(bytes);
            if (!decoded.ok) throw new Error(decoded.error.message);
            if (session !== null) return session.receive(decoded.value);
            if (decoded.value.type !== 'hello') throw new Error('no Hello');
            session = new SyncSession(view, decoded.value.hello, port, {
              server: 'a',
              session: 'b',
              mesh: 'c',
              reportIntervalMs: 10_000,
              ackTimeoutMs: 30_000,
              transactionBytes: 1 << 20,
              trustBundle: null,
              deltas,
              timers,
            });
            hub.add(session);
            session.start();
          });
        },
        close: () => undefined,
      };
    },
  };
  const clients = Array.from({ length: count }, (_, index) => newClient(index, connector, timers));
  for (const client of clients) client.start();
  while (clients.some((client) => client.resources.size < 4)) await pause(5);
  await run('sessions', count, hub, resources);
  timers.stop();
}

async function benchStreams(count: number): Promise<void> {
  const timers = new TimerWheel(systemClock);
  timers.start();
  const authority = await makeAuthority('bench');
  const pair = await authority.issue('spiffe://example/any');
  const root = new X509Certificate(authority.pem).publicKey;
  const { resources, view } = exampleView();
  const server = new ControlServer<string>({
    server: 'control',
    mesh: 'bench',
    tls: { cert: pair.certificate, key: pair.key, ca: authority.pem },
    service: {
      authenticate: (socket) => (socket.getPeerX509Certificate()?.verify(root) === true ? ok('peer') : ok(null)),
      admit: () => ok(view),
      opened: () => undefined,
      advanced: () => undefined,
      closed: () => undefined,
      issue: (request) => ok({ chain: [request.csr], trustBundle: null, notAfterMs: 0, identity: 'nobody' }),
      trustBundle: () => null,
      refused: () => undefined,
    },
    clock: systemClock,
    timers,
  });
  const bound = await server.listen('127.0.0.1', 0);
  const context = createSecureContext({
    cert: pair.certificate,
    key: pair.key,
    ca: authority.pem,
    minVersion: 'TLSv1.3',
  });
  const connector = syncConnector(
    () => `127.0.0.1:${bound.port}`,
    () => ({ context, verifyServer: () => undefined }),
  );
  const startMs = systemClock.nowMs();
  const clients = Array.from({ length: count }, (_, index) => newClient(index, connector, timers));
  for (const client of clients) client.start();
  while (clients.some((client) => client.resources.size < 4)) await pause(5);
  console.log(`streams ${count}: connected and synced in ${(systemClock.nowMs() - startMs).toFixed(0)} ms`);
  await run('streams', count, server.hub, resources);
  for (const client of clients) client.stop();
  await server.close(0, 0);
  timers.stop();
}

const [what = 'codec', count = '1000'] = process.argv.slice(2);
if (what === 'codec') benchCodec();
else if (what === 'counts') benchCounts();
else if (what === 'sessions') await benchSessions(Number(count));
else await benchStreams(Number(count));

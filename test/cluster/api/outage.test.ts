/**
 * An API server that goes away and comes back: nothing that a control plane knows is lost by it. The way to it leads through a
 * forwarder that is cut. `WEFT_TEST_OUTAGE_SECONDS` (default 20) says for how long.
 */
import assert from 'node:assert/strict';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { type TestContext, describe, test } from 'node:test';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import {
  type Cluster,
  WAIT_MS,
  adminAccess,
  needsCluster,
  pathOf,
  startReplica,
  useCluster,
} from './cluster-fixture.ts';

const outageMs = 1000 * Number(process.env['WEFT_TEST_OUTAGE_SECONDS'] ?? '20');
const PATIENCE_MS = 60_000;
/** As Kubernetes makes them; 5,000 take a minute of an API server on two cores. */
const SLICES = Number(process.env['WEFT_TEST_SLICES'] ?? '5000');

/** Passes bytes on to the API server until it is cut. */
async function forwarder(t: TestContext): Promise<{ port: number; cut(): void; mend(): void }> {
  const { hostname, port } = new URL(adminAccess().server);
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(port || '443'), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, cut, mend: () => void (isCut = false) };
}

function service(namespace: string, name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
  };
}

function slice(namespace: string, name: string, of: string, addresses: readonly string[]): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
}

/** Makes or replaces an object; slices are no kind that `apply` may own twice. */
async function put(cluster: Cluster, object: KubeObject): Promise<void> {
  const done = await cluster.client.request({
    method: 'PATCH',
    path: `${pathOf(object)}?fieldManager=test&force=true`,
    contentType: 'application/apply-patch+yaml',
    body: object,
  });
  if (!done.ok) throw new Error(done.error.message);
}

describe('an API server', needsCluster, () => {
  test('that is away takes no endpoint with it, and what changed meanwhile is known once it is back', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const way = await forwarder(t);
    await cluster.must(service(namespace, 'outside'));
    await put(cluster, slice(namespace, 'outside-1', 'outside', ['192.0.2.1', '192.0.2.2']));
    const access = { ...adminAccess(), server: `https://127.0.0.1:${way.port}` };
    const { plane, lines } = await startReplica(t, namespace, 'one', { access });
    const names = (): string =>
      plane
        .status()
        .objects.filter(({ kind, namespace: from }) => kind === 'WorkloadEntry' && from === namespace)
        .map(({ name }) => name)
        .sort()
        .join(' ');
    const both = 'outside~192.0.2.1 outside~192.0.2.2';
    await eventually(() => names() === both, WAIT_MS);
    way.cut();
    await put(cluster, slice(namespace, 'outside-1', 'outside', ['192.0.2.2', '192.0.2.3']));
    const began = performance.now();
    await eventually(() => {
      assert.equal(names(), both);
      return performance.now() - began > outageMs;
    }, outageMs + 10_000);
    assert.ok(lines.some((line) => /not followed at the moment; what is known stays in force/.test(line)));
    way.mend();
    const backMs = performance.now();
    await eventually(() => names() === 'outside~192.0.2.2 outside~192.0.2.3', PATIENCE_MS);
    t.diagnostic(
      `away for ${outageMs / 1000} s; known ${((performance.now() - backMs) / 1000).toFixed(1)} s after it was back`,
    );
  });

  test('with thousands of EndpointSlices is read in seconds', { timeout: 400_000 }, async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const made = performance.now();
    const jobs = Array.from({ length: SLICES }, (_, index) => index);
    const services = Math.ceil(SLICES / 10);
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let index = jobs.pop(); index !== undefined; index = jobs.pop()) {
          if (index < services) await cluster.must(service(namespace, `s-${index}`));
          const addresses = [`198.18.${index >> 8}.${index & 255}`, `198.19.${index >> 8}.${index & 255}`];
          await put(cluster, slice(namespace, `s-${index}-x`, `s-${index % services}`, addresses));
        }
      }),
    );
    const began = performance.now();
    const { plane } = await startReplica(t, namespace, 'one');
    const entries = plane
      .status()
      .objects.filter(({ kind, namespace: from }) => kind === 'WorkloadEntry' && from === namespace);
    const readyMs = performance.now() - began;
    t.diagnostic(
      `${SLICES} slices of ${services} Services made in ${((began - made) / 1000).toFixed(0)} s; ready ${(readyMs / 1000).toFixed(1)} s after the start`,
    );
    assert.equal(entries.length, SLICES * 2);
    assert.ok(readyMs < 60_000);
  });
});

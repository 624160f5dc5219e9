/**
 * The control plane asked from outside, by everything that stands between: kubeconfig, API server, kubelet, a pod's loopback,
 * TokenReview, SubjectAccessReview. The pod is a relay to a control plane that runs in the test.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { parse, stringify } from 'yaml';
import {
  type Cluster,
  accessFor,
  adminAccess,
  conditionOf,
  needsCluster,
  startReplica,
  useCluster,
} from '../api/cluster-fixture.ts';

const kubeconfig = process.env['WEFT_TEST_KUBECONFIG'] ?? '';
const image = process.env['WEFT_TEST_NODE_IMAGE'] ?? 'localhost/node:26';
const program = fileURLToPath(new URL('../../../packages/cli/src/main.ts', import.meta.url));
const WAIT_MS = 60_000;

/** The address of this machine that pods reach; empty where the cluster is elsewhere. */
function ownAddress(): string {
  const { hostname } = new URL(adminAccess().server);
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  return own.includes(hostname) ? hostname : '';
}

const here = kubeconfig === '' ? '' : ownAddress();
const options = {
  ...needsCluster,
  skip: kubeconfig !== '' && here === '' ? 'the pods of this cluster do not reach this machine' : needsCluster.skip,
  timeout: 240_000,
} as const;

function bound(namespace: string, name: string, kind: 'Role' | 'ClusterRole', role: string, user: string): KubeObject {
  const scope = kind === 'Role' ? { namespace } : {};
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: `${kind}Binding`,
    metadata: { name, ...scope },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: role },
    subjects: [{ kind: 'ServiceAccount', name: user, namespace }],
  };
}

/** From an address that pods reach to a loopback port. */
async function relay(t: TestContext, port: number): Promise<number> {
  const server = createServer((socket) => {
    const near = connect(port, '127.0.0.1');
    for (const one of [socket, near]) one.on('error', () => [socket, near].forEach((each) => each.destroy()));
    socket.pipe(near).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, here, resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function pod(namespace: string, ports: readonly (readonly [number, number])[]): KubeObject {
  const script = `
const { createServer, connect } = require('node:net');
for (const [from, to] of ${JSON.stringify(ports)}) createServer((socket) => {
  const far = connect(to, '${here}');
  for (const one of [socket, far]) one.on('error', () => { socket.destroy(); far.destroy(); });
  socket.pipe(far).pipe(socket);
}).listen(from, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'weft-control-1', namespace, labels: { 'app.kubernetes.io/name': 'weft-control' } },
    spec: { containers: [{ name: 'relay', image, command: ['node', '-e', script] }] },
  };
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function weft(config: string, namespace: string, ...args: string[]): Promise<Ran> {
  const all = [program, ...args, '--kubeconfig', config, '--control-namespace', namespace];
  const child = spawn(process.execPath, all, { timeout: 30_000, env: { ...process.env, NO_COLOR: '1' } });
  let out = '';
  let err = '';
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (err += part.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

/** The kubeconfig of the test with the token of an account in place of its user. */
async function configOf(cluster: Cluster, folder: string, namespace: string, user: string): Promise<string> {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as { users: { user: unknown }[] };
  config.users[0]!.user = { token: await cluster.token(namespace, user, '') };
  const path = join(folder, user);
  writeFileSync(path, stringify(config), { mode: 0o600 });
  return path;
}

describe('a control plane in a cluster, from outside', options, () => {
  test('is reached through the API server, and shows each what their roles let them see', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const folder = mkdtempSync(join(tmpdir(), 'weft-outside-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const access = accessFor(namespace);
    await cluster.must(...access);
    for (const object of access)
      if (object.metadata.namespace === undefined) cluster.defer(() => cluster.delete(object));
    const { plane } = await startReplica(
      t,
      namespace,
      'weft-control-1',
      {},
      {
        adminPort: 0,
        dashboard: { port: 0, folder },
      },
    );
    const dashboardPort = Number(new URL(plane.dashboard?.address ?? '').port);
    const running = pod(namespace, [
      [15_013, await relay(t, plane.adminPort)],
      [dashboardPort, await relay(t, dashboardPort)],
    ]);
    await cluster.must(running);
    cluster.defer(() => cluster.delete(running));
    await eventually(async () => conditionOf(await cluster.get(running), 'Ready')?.['status'] === 'True', WAIT_MS);

    // A client certificate, as of whoever made the cluster: a token of weft-viewer is asked for.
    const asAdmin = await weft(kubeconfig, namespace, 'status');
    assert.deepEqual([asAdmin.code, asAdmin.err], [0, '']);
    assert.match(asAdmin.out, /control plane weft-control-1 .*\n/);
    const objects = await weft(kubeconfig, namespace, 'get', 'objects', '-o', 'json');
    assert.equal(objects.code === 2 || objects.code === 3, false, objects.err);
    const why = await weft(kubeconfig, namespace, 'why', '4bf92f3577b34da6a3ce929d0e0e4736', '-o', 'json');
    assert.deepEqual(JSON.parse(why.out).hops, []);
    for (const command of ['stat', 'edges', 'routes']) {
      assert.equal((await weft(kubeconfig, namespace, command)).code, 0);
    }
    assert.equal((await weft(kubeconfig, namespace, 'top', '--once')).code, 0);

    // Somebody with a bearer token and no role at all.
    const accounts = ['stranger', 'jane'].map((name): KubeObject => ({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name, namespace },
    }));
    await cluster.must(...accounts);
    const stranger = await weft(await configOf(cluster, folder, namespace, 'stranger'), namespace, 'status');
    assert.equal(stranger.code, 3);
    assert.match(stranger.err, /^weft: pods is forbidden: .*the Role weft-viewer in \S+ allows it\n$/);

    // Somebody with a way to the port, and no more: their own token is shown, and the control plane refuses.
    const reach: KubeObject = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'reach', namespace },
      rules: [
        { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
        { apiGroups: [''], resources: ['pods/portforward'], verbs: ['create', 'get'] },
      ],
    };
    await cluster.must(reach, bound(namespace, 'reach', 'Role', 'reach', 'jane'));
    const jane = await configOf(cluster, folder, namespace, 'jane');
    const refused = await weft(jane, namespace, 'status');
    assert.equal(refused.code, 1);
    assert.equal(
      refused.err,
      `weft: system:serviceaccount:${namespace}:jane may not get proxies/status of weft.dev in all namespaces; the ClusterRole weft-viewer allows it\n`,
    );
    const view = bound(namespace, `jane-${namespace}`, 'ClusterRole', `weft-viewer-${namespace}`, 'jane');
    await cluster.must(view);
    cluster.defer(() => cluster.delete(view));
    await eventually(async () => (await weft(jane, namespace, 'status')).code === 0, WAIT_MS);
    const tap = await weft(jane, namespace, 'tap');
    assert.equal(tap.code, 1);
    assert.match(tap.err, /may not get proxies\/tap .* the ClusterRole weft-tap allows it/);

    // The Role of the chart is all it takes.
    await cluster.must(bound(namespace, 'stranger', 'Role', 'weft-tap', 'stranger'));
    const invited = await configOf(cluster, folder, namespace, 'stranger');
    await eventually(async () => (await weft(invited, namespace, 'status')).code === 0, WAIT_MS);
    const found = await weft(invited, namespace, 'why', '4bf92f3577b34da6a3ce929d0e0e4736', '-o', 'json');
    assert.deepEqual(JSON.parse(found.out).hops, []);

    await dashboards(t, namespace, jane);
  });
});

/** A page as jane sees it: documents, and no single requests. */
async function dashboards(t: TestContext, namespace: string, config: string): Promise<void> {
  const args = ['dashboard', '--no-open', '-o', 'json', '--kubeconfig', config, '--control-namespace', namespace];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  await eventually(() => out.includes('}'), WAIT_MS);
  const { address, token } = JSON.parse(out) as { readonly address: string; readonly token: string };
  const ask = (path: string, bearer: string): Promise<Response> =>
    fetch(`${address}/api/v1/${path}`, { headers: { authorization: `Bearer ${bearer}` } });
  assert.equal((await ask('overview', token)).status, 200);
  assert.equal((await ask('why/4bf92f3577b34da6a3ce929d0e0e4736', token)).status, 403);
  assert.equal((await ask('overview', `${token.slice(1)}x`)).status, 401);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  assert.equal(await ended, 0);
}

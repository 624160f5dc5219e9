/** What pods live through: jobs that end, probes of each kind under Strict, a cluster whose control plane is away. */
import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { WAIT_MS } from '../api/cluster-fixture.ts';
import { type Echo, POD_WAIT_MS, applicationImage, needsNode, ownPods, sleepingPod, useMesh } from './pod-mesh.ts';

interface InjectedPod {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: { readonly initContainers: readonly { readonly env?: { readonly name: string; value?: string }[] }[] };
}

interface SeenState {
  readonly running?: object;
  readonly terminated?: { readonly message?: string };
}

interface SeenPod {
  readonly status: {
    readonly initContainerStatuses?: readonly { readonly state: SeenState; readonly lastState: SeenState }[];
    readonly containerStatuses?: readonly { readonly state: SeenState }[];
  };
}

/** Answers probes on one port each and tells at 8080 how many came: HTTP (8081), gRPC's health service (7070), TCP (9090). */
const probed = `
import { createServer } from 'node:http';
import { createServer as createPlain } from 'node:net';
import { createServer as createHttp2 } from 'node:http2';
const seen = { http: 0, grpc: 0, tcp: 0 };
createServer((_, response) => { seen.http += 1; response.end('well'); }).listen(8081);
createServer((_, response) => response.end(JSON.stringify(seen))).listen(8080);
createPlain((socket) => { seen.tcp += 1; socket.on('error', () => {}); socket.end(); }).listen(9090);
createHttp2().on('stream', (stream, headers) => {
  seen.grpc += headers[':path'] === '/grpc.health.v1.Health/Check' ? 1 : 0;
  stream.on('error', () => {});
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
}).listen(7070);
`;

describe('a pod of the mesh', needsNode, () => {
  test('whose sidecar does not become ready says so where it is looked for, starts nothing else, and can be deleted', async (t: TestContext) => {
    const { cluster, namespace } = await useMesh(t);
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const tried = sleepingPod(namespace, 'cut-off');
    const made = await cluster.client.request({ method: 'POST', path: `${path}?dryRun=All`, body: tried });
    assert.ok(made.ok);
    const { metadata, spec } = structuredClone(made.value) as InjectedPod;
    const control = spec.initContainers.flatMap(({ env = [] }) => env).find(({ name }) => name === 'WEFT_CONTROL');
    assert.ok(control);
    // Of documentation: nobody answers.
    control.value = '192.0.2.1:15012';
    const cutOff = {
      ...tried,
      metadata: {
        name: 'cut-off',
        namespace,
        labels: { 'weft.dev/inject': 'disabled' },
        annotations: metadata.annotations ?? {},
      },
      spec,
    };
    const created = await cluster.client.request({ method: 'POST', path, body: cutOff });
    assert.ok(created.ok, created.ok ? '' : created.error.message);
    await eventually(async () => {
      const { initContainerStatuses = [], containerStatuses = [] } = ((await cluster.get(tried)) as unknown as SeenPod)
        .status;
      assert.ok(containerStatuses.every(({ state }) => state.running === undefined));
      const ended = initContainerStatuses.flatMap(({ state, lastState }) => [state.terminated, lastState.terminated]);
      assert.ok(
        ended.some((each) => /sidecar is not ready after 30 s: .*control plane/.test(each?.message ?? '')),
        JSON.stringify(ended),
      );
    }, POD_WAIT_MS);
    const gone = await cluster.client.request({ method: 'DELETE', path: `${path}/cut-off` });
    assert.ok(gone.ok);
    await eventually(async () => (await cluster.get(tried)) === undefined, POD_WAIT_MS);
  });

  test('that is a job calls a Service by mutual TLS, and ends', async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    await mesh.application('orders');
    const program = `const answer = await fetch('http://orders/'); const { headers } = await answer.json();
      process.exit(headers['weft-client-identity'] === 'spiffe://cluster.local/ns/${namespace}/sa/default' ? 0 : 1);`;
    const job: KubeObject = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'once', namespace },
      spec: {
        backoffLimit: 0,
        template: {
          spec: {
            restartPolicy: 'Never',
            containers: [
              { name: 'app', image: applicationImage, command: ['node', '--input-type=module', '-e', program] },
            ],
          },
        },
      },
    };
    await cluster.must(job);
    await eventually(async () => {
      const { succeeded, failed } = ((await cluster.get(job))?.['status'] ?? {}) as Record<string, number>;
      assert.equal(failed ?? 0, 0);
      return succeeded === 1;
    }, POD_WAIT_MS);
  });

  test('is probed by HTTP, gRPC and TCP though it takes mutual TLS only', async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    const labels = { app: 'probed' };
    const strict: KubeObject = {
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'AuthenticationPolicy',
      metadata: { name: 'strict', namespace },
      spec: { selector: { matchLabels: labels }, mtls: { mode: 'Strict' } },
    };
    const ports = [8080, 8081, 7070, 9090].map((containerPort) => ({ containerPort }));
    const often = { periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 20 };
    await cluster.must(
      strict,
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'probed', namespace },
        spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'probed', namespace },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              containers: [
                {
                  name: 'app',
                  image: applicationImage,
                  command: ['node', '--input-type=module', '-e', probed],
                  ports,
                  startupProbe: { tcpSocket: { port: 9090 }, ...often },
                  readinessProbe: { httpGet: { path: '/', port: 8081 }, ...often },
                  livenessProbe: { grpc: { port: 7070 }, ...often },
                },
              ],
            },
          },
        },
      },
    );
    await mesh.application('web');
    await mesh.rolledOut('probed');
    const [web, pod] = await Promise.all([mesh.pod('web'), mesh.pod('probed')]);
    const seen = async (): Promise<Record<string, number>> => {
      const { status, body } = await mesh.ask(web, 'http://probed/');
      assert.equal(status, 200, body);
      return JSON.parse(body) as Record<string, number>;
    };
    await eventually(async () => {
      const { http = 0, grpc = 0, tcp = 0 } = await seen();
      return http >= 3 && grpc >= 3 && tcp >= 1;
    }, WAIT_MS);
    t.diagnostic(`probes that reached the application: ${JSON.stringify(await seen())}`);
    // Who has no certificate is refused: the probes did not pass because everything does.
    await assert.rejects(fetch(`http://${pod.address}:8080/`, { signal: AbortSignal.timeout(5000) }));
  });
});

describe('while no control plane runs', needsNode, () => {
  test('pods of other namespaces start, those of the mesh are refused with a reason and calls go on', async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    await Promise.all([mesh.application('web'), mesh.application('orders')]);
    const web = await mesh.pod('web');
    // A destination is asked for when it is first called; from then on a sidecar needs nobody for it.
    assert.equal((await mesh.ask(web, 'http://orders/')).status, 200);
    const elsewhere = `${namespace}-plain`;
    const other: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: elsewhere } };
    await cluster.must(other);
    cluster.defer(() => cluster.delete(other));
    await mesh.scale('weft-control', 0, 'weft-system');
    cluster.defer(() => mesh.scale('weft-control', 2, 'weft-system'));
    await eventually(async () => (await ownPods(cluster, 'weft-control', false)) === 0, POD_WAIT_MS);

    const plain = (from: string): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'plain', namespace: from },
      spec: { containers: [{ name: 'app', image: applicationImage, command: ['sleep', '600'] }] },
    });
    // The account of a new namespace is made a moment after it.
    await eventually(() => cluster.must(plain(elsewhere)).then(() => true), WAIT_MS);
    await eventually(async () => {
      const status = (await cluster.get(plain(elsewhere)))?.['status'] as { phase?: string } | undefined;
      return status?.phase === 'Running';
    }, POD_WAIT_MS);
    const fault = await cluster.apply(plain(namespace));
    assert.match(fault?.message ?? '', /failed calling webhook .*weft/);

    const { status, body } = await mesh.ask(web, 'http://orders/');
    assert.equal(status, 200, body);
    const { headers } = JSON.parse(body) as Echo;
    assert.equal(headers['weft-client-identity'], `spiffe://cluster.local/ns/${namespace}/sa/web`);

    await mesh.scale('weft-control', 2, 'weft-system');
    await eventually(async () => (await cluster.apply(plain(namespace))) === undefined, WAIT_MS);
  });
});

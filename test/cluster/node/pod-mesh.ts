/**
 * Weft as it is installed, in a cluster with a node: control plane in pods, sidecars by the webhook. Pods are asked from this
 * machine by their addresses, as anything outside of the mesh would.
 */
import assert from 'node:assert/strict';
import { type InstallValues, type KubeObject, applyObjects, defaultInstallValues, installObjects } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { type Cluster, useCluster } from '../api/cluster-fixture.ts';
import { gatewayDefinitions } from '../api/gateway-definitions.ts';

/** Control plane and sidecars; `test:cluster` makes it and gives it to the node. */
const image = process.env['WEFT_TEST_IMAGE'] ?? '';
/** Has Node in it. */
export const applicationImage = process.env['WEFT_TEST_NODE_IMAGE'] ?? 'localhost/node:26';

/** Where the network of the node has its programs and configurations; empty where that is not known. */
export const cniFolders = {
  binDir: process.env['WEFT_TEST_CNI_BIN'] ?? '',
  confDir: process.env['WEFT_TEST_CNI_CONF'] ?? '',
} as const;

const agents: KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'weft-cni', namespace: 'weft-system' },
};

export const needsNode = {
  skip:
    (process.env['WEFT_TEST_KUBECONFIG'] ?? '') === '' || image === '' ? 'needs a node: npm run test:cluster' : false,
  timeout: 400_000,
} as const;

/** A machine of two cores starts pods slowly while it does anything else. */
export const POD_WAIT_MS = 90_000;

export interface PodFacts {
  readonly name: string;
  readonly address: string;
  readonly ready: boolean;
  readonly terminating: boolean;
  readonly phase: string;
  readonly injected: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What an application of `application` says of a request that reached it. */
export interface Echo {
  readonly name: string;
  readonly pod: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ApplicationOptions {
  readonly replicas?: number;
  /** Address that it listens on: `pod` is the pod's own and no other. */
  readonly listen?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * An application that tells what reached it, asks others on demand (`/ask?url=`), loads them (`/load?url=&rate=&seconds=`: each
 * request once, never again), and exits at once when it is told to stop. It listens on 8080, and on 9080 for tests whose policies
 * keep strangers from the first.
 */
const program = `
import { Agent, createServer, request as send } from 'node:http';
const name = process.env.NAME;
process.on('SIGTERM', () => process.exit(0));
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const ask = (url) => new Promise((resolve) => {
  const request = send(url, { agent }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (text) => (body += text));
    response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    response.on('error', (error) => resolve({ status: 0, headers: {}, body: String(error) }));
  });
  request.on('error', (error) => resolve({ status: 0, headers: {}, body: String(error) }));
  request.end();
});
async function load(url, rate, seconds) {
  const seen = {};
  let sent = 0;
  const waits = [];
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) {
    const due = Math.floor(((performance.now() - began) / 1000) * rate);
    for (; sent < due; sent += 1) {
      waits.push(ask(url).then(({ status, body }) => {
        const key = status === 200 ? '200' : status + ' ' + body.slice(0, 200);
        seen[key] = (seen[key] ?? 0) + 1;
      }));
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(waits);
  return { sent, seen, seconds: (performance.now() - began) / 1000 };
}
const answer = async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://here');
  const url = searchParams.get('url');
  const told = pathname === '/ask' ? await ask(url)
    : pathname === '/load' ? await load(url, Number(searchParams.get('rate')), Number(searchParams.get('seconds')))
    : { name, pod: process.env.HOSTNAME, path: request.url, headers: request.headers };
  response.end(JSON.stringify(told));
};
createServer(answer).listen(8080, process.env.LISTEN);
createServer(answer).listen(9080, process.env.LISTEN);
`;

/** Does nothing, and goes at once. */
export function sleepingPod(
  namespace: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: 'app', image: applicationImage, command: ['sleep', '600'], ports: [{ containerPort: 8080 }] },
      ],
    },
  };
}

/** The cluster with Weft in it and a namespace whose pods are in the mesh. */
export async function useMesh(
  t: {
    after(fn: () => Promise<void>): void;
  },
  more: Partial<InstallValues> = {},
): Promise<{ mesh: PodMesh; cluster: Cluster; namespace: string }> {
  const { cluster, namespace } = await useCluster(t);
  const values = { ...defaultInstallValues('0.1.0'), image, ...more };
  const [definition] = gatewayDefinitions('standard');
  if (definition !== undefined && (await cluster.get(definition)) === undefined) {
    await cluster.must(...gatewayDefinitions('standard'));
  }
  const outcomes = await applyObjects(cluster.client, installObjects(values));
  const failed = outcomes.find(({ fault }) => fault !== undefined);
  if (failed !== undefined) throw new Error(`${failed.object.kind}: ${failed.fault?.message}`);
  await cluster.must({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { 'weft.dev/inject': 'enabled' } },
  });
  const mesh = new PodMesh(cluster, namespace);
  await mesh.rolledOut('weft-control', 'weft-system');
  // The API server goes on asking those of before until they end, and they inject as they were told.
  await eventually(async () => (await ownPods(cluster, 'weft-control', true)) === 0, POD_WAIT_MS);
  return { mesh, cluster, namespace };
}

export class PodMesh {
  readonly cluster: Cluster;
  readonly namespace: string;

  constructor(cluster: Cluster, namespace: string) {
    this.cluster = cluster;
    this.namespace = namespace;
  }

  /** An application with a service account, a Service (80 to 8080) and a headless one of its name; ready when this resolves. */
  async application(name: string, options: ApplicationOptions = {}): Promise<void> {
    await this.cluster.must(...this.objects(name, options));
    await this.rolledOut(name);
  }

  objects(
    name: string,
    { replicas = 1, listen = '0.0.0.0', annotations = {}, labels = {} }: ApplicationOptions,
  ): KubeObject[] {
    const { namespace } = this;
    const selector = { app: name };
    const ports = [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }];
    const own = listen === 'pod' ? { valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } } : { value: listen };
    return [
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
      { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { selector, ports } },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: `${name}-pods`, namespace },
        spec: { selector, clusterIP: 'None', ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name, namespace },
        spec: {
          replicas,
          selector: { matchLabels: selector },
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
          template: {
            metadata: { labels: { ...selector, ...labels }, annotations },
            spec: {
              serviceAccountName: name,
              containers: [
                {
                  name: 'app',
                  image: applicationImage,
                  command: ['node', '--input-type=module', '-e', program],
                  env: [
                    { name: 'NAME', value: name },
                    { name: 'LISTEN', ...own },
                  ],
                  ports: [8080, 9080].map((containerPort) => ({ containerPort, protocol: 'TCP' })),
                  // A machine that is short of time is not to say that the application is not ready.
                  readinessProbe: {
                    httpGet: { path: '/ready', port: 8080 },
                    periodSeconds: 1,
                    timeoutSeconds: 10,
                    failureThreshold: 6,
                  },
                },
              ],
            },
          },
        },
      },
    ];
  }

  async rolledOut(name: string, namespace = this.namespace): Promise<void> {
    const deployment: KubeObject = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace } };
    await eventually(async () => {
      const got = await this.cluster.get(deployment);
      const { replicas = 1 } = (got?.['spec'] ?? {}) as { replicas?: number };
      const status = (got?.['status'] ?? {}) as Readonly<Record<string, number | undefined>>;
      const { generation } = (got?.metadata ?? {}) as { generation?: number };
      const isSeen = status['observedGeneration'] === generation;
      const all = [status['updatedReplicas'], status['availableReplicas'], status['replicas']];
      return isSeen && all.every((count) => (count ?? 0) === replicas);
    }, POD_WAIT_MS);
  }

  /** Starts the pods of a Deployment anew, as `kubectl rollout restart` does; ends when all are replaced. */
  async restart(name: string, namespace = this.namespace): Promise<void> {
    const patched = await this.cluster.client.request({
      method: 'PATCH',
      path: `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`,
      contentType: 'application/merge-patch+json',
      body: { spec: { template: { metadata: { annotations: { 'test/restarted': `${performance.now()}` } } } } },
    });
    if (!patched.ok) throw new Error(patched.error.message);
    await this.rolledOut(name, namespace);
  }

  /** Ends when so many pods of a Deployment are there and ready, and no others. */
  async scale(name: string, replicas: number, namespace = this.namespace): Promise<void> {
    const patched = await this.cluster.client.request({
      method: 'PATCH',
      path: `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`,
      contentType: 'application/merge-patch+json',
      body: { spec: { replicas } },
    });
    if (!patched.ok) throw new Error(patched.error.message);
    await this.rolledOut(name, namespace);
  }

  async pods(name: string, namespace = this.namespace, label = 'app'): Promise<PodFacts[]> {
    const selector = encodeURIComponent(`${label}=${name}`);
    const got = await this.cluster.client.get(`/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`);
    if (!got.ok) throw new Error(got.error.message);
    return (got.value as { items: RawPod[] }).items.map(({ metadata, status, spec }) => ({
      name: metadata.name,
      address: status?.podIP ?? '',
      ready: (status?.conditions ?? []).some((each) => each.type === 'Ready' && each.status === 'True'),
      terminating: metadata.deletionTimestamp !== undefined,
      phase: status?.phase ?? '',
      injected: (spec?.initContainers ?? []).some((each) => each.name === 'weft-proxy'),
    }));
  }

  /** One that is ready. */
  async pod(name: string): Promise<PodFacts> {
    const found = (await this.pods(name)).find(({ ready, terminating }) => ready && !terminating);
    if (found === undefined) throw new Error(`no pod of ${name} is ready`);
    return found;
  }

  /** What `from` gets when it asks `url`. */
  async ask(from: PodFacts, url: string): Promise<Answer> {
    const asked = await fetch(`http://${from.address}:8080/ask?url=${encodeURIComponent(url)}`, {
      signal: AbortSignal.timeout(20_000),
    });
    return (await asked.json()) as Answer;
  }

  /** A gauge without labels, of whatever serves metrics at `base`. */
  async gauge(base: string, metric: string): Promise<number> {
    const text = await (await fetch(`${base}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${metric} `));
    return line === undefined ? 0 : Number(line.slice(metric.length + 1));
  }

  /** The sum of a counter of a sidecar over the series that carry all of `labels`. */
  async count(pod: PodFacts, metric: string, labels: Readonly<Record<string, string>>): Promise<number> {
    const text = await (await fetch(`http://${pod.address}:15020/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      if (!line.startsWith(`${metric}{`)) continue;
      if (Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
        sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
    return sum;
  }
}

interface RawPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec?: { readonly initContainers?: readonly { readonly name: string }[] };
  readonly status?: {
    readonly podIP?: string;
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Ends when the agents of a mesh with `cni` are ready. */
export async function cniReady({ cluster }: PodMesh): Promise<void> {
  await eventually(async () => {
    const { status } = ((await cluster.get(agents)) ?? {}) as { status?: Readonly<Record<string, number>> };
    assert.ok((status?.['numberReady'] ?? 0) > 0 && status?.['numberReady'] === status?.['desiredNumberScheduled']);
  }, POD_WAIT_MS);
}

/** Takes the agents away; each takes the plugin off its node. */
export async function removeAgents({ client }: Cluster): Promise<void> {
  await client.request({
    method: 'DELETE',
    path: '/apis/apps/v1/namespaces/weft-system/daemonsets/weft-cni?propagationPolicy=Background',
  });
}

/** Pods of ours; of those that are about to end, where `leaving`. */
export async function ownPods(cluster: Cluster, name: string, leaving: boolean): Promise<number> {
  const selector = encodeURIComponent(`app.kubernetes.io/name=${name}`);
  const got = await cluster.client.get(`/api/v1/namespaces/weft-system/pods?labelSelector=${selector}`);
  if (!got.ok) return -1;
  const { items } = got.value as { items: { metadata: { deletionTimestamp?: string } }[] };
  return items.filter(({ metadata }) => !leaving || metadata.deletionTimestamp !== undefined).length;
}

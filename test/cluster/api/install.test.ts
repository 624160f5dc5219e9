/** The objects of an installation, taken by a real API server: roles that suffice and no more, webhooks that are asked. */
import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import {
  type KubeObject,
  type PolicyRule,
  clusterRules,
  defaultInstallValues,
  installObjects,
  ownRules,
} from '@weft/kube';
import { eventually } from '@weft/testkit';
import {
  type Cluster,
  WAIT_MS,
  adminAccess,
  conditionOf,
  needsCluster,
  startReplica,
  useCluster,
} from './cluster-fixture.ts';

const webhooks = {
  host: '127.0.0.1',
  port: 0,
  dnsNames: ['localhost'],
  controlAddress: 'weft-control.weft-system.svc:15012',
  injection: {
    image: 'weft:test',
    imagePullPolicy: '' as const,
    imagePullSecrets: [],
    capture: 'Redirect' as const,
    legacyIptables: false,
    cni: false,
    logLevel: 'info' as const,
    size: 'standard' as const,
  },
};

/** The objects of an installation in a test's namespace; the webhooks of the API server then find us on this machine. */
function objectsFor(namespace: string): KubeObject[] {
  return installObjects({ ...defaultInstallValues('0.1.0'), namespace, gatewayClass: '' });
}

function withUrl(configuration: KubeObject, port: number, namespace: string): KubeObject {
  const hooks = (
    configuration['webhooks'] as {
      clientConfig: { service: { path: string } };
      namespaceSelector?: { matchExpressions: unknown[] };
    }[]
  ).map(({ clientConfig, ...hook }) => ({
    ...hook,
    clientConfig: { url: `https://localhost:${port}${clientConfig.service.path}` },
    // Other tests' namespaces are none of this one's business.
    namespaceSelector: {
      matchExpressions: [
        ...(hook.namespaceSelector?.matchExpressions ?? []),
        { key: 'weft.dev/test-of', operator: 'In', values: [namespace] },
      ],
    },
  }));
  return { ...configuration, webhooks: hooks };
}

describe('an installation', needsCluster, () => {
  test('is taken by the API server as it is, field by field', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    for (const object of objectsFor(namespace)) {
      assert.equal(
        (await cluster.apply(object, '&dryRun=All'))?.message,
        undefined,
        `${object.kind} ${object.metadata.name}`,
      );
    }
  });

  test('grants what the control plane calls, and nothing that it never calls', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const objects = objectsFor(namespace);
    await cluster.must(...objects.filter(({ kind }) => kind !== 'Deployment'));
    cluster.defer(() => removeShared(cluster, objects));
    const token = await cluster.token(namespace, 'weft-control', '');
    const { certificate: _, key: __, ...anyone } = adminAccess();
    const calls: string[] = [];
    const own = { ...webhooks, dnsNames: [`weft-control.${namespace}.svc`] };
    const { plane, lines, stop } = await startReplica(t, namespace, 'weft-control-1', {
      access: { ...anyone, token: () => token },
      webhooks: own,
      onCall: (method, path) => calls.push(wordOf(method, path)),
    });
    await eventually(() => plane.isLeader(), WAIT_MS);
    // One of each kind, so that each status is written; an object that is refused, for an event; a token, for a review.
    const target = { group: '', kind: 'Service', name: 'none' };
    const made = [
      configured('TrafficPolicy', namespace, { targetRefs: [target, target] }),
      configured('AuthenticationPolicy', namespace, { mtls: { mode: 'Strict' } }),
      configured('WorkloadEntry', namespace, { address: '192.0.2.9' }),
      configured('TelemetryPolicy', namespace, { accessLog: {} }),
    ];
    const mesh: KubeObject = { apiVersion: 'weft.dev/v1alpha1', kind: 'Mesh', metadata: { name: 'default' }, spec: {} };
    await cluster.delete(mesh);
    cluster.defer(() => cluster.delete(mesh));
    await cluster.must(...made, mesh);
    for (const object of [...made, mesh]) {
      await eventually(async () => conditionOf(await cluster.get(object), 'Accepted') !== undefined, WAIT_MS);
    }
    await plane.roots.prepare();
    const later = [' secrets weft-root update', 'coordination.k8s.io leases weft-control update'];
    await eventually(() => later.every((word) => calls.includes(word)), WAIT_MS);
    assert.deepEqual(
      lines.filter((line) => /forbidden|cannot (?:get|list|watch|create|update|patch)/.test(line)),
      [],
    );

    await stop();
    const granted = new Set<string>();
    for (const rule of [...clusterRules(true), ...ownRules(true)]) for (const word of wordsOf(rule)) granted.add(word);
    // Asked for only in circumstances that this test does not make: kinds that are not installed here, a pod that its watch
    // has yet to see (attestation.test.ts), people who look (outside.test.ts), servers without streamed lists, a root of the webhooks that nears its end.
    const rare =
      /^certificates\.k8s\.io |^gateway\.networking\.k8s\.io |^ pods get$| list$|^(?:authentication\.k8s\.io tokenreviews|authorization\.k8s\.io subjectaccessreviews) create$|^ secrets weft-webhook update$/;
    const unused = [...granted].filter((word) => !calls.includes(word) && !rare.test(word));
    assert.deepEqual(unused, []);
  });
});

describe('the webhooks of an installation', needsCluster, () => {
  test('are asked by the API server under a certificate it was given, inject pods and refuse objects', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const configurations = objectsFor(namespace).filter(({ kind }) => kind.endsWith('WebhookConfiguration'));
    const shown: KubeObject = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'weft.dev/test-of': namespace } },
    };
    await cluster.must(shown);
    // The configurations exclude the control plane's own namespace: the pods stand in another one.
    const shop: KubeObject = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: `${namespace}-shop`, labels: { 'weft.dev/test-of': namespace, 'weft.dev/inject': 'enabled' } },
    };
    await cluster.must(shop);
    cluster.defer(() => cluster.delete(shop));
    const port = await freePort();
    await cluster.must(...configurations.map((each) => withUrl(each, port, namespace)));
    cluster.defer(() => removeShared(cluster, configurations));
    const { plane } = await startReplica(t, namespace, 'one', { webhooks: { ...webhooks, port } });
    assert.equal(plane.webhookPort, port);

    const pod = (name: string, labels: Readonly<Record<string, string>> = {}): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: shop.metadata.name, labels },
      spec: { containers: [{ name: 'web', image: 'web:1' }] },
    });
    await eventually(async () => cluster.must(pod('plain')), WAIT_MS);
    const injected = await cluster.get(pod('plain'));
    const { initContainers = [] } = (injected?.['spec'] ?? {}) as {
      initContainers?: { name: string; restartPolicy?: string }[];
    };
    assert.deepEqual(
      initContainers.map(({ restartPolicy = '' }) => restartPolicy),
      ['', 'Always'],
    );
    await cluster.must(pod('spared', { 'weft.dev/inject': 'disabled' }));
    const spared = await cluster.get(pod('spared'));
    assert.equal(((spared?.['spec'] ?? {}) as { initContainers?: unknown }).initContainers, undefined);

    const target = { group: '', kind: 'Service', name: 'orders' };
    const twice = configured('TrafficPolicy', shop.metadata.name, { targetRefs: [target, target] });
    const fault = await cluster.apply(twice);
    assert.match(fault?.message ?? '', /validate\.weft\.dev.*spec\.targetRefs\[1\]/s);
  });
});

function configured(kind: string, namespace: string, spec: object): KubeObject {
  return { apiVersion: 'weft.dev/v1alpha1', kind, metadata: { name: 'tried', namespace }, spec };
}

async function removeShared(cluster: Cluster, objects: readonly KubeObject[]): Promise<void> {
  for (const object of objects)
    if (object.kind !== 'Namespace' && object.metadata.namespace === undefined) await cluster.delete(object);
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** `group resource[ name] verb` of a request, as a rule grants it. */
function wordOf(method: string, path: string): string {
  const [place = '', query = ''] = path.split('?');
  const parts = place.split('/').slice(1);
  const group = parts[0] === 'api' ? '' : (parts[1] ?? '');
  let rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  if (rest[0] === 'namespaces' && rest.length > 2) rest = rest.slice(2);
  const [resource = '', name = '', subresource = ''] = rest;
  const asked = /fieldSelector=metadata\.name%3D([^&]+)/.exec(query)?.[1] ?? name;
  const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
  const verb = verbs[method] ?? (query.includes('watch=true') ? 'watch' : name === '' ? 'list' : 'get');
  const isNamed = named.has(resource) && verb !== 'create';
  return `${group} ${subresource === '' ? resource : `${resource}/${subresource}`}${isNamed ? ` ${asked}` : ''} ${verb}`;
}

const named = new Set(['secrets', 'leases', 'mutatingwebhookconfigurations', 'validatingwebhookconfigurations']);

function wordsOf({ apiGroups, resources, resourceNames = [''], verbs }: PolicyRule): string[] {
  const words: string[] = [];
  for (const group of apiGroups) {
    for (const resource of resources) {
      for (const name of resourceNames) {
        for (const verb of verbs) words.push(`${group} ${resource}${name === '' ? '' : ` ${name}`} ${verb}`);
      }
    }
  }
  return words;
}

/**
 * Capture by the network of the node, in a cluster: pods without any privilege, agents that come late or go, and a node as it was
 * when they are gone. Needs to know where the network of the node has its programs and configurations (`WEFT_TEST_CNI_BIN`,
 * `WEFT_TEST_CNI_CONF`), and to see them: the node is this machine.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { defaultInstallValues } from '@weft/kube';
import { eventually } from '@weft/testkit';
import {
  type Echo,
  POD_WAIT_MS,
  type PodMesh,
  cniFolders,
  cniReady,
  needsNode,
  ownPods,
  removeAgents,
  useMesh,
} from './pod-mesh.ts';

const { binDir, confDir } = cniFolders;
const skip =
  needsNode.skip !== false ? needsNode.skip : binDir === '' && 'needs WEFT_TEST_CNI_BIN and WEFT_TEST_CNI_CONF';
const cni = { ...defaultInstallValues('').cni, enabled: true, binDir, confDir };
const plugins = (): string[] => {
  const file = readdirSync(confDir).find((name) => name.endsWith('.conflist')) ?? '';
  const read = JSON.parse(readFileSync(join(confDir, file), 'utf8')) as { plugins: { type: string }[] };
  return read.plugins.map(({ type }) => type);
};

describe('capture by the network of the node', { skip }, () => {
  test('captures pods that have no privilege, in a namespace that allows none', needsNode, async (t) => {
    const before = plugins();
    const { mesh, cluster } = await useMesh(t, { cni });
    await cniReady(mesh);
    await cluster.must({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: mesh.namespace,
        labels: { 'weft.dev/inject': 'enabled', 'pod-security.kubernetes.io/enforce': 'baseline' },
      },
    });
    assert.deepEqual(plugins(), [...before.filter((type) => type !== 'weft-cni'), 'weft-cni']);
    // Traffic that was not led through sidecars would pass too; so what counts is what the sidecars counted, and who was named.
    await Promise.all([mesh.application('web'), mesh.application('orders', { listen: 'pod' })]);
    const [web, orders] = [await mesh.pod('web'), await mesh.pod('orders')];
    const asked = await mesh.ask(web, 'http://orders/a');
    assert.equal(asked.status, 200, asked.body);
    const { headers } = JSON.parse(asked.body) as Echo;
    assert.match(headers['weft-client-identity'] ?? '', new RegExp(`/ns/${mesh.namespace}/sa/web$`));
    assert.ok((await mesh.count(orders, 'weft_requests_total', {})) > 0);
    const { containers, events } = await podFacts(mesh, web.name);
    assert.ok(!containers.some(({ name }) => name === 'weft-capture'));
    const sidecar = containers.find(({ name }) => name === 'weft-proxy');
    assert.match(sidecar?.rules ?? '', /^--inbound=all --outbound=all /);
    assert.ok(
      containers.every(({ added }) => added.length === 0),
      'a container has a capability',
    );
    const wrong = ['FailedCreatePodSandBox', 'NotCaptured', 'Injection'];
    assert.ok(!events.some(({ reason }) => wrong.includes(reason)), JSON.stringify(events));
  });

  test('holds pods back while no agent answers, and evicts one that came without', needsNode, async (t) => {
    const { mesh, cluster } = await useMesh(t, { cni });
    await cniReady(mesh);
    await schedule(mesh, 'nowhere');
    await eventually(async () => (await ownPods(cluster, 'weft-cni', false)) === 0, POD_WAIT_MS);
    // Its DaemonSet is there, so the plugin stays.
    assert.equal(plugins().at(-1), 'weft-cni');
    await cluster.must(...mesh.objects('held', {}));
    await eventually(async () => {
      const [pod] = await mesh.pods('held');
      const { events } = await podFacts(mesh, pod?.name ?? '');
      assert.ok(events.some(({ note }) => /the agent of Weft on this node does not answer/.test(note)));
    }, POD_WAIT_MS);

    // Somebody writes the network's configuration anew while no agent is there to see it.
    const file = join(
      confDir,
      readdirSync(confDir).find((name) => name.endsWith('.conflist'))!,
    );
    const list = JSON.parse(readFileSync(file, 'utf8')) as { plugins: { type: string }[] };
    writeFileSync(file, JSON.stringify({ ...list, plugins: list.plugins.filter(({ type }) => type !== 'weft-cni') }));
    await cluster.must(...mesh.objects('early', {}));
    await eventually(async () => {
      const [pod] = await mesh.pods('early');
      assert.ok((await podFacts(mesh, pod?.name ?? '')).failedProof, 'its proof has not failed yet');
    }, POD_WAIT_MS);
    const [early] = await mesh.pods('early');

    await schedule(mesh, '');
    await cniReady(mesh);
    await Promise.all([mesh.rolledOut('held'), mesh.rolledOut('early')]);
    const replaced = await mesh.pod('early');
    assert.notEqual(replaced.name, early?.name);
    const { events } = await podFacts(mesh, early?.name ?? '');
    assert.ok(events.some(({ reason }) => reason === 'NotCaptured'));
  });

  test('leaves the node as it was when the agents are taken away', needsNode, async (t) => {
    const { mesh, cluster } = await useMesh(t, { cni });
    await cniReady(mesh);
    await removeAgents(cluster);
    await eventually(() => assert.ok(!plugins().includes('weft-cni')), POD_WAIT_MS);
    await eventually(
      () =>
        assert.deepEqual(
          ['weft-cni', 'weft-cni.d'].map((name) => existsSync(join(binDir, name))),
          [false, false],
        ),
      POD_WAIT_MS,
    );
  });
});

/** Agents only on nodes with this label; empty: on all. */
async function schedule({ cluster }: PodMesh, label: string): Promise<void> {
  const nodeSelector = { 'test/agents': label === '' ? null : label };
  const patched = await cluster.client.request({
    method: 'PATCH',
    path: '/apis/apps/v1/namespaces/weft-system/daemonsets/weft-cni',
    contentType: 'application/merge-patch+json',
    body: { spec: { template: { spec: { nodeSelector } } } },
  });
  assert.ok(patched.ok);
}

interface EndedState {
  readonly terminated?: { readonly exitCode: number };
}

interface RawContainer {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext?: { readonly capabilities?: { readonly add?: readonly string[] } };
}

async function podFacts({ cluster, namespace }: PodMesh, name: string) {
  const pod = await cluster.client.get(`/api/v1/namespaces/${namespace}/pods/${name}`);
  const { spec, status } = (pod.ok ? pod.value : {}) as {
    spec?: { initContainers?: RawContainer[]; containers: RawContainer[] };
    status?: { initContainerStatuses?: { name: string; state?: EndedState; lastState?: EndedState }[] };
  };
  const selector = encodeURIComponent(`regarding.name=${name}`);
  const got = await cluster.client.get(
    `/apis/events.k8s.io/v1/namespaces/${namespace}/events?fieldSelector=${selector}`,
  );
  const { items } = (got.ok ? got.value : { items: [] }) as {
    items: { note?: string; reason: string; type: string }[];
  };
  const proof = status?.initContainerStatuses?.find((each) => each.name === 'weft-proxy');
  return {
    containers: [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(
      ({ env = [], securityContext, ...own }) => ({
        ...own,
        rules: env.find(({ name }) => name === 'WEFT_CAPTURE_RULES')?.value,
        added: securityContext?.capabilities?.add ?? [],
      }),
    ),
    failedProof: [proof?.state, proof?.lastState].some((state) => state?.terminated?.exitCode === 4),
    events: items.map(({ note, reason, type }) => ({ note: note ?? '', reason, type })),
  };
}

/**
 * How much later a pod is ready because it has a sidecar: pods with and without one, made in turns, from the call that creates a
 * pod until a watch shows it ready. The image is on the node. `WEFT_TEST_READY_ROUNDS` (default 8) says how many of each.
 */
import assert from 'node:assert/strict';
import { loadavg } from 'node:os';
import { type TestContext, describe, test } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import { type KubeObject, defaultInstallValues } from '@weft/kube';
import {
  POD_WAIT_MS,
  type PodMesh,
  cniFolders,
  cniReady,
  needsNode,
  removeAgents,
  sleepingPod,
  useMesh,
} from './pod-mesh.ts';

const rounds = Number(process.env['WEFT_TEST_READY_ROUNDS'] ?? '8');
/** What the pod before leaves to be done, and a phase of the kubelet's one-second round that differs each time. */
const PAUSE_MS = 1_500;
const PHASE_MS = 370;
const MOST_ADDED_MS = { 'init container': 3_000, 'agent of the node': 1_500 } as const;

interface WatchedPod {
  readonly type: string;
  readonly object: {
    readonly metadata?: { readonly name?: string };
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  };
}

const isReady = ({ object: { status } }: WatchedPod): boolean =>
  status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true;

async function readyAfterMs({ cluster, namespace }: PodMesh, pod: KubeObject): Promise<number> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const { name } = pod.metadata;
  const watched = await cluster.client.watch(`${path}?watch=true&fieldSelector=metadata.name%3D${name}`);
  if (!watched.ok) throw new Error(watched.error.message);
  const giveUp = setTimeout(() => watched.value.close(), POD_WAIT_MS);
  try {
    const beganMs = performance.now();
    const made = await cluster.client.request({ method: 'POST', path, body: pod });
    if (!made.ok) throw new Error(made.error.message);
    for await (const event of watched.value.events) {
      if (isReady(event as unknown as WatchedPod)) return performance.now() - beganMs;
    }
    throw new Error(`${name} is not ready`);
  } finally {
    clearTimeout(giveUp);
    watched.value.close();
    await cluster.delete(pod);
  }
}

/** The value below which `share` of them are. */
function quantile(values: readonly number[], share: number): number {
  return values.toSorted((left, right) => left - right)[Math.ceil(values.length * share) - 1] ?? 0;
}

async function measure(t: TestContext, mesh: PodMesh, means: keyof typeof MOST_ADDED_MS): Promise<void> {
  const { namespace } = mesh;
  // What only the first pod of a node waits for is no part of it.
  await readyAfterMs(mesh, sleepingPod(namespace, 'first'));
  const plain: number[] = [];
  const injected: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, times, labels] of [
      ['plain', plain, { 'weft.dev/inject': 'disabled' }],
      ['injected', injected, undefined],
    ] as const) {
      await rest(PAUSE_MS + ((round * PHASE_MS) % 1_000));
      times.push(await readyAfterMs(mesh, sleepingPod(namespace, `${name}-${round}`, labels)));
    }
  }
  const describeTimes = (times: readonly number[]): string =>
    `median ${(quantile(times, 0.5) / 1_000).toFixed(2)} s, p90 ${(quantile(times, 0.9) / 1_000).toFixed(2)} s (${times.map((ms) => (ms / 1_000).toFixed(1)).join(' ')})`;
  const addedMs = quantile(injected, 0.5) - quantile(plain, 0.5);
  t.diagnostic(`without a sidecar: ${describeTimes(plain)}`);
  t.diagnostic(`with one, captured by the ${means}: ${describeTimes(injected)}`);
  t.diagnostic(`ready + ${(addedMs / 1_000).toFixed(2)} s (load ${loadavg()[0]?.toFixed(1)})`);
  assert.ok(addedMs < MOST_ADDED_MS[means], `${addedMs.toFixed(0)} ms`);
}

describe('until a pod is ready', { ...needsNode, timeout: 600_000 }, () => {
  test('a sidecar and the rules that an init container writes take less than three seconds', async (t: TestContext) => {
    const { mesh } = await useMesh(t);
    await measure(t, mesh, 'init container');
  });

  const skip = cniFolders.binDir === '' && 'needs WEFT_TEST_CNI_BIN and WEFT_TEST_CNI_CONF';
  test(
    'a sidecar and the rules that the agent of the node writes take less than one and a half',
    { skip },
    async (t) => {
      const cni = { ...defaultInstallValues('').cni, enabled: true, ...cniFolders };
      const { mesh, cluster } = await useMesh(t, { cni });
      cluster.defer(() => removeAgents(cluster));
      await cniReady(mesh);
      await measure(t, mesh, 'agent of the node');
    },
  );
});

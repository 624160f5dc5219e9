/**
 * Changes under load, with retries off: nothing of it is felt by callers. `WEFT_TEST_RATE` (requests a second, default 200) and
 * `WEFT_TEST_ROLLOUTS` (default 5) say how much; the figures are printed.
 */
import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import type { KubeObject } from '@weft/kube';
import { type PodFacts, needsNode, useMesh } from './pod-mesh.ts';

const rate = Number(process.env['WEFT_TEST_RATE'] ?? '200');
const rollouts = Number(process.env['WEFT_TEST_ROLLOUTS'] ?? '5');

interface Load {
  readonly sent: number;
  readonly seen: Readonly<Record<string, number>>;
  readonly seconds: number;
}

function noRetries(namespace: string): KubeObject {
  return {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'no-retries', namespace },
    spec: { retries: { attempts: 0 } },
  };
}

/** Calls until `change` is done, in pieces of two seconds. */
async function under(from: PodFacts, change: () => Promise<void>): Promise<Load> {
  const state = { isOver: false };
  const seen: Record<string, number> = {};
  let sent = 0;
  let seconds = 0;
  const url = encodeURIComponent('http://orders/load');
  const load = (async () => {
    while (!state.isOver) {
      const asked = await fetch(`http://${from.address}:8080/load?url=${url}&rate=${rate}&seconds=2`, {
        signal: AbortSignal.timeout(60_000),
      });
      const piece = (await asked.json()) as Load;
      sent += piece.sent;
      seconds += piece.seconds;
      for (const [key, count] of Object.entries(piece.seen)) seen[key] = (seen[key] ?? 0) + count;
    }
  })();
  await change().finally(() => (state.isOver = true));
  await load;
  return { sent, seen, seconds };
}

function tell(t: TestContext, what: string, { sent, seen, seconds }: Load): void {
  t.diagnostic(`${what}: ${sent} requests, ${(sent / seconds).toFixed(0)}/s, ${JSON.stringify(seen)}`);
}

describe('under load without retries', needsNode, () => {
  test('an application that exits at once on SIGTERM is rolled out, and no request fails', async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    await cluster.must(noRetries(namespace));
    await Promise.all([mesh.application('web'), mesh.application('orders', { replicas: 2 })]);
    const web = await mesh.pod('web');
    let failed = 0;
    for (let index = 1; index <= rollouts; index += 1) {
      const load = await under(web, () => mesh.restart('orders'));
      tell(t, `rollout ${index}`, load);
      failed += load.sent - (load.seen['200'] ?? 0);
    }
    assert.equal(failed, 0);
  });

  test('the control plane is rolled out and all of it killed, and no request fails', async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    await cluster.must(noRetries(namespace));
    await Promise.all([mesh.application('web'), mesh.application('orders', { replicas: 2 })]);
    const web = await mesh.pod('web');
    const rolled = await under(web, () => mesh.restart('weft-control', 'weft-system'));
    tell(t, 'control plane rolled out', rolled);
    const killed = await under(web, async () => {
      await cluster.client.request({
        method: 'DELETE',
        path: '/api/v1/namespaces/weft-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dweft-control&gracePeriodSeconds=0',
      });
      await mesh.rolledOut('weft-control', 'weft-system');
    });
    tell(t, 'control plane killed', killed);
    for (const { sent, seen } of [rolled, killed]) assert.equal(sent - (seen['200'] ?? 0), 0);
  });
});

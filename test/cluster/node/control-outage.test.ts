/**
 * The whole control plane is away while two applications call each other under Strict mutual TLS, each request once. For how long
 * says `WEFT_TEST_CONTROL_OUTAGE_SECONDS` (`npm run test:cluster -- --outage-minutes 60`; in the suite two minutes). Pods that
 * start meanwhile are no part of it: their webhook is away with the control plane, so the API server makes none in a labelled
 * namespace until it is back.
 */
import assert from 'node:assert/strict';
import { loadavg } from 'node:os';
import { type TestContext, describe, test } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { type Answer, type Echo, POD_WAIT_MS, type PodFacts, needsNode, useMesh } from './pod-mesh.ts';

const outageSeconds = Number(process.env['WEFT_TEST_CONTROL_OUTAGE_SECONDS'] ?? '120');
/** Of each of the two. */
const CALLS_PER_SECOND = 20;
/** One answer of an application tells of its calls in so many seconds. */
const PIECE_SECONDS = 20;
/** Before the control plane goes, and after it has come back. */
const AROUND_SECONDS = 10;
/** Sidecars wait longer and longer between two tries, and no longer than this. */
const RECONNECT_MS = 120_000;
const PROGRESS_MS = 300_000;
/** Where applications are asked by the test, which is no part of the mesh. */
const TEST_PORT = 9080;

interface Calls {
  sent: number;
  answered: number;
  /** Other endings, by status and text. */
  readonly failed: Record<string, number>;
}

interface Piece {
  readonly sent: number;
  readonly seen: Readonly<Record<string, number>>;
}

/** Has `pod` call `url` without a pause until `state.isOver`; what became of each call is added to `calls`. */
async function call(pod: PodFacts, url: string, calls: Calls, state: { isOver: boolean }): Promise<void> {
  const query = `url=${encodeURIComponent(url)}&rate=${CALLS_PER_SECOND}&seconds=${PIECE_SECONDS}`;
  while (!state.isOver) {
    const told = await fetch(`http://${pod.address}:${TEST_PORT}/load?${query}`, {
      signal: AbortSignal.timeout(120_000),
    });
    const { sent, seen } = (await told.json()) as Piece;
    calls.sent += sent;
    for (const [key, count] of Object.entries(seen)) {
      if (key === '200') calls.answered += count;
      else calls.failed[key] = (calls.failed[key] ?? 0) + count;
    }
  }
}

function describeCalls({ sent, answered, failed }: Calls): string {
  return `${sent} calls, ${sent - answered} failed ${answered === sent ? '' : JSON.stringify(failed)}`;
}

/** Status of a call from outside of the mesh, in plain text; 0 where the connection is refused or cut. */
async function plainStatus(pod: PodFacts): Promise<number> {
  try {
    const answer = await fetch(`http://${pod.address}:8080/`, { signal: AbortSignal.timeout(10_000) });
    await answer.text();
    return answer.status;
  } catch {
    return 0;
  }
}

function authentication(namespace: string, mode: 'Strict' | 'Permissive'): KubeObject {
  return {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'AuthenticationPolicy',
    metadata: { name: 'arrivals', namespace },
    spec: { mtls: { mode, ports: [{ port: TEST_PORT, mode: 'Permissive' }] } },
  };
}

describe('without a control plane', { ...needsNode, timeout: (outageSeconds + 600) * 1_000 }, () => {
  test(`for ${outageSeconds} s no call of two applications fails, and what is configured afterwards applies`, async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    await cluster.must(authentication(namespace, 'Strict'), {
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'TrafficPolicy',
      metadata: { name: 'no-retries', namespace },
      spec: { retries: { attempts: 0 } },
    });
    await Promise.all([mesh.application('web'), mesh.application('orders')]);
    const pods = await Promise.all([mesh.pod('web'), mesh.pod('orders')]);
    const [web, orders] = pods;
    const connected = (): Promise<number[]> =>
      Promise.all(pods.map(({ address }) => mesh.gauge(`http://${address}:15020`, 'weft_control_connected')));
    const heldStrict = async (when: string): Promise<void> => {
      for (const pod of pods) assert.notEqual(await plainStatus(pod), 200, `${pod.name} took plain text ${when}`);
      const url = encodeURIComponent('http://orders/');
      const told = await fetch(`http://${web.address}:${TEST_PORT}/ask?url=${url}`);
      const { status, body } = (await told.json()) as Answer;
      assert.equal(status, 200, body);
      const { headers } = JSON.parse(body) as Echo;
      assert.equal(headers['weft-client-identity'], `spiffe://cluster.local/ns/${namespace}/sa/web`, when);
    };
    await eventually(async () => (await plainStatus(web)) !== 200 && (await plainStatus(orders)) !== 200, POD_WAIT_MS);
    await heldStrict('before');
    assert.deepEqual(await connected(), [1, 1]);

    const state = { isOver: false };
    const calls: [Calls, Calls] = [
      { sent: 0, answered: 0, failed: {} },
      { sent: 0, answered: 0, failed: {} },
    ];
    const under = Promise.all([
      call(web, 'http://orders/load', calls[0], state),
      call(orders, 'http://web/load', calls[1], state),
    ]);
    // Whatever goes wrong below, the load ends with it; its own fault is told where it is waited for.
    under.catch(() => {});
    const progress = setInterval(() => t.diagnostic(calls.map(describeCalls).join(' | ')), PROGRESS_MS);
    try {
      await rest(AROUND_SECONDS * 1_000);
      await mesh.scale('weft-control', 0, 'weft-system');
      await eventually(
        async () => (await mesh.pods('weft-control', 'weft-system', 'app.kubernetes.io/name')).length === 0,
        POD_WAIT_MS,
      );
      const beganMs = performance.now();
      await eventually(async () => (await connected()).every((each) => each === 0), RECONNECT_MS);
      await Promise.race([rest(outageSeconds * 1_000 - (performance.now() - beganMs)), under]);
      await heldStrict('without a control plane');
      assert.deepEqual(await connected(), [0, 0]);
      const awaySeconds = (performance.now() - beganMs) / 1_000;
      await mesh.scale('weft-control', 2, 'weft-system');
      const backMs = performance.now();
      await eventually(async () => (await connected()).every((each) => each === 1), RECONNECT_MS);
      t.diagnostic(
        `away for ${awaySeconds.toFixed(0)} s; both sidecars connected again ${((performance.now() - backMs) / 1_000).toFixed(1)} s after it was ready`,
      );
      await rest(AROUND_SECONDS * 1_000);
    } finally {
      clearInterval(progress);
      state.isOver = true;
      await mesh.scale('weft-control', 2, 'weft-system');
    }
    await under;
    t.diagnostic(
      `web: ${describeCalls(calls[0])}; orders: ${describeCalls(calls[1])} (load ${loadavg()[0]?.toFixed(1)})`,
    );
    for (const { sent, answered } of calls)
      assert.ok(sent > outageSeconds * CALLS_PER_SECOND * 0.8 && sent === answered);

    await cluster.must(authentication(namespace, 'Permissive'));
    await eventually(async () => (await plainStatus(web)) === 200 && (await plainStatus(orders)) === 200, POD_WAIT_MS);
    await mesh.application('late');
    assert.ok((await mesh.pod('late')).injected);
  });
});

/**
 * What sidecars and control plane cost a cluster, in figures that are printed; the limits are those that must hold. They are of
 * this machine at this moment: on one that does other things they say little.
 */
import assert from 'node:assert/strict';
import { get } from 'node:https';
import { loadavg } from 'node:os';
import { setTimeout as rest } from 'node:timers/promises';
import { type TestContext, describe, test } from 'node:test';
import type { KubeObject } from '@weft/kube';
import { adminAccess } from '../api/cluster-fixture.ts';
import { type PodMesh, needsNode, sleepingPod, useMesh } from './pod-mesh.ts';

const PODS_PER_SECOND = 50;
const CHANGES_PER_SECOND = 200;
const SECONDS = 10;
const MOST_OPEN = 20;

function tell(t: TestContext, text: string): void {
  t.diagnostic(`${text} (load ${loadavg()[0]?.toFixed(1)})`);
}

/** Does `work` so many times a second, as far as no more than `MOST_OPEN` are under way; the rate it came to. */
async function paced(perSecond: number, seconds: number, work: (index: number) => Promise<void>): Promise<number> {
  const began = performance.now();
  const open = new Set<Promise<void>>();
  const faults: unknown[] = [];
  for (let sent = 0; sent < perSecond * seconds;) {
    const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - began) / 1000) * perSecond) + 1);
    for (; sent < due && open.size < MOST_OPEN; sent += 1) {
      const one: Promise<void> = work(sent)
        .catch((fault: unknown) => void faults.push(fault))
        .finally(() => open.delete(one));
      open.add(one);
    }
    await rest(5);
  }
  await Promise.all(open);
  if (faults.length > 0) throw new Error(`${faults.length} failed`, { cause: faults[0] });
  return (perSecond * seconds) / ((performance.now() - began) / 1000);
}

/** Cumulative counts of a histogram by upper bound, summed over series whose labels match. */
type Buckets = ReadonlyMap<number, number>;

function bucketsIn(text: string, metric: string, pattern: RegExp): Buckets {
  const buckets = new Map<number, number>();
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${metric}_bucket{`) || !pattern.test(line)) continue;
    const bound = /le="([^"]+)"/.exec(line)?.[1] ?? '';
    const le = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
    const [, count = '0'] = /\} (\S+)/.exec(line) ?? [];
    buckets.set(le, (buckets.get(le) ?? 0) + Number(count));
  }
  return buckets;
}

/** The bound below which 99 of 100 stayed between two readings, and of how many. */
function p99(before: Buckets, after: Buckets): { readonly bound: number; readonly count: number } {
  const bounds = [...after.keys()].toSorted((left, right) => left - right);
  const counted = (bound: number): number => (after.get(bound) ?? 0) - (before.get(bound) ?? 0);
  const count = counted(Number.POSITIVE_INFINITY);
  return { bound: bounds.find((bound) => counted(bound) >= count * 0.99) ?? Number.POSITIVE_INFINITY, count };
}

async function controlMetrics(mesh: PodMesh): Promise<string> {
  const controls = await mesh.pods('weft-control', 'weft-system', 'app.kubernetes.io/name');
  const texts = controls.map(async ({ address }) => (await fetch(`http://${address}:15014/metrics`)).text());
  return (await Promise.all(texts)).join('\n');
}

/** Of the API server: text, which the client of the cluster does not read. */
function serverMetrics(): Promise<string> {
  const { server, ca, certificate, key } = adminAccess();
  return new Promise((resolve, reject) => {
    get(`${server}/metrics`, { ca, cert: certificate, key }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

describe('what it costs', needsNode, () => {
  test(`of admission at ${PODS_PER_SECOND} pods a second`, async (t: TestContext) => {
    const { cluster, namespace } = await useMesh(t);
    const metric = 'apiserver_admission_webhook_admission_duration_seconds';
    const read = async (): Promise<Buckets> =>
      bucketsIn(await serverMetrics(), metric, /name="[^"]*weft[^"]*".*type="admit"/);
    const before = await read();
    const path = `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
    const rate = await paced(PODS_PER_SECOND, SECONDS, async (index) => {
      const made = await cluster.client.request({ method: 'POST', path, body: sleepingPod(namespace, `p-${index}`) });
      if (!made.ok) throw new Error(made.error.message);
    });
    const { bound, count } = p99(before, await read());
    tell(t, `${count} admissions at ${rate.toFixed(0)}/s: 99 of 100 within ${bound} s, as the API server measures it`);
    assert.ok(count >= PODS_PER_SECOND * SECONDS);
  });

  test(`from a change of endpoints to the acknowledgement, at ${CHANGES_PER_SECOND} a second`, async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    const service: KubeObject = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'outside', namespace },
      spec: { ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
    };
    await cluster.must(service);
    await mesh.application('web', { replicas: 2 });
    for (const web of await mesh.pods('web')) await mesh.ask(web, 'http://outside/');
    const change = async (index: number): Promise<void> => {
      const name = `outside-${index % 20}`;
      const body = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name,
          namespace,
          labels: { 'kubernetes.io/service-name': 'outside' },
          annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString() },
        },
        addressType: 'IPv4',
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        endpoints: [{ addresses: [`198.18.${index % 20}.${1 + (index % 250)}`], conditions: { ready: true } }],
      };
      const done = await cluster.client.request({
        method: 'PATCH',
        path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${name}?fieldManager=test&force=true`,
        contentType: 'application/apply-patch+yaml',
        body,
      });
      if (!done.ok) throw new Error(done.error.message);
    };
    const before = await controlMetrics(mesh);
    const rate = await paced(CHANGES_PER_SECOND, SECONDS, change);
    await rest(2000);
    const after = await controlMetrics(mesh);
    const [lag, push] = ['weft_control_watch_lag_seconds', 'weft_control_push_duration_seconds'].map((metric) =>
      p99(bucketsIn(before, metric, /le=/), bucketsIn(after, metric, /le=/)),
    );
    tell(
      t,
      `${rate.toFixed(0)} changes/s: 99 of 100 known within ${lag?.bound} s (${lag?.count}), acknowledged within ${push?.bound} s more (${push?.count} pushes)`,
    );
    assert.ok((lag?.count ?? 0) > 0 && (push?.count ?? 0) > 0);
  });
});

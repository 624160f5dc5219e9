import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { type Cluster, WAIT_MS, conditionOf, needsCluster, startReplica, useCluster } from './cluster-fixture.ts';

const accepted = { status: 'True', reason: 'Accepted' };

function service(namespace: string, name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ port: 80 }] } };
}

function policy(namespace: string, name: string, spec: object): KubeObject {
  return { apiVersion: 'weft.dev/v1alpha1', kind: 'TrafficPolicy', metadata: { name, namespace }, spec };
}

function toService(name: string): object {
  return { targetRefs: [{ group: '', kind: 'Service', name }] };
}

async function secretOf(cluster: Cluster, namespace: string): Promise<Readonly<Record<string, string>> | undefined> {
  const found = await cluster.get({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'weft-root', namespace } });
  return found?.['data'] as Readonly<Record<string, string>> | undefined;
}

async function conditionAt(cluster: Cluster, object: KubeObject, type: string) {
  return conditionOf(await cluster.get(object), type);
}

function countOf(lines: readonly string[], pattern: RegExp): number {
  return lines.filter((line) => pattern.test(line)).length;
}

describe('two replicas', needsCluster, () => {
  test('that start at once end with one root, and one of them leads', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const [first, second] = await Promise.all([startReplica(t, namespace, 'one'), startReplica(t, namespace, 'two')]);
    assert.equal(first.plane.roots.signing, second.plane.roots.signing);
    assert.equal(countOf([...first.lines, ...second.lines], /the root is kept in the Secret/), 1);
    const leaders = () => [first, second].filter(({ plane }) => plane.isLeader());
    await eventually(() => leaders().length === 1, WAIT_MS);
    const files = Object.keys((await secretOf(cluster, namespace)) ?? {});
    assert.ok(files.includes('signing') && files.length === 2, files.join());

    // The leader gives the Lease back when it stops: the other does not wait for its end.
    const leader = leaders()[0]!;
    const other = leader === first ? second : first;
    await leader.stop();
    await eventually(() => other.plane.isLeader(), 5000);
  });

  test('share a change of roots, and a deleted Secret is made again with the same root', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const [first, second] = await Promise.all([startReplica(t, namespace, 'one'), startReplica(t, namespace, 'two')]);
    const before = first.plane.roots.signing;
    const next = await first.plane.roots.prepare();
    await eventually(async () => Object.keys((await secretOf(cluster, namespace)) ?? {}).length === 3, WAIT_MS);
    await first.plane.roots.activate(next);
    await eventually(() => second.plane.roots.signing === next, WAIT_MS);
    assert.notEqual(before, next);

    await eventually(() => first.plane.isLeader() || second.plane.isLeader(), WAIT_MS);
    const files = await secretOf(cluster, namespace);
    await cluster.delete({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'weft-root', namespace } });
    await eventually(async () => assert.deepEqual(await secretOf(cluster, namespace), files), WAIT_MS);
    // The object may be there again before the line: whoever made it writes the line first.
    assert.ok(countOf([...first.lines, ...second.lines], /of the root was deleted; it is made again/) >= 1);
    assert.equal(second.plane.roots.signing, next);
  });
});

describe('status', needsCluster, () => {
  test('says what became of an object and of its change, and is written once', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const good = policy(namespace, 'good', { ...toService('orders'), timeouts: { request: '5s' } });
    const lost = policy(namespace, 'lost', toService('nowhere'));
    await cluster.must(service(namespace, 'orders'), good, lost);
    await startReplica(t, namespace, 'one');
    const condition = await eventually(async () => {
      const found = await conditionAt(cluster, good, 'Accepted');
      assert.equal(found?.['status'], 'True');
      return found!;
    }, WAIT_MS);
    assert.deepEqual({ status: condition['status'], reason: condition['reason'] }, accepted);
    assert.equal(condition['observedGeneration'], 1);
    await eventually(
      async () => (await conditionAt(cluster, lost, 'Accepted'))?.['reason'] === 'TargetNotFound',
      WAIT_MS,
    );

    await cluster.must({ ...good, spec: { ...toService('orders'), timeouts: { request: '6s' } } });
    await eventually(async () => (await conditionAt(cluster, good, 'Accepted'))?.['observedGeneration'] === 2, WAIT_MS);
    const written = await cluster.get(good);
    assert.equal(conditionOf(written, 'Programmed')?.['reason'], 'NoSubscribers');
    assert.equal(conditionOf(written, 'Accepted')?.['lastTransitionTime'], condition['lastTransitionTime']);

    // The target comes: the condition turns, and with it the time.
    await cluster.must(service(namespace, 'nowhere'));
    await eventually(async () => (await conditionAt(cluster, lost, 'Accepted'))?.['status'] === 'True', WAIT_MS);
  });

  test('of what only the reader refuses names the field, and an event stands at the object', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const { plane } = await startReplica(t, namespace, 'one');
    await eventually(() => plane.isLeader(), WAIT_MS);
    // Twice the same target: the definition does not see it.
    const target = { group: '', kind: 'Service', name: 'orders' };
    const twice = policy(namespace, 'twice', { targetRefs: [target, target] });
    await cluster.must(twice);
    const refused = await eventually(async () => {
      const found = await conditionAt(cluster, twice, 'Accepted');
      assert.equal(found?.['status'], 'False');
      return found!;
    }, WAIT_MS);
    assert.match(String(refused['message']), /spec\.targetRefs\[1\]/);
    await eventually(async () => {
      const got = await cluster.client.get(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
      const items = got.ok
        ? (got.value as { items: { reason: string; note: string; regarding: { name: string } }[] }).items
        : [];
      return items.some(
        ({ reason, note, regarding }) =>
          reason === 'Refused' && regarding.name === 'twice' && note.includes('targetRefs[1]'),
      );
    }, WAIT_MS);
  });
});

describe('endpoints', needsCluster, () => {
  test('follow slices: readiness, a port by name that differs, addresses without pods', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const { plane } = await startReplica(t, namespace, 'one');
    const slice = (endpoints: object[]): KubeObject => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'outside-1', namespace, labels: { 'kubernetes.io/service-name': 'outside' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 9000, protocol: 'TCP' }],
      endpoints,
    });
    const outside: KubeObject = {
      ...service(namespace, 'outside'),
      spec: { ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
    };
    const path = (each: KubeObject): string =>
      `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${each.metadata.name}?fieldManager=test&force=true`;
    const put = async (endpoints: object[]): Promise<void> => {
      const body = slice(endpoints);
      const done = await cluster.client.request({
        method: 'PATCH',
        path: path(body),
        contentType: 'application/apply-patch+yaml',
        body,
      });
      assert.ok(done.ok);
    };
    await cluster.must(outside);
    await put([
      { addresses: ['192.0.2.1'], conditions: { ready: true } },
      { addresses: ['192.0.2.2'], conditions: { ready: false } },
    ]);
    const names = (): string[] =>
      plane
        .status()
        .objects.filter(({ kind, namespace: from }) => kind === 'WorkloadEntry' && from === namespace)
        .map(({ name }) => name);
    await eventually(() => names().join() === 'outside~192.0.2.1', WAIT_MS);
    await put([
      { addresses: ['192.0.2.1'], conditions: { ready: true } },
      { addresses: ['192.0.2.2'], conditions: { ready: true } },
    ]);
    await eventually(() => names().length === 2, WAIT_MS);
  });
});

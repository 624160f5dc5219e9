/** The standard's kinds: absent, installed while we run, and what becomes of their status beside other controllers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import { ClusterWatch, KubeClient, type KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { type Cluster, WAIT_MS, adminAccess, needsCluster, startReplica, useCluster } from './cluster-fixture.ts';
import { gatewayDefinitions } from './gateway-definitions.ts';

const GROUP = 'gateway.networking.k8s.io';
interface Parent {
  readonly controllerName: string;
  readonly parentRef: { readonly name: string };
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly observedGeneration: number;
  }[];
}

function parentsOf(object: KubeObject | undefined): readonly Parent[] {
  return ((object?.['status'] ?? {}) as { parents?: readonly Parent[] }).parents ?? [];
}

function words(parents: readonly Parent[]): string[] {
  return parents.flatMap(({ parentRef, conditions }) =>
    conditions.map(({ type, reason }) => `${parentRef.name} ${type} ${reason}`),
  );
}

describe('Gateway API', { ...needsCluster, timeout: 240_000 }, () => {
  let cluster: Cluster;
  let namespace = '';
  let wasThere = false;
  const standard = needsCluster.skip === false ? gatewayDefinitions('standard') : [];
  const closers: (() => Promise<void>)[] = [];

  before(async () => {
    const used = await useCluster({ after: (fn) => closers.push(fn) });
    cluster = used.cluster;
    namespace = used.namespace;
    wasThere = (await cluster.get(standard[0]!)) !== undefined;
    cluster.defer(async () => {
      if (!wasThere) for (const each of standard) await cluster.delete(each);
    });
  });
  after(async () => {
    for (const close of closers) await close();
  });

  test('absent kinds are one line and no loop; installed later, they are followed', async (t) => {
    if (wasThere) return t.skip('Gateway API is installed in this cluster already');
    let looks = 0;
    const client = new KubeClient(adminAccess(), { onCall: (_, path) => void (looks += path === '/apis' ? 1 : 0) });
    const wheel = new TimerWheel(systemClock);
    wheel.start();
    const lines: string[] = [];
    const say = (message: string): void => void lines.push(message);
    const seen: string[] = [];
    const watch = new ClusterWatch({
      client,
      clock: systemClock,
      wheel,
      random: systemRandom,
      log: { info: say, warn: say },
      onUpdate: ({ changed }) => seen.push(...changed.map(({ name }) => name)),
      discoveryMs: 500,
    });
    t.after(async () => {
      await watch.stop();
      await client.close();
      wheel.stop();
    });
    await watch.start();
    await eventually(() => looks >= 3, WAIT_MS);
    const absent = (): string[] => lines.filter((line) => line.includes('not installed in this cluster'));
    assert.equal(absent().length, 1);
    await cluster.must(...standard);
    await eventually(() => watch.absent.length === 0, WAIT_MS);
    await eventually(
      async () => cluster.must(route('late', [{ group: '', kind: 'Service', name: 'orders' }])),
      WAIT_MS,
    );
    await eventually(() => seen.includes(`HTTPRoute/${namespace}/late`), WAIT_MS);
    // They come one by one: each change of what is absent is said once.
    assert.equal(new Set(absent()).size, absent().length);
  });

  test('a route is told at each parent what became of it, and what another controller wrote stays', async (t) => {
    await cluster.must(...standard);
    const service: KubeObject = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'orders', namespace },
      spec: { ports: [{ port: 80 }] },
    };
    await eventually(
      async () =>
        cluster.must(
          route('r', [
            { group: '', kind: 'Service', name: 'orders' },
            { group: '', kind: 'Service', name: 'nowhere' },
          ]),
        ),
      WAIT_MS,
    );
    await cluster.must(service);
    // Another controller was here before.
    const theirs = {
      parentRef: { group: GROUP, kind: 'Gateway', name: 'edge' },
      controllerName: 'other.example/controller',
      conditions: [
        {
          type: 'Accepted',
          status: 'True',
          reason: 'Accepted',
          message: '',
          observedGeneration: 1,
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    };
    const current = await cluster.get(route('r', []));
    const put = await cluster.client.request({
      method: 'PUT',
      path: `/apis/${GROUP}/v1/namespaces/${namespace}/httproutes/r/status`,
      body: { ...current, status: { parents: [theirs] } },
    });
    assert.ok(put.ok, put.ok ? '' : put.error.message);
    await startReplica(t, namespace, 'one');
    await eventually(async () => {
      const parents = parentsOf(await cluster.get(route('r', [])));
      const said = words(parents);
      for (const word of [
        'orders Accepted Accepted',
        'orders weft.dev/Programmed NoSubscribers',
        'nowhere Accepted NoMatchingParent',
        'edge Accepted Accepted',
      ]) {
        assert.ok(said.includes(word), `${word} is not among ${said.join(', ')}`);
      }
      assert.ok(
        said.some((word) => /orders ResolvedRefs BackendNotFound/.test(word)),
        said.join(', '),
      );
    }, WAIT_MS);
    // The backend comes, and with it the condition turns.
    await cluster.must({ ...service, metadata: { name: 'backend', namespace } });
    await eventually(async () => {
      const said = words(parentsOf(await cluster.get(route('r', []))));
      return said.includes('orders ResolvedRefs ResolvedRefs');
    }, WAIT_MS);
  });

  test('a Gateway of our class has its listeners told, one of another class is left alone', async (t) => {
    await cluster.must(...standard);
    const classOf = (name: string, controllerName: string): KubeObject => ({
      apiVersion: `${GROUP}/v1`,
      kind: 'GatewayClass',
      metadata: { name },
      spec: { controllerName },
    });
    const ours = classOf(`${namespace}-ours`, 'weft.dev/gateway-controller');
    const other = classOf(`${namespace}-other`, 'other.example/controller');
    const gateway = (name: string, of: KubeObject): KubeObject => ({
      apiVersion: `${GROUP}/v1`,
      kind: 'Gateway',
      metadata: { name, namespace },
      spec: { gatewayClassName: of.metadata.name, listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    });
    await eventually(async () => cluster.must(ours, other), WAIT_MS);
    t.after(() => cluster.delete(ours));
    t.after(() => cluster.delete(other));
    await cluster.must(gateway('mine', ours), gateway('theirs', other));
    await startReplica(t, namespace, 'one');
    await eventually(async () => {
      const status = (await cluster.get(gateway('mine', ours)))?.['status'] as {
        listeners?: { name: string; attachedRoutes: number }[];
        conditions?: { type: string; status: string }[];
      };
      assert.deepEqual(
        status.listeners?.map(({ name, attachedRoutes }) => [name, attachedRoutes]),
        [['http', 0]],
      );
      assert.ok(status.conditions?.some(({ type, status: holds }) => type === 'Accepted' && holds === 'True'));
    }, WAIT_MS);
    const left = (await cluster.get(gateway('theirs', other)))?.['status'] as { conditions?: { reason: string }[] };
    assert.ok(left.conditions?.every(({ reason }) => reason === 'Pending') ?? true);
    const classStatus = (await cluster.get(ours))?.['status'] as { conditions?: { type: string; status: string }[] };
    assert.ok(classStatus.conditions?.some(({ type, status }) => type === 'Accepted' && status === 'True'));
  });

  function route(name: string, parentRefs: object[]): KubeObject {
    return {
      apiVersion: `${GROUP}/v1`,
      kind: 'HTTPRoute',
      metadata: { name, namespace },
      spec: { parentRefs, rules: [{ backendRefs: [{ name: 'backend', port: 80 }] }] },
    };
  }
});

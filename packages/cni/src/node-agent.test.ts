import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, describe, it } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { KubeClient, agentRules } from '@weft/kube';
import { FakeClock, ScriptedApiServer, eventually } from '@weft/testkit';
import { copyTools, toolsLack } from './fixture/node-tools.ts';
import { type NodeAgent, startNodeAgent } from './node-agent.ts';

const skip = process.platform !== 'linux' ? 'agents are of Linux' : toolsLack();
const WAIT_MS = 5_000;
const network = { cniVersion: '1.0.0', name: 'pods', plugins: [{ type: 'bridge' }] };
const taint = 'weft.dev/agent-not-ready';

describe('the agent of a node', { skip }, () => {
  async function begin(t: TestContext, more: { evicts?: boolean; taint?: string } = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'weft-agent-'));
    const server = new ScriptedApiServer();
    server.define({ group: 'apps', version: 'v1', kind: 'DaemonSet', plural: 'daemonsets', namespaced: true });
    server.define({ group: '', version: 'v1', kind: 'Node', plural: 'nodes', namespaced: false });
    const url = await server.listen();
    server.put({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'weft-cni', namespace: 'weft-system' } });
    const clock = new FakeClock();
    const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft-system' });
    copyTools(join(folder, 'tools'));
    const conf = join(folder, 'net.d');
    mkdirSync(conf);
    const start = async (): Promise<NodeAgent> => {
      const started = await startNodeAgent({
        client,
        clock,
        wheel: clock.wheel(),
        random: seededRandom(1),
        log: { info: () => {}, warn: () => {} },
        node: 'node-1',
        namespace: 'weft-system',
        daemonSet: 'weft-cni',
        programFolder: join(folder, 'bin'),
        configurationFolder: conf,
        configurationFile: '',
        callFolder: join(folder, 'run'),
        excludedNamespaces: ['weft-system'],
        toolsSource: join(folder, 'tools'),
        evicts: true,
        taint: '',
        host: '127.0.0.1',
        port: 0,
        ...more,
      });
      assert.ok(started.ok, started.ok ? '' : started.error);
      return started.value;
    };
    t.after(async () => {
      await client.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const write = (name: string, content: object): void => writeFileSync(join(conf, name), JSON.stringify(content));
    const types = (name: string): string[] =>
      (JSON.parse(readFileSync(join(conf, name), 'utf8')) as typeof network).plugins.map(({ type }) => type);
    const ask = async (agent: NodeAgent, path: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${agent.port}${path}`);
      return `${response.status} ${await response.text()}`;
    };
    return { folder, conf, server, clock, start, write, types, ask };
  }

  it('waits for a network, stands in it, and again when its owner has written it anew', async (t) => {
    const { folder, conf, start, write, types, ask } = await begin(t);
    writeFileSync(join(conf, '00-broken.conflist'), '{');
    const agent = await start();
    t.after(() => agent.stop());
    assert.match(await ask(agent, '/ready'), /^503 not ready/);
    assert.equal(await ask(agent, '/live'), '200 ok\n');
    write('10-pods.conflist', network);
    await eventually(() => agent.ready, WAIT_MS);
    assert.deepEqual(types('10-pods.conflist'), ['bridge', 'weft-cni']);
    assert.equal(await ask(agent, '/ready'), '200 ok\n');
    write('10-pods.conflist', network);
    await eventually(() => types('10-pods.conflist').length === 2, WAIT_MS);
    assert.deepEqual(readdirSync(join(folder, 'bin')).sort(), ['weft-cni', 'weft-cni.d']);
    assert.match(await ask(agent, '/metrics'), /^weft_cni_ready 1$/m);
  });

  it('stays on its node when it is started anew, and goes with its DaemonSet, leaving what was there before', async (t) => {
    const { folder, conf, server, start, write, types } = await begin(t);
    const single = { cniVersion: '0.4.0', name: 'pods', type: 'bridge' };
    write('10-pods.conf', single);
    const first = await start();
    assert.deepEqual(types('10-pods.conflist'), ['bridge', 'weft-cni']);
    await first.stop();
    assert.deepEqual(types('10-pods.conflist'), ['bridge', 'weft-cni']);
    const second = await start();
    assert.ok(second.ready);
    server.remove('DaemonSet', 'weft-system', 'weft-cni');
    await second.stop();
    assert.deepEqual(readdirSync(conf), ['10-pods.conf']);
    assert.deepEqual(JSON.parse(readFileSync(join(conf, '10-pods.conf'), 'utf8')), single);
    assert.deepEqual(readdirSync(join(folder, 'bin')), []);
  });

  it('takes its taint off the node once pods can be captured, and no other', async (t) => {
    const { server, start, write } = await begin(t, { taint });
    const other = { key: 'dedicated', value: 'gpu', effect: 'NoSchedule' };
    server.put({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-1' },
      spec: { taints: [other, { key: taint, effect: 'NoSchedule' }] },
    });
    const agent = await start();
    t.after(() => agent.stop());
    const patches = (): unknown[] => server.calls.filter(({ method }) => method === 'PATCH').map(({ body }) => body);
    assert.deepEqual(patches(), []);
    write('10-pods.conflist', network);
    await eventually(() => patches().length > 0, WAIT_MS);
    assert.deepEqual((patches()[0] as { spec: object }).spec, { taints: [other] });
  });

  for (const evicts of [true, false]) {
    it(`${evicts ? 'evicts a pod' : 'leaves a pod, when told so,'} that started uncaptured, and says so in an event`, async (t) => {
      const { server, start, write } = await begin(t, { evicts });
      write('10-pods.conflist', network);
      const agent = await start();
      t.after(() => agent.stop());
      const pod = (name: string, more: object = {}): void =>
        void server.put({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace: 'shop', uid: `uid-${name}`, ...more },
          spec: {
            nodeName: 'node-1',
            initContainers: [{ name: 'weft-proxy', env: [{ name: 'WEFT_CAPTURE_RULES', value: '--outbound=all' }] }],
          },
          status: { initContainerStatuses: [{ name: 'weft-proxy', state: { terminated: { exitCode: 4 } } }] },
        });
      pod('cart', { ownerReferences: [{ kind: 'ReplicaSet', name: 'cart', controller: true }] });
      pod('alone');
      const posts = (part: string) =>
        server.calls.filter(({ method, path }) => method === 'POST' && path.includes(part));
      await eventually(() => posts('/events').length === 2, WAIT_MS);
      const notes = posts('/events').map(({ body }) => (body as { note: string; reason: string }).note);
      assert.ok(
        notes.some((note) =>
          note.endsWith('delete it, so that it starts again (container weft-proxy ended with code 4)'),
        ),
      );
      if (!evicts) assert.deepEqual(posts('/eviction'), []);
      else {
        await eventually(() => posts('/eviction').length > 0, WAIT_MS);
        assert.deepEqual(
          posts('/eviction').map(({ path }) => path),
          ['/api/v1/namespaces/shop/pods/cart/eviction'],
        );
        assert.deepEqual((posts('/eviction')[0]!.body as { deleteOptions: object }).deleteOptions, {
          preconditions: { uid: 'uid-cart' },
        });
      }
      assert.ok(server.calls.some(({ query }) => query.get('fieldSelector') === 'spec.nodeName=node-1'));
      // What its role grants in all namespaces, and no more.
      const granted = agentRules(false, evicts).flatMap(({ resources, verbs }) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
      );
      for (const { method, path, query } of server.calls) {
        const resource =
          /\/(pods\/[^/]+\/eviction|pods|events)(?:\/|$)/.exec(path)?.[1]?.replace(/\/[^/]+\//, '/') ?? path;
        const verb = method === 'POST' ? 'create' : query.has('watch') ? 'watch' : 'list';
        assert.ok(granted.includes(`${verb} ${resource}`), `${method} ${path} is not granted`);
      }
    });
  }
});

/** The plugin as a runtime starts it: its script, its tools, the agent's side of it, and a real network namespace. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Result, fail, ok, systemClock } from '@weft/kernel';
import { CallDoor } from './call-door.ts';
import { copyTools, toolsLack } from './fixture/node-tools.ts';
import { type CallFacts, answerCall } from './pod-capture.ts';
import { toolsFolder, toolsName, writePluginScript } from './plugin-script.ts';

const lack = process.getuid?.() !== 0 ? 'enters network namespaces; run the tests as root' : toolsLack();

const previous = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'eth0', sandbox: '/var/run/netns/x' }],
  ips: [{ address: '10.1.2.3/24' }],
  dns: { search: ['a "quoted" } name', 'prevResult', '\\'] },
};
const configuration = {
  cniVersion: '1.0.0',
  disguise: { prevResult: { wrong: true } },
  name: 'prevResult',
  prevResult: previous,
  type: 'weft-cni',
  zone: '{"prevResult":{}}',
};
const captured = {
  metadata: { uid: 'u1' },
  spec: {
    initContainers: [
      {
        name: 'weft-capture',
        args: ['capture', 'prove', '--inbound=all', '--outbound=all', '--exclude-inbound-ports=15020'],
      },
    ],
  },
};

describe('the plugin of a node', { skip: lack }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-cni-'));
  const programs = join(folder, 'bin');
  const calls = join(folder, 'run');
  const namespace = `weft-cni-${process.pid}`;
  const facts: CallFacts[] = [];
  const pods = new Map<string, unknown>();
  const children: ChildProcess[] = [];
  let door: CallDoor;

  interface Ended {
    readonly code: number;
    readonly out: string;
    readonly ms: number;
  }

  /** As a runtime calls it: nothing but its own variables. */
  async function call(
    command: string,
    args: string,
    path = `/run/netns/${namespace}`,
    input: object = configuration,
  ): Promise<Ended> {
    const startMs = performance.now();
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: path,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: args,
      CNI_PATH: programs,
    };
    const child = spawn(join(programs, 'weft-cni'), [], { env, stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => void (out += chunk.toString()));
    child.stdin.end(JSON.stringify(input));
    const [code] = (await once(child, 'close')) as [number];
    return { code, out, ms: performance.now() - startMs };
  }

  const podArgs = (name: string, from = 'shop'): string =>
    `IgnoreUnknown=1;K8S_POD_NAMESPACE=${from};K8S_POD_NAME=${name};K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1`;
  const rules = (): string =>
    execFileSync('ip', ['netns', 'exec', namespace, 'nft', 'list', 'ruleset'], { encoding: 'utf8' });

  async function openDoor(): Promise<CallDoor> {
    const readPod = ({ name }: { name: string }): Promise<Result<unknown, string>> =>
      Promise.resolve(pods.has(name) ? ok(pods.get(name)) : fail('pods "gone" not found'));
    return CallDoor.open(calls, [join(programs, toolsFolder, toolsName), 'mkfifo'], systemClock, (lines, text) =>
      answerCall(lines, text, readPod, (fact) => void facts.push(fact)),
    );
  }

  before(async () => {
    mkdirSync(programs);
    mkdirSync(calls, { mode: 0o700 });
    copyTools(join(programs, toolsFolder));
    const script = writePluginScript({
      programFolder: programs,
      callFolder: calls,
      excludedNamespaces: ['kube-system', 'weft-system'],
    });
    writeFileSync(join(programs, 'weft-cni'), script);
    chmodSync(join(programs, 'weft-cni'), 0o755);
    execFileSync('ip', ['netns', 'add', namespace]);
    pods.set('cart', captured);
    pods.set('plain', { metadata: { uid: 'u1' }, spec: { containers: [{}] } });
    pods.set('odd', {
      spec: { initContainers: [{ name: 'weft-proxy', env: [{ name: 'WEFT_CAPTURE_RULES', value: '--inbound=0' }] }] },
    });
    door = await openDoor();
  });

  after(() => {
    door.close();
    for (const child of children) child.kill('SIGKILL');
    execFileSync('ip', ['netns', 'del', namespace]);
    rmSync(folder, { recursive: true, force: true });
  });

  it('says which versions it speaks, without an agent, and has nothing to say to what is not for it', async () => {
    const { code, out } = await call('VERSION', '');
    assert.equal(code, 0);
    assert.ok((JSON.parse(out) as { supportedVersions: string[] }).supportedVersions.includes('1.0.0'));
    for (const command of ['STATUS', 'GC'])
      assert.deepEqual({ ...(await call(command, '')), ms: 0 }, { code: 0, out: '', ms: 0 });
  });

  it('writes the rules of a pod into its namespace, however often, and hands on what others made', async () => {
    const bare = rules();
    for (let round = 0; round < 2; round += 1) {
      const { code, out } = await call('ADD', podArgs('cart'));
      assert.equal(code, 0, out);
      assert.deepEqual(JSON.parse(out), previous);
    }
    const written = rules();
    assert.match(written, /table inet weft[^]*redirect to :15006[^]*redirect to :15001/);
    assert.equal(written.match(/table inet weft/g)?.length, 1);
    assert.deepEqual({ ...(await call('CHECK', podArgs('cart'))), ms: 0 }, { code: 0, out: '', ms: 0 });
    // Nothing of it was done in the network of the agent.
    assert.doesNotMatch(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }), /inet weft$/m);
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual({ ...(await call('DEL', podArgs('cart'))), ms: 0 }, { code: 0, out: '', ms: 0 });
      assert.equal(rules(), bare);
    }
    const gone = await call('CHECK', podArgs('cart'));
    assert.deepEqual(
      [gone.code, (JSON.parse(gone.out) as { code: number; msg: string }).msg],
      [1, 'weft: the rules of the pod are gone: Error: No such file or directory list table inet weft'],
    );
    assert.deepEqual(readdirSync(join(calls, 'calls')), []);
  });

  it('leaves pods without a sidecar as they are, and what is no pod', async () => {
    const bare = rules();
    for (const args of [podArgs('plain'), 'IgnoreUnknown=1', '']) {
      const { code, out } = await call('ADD', args);
      assert.equal(code, 0, out);
      assert.deepEqual(JSON.parse(out), previous);
    }
    assert.equal(rules(), bare);
  });

  it('fails with a sentence for the event of the pod when rules cannot be written', async () => {
    for (const [answer, code, message] of [
      [await call('ADD', podArgs('gone')), 11, /the pod cannot be read from the API server: pods "gone" not found/],
      [await call('ADD', podArgs('odd')), 7, /asks for what is not understood: --inbound "0"/],
      [
        await call('ADD', podArgs('cart'), '/run/netns/none'),
        100,
        /cannot be written: .*(?:cannot open|can.t open|No such file)/,
      ],
      [await call('ADD', podArgs('cart'), '/proc/self/ns/uts'), 100, /cannot be written: .*setns/],
      [await call('ADD', podArgs('cart'), ''), 4, /CNI_NETNS is empty/],
      [await call('ADD', podArgs('cart'), undefined, { name: 'pods' }), 7, /holds no prevResult/],
    ] as const) {
      assert.equal(answer.code, 1);
      const said = JSON.parse(answer.out) as { code: number; msg: string };
      assert.equal(said.code, code, said.msg);
      assert.match(said.msg, message);
    }
    assert.deepEqual(
      { ...(await call('DEL', podArgs('cart'), '/run/netns/none')), ms: 0 },
      { code: 0, out: '', ms: 0 },
    );
    assert.equal(facts.filter(({ outcome }) => outcome === 'failed').length, 4);
  });

  it('says what to do where the kernel of the node has no nf_tables', async () => {
    const loader = join(programs, toolsFolder, 'ld.so');
    const kept = readFileSync(loader);
    // What nft ends with there, in place of nft: a kernel without it is not to be had in a test.
    const words = 'netlink: Error: cache initialization failed: Protocol not supported';
    rmSync(loader);
    writeFileSync(loader, `#!${join(programs, toolsFolder, toolsName)} sh\necho '${words}' >&2\nexit 1\n`);
    chmodSync(loader, 0o755);
    try {
      const { code, out } = await call('ADD', podArgs('cart'));
      const { msg } = JSON.parse(out) as { msg: string };
      assert.equal(code, 1);
      assert.match(
        msg,
        /the kernel of this node lacks nf_tables .*sidecar\.legacyIptables=true\): .*Protocol not supported/,
      );
    } finally {
      writeFileSync(loader, kept);
    }
  });

  it('answers many at once, each with its own result', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_none, index) =>
        call('ADD', podArgs('plain'), undefined, { ...configuration, prevResult: { ...previous, index } }),
      ),
    );
    assert.deepEqual(
      answers.map(({ out }) => (JSON.parse(out) as { index: number }).index),
      Array.from({ length: 20 }, (_none, index) => index),
    );
  });

  it('holds pods back without an agent, but for excluded namespaces, and lets go whoever goes', async () => {
    door.close();
    const held = await call('ADD', podArgs('cart'));
    assert.equal(held.code, 1);
    assert.match((JSON.parse(held.out) as { msg: string }).msg, /the agent of Weft on this node does not answer/);
    const system = await call('ADD', podArgs('dns', 'kube-system'));
    assert.deepEqual([system.code, JSON.parse(system.out)], [0, previous]);
    const none = await call('ADD', podArgs('dns', 'kube-system'), undefined, {
      name: 'x',
      plugins: { prevResult: {} },
    });
    assert.deepEqual([none.code, (JSON.parse(none.out) as { code: number }).code], [1, 7]);
    assert.equal((await call('DEL', podArgs('cart'))).code, 0);
    door = await openDoor();
    assert.equal((await call('ADD', podArgs('cart'))).code, 0);
    await call('DEL', podArgs('cart'));
  });
});

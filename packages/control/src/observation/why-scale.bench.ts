/**
 * From the question to the answer of `why` across many sidecars: a control plane in this process, their Sync clients in another,
 * real gRPC over mutual TLS between. Four of them remember two hops each; the time to look through a ring of records is
 * measured in the proxy (recorder.bench.ts) and comes on top: `node packages/control/src/observation/why-scale.bench.ts [100]`.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import { AdminClient } from '@weft/wire';
import { RecordedLog, TestProxy, redeem } from '../control-harness.ts';
import { startControlPlane } from '../control-plane.ts';
import { MemorySource } from '../source/memory-source.ts';
import { exampleHop } from './hop-fixture.ts';

const ROUNDS = 50;
const [proxies = 100] = process.argv.slice(2).map(Number);

if (process.send === undefined) await measure();
else await connectAll();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-why-'));
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const adminSocket = join(folder, 'admin.sock');
  const control = await startControlPlane({
    name: 'bench',
    source: new MemorySource({
      'service.yaml':
        'apiVersion: v1\nkind: Service\nmetadata: {name: s0, namespace: shop}\nspec: {selector: {app: s0}, ports: [{name: http, port: 80}]}\n',
    }),
    stateFolder: join(folder, 'state'),
    host: '127.0.0.1',
    port: 0,
    adminSocket,
    clock: systemClock,
    wheel,
    random: systemRandom,
    log: new RecordedLog(),
  });
  const { token } = await control.createToken({ namespace: 'shop', service: 's0' });
  const child = fork(fileURLToPath(import.meta.url), [String(proxies)]);
  child.send({ token, address: control.address });
  await new Promise<void>((resolve) => void child.once('message', () => resolve()));
  const admin = new AdminClient(adminSocket);
  const tookMs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startMs = systemClock.nowMs();
    const answer = await admin.why('4bf92f3577b34da6a3ce929d0e0e4736');
    tookMs.push(systemClock.nowMs() - startMs);
    if (!answer.ok) throw new Error(answer.error.message);
    const { hops, rings } = answer.value;
    const silent = rings.filter((ring) => ring.silent !== '').length;
    if (hops.length !== 8 || silent > 0) process.stdout.write(`${hops.length} hops, ${silent} silent\n`);
  }
  tookMs.sort((left, right) => left - right);
  const at = (share: number): string => tookMs[Math.floor((ROUNDS - 1) * share)]!.toFixed(1);
  process.stdout.write(`${proxies} sidecars: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, max ${at(1)} ms\n`);
  admin.close();
  child.kill();
  await control.stop();
  wheel.stop();
  rmSync(folder, { recursive: true });
}

async function connectAll(): Promise<void> {
  const { token, address } = await new Promise<{ token: string; address: string }>((resolve) => {
    process.once('message', (message) => resolve(message as { token: string; address: string }));
  });
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const identity = await redeem(token);
  const all: TestProxy[] = [];
  for (let index = 0; index < proxies; index += 1) {
    const hops = index < 4 ? [exampleHop({ path: `/${index}` }), exampleHop({ direction: 'Inbound' })] : [];
    const reach = { records: 10_000, samplesSinceMs: 1, errorsSinceMs: 1, sampledOneIn: 8, rings: 1 };
    all.push(
      new TestProxy(systemClock, wheel, address, identity, {
        service: 's0',
        instance: `p${index}`,
        why: () => Promise.resolve({ hops, reach }),
      }),
    );
    if (index % 20 === 19) await sleep(20);
  }
  while (!all.every(({ isComplete }) => isComplete)) await sleep(50);
  process.send?.('connected');
}

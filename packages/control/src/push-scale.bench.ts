/**
 * From a change to its last acknowledgement, with many sidecars: a control plane in this process, their Sync clients in
 * another, real gRPC over mutual TLS on loopback between.
 *
 *   node packages/control/src/push-scale.bench.ts [proxies 1000] [seconds 20] [changes per second 10]
 *
 * Every proxy subscribes to 10 of 50 services with 20 endpoints each; a change moves the weight of one endpoint.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { TimerWheel, seededRandom, systemClock, systemRandom } from '@weft/kernel';
import { RecordedLog, TestProxy, redeem } from './control-harness.ts';
import { startControlPlane } from './control-plane.ts';
import type { PushResult } from './push-progress.ts';
import { MemorySource } from './source/memory-source.ts';

const SERVICES = 50;
const ENDPOINTS = 20;
const SUBSCRIPTIONS = 10;
const CONNECT_MS = 60_000;
const [proxies = 1000, seconds = 20, perSecond = 10] = process.argv.slice(2).map(Number);

if (process.send === undefined) await measure();
else await connectAll();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-push-'));
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const texts: Record<string, string> = {};
  for (let service = 0; service < SERVICES; service += 1) {
    texts[`service-${service}.yaml`] = serviceText(service);
    for (let endpoint = 0; endpoint < ENDPOINTS; endpoint += 1) {
      texts[`entry-${service}-${endpoint}.yaml`] = entryText(service, endpoint, 100);
    }
  }
  const source = new MemorySource(texts);
  const pushes: PushResult[] = [];
  let isMeasuring = false;
  const control = await startControlPlane({
    name: 'bench',
    source,
    stateFolder: join(folder, 'state'),
    host: '127.0.0.1',
    port: 0,
    adminSocket: join(folder, 'admin.sock'),
    clock: systemClock,
    wheel,
    random: systemRandom,
    log: new RecordedLog(),
    onPush: (result) => {
      if (isMeasuring) pushes.push(result);
    },
  });
  const { token } = await control.createToken({ namespace: 'shop', service: 's0' });
  const child = fork(fileURLToPath(import.meta.url), [String(proxies)]);
  const startedMs = systemClock.nowMs();
  child.send({ token, address: control.address });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not all connected within a minute')), CONNECT_MS);
    child.once('message', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  const connectedMs = systemClock.nowMs() - startedMs;
  await sleep(1000);
  isMeasuring = true;
  const cpu = process.cpuUsage();
  const random = seededRandom(3);
  const periodMs = 1000 / perSecond;
  const total = seconds * perSecond;
  const beganMs = systemClock.nowMs();
  for (let change = 0; change < total; change += 1) {
    const service = Math.floor(random() * SERVICES);
    const endpoint = Math.floor(random() * ENDPOINTS);
    source.put(`entry-${service}-${endpoint}.yaml`, entryText(service, endpoint, 1 + (change % 99)));
    // Open loop: a slow push doesn't slow the changes.
    await sleep(Math.max(0, beganMs + (change + 1) * periodMs - systemClock.nowMs()));
  }
  const used = process.cpuUsage(cpu);
  await sleep(1500);
  const durations = pushes.filter(({ isComplete }) => isComplete).map(({ durationMs }) => durationMs);
  durations.sort((left, right) => left - right);
  const at = (share: number): number => Math.round(durations[Math.floor((durations.length - 1) * share)] ?? Number.NaN);
  process.stdout.write(
    `${JSON.stringify({
      proxies,
      changesPerSecond: perSecond,
      changes: total,
      complete: durations.length,
      proxiesPerChange: Math.round(pushes.reduce((sum, { subscribers }) => sum + subscribers, 0) / pushes.length),
      connectMs: Math.round(connectedMs),
      ackMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
      controlCpuPercent: Math.round((used.user + used.system) / 10_000 / seconds),
      controlRssMiB: Math.round(process.memoryUsage().rss / 1024 / 1024),
    })}\n`,
  );
  child.kill();
  await control.stop();
  wheel.stop();
  rmSync(folder, { recursive: true });
}

/** The other process: all proxies, with one identity, which is what a thousand replicas of one workload have. */
async function connectAll(): Promise<void> {
  const { token, address } = await new Promise<{ token: string; address: string }>((resolve) => {
    process.once('message', (message) => resolve(message as { token: string; address: string }));
  });
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const identity = await redeem(token);
  const all: TestProxy[] = [];
  for (let index = 0; index < proxies; index += 1) {
    const proxy = new TestProxy(systemClock, wheel, address, identity, { service: 's0', instance: `p${index}` });
    proxy.client.subscribe(
      Array.from({ length: SUBSCRIPTIONS }, (_, step) => `shop/s${(index + step * 5) % SERVICES}:80`),
    );
    all.push(proxy);
    // Connections come in waves, as they do when a cluster starts.
    if (index % 20 === 19) await sleep(20);
  }
  while (!all.every(({ isComplete }) => isComplete)) await sleep(50);
  process.send?.('connected');
}

function serviceText(service: number): string {
  return `apiVersion: v1
kind: Service
metadata: {name: s${service}, namespace: shop}
spec: {selector: {app: s${service}}, ports: [{name: http, port: 80, targetPort: 8080, appProtocol: http}]}
`;
}

function entryText(service: number, endpoint: number, weight: number): string {
  return `apiVersion: weft.dev/v1alpha1
kind: WorkloadEntry
metadata: {name: s${service}-${endpoint}, namespace: shop}
spec: {address: 10.${service}.0.${endpoint}, ports: [{name: http, port: 8080}], serviceAccount: s${service}, labels: {app: s${service}}, weight: ${weight}}
`;
}

/**
 * How much a control plane needs for a large cluster, and how soon it has a change: `node cluster-scale.bench.ts [pods]`. The
 * API server is scripted, in a process of its own, so that only the control plane is measured.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import { ScriptedApiServer, eventually } from '@weft/testkit';
import { startControlPlane } from '../control-plane.ts';

const PODS_PER_SERVICE = 5;
const CHANGES = 1000;
const CHANGES_PER_SECOND = 200;

if (process.env['WEFT_BENCH_SERVER'] === undefined) await measure(Number(process.argv[2] ?? '10000'));
else await serve(Number(process.env['WEFT_BENCH_SERVER']));

function pod(index: number, address: string): Parameters<ScriptedApiServer['put']>[0] {
  const service = Math.floor(index / PODS_PER_SERVICE);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `p-${index}`,
      namespace: `ns-${service % 50}`,
      labels: { app: `s-${service}`, version: 'v1', team: 'shop' },
    },
    spec: {
      serviceAccountName: `s-${service}`,
      nodeName: `node-${index % 100}`,
      initContainers: [
        {
          name: 'weft-proxy',
          image: 'registry.example/weft:1',
          env: [
            { name: 'WEFT_CAPTURE', value: 'redirect' },
            { name: 'WEFT_PORTS', value: 'http=8080' },
          ],
        },
      ],
      containers: [
        {
          name: 'web',
          image: 'registry.example/web:1',
          env: Array.from({ length: 20 }, (_, each) => ({ name: `V${each}`, value: 'x'.repeat(40) })),
        },
      ],
    },
    status: { podIP: address, podIPs: [{ ip: address }], phase: 'Running' },
  };
}

function slice(service: number, readyUpTo: number): Parameters<ScriptedApiServer['put']>[0] {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `s-${service}-x`,
      namespace: `ns-${service % 50}`,
      labels: { 'kubernetes.io/service-name': `s-${service}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: PODS_PER_SERVICE }, (_, each) => {
      const index = service * PODS_PER_SERVICE + each;
      return {
        addresses: [addressOf(index)],
        conditions: { ready: each < readyUpTo },
        targetRef: { kind: 'Pod', name: `p-${index}` },
        zone: `zone-${index % 3}`,
      };
    }),
  };
}

function addressOf(index: number): string {
  return `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
}

async function serve(pods: number): Promise<void> {
  const server = new ScriptedApiServer();
  for (let index = 0; index < pods; index += 1) server.put(pod(index, addressOf(index)));
  const services = Math.floor(pods / PODS_PER_SERVICE);
  for (let service = 0; service < services; service += 1) {
    server.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `s-${service}`, namespace: `ns-${service % 50}` },
      spec: {
        selector: { app: `s-${service}` },
        clusterIP: `10.96.${service >> 8}.${service & 255}`,
        ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      },
    });
    server.put(slice(service, PODS_PER_SERVICE));
  }
  process.send?.(await server.listen());
  process.on('message', (service: number) => {
    server.put(slice(service, service % 2 === 0 ? PODS_PER_SERVICE - 1 : PODS_PER_SERVICE - 2));
  });
}

async function measure(pods: number): Promise<void> {
  const child = fork(process.argv[1]!, [], { env: { ...process.env, WEFT_BENCH_SERVER: String(pods) } });
  const url = await new Promise<string>((resolve) => child.once('message', (said) => resolve(String(said))));
  const folder = mkdtempSync(join(tmpdir(), 'weft-scale-'));
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const quiet = (): void => undefined;
  const startedMs = systemClock.nowMs();
  const plane = await startControlPlane({
    name: 'scale',
    cluster: {
      access: { description: 'a scripted server', server: url, token: () => '', namespace: 'weft' },
      replica: 'scale',
      namespace: 'weft',
    },
    stateFolder: join(folder, 'state'),
    host: '127.0.0.1',
    port: 0,
    adminSocket: join(folder, 'admin.sock'),
    clock: systemClock,
    wheel,
    random: systemRandom,
    log: { info: quiet, warn: quiet, error: quiet },
  });
  const readyMs = systemClock.nowMs() - startedMs;
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const services = Math.floor(pods / PODS_PER_SERVICE);
  console.log(
    `${pods} pods, ${services} services: ready after ${Math.round(readyMs)} ms, ${mebibytes(rss)} MiB resident, ${mebibytes(heapUsed)} MiB of heap`,
  );

  // Each change takes one endpoint out; counted by what the events say.
  let heard = 0;
  const end = plane.watchEvents(({ type }) => void (heard += type === 'configuration-changed' ? 1 : 0));
  heard = 0;
  const before = process.cpuUsage();
  const changedMs = systemClock.nowMs();
  let sent = 0;
  await eventually(() => {
    const due = Math.min(CHANGES, Math.floor(((systemClock.nowMs() - changedMs) / 1000) * CHANGES_PER_SECOND));
    for (; sent < due; sent += 1) child.send(sent % services);
    return sent >= CHANGES && heard > 0;
  }, 60_000);
  const { user, system } = process.cpuUsage(before);
  const seconds = (systemClock.nowMs() - changedMs) / 1000;
  console.log(
    `${CHANGES} changes of endpoints in ${seconds.toFixed(1)} s, taken in as ${heard} sets, ${((user + system) / 1000 / CHANGES).toFixed(2)} ms of processor each`,
  );
  end();
  await plane.stop();
  wheel.stop();
  child.kill();
  rmSync(folder, { recursive: true, force: true });
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

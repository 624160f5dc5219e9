/**
 * Run by sync-clients.ts. Every change moves an endpoint to a port higher than all before, so the highest port a client
 * holds says which changes it has; a client that was sent several at once has them all.
 */
import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import {
  fetchPinnedRoot,
  makeKeyAndCsr,
  meshContext,
  readJoinToken,
  readWorkloadSvid,
  toCaPem,
  verifySvid,
} from '@weft/identity';
import type { TrustBundle } from '@weft/identity';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import { SyncClient, issueCertificate, syncConnector } from '@weft/wire';
import type { Changes, ClientTls } from '@weft/wire';
import { answerLines } from '../line-program.ts';
import { benchNamespace } from '../subjects/weft-state.ts';
import type { ClientsCommand } from './sync-clients.ts';

const wheel = new TimerWheel(systemClock);
wheel.start();
const clients: SyncClient[] = [];
/** Highest port each client holds. */
const highest: number[] = [];
/** How many clients have a port or a higher one. */
const reachedBy = new Map<number, number>();
let done: [number, number][] = [];
let lost = 0;

await answerLines<ClientsCommand>(async (command) => {
  if (command.do === 'connect') {
    await connect(command);
    return {};
  }
  if (lost > 0) throw new Error(`${lost} streams were lost`);
  const changes = done;
  done = [];
  return { changes };
});

async function connect(command: Extract<ClientsCommand, { do: 'connect' }>): Promise<void> {
  const { count, address, token, destination } = command;
  const tls = await join(address, token);
  for (let index = 0; index < count; index += 1) {
    highest.push(0);
    clients.push(newClient(index, address, tls, destination));
    clients.at(-1)!.start();
    // A mesh does not start in one millisecond; handshakes of a thousand at once would outlast their time-out.
    if (index % 10 === 9) await sleep(20);
  }
  const endMs = performance.now() + 60_000;
  while (highest.some((port) => port === 0)) {
    if (performance.now() > endMs) {
      const waiting = highest.filter((port) => port === 0).length;
      const first = clients[highest.indexOf(0)]!.connection;
      throw new Error(
        `${waiting} of ${count} clients have no endpoints; the first is ${first.state}: ${first.lastError}`,
      );
    }
    await sleep(20);
  }
  done = [];
  lost = 0;
}

function newClient(index: number, address: string, tls: ClientTls, destination: string): SyncClient {
  const client = new SyncClient({
    workload: {
      namespace: benchNamespace,
      name: 'client',
      serviceAccount: 'client',
      instance: `client-${index}`,
      labels: [],
      node: '',
      zone: '',
      version: 'bench',
      ephemeral: false,
      service: '',
      weight: 1,
    },
    // A caller only.
    listeners: [],
    capabilities: [],
    gateway: '',
    connector: syncConnector(
      () => address,
      () => tls,
    ),
    handler: {
      apply: (changes) => {
        note(index, changes);
        return { errors: [] };
      },
      missing: () => undefined,
      trustBundle: () => undefined,
      complete: () => undefined,
      drain: () => undefined,
      connection: ({ state }) => void (state === 'waiting' && (lost += 1)),
    },
    clock: systemClock,
    timers: wheel,
    random: systemRandom,
  });
  client.subscribe([destination]);
  return client;
}

function note(index: number, { upserted }: Changes): void {
  let port = highest[index]!;
  for (const { resource } of upserted) {
    if (resource.type !== 'endpoints') continue;
    for (const endpoint of resource.endpoints) port = Math.max(port, endpoint.applicationPort);
  }
  for (let reached = highest[index]! + 1; highest[index]! > 0 && reached <= port; reached += 1) {
    const by = (reachedBy.get(reached) ?? 0) + 1;
    reachedBy.set(reached, by);
    if (by < clients.length) continue;
    reachedBy.delete(reached);
    done.push([reached, performance.timeOrigin + performance.now()]);
  }
  highest[index] = port;
}

/** One identity for all: who they are is not what is measured. */
async function join(address: string, token: string): Promise<ClientTls> {
  const read = readJoinToken(token);
  if (!read.ok) throw new Error(`token: ${read.error}`);
  const [host, port] = address.split(':') as [string, string];
  const { trustDomain, rootFingerprint, credential } = read.value;
  const wallMs = (): number => systemClock.wallMs();
  const root = await fetchPinnedRoot({
    host,
    port: Number(port),
    trustDomain,
    rootFingerprint,
    timeoutMs: 5_000,
    wallMs,
  });
  if (!root.ok) throw new Error(`root: ${root.error.reason}`);
  const bundle: TrustBundle = root.value;
  const verifyServer: ClientTls['verifyServer'] = ({ raw }) => {
    const verified = verifySvid([new X509Certificate(raw)], bundle, wallMs(), 'server');
    return verified.ok ? undefined : new Error(verified.error.reason);
  };
  const { keyPem, csr } = makeKeyAndCsr();
  const context = createSecureContext({ ca: toCaPem(bundle), minVersion: 'TLSv1.3' });
  const issued = await issueCertificate(
    address,
    { context, verifyServer },
    { csr, joinToken: credential, serviceAccountToken: '', certificate: null },
  );
  if (!issued.ok) throw new Error(`certificate: ${issued.error.message}`);
  const chain = issued.value.chain.map((der) => new X509Certificate(Buffer.from(der)).toString()).join('');
  const svid = readWorkloadSvid(keyPem, chain);
  if (!svid.ok) throw new Error(`certificate: ${svid.error}`);
  return { context: meshContext(svid.value, bundle).context, verifyServer };
}

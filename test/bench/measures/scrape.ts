import { Agent, createServer, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Resource } from '@weft/model';
import { freePorts } from '@weft/testkit';
import { readHeap, watchTurns } from '../subjects/probe.ts';
import { benchHost } from '../subjects/subject.ts';
import { callerResources, writeState } from '../subjects/weft-state.ts';
import { startWeftSidecar } from '../subjects/weft.ts';
import type { BenchContext, Measure } from './measure.ts';

const SERVICES = 20;
const ENDPOINTS = 10;
/** Of each service: enough that every endpoint has answered, each kind of answer among them. */
const REQUESTS = 200;
const STATUSES = [...Array.from({ length: 17 }, () => 200), 404, 404, 500];
/** Scrapes until the code of a scrape is compiled; Prometheus has asked for hours. */
const WARM_UP = 40;
const SCRAPES = 10;
const QUIET_MS = 300;

const accepts: Readonly<Record<string, string>> = {
  openmetrics: 'application/openmetrics-text;version=1.0.0',
  protobuf: 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited',
};

export const scrape: Measure = {
  name: 'scrape',
  what: 'metrics of a sidecar that talks to 200 endpoints: time to the last byte, longest stall of its loop',
  byDefault: true,
  async take(context) {
    const total: number[] = [];
    const stall: number[] = [];
    const seen = new Map<string, string>();
    for (let round = 1; round <= context.options.rounds; round += 1) {
      const taken = await takeRound(context);
      total.push(Math.max(...taken.map(({ totalMs }) => totalMs)));
      stall.push(Math.max(...taken.map(({ stallMs }) => stallMs)));
      for (const { format, totalMs, stallMs, kilobytes } of taken) {
        const line = `${format} ${totalMs.toFixed(1)} ms, stall ${stallMs.toFixed(2)} ms, ${kilobytes.toFixed(0)} kB`;
        seen.set(format, line);
        context.say(`round ${round}: ${line}`);
      }
    }
    const common = { unit: 'ms', absent: [], notes: [...seen.values()] };
    return [
      {
        ...common,
        name: 'scrape',
        rounds: { weft: total },
        limits: [{ kind: 'value', against: [], must: 20, goal: 5 }],
      },
      {
        ...common,
        name: 'scrape-stall',
        rounds: { weft: stall },
        limits: [{ kind: 'value', against: [], must: 5, goal: 1 }],
      },
    ];
  },
};

interface Scraped {
  readonly format: string;
  readonly totalMs: number;
  readonly stallMs: number;
  readonly kilobytes: number;
}

/** Medians of the scrapes of one sidecar, in each format. */
async function takeRound({ workbench }: BenchContext): Promise<Scraped[]> {
  let answered = 0;
  const application = createServer((_request, response) => {
    answered += 1;
    response.writeHead(STATUSES[answered % STATUSES.length]!).end('x'.repeat(67));
  });
  // On every address of loopback: each endpoint has one of its own.
  await new Promise<void>((resolve) => void application.listen(0, '0.0.0.0', resolve));
  const { port: applicationPort } = application.address() as AddressInfo;
  const stateFolder = workbench.makeFolder('weft-scrape', 0o700);
  const probe = workbench.makeFolder('probe');
  const [port, metricsPort] = (await freePorts(2)) as [number, number];
  await writeState(stateFolder, 'client', resourcesOf(applicationPort), [`outbound ${port}`]);
  const running = await startWeftSidecar({
    workbench,
    role: 'plain',
    stateFolder,
    applicationPort: 0,
    probe,
    flags: { 'metrics-port': String(metricsPort) },
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  try {
    await workbench.untilListening(running, port);
    await callAll(agent, port);
    const scraped: Scraped[] = [];
    for (const [format, accept] of Object.entries(accepts)) {
      const ask = (): Promise<number> => read(agent, { port: metricsPort, path: '/metrics', headers: { accept } });
      let bytes = 0;
      for (let index = 0; index < WARM_UP; index += 1) bytes = await ask();
      const totals: number[] = [];
      const stalls: number[] = [];
      for (let index = 0; index < SCRAPES; index += 1) {
        await sleep(QUIET_MS);
        const startMs = performance.now();
        await ask();
        totals.push(performance.now() - startMs);
        // Once more: watching, the loop turns without a pause, which costs the scrape time.
        await watchTurns(probe, running.pid);
        await ask();
        stalls.push((await readHeap(probe, running.pid, false)).longestTurnMs);
      }
      scraped.push({ format, totalMs: middle(totals), stallMs: middle(stalls), kilobytes: bytes / 1_000 });
    }
    return scraped;
  } finally {
    agent.destroy();
    await running.stop();
    application.closeAllConnections();
    await new Promise((resolve) => application.close(resolve));
  }
}

async function callAll(agent: Agent, port: number): Promise<void> {
  for (let service = 0; service < SERVICES; service += 1) {
    const host = hostOf(service);
    const wanted = Array.from({ length: REQUESTS }, (_, index) => index);
    const worker = async (): Promise<void> => {
      while (wanted.pop() !== undefined) await read(agent, { port, path: '/', headers: { host } });
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  }
}

/** Resolves with the length of the body, whatever the status. */
function read(
  agent: Agent,
  { port, path, headers }: { port: number; path: string; headers: Record<string, string> },
): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers, agent }, (response: IncomingMessage) => {
      let length = 0;
      response.on('data', (chunk: Buffer) => void (length += chunk.length));
      response.once('end', () => resolve(length));
      response.once('error', reject);
    }).once('error', reject);
  });
}

function hostOf(service: number): string {
  return `${benchHost}-${service}`;
}

/** Services of ten endpoints, all of them the same application under other addresses. */
function resourcesOf(applicationPort: number): Resource[] {
  const one = callerResources(applicationPort, false);
  return one.flatMap((resource): Resource[] => {
    if (resource.type === 'names') {
      const [service] = resource.services;
      const services = Array.from({ length: SERVICES }, (_, index) => ({ ...service!, service: hostOf(index) }));
      return [{ ...resource, services }];
    }
    if (resource.type === 'mesh') return [resource];
    return Array.from({ length: SERVICES }, (_, index) => {
      const text = JSON.stringify(resource).replaceAll(new RegExp(`(/)${benchHost}\\b`, 'g'), `$1${hostOf(index)}`);
      const renamed = JSON.parse(text) as Resource;
      if (renamed.type !== 'endpoints') return renamed;
      const [endpoint] = renamed.endpoints;
      const endpoints = Array.from({ length: ENDPOINTS }, (_unused, at) => ({
        ...endpoint!,
        key: `${hostOf(index)}-${at}`,
        address: `127.1.${index}.${at + 1}`,
      }));
      return { ...renamed, endpoints };
    });
  });
}

function middle(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1]!;
}

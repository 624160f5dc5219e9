import { setTimeout as sleep } from 'node:timers/promises';
import { builtInDefaults } from '@weft/model';
import type { Resource, RouteRule } from '@weft/model';
import { freePorts } from '@weft/testkit';
import { startViewServer, versionAll } from '../control/view-server.ts';
import { readHeap, watchTurns } from '../subjects/probe.ts';
import { benchId, benchNamespace, meshSettings, writeState } from '../subjects/weft-state.ts';
import { startWeftSidecar } from '../subjects/weft.ts';
import type { BenchContext, Measure } from './measure.ts';

const SERVICES = 1_000;
const ROUTES = 10_000;
const ENDPOINTS = 100_000;
/** The sidecar has connected and tidied up by then. */
const QUIET_MS = 1_500;

/**
 * A sidecar that uses 1,000 services gets all their routes and endpoints anew while its event loop is watched: the longest
 * turn is the longest that any request could have waited, decoding, compiling and collecting included.
 */
export const apply: Measure = {
  name: 'apply',
  what: '10,000 routes and 100,000 endpoints sent to one sidecar: until all is in force; longest stall of its loop',
  byDefault: true,
  async take(context) {
    const { options, say } = context;
    const before = usedServices(1, 0);
    const after = versionAll(usedServices(ROUTES / SERVICES, ENDPOINTS / SERVICES));
    const total: number[] = [];
    const stall: number[] = [];
    let megabytes = 0;
    for (let round = 1; round <= options.rounds; round += 1) {
      const taken = await takeRound(context, before, after);
      total.push(taken.totalMs);
      stall.push(taken.stallMs);
      megabytes = taken.heapMegabytes;
      say(
        `round ${round}: in force after ${taken.totalMs.toFixed(0)} ms, longest stall ${taken.stallMs.toFixed(1)} ms`,
      );
    }
    const bytes = after.reduce((sum, { body }) => sum + body.length, 0);
    return [
      {
        name: 'apply',
        unit: 'ms',
        rounds: { weft: total },
        limits: [{ kind: 'value', against: [], must: 2_000, goal: 1_000 }],
        absent: [],
        notes: [
          `${(bytes / 1e6).toFixed(1)} MB over Sync in ${after.length} resources; heap then ${megabytes.toFixed(0)} MB`,
        ],
      },
      {
        name: 'apply-stall',
        unit: 'ms',
        rounds: { weft: stall },
        limits: [{ kind: 'value', against: [], must: 25, goal: 10 }],
        absent: [],
        notes: ['longest turn of the event loop meanwhile'],
      },
    ];
  },
};

async function takeRound(
  { workbench }: BenchContext,
  before: readonly Resource[],
  after: ReturnType<typeof versionAll>,
): Promise<{ totalMs: number; stallMs: number; heapMegabytes: number }> {
  const server = await startViewServer(versionAll(before));
  const stateFolder = workbench.makeFolder('weft-apply', 0o700);
  const probe = workbench.makeFolder('probe');
  const [port] = (await freePorts(1)) as [number];
  // The services it holds routes of are those it asks for again: no request has to name them first.
  await writeState(stateFolder, 'client', before, [`outbound ${port}`]);
  const opened = server.untilOpened();
  const running = await startWeftSidecar({
    workbench,
    role: 'plain',
    stateFolder,
    applicationPort: 0,
    controlAddress: server.address,
    probe,
  });
  try {
    await workbench.untilListening(running, port);
    const session = await opened;
    await sleep(QUIET_MS);
    await watchTurns(probe, running.pid);
    const totalMs = await server.replace(session, after);
    const { longestTurnMs, usedBytes } = await readHeap(probe, running.pid, false);
    return { totalMs, stallMs: longestTurnMs, heapMegabytes: usedBytes / 1e6 };
  } finally {
    await running.stop();
    await server.stop();
  }
}

function usedServices(routes: number, endpoints: number): Resource[] {
  const names = Array.from({ length: SERVICES }, (_, index) => `service-${index}`);
  const resources: Resource[] = [
    meshSettings,
    {
      type: 'names',
      name: benchNamespace,
      services: names.map((service) => ({
        service,
        ports: [{ port: 80, name: 'http', protocol: 'Http1' }],
        addresses: [],
      })),
    },
  ];
  for (const [index, service] of names.entries()) {
    const name = `${benchNamespace}/${service}:80`;
    const rules = Array.from({ length: routes }, (_, route) => ruleOf(name, service, route));
    resources.push(
      { type: 'routes', name, rules },
      {
        type: 'backend',
        name,
        protocol: 'Http1',
        loadBalancer: builtInDefaults.loadBalancer,
        connections: builtInDefaults.connections,
        circuitBreaker: builtInDefaults.circuitBreaker,
        maxRequests: builtInDefaults.maxRequests,
        outlierDetection: builtInDefaults.outlierDetection,
        healthCheck: builtInDefaults.healthCheck,
      },
      {
        type: 'endpoints',
        name,
        endpoints: Array.from({ length: endpoints }, (_, endpoint) => ({
          key: `${benchNamespace}/${service}-${String(endpoint).padStart(4, '0')}:8080`,
          address: `10.${index >> 8}.${index & 255}.${endpoint & 255}`,
          port: 15_006,
          applicationPort: 8_080,
          identity: benchId(service),
          mesh: true,
          zone: '',
          weight: 1,
        })),
      },
    );
  }
  return resources;
}

function ruleOf(backend: string, service: string, route: number): RouteRule {
  return {
    route: `HTTPRoute ${benchNamespace}/${service}-${route}`,
    rule: '0',
    hostnames: [],
    matches: [
      {
        path: { type: 'PathPrefix', value: route === 0 ? '/' : `/v1/part-${route}` },
        method: route % 3 === 1 ? 'GET' : '',
        headers: route % 3 === 2 ? [{ type: 'Exact', name: 'x-tenant', value: `tenant-${route}` }] : [],
        queries: [],
        grpc: null,
      },
    ],
    filters: [],
    backends: [{ backend, weight: 1, filters: [] }],
    timeouts: builtInDefaults.timeouts,
    retries: builtInDefaults.retries,
  };
}

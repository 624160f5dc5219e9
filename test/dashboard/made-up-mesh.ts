/** A mesh of any size out of thin air, behind the real dashboard server: for pages that no demo can fill, and hostile names. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  DashboardServer,
  type DashboardServerOptions,
  DashboardToken,
  type EdgeJson,
  type NodeJson,
  type SignalsJson,
  type TopologyJson,
} from '@weft/control';
import { TimerWheel, ok, seededRandom, systemClock } from '@weft/kernel';
import type { AskedRing, BackendFacts, Hop, MeshEvent, ObjectStatus, ProxyHop, ProxyStatus } from '@weft/wire';

export interface MadeUpOptions {
  readonly services: number;
  readonly edges: number;
  /** Written into every name, path and message that can come from outside. */
  readonly hostile?: string;
}

export interface MadeUpMesh {
  readonly url: string;
  /** Figures change with each reading. */
  readonly topologyReads: () => number;
  stop(): Promise<void>;
}

const STEPS = 360;
/** One of two that answers, and one that does not. */
const REPLICAS = [
  { replica: 'one', silent: '' },
  { replica: 'two', silent: 'no answer within 2000 ms' },
];
const STEP_MS = 5_000;

export async function startMadeUpMesh({ services, edges, hostile = '' }: MadeUpOptions): Promise<MadeUpMesh> {
  const chance = seededRandom(7);
  const folder = mkdtempSync(join(tmpdir(), 'weft-dashboard-'));
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const ids = Array.from({ length: services }, (_, index) => `team-${index % 20}/service-${index}${hostile}`);
  const pairs = Array.from({ length: edges }, (_, index) => {
    const from = index < services - 1 ? Math.floor(index / 3) : Math.floor(chance() * (services - 1));
    const to = index < services - 1 ? index + 1 : from + 1 + Math.floor(chance() * (services - from - 1));
    return [ids[from]!, ids[to]!] as const;
  });
  const unique = [...new Map(pairs.map((pair) => [pair.join(' '), pair])).values()];
  let reads = 0;
  const topology = (windowMs: number): TopologyJson => {
    reads += 1;
    return {
      atMs: Date.now(),
      windowMs,
      coveredMs: windowMs,
      nodes: ids.map((id): NodeJson => ({ id, kind: 'workload', proxies: 3, bytesPerS: 90_000, ...signals(chance) })),
      edges: unique.map(([source, destination], index) => edgeOf(source, destination, index, chance)),
      replicas: REPLICAS,
    };
  };
  const now = Date.now();
  const series = (read: () => number | null) => Array.from({ length: STEPS }, (_, at) => (at < 40 ? null : read()));
  const proxies = ids.slice(0, 40).map((id, index) => proxyOf(id, index, hostile, now));
  const objects = ids.slice(0, 40).map((id, index) => objectOf(id, index, hostile));
  const options: DashboardServerOptions = {
    clock: systemClock,
    wheel,
    token: must(DashboardToken.open(folder, systemClock)),
    folder: fileURLToPath(new URL('../../packages/dashboard/dist', import.meta.url)),
    model: modelOf(ids),
    desk: {
      getServer: () =>
        ok({
          server: `control${hostile}`,
          mesh: 'made-up.test',
          version: '0.1.0',
          trustDomain: 'made-up.test',
          startedAtMs: now - 7_200_000,
          address: '127.0.0.1:15012',
          source: 'made up',
          proxies: proxies.length,
          objects: objects.length,
          objectsRefused: 1,
          replicas: REPLICAS,
        }),
      listProxies: () => ok({ proxies, replicas: REPLICAS }),
      getVersions: () =>
        ok({
          resources: ids.slice(0, 12).map((id, index) => ({
            key: `route:${id}`,
            current: 'a91f00c2d4b6e8f1',
            sent: 'a91f00c2d4b6e8f1',
            inForce: index === 2 ? '17b3' : 'a91f00c2d4b6e8f1',
            error: index === 5 ? `cannot be compiled${hostile}` : '',
          })),
        }),
      listObjects: ({ name }) =>
        ok({
          objects: name === '' ? objects : objects.filter((each) => each.name === name),
          replicas: REPLICAS,
        }),
      watchEvents: (_noFollow, emit, ended) => {
        for (let index = 0; index < 30; index += 1) emit(eventOf(index, hostile, now));
        ended();
        return () => undefined;
      },
      why: ({ request }) =>
        Promise.resolve(
          ok(
            request.startsWith('none')
              ? { hops: [], rings: ringsOf(proxies) }
              : { hops: hopsOf(ids, hostile, now), rings: ringsOf(proxies) },
          ),
        ),
      endpoints: (id) =>
        Promise.resolve(
          ok({
            id,
            silent: [],
            replicas: REPLICAS,
            views: [
              {
                proxy: proxies[0]!.name,
                backends: [
                  {
                    backend: `${id}:80`,
                    facts: FACTS,
                    endpoints: ['healthy', 'ejected', 'slow-start'].map((state, index) => ({
                      endpoint: `${id}-${index}`,
                      address: `10.0.0.${index}:8080`,
                      zone: '',
                      weight: 100,
                      state,
                      forMs: state === 'healthy' ? -1 : 12_000,
                      score: 3 + index * 4.2,
                      latencyMs: 3 + index,
                      inFlight: index,
                      tries: 4_000,
                      failures: index * 11,
                      ejections: index,
                    })),
                  },
                ],
              },
            ],
          }),
        ),
      tap: (_request, emit) => {
        const timer = setInterval(() => {
          const hop = hopsOf(ids, hostile, Date.now())[0]!.hop;
          emit({
            proxy: proxies[0]!.name,
            dropped: 1,
            replicas: [],
            requests: [{ ...hop, atMs: Date.now(), attempts: 1, endpoint: '', secured: true, fields: [] }],
          });
        }, 50);
        return ok(() => clearInterval(timer));
      },
    },
    observation: {
      topology,
      service: (id: string, windowMs: number) => ({
        id,
        atMs: Date.now(),
        windowMs,
        signals: signals(chance),
        series: {
          startMs: now - STEPS * STEP_MS,
          stepMs: STEP_MS,
          requestsPerS: series(() => 30 + chance() * 8),
          failuresPerS: series(() => chance()),
          retriesPerS: series(() => chance() * 2),
          p50Ms: series(() => 4 + chance()),
          p90Ms: series(() => 12 + chance() * 4),
          p99Ms: series(() => (chance() < 0.05 ? null : 30 + chance() * 20)),
        },
        callers: unique.filter(([, to]) => to === id).map(([from, to], index) => edgeOf(from, to, index, chance)),
        callees: unique.filter(([from]) => from === id).map(([from, to], index) => edgeOf(from, to, index, chance)),
        routes: [{ source: ids[0]!, route: `team-0/route${hostile}`, rule: '0', ...signals(chance) }],
        proxies: [`${id}-1`],
        replicas: REPLICAS,
      }),
      report: {
        gauges: (proxy: string) => ({
          proxy,
          startMs: now - STEPS * STEP_MS,
          stepMs: STEP_MS,
          residentBytes: series(() => 80e6 + chance() * 5e6),
          loopDelayP99Ms: series(() => 1 + chance()),
          connections: series(() => Math.round(chance() * 10)),
        }),
      } as unknown as DashboardServerOptions['observation']['report'],
    },
  };
  const server = new DashboardServer(options);
  const port = await server.listen(0, '127.0.0.1');
  return {
    url: `http://127.0.0.1:${port}/#token=${options.token.text}`,
    topologyReads: () => reads,
    stop: async () => {
      await server.close();
      wheel.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const FACTS: BackendFacts = {
  endpoints: 3,
  healthy: 2,
  ejected: 1,
  unhealthy: 0,
  slowStart: 1,
  panic: false,
  ejectedForMs: 12_000,
  breaker: 'closed',
  activeRequests: 3,
  budgetRequests: 420,
  budgetRetries: 17,
};

function signals(chance: () => number): SignalsJson {
  const failureShare = chance() < 0.9 ? 0 : chance() * 0.1;
  return {
    requestsPerS: chance() * 200,
    failureShare,
    retriesPerS: chance(),
    p50Ms: 2 + chance() * 5,
    p90Ms: 9,
    p99Ms: 10 + chance() * 90,
  };
}

function edgeOf(source: string, destination: string, index: number, chance: () => number): EdgeJson {
  return {
    source,
    destination,
    protocol: index % 17 === 5 ? 'tcp' : 'http',
    countedBy: 'Outbound',
    ...signals(chance),
    securedShare: index % 13 === 4 ? 0 : 1,
    requestBytesPerS: 2_000,
    responseBytesPerS: 90_000,
  };
}

/** Of the model, the dashboard reads names of services only. */
function modelOf(ids: readonly string[]): DashboardServerOptions['model'] {
  const byNamespace = Map.groupBy(ids, (id) => id.slice(0, id.indexOf('/')));
  const servicesByNamespace = { lefts: () => byNamespace.keys(), get: (name: string) => byNamespace.get(name) ?? [] };
  return { servicesByNamespace } as unknown as DashboardServerOptions['model'];
}

function proxyOf(id: string, index: number, hostile: string, now: number): ProxyStatus {
  const [namespace = '', name = ''] = [id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1)];
  const states = ['Synced', 'Behind', 'Synced', 'Refusing', 'Synced', 'Synced', 'Lost'] as const;
  const state = index < 8 ? states[index % states.length]! : 'Synced';
  return {
    name: `${id}-1`,
    workload: {
      namespace,
      name,
      serviceAccount: name,
      instance: `${name}-1`,
      labels: [{ name: 'app', value: `x${hostile}` }],
      node: 'node-1',
      zone: 'zone-a',
      version: '0.1.0',
      ephemeral: false,
      service: name,
      weight: 100,
    },
    gateway: '',
    identity: `spiffe://made-up.test/ns/${namespace}/sa/${name}`,
    address: `10.0.0.${index}:41234`,
    state,
    connectedAtMs: now - 3_600_000,
    lastAckAtMs: index === 5 ? 0 : now - 4_000,
    lastTransaction: 9,
    acknowledgedTransaction: 9,
    resources: 24,
    behind: state === 'Synced' ? 0 : 2,
    refused: state === 'Refusing' ? 1 : 0,
    version: '531c169a823398d6',
    report:
      index === 5
        ? null
        : {
            ready: true,
            draining: false,
            certificateNotAfterMs: now + 43_000_000,
            loopDelayP99Ms: 1.2,
            residentBytes: 84e6,
            inboundConnections: 3,
            requestsTotal: 90_000,
            destinationsInUse: [],
            opaquePorts: [],
          },
    listeners: [{ applicationPort: 8080, name: `http${hostile}`, address: '10.0.0.1', port: 15006 }],
    destinations: [],
  };
}

function objectOf(id: string, index: number, hostile: string): ObjectStatus {
  const problem = {
    code: 'unknown-reference',
    severity: 'error',
    path: 'spec.rules[0]',
    message: `no such service${hostile}`,
    expected: '',
    fix: 'name one that is there',
    file: 'a.yaml',
    line: 3,
    column: 1,
  };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    namespace: id.slice(0, id.indexOf('/')),
    name: id.slice(id.indexOf('/') + 1),
    conditions: [
      {
        type: 'Accepted',
        status: index === 3 ? 'False' : 'True',
        reason: index === 3 ? 'Invalid' : 'Accepted',
        message: `as it says${hostile}`,
        about: '',
      },
    ],
    problems: index === 3 ? [problem] : [],
    proxies: index % 4 === 1 ? 0 : 40,
    programmed: index % 4 === 1 ? 0 : 40 - (index % 3),
    file: 'mesh/services.yaml',
    line: 10 + index,
    yaml: `kind: Service\nmetadata: {name: "${id}"}\n# ${hostile}\n`,
  };
}

function eventOf(index: number, hostile: string, now: number): MeshEvent {
  const severity = index % 9 === 8 ? 'error' : index % 5 === 4 ? 'warning' : 'info';
  return {
    atMs: now - (30 - index) * 7_000,
    type: 'proxy-connected',
    severity,
    subject: 'x',
    message: `service-${index} connected${hostile}`,
    replica: 'one',
  };
}

function ringsOf(proxies: readonly ProxyStatus[]): AskedRing[] {
  return proxies.slice(0, 10).map(({ name }, index) => ({
    proxy: name,
    silent: index === 4 ? 'no answer within a second' : '',
    reach:
      index === 4
        ? null
        : { records: 9_000, samplesSinceMs: Date.now() - 900_000, errorsSinceMs: 0, sampledOneIn: 100, rings: 1 },
  }));
}

function hopsOf(ids: readonly string[], hostile: string, now: number): ProxyHop[] {
  const make = (depth: number, startMs: number, durationMs: number, hop: Partial<Hop>): ProxyHop => ({
    proxy: `${ids[Math.ceil(depth / 2)]!}-1`,
    workload: ids[Math.ceil(depth / 2)]!,
    depth,
    hop: {
      requestId: 'b7ad6b7169203331b7ad6b7169203331',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      startedAtMs: now + startMs,
      durationMs,
      direction: depth % 2 === 0 ? 'Outbound' : 'Inbound',
      protocol: 'HTTP/1.1',
      method: 'GET',
      authority: `orders${hostile}`,
      path: `/items${hostile}`,
      source: ids[0]!,
      destination: ids[Math.min(ids.length - 1, Math.ceil(depth / 2) + 1)]!,
      status: 200,
      grpcStatus: -1,
      termination: 'completed',
      detail: '',
      route: 'team-0/route',
      rule: '1',
      match: `/items${hostile}`,
      passedOver: [
        {
          route: 'team-0/route',
          rule: '0',
          match: '/admin',
          field: 'path',
          name: '',
          expected: '/admin',
          actual: `/items${hostile}`,
        },
      ],
      passedOverCount: 1,
      passedOverUnknown: '',
      backends: [
        { backend: `${ids[1]!}:80`, weight: 90 },
        { backend: `${ids[2]!}:80`, weight: 10 },
      ],
      drawn: 0,
      attempts: [
        {
          endpoint: 'a',
          address: '10.0.0.1:80',
          startedMs: 0.4,
          durationMs: 8,
          connectMs: 2,
          status: 503,
          termination: 'completed',
          score: 3.2,
          rival: 'b',
          rivalScore: 5,
          retryReason: 'status 503',
          backoffMs: 5,
        },
        {
          endpoint: 'b',
          address: '10.0.0.2:80',
          startedMs: 13,
          durationMs: 20,
          connectMs: -1,
          status: 200,
          termination: 'completed',
          score: 5,
          rival: 'a',
          rivalScore: 12,
          retryReason: '',
          backoffMs: 0,
        },
      ],
      backend: FACTS,
      spent: {
        decideMs: 0.4,
        backoffMs: 5,
        earlierMs: 8,
        connectMs: 3,
        tlsMs: 2,
        upstreamMs: durationMs * 0.4,
        responseMs: 4,
        ownMs: 0.2,
      },
      requestTimeoutMs: 15_000,
      tryTimeoutMs: 0,
      leftMs: 14_000,
      retriesAllowed: 2,
      budgetSpent: false,
      upstreamIdentity: `spiffe://made-up.test/ns/x/sa/y${hostile}`,
      requestBytes: 400,
      responseBytes: 9_000,
      version: '531c169a823398d6',
      versionNow: '531c169a823398d6',
      kept: 'sample',
      ...hop,
    },
  });
  return [
    make(0, 0, 60, {}),
    make(1, 14, 44, { attempts: [], passedOver: [] }),
    make(2, 16, 40, { status: 503, termination: 'breaker-open' }),
    make(3, 30, 20, { status: 503 }),
  ];
}

function must<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string }): T {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

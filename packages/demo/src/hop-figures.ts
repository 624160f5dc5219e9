import type { LoadCounts } from './load-generator.ts';
import type { InstanceName, Shop } from './shop.ts';
import { shopNamespace } from './shop-config.ts';
import { readBuckets, sumMetric } from './sidecar-stats.ts';
import type { EndpointStats, SidecarStats } from './sidecar-stats.ts';
import type { ServiceCounts } from './service-process.ts';
import type { SidecarProcess } from './sidecar-process.ts';

/** One row of the live table: calls of one service to another in the last interval. */
export interface HopFigures {
  readonly caller: string;
  readonly callee: string;
  /** What the applications speak and what carries it between the sidecars, such as `HTTP/1.1 in h2`; empty when not seen. */
  readonly protocol: string;
  readonly perSecond: number;
  /** 0..1; 1 when there were no calls. */
  readonly success: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Empty where there is none. */
  readonly breaker: string;
  readonly instances: readonly InstanceFigures[];
  /** `namespace/service-account` that the callee's sidecar verified; empty when nobody called. */
  readonly identity: string;
  /** Where whole connections are carried in place of requests. */
  readonly tcp: TcpFigures | null;
}

export interface TcpFigures {
  readonly open: number;
  /** Both ways. */
  readonly bytesPerSecond: number;
}

export interface InstanceFigures {
  readonly name: string;
  readonly perSecond: number;
  /** As its callers' sidecars see it: the worst of them. */
  readonly state: EndpointStats['state'] | 'gone';
}

interface Hop {
  readonly caller: string;
  /** Sidecars that call. */
  readonly callers: readonly (InstanceName | 'edge')[];
  readonly callee: string;
  readonly instances: readonly InstanceName[];
  readonly isTcp?: boolean;
}

const hops: readonly Hop[] = [
  { caller: 'edge', callers: ['edge'], callee: 'web', instances: ['web'] },
  { caller: 'web', callers: ['web'], callee: 'cart', instances: ['cart'] },
  { caller: 'cart', callers: ['cart'], callee: 'orders-v1', instances: ['orders-v1'] },
  { caller: 'cart', callers: ['cart'], callee: 'orders-v2', instances: ['orders-v2'] },
  {
    caller: 'orders',
    callers: ['orders-v1', 'orders-v2'],
    callee: 'stock',
    instances: ['stock-1', 'stock-2', 'stock-3'],
  },
  { caller: 'orders', callers: ['orders-v1', 'orders-v2'], callee: 'prices', instances: ['prices'] },
  { caller: 'prices', callers: ['prices'], callee: 'db', instances: [], isTcp: true },
];

/** Statuses that say that something broke: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const failingGrpcStatuses = ['2', '4', '13', '14', '15'];

const states: readonly InstanceFigures['state'][] = [
  'healthy',
  'slow-start',
  'probing',
  'ejected',
  'unhealthy',
  'gone',
];

/** What one look at every process gave. */
interface Look {
  readonly atMs: number;
  readonly counts: ReadonlyMap<string, ServiceCounts>;
  readonly metrics: ReadonlyMap<string, string>;
  readonly stats: ReadonlyMap<string, SidecarStats>;
}

/** Compares each look at the processes with the one before. */
export class HopWatch {
  private readonly shop: Shop;
  private before: Look | undefined;

  constructor(shop: Shop) {
    this.shop = shop;
    this.before = undefined;
  }

  /** Proxies that had a stream to the control plane at the last look. */
  get connected(): number {
    return [...(this.before?.stats.values() ?? [])].filter(({ control }) => control.state === 'connected').length;
  }

  /** `load`: what the load generator saw in the same interval. The first call gives no rows but that one. */
  async read(load: LoadCounts): Promise<HopFigures[]> {
    const now = await this.look();
    const before = this.before;
    this.before = now;
    const first: HopFigures = {
      caller: 'shoppers',
      callee: 'edge',
      protocol: 'HTTP/1.1',
      perSecond: (load.ok + load.failed) / (load.elapsedMs / 1000),
      success: load.ok + load.failed === 0 ? 1 : load.ok / (load.ok + load.failed),
      p50Ms: load.latency.p50Ms,
      p99Ms: load.latency.p99Ms,
      breaker: '',
      instances: [],
      identity: '',
      tcp: null,
    };
    return before === undefined
      ? [first]
      : [first, ...hops.map((hop) => (hop.isTcp === true ? compareTcp : compare)(hop, before, now))];
  }

  private async look(): Promise<Look> {
    const counts = new Map<string, ServiceCounts>();
    const metrics = new Map<string, string>();
    const stats = new Map<string, SidecarStats>();
    const askSidecar = async (name: string, sidecar: SidecarProcess): Promise<void> => {
      stats.set(name, await sidecar.stats());
      metrics.set(name, await sidecar.metrics());
    };
    const asked = [...this.shop.instances.values()].flatMap(({ name, service, sidecar }) => [
      service.counts().then((each) => void counts.set(name, each)),
      askSidecar(name, sidecar),
    ]);
    // One that does not answer just now leaves its place empty.
    await Promise.allSettled([
      ...asked,
      askSidecar('edge', this.shop.edge),
      askSidecar('db', this.shop.database.sidecar),
    ]);
    return { atMs: performance.now(), counts, metrics, stats };
  }
}

function compare(hop: Hop, before: Look, now: Look): HopFigures {
  const seconds = (now.atMs - before.atMs) / 1000;
  const destination = `${shopNamespace}/${hop.callee}`;
  const labels = { direction: 'outbound', destination };
  const added = (name: string, of: Readonly<Record<string, string>>): number =>
    hop.callers.reduce(
      (sum, caller) =>
        sum +
        sumMetric(now.metrics.get(caller) ?? '', name, of) -
        sumMetric(before.metrics.get(caller) ?? '', name, of),
      0,
    );
  const total = added('weft_requests_total', labels);
  const failing = [
    ...['500', '502', '503', '504'].map((code) => ({ code })),
    ...failingGrpcStatuses.map((grpc_status) => ({ grpc_status })),
  ];
  const failed = failing.reduce((sum, what) => sum + added('weft_requests_total', { ...labels, ...what }), 0);
  const buckets = new Map<number, number>();
  for (const [look, sign] of [
    [now, 1],
    [before, -1],
  ] as const) {
    for (const caller of hop.callers) {
      const text = look.metrics.get(caller) ?? '';
      for (const [bound, count] of readBuckets(text, 'weft_request_duration_seconds', labels)) {
        buckets.set(bound, (buckets.get(bound) ?? 0) + sign * count);
      }
    }
  }
  const views = hop.callers.flatMap((caller) => now.stats.get(caller)?.destinations ?? []);
  const ours = views.filter(({ key }) => key.startsWith(`${destination}:`));
  const instances = hop.instances.map((name): InstanceFigures => {
    const perSecond = ((now.counts.get(name)?.requests ?? 0) - (before.counts.get(name)?.requests ?? 0)) / seconds;
    const seen = ours.flatMap(({ endpoints }) => endpoints.filter(({ key }) => key.includes(`~${name}:`)));
    const worst = Math.max(...seen.map(({ state }) => states.indexOf(state)));
    return { name, perSecond: Math.max(0, perSecond), state: seen.length === 0 ? 'gone' : states[worst]! };
  });
  const worstBreaker = ['open', 'half-open', 'closed'].find((state) =>
    ours.some(({ breaker }) => breaker.state === state),
  );
  return {
    caller: hop.caller,
    callee: hop.callee,
    protocol: protocolOf(hop, now),
    perSecond: Math.max(0, total / seconds),
    success: total > 0 ? 1 - failed / total : 1,
    p50Ms: quantile(buckets, 0.5),
    p99Ms: quantile(buckets, 0.99),
    breaker: worstBreaker ?? '',
    instances,
    identity: latestCaller(hop, before, now),
    tcp: null,
  };
}

/** Seen from the callee's sidecar, which knows who proved to be the caller. */
function compareTcp(hop: Hop, before: Look, now: Look): HopFigures {
  const seconds = (now.atMs - before.atMs) / 1000;
  const text = now.metrics.get(hop.callee) ?? '';
  const labels = { direction: 'inbound', destination: `${shopNamespace}/${hop.callee}` };
  const sum = (look: Look, name: string): number => sumMetric(look.metrics.get(hop.callee) ?? '', name, labels);
  const bytes = ['weft_tcp_received_bytes_total', 'weft_tcp_sent_bytes_total'].reduce(
    (all, name) => all + sum(now, name) - sum(before, name),
    0,
  );
  const open = sum(now, 'weft_tcp_connections_open');
  return {
    caller: hop.caller,
    callee: hop.callee,
    protocol: open > 0 ? 'TCP in TLS' : '',
    perSecond: 0,
    success: 1,
    p50Ms: 0,
    p99Ms: 0,
    breaker: '',
    instances: [],
    identity: /^weft_tcp_connections_open\{.*source="([^"]*)".*\} [1-9]/m.exec(text)?.[1] ?? '',
    tcp: { open, bytesPerSecond: Math.max(0, bytes / seconds) },
  };
}

/** By the calls that were made, and by the connections that are open between the sidecars. The shop has no other HTTP/2. */
function protocolOf(hop: Hop, now: Look): string {
  const key = `${shopNamespace}/${hop.callee}:80`;
  const texts = hop.callers.map((caller) => now.metrics.get(caller) ?? '');
  const open = (text: string, labels: Readonly<Record<string, string>>): boolean =>
    sumMetric(text, 'weft_upstream_connections_open', labels) > 0;
  const isIn2 = texts.some((text) => open(text, { destination: key, protocol: 'http/2' }));
  const isIn1 = texts.some((text) => open(text, { destination: key, protocol: 'http/1.1' }));
  if (!isIn1 && !isIn2) return '';
  const isGrpc = texts.some((text) => grpcCalls(text, `${shopNamespace}/${hop.callee}`));
  return `${isGrpc ? 'gRPC' : 'HTTP/1.1'} in ${isIn2 ? 'h2' : 'HTTP/1.1'}`;
}

function grpcCalls(text: string, destination: string): boolean {
  const all = { direction: 'outbound', destination };
  return (
    sumMetric(text, 'weft_requests_total', all) > sumMetric(text, 'weft_requests_total', { ...all, grpc_status: '' })
  );
}

/** Within a bucket, as far as its share goes; 0 without samples. */
function quantile(buckets: ReadonlyMap<number, number>, share: number): number {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total <= 0) return 0;
  let lower = 0;
  let below = 0;
  for (const [upper, count] of sorted) {
    if (count >= share * total) {
      if (upper === Number.POSITIVE_INFINITY) return lower * 1000;
      const part = count === below ? 1 : (share * total - below) / (count - below);
      return (lower + part * (upper - lower)) * 1000;
    }
    lower = upper;
    below = count;
  }
  return lower * 1000;
}

function latestCaller(hop: Hop, before: Look, now: Look): string {
  for (const name of hop.instances) {
    for (const [id, count] of Object.entries(now.counts.get(name)?.byIdentity ?? {})) {
      if (count === before.counts.get(name)?.byIdentity[id]) continue;
      const parts = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/(.+)$/.exec(id);
      return parts === null ? id : `${parts[1]}/${parts[2]}`;
    }
  }
  return '';
}

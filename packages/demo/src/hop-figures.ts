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
];

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
      perSecond: (load.ok + load.failed) / (load.elapsedMs / 1000),
      success: load.ok + load.failed === 0 ? 1 : load.ok / (load.ok + load.failed),
      p50Ms: load.latency.p50Ms,
      p99Ms: load.latency.p99Ms,
      breaker: '',
      instances: [],
      identity: '',
    };
    return before === undefined ? [first] : [first, ...hops.map((hop) => compare(hop, before, now))];
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
    await Promise.allSettled([...asked, askSidecar('edge', this.shop.edge)]);
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
  const failed = ['500', '502', '503', '504'].reduce(
    (sum, code) => sum + added('weft_requests_total', { ...labels, code }),
    0,
  );
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
    perSecond: Math.max(0, total / seconds),
    success: total > 0 ? 1 - failed / total : 1,
    p50Ms: quantile(buckets, 0.5),
    p99Ms: quantile(buckets, 0.99),
    breaker: worstBreaker ?? '',
    instances,
    identity: latestCaller(hop, before, now),
  };
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

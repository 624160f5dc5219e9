import { byCodeUnit } from '@weft/model';
import type { Traffic } from '@weft/wire';
import type {
  EdgeJson,
  NodeJson,
  ProxyGaugesJson,
  RouteTrafficJson,
  SeriesJson,
  ServiceJson,
  SignalsJson,
  TopologyJson,
} from './observation-json.ts';
import { TrafficSum, percentileMs } from './point-store.ts';
import { type ServicePlaces, type WorkloadsBehind, placeServices } from './service-places.ts';
import { type EdgeSeries, STEPS, STEP_MS, type Reporter, type TrafficWindow } from './traffic-window.ts';

/** What went from one to another, counted once. */
interface Edge {
  readonly source: string;
  readonly destination: string;
  /** The workload that it is drawn as; empty where no proxy of it reports. */
  readonly workload: string;
  readonly tcp: boolean;
  readonly direction: 'Inbound' | 'Outbound';
  readonly route: string;
  readonly rule: string;
  readonly sum: TrafficSum;
}

interface EdgeChoice {
  readonly byRule: boolean;
  /** The destination is where a service is drawn, not its name. */
  readonly byPlace: boolean;
  readonly about: string;
}

const NOBODY: ReadonlySet<string> = new Set();

/** Reads the window as people ask for it. */
export class TrafficReport {
  private readonly window: TrafficWindow;
  private readonly now: () => number;
  private readonly behind: () => WorkloadsBehind;
  /** What stood behind a service when it last was known: traffic outlives those who carried it. */
  private readonly stood: Map<string, ReadonlySet<string>>;

  /** `behind` is asked once for each reading. */
  constructor(window: TrafficWindow, now: () => number, behind: () => WorkloadsBehind = () => () => NOBODY) {
    this.window = window;
    this.now = now;
    this.behind = behind;
    this.stood = new Map();
  }

  /** By rule, for tables; `service` empty: all. */
  traffic(
    windowMs: number,
    service: string,
  ): { readonly coveredMs: number; readonly proxies: number; readonly edges: readonly Traffic[] } {
    const { from, to } = this.window.range(windowMs);
    const edges = this.edges(from, to, { byRule: true, byPlace: false, about: service }, this.places()).map(
      ({ source, destination, workload, route, rule, tcp, direction, sum }): Traffic => ({
        source,
        destination,
        workload,
        route,
        rule,
        tcp,
        direction,
        requests: Math.round(sum.requests),
        failures: Math.round(sum.failures),
        retries: Math.round(sum.retries),
        secured: Math.round(sum.secured),
        plaintext: Math.round(sum.plaintext),
        requestBytes: Math.round(sum.requestBytes),
        responseBytes: Math.round(sum.responseBytes),
        p50Ms: percentileMs(sum.latencies, 0.5),
        p90Ms: percentileMs(sum.latencies, 0.9),
        p99Ms: percentileMs(sum.latencies, 0.99),
      }),
    );
    return {
      coveredMs: this.window.coveredSteps(from, to) * STEP_MS,
      proxies: [...this.window.reporters].length,
      edges,
    };
  }

  topology(windowMs: number): Omit<TopologyJson, 'replicas'> {
    const { from, to } = this.window.range(windowMs);
    const covered = this.window.coveredSteps(from, to);
    const places = this.places();
    const edges = this.edges(from, to, { byRule: false, byPlace: true, about: '' }, places);
    return {
      atMs: this.now(),
      windowMs,
      coveredMs: covered * STEP_MS,
      nodes: this.nodes(edges, covered, places),
      edges: edges.map((edge) => edgeJson(edge, covered)),
    };
  }

  service(id: string, windowMs: number): Omit<ServiceJson, 'replicas'> {
    const { from, to } = this.window.range(windowMs);
    const covered = this.window.coveredSteps(from, to);
    const places = this.places();
    // Of a place, all that is drawn as it; of a service that is drawn as another, what called it by its name.
    const byPlace = places.ofService(id) === id;
    const byRule = this.edges(from, to, { byRule: true, byPlace, about: id }, places);
    const edges = this.edges(from, to, { byRule: false, byPlace, about: id }, places);
    const arriving = edges.filter(({ destination }) => destination === id);
    return {
      id,
      atMs: this.now(),
      windowMs,
      signals: signals(added(arriving), covered),
      series: this.series(id, byPlace, from, to, places),
      callers: arriving.map((edge) => edgeJson(edge, covered)),
      callees: edges.filter(({ source }) => source === id).map((edge) => edgeJson(edge, covered)),
      routes: byRule
        .filter(({ destination }) => destination === id)
        .map((edge): RouteTrafficJson => ({
          source: edge.source,
          route: edge.route,
          rule: edge.rule,
          ...signals(edge.sum, covered),
        })),
      proxies: Array.from(this.window.reporters)
        .filter(
          ({ workload }) => workload === id || places.ofWorkload(workload) === id || this.standsBehind(id, workload),
        )
        .map(({ proxy }) => proxy)
        .sort(byCodeUnit),
    };
  }

  /** Proxies that called a service in the window, or what is drawn as it, with the name they called. */
  callsTo(id: string, windowMs: number): { readonly proxy: string; readonly service: string }[] {
    const { from, to } = this.window.range(windowMs);
    const places = this.places();
    const calls = new Map<string, { readonly proxy: string; readonly service: string }>();
    const fits = ({ direction, peer }: EdgeSeries): boolean =>
      direction === 'Outbound' && (peer === id || places.ofService(peer) === id);
    this.window.eachSum(from, to, fits, ({ reporter: { proxy }, peer }) => {
      calls.set(`${proxy} ${peer}`, { proxy, service: peer });
    });
    return [...calls.entries()].sort(([left], [right]) => byCodeUnit(left, right)).map(([, call]) => call);
  }

  gauges(proxy: string, windowMs: number): ProxyGaugesJson | undefined {
    const { from, to } = this.window.range(windowMs);
    const gauges = this.window.gauges(proxy, from, to);
    return gauges === undefined ? undefined : { proxy, startMs: from * STEP_MS, stepMs: STEP_MS, ...gauges };
  }

  /** What arrived at a service, step by step. */
  private series(id: string, byPlace: boolean, from: number, to: number, places: ServicePlaces): SeriesJson {
    const known = this.knownCallers();
    const fits = (series: EdgeSeries): boolean =>
      isCounted(series, known) && (byPlace ? placeOf(series, places) : destinationOf(series)) === id;
    const proxies = new Set<string>();
    const found = this.window.find(fits);
    for (const { reporter } of found) proxies.add(reporter.proxy);
    const rows = Array.from({ length: to - from }, (_, index) => {
      const step = from + index;
      if (!this.window.isReported(step, proxies)) return NOTHING_KNOWN;
      const sum = new TrafficSum();
      for (const one of found) this.window.addStep(one, step, sum);
      return { ...signals(sum, 1), failuresPerS: perSecond(sum.failures, 1) };
    });
    return {
      startMs: from * STEP_MS,
      stepMs: STEP_MS,
      requestsPerS: rows.map(({ requestsPerS }) => requestsPerS),
      failuresPerS: rows.map(({ failuresPerS }) => failuresPerS),
      retriesPerS: rows.map(({ retriesPerS }) => retriesPerS),
      p50Ms: rows.map(({ p50Ms }) => p50Ms),
      p90Ms: rows.map(({ p90Ms }) => p90Ms),
      p99Ms: rows.map(({ p99Ms }) => p99Ms),
    };
  }

  private nodes(edges: readonly Edge[], covered: number, places: ServicePlaces): NodeJson[] {
    const proxies = new Map<string, Reporter[]>();
    for (const reporter of this.window.reporters) {
      const place = places.ofWorkload(reporter.workload);
      const known = proxies.get(place);
      if (known === undefined) proxies.set(place, [reporter]);
      else known.push(reporter);
    }
    const ids = new Set([...proxies.keys(), ...edges.flatMap(({ source, destination }) => [source, destination])]);
    const arriving = new Map<string, TrafficSum>();
    for (const { destination, sum } of edges) {
      let total = arriving.get(destination);
      if (total === undefined) arriving.set(destination, (total = new TrafficSum()));
      add(total, sum);
    }
    return [...ids].sort(byCodeUnit).map((id): NodeJson => {
      const own = proxies.get(id) ?? [];
      const kind = own.length > 0 ? (own[0]!.gateway ? 'gateway' : 'workload') : id === 'unknown' ? 'unknown' : 'plain';
      // Nothing arrives at a caller: that is known, when it reports.
      const sum = arriving.get(id) ?? new TrafficSum();
      const bytesPerS = perSecond(sum.requestBytes + sum.responseBytes, covered);
      return { id, kind, proxies: own.length, bytesPerS, ...signals(sum, covered) };
    });
  }

  /**
   * Of what comes from or goes to `about`, or of all when it is empty. Joined over proxies, each request counted once: by its caller's
   * proxy, or, where that does not report, by the callee's.
   */
  private edges(from: number, to: number, { byRule, byPlace, about }: EdgeChoice, places: ServicePlaces): Edge[] {
    const known = this.knownCallers();
    const workloads = this.workloads();
    const edges = new Map<string, Edge>();
    const fits = (series: EdgeSeries): boolean =>
      isCounted(series, known) &&
      (about === '' ||
        places.ofWorkload(sourceOf(series, known)) === about ||
        destinationOf(series) === about ||
        placeOf(series, places) === about);
    this.window.eachSum(from, to, fits, (series, sum) => {
      const { direction, tcp } = series;
      const source = places.ofWorkload(sourceOf(series, known));
      const place = placeOf(series, places);
      const destination = byPlace ? place : destinationOf(series);
      const route = byRule ? series.route : '';
      const rule = byRule ? series.rule : '';
      const key = `${source} ${destination} ${direction} ${tcp} ${route} ${rule}`;
      let edge = edges.get(key);
      if (edge === undefined) {
        const workload = workloads.has(place) ? place : '';
        edge = { source, destination, workload, tcp, direction, route, rule, sum: new TrafficSum() };
        edges.set(key, edge);
      }
      add(edge.sum, sum);
      if (tcp && sum.secured + sum.plaintext === 0) this.addEarlierStart(series, from, edge.sum);
    });
    return [...edges.entries()].sort(([left], [right]) => byCodeUnit(left, right)).map(([, edge]) => edge);
  }

  /** What moves bytes now but began before is as secured as it was when it began, as far as that is remembered. */
  private addEarlierStart(series: EdgeSeries, before: number, total: TrafficSum): void {
    const earlier = new TrafficSum();
    for (let step = before - STEPS; step < before; step += 1) this.window.addStep(series, step, earlier);
    total.secured += earlier.secured;
    total.plaintext += earlier.plaintext;
  }

  private workloads(): ReadonlySet<string> {
    return new Set(Array.from(this.window.reporters, ({ workload }) => workload));
  }

  /** Where what was called in the window is drawn now. */
  private places(): ServicePlaces {
    const behind = this.behind();
    const called = new Set<string>();
    this.window.find(({ direction, peer }) => {
      if (direction === 'Outbound') called.add(peer);
      return false;
    });
    for (const service of called) {
      const now = behind(service);
      if (now.size > 0) this.stood.set(service, now);
    }
    for (const service of this.stood.keys()) if (!called.has(service)) this.stood.delete(service);
    return placeServices(called, this.workloads(), (service) => this.stood.get(service) ?? NOBODY);
  }

  private standsBehind(service: string, workload: string): boolean {
    return this.stood.get(service)?.has(workload) === true;
  }

  /** Workload by service account, of those whose proxies report. */
  private knownCallers(): ReadonlyMap<string, string> {
    const known = new Map<string, string>();
    for (const { account, workload } of this.window.reporters) known.set(account, workload);
    return known;
  }
}

/** An inbound series counts only when nobody reports it from the other side. */
function isCounted({ direction, peer }: EdgeSeries, known: ReadonlyMap<string, string>): boolean {
  return direction === 'Outbound' || !known.has(peer);
}

function sourceOf({ direction, peer, reporter }: EdgeSeries, known: ReadonlyMap<string, string>): string {
  return direction === 'Outbound' ? reporter.workload : (known.get(peer) ?? peer);
}

function destinationOf({ direction, peer, reporter }: EdgeSeries): string {
  return direction === 'Outbound' ? peer : reporter.workload;
}

function placeOf({ direction, peer, reporter }: EdgeSeries, places: ServicePlaces): string {
  return direction === 'Outbound' ? places.ofService(peer) : places.ofWorkload(reporter.workload);
}

function added(edges: readonly Edge[]): TrafficSum {
  const total = new TrafficSum();
  for (const { sum } of edges) add(total, sum);
  return total;
}

function add(total: TrafficSum, sum: TrafficSum): void {
  total.requests += sum.requests;
  total.failures += sum.failures;
  total.retries += sum.retries;
  total.secured += sum.secured;
  total.plaintext += sum.plaintext;
  total.requestBytes += sum.requestBytes;
  total.responseBytes += sum.responseBytes;
  for (let index = 0; index < sum.latencies.length; index += 1) {
    total.latencies[index] = total.latencies[index]! + sum.latencies[index]!;
  }
}

function edgeJson({ source, destination, tcp, direction, sum }: Edge, covered: number): EdgeJson {
  return {
    source,
    destination,
    protocol: tcp ? 'tcp' : 'http',
    countedBy: direction,
    ...signals(sum, covered),
    securedShare: shareOf(sum.secured, sum.secured + sum.plaintext),
    requestBytesPerS: perSecond(sum.requestBytes, covered),
    responseBytesPerS: perSecond(sum.responseBytes, covered),
  };
}

function signals(sum: TrafficSum, covered: number): SignalsJson {
  return {
    requestsPerS: perSecond(sum.requests, covered),
    failureShare: shareOf(sum.failures, sum.requests),
    retriesPerS: perSecond(sum.retries, covered),
    p50Ms: known(percentileMs(sum.latencies, 0.5)),
    p90Ms: known(percentileMs(sum.latencies, 0.9)),
    p99Ms: known(percentileMs(sum.latencies, 0.99)),
  };
}

const NOTHING_KNOWN: SignalsJson & { readonly failuresPerS: null } = {
  requestsPerS: null,
  failureShare: null,
  failuresPerS: null,
  retriesPerS: null,
  p50Ms: null,
  p90Ms: null,
  p99Ms: null,
};

function perSecond(count: number, steps: number): number | null {
  return steps === 0 ? null : (count * 1_000) / (steps * STEP_MS);
}

function shareOf(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.min(1, part / whole);
}

function known(value: number): number | null {
  return value < 0 ? null : value;
}

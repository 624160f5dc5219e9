import type { Clock } from '@weft/kernel';
import type { Counters, EdgeCounters, TrafficDirection } from '@weft/wire';
import { BUCKETS, CHUNK_POINTS, PointStore, type Rounding, TrafficSum } from './point-store.ts';

/** One step of time. */
export const STEP_MS = 5_000;
/** Steps that are remembered: 30 minutes. */
export const STEPS = 360;
/** The steps in full, and the chunk that is being filled. */
const RING_CHUNKS = STEPS / CHUNK_POINTS + 1;
const RING_STEPS = RING_CHUNKS * CHUNK_POINTS;
/** Edges of one proxy that are told apart. */
const MOST_EDGES = 2_000;
const DEFAULT_BYTES = 256 * 1024 * 1024;

/** Who reports. */
export interface Reporter {
  /** `namespace/instance`. */
  readonly proxy: string;
  /** `namespace/name` of the workload beside it, or of the Gateway. */
  readonly workload: string;
  /** `namespace/service-account`. */
  readonly account: string;
  readonly gateway: boolean;
  /** Key of its workload in the configuration; empty: it stands for none. */
  readonly entry: string;
}

/** What one proxy counted of one peer and rule. */
export interface EdgeSeries {
  readonly reporter: Reporter;
  readonly direction: TrafficDirection;
  readonly peer: string;
  readonly route: string;
  readonly rule: string;
  readonly tcp: boolean;
}

/** How a proxy was, per step; null when it did not report. */
export interface Gauges {
  readonly residentBytes: readonly (number | null)[];
  readonly loopDelayP99Ms: readonly (number | null)[];
  readonly connections: readonly (number | null)[];
}

interface KeptSeries extends EdgeSeries {
  /** Chunk of each place of the ring, -1 for none, and the epoch it is of. */
  readonly chunks: Int32Array;
  readonly epochs: Int32Array;
  readonly rounding: Rounding;
}

interface ProxyTraffic {
  reporter: Reporter;
  readonly series: Map<string, KeptSeries>;
  /** NaN: it did not report. By step modulo the ring. */
  readonly residentBytes: Float32Array;
  readonly loopDelays: Float32Array;
  readonly connections: Float32Array;
  lastStep: number;
}

/**
 * What the proxies have carried in the last 30 minutes, in steps of 5 seconds: a ring for each proxy, peer and rule. Bounded in
 * bytes; what does not fit is counted and left out.
 */
export class TrafficWindow {
  /** Points that found no room. */
  dropped: number;
  private readonly clock: Clock;
  private readonly points: PointStore;
  private readonly proxies: Map<string, ProxyTraffic>;

  constructor(clock: Clock, mostBytes: number = DEFAULT_BYTES) {
    this.dropped = 0;
    this.clock = clock;
    this.points = new PointStore(mostBytes);
    this.proxies = new Map();
  }

  get heldBytes(): number {
    return this.points.heldBytes;
  }

  /** Those heard of in the window. */
  get reporters(): Iterable<Reporter> {
    return Array.from(this.proxies.values(), ({ reporter }) => reporter);
  }

  /** The step of now: the last one that is whole is the one before. */
  get step(): number {
    return Math.floor(this.clock.wallMs() / STEP_MS);
  }

  /** Takes in what a proxy counted since it did so last, and said `ageMs` ago: less than the window. */
  take(reporter: Reporter, counters: Counters, ageMs = 0): void {
    const step = Math.floor((this.clock.wallMs() - ageMs) / STEP_MS);
    const proxy = this.proxyOf(reporter);
    // Steps without a word are unknown, not empty.
    for (let missed = Math.max(proxy.lastStep + 1, step - RING_STEPS + 1); missed < step; missed += 1) {
      forget(proxy, missed % RING_STEPS);
    }
    const place = step % RING_STEPS;
    proxy.lastStep = Math.max(proxy.lastStep, step);
    proxy.residentBytes[place] = counters.residentBytes;
    proxy.loopDelays[place] = counters.loopDelayP99Ms;
    proxy.connections[place] = counters.connections;
    for (const edge of counters.edges) this.put(proxy, step, edge);
  }

  /** Lets go of proxies that were not heard of for the whole window, and of what is older. Call it now and then. */
  sweep(): void {
    const step = this.step;
    const oldestEpoch = Math.floor((step - STEPS) / CHUNK_POINTS);
    for (const [name, proxy] of this.proxies) {
      for (const [key, series] of proxy.series) {
        let held = 0;
        for (let place = 0; place < RING_CHUNKS; place += 1) {
          if (series.chunks[place]! < 0) continue;
          if (series.epochs[place]! < oldestEpoch) this.release(series, place);
          else held += 1;
        }
        if (held === 0) proxy.series.delete(key);
      }
      if (proxy.series.size === 0 && proxy.lastStep < step - STEPS) this.proxies.delete(name);
    }
  }

  /** Steps of the last `windowMs` that are over, oldest first: `from` to `to`, exclusive. */
  range(windowMs: number): { readonly from: number; readonly to: number } {
    const to = this.step;
    return { from: to - Math.min(STEPS, Math.max(1, Math.ceil(windowMs / STEP_MS))), to };
  }

  /** How many steps of a range at least one proxy has reported in. */
  coveredSteps(from: number, to: number): number {
    let covered = 0;
    for (let step = from; step < to; step += 1) if (this.isReported(step, null)) covered += 1;
    return covered;
  }

  /** Whether somebody, or one of `proxies`, reported in a step. */
  isReported(step: number, proxies: ReadonlySet<string> | null): boolean {
    const said = (proxy: ProxyTraffic | undefined): boolean =>
      proxy !== undefined &&
      step <= proxy.lastStep &&
      step > proxy.lastStep - RING_STEPS &&
      !Number.isNaN(proxy.residentBytes[step % RING_STEPS]!);
    if (proxies === null) return this.proxies.values().some(said);
    return proxies.values().some((name) => said(this.proxies.get(name)));
  }

  /** Calls `visit` for every series that fits and holds anything in a range, with its sum, which is used again: read it at once. */
  eachSum(
    from: number,
    to: number,
    fits: (series: EdgeSeries) => boolean,
    visit: (series: EdgeSeries, sum: TrafficSum) => void,
  ): void {
    for (const { series: all } of this.proxies.values()) {
      for (const series of all.values()) {
        if (!fits(series)) continue;
        const sum = clear(scratch);
        for (let step = from; step < to;) {
          const epoch = Math.floor(step / CHUNK_POINTS);
          const place = epoch % RING_CHUNKS;
          const chunk = series.epochs[place] === epoch ? series.chunks[place]! : -1;
          const start = epoch * CHUNK_POINTS;
          const end = Math.min(to, start + CHUNK_POINTS);
          if (chunk >= 0)
            for (let point = step - start; point < end - start; point += 1) this.points.addTo(chunk, point, sum);
          step = end;
        }
        if (sum.requests > 0 || sum.requestBytes > 0 || sum.responseBytes > 0) visit(series, sum);
      }
    }
  }

  /** The series that fit. */
  find(fits: (series: EdgeSeries) => boolean): EdgeSeries[] {
    const found: EdgeSeries[] = [];
    for (const { series } of this.proxies.values()) for (const one of series.values()) if (fits(one)) found.push(one);
    return found;
  }

  /** Adds one step of a series of this window. */
  addStep(series: EdgeSeries, step: number, sum: TrafficSum): void {
    const { chunks, epochs } = series as KeptSeries;
    const epoch = Math.floor(step / CHUNK_POINTS);
    const place = epoch % RING_CHUNKS;
    const chunk = chunks[place]!;
    if (chunk >= 0 && epochs[place] === epoch) this.points.addTo(chunk, step % CHUNK_POINTS, sum);
  }

  gauges(proxyName: string, from: number, to: number): Gauges | undefined {
    const proxy = this.proxies.get(proxyName);
    if (proxy === undefined) return undefined;
    const read = (values: Float32Array): (number | null)[] =>
      Array.from({ length: to - from }, (_, index) => {
        const step = from + index;
        const known = step <= proxy.lastStep && step > proxy.lastStep - RING_STEPS;
        const value = known ? values[step % RING_STEPS]! : Number.NaN;
        return Number.isNaN(value) ? null : value;
      });
    return {
      residentBytes: read(proxy.residentBytes),
      loopDelayP99Ms: read(proxy.loopDelays),
      connections: read(proxy.connections),
    };
  }

  private proxyOf(reporter: Reporter): ProxyTraffic {
    let proxy = this.proxies.get(reporter.proxy);
    if (proxy === undefined) {
      proxy = {
        reporter,
        series: new Map(),
        residentBytes: new Float32Array(RING_STEPS).fill(Number.NaN),
        loopDelays: new Float32Array(RING_STEPS).fill(Number.NaN),
        connections: new Float32Array(RING_STEPS).fill(Number.NaN),
        lastStep: this.step - 1,
      };
      this.proxies.set(reporter.proxy, proxy);
    }
    proxy.reporter = reporter;
    return proxy;
  }

  private put(proxy: ProxyTraffic, step: number, edge: EdgeCounters): void {
    const key = `${edge.direction} ${edge.tcp ? 'tcp' : 'http'} ${edge.peer} ${edge.route} ${edge.rule}`;
    let series = proxy.series.get(key);
    if (series === undefined) {
      if (proxy.series.size >= MOST_EDGES) {
        this.dropped += 1;
        return;
      }
      const { direction, peer, route, rule, tcp } = edge;
      series = {
        reporter: proxy.reporter,
        direction,
        peer,
        route,
        rule,
        tcp,
        chunks: new Int32Array(RING_CHUNKS).fill(-1),
        epochs: new Int32Array(RING_CHUNKS),
        rounding: new Float32Array(BUCKETS),
      };
      proxy.series.set(key, series);
    }
    const epoch = Math.floor(step / CHUNK_POINTS);
    const place = epoch % RING_CHUNKS;
    if (series.epochs[place] !== epoch) this.release(series, place);
    if (series.chunks[place]! < 0) {
      series.chunks[place] = this.points.take();
      series.epochs[place] = epoch;
    }
    const chunk = series.chunks[place]!;
    if (chunk < 0) this.dropped += 1;
    else this.points.put(chunk, step % CHUNK_POINTS, edge, series.rounding);
  }

  private release(series: KeptSeries, place: number): void {
    const chunk = series.chunks[place]!;
    if (chunk >= 0) this.points.give(chunk);
    series.chunks[place] = -1;
  }
}

const scratch = new TrafficSum();

function clear(sum: TrafficSum): TrafficSum {
  sum.requests = 0;
  sum.failures = 0;
  sum.retries = 0;
  sum.secured = 0;
  sum.plaintext = 0;
  sum.requestBytes = 0;
  sum.responseBytes = 0;
  sum.latencies.fill(0);
  return sum;
}

function forget(proxy: ProxyTraffic, place: number): void {
  proxy.residentBytes[place] = Number.NaN;
  proxy.loopDelays[place] = Number.NaN;
  proxy.connections[place] = Number.NaN;
}

import type { Clock, Result, Timer, TimerWheel } from '@weft/kernel';
import type { Model } from '@weft/model';
import type {
  CallFault,
  GetTrafficRequest,
  GetTrafficResponse,
  PeerWhyResponse,
  SyncSession,
  TapEvent,
  TapRequest,
  WhyResponse,
} from '@weft/wire';
import type { ProxyRegistry } from '../proxy-registry.ts';
import type { ServiceEndpointsJson } from './observation-json.ts';
import { reporterOf, workloadOf } from './reporter.ts';
import type { WorkloadsBehind } from './service-places.ts';
import { TapDesk } from './tap-desk.ts';
import { TrafficReport } from './traffic-report.ts';
import { TrafficWindow } from './traffic-window.ts';
import { type AskElsewhere, WhyDesk } from './why-desk.ts';

const DEFAULT_WINDOW_MS = 60_000;
const CALLER_WINDOW_MS = 300_000;
const SWEEP_MS = 60_000;
const ENDPOINTS_MS = 1_000;
/** Callers whose balancers are asked about one service. */
const MOST_CALLERS = 20;

export interface ObservationOptions {
  readonly registry: ProxyRegistry;
  readonly model: Model;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Bound on the memory of the counters; 256 MiB when absent. */
  readonly windowBytes?: number;
}

/** What is seen of live traffic: counters of the last half hour, single requests, and taps. */
export class ObservationRoom {
  readonly window: TrafficWindow;
  readonly report: TrafficReport;
  /** Asks the other replicas of this control plane, once they are known. */
  askElsewhere: AskElsewhere;
  private readonly options: ObservationOptions;
  private readonly whys: WhyDesk;
  private readonly taps: TapDesk;
  private readonly sweeper: Timer;

  constructor(options: ObservationOptions) {
    const { registry, clock, wheel, windowBytes } = options;
    this.options = options;
    this.askElsewhere = () => Promise.resolve([]);
    this.window = new TrafficWindow(clock, windowBytes);
    this.report = new TrafficReport(
      this.window,
      () => clock.wallMs(),
      () => this.workloadsBehind(),
    );
    this.whys = new WhyDesk(registry, wheel, clock, (request, awaitMs) => this.askElsewhere(request, awaitMs));
    this.taps = new TapDesk(registry, wheel);
    this.sweeper = wheel.create(() => {
      this.window.sweep();
      this.sweeper.reschedule(SWEEP_MS);
    });
    this.sweeper.reschedule(SWEEP_MS);
  }

  stop(): void {
    this.sweeper.cancel();
  }

  /** A proxy has said what it carried. */
  counted(session: SyncSession): void {
    const { counters, hello } = session;
    if (counters === null) return;
    const { workload } = hello;
    this.window.take(reporterOf(`${workload.namespace}/${workload.instance}`, hello), counters);
  }

  why(request: string): Promise<WhyResponse> {
    return this.whys.find(request);
  }

  /** For another replica: what those with a stream here remember. */
  whyHere(request: string, awaitMs: number): Promise<PeerWhyResponse> {
    return this.whys.findHere(request, awaitMs);
  }

  traffic({ windowMs, service }: GetTrafficRequest): GetTrafficResponse {
    return this.report.traffic(windowMs === 0 ? DEFAULT_WINDOW_MS : windowMs, service);
  }

  tap(
    request: TapRequest,
    emit: (event: TapEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): Result<() => void, CallFault> {
    return this.taps.tap(request, emit, ended);
  }

  /** How the balancers of a service's callers see it, asked now; within about a second. */
  async endpoints(service: string): Promise<ServiceEndpointsJson> {
    const { registry, wheel } = this.options;
    const views: ServiceEndpointsJson['views'][number][] = [];
    const calls = this.report.callsTo(service, CALLER_WINDOW_MS).slice(0, MOST_CALLERS);
    const open = new Set(calls);
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const timer = wheel.schedule(ENDPOINTS_MS, end);
    const asked = calls.map(
      (call) =>
        new Promise<void>((resolve) => {
          const record = registry.find(call.proxy);
          if (record === undefined || !record.isConnected) resolve();
          else {
            record.session.queryService(call.service, (answer) => {
              if (answer !== null && open.delete(call)) views.push({ proxy: call.proxy, backends: answer.backends });
              resolve();
            });
          }
        }),
    );
    await Promise.race([Promise.all(asked), over]);
    timer.cancel();
    const silent = [...new Set(Array.from(open, ({ proxy }) => proxy))];
    open.clear();
    return { id: service, views: [...views], silent };
  }

  /** By the endpoints that there are now: whose proxies they are. */
  private workloadsBehind(): WorkloadsBehind {
    const { registry, model } = this.options;
    const names = new Map<string, string>();
    for (const { audience, hello } of registry.records) {
      if (audience.workload !== '') names.set(audience.workload, workloadOf(hello));
    }
    return (service) => {
      const found = new Set<string>();
      for (const key of model.workloads.membersOf(service)) {
        const name = names.get(key);
        if (name !== undefined) found.add(name);
      }
      return found;
    };
  }
}

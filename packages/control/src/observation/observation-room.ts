import type { Clock, Result, Timer, TimerWheel } from '@weft/kernel';
import type { Model } from '@weft/model';
import type {
  AskedReplica,
  CallFault,
  Counters,
  GetTrafficRequest,
  GetTrafficResponse,
  PeerWhyResponse,
  ServiceCall,
  ServiceView,
  SyncSession,
  TapEvent,
  TapRequest,
  ViewServicesResponse,
  WhyResponse,
} from '@weft/wire';
import type { ProxyRegistry } from '../proxy-registry.ts';
import type { ServiceJson, TopologyJson } from './observation-json.ts';
import { reporterOf } from './reporter.ts';
import type { WorkloadsBehind } from './service-places.ts';
import { TapDesk } from './tap-desk.ts';
import { TrafficReport } from './traffic-report.ts';
import { type Reporter, TrafficWindow } from './traffic-window.ts';
import { type AskElsewhere, WhyDesk } from './why-desk.ts';

const DEFAULT_WINDOW_MS = 60_000;
const CALLER_WINDOW_MS = 300_000;
const SWEEP_MS = 60_000;
const ENDPOINTS_MS = 1_000;
/** Callers whose balancers are asked about one service. */
const MOST_CALLERS = 20;

export interface ObservationOptions {
  /** Name of our own. */
  readonly replica: string;
  readonly registry: ProxyRegistry;
  readonly model: Model;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Bound on the memory of the counters; 256 MiB when absent. */
  readonly windowBytes?: number;
}

/** The other replicas: they are told what proxies here count, and tell what theirs do. */
export interface ObservedElsewhere {
  readonly why: AskElsewhere;
  counted(reporter: Reporter, counters: Counters): void;
  /** All of them, and what of their traffic is not known. */
  traffic(windowMs: number): readonly AskedReplica[];
}

const nowhere: ObservedElsewhere = {
  why: () => Promise.resolve([]),
  counted: () => undefined,
  traffic: () => [],
};

/** What is seen of live traffic: counters of the last half hour, single requests, and taps. */
export class ObservationRoom {
  readonly window: TrafficWindow;
  readonly report: TrafficReport;
  /** The other replicas of this control plane, once they are known. */
  elsewhere: ObservedElsewhere;
  private readonly options: ObservationOptions;
  private readonly whys: WhyDesk;
  private readonly taps: TapDesk;
  private readonly sweeper: Timer;

  constructor(options: ObservationOptions) {
    const { registry, clock, wheel, windowBytes } = options;
    this.options = options;
    this.elsewhere = nowhere;
    this.window = new TrafficWindow(clock, windowBytes);
    this.report = new TrafficReport(
      this.window,
      () => clock.wallMs(),
      () => this.workloadsBehind(),
    );
    this.whys = new WhyDesk(registry, wheel, clock, (request, awaitMs) => this.elsewhere.why(request, awaitMs));
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
    const name = `${hello.workload.namespace}/${hello.workload.instance}`;
    const reporter = reporterOf(name, hello, this.options.registry.find(name)?.audience.workload ?? '');
    this.window.take(reporter, counters);
    this.elsewhere.counted(reporter, counters);
  }

  why(request: string): Promise<WhyResponse> {
    return this.whys.find(request);
  }

  /** For another replica: what those with a stream here remember. */
  whyHere(request: string, awaitMs: number): Promise<PeerWhyResponse> {
    return this.whys.findHere(request, awaitMs);
  }

  traffic({ windowMs: asked, service }: GetTrafficRequest): GetTrafficResponse {
    const windowMs = asked === 0 ? DEFAULT_WINDOW_MS : asked;
    return { ...this.report.traffic(windowMs, service), replicas: this.replicas(windowMs) };
  }

  topology(windowMs: number): TopologyJson {
    return { ...this.report.topology(windowMs), replicas: this.replicas(windowMs) };
  }

  service(id: string, windowMs: number): ServiceJson {
    return { ...this.report.service(id, windowMs), replicas: this.replicas(windowMs) };
  }

  /** Proxies that called a service lately, of whatever replica, with the names they called: a few of them. */
  callsTo(service: string): readonly ServiceCall[] {
    return this.report.callsTo(service, CALLER_WINDOW_MS).slice(0, MOST_CALLERS);
  }

  tap(
    request: TapRequest,
    emit: (event: TapEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): Result<() => void, CallFault> {
    return this.taps.tap(request, emit, ended);
  }

  /** How the balancers of proxies with a stream here see services, asked now; within about a second. */
  async viewServices(calls: readonly ServiceCall[]): Promise<ViewServicesResponse> {
    const { registry, wheel } = this.options;
    const views: ServiceView[] = [];
    const open = new Set<ServiceCall>();
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const timer = wheel.schedule(ENDPOINTS_MS, end);
    const asked = calls.map(
      (call) =>
        new Promise<void>((resolve) => {
          const record = registry.find(call.proxy);
          if (record === undefined || !record.isConnected) {
            resolve();
            return;
          }
          open.add(call);
          record.session.queryService(call.service, (answer) => {
            if (answer !== null && open.delete(call)) views.push({ proxy: call.proxy, backends: answer.backends });
            resolve();
          });
        }),
    );
    await Promise.race([Promise.all(asked), over]);
    timer.cancel();
    const silent = [...new Set(Array.from(open, ({ proxy }) => proxy))];
    // What comes later is not looked at any more.
    open.clear();
    return { views, silent };
  }

  private replicas(windowMs: number): readonly AskedReplica[] {
    return [{ replica: this.options.replica, silent: '' }, ...this.elsewhere.traffic(windowMs)];
  }

  /** By the endpoints that there are now: whose proxies they are. */
  private workloadsBehind(): WorkloadsBehind {
    const { model } = this.options;
    const names = new Map<string, string>();
    for (const { entry, workload } of this.window.reporters) if (entry !== '') names.set(entry, workload);
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

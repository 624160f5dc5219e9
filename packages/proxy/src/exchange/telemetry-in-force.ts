import type { AccessLogSettings, MetricSettings, TelemetrySettings, TraceSettings } from '@weft/model';
import { TracePlan, defaultTraceRules, pickPropagations } from '@weft/telemetry';
import type { AccessLogWhen } from '@weft/telemetry';
import { AccessLogPlan } from './access-log-plan.ts';

/** What holds where no policy says anything: the flags of the process. */
export interface TelemetryDefaults {
  /** Share of the traces that begin here, 0 to 1,000,000. */
  readonly sampledPerMillion: number;
  readonly accessLog: AccessLogWhen;
}

/** What holds for the requests of one route, or for all others. */
export interface TelemetryPlan {
  readonly traces: TracePlan;
  readonly accessLog: AccessLogPlan;
}

/** What is told of requests, as the policies in force say. One of each thread. */
export class TelemetryInForce {
  /** For every request but those of routes with a policy of their own. */
  plan: TelemetryPlan;
  /** Null when no policy says anything about them. */
  metrics: MetricSettings | null;
  private readonly defaults: TelemetryDefaults;
  private settings: TelemetrySettings | null;
  private routes: ReadonlyMap<string, TelemetryPlan>;

  constructor(defaults: TelemetryDefaults) {
    this.defaults = defaults;
    this.settings = null;
    this.metrics = null;
    this.plan = this.compile(null, null);
    this.routes = new Map();
  }

  /** Rates that were counted go on unless the settings differ. */
  update(settings: TelemetrySettings | null): void {
    if (settings === this.settings || JSON.stringify(settings) === JSON.stringify(this.settings)) return;
    this.settings = settings;
    this.metrics = settings?.metrics ?? null;
    this.plan = this.compile(settings?.accessLog ?? null, settings?.traces ?? null);
    this.routes = new Map(
      (settings?.routes ?? []).map(({ route, accessLog, traces }) => [route, this.compile(accessLog, traces)]),
    );
  }

  /** `route` as in `RouteRule.route`; undefined before a rule is found. */
  of(route: string | undefined): TelemetryPlan {
    if (this.routes.size === 0 || route === undefined) return this.plan;
    return this.routes.get(route) ?? this.plan;
  }

  private compile(accessLog: AccessLogSettings | null, traces: TraceSettings | null): TelemetryPlan {
    return {
      traces: new TracePlan(
        traces === null
          ? { ...defaultTraceRules, sampledPerMillion: this.defaults.sampledPerMillion }
          : { ...traces, ways: pickPropagations(traces.propagation) },
      ),
      accessLog: new AccessLogPlan(accessLog, this.defaults.accessLog),
    };
  }
}

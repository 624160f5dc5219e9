import {
  type EndpointState,
  type PickCursor,
  type Picker,
  type TriedEndpoints,
  compilePicker,
  newPickCursor,
} from '@weft/balance';
import { type Clock, type Random, assert } from '@weft/kernel';
import type { Backend, DestinationKey, EndpointSet, RetryBudgetPolicy } from '@weft/model';
import { type TerminationCode, terminations } from '@weft/outcome';
import {
  ConcurrencyLimit,
  type EjectionChange,
  NO_GRPC_STATUS,
  RetryBudget,
  recordHealthCheck,
} from '@weft/resilience';
import { type BackendSnapshot, type BackendTally, type ReportSources, snapshotOf, tallyOf } from './backend-report.ts';
import { BreakerGate } from './breaker-gate.ts';
import { EndpointJudge, type JudgeOwner } from './endpoint-judge.ts';
import { EndpointRoster } from './endpoint-roster.ts';

/** What a `BackendState` takes from outside. */
export interface BackendEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  /** The zone of this process; empty when unknown. */
  readonly zone: string;
  /** Processes that share the limits of this workload; 1 when left out. Limits and floors are divided by it. */
  readonly workers?: number;
}

/** How a request ended for its caller, all tries together. The proxy's Exchange may have these fields itself. */
export interface RequestOutcome {
  /** A server's fault: a row of the Termination table with fault `server`, a status of 502, 503, 504, or gRPC UNAVAILABLE. */
  readonly failed: boolean;
  /** From `requestStarted` to now. */
  readonly latencyMs: number;
  /** How many tries were started. A request with none (refused here, or gone before) is no outcome of the service. */
  readonly attempts: number;
}

/** Codes of the Termination table. `request-limit` comes from `admit`, the others from `pick`. */
export type BackendRefusal = 'no-endpoint' | 'circuit-open' | 'request-limit' | 'pending-limit';

/** A change of state, as a fact for log and metrics. */
export interface BackendTransition {
  readonly type: 'ejected' | 'restored' | 'unhealthy' | 'healthy' | 'opened' | 'half-open' | 'closed';
  readonly backend: DestinationKey;
  /** Empty for the breaker's. */
  readonly endpoint: string;
  readonly atMs: number;
  /** Until when at the latest nothing is sent (`ejected`, `opened`); else equal to `atMs`. */
  readonly untilMs: number;
}

/** A tally is used again for so long. */
const TALLY_MS = 100;

/**
 * Everything that this process knows and decides about one destination backend: balancing, ejection, breaker, limits and
 * budget, joined. One object for the life of the backend's key; a changed configuration is taken over by `update`.
 *
 *   admit -> requestStarted -> pick -> tryStarted -> tryHead? -> tryEnded  (again from pick, if retried) -> requestEnded
 *
 * `tryStarted` follows its `pick` in the same turn. All times are of the environment's monotonic clock. None of the
 * calls of a request allocates, unless an endpoint or the breaker changes its state.
 */
export class BackendState implements JudgeOwner {
  readonly key: DestinationKey;
  policy: Backend;
  /** Called after each change of state, in the call that brought it about. Must not call back into this object. */
  onTransition: ((event: BackendTransition) => void) | undefined;
  private readonly roster: EndpointRoster;
  private readonly judge: EndpointJudge;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly zone: string;
  private readonly workers: number;
  private readonly cursor: PickCursor;
  private counted: BackendTally | null;
  private picker: Picker;
  private readonly gate: BreakerGate;
  private readonly limit: ConcurrencyLimit;
  private readonly budget: RetryBudget;
  private lastRefusal: BackendRefusal;
  private panic: boolean;

  /** `endpoints` is undefined while they are not known: then there is none. */
  constructor(backend: Backend, endpoints: EndpointSet | undefined, environment: BackendEnvironment) {
    const nowMs = environment.clock.nowMs();
    this.key = backend.name;
    this.policy = backend;
    this.onTransition = undefined;
    this.roster = new EndpointRoster();
    this.judge = new EndpointJudge(backend, environment.random, this);
    this.clock = environment.clock;
    this.random = environment.random;
    this.zone = environment.zone;
    this.workers = environment.workers ?? 1;
    this.cursor = newPickCursor();
    this.counted = null;
    this.picker = compilePicker([], backend.loadBalancer, this.zone, false, this.cursor);
    this.gate = new BreakerGate((state, nowMs, untilMs) =>
      this.announce(state === 'open' ? 'opened' : state, '', nowMs, untilMs),
    );
    this.limit = new ConcurrencyLimit(0);
    this.budget = new RetryBudget(this.workers);
    this.lastRefusal = 'no-endpoint';
    this.panic = false;
    this.apply(backend, endpoints, nowMs);
  }

  /** In the order of the set (sorted by key). The array is replaced, never changed. */
  get endpoints(): readonly EndpointState[] {
    return this.roster.states;
  }

  /** Why the last `admit` or `pick` gave nothing. */
  get refusal(): BackendRefusal {
    return this.lastRefusal;
  }

  /** Requests between `requestStarted` and `requestEnded`. */
  get activeRequests(): number {
    return this.limit.inUse;
  }

  /** What the last pick compared. */
  get lastDraw(): Readonly<PickCursor> {
    return this.cursor;
  }

  /** How its endpoints stand, and its breaker and budget: at most 100 ms old, so that many may ask. */
  tally(nowMs: number): BackendTally {
    const { counted } = this;
    const { length } = this.roster.states;
    if (counted !== null && nowMs - counted.atMs < TALLY_MS && counted.endpoints === length) return counted;
    this.counted = tallyOf(this.sources, nowMs);
    return this.counted;
  }

  /** Takes over a changed policy and set; of the endpoints see `EndpointRoster`. */
  update(backend: Backend, endpoints: EndpointSet | undefined): void {
    if (backend === this.policy && endpoints === this.roster.source) return;
    this.apply(backend, endpoints, this.clock.nowMs());
  }

  /** Asked once per request, before anything else: the code to refuse it with, or undefined. */
  admit(): TerminationCode | undefined {
    if (!this.limit.full) return undefined;
    this.lastRefusal = 'request-limit';
    return 'request-limit';
  }

  /**
   * The endpoint for the next try; undefined when there is none, and `refusal` says why. `tried`: the endpoints this
   * request was sent to before; null or empty for its first try. `mayProbe`: false when this request could not be retried
   * elsewhere; then another one is preferred for a probe.
   */
  pick(nowMs: number, tried: TriedEndpoints | null, mayProbe = true): EndpointState | undefined {
    const { judge } = this;
    if (nowMs >= judge.sweepDueMs) judge.sweep(nowMs);
    const again = tried !== null && tried.length > 0;
    if (!this.gate.admits(nowMs, again)) {
      this.lastRefusal = 'circuit-open';
      return undefined;
    }
    if (nowMs >= judge.watch.nextDueMs && !again) {
      const due = judge.watch.pick(nowMs, mayProbe);
      if (due !== undefined) return due;
    }
    const picked = this.picker.pick(nowMs, this.random, tried);
    if (typeof picked !== 'string') return picked;
    this.lastRefusal = picked === 'all-full' ? 'pending-limit' : 'no-endpoint';
    return undefined;
  }

  /** A try goes to `endpoint`. */
  tryStarted(endpoint: EndpointState, nowMs: number): void {
    endpoint.inFlight += 1;
    endpoint.tries += 1;
    this.judge.started(endpoint, nowMs);
  }

  /**
   * The final response head of a try (no 1xx but 101), `latencyMs` after `tryStarted`. `grpcStatus`: of a Trailers-Only
   * response, else -1. `refused`: the code in the head's `weft-refused`, when the peer is a mesh endpoint, else ''.
   * `connectMs`: what of the latency was spent on a new connection; it says nothing about the next request.
   * True when the head shows that the endpoint works.
   */
  tryHead(
    endpoint: EndpointState,
    nowMs: number,
    latencyMs: number,
    status: number,
    grpcStatus: number = NO_GRPC_STATUS,
    refused: TerminationCode | '' = '',
    connectMs = 0,
  ): boolean {
    if (endpoint.removed) return false;
    return this.judge.head(endpoint, nowMs, latencyMs, status, grpcStatus, refused, connectMs);
  }

  /**
   * The end of a try, exactly once for each `tryStarted`, whatever `tryHead` said. `latencyMs`: since `tryStarted`. `status`: of the
   * response head, 0 when none was read; a code whose row says `after-head` implies one. `grpcStatus`: of trailers that
   * followed a head (a Trailers-Only response was judged by `tryHead`). `headWorked`: what `tryHead` returned; the rest of a response
   * whose head said failure says nothing more.
   */
  tryEnded(
    endpoint: EndpointState,
    nowMs: number,
    code: TerminationCode,
    latencyMs = 0,
    status = 0,
    grpcStatus: number = NO_GRPC_STATUS,
    headWorked = true,
  ): void {
    assert(endpoint.inFlight > 0, 'a try was ended more often than it was started');
    endpoint.inFlight -= 1;
    if (endpoint.removed) return;
    if (status === 0 && terminations[code].moment !== 'after-head')
      this.judge.endedBeforeHead(endpoint, nowMs, code, latencyMs);
    else if (headWorked) this.judge.endedAfterHead(endpoint, nowMs, code, latencyMs, grpcStatus);
  }

  /** A request that `admit` let in. */
  requestStarted(nowMs: number): void {
    this.limit.acquire();
    this.budget.offered(nowMs);
  }

  /** Exactly once for each `requestStarted`: what the caller got, after all tries. */
  requestEnded(nowMs: number, outcome: RequestOutcome): void {
    this.limit.release();
    if (outcome.attempts > 0) this.gate.record(nowMs, outcome.failed, outcome.latencyMs);
  }

  /** Whether the budget has room for one more retry by a rule's policy. */
  canRetry(nowMs: number, budget: RetryBudgetPolicy): boolean {
    return this.budget.allows(nowMs, budget);
  }

  /** A retry is on its way. */
  retrySpent(nowMs: number): void {
    this.budget.spent(nowMs);
  }

  /** The result of one active health check. Checks are dialled by the proxy, by `policy.healthCheck`. */
  healthChecked(endpoint: EndpointState, nowMs: number, passed: boolean): void {
    const policy = this.policy.healthCheck;
    if (policy === null || endpoint.removed || !recordHealthCheck(endpoint, policy, passed)) return;
    if (passed) endpoint.startedMs = nowMs;
    this.compile();
    this.judge.watch.refresh();
    this.announce(passed ? 'healthy' : 'unhealthy', endpoint.key, nowMs, nowMs);
  }

  /** What there is to know, for admin, metrics and explanations. Allocates. */
  snapshot(nowMs: number): BackendSnapshot {
    return snapshotOf(this.sources, nowMs);
  }

  /** `JudgeOwner`. */
  onStanding(endpoint: EndpointState, change: EjectionChange, nowMs: number): void {
    if (change !== 'ejected' && change !== 'restored') {
      this.count();
      return;
    }
    this.compile();
    this.announce(change, endpoint.key, nowMs, change === 'ejected' ? endpoint.probeDueMs : nowMs);
  }

  private get sources(): ReportSources {
    const { policy, picker, limit, budget, panic } = this;
    return { policy, endpoints: this.roster.states, picker, breaker: this.gate.breaker, limit, budget, panic };
  }

  private apply(backend: Backend, endpoints: EndpointSet | undefined, nowMs: number): void {
    const { roster } = this;
    this.policy = backend;
    if (endpoints !== roster.source || roster.states.length === 0) {
      roster.replace(endpoints, backend.loadBalancer.initialLatencyMs, nowMs);
    }
    if (backend.healthCheck === null) for (const state of roster.states) state.unhealthy = false;
    this.limit.update(Math.ceil(backend.maxRequests / this.workers));
    this.judge.update(backend, roster.states, nowMs);
    this.gate.update(backend.circuitBreaker, nowMs);
    this.compile();
  }

  /** After an endpoint was taken out of use or brought back. */
  private compile(): void {
    this.count();
    this.picker = compilePicker(this.roster.states, this.policy.loadBalancer, this.zone, this.panic, this.cursor);
  }

  /** Follows from the standing of the endpoints: panic, and whether the breaker has a say. */
  private count(): void {
    const { loadBalancer, outlierDetection, healthCheck } = this.policy;
    const { states } = this.roster;
    const total = states.length;
    let usable = 0;
    let healthy = 0;
    for (const state of states) {
      if (state.ejected || state.unhealthy) continue;
      usable += 1;
      if (!state.spared) healthy += 1;
    }
    this.panic = usable * 100 < loadBalancer.panicBelowPercent * total;
    // With nothing that tells the healthy from the sick, the breaker is all there is.
    const blind = outlierDetection === null && healthCheck === null;
    this.gate.consulted = total > 0 && (blind || healthy === 0 || this.panic);
  }

  private announce(type: BackendTransition['type'], endpoint: string, atMs: number, untilMs: number): void {
    this.onTransition?.({ type, backend: this.key, endpoint, atMs, untilMs });
  }
}

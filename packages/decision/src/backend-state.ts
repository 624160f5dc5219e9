import {
  EndpointState,
  type PickCursor,
  type Picker,
  type TriedEndpoints,
  compilePicker,
  countSample,
  fadedLatencyMs,
  newPickCursor,
  observeFailure,
  observeLatency,
  restartLatency,
} from '@weft/balance';
import { type Clock, type Random, assert } from '@weft/kernel';
import type { Backend, DestinationKey, EndpointSet, RetryBudgetPolicy } from '@weft/model';
import { type TerminationCode, terminations } from '@weft/outcome';
import {
  type BreakerState,
  CircuitBreaker,
  ConcurrencyLimit,
  Ejection,
  type EjectionChange,
  NO_GRPC_STATUS,
  RetryBudget,
  isEndpointFailure,
  judgeHead,
  recordHealthCheck,
} from '@weft/resilience';

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

export interface EndpointSnapshot {
  readonly key: string;
  readonly address: string;
  readonly port: number;
  readonly zone: string;
  readonly weight: number;
  readonly state: 'healthy' | 'ejected' | 'probing' | 'slow-start' | 'unhealthy';
  /** End of the ejection or of slow start; 0 when neither. On the clock of `nowMs`. */
  readonly untilMs: number;
  /** What the balancer compares: lower is better. */
  readonly score: number;
  readonly latencyMs: number;
  readonly inFlight: number;
  readonly tries: number;
  readonly failures: number;
  readonly consecutiveErrors: number;
  readonly ejections: number;
}

export interface BackendSnapshot {
  readonly key: DestinationKey;
  readonly breaker: {
    readonly state: 'off' | 'closed' | 'open' | 'half-open';
    readonly untilMs: number;
    readonly requests: number;
    readonly failures: number;
  };
  readonly budget: { readonly requests: number; readonly retries: number };
  readonly activeRequests: number;
  /** True while so few endpoints are healthy that all are used. */
  readonly panic: boolean;
  readonly endpoints: readonly EndpointSnapshot[];
}

/** `BackendSnapshot` in figures only. */
export interface BackendTally {
  readonly atMs: number;
  readonly endpoints: number;
  readonly ejected: number;
  readonly unhealthy: number;
  readonly slowStart: number;
  readonly panic: boolean;
  /** When the first ejected endpoint is tried again; `Infinity` when none is ejected. */
  readonly ejectedUntilMs: number;
  readonly breaker: 'off' | BreakerState;
  readonly budgetRequests: number;
  readonly budgetRetries: number;
}

const TALLY_MS = 100;

/**
 * Due probes wait so long for a request that could be retried elsewhere (`mayProbe`), then take any: where there is
 * nothing but POST, an endpoint must come back too.
 */
const PATIENCE_MS = 1_000;

/**
 * Everything that this process knows and decides about one destination backend: balancing, ejection, breaker, limits and
 * budget, joined. One object for the life of the backend's key; a changed configuration is taken over by `update`.
 *
 *   admit -> requestStarted -> pick -> tryStarted -> tryHead? -> tryEnded  (again from pick, if retried) -> requestEnded
 *
 * `tryStarted` follows its `pick` in the same turn. All times are of the environment's monotonic clock. None of the
 * calls of a request allocates, unless an endpoint or the breaker changes its state.
 */
export class BackendState {
  readonly key: DestinationKey;
  policy: Backend;
  /** Called after each change of state, in the call that brought it about. Must not call back into this object. */
  onTransition: ((event: BackendTransition) => void) | undefined;
  private states: readonly EndpointState[];
  private readonly byKey: Map<string, EndpointState>;
  private source: EndpointSet | undefined;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly zone: string;
  private readonly workers: number;
  private readonly cursor: PickCursor;
  private counted: BackendTally | null;
  private picker: Picker;
  private readonly ejection: Ejection;
  private breaker: CircuitBreaker | null;
  private readonly limit: ConcurrencyLimit;
  private readonly budget: RetryBudget;
  private lastRefusal: BackendRefusal;
  /** Whether the breaker has a say at the moment. */
  private consulted: boolean;
  private panic: boolean;
  /** The endpoints that are ejected or suspected: few, where a scan of all would be felt with thousands. */
  private watched: EndpointState[];
  /** When the next probe of one of them is due, or earlier. */
  private nextProbeMs: number;

  /** `endpoints` is undefined while they are not known: then there is none. */
  constructor(backend: Backend, endpoints: EndpointSet | undefined, environment: BackendEnvironment) {
    const nowMs = environment.clock.nowMs();
    this.key = backend.name;
    this.policy = backend;
    this.onTransition = undefined;
    this.states = [];
    this.byKey = new Map();
    this.source = undefined;
    this.clock = environment.clock;
    this.random = environment.random;
    this.zone = environment.zone;
    this.workers = environment.workers ?? 1;
    this.cursor = newPickCursor();
    this.counted = null;
    this.picker = compilePicker([], backend.loadBalancer, this.zone, false, this.cursor);
    this.ejection = new Ejection(backend.outlierDetection, this.random);
    this.breaker = null;
    this.limit = new ConcurrencyLimit(0);
    this.budget = new RetryBudget(this.workers);
    this.lastRefusal = 'no-endpoint';
    this.consulted = false;
    this.panic = false;
    this.watched = [];
    this.nextProbeMs = Number.POSITIVE_INFINITY;
    this.apply(backend, endpoints, nowMs);
  }

  /** In the order of the set (sorted by key). The array is replaced, never changed. */
  get endpoints(): readonly EndpointState[] {
    return this.states;
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
    if (counted !== null && nowMs - counted.atMs < TALLY_MS && counted.endpoints === this.states.length) return counted;
    const { slowStartMs } = this.policy.loadBalancer;
    let ejected = 0;
    let unhealthy = 0;
    let slowStart = 0;
    let ejectedUntilMs = Number.POSITIVE_INFINITY;
    for (const state of this.states) {
      if (state.unhealthy) unhealthy += 1;
      else if (state.ejected) {
        ejected += 1;
        ejectedUntilMs = Math.min(ejectedUntilMs, state.probeDueMs);
      } else if (slowStartMs > 0 && state.startedMs + slowStartMs > nowMs) slowStart += 1;
    }
    this.counted = {
      atMs: nowMs,
      endpoints: this.states.length,
      ejected,
      unhealthy,
      slowStart,
      panic: this.panic,
      ejectedUntilMs,
      breaker: this.breaker?.state ?? 'off',
      budgetRequests: this.budget.requests(nowMs),
      budgetRetries: this.budget.retries(nowMs),
    };
    return this.counted;
  }

  /**
   * Takes over a changed policy and set. What is known of an endpoint stays with its key; an endpoint whose key is gone is
   * marked `removed` and lives on for its exchanges; one whose key comes back is a new one.
   */
  update(backend: Backend, endpoints: EndpointSet | undefined): void {
    if (backend === this.policy && endpoints === this.source) return;
    this.apply(backend, endpoints, this.clock.nowMs());
  }

  /** Asked once per request, before anything else: the code to refuse it with, or undefined. */
  admit(_nowMs: number): TerminationCode | undefined {
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
    if (nowMs >= this.ejection.sweepDueMs) this.sweep(nowMs);
    const again = tried !== null && tried.length > 0;
    if (this.breaker !== null && !this.breakerAdmits(this.breaker, nowMs, again)) {
      this.lastRefusal = 'circuit-open';
      return undefined;
    }
    if (nowMs >= this.nextProbeMs && !again) {
      const due = this.pickDue(nowMs, mayProbe);
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
    if (nowMs >= endpoint.probeDueMs && this.ejection.started(endpoint, nowMs)) this.findNextProbe();
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
    let verdict = judgeHead(status, grpcStatus, refused);
    // What a service calls too slow is a failure of the endpoint too: nothing else would tell the breaker that none is healthy.
    if ((verdict === 'success' || verdict === 'alive') && this.isTooSlow(latencyMs)) verdict = 'failure';
    if (verdict === 'success' || verdict === 'alive') {
      this.worked(endpoint, nowMs, latencyMs, verdict === 'success', connectMs);
    } else if (verdict === 'failure') {
      this.failed(endpoint, nowMs, latencyMs);
    } else {
      if (verdict === 'overloaded') this.penalise(endpoint, nowMs, latencyMs);
      countSample(endpoint);
      this.abandoned(endpoint, nowMs, latencyMs);
    }
    return verdict === 'success' || verdict === 'alive';
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
      this.endedBeforeHead(endpoint, nowMs, code, latencyMs);
    else if (headWorked) this.endedAfterHead(endpoint, nowMs, code, latencyMs, grpcStatus);
  }

  /** A request that `admit` let in. */
  requestStarted(nowMs: number): void {
    this.limit.acquire();
    this.budget.offered(nowMs);
  }

  /** Exactly once for each `requestStarted`: what the caller got, after all tries. */
  requestEnded(nowMs: number, outcome: RequestOutcome): void {
    this.limit.release();
    if (this.breaker === null || outcome.attempts === 0) return;
    const before = this.breaker.state;
    this.breaker.record(nowMs, outcome.failed, outcome.latencyMs);
    this.announceBreaker(this.breaker, before, nowMs);
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
    this.findNextProbe();
    this.announce(passed ? 'healthy' : 'unhealthy', endpoint.key, nowMs, nowMs);
  }

  /** What there is to know, for admin, metrics and explanations. Allocates. */
  snapshot(nowMs: number): BackendSnapshot {
    const { breaker } = this;
    return {
      key: this.key,
      breaker: {
        state: breaker?.state ?? 'off',
        untilMs: breaker?.untilMs ?? 0,
        requests: breaker?.requests(nowMs) ?? 0,
        failures: breaker?.failures(nowMs) ?? 0,
      },
      budget: { requests: this.budget.requests(nowMs), retries: this.budget.retries(nowMs) },
      activeRequests: this.limit.inUse,
      panic: this.panic,
      endpoints: this.states.map((state) => this.describe(state, nowMs)),
    };
  }

  private apply(backend: Backend, endpoints: EndpointSet | undefined, nowMs: number): void {
    this.policy = backend;
    if (endpoints !== this.source || this.states.length === 0) this.replaceEndpoints(endpoints, nowMs);
    if (backend.healthCheck === null) for (const state of this.states) state.unhealthy = false;
    this.limit.update(Math.ceil(backend.maxRequests / this.workers));
    this.ejection.update(backend.outlierDetection, this.states, nowMs);
    if (backend.circuitBreaker === null) this.breaker = null;
    else if (this.breaker === null) this.breaker = new CircuitBreaker(backend.circuitBreaker);
    else this.breaker.update(backend.circuitBreaker, nowMs);
    this.compile();
    this.watched = this.states.filter(isWatched);
    this.findNextProbe();
  }

  private replaceEndpoints(endpoints: EndpointSet | undefined, nowMs: number): void {
    // The first instances ever seen take everything at once: there is nobody else to take it meanwhile.
    const startedMs = this.states.length === 0 ? Number.NEGATIVE_INFINITY : nowMs;
    const initialLatencyMs = this.policy.loadBalancer.initialLatencyMs;
    const next: EndpointState[] = [];
    for (const state of this.states) state.removed = true;
    for (const endpoint of endpoints?.endpoints ?? []) {
      let state = this.byKey.get(endpoint.key);
      if (state === undefined) {
        state = new EndpointState(endpoint, initialLatencyMs, nowMs, startedMs);
        this.byKey.set(endpoint.key, state);
      }
      state.endpoint = endpoint;
      state.removed = false;
      next.push(state);
    }
    for (const state of this.states) if (state.removed) this.byKey.delete(state.key);
    this.states = next;
    this.source = endpoints;
  }

  /** After an endpoint was taken out of use or brought back. */
  private compile(): void {
    this.count();
    this.picker = compilePicker(this.states, this.policy.loadBalancer, this.zone, this.panic, this.cursor);
  }

  /** Follows from the standing of the endpoints: panic, and whether the breaker has a say. */
  private count(): void {
    const { loadBalancer, outlierDetection, healthCheck } = this.policy;
    const total = this.states.length;
    let usable = 0;
    let healthy = 0;
    for (const state of this.states) {
      if (state.ejected || state.unhealthy) continue;
      usable += 1;
      if (!state.spared) healthy += 1;
    }
    this.panic = usable * 100 < loadBalancer.panicBelowPercent * total;
    // With nothing that tells the healthy from the sick, the breaker is all there is.
    const blind = outlierDetection === null && healthCheck === null;
    this.consulted = total > 0 && (blind || healthy === 0 || this.panic);
  }

  private breakerAdmits(breaker: CircuitBreaker, nowMs: number, again: boolean): boolean {
    const before = breaker.state;
    let admitted = true;
    if (this.consulted) admitted = breaker.admits(nowMs, again);
    else if (before !== 'closed') breaker.recovered();
    this.announceBreaker(breaker, before, nowMs);
    return admitted;
  }

  private isTooSlow(latencyMs: number): boolean {
    const slowerThanMs = this.policy.circuitBreaker?.slowerThanMs ?? 0;
    return slowerThanMs > 0 && latencyMs > slowerThanMs;
  }

  private worked(
    endpoint: EndpointState,
    nowMs: number,
    latencyMs: number,
    measures: boolean,
    connectMs: number,
  ): void {
    const wasSpared = endpoint.spared;
    const change = this.ejection.succeeded(endpoint, nowMs, startOf(nowMs, latencyMs));
    if (change === 'restored' || change === 'acquitted') {
      restartLatency(endpoint, nowMs, measures ? latencyMs - connectMs : this.policy.loadBalancer.initialLatencyMs);
    } else if (measures) {
      observeLatency(endpoint, nowMs, latencyMs - connectMs, this.policy.loadBalancer.decayMs);
    } else countSample(endpoint);
    if (change !== 'none') this.changed(endpoint, change, wasSpared, nowMs);
  }

  private failed(endpoint: EndpointState, nowMs: number, latencyMs: number): void {
    endpoint.failures += 1;
    this.penalise(endpoint, nowMs, latencyMs);
    const wasWatched = isWatched(endpoint);
    const change = this.ejection.failed(endpoint, nowMs, startOf(nowMs, latencyMs), this.states.length);
    if (!wasWatched && isWatched(endpoint)) this.watched.push(endpoint);
    if (change !== 'none') this.changed(endpoint, change, false, nowMs);
  }

  private abandoned(endpoint: EndpointState, nowMs: number, latencyMs: number): void {
    this.ejection.abandoned(endpoint, nowMs, startOf(nowMs, latencyMs));
    if (endpoint.probeDueMs < this.nextProbeMs) this.nextProbeMs = endpoint.probeDueMs;
  }

  private penalise(endpoint: EndpointState, nowMs: number, latencyMs: number): void {
    observeFailure(endpoint, nowMs, latencyMs, this.policy.loadBalancer.decayMs);
  }

  private endedBeforeHead(endpoint: EndpointState, nowMs: number, code: TerminationCode, latencyMs: number): void {
    if (isEndpointFailure(code)) {
      this.failed(endpoint, nowMs, latencyMs);
      return;
    }
    const { decayMs } = this.policy.loadBalancer;
    if (code === 'stream-refused') {
      this.penalise(endpoint, nowMs, latencyMs);
    } else if (code === 'downstream-reset' && latencyMs > fadedLatencyMs(endpoint, nowMs, decayMs)) {
      // A caller that gave up has shown that the head takes at least this long.
      observeLatency(endpoint, nowMs, latencyMs, decayMs);
    }
    this.abandoned(endpoint, nowMs, latencyMs);
  }

  private endedAfterHead(
    endpoint: EndpointState,
    nowMs: number,
    code: TerminationCode,
    latencyMs: number,
    grpcStatus: number,
  ): void {
    const wasSpared = endpoint.spared;
    const wasWatched = isWatched(endpoint);
    let change: EjectionChange = 'none';
    if (code === 'completed' && judgeHead(200, grpcStatus, '') === 'success') {
      change = this.ejection.completed(endpoint);
    } else if (code === 'completed' || code === 'upstream-cut' || code === 'malformed-response-body') {
      endpoint.failures += 1;
      change = this.ejection.cut(endpoint, nowMs, startOf(nowMs, latencyMs), this.states.length);
      if (!wasWatched && isWatched(endpoint)) this.watched.push(endpoint);
    }
    if (change !== 'none') this.changed(endpoint, change, wasSpared, nowMs);
  }

  private changed(endpoint: EndpointState, change: EjectionChange, wasSpared: boolean, nowMs: number): void {
    if (change === 'suspected') {
      if (endpoint.probeDueMs < this.nextProbeMs) this.nextProbeMs = endpoint.probeDueMs;
      return;
    }
    if (change === 'restored') endpoint.startedMs = nowMs;
    if (change === 'ejected' || change === 'restored') this.compile();
    else if (change === 'spared' || wasSpared) this.count();
    this.findNextProbe();
    if (change === 'ejected') this.announce('ejected', endpoint.key, nowMs, endpoint.probeDueMs);
    else if (change === 'restored') this.announce('restored', endpoint.key, nowMs, nowMs);
  }

  private sweep(nowMs: number): void {
    this.ejection.sweep(this.states, nowMs, (endpoint, change) => {
      if (change === 'ejected' && !this.watched.includes(endpoint)) this.watched.push(endpoint);
      if (change !== 'none') this.changed(endpoint, change, false, nowMs);
    });
  }

  /** Asked only when a probe is due. */
  private pickDue(nowMs: number, mayProbe: boolean): EndpointState | undefined {
    for (const state of this.watched) {
      if (state.probeDueMs > nowMs || !this.wantsProbe(state) || state.full) continue;
      if (mayProbe || nowMs >= state.probeDueMs + PATIENCE_MS) return state;
    }
    return undefined;
  }

  /** Also lets go of endpoints that are in order again. */
  private findNextProbe(): void {
    const { watched } = this;
    let nextMs = Number.POSITIVE_INFINITY;
    let kept = 0;
    for (const state of watched) {
      if (!isWatched(state)) continue;
      watched[kept] = state;
      kept += 1;
      if (state.probeDueMs < nextMs && this.wantsProbe(state)) nextMs = state.probeDueMs;
    }
    watched.length = kept;
    this.nextProbeMs = nextMs;
  }

  /** Only peak EWMA avoids what failed once; the other algorithms ask a suspect again by themselves. */
  private wantsProbe(state: EndpointState): boolean {
    return !state.unhealthy && (state.ejected || this.policy.loadBalancer.type === 'PeakEwma');
  }

  private announceBreaker(breaker: CircuitBreaker, before: BreakerState, nowMs: number): void {
    const after = breaker.state;
    if (after === before) return;
    if (after === 'open') this.announce('opened', '', nowMs, breaker.untilMs);
    else this.announce(after, '', nowMs, nowMs);
  }

  private announce(type: BackendTransition['type'], endpoint: string, atMs: number, untilMs: number): void {
    this.onTransition?.({ type, backend: this.key, endpoint, atMs, untilMs });
  }

  private describe(state: EndpointState, nowMs: number): EndpointSnapshot {
    const { decayMs, slowStartMs } = this.policy.loadBalancer;
    const slowUntilMs = state.startedMs + slowStartMs;
    let standing: EndpointSnapshot['state'] = 'healthy';
    let untilMs = 0;
    if (state.unhealthy) standing = 'unhealthy';
    else if (state.ejected && (state.probeStartedMs < nowMs || state.probeDueMs <= nowMs)) standing = 'probing';
    else if (state.ejected) {
      standing = 'ejected';
      untilMs = state.probeDueMs;
    } else if (slowUntilMs > nowMs) {
      standing = 'slow-start';
      untilMs = slowUntilMs;
    }
    return {
      key: state.key,
      address: state.endpoint.address,
      port: state.endpoint.port,
      zone: state.endpoint.zone,
      weight: state.endpoint.weight,
      state: standing,
      untilMs,
      score: this.picker.score(state, nowMs),
      latencyMs: fadedLatencyMs(state, nowMs, decayMs),
      inFlight: state.inFlight,
      tries: state.tries,
      failures: state.failures,
      consecutiveErrors: state.consecutiveErrors,
      ejections: state.ejections,
    };
  }
}

/** A healthy endpoint, and a spared one, which is in use anyway, are due for no probe. */
function isWatched(state: EndpointState): boolean {
  return state.probeDueMs !== Number.POSITIVE_INFINITY;
}

/** When a try began. The thousandth makes up for rounding: a probe must not seem to be older than itself. */
function startOf(nowMs: number, latencyMs: number): number {
  return nowMs - latencyMs + 0.001;
}

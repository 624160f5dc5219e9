/**
 * A caller with one backend on fake time, for tests: requests arrive at random, go through the very calls the proxy makes,
 * are retried by `planRetry`, and end as the scenario says. Equal seeds give equal runs.
 */
import { TriedEndpoints } from '@weft/balance';
import { type Clock, type Random, seededRandom } from '@weft/kernel';
import type { Backend, Endpoint, EndpointSet, RetryPolicy } from '@weft/model';
import { type TerminationCode, terminations } from '@weft/outcome';
import { planRetry } from '@weft/resilience';
import { BackendState, type BackendTransition } from './backend-state.ts';

/** What becomes of one try: a response head with `status` after `latencyMs`, or, with status 0, the ending `code`. */
export interface TryEnding {
  readonly latencyMs: number;
  readonly status: number;
  readonly code: TerminationCode;
}

export interface Scenario {
  readonly seed: number;
  readonly backend: Backend;
  readonly endpoints: EndpointSet;
  readonly ratePerSecond: number;
  readonly retries: RetryPolicy;
  readonly method?: string;
  readonly zone?: string;
  readonly behave: (key: string, nowMs: number, random: Random) => TryEnding;
}

interface Request {
  readonly startedMs: number;
  readonly tried: TriedEndpoints;
  tries: number;
}

type Happening = { readonly atMs: number; readonly run: () => void };

/** api.md's built-in defaults. */
export const defaultBackend: Backend = {
  type: 'backend',
  name: 'shop/orders:80',
  protocol: 'Http1',
  loadBalancer: {
    type: 'PeakEwma',
    decayMs: 10_000,
    initialLatencyMs: 30,
    slowStartMs: 0,
    slowStartMinimumPercent: 10,
    locality: 'Off',
    panicBelowPercent: 50,
  },
  connections: {
    maxPerEndpoint: 0,
    maxPending: 0,
    idleTimeoutMs: 60_000,
    maxLifetimeMs: 0,
    maxRequestsPerConnection: 0,
    sendsProxyProtocol: false,
    keepsFieldNameCase: false,
  },
  circuitBreaker: {
    failurePercent: 50,
    minimumRequests: 20,
    windowMs: 10_000,
    openForMs: 5_000,
    maxOpenForMs: 60_000,
    probes: 3,
    slowerThanMs: 0,
  },
  maxRequests: 0,
  outlierDetection: {
    consecutiveErrors: 5,
    successRate: null,
    baseEjectionMs: 10_000,
    maxEjectionMs: 300_000,
    maxEjectedPercent: 50,
  },
  healthCheck: null,
};

export const defaultRetries: RetryPolicy = {
  attempts: 2,
  on: ['NeverSent', 'ResetBeforeHeaders', 'GatewayError'],
  statuses: [],
  grpcStatuses: [],
  anyMethod: false,
  backoffBaseMs: 25,
  backoffMaxMs: 250,
  bodyLimitBytes: 65_536,
  budget: { percent: 20, minimumPerSecond: 1, windowMs: 10_000 },
};

/** Endpoints `a`, `b`, `c`...; `change` sets what differs. */
export function endpointSet(
  count: number,
  change: (index: number) => Partial<Endpoint> = () => ({}),
  backend: Backend = defaultBackend,
): EndpointSet {
  const endpoints: Endpoint[] = [];
  for (let index = 0; index < count; index += 1) {
    endpoints.push({
      key: String.fromCharCode(97 + index),
      address: `10.0.0.${index + 1}`,
      port: 8080,
      applicationPort: 8080,
      identity: '',
      mesh: false,
      zone: '',
      weight: 1,
      ...change(index),
    });
  }
  return { type: 'endpoints', name: backend.name, endpoints };
}

/** An answer as a small service gives it: 2 ms at the least, 5 ms on average, with an exponential tail. */
export function answer(random: Random, status = 200, extraMs = 0): TryEnding {
  return { latencyMs: extraMs + 2 - 3 * Math.log(1 - random()), status, code: 'completed' };
}

/** Runs `test` with the seeds 1 to `count`; a failure names its seed. */
export function forEachSeed(count: number, test: (seed: number) => void): void {
  for (let seed = 1; seed <= count; seed += 1) {
    try {
      test(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}

export class Simulation {
  readonly state: BackendState;
  readonly transitions: BackendTransition[];
  nowMs: number;
  offered: number;
  succeeded: number;
  failed: number;
  /** Requests that this caller's own side refused without a try. */
  refused: number;
  attempts: number;
  readonly attemptsByKey: Map<string, number>;
  private readonly scenario: Scenario;
  private readonly random: Random;
  private readonly heap: Happening[];

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.random = seededRandom(scenario.seed);
    this.nowMs = 1_000;
    this.heap = [];
    this.offered = 0;
    this.succeeded = 0;
    this.failed = 0;
    this.refused = 0;
    this.attempts = 0;
    this.attemptsByKey = new Map();
    this.transitions = [];
    const clock: Clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    this.state = new BackendState(scenario.backend, scenario.endpoints, {
      clock,
      random: this.random,
      zone: scenario.zone ?? '',
    });
    this.state.onTransition = (event) => this.transitions.push(event);
    this.at(this.nowMs, () => this.arrive());
  }

  runFor(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    for (let next = this.heap[0]; next !== undefined && next.atMs <= untilMs; next = this.heap[0]) {
      this.removeFirst();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  /** Counting starts anew; what is in flight counts where it ends. */
  resetCounts(): void {
    this.offered = 0;
    this.succeeded = 0;
    this.failed = 0;
    this.refused = 0;
    this.attempts = 0;
    this.attemptsByKey.clear();
  }

  /** The share of all tries that went to one endpoint. */
  share(key: string): number {
    return (this.attemptsByKey.get(key) ?? 0) / this.attempts;
  }

  private arrive(): void {
    const gapMs = (-Math.log(1 - this.random()) * 1_000) / this.scenario.ratePerSecond;
    this.at(this.nowMs + gapMs, () => this.arrive());
    this.offered += 1;
    if (this.state.admit() !== undefined) {
      this.refused += 1;
      return;
    }
    this.state.requestStarted(this.nowMs);
    this.try({ startedMs: this.nowMs, tried: new TriedEndpoints(), tries: 0 });
  }

  private try(request: Request): void {
    const endpoint = this.state.pick(this.nowMs, request.tried);
    if (endpoint === undefined) {
      this.finish(request, true);
      return;
    }
    const startedMs = this.nowMs;
    request.tries += 1;
    this.attempts += 1;
    this.attemptsByKey.set(endpoint.key, (this.attemptsByKey.get(endpoint.key) ?? 0) + 1);
    request.tried.add(endpoint);
    this.state.tryStarted(endpoint, startedMs);
    const ending = this.scenario.behave(endpoint.key, startedMs, this.random);
    this.at(startedMs + ending.latencyMs, () => {
      const latencyMs = this.nowMs - startedMs;
      if (ending.status > 0) this.state.tryHead(endpoint, this.nowMs, latencyMs, ending.status);
      this.state.tryEnded(endpoint, this.nowMs, ending.code, latencyMs, ending.status);
      this.judge(request, ending);
    });
  }

  private judge(request: Request, ending: TryEnding): void {
    const failed = ending.status === 0 ? terminations[ending.code].fault === 'server' : ending.status >= 502;
    if (!failed) {
      this.finish(request, false);
      return;
    }
    const plan = planRetry(
      this.scenario.retries,
      {
        code: ending.status === 0 ? ending.code : '',
        status: ending.status,
        grpcStatus: -1,
        refusedByPeer: false,
        method: this.scenario.method ?? 'GET',
        idempotencyKey: false,
        bodyAtHand: true,
        tries: request.tries,
        budgetAllows: this.state.canRetry(this.nowMs, this.scenario.retries.budget),
        remainingMs: Number.POSITIVE_INFINITY,
        retryAfter: '',
        pushback: '',
        wallMs: this.nowMs,
      },
      this.random,
    );
    if (!plan.retry) {
      this.finish(request, true);
      return;
    }
    this.state.retrySpent(this.nowMs);
    this.at(this.nowMs + plan.afterMs, () => this.try(request));
  }

  private finish(request: Request, failed: boolean): void {
    if (failed && request.tries === 0) this.refused += 1;
    else if (failed) this.failed += 1;
    else this.succeeded += 1;
    this.state.requestEnded(this.nowMs, {
      failed,
      latencyMs: this.nowMs - request.startedMs,
      attempts: request.tries,
    });
  }

  /** A binary heap by time. */
  private at(atMs: number, run: () => void): void {
    const { heap } = this;
    const added: Happening = { atMs, run };
    let index = heap.push(added) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (heap[above]!.atMs <= atMs) break;
      heap[index] = heap[above]!;
      index = above;
    }
    heap[index] = added;
  }

  private removeFirst(): void {
    const { heap } = this;
    const moved = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.atMs < heap[below]!.atMs) below += 1;
      if (heap[below]!.atMs >= moved.atMs) break;
      heap[index] = heap[below]!;
      index = below;
    }
    heap[index] = moved;
  }
}

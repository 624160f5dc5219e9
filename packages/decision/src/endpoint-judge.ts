import type { EndpointState } from '@weft/balance';
import { countSample, fadedLatencyMs, observeFailure, observeLatency, restartLatency } from '@weft/balance';
import type { Random } from '@weft/kernel';
import type { Backend } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import { Ejection, type EjectionChange, isEndpointFailure, judgeHead } from '@weft/resilience';
import { ProbeWatch, isWatched } from './probe-watch.ts';

/** Hears of an endpoint that was taken out of use or brought back (`ejected`, `restored`), or that counts as healthy no longer or again. */
export interface JudgeOwner {
  onStanding(endpoint: EndpointState, change: EjectionChange, nowMs: number): void;
}

/**
 * What the tries of a backend say about its endpoints: each is told to the average of latencies and to the failure machine, and
 * what comes of it to the owner. None of the calls allocates, unless an endpoint changes its standing.
 */
export class EndpointJudge {
  readonly watch: ProbeWatch;
  private policy: Backend;
  private endpoints: readonly EndpointState[];
  private readonly ejection: Ejection;
  private readonly owner: JudgeOwner;

  constructor(policy: Backend, random: Random, owner: JudgeOwner) {
    this.watch = new ProbeWatch();
    this.policy = policy;
    this.endpoints = [];
    this.ejection = new Ejection(policy.outlierDetection, random);
    this.owner = owner;
  }

  /** When `sweep` is to be called next; `Infinity` when never. */
  get sweepDueMs(): number {
    return this.ejection.sweepDueMs;
  }

  /** Takes over a changed policy or set. */
  update(policy: Backend, endpoints: readonly EndpointState[], nowMs: number): void {
    this.policy = policy;
    this.endpoints = endpoints;
    this.ejection.update(policy.outlierDetection, endpoints, nowMs);
    // The other algorithms ask a suspect again by themselves.
    this.watch.reset(endpoints, policy.loadBalancer.type === 'PeakEwma');
  }

  /** Compares success rates. */
  sweep(nowMs: number): void {
    this.ejection.sweep(this.endpoints, nowMs, (endpoint, change) => {
      if (change === 'ejected') this.watch.add(endpoint);
      if (change !== 'none') this.changed(endpoint, change, false, nowMs);
    });
  }

  /** A try goes to `endpoint`. */
  started(endpoint: EndpointState, nowMs: number): void {
    if (nowMs >= endpoint.probeDueMs && this.ejection.started(endpoint, nowMs)) this.watch.refresh();
  }

  /** `BackendState.tryHead`, of an endpoint that is not removed. */
  head(
    endpoint: EndpointState,
    nowMs: number,
    latencyMs: number,
    status: number,
    grpcStatus: number,
    refused: TerminationCode | '',
    connectMs: number,
  ): boolean {
    let verdict = judgeHead(status, grpcStatus, refused);
    // What a service calls too slow is a failure of the endpoint too: nothing else would tell the breaker that none is healthy.
    if ((verdict === 'success' || verdict === 'alive') && this.isTooSlow(latencyMs)) verdict = 'failure';
    if (verdict === 'success' || verdict === 'alive') {
      this.worked(endpoint, nowMs, latencyMs, verdict === 'success', connectMs);
      return true;
    }
    if (verdict === 'failure') {
      this.failed(endpoint, nowMs, latencyMs);
      return false;
    }
    if (verdict === 'overloaded') this.penalise(endpoint, nowMs, latencyMs);
    countSample(endpoint);
    this.abandoned(endpoint, nowMs, latencyMs);
    return false;
  }

  /** A try ended without a response head. */
  endedBeforeHead(endpoint: EndpointState, nowMs: number, code: TerminationCode, latencyMs: number): void {
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

  /** A try ended whose head had shown that the endpoint works. `grpcStatus`: of its trailers. */
  endedAfterHead(
    endpoint: EndpointState,
    nowMs: number,
    code: TerminationCode,
    latencyMs: number,
    grpcStatus: number,
  ): void {
    const wasSpared = endpoint.spared;
    let change: EjectionChange = 'none';
    if (code === 'completed' && judgeHead(200, grpcStatus, '') === 'success') {
      change = this.ejection.completed(endpoint);
    } else if (code === 'completed' || code === 'upstream-cut' || code === 'malformed-response-body') {
      const wasWatched = isWatched(endpoint);
      endpoint.failures += 1;
      change = this.ejection.cut(endpoint, nowMs, startOf(nowMs, latencyMs), this.endpoints.length);
      if (!wasWatched && isWatched(endpoint)) this.watch.add(endpoint);
    }
    if (change !== 'none') this.changed(endpoint, change, wasSpared, nowMs);
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
    const change = this.ejection.failed(endpoint, nowMs, startOf(nowMs, latencyMs), this.endpoints.length);
    if (!wasWatched && isWatched(endpoint)) this.watch.add(endpoint);
    if (change !== 'none') this.changed(endpoint, change, false, nowMs);
  }

  private abandoned(endpoint: EndpointState, nowMs: number, latencyMs: number): void {
    this.ejection.abandoned(endpoint, nowMs, startOf(nowMs, latencyMs));
    this.watch.sooner(endpoint);
  }

  private penalise(endpoint: EndpointState, nowMs: number, latencyMs: number): void {
    observeFailure(endpoint, nowMs, latencyMs, this.policy.loadBalancer.decayMs);
  }

  private changed(endpoint: EndpointState, change: EjectionChange, wasSpared: boolean, nowMs: number): void {
    if (change === 'suspected') {
      this.watch.sooner(endpoint);
      return;
    }
    if (change === 'restored') endpoint.startedMs = nowMs;
    this.watch.refresh();
    if (change !== 'acquitted' || wasSpared) this.owner.onStanding(endpoint, change, nowMs);
  }
}

/** When a try began. The thousandth makes up for rounding: a probe must not seem to be older than itself. */
function startOf(nowMs: number, latencyMs: number): number {
  return nowMs - latencyMs + 0.001;
}

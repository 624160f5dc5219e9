import type { Endpoint } from '@weft/model';

/** Numbers of endpoints that are gone, to be given out again. */
const freeSlots: number[] = [];
let nextSlot = 0;

/**
 * What this process knows of one endpoint: one object for as long as the endpoint's key is in its set, and then until
 * the last exchange that uses it has ended. Every field is set at birth; the fields are written by the machines named
 * beside them and read by everybody.
 */
export class EndpointState {
  readonly key: string;
  /**
   * A small number that no other living endpoint of this process has, so that what belongs to an endpoint elsewhere (a
   * connection pool) can stand in an array. Given back by `releaseSlot`.
   */
  readonly slot: number;
  /** As last configured; address, weight and zone may change under the same key. */
  endpoint: Endpoint;
  /** True once the key has left the set: nothing new is sent, exchanges in flight go on. */
  removed: boolean;
  /** Set and cleared by whoever owns the connections: no connection is free, and no more requests may wait for one. */
  full: boolean;
  /** Tries in flight. */
  inFlight: number;
  /** Tries started and tries counted as failures, since birth. */
  tries: number;
  failures: number;

  // Peak EWMA (`peak-ewma.ts`).
  /** The average as it stood at `sampledAtMs`. */
  latencyMs: number;
  sampledAtMs: number;
  /** Tries that came to an end, counted up to `WARM_SAMPLES`: below it the endpoint is owed requests. */
  samples: number;

  /** Slow start counts from here (`slow-start.ts`); `-Infinity` when none is due. */
  startedMs: number;

  // Ejection (`@weft/resilience`, `ejection.ts`, which explains them).
  ejected: boolean;
  spared: boolean;
  consecutiveErrors: number;
  consecutiveCuts: number;
  forgivenErrors: number;
  ejections: number;
  restoredMs: number;
  probeDueMs: number;
  probeStartedMs: number;
  windowSuccesses: number;
  windowFailures: number;

  // Active health checks (`@weft/resilience`, `health-check.ts`).
  unhealthy: boolean;
  healthStreak: number;

  /** `initialLatencyMs`: what it is thought to cost before anything was measured. `startedMs`: see the field. */
  constructor(endpoint: Endpoint, initialLatencyMs: number, nowMs: number, startedMs: number) {
    this.key = endpoint.key;
    this.slot = freeSlots.pop() ?? nextSlot++;
    this.endpoint = endpoint;
    this.removed = false;
    this.full = false;
    this.inFlight = 0;
    this.tries = 0;
    this.failures = 0;
    this.latencyMs = initialLatencyMs;
    this.sampledAtMs = nowMs;
    this.samples = 0;
    this.startedMs = startedMs;
    this.ejected = false;
    this.spared = false;
    this.consecutiveErrors = 0;
    this.consecutiveCuts = 0;
    this.forgivenErrors = 0;
    this.ejections = 0;
    this.restoredMs = Number.NEGATIVE_INFINITY;
    this.probeDueMs = Number.POSITIVE_INFINITY;
    this.probeStartedMs = Number.POSITIVE_INFINITY;
    this.windowSuccesses = 0;
    this.windowFailures = 0;
    this.unhealthy = false;
    this.healthStreak = 0;
  }
}

/**
 * Gives the number of a removed endpoint back, once nothing stands under it any more (its connections are closed).
 * To be called at most once for an endpoint; when it never is, numbers are only never used again.
 */
export function releaseSlot(state: EndpointState): void {
  freeSlots.push(state.slot);
}

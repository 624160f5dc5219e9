import type { EndpointState } from './endpoint-state.ts';

/*
 * Peak EWMA (Twitter Finagle, `PeakEwma.scala`; Linkerd 2 `tower::load::PeakEwma`): what an endpoint is thought to cost
 * jumps up to a slow sample at once, comes down as an exponentially weighted average, and fades while nothing is sent,
 * so that an endpoint that was avoided is asked again in time.
 */

/** A failure costs at least this: one that fails in 0.3 ms draws two thirds of the traffic of three otherwise. */
export const FAILURE_LATENCY_MS = 1_000;

/** What the latency is thought to be now: the average, faded by the time since its last sample. */
export function fadedLatencyMs(state: EndpointState, nowMs: number, decayMs: number): number {
  const ageMs = nowMs - state.sampledAtMs;
  return ageMs > 0 ? state.latencyMs * Math.exp(-ageMs / decayMs) : state.latencyMs;
}

/**
 * An endpoint is owed so many good answers, one at a time, before it is compared by what they took. The first ones of a
 * process just started open connections and run cold code; taken for the peak, 15 ms beside 1 ms would keep it out of
 * traffic for half a minute.
 */
export const WARM_SAMPLES = 5;

/** Feeds the time to a response head, in milliseconds. */
export function observeLatency(state: EndpointState, nowMs: number, sampleMs: number, decayMs: number): void {
  const ageMs = nowMs - state.sampledAtMs;
  const kept = ageMs > 0 ? Math.exp(-ageMs / decayMs) : 1;
  const fadedMs = state.latencyMs * kept;
  const warming = state.samples < WARM_SAMPLES;
  // While it warms up each sample replaces the one before; later ones replace the average only upwards.
  state.latencyMs = warming || sampleMs >= fadedMs ? sampleMs : fadedMs + sampleMs * (1 - kept);
  state.sampledAtMs = nowMs;
  countSample(state);
}

/** A try has come to an end that says something about the endpoint, if not how long it takes. */
export function countSample(state: EndpointState): void {
  if (state.samples < WARM_SAMPLES) state.samples += 1;
}

/** A counted failure after `latencyMs`. */
export function observeFailure(state: EndpointState, nowMs: number, latencyMs: number, decayMs: number): void {
  observeLatency(state, nowMs, Math.max(latencyMs, FAILURE_LATENCY_MS), decayMs);
  // What fails is owed nothing.
  state.samples = WARM_SAMPLES;
}

/** Forgets what was learned while the endpoint failed: one good answer is the only fact about how it is now. */
export function restartLatency(state: EndpointState, nowMs: number, latencyMs: number): void {
  state.latencyMs = latencyMs;
  state.sampledAtMs = nowMs;
  state.samples = 1;
}

/**
 * What one more request would wait for. `relativeWeight` is the endpoint's weight over the mean weight of its set, so
 * that with equal weights this is latency x (in flight + 1).
 */
export function peakEwmaCost(state: EndpointState, nowMs: number, decayMs: number, relativeWeight: number): number {
  // Warming up and idle: it is owed a request. Else it would wait until its guess has faded below what the others show,
  // which takes half a minute for 30 ms beside 1 ms.
  if (state.samples < WARM_SAMPLES && state.inFlight === 0) return 0;
  return fadedLatencyMs(state, nowMs, decayMs) * (state.inFlight / relativeWeight + 1);
}

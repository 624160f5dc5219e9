import type { Random } from '@weft/kernel';
import type { EndpointState } from './endpoint-state.ts';

/** The part of its share that an endpoint may take: from the minimum to 1, in a straight line over the window. */
export function slowStartShare(
  state: EndpointState,
  nowMs: number,
  slowStartMs: number,
  slowStartMinimumPercent: number,
): number {
  const ageMs = nowMs - state.startedMs;
  if (ageMs >= slowStartMs) return 1;
  return Math.max(ageMs / slowStartMs, slowStartMinimumPercent / 100);
}

/** Draws whether an endpoint takes a request that fell to it. */
export function passesSlowStart(
  state: EndpointState,
  nowMs: number,
  slowStartMs: number,
  slowStartMinimumPercent: number,
  random: Random,
): boolean {
  const share = slowStartShare(state, nowMs, slowStartMs, slowStartMinimumPercent);
  return share >= 1 || random() < share;
}

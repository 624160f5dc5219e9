import type { Random } from '@weft/kernel';
import type { EndpointState } from './endpoint-state.ts';
import type { TriedEndpoints } from './tried-endpoints.ts';
import { WeightedDraw } from './weighted-draw.ts';

/** Draws after which an endpoint that is free and untried is looked for one by one. */
export const DRAWS = 4;

/** Endpoints among which one draw chooses. */
export class CandidateSet {
  readonly states: readonly EndpointState[];
  readonly draw: WeightedDraw;

  constructor(states: readonly EndpointState[]) {
    this.states = states;
    this.draw = new WeightedDraw(states.map((state) => state.endpoint.weight));
  }

  /** Weight over the mean of the set, also for an endpoint outside of it; 1 for a weight of 0. */
  relativeWeight(state: EndpointState): number {
    return state.endpoint.weight === 0 ? 1 : state.endpoint.weight / this.draw.meanWeight;
  }
}

/** Index of a free candidate other than `other`, or -1. */
export function drawCandidate(
  set: CandidateSet,
  random: Random,
  avoided: TriedEndpoints | null,
  other: number,
): number {
  const size = set.states.length;
  for (let draws = 0; draws < DRAWS; draws += 1) {
    const index = set.draw.equal ? drawOther(size, random, other) : set.draw.draw(random());
    if (index === other) continue;
    if (isFree(set.states[index]!, avoided)) return index;
  }
  return scanForFree(set, Math.trunc(random() * size), avoided, other);
}

/** Index of the first free candidate from `from` on, round the set, other than `other`; -1 when there is none. */
export function scanForFree(set: CandidateSet, from: number, avoided: TriedEndpoints | null, other: number): number {
  const size = set.states.length;
  for (let step = 0; step < size; step += 1) {
    const index = (from + step) % size;
    if (index !== other && isFree(set.states[index]!, avoided)) return index;
  }
  return -1;
}

/** It has room, and was not tried before. */
export function isFree(state: EndpointState, avoided: TriedEndpoints | null): boolean {
  return !state.full && (avoided === null || !avoided.has(state));
}

/** Uniform over the indexes but `other`, in one draw: it is left out by counting past it. `other` when it is alone. */
function drawOther(size: number, random: Random, other: number): number {
  if (other < 0) return Math.trunc(random() * size);
  if (size === 1) return other;
  const index = Math.trunc(random() * (size - 1));
  return index >= other ? index + 1 : index;
}

import type { Random } from '@weft/kernel';
import type { LoadBalancerPolicy } from '@weft/model';
import { CandidateSet, DRAWS, drawCandidate, isFree, scanForFree } from './candidate-set.ts';
import type { EndpointState } from './endpoint-state.ts';
import { peakEwmaCost } from './peak-ewma.ts';
import { passesSlowStart } from './slow-start.ts';
import type { TriedEndpoints } from './tried-endpoints.ts';
import { splitByZone } from './zone-preference.ts';

/** Why there is nothing to pick: no endpoint in reach, none in use, or none that could take another request. */
export type PickRefusal = 'empty' | 'all-ejected' | 'all-full';

/** Where a round robin stands. It outlives the pickers, so that a changed set doesn't start again at the first. */
export interface PickCursor {
  position: number;
  /** Of the last draw, for explanations: what was compared, and with whom. Below 0 and null where nothing was. */
  score: number;
  rival: EndpointState | null;
  rivalScore: number;
}

export function newPickCursor(): PickCursor {
  // A fraction from the start: these two are doubles for life.
  return { position: 0, score: -0.5, rival: null, rivalScore: -0.5 };
}

/** The fractional part of multiples of the golden ratio: each new point falls into the widest gap left by the others. */
const GOLDEN = 0.6180339887498949;

/**
 * Latencies that differ by less than both are taken for equal. Between endpoints that are alike, tenths of a millisecond
 * of noise would otherwise decide for seconds at a time: of three, one draws two thirds and one nothing.
 */
const NOISE_MS = 1;
const CLEAR_SHARE = 0.8;

/**
 * With unequal weights the second candidate must be this much better than the first, which was drawn by weight. A plain
 * comparison of two distinct candidates would wash the weights out: of two endpoints, 4 : 1, both are always compared, and
 * noise in their latencies would split the traffic nearly in halves. Simulated for 50 to 4,000 requests/s with exponential
 * latencies, an endpoint that is owed 20 % gets 21 to 26 % at a third, 22 to 29 % at a half; a quarter keeps weights
 * better still, but sends an endpoint that became five times slower two thirds of what it had.
 */
const UNEQUAL_ADVANTAGE = 1 / 3;

/**
 * A compiled, immutable choice among the usable endpoints of a set. Compiled anew whenever the set, the policy or the
 * standing of an endpoint changes; a pick itself reads only the endpoints' own numbers.
 */
export class Picker {
  private readonly type: LoadBalancerPolicy['type'];
  private readonly decayMs: number;
  private readonly slowStartMs: number;
  private readonly slowStartMinimumPercent: number;
  private readonly near: CandidateSet;
  private readonly far: CandidateSet;
  private readonly nearShare: number;
  private readonly refusal: PickRefusal;
  private readonly cursor: PickCursor;

  constructor(
    policy: LoadBalancerPolicy,
    near: CandidateSet,
    far: CandidateSet,
    nearShare: number,
    refusal: PickRefusal,
    cursor: PickCursor,
  ) {
    this.type = policy.type;
    this.decayMs = policy.decayMs;
    this.slowStartMs = policy.slowStartMs;
    this.slowStartMinimumPercent = policy.slowStartMinimumPercent;
    this.near = near;
    this.far = far;
    this.nearShare = nearShare;
    this.refusal = refusal;
    this.cursor = cursor;
  }

  /**
   * The endpoint for one try. Those in `tried` are passed over unless nothing else can take it; full ones always are.
   * Allocates nothing.
   */
  pick(nowMs: number, random: Random, tried: TriedEndpoints | null): EndpointState | PickRefusal {
    const avoided = tried !== null && tried.length > 0 ? tried : null;
    this.cursor.score = -0.5;
    this.cursor.rival = null;
    if (this.near.states.length === 0) return this.refusal;
    const far = this.nearShare < 1 && random() >= this.nearShare;
    const first = far ? this.far : this.near;
    let picked = this.pickFrom(first, nowMs, random, avoided);
    if (picked === undefined) {
      const second = far ? this.near : this.far;
      picked = this.pickFrom(second, nowMs, random, avoided);
      if (picked === undefined && avoided !== null) {
        picked = this.pickFrom(first, nowMs, random, null) ?? this.pickFrom(second, nowMs, random, null);
      }
    }
    return picked ?? 'all-full';
  }

  /** What the algorithm compares; lower is better. For explanations: 1 for those that compare nothing. */
  score(state: EndpointState, nowMs: number): number {
    return this.compares ? this.cost(state, nowMs, this.near.relativeWeight(state)) : 1;
  }

  private get compares(): boolean {
    return this.type === 'PeakEwma' || this.type === 'LeastRequest';
  }

  private pickFrom(
    set: CandidateSet,
    nowMs: number,
    random: Random,
    avoided: TriedEndpoints | null,
  ): EndpointState | undefined {
    if (set.states.length === 0) return undefined;
    return this.compares ? this.pickOfTwo(set, nowMs, random, avoided) : this.pickNext(set, nowMs, random, avoided);
  }

  /** Power of two choices: two distinct candidates drawn by weight, the cheaper one taken. */
  private pickOfTwo(
    set: CandidateSet,
    nowMs: number,
    random: Random,
    avoided: TriedEndpoints | null,
  ): EndpointState | undefined {
    const first = drawCandidate(set, random, avoided, -1);
    if (first < 0) return undefined;
    const second = drawCandidate(set, random, avoided, first);
    if (second < 0) return set.states[first];
    const a = set.states[first]!;
    const b = set.states[second]!;
    const costA = this.cost(a, nowMs, set.draw.relativeWeights[first]!);
    const costB = this.cost(b, nowMs, set.draw.relativeWeights[second]!);
    const bIsBetter = set.draw.equal ? this.isClearlyLess(costB, costA) : costB < costA * UNEQUAL_ADVANTAGE;
    const best = bIsBetter ? b : a;
    const taken = this.slowStartMs === 0 || this.passes(best, nowMs, random) ? best : bIsBetter ? a : b;
    const { cursor } = this;
    cursor.score = taken === a ? costA : costB;
    cursor.rival = taken === a ? b : a;
    cursor.rivalScore = taken === a ? costB : costA;
    return taken;
  }

  /** Round robin and random: one candidate, without a comparison. */
  private pickNext(
    set: CandidateSet,
    nowMs: number,
    random: Random,
    avoided: TriedEndpoints | null,
  ): EndpointState | undefined {
    let passedOver: EndpointState | undefined;
    for (let draws = 0; draws < DRAWS; draws += 1) {
      const state = set.states[this.type === 'Random' ? set.draw.draw(random()) : this.advance(set)]!;
      if (!isFree(state, avoided)) continue;
      if (this.slowStartMs === 0 || this.passes(state, nowMs, random)) return state;
      passedOver = state;
    }
    if (passedOver !== undefined) return passedOver;
    const index = scanForFree(set, Math.trunc(random() * set.states.length), avoided, -1);
    return index < 0 ? undefined : set.states[index];
  }

  private advance(set: CandidateSet): number {
    const position = this.cursor.position;
    this.cursor.position = position + 1;
    return set.draw.equal ? position % set.states.length : set.draw.draw((position * GOLDEN) % 1);
  }

  /** The first candidate is the draw's own choice; only a difference that means something overrules it. */
  private isClearlyLess(cost: number, than: number): boolean {
    if (this.type !== 'PeakEwma') return cost < than;
    return cost < than - NOISE_MS && cost < than * CLEAR_SHARE;
  }

  private cost(state: EndpointState, nowMs: number, relativeWeight: number): number {
    if (this.type === 'PeakEwma') return peakEwmaCost(state, nowMs, this.decayMs, relativeWeight);
    return state.inFlight / relativeWeight + 1;
  }

  private passes(state: EndpointState, nowMs: number, random: Random): boolean {
    return passesSlowStart(state, nowMs, this.slowStartMs, this.slowStartMinimumPercent, random);
  }
}

/**
 * Compiles the endpoints of a set for a caller in `zone`. In `panic` all are used, whatever is known of them. `states` must
 * not be changed in place afterwards; `cursor` is shared by the pickers of one set.
 */
export function compilePicker(
  states: readonly EndpointState[],
  policy: LoadBalancerPolicy,
  zone: string,
  panic: boolean,
  cursor: PickCursor,
): Picker {
  const usable = panic ? () => true : (state: EndpointState) => !state.ejected && !state.unhealthy;
  // An endpoint of weight 0 draws nothing beside others that have a weight, not even as the last one left.
  const weighted = states.filter((state) => state.endpoint.weight > 0);
  const split = splitByZone(weighted.length > 0 ? weighted : states, usable, policy.locality, zone);
  const inReach =
    policy.locality === 'Strict' && zone !== ''
      ? states.some((state) => state.endpoint.zone === zone)
      : states.length > 0;
  return new Picker(
    policy,
    new CandidateSet(split.near),
    new CandidateSet(split.far),
    split.nearShare,
    inReach ? 'all-ejected' : 'empty',
    cursor,
  );
}

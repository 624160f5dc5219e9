import type { LoadBalancerPolicy } from '@weft/model';
import type { EndpointState } from './endpoint-state.ts';

/** Which endpoints a caller in one zone uses. */
export interface ZoneSplit {
  /** Those of the caller's zone, or all when zones don't matter. */
  readonly near: readonly EndpointState[];
  /** The others: for the rest of the requests, and for those that near can't take (full, or tried before). */
  readonly far: readonly EndpointState[];
  /** The share of the requests that stays near, 0 to 1. */
  readonly nearShare: number;
}

/**
 * A zone may lose this part of its capacity before traffic leaves it: the local zone keeps all requests while
 * 1.4 x (usable weight) reaches its whole weight, that is while 72 % of it is usable. 1.4 is Envoy's
 * `overprovisioning_factor`: what capacity planning usually leaves free.
 */
const OVERPROVISIONING = 1.4;

/**
 * Splits the endpoints of a set for a caller in `zone`.
 *
 * `Off`: zones don't matter. `Strict`: only the caller's zone, even when that leaves none. `Prefer`: the share
 * min(1, 1.4 x usable local weight / local weight) stays in the zone; the rest goes to the others, as does what the zone
 * can't take, and everything when the zone has no usable endpoint. A caller that doesn't know its zone, or whose zone
 * has no endpoint, uses all.
 *
 * `usable` says which endpoints are neither ejected nor unhealthy (all of them in panic). How much traffic a zone *should*
 * carry can't be known here: a zone with one endpoint and many callers is kept local, as
 * `trafficDistribution: PreferClose` says.
 */
export function splitByZone(
  states: readonly EndpointState[],
  usable: (state: EndpointState) => boolean,
  locality: LoadBalancerPolicy['locality'],
  zone: string,
): ZoneSplit {
  if (locality === 'Off' || zone === '') return { near: states.filter(usable), far: [], nearShare: 1 };
  const near: EndpointState[] = [];
  const far: EndpointState[] = [];
  let localWeight = 0;
  let usableWeight = 0;
  for (const state of states) {
    const local = state.endpoint.zone === zone;
    if (local) localWeight += state.endpoint.weight;
    if (!usable(state)) continue;
    if (local) usableWeight += state.endpoint.weight;
    (local ? near : far).push(state);
  }
  if (locality === 'Strict') return { near, far: [], nearShare: 1 };
  if (near.length === 0) return { near: far, far: [], nearShare: 1 };
  // Weights that are all 0 count the same, as everywhere; then the zone is judged by being usable at all.
  const share = localWeight === 0 ? 1 : Math.min(1, (OVERPROVISIONING * usableWeight) / localWeight);
  return { near, far, nearShare: share };
}

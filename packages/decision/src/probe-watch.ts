import type { EndpointState } from '@weft/balance';

/**
 * Due probes wait so long for a request that could be retried elsewhere (`mayProbe`), then take any: where there is
 * nothing but POST, an endpoint must come back too.
 */
const PATIENCE_MS = 1_000;

/** The endpoints that are ejected or suspected, and due for a probe: few, where a scan of all would be felt with thousands. */
export class ProbeWatch {
  /** When the next probe of one of them is due, or earlier; `Infinity` when there is none. */
  nextDueMs: number;
  private watched: EndpointState[];
  private probesSuspects: boolean;

  constructor() {
    this.nextDueMs = Number.POSITIVE_INFINITY;
    this.watched = [];
    this.probesSuspects = false;
  }

  /** Begins anew with all the endpoints there are. `probesSuspects`: the balancer avoids what failed once, and would not ask again. */
  reset(endpoints: readonly EndpointState[], probesSuspects: boolean): void {
    this.watched = endpoints.filter(isWatched);
    this.probesSuspects = probesSuspects;
    this.refresh();
  }

  /** One that was not watched before. The next date is not looked up: `refresh` or `sooner` follows. */
  add(endpoint: EndpointState): void {
    if (!this.watched.includes(endpoint)) this.watched.push(endpoint);
  }

  /** The date of one that is watched has come nearer. */
  sooner(endpoint: EndpointState): void {
    if (endpoint.probeDueMs < this.nextDueMs) this.nextDueMs = endpoint.probeDueMs;
  }

  /** Looks the next date up, and lets go of endpoints that are in order again. */
  refresh(): void {
    const { watched } = this;
    let nextMs = Number.POSITIVE_INFINITY;
    let kept = 0;
    for (const endpoint of watched) {
      if (!isWatched(endpoint)) continue;
      watched[kept] = endpoint;
      kept += 1;
      if (endpoint.probeDueMs < nextMs && this.wantsProbe(endpoint)) nextMs = endpoint.probeDueMs;
    }
    watched.length = kept;
    this.nextDueMs = nextMs;
  }

  /** The endpoint that a request goes to as a probe, if any. `mayProbe`: it could be retried elsewhere. Asked only when a probe is due. */
  pick(nowMs: number, mayProbe: boolean): EndpointState | undefined {
    for (const endpoint of this.watched) {
      if (endpoint.probeDueMs > nowMs || !this.wantsProbe(endpoint) || endpoint.full) continue;
      if (mayProbe || nowMs >= endpoint.probeDueMs + PATIENCE_MS) return endpoint;
    }
    return undefined;
  }

  private wantsProbe(endpoint: EndpointState): boolean {
    return !endpoint.unhealthy && (endpoint.ejected || this.probesSuspects);
  }
}

/** A healthy endpoint, and a spared one, which is in use anyway, are due for no probe. */
export function isWatched(endpoint: EndpointState): boolean {
  return endpoint.probeDueMs !== Number.POSITIVE_INFINITY;
}

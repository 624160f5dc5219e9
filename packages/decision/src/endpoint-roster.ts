import { EndpointState } from '@weft/balance';
import type { EndpointSet } from '@weft/model';

/**
 * The endpoints of a backend, in the order of the set (sorted by key). What is known of an endpoint stays with its key; an
 * endpoint whose key is gone is marked `removed` and lives on for its exchanges; one whose key comes back is a new one.
 */
export class EndpointRoster {
  /** The array is replaced, never changed. */
  states: readonly EndpointState[];
  /** The set that they are of; undefined when they are not known. */
  source: EndpointSet | undefined;
  private readonly byKey: Map<string, EndpointState>;

  constructor() {
    this.states = [];
    this.source = undefined;
    this.byKey = new Map();
  }

  /** `initialLatencyMs`: what an endpoint is thought to cost before anything was measured. */
  replace(endpoints: EndpointSet | undefined, initialLatencyMs: number, nowMs: number): void {
    // The first instances ever seen take everything at once: there is nobody else to take it meanwhile.
    const startedMs = this.states.length === 0 ? Number.NEGATIVE_INFINITY : nowMs;
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
}

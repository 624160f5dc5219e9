import type { EndpointState } from './endpoint-state.ts';

/** The endpoints that one request has been sent to. Made on the first retry, or kept with a pooled exchange. */
export class TriedEndpoints {
  private readonly states: EndpointState[];

  constructor() {
    this.states = [];
  }

  get length(): number {
    return this.states.length;
  }

  /** Adding the same endpoint twice is harmless. */
  add(state: EndpointState): void {
    if (!this.states.includes(state)) this.states.push(state);
  }

  /** Linear: a request has a handful of tries. */
  has(state: EndpointState): boolean {
    return this.states.includes(state);
  }

  /** Ready for another request. */
  clear(): void {
    this.states.length = 0;
  }
}

import type { LocalReply } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import type { RequestView, RouteEntry } from '@weft/routing';
import type { Origin } from './origin.ts';

/** What a step decides. Going on is one frozen value, so that a step that lets a request pass allocates nothing. */
export type Verdict =
  | { readonly kind: 'go-on' }
  | { readonly kind: 'reply'; readonly reply: LocalReply; readonly code: TerminationCode }
  | { readonly kind: 'refuse'; readonly code: TerminationCode; readonly detail: string };

export const GO_ON: Verdict = Object.freeze({ kind: 'go-on' });

/** What a step may know beside the request. */
export interface StepContext {
  /** The match that won. */
  readonly entry: RouteEntry;
  readonly origin: Origin;
}

/** One station of a request, compiled per route and run in order, before a backend is drawn. Synchronous. */
export interface Step {
  /** For the decision record and logs. */
  readonly name: string;
  run(view: RequestView, context: StepContext): Verdict;
}

import type { LocalReply } from '@weft/http';
import type { Random } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import type { MatchTable, RequestView, RouteEntry } from '@weft/routing';
import type { BackendState } from './backend-state.ts';
import type { CompiledBackend, CompiledRule } from './compiled-rule.ts';
import { AnnouncedRequest, isPreflight } from './cors.ts';
import type { Origin } from './origin.ts';
import type { Step, StepContext, Verdict } from './step.ts';

/** The compiled rules of one destination or listener. Immutable. */
export interface RouteTable {
  /** The key of the destination, or the name of the listener. */
  readonly name: string;
  readonly match: MatchTable;
  /** By index of the rule in the resource. */
  readonly rules: readonly CompiledRule[];
  readonly origin: Origin;
  /** A rule has a CORS filter: preflights are looked up by the method they ask about. */
  readonly cors: boolean;
}

/**
 * The decision on one request, to be used again for the next: `decide` writes every field. What is read depends on `kind`:
 * `forward` has rule, entry, choice and backend; `reply` has reply; both others have a code and a detail for the log.
 */
export class RouteDecision implements StepContext {
  kind: 'forward' | 'reply' | 'refuse' = 'refuse';
  /** Undefined only when no rule matched. */
  rule: CompiledRule | undefined = undefined;
  entry: RouteEntry = NO_ENTRY;
  origin: Origin = NO_ORIGIN;
  backend: BackendState | undefined = undefined;
  /** The drawn backend's index in the rule; -1 when none was drawn. */
  backendIndex = -1;
  choice: CompiledBackend | undefined = undefined;
  /** Why it is not forwarded; `completed` when it is. */
  code: TerminationCode = 'completed';
  detail = '';
  reply: LocalReply | undefined = undefined;
}

/**
 * Decides what becomes of a request: the rule that wins, its steps, the draw among its backends. Pure but for `random`.
 * Forwarding allocates nothing, but for the number that `random` gives where there is something to draw.
 *
 * The draw is by weight (Gateway API `HTTPBackendRef.weight`): a backend of weight 0 gets nothing, the share of one that
 * does not resolve is refused with `backend-not-found`, one that is not held with `no-config`.
 */
export function decide(routes: RouteTable, view: RequestView, random: Random, out: RouteDecision): void {
  out.backend = undefined;
  out.backendIndex = -1;
  out.choice = undefined;
  out.reply = undefined;
  out.detail = '';
  out.origin = routes.origin;
  const entry = routes.cors ? routes.match.find(lookupView(routes, view)) : routes.match.find(view);
  if (entry === undefined) {
    out.rule = undefined;
    out.entry = NO_ENTRY;
    refuse(out, 'no-route', '');
    return;
  }
  const rule = routes.rules[entry.rule]!;
  out.rule = rule;
  out.entry = entry;
  if (!passes(rule.steps, view, out)) return;
  const index = drawBackend(rule, random);
  if (index < 0) {
    refuse(out, 'backend-not-found', rule.backends.length === 0 ? 'the rule has no backend' : 'all weights are 0');
    return;
  }
  const choice = rule.backends[index]!;
  out.backendIndex = index;
  out.choice = choice;
  if (choice.steps.length > 0 && !passes(choice.steps, view, out)) return;
  if (choice.state === undefined) {
    if (choice.key === '') refuse(out, 'backend-not-found', 'the reference does not resolve');
    else refuse(out, 'no-config', choice.key);
    return;
  }
  out.backend = choice.state;
  out.kind = 'forward';
  out.code = 'completed';
}

/**
 * What a request is looked up by: itself, but for a preflight to a rule with a CORS filter the request that it announces,
 * since a rule that takes `PUT` only would never see the `OPTIONS` before it.
 */
export function lookupView(routes: RouteTable, view: RequestView): RequestView {
  if (!routes.cors || !isPreflight(view)) return view;
  const announced = new AnnouncedRequest(view);
  const entry = routes.match.find(announced);
  if (entry === undefined) return view;
  const rule = routes.rules[entry.rule]!;
  return rule.cors !== null || rule.backends.some(({ cors }) => cors !== null) ? announced : view;
}

/** Draws a backend of a rule by weight; -1 when nothing has weight. */
export function drawBackend(rule: CompiledRule, random: Random): number {
  const backends = rule.backends;
  if (rule.totalWeight <= 0) return -1;
  if (backends.length === 1) return 0;
  let left = random() * rule.totalWeight;
  let last = -1;
  for (let index = 0; index < backends.length; index += 1) {
    const weight = backends[index]!.weight;
    if (weight <= 0) continue;
    if (left < weight) return index;
    left -= weight;
    last = index;
  }
  // Rounding may leave a hair's breadth behind the last one.
  return last;
}

function passes(steps: readonly Step[], view: RequestView, out: RouteDecision): boolean {
  for (let index = 0; index < steps.length; index += 1) {
    const verdict: Verdict = steps[index]!.run(view, out);
    if (verdict.kind === 'go-on') continue;
    if (verdict.kind === 'refuse') refuse(out, verdict.code, verdict.detail);
    else {
      out.kind = 'reply';
      out.code = verdict.code;
      out.reply = verdict.reply;
    }
    return false;
  }
  return true;
}

function refuse(out: RouteDecision, code: TerminationCode, detail: string): void {
  out.kind = 'refuse';
  out.code = code;
  out.detail = detail;
}

const NO_ORIGIN: Origin = Object.freeze({ scheme: 'http', port: 0 });

/** Stands for no match, so that the field has one shape; its rule index is -1. */
const NO_ENTRY: RouteEntry = Object.freeze({
  rule: -1,
  match: -1,
  order: -1,
  host: '',
  hostRank: 0,
  pathKind: 0,
  path: '',
  pathPattern: null,
  pathRank: 0,
  grpc: false,
  method: '',
  conditions: Object.freeze([]),
  conditionRank: 0,
});

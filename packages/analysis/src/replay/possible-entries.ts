import type { RouteTable } from '@weft/decision';
import {
  type RequestView,
  type RouteEntry,
  type ValueCondition,
  compareEntries,
  conditionHolds,
  hostMatches,
  hostOf,
  pathMatches,
} from '@weft/routing';
import { ruleName } from '../rule-action.ts';

/** A request as a log has it: no headers, and maybe no query. Remembers whether a rule has asked for what is not there. */
export class LoggedView implements RequestView {
  method = '';
  path = '';
  authority = '';
  knowsQuery = true;
  /** The first thing that was asked for and is not known: `header x-version`. */
  missing = '';
  #query = '';

  take(method: string, target: string, authority: string): void {
    const mark = target.indexOf('?');
    this.method = method;
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.authority = authority;
    this.#query = mark < 0 ? '' : target.slice(mark + 1);
    this.knowsQuery = this.#query !== 'redacted';
    this.missing = '';
  }

  get query(): string {
    if (!this.knowsQuery && this.missing === '') this.missing = 'the query, which was redacted';
    return this.knowsQuery ? this.#query : '';
  }

  valueOf(lowerCaseName: string): string | undefined {
    if (this.missing === '') this.missing = `header ${lowerCaseName}`;
    return undefined;
  }
}

/** What is known of conditions that a log does not tell, from the rule that did win. */
export type KnownConditions = ReadonlyMap<string, boolean>;

export interface PossibleEntries {
  /** The best first. */
  readonly entries: RouteEntry[];
  /** The last one is certain to fit; if not, it may be that none does. */
  readonly certain: boolean;
}

/**
 * The entries that may win: each fits in host, path and method, and no condition of it is known to fail. What stands below
 * one that is certain to fit can't win.
 */
export function possibleEntries(routes: RouteTable, view: LoggedView, given: KnownConditions): PossibleEntries {
  const host = hostOf(view.authority);
  const possible: RouteEntry[] = [];
  for (const entry of routes.match.entries) {
    if (!hostMatches(entry.host, host) || !pathMatches(entry, view.path)) continue;
    if (entry.method !== '' && entry.method !== view.method) continue;
    if (entry.conditions.every((condition) => truthOf(condition, view, given) !== false)) possible.push(entry);
  }
  possible.sort(compareEntries);
  const certain = possible.findIndex(({ conditions }) =>
    conditions.every((condition) => truthOf(condition, view, given) === true),
  );
  return certain < 0
    ? { entries: possible, certain: false }
    : { entries: possible.slice(0, certain + 1), certain: true };
}

/**
 * What the rule that did win tells of the request: its conditions held, and of a better match with one condition in doubt
 * that one did not. Undefined when none of the possible entries is of that rule: the log is of another configuration.
 */
export function learn(
  routes: RouteTable,
  possible: readonly RouteEntry[],
  view: LoggedView,
  winner: string,
): KnownConditions | undefined {
  const own = possible.filter((entry) => ruleName(routes.rules[entry.rule]!) === winner);
  const first = own[0];
  if (first === undefined) return undefined;
  const known = new Map<string, boolean>();
  for (const condition of first.conditions) {
    const key = keyOf(condition);
    if (own.every(({ conditions }) => conditions.some((other) => keyOf(other) === key))) known.set(key, true);
  }
  for (const entry of possible) {
    if (entry === first) break;
    const doubtful = entry.conditions.filter((condition) => truthOf(condition, view, known) === undefined);
    if (doubtful.length === 1) known.set(keyOf(doubtful[0]!), false);
  }
  return known;
}

function truthOf(condition: ValueCondition, view: LoggedView, known: KnownConditions): boolean | undefined {
  if (condition.field === 'query' && view.knowsQuery) return conditionHolds(condition, view);
  return known.get(keyOf(condition));
}

function keyOf({ field, name, expected, pattern }: ValueCondition): string {
  return `${field} ${name} ${pattern === null ? '=' : '~'} ${expected}`;
}

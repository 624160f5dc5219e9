import type { CompiledRule, RouteTable } from '@weft/decision';
import type { RouteFilter, RouteRule } from '@weft/model';
import { PathKind, type RouteEntry } from '@weft/routing';

/** What a rule does with a request of one match, as texts that are equal if and only if the deeds are. */
export interface RuleAction {
  /** Where it goes: backends with their shares, redirect, what path and host they see. */
  readonly route: string;
  /** How it gets there: time-outs, retries, edits, mirrors, CORS. */
  readonly treatment: string;
  /** `HTTPRoute shop/orders rule canary`. */
  readonly rule: string;
  /** For people: `shop/orders:80 90 %, shop/orders-v2:80 10 %`. */
  readonly target: string;
  /** Null where no rule matches. */
  readonly source: RouteRule | null;
}

const known = new WeakMap<RouteEntry, RuleAction>();

/** The action of an entry of a table. Made once for each. */
export function actionOf(table: Pick<RouteTable, 'rules'>, entry: RouteEntry): RuleAction {
  let action = known.get(entry);
  if (action === undefined) known.set(entry, (action = makeAction(table.rules[entry.rule]!, entry)));
  return action;
}

export function ruleName({ route, rule }: { readonly route: string; readonly rule: string }): string {
  return `${route} rule ${rule}`;
}

function makeAction({ source }: Pick<CompiledRule, 'source'>, entry: RouteEntry): RuleAction {
  const { filters, timeouts, retries } = source;
  const total = source.backends.reduce((sum, { weight }) => sum + weight, 0);
  // Of one backend only the sum of its shares matters, and those without a share do nothing.
  const open = source.backends.filter(({ weight }) => weight > 0);
  const shares = open.map(({ backend, weight, filters: own }) => ({
    backend,
    share: weight / total,
    own: own.filter(isTurn).map((filter) => turnText(filter, entry)),
  }));
  const route = JSON.stringify([filters.filter(isTurn).map((filter) => turnText(filter, entry)), sorted(shares)]);
  const carried = sorted(
    open.map(({ backend, filters: own }) => ({ backend, own: own.filter((each) => !isTurn(each)) })),
  );
  const treatment = JSON.stringify([timeouts, retries, filters.filter((filter) => !isTurn(filter)), carried]);
  return { route, treatment, rule: ruleName(source), target: targetText(source, total), source };
}

/** Filters that decide where a request goes. */
function isTurn({ type }: RouteFilter): boolean {
  return type === 'RequestRedirect' || type === 'URLRewrite';
}

/** A replaced prefix is the one that was matched: the same filter turns different matches differently. */
function turnText(filter: RouteFilter, entry: RouteEntry): string {
  const path =
    filter.type === 'RequestRedirect'
      ? filter.redirect.path
      : filter.type === 'URLRewrite'
        ? filter.rewrite.path
        : null;
  const prefix = path?.type === 'ReplacePrefixMatch' && entry.pathKind === PathKind.Prefix ? entry.path : '';
  return JSON.stringify([filter, prefix]);
}

function sorted<T extends { readonly backend: string }>(list: readonly T[]): readonly T[] {
  return [...list].sort((a, b) => (a.backend < b.backend ? -1 : a.backend > b.backend ? 1 : 0));
}

function targetText({ backends, filters }: RouteRule, total: number): string {
  const redirect = filters.find((filter) => filter.type === 'RequestRedirect');
  if (redirect?.type === 'RequestRedirect') return `redirect ${redirect.redirect.statusCode}`;
  if (total === 0) return 'nothing (500)';
  const parts = backends
    .filter(({ weight }) => weight > 0)
    .map(({ backend, weight }) => {
      const share = (weight / total) * 100;
      return `${backend || 'unresolved'}${share === 100 ? '' : ` ${Number.isInteger(share) ? share : share.toFixed(1)} %`}`;
    });
  return parts.join(', ');
}

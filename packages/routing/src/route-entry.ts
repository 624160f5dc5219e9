import { type Result, fail, ok } from '@weft/kernel';
import type { GrpcMethodMatch, RouteMatch, RouteRule, ValueMatch } from '@weft/model';
import { compileGrpcPattern } from './grpc-pattern.ts';
import { hostRank } from './host-pattern.ts';
import { type LinearPattern, compilePattern } from './linear-pattern.ts';
import { firstQueryValue } from './query-value.ts';
import type { RequestView } from './request-view.ts';

/** Exact stands above RegularExpression, which stands above PathPrefix: see `compareEntries`. */
export const PathKind = { Prefix: 0, Pattern: 1, Exact: 2 } as const;
export type PathKind = (typeof PathKind)[keyof typeof PathKind];

/** A condition on one header or one query parameter. */
export interface ValueCondition {
  readonly field: 'header' | 'query';
  readonly name: string;
  /** The literal, or the source of the pattern. */
  readonly expected: string;
  readonly pattern: LinearPattern | null;
}

/** One match of one rule for one hostname: the unit that is looked up. Immutable. */
export interface RouteEntry {
  /** Index of the rule in the rules given. */
  readonly rule: number;
  /** Index of the match in its rule. */
  readonly match: number;
  /** Position among all matches of all rules: the last criterion. */
  readonly order: number;
  /** Lower case; empty is any host. */
  readonly host: string;
  readonly hostRank: number;
  readonly pathKind: PathKind;
  /** Path or pattern; a prefix is without its trailing slash, so `/` is the empty text. */
  readonly path: string;
  readonly pathPattern: LinearPattern | null;
  /** Among entries of one kind of path: its length; of a gRPC match the precedence of service and method. */
  readonly pathRank: number;
  /** The match names a gRPC service or method: `path` is its text. */
  readonly grpc: boolean;
  /** Empty: any. */
  readonly method: string;
  readonly conditions: readonly ValueCondition[];
  /** Method, then number of header conditions, then of query conditions, as one number. */
  readonly conditionRank: number;
}

/** A fault of one field of one rule. */
export interface RouteProblem {
  /** As in `RouteRule.route` and `.rule`. */
  readonly route: string;
  readonly rule: string;
  /** Path of the field below the rule: `matches[0].headers[2].value`. */
  readonly path: string;
  readonly message: string;
}

const SLASH = 0x2f;
const METHOD_WEIGHT = 1 << 20;
const HEADER_WEIGHT = 1 << 10;

/** The entries of one rule, or its problems. `order` is the position of its first match. */
export function compileEntries(rule: RouteRule, index: number, order: number): Result<RouteEntry[], RouteProblem[]> {
  const problems: RouteProblem[] = [];
  const entries: RouteEntry[] = [];
  const hosts = rule.hostnames.length === 0 ? [''] : rule.hostnames;
  const compile = (source: string, path: string): LinearPattern | null => {
    const compiled = compilePattern(source);
    if (compiled.ok) return compiled.value;
    problems.push({ route: rule.route, rule: rule.rule, path, message: compiled.error });
    return null;
  };
  for (const [position, match] of rule.matches.entries()) {
    const at = `matches[${position}]`;
    const place = match.grpc === null ? pathPlace(match, at, compile) : grpcPlace(match.grpc, rule, at, problems);
    const conditions = [
      ...compileConditions('header', match.headers, `${at}.headers`, compile),
      ...compileConditions('query', match.queries, `${at}.queryParams`, compile),
    ];
    for (const name of hosts) {
      const host = name === '*' ? '' : name.toLowerCase();
      entries.push(
        Object.freeze({
          rule: index,
          match: position,
          order: order + position,
          host,
          hostRank: hostRank(host),
          ...place,
          method: match.method,
          conditions,
          conditionRank: rankOf(match.method, conditions),
        }),
      );
    }
  }
  return problems.length === 0 ? ok(entries) : fail(problems);
}

/**
 * Which of two entries that both match wins: negative when `a` does. Gateway API `HTTPRouteSpec.hostnames` and
 * `HTTPRouteRule.matches`: the more specific hostname; an exact path; the longer path; a method; more headers; more query
 * parameters; the order given. gRPC matches: the more specific hostname; service, method, headers, the order given. The
 * standard leaves the place of regular expressions open: here a pattern stands below an exact path and above every prefix,
 * the longer source above the shorter, because a pattern beside a catch-all `/` is written to be reached.
 */
export function compareEntries(a: RouteEntry, b: RouteEntry): number {
  return (
    b.hostRank - a.hostRank ||
    b.pathKind - a.pathKind ||
    b.pathRank - a.pathRank ||
    b.conditionRank - a.conditionRank ||
    a.order - b.order
  );
}

/** Whether `/orders` covers a path by whole segments: `/orders`, `/orders/`, `/orders/7`, not `/orders7`. */
export function prefixCovers(prefix: string, path: string): boolean {
  // `OPTIONS *` (RFC 9110 §9.3.7) is taken by what takes every path.
  if (path === '*') return prefix === '';
  if (path.charCodeAt(0) !== SLASH || !path.startsWith(prefix)) return false;
  return path.length === prefix.length || path.charCodeAt(prefix.length) === SLASH;
}

/** Whether the path of a request is the one an entry asks for. */
export function pathMatches(entry: RouteEntry, path: string): boolean {
  switch (entry.pathKind) {
    case PathKind.Exact:
      return path === entry.path;
    case PathKind.Pattern:
      return entry.pathPattern !== null && entry.pathPattern.test(path);
    case PathKind.Prefix:
      return prefixCovers(entry.path, path);
  }
}

/** The value of a request that a condition is about. */
export function valueFor(condition: ValueCondition, view: RequestView): string | undefined {
  return condition.field === 'header' ? view.valueOf(condition.name) : firstQueryValue(view.query, condition.name);
}

/** Whether one condition holds: patterns cover the whole value. An absent value fulfils nothing. */
export function conditionHolds(condition: ValueCondition, view: RequestView): boolean {
  const value = valueFor(condition, view);
  if (value === undefined) return false;
  return condition.pattern === null ? value === condition.expected : condition.pattern.test(value);
}

/** Whether method and all conditions of an entry hold. */
export function conditionsHold(entry: RouteEntry, view: RequestView): boolean {
  if (entry.method !== '' && entry.method !== view.method) return false;
  const conditions = entry.conditions;
  for (let index = 0; index < conditions.length; index += 1) {
    if (!conditionHolds(conditions[index]!, view)) return false;
  }
  return true;
}

type PathPlace = Pick<RouteEntry, 'pathKind' | 'path' | 'pathPattern' | 'pathRank' | 'grpc'>;

function pathPlace(
  match: RouteMatch,
  at: string,
  compile: (source: string, path: string) => LinearPattern | null,
): PathPlace {
  const { type, value } = match.path;
  const path = type === 'PathPrefix' ? withoutTrailingSlash(value) : value;
  const pathPattern = type === 'RegularExpression' ? compile(value, `${at}.path.value`) : null;
  return { pathKind: pathKindOf(match), path, pathPattern, pathRank: path.length, grpc: false };
}

function grpcPlace(match: GrpcMethodMatch, rule: RouteRule, at: string, problems: RouteProblem[]): PathPlace {
  const compiled = compileGrpcPattern(match);
  if (!compiled.ok) {
    const { field, message } = compiled.error;
    problems.push({ route: rule.route, rule: rule.rule, path: `${at}.method.${field}`, message });
    return { pathKind: PathKind.Pattern, path: '', pathPattern: null, pathRank: 0, grpc: true };
  }
  const { exact, text, pattern, rank } = compiled.value;
  const pathKind = exact ? PathKind.Exact : PathKind.Pattern;
  return { pathKind, path: text, pathPattern: pattern, pathRank: rank, grpc: true };
}

function pathKindOf(match: RouteMatch): PathKind {
  switch (match.path.type) {
    case 'Exact':
      return PathKind.Exact;
    case 'RegularExpression':
      return PathKind.Pattern;
    case 'PathPrefix':
      return PathKind.Prefix;
  }
}

function withoutTrailingSlash(prefix: string): string {
  let end = prefix.length;
  while (end > 0 && prefix.charCodeAt(end - 1) === SLASH) end -= 1;
  return prefix.slice(0, end);
}

/** Of entries with an equivalent name only the first counts (Gateway API `HTTPHeaderMatch.name`, `HTTPQueryParamMatch.name`). */
function compileConditions(
  field: 'header' | 'query',
  matches: readonly ValueMatch[],
  at: string,
  compile: (source: string, path: string) => LinearPattern | null,
): ValueCondition[] {
  const conditions = new Map<string, ValueCondition>();
  for (const [position, match] of matches.entries()) {
    const name = field === 'header' ? match.name.toLowerCase() : match.name;
    if (conditions.has(name)) continue;
    const pattern = match.type === 'RegularExpression' ? compile(match.value, `${at}[${position}].value`) : null;
    conditions.set(name, Object.freeze({ field, name, expected: match.value, pattern }));
  }
  return [...conditions.values()];
}

function rankOf(method: string, conditions: readonly ValueCondition[]): number {
  let rank = method === '' ? 0 : METHOD_WEIGHT;
  for (const condition of conditions) rank += condition.field === 'header' ? HEADER_WEIGHT : 1;
  return rank;
}

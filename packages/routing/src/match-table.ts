import { type Result, fail, ok } from '@weft/kernel';
import type { RouteRule } from '@weft/model';
import { hostMatches, hostOf } from './host-pattern.ts';
import type { LookupSteps } from './lookup-steps.ts';
import { PathIndex } from './path-index.ts';
import type { RequestView } from './request-view.ts';
import { type RouteEntry, type RouteProblem, compileEntries } from './route-entry.ts';

const DOT = 0x2e;
/** RFC 1035 §2.3.4 allows 253: a longer text is no name, and would make the search for wildcards dear. */
const LONGEST_HOST = 255;

/**
 * The rules of one destination or listener, compiled for lookup. Immutable after compilation.
 *
 * ```
 * host -> exact name -> longest wildcard -> ... -> any host      each with a PathIndex
 * ```
 * A less specific hostname is asked when no rule of a more specific one matches: precedence is between rules that match.
 */
export class MatchTable {
  /** All entries in the order given. */
  readonly entries: readonly RouteEntry[];
  readonly #exact: ReadonlyMap<string, PathIndex>;
  /** By suffix with its leading dot. */
  readonly #wildcards: ReadonlyMap<string, PathIndex>;
  readonly #anyHost: PathIndex | null;
  readonly #steps: LookupSteps = { count: 0 };

  constructor(
    entries: readonly RouteEntry[],
    exact: ReadonlyMap<string, PathIndex>,
    wildcards: ReadonlyMap<string, PathIndex>,
    anyHost: PathIndex | null,
  ) {
    this.entries = entries;
    this.#exact = exact;
    this.#wildcards = wildcards;
    this.#anyHost = anyHost;
  }

  /** Steps of the last lookup, for tests and measurements. */
  get steps(): number {
    return this.#steps.count;
  }

  /** The entry that wins, or undefined when none matches. */
  find(view: RequestView): RouteEntry | undefined {
    const steps = this.#steps;
    steps.count = 0;
    if (this.#exact.size > 0 || this.#wildcards.size > 0) {
      const found = this.#findByHost(hostOf(view.authority), view, steps);
      if (found !== undefined) return found;
    }
    return this.#anyHost === null ? undefined : this.#anyHost.find(view, steps);
  }

  /**
   * What tells the paths of one authority apart, for who looks up many: requests of that authority which differ in path alone
   * find the same entry where `placeOf` gives the same object. Null when that depends on several hostnames, or on none.
   */
  pathsOf(authority: string): PathPlaces | null {
    const indexes = this.#anyHost === null ? [] : [this.#anyHost];
    if (this.#exact.size > 0 || this.#wildcards.size > 0) {
      const host = hostOf(authority);
      const exact = this.#exact.get(host);
      if (exact !== undefined) indexes.push(exact);
      for (const [suffix, index] of this.#wildcards) if (hostMatches(`*${suffix}`, host)) indexes.push(index);
    }
    return indexes.length === 1 ? indexes[0]! : null;
  }

  #findByHost(host: string, view: RequestView, steps: LookupSteps): RouteEntry | undefined {
    steps.count += 1;
    const found = this.#exact.get(host)?.find(view, steps);
    if (found !== undefined || this.#wildcards.size === 0 || host.length > LONGEST_HOST) return found;
    // From the left, so that the longest suffix comes first; a wildcard stands for at least one character.
    for (let index = 1; index < host.length; index += 1) {
      if (host.charCodeAt(index) !== DOT) continue;
      steps.count += 1;
      const found = this.#wildcards.get(host.slice(index))?.find(view, steps);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** See `MatchTable.pathsOf`. */
export interface PathPlaces {
  /** Null where only a lookup tells. */
  placeOf(path: string): object | null;
}

/** Compiles rules in order of preference among equals. Every problem of every rule is told, not only the first. */
export function compileMatchTable(rules: readonly RouteRule[]): Result<MatchTable, RouteProblem[]> {
  const steps = compileMatchTableInSteps(rules);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same, one small piece of work per `next()`, for a caller that must not hold up traffic. */
export function* compileMatchTableInSteps(
  rules: readonly RouteRule[],
): Generator<void, Result<MatchTable, RouteProblem[]>> {
  const entries: RouteEntry[] = [];
  const problems: RouteProblem[] = [];
  const exact = new Map<string, PathIndex>();
  const wildcards = new Map<string, PathIndex>();
  const anyHost = new Map<string, PathIndex>();
  let order = 0;
  for (const [index, rule] of rules.entries()) {
    const compiled = compileEntries(rule, index, order);
    order += rule.matches.length;
    if (!compiled.ok) problems.push(...compiled.error);
    else {
      for (const entry of compiled.value) {
        entries.push(entry);
        if (entry.host === '') indexOf(anyHost, '').add(entry);
        else if (entry.host.startsWith('*.')) indexOf(wildcards, entry.host.slice(1)).add(entry);
        else indexOf(exact, entry.host).add(entry);
      }
    }
    yield;
  }
  if (problems.length > 0) return fail(problems);
  for (const indexes of [exact, wildcards, anyHost]) {
    for (const index of indexes.values()) yield* index.seal();
  }
  return ok(new MatchTable(entries, exact, wildcards, anyHost.get('') ?? null));
}

function indexOf(map: Map<string, PathIndex>, key: string): PathIndex {
  let index = map.get(key);
  if (index === undefined) {
    index = new PathIndex();
    map.set(key, index);
  }
  return index;
}

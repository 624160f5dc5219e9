import {
  PathKind,
  type RouteEntry,
  type ValueCondition,
  compareEntries,
  hostMatches,
  pathMatches,
  prefixCovers,
} from '@weft/routing';

/**
 * Whether every request that `narrow` matches is matched by `wide` too. False where it can't be proved, as between two
 * regular expressions with different sources.
 */
export function covers(wide: RouteEntry, narrow: RouteEntry): boolean {
  return (
    hostMatches(wide.host, narrow.host) &&
    coversPath(wide, narrow) &&
    (wide.method === '' || wide.method === narrow.method) &&
    wide.conditions.every((condition) => narrow.conditions.some((other) => implies(other, condition)))
  );
}

/** Whether no request can be matched by both. False where it can't be proved. */
export function areDisjoint(a: RouteEntry, b: RouteEntry): boolean {
  if (!hostMatches(a.host, b.host) && !hostMatches(b.host, a.host)) return true;
  if (a.method !== '' && b.method !== '' && a.method !== b.method) return true;
  return haveDisjointPaths(a, b) || a.conditions.some((one) => b.conditions.some((other) => exclude(one, other)));
}

/**
 * For each entry that never wins, the one that takes its requests: one that stands above it and matches all that it
 * matches. Several that do so only together are not found.
 */
export function shadowedEntries(entries: readonly RouteEntry[]): Map<RouteEntry, RouteEntry> {
  const shadowed = new Map<RouteEntry, RouteEntry>();
  // Only an equal path of an equal host can both stand above an entry and match all that it matches; but for a pattern
  // that takes every path, above a prefix.
  const groups = new Map<string, RouteEntry[]>();
  for (const entry of entries) {
    const key = `${entry.host} ${entry.pathKind} ${entry.path}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  for (const entry of entries) {
    const rivals = [...(groups.get(`${entry.host} ${entry.pathKind} ${entry.path}`) ?? [])];
    if (entry.pathKind === PathKind.Prefix) {
      for (const source of everyPath) rivals.push(...(groups.get(`${entry.host} ${PathKind.Pattern} ${source}`) ?? []));
    }
    const above = rivals.filter((rival) => rival !== entry && compareEntries(rival, entry) < 0 && covers(rival, entry));
    const first = above.sort(compareEntries)[0];
    if (first !== undefined) shadowed.set(entry, first);
  }
  return shadowed;
}

/** Sources of patterns that match whatever a path can be. */
const everyPath = ['.*', '/.*', '.+', '(?s).*'];

function coversPath(wide: RouteEntry, narrow: RouteEntry): boolean {
  if (wide.pathKind === narrow.pathKind && wide.path === narrow.path) return true;
  if (wide.pathKind === PathKind.Prefix && wide.path === '') return true;
  switch (narrow.pathKind) {
    case PathKind.Exact:
      return pathMatches(wide, narrow.path);
    case PathKind.Prefix:
      if (wide.pathKind === PathKind.Prefix) return prefixCovers(wide.path, narrow.path);
      // `OPTIONS *` is for the root prefix alone.
      return wide.pathKind === PathKind.Pattern && everyPath.includes(wide.path) && narrow.path !== '';
    case PathKind.Pattern:
      return false;
  }
}

function haveDisjointPaths(a: RouteEntry, b: RouteEntry): boolean {
  if (a.pathKind === PathKind.Exact) return !pathMatches(b, a.path);
  if (b.pathKind === PathKind.Exact) return !pathMatches(a, b.path);
  if (a.pathKind === PathKind.Pattern || b.pathKind === PathKind.Pattern) return false;
  return a.path !== '' && b.path !== '' && !prefixCovers(a.path, b.path) && !prefixCovers(b.path, a.path);
}

/** Whether a value that fulfils `given` always fulfils `wanted`. */
function implies(given: ValueCondition, wanted: ValueCondition): boolean {
  if (given.field !== wanted.field || given.name !== wanted.name) return false;
  if (wanted.pattern === null) return given.pattern === null && given.expected === wanted.expected;
  return given.pattern === null ? wanted.pattern.test(given.expected) : given.expected === wanted.expected;
}

function exclude(a: ValueCondition, b: ValueCondition): boolean {
  if (a.field !== b.field || a.name !== b.name) return false;
  if (a.pattern === null) return b.pattern === null ? a.expected !== b.expected : !b.pattern.test(a.expected);
  return b.pattern === null && !a.pattern.test(b.expected);
}

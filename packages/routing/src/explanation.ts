import { hostMatches, hostOf } from './host-pattern.ts';
import type { MatchTable } from './match-table.ts';
import type { RequestView } from './request-view.ts';
import { type RouteEntry, compareEntries, conditionHolds, pathMatches, valueFor } from './route-entry.ts';

/** Why one match of one rule was passed over: the first field that does not fit, or a better match. */
export interface PassedOver {
  readonly entry: RouteEntry;
  readonly field: 'hostname' | 'path' | 'method' | 'header' | 'query' | 'precedence';
  /** Of the header or the query parameter; the deciding criterion when `field` is `precedence`; else empty. */
  readonly name: string;
  readonly expected: string;
  /** Undefined when the request has no such value. */
  readonly actual: string | undefined;
}

export interface Explanation {
  readonly winner: RouteEntry | undefined;
  /** All others, in the order given. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * Which entry wins, and for every other one why it does not. The winner is the table's own, the reasons come from the same
 * conditions the table tries. For people: it looks at every entry and allocates.
 */
export function explain(table: MatchTable, view: RequestView): Explanation {
  const winner = table.find(view);
  const host = hostOf(view.authority);
  const passedOver: PassedOver[] = [];
  for (const entry of table.entries) {
    if (entry !== winner) passedOver.push(reasonFor(entry, winner, host, view));
  }
  return { winner, passedOver };
}

function reasonFor(entry: RouteEntry, winner: RouteEntry | undefined, host: string, view: RequestView): PassedOver {
  if (!hostMatches(entry.host, host)) return { entry, field: 'hostname', name: '', expected: entry.host, actual: host };
  if (!pathMatches(entry, view.path)) {
    return { entry, field: 'path', name: '', expected: entry.path === '' ? '/' : entry.path, actual: view.path };
  }
  if (entry.method !== '' && entry.method !== view.method) {
    return { entry, field: 'method', name: '', expected: entry.method, actual: view.method };
  }
  for (const condition of entry.conditions) {
    if (conditionHolds(condition, view)) continue;
    const { field, name, expected } = condition;
    return { entry, field, name, expected, actual: valueFor(condition, view) };
  }
  const name = winner === undefined ? '' : criterionBetween(winner, entry);
  return { entry, field: 'precedence', name, expected: '', actual: undefined };
}

/** The first criterion of `compareEntries` that tells two entries apart. */
function criterionBetween(winner: RouteEntry, other: RouteEntry): string {
  if (winner.hostRank !== other.hostRank) return 'hostname';
  if (winner.pathKind !== other.pathKind) return winner.grpc && other.grpc ? 'service and method' : 'path type';
  if (winner.pathRank !== other.pathRank) return winner.grpc ? 'service and method' : 'path length';
  if ((winner.method === '') !== (other.method === '')) return 'method';
  if (winner.conditionRank !== other.conditionRank)
    return compareEntries(winner, other) < 0 ? 'number of conditions' : '';
  return 'order';
}

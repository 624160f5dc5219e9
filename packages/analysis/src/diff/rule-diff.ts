import type { RouteTable } from '@weft/decision';
import { writeDuration } from '@weft/kernel';
import { type RouteEntry, compareEntries } from '@weft/routing';
import { areDisjoint, covers, shadowedEntries } from '../entry-cover.ts';
import { matchText, retriesText } from '../explanation-text.ts';
import { type RuleAction, actionOf } from '../rule-action.ts';
import type { FieldChange } from './field-change.ts';

/** One thing that becomes of requests and did not before. */
export interface RuleChange {
  /**
   * `gained`, `lost`: a match that is there on one side only. `retargeted`: the same requests go elsewhere. `changed`: to the
   * same place, in another way. `reordered`: of two matches that both fit, the other one wins.
   */
  readonly kind: 'gained' | 'lost' | 'retargeted' | 'changed' | 'reordered';
  /** `PathPrefix /x, header a = b`; with the host at a Gateway. */
  readonly match: string;
  readonly before: string;
  readonly after: string;
  readonly fields: readonly FieldChange[];
}

interface Live {
  readonly entry: RouteEntry;
  readonly action: RuleAction;
  readonly key: string;
}

/**
 * What becomes of requests otherwise under `after`. Rules are told apart by what they match, not by name or place; one that
 * no request reaches, and one that only repeats what others do, is no change. Nothing found means that each request is
 * decided as before.
 */
export function diffRules(before: RouteTable | undefined, after: RouteTable | undefined): RuleChange[] {
  const old = liveEntries(before);
  const next = liveEntries(after);
  const oldByKey = new Map(old.map((live) => [live.key, live]));
  const nextByKey = new Map(next.map((live) => [live.key, live]));
  const changes: RuleChange[] = [];
  for (const live of next) {
    const was = oldByKey.get(live.key);
    if (was === undefined) {
      if (!isRepetition(live, old, nextByKey)) {
        const taker = firstCovering(live, old);
        changes.push(change('gained', live, taker?.action, live.action));
      }
    } else if (was.action.route !== live.action.route) {
      changes.push(change('retargeted', live, was.action, live.action));
    } else if (was.action.treatment !== live.action.treatment) {
      changes.push(change('changed', live, was.action, live.action));
    }
  }
  for (const live of old) {
    if (nextByKey.has(live.key) || isRepetition(live, next, oldByKey)) continue;
    changes.push(change('lost', live, live.action, firstCovering(live, next)?.action));
  }
  changes.push(...reordered(old, nextByKey));
  return changes;
}

function liveEntries(table: RouteTable | undefined): Live[] {
  if (table === undefined) return [];
  const { entries } = table.match;
  const dead = shadowedEntries(entries);
  return entries
    .filter((entry) => !dead.has(entry))
    .map((entry) => ({ entry, action: actionOf(table, entry), key: keyOf(entry) }));
}

/** Of two live entries of one table at most one has it. */
function keyOf({ host, pathKind, path, method, conditions, grpc }: RouteEntry): string {
  const values = conditions.map(({ field, name, expected, pattern }) =>
    [field, name, pattern === null, expected].join(' '),
  );
  return JSON.stringify([host, pathKind, path, method, grpc, values.sort()]);
}

/**
 * Whether requests that `live` wins meet the same action among `others`: some entry there takes all of them, and it and each
 * above it that may win there does the same. One that stands above `live` and is on its side, too, wins on both.
 */
function isRepetition(live: Live, others: readonly Live[], own: ReadonlyMap<string, Live>): boolean {
  const taker = firstCovering(live, others);
  if (taker === undefined) return false;
  return others.every(
    (other) =>
      isSame(other.action, live.action) ||
      compareEntries(taker.entry, other.entry) < 0 ||
      areDisjoint(other.entry, live.entry) ||
      (outranks(other.entry, live.entry) && own.has(other.key)),
  );
}

function isSame(a: RuleAction, b: RuleAction): boolean {
  return a.route === b.route && a.treatment === b.treatment;
}

/** By more than the order of rules, which is another on each side. */
function outranks(a: RouteEntry, b: RouteEntry): boolean {
  return compareEntries({ ...a, order: 0 }, { ...b, order: 0 }) < 0;
}

/** Two matches of one rank that both fit some request: the first written wins, and that has changed. */
function* reordered(old: readonly Live[], next: ReadonlyMap<string, Live>): Generator<RuleChange> {
  const groups = new Map<string, Live[]>();
  for (const live of old) {
    const { host, pathKind, pathRank, conditionRank } = live.entry;
    const rank = [host.length, pathKind, pathRank, conditionRank].join(' ');
    const group = groups.get(rank);
    if (group === undefined) groups.set(rank, [live]);
    else group.push(live);
  }
  for (const group of groups.values()) {
    for (const [index, first] of group.entries()) {
      for (const second of group.slice(index + 1)) {
        const [nextFirst, nextSecond] = [next.get(first.key), next.get(second.key)];
        if (nextFirst === undefined || nextSecond === undefined || areDisjoint(first.entry, second.entry)) continue;
        const was = compareEntries(first.entry, second.entry);
        if (was < 0 === compareEntries(nextFirst.entry, nextSecond.entry) < 0) continue;
        if (isSame(nextFirst.action, nextSecond.action)) continue;
        const [winner, loser] = was < 0 ? [first, nextSecond] : [second, nextFirst];
        yield {
          kind: 'reordered',
          match: `${entryText(first)} and ${entryText(second)}`,
          before: textOf(winner.action),
          after: textOf(loser.action),
          fields: [],
        };
      }
    }
  }
}

function firstCovering({ entry }: Live, others: readonly Live[]): Live | undefined {
  return others.filter((other) => covers(other.entry, entry)).sort((a, b) => compareEntries(a.entry, b.entry))[0];
}

function change(
  kind: RuleChange['kind'],
  live: Live,
  before: RuleAction | undefined,
  after: RuleAction | undefined,
): RuleChange {
  const fields = before === undefined || after === undefined ? [] : fieldChanges(before, after);
  return { kind, match: entryText(live), before: textOf(before), after: textOf(after), fields };
}

function textOf(action: RuleAction | undefined): string {
  return action === undefined ? 'no rule (404)' : action.target;
}

function entryText({ entry, action }: Live): string {
  const match = action.source?.matches[entry.match];
  const text = match === undefined ? entry.path : matchText(match);
  return entry.host === '' ? text : `${entry.host} ${text}`;
}

const timeouts = [
  ['requestMs', 'timeouts.request'],
  ['backendRequestMs', 'timeouts.backendRequest'],
  ['connectMs', 'timeouts.connect'],
  ['streamIdleMs', 'timeouts.streamIdle'],
] as const;

function fieldChanges({ source: before, ...old }: RuleAction, { source: after, ...next }: RuleAction): FieldChange[] {
  if (before === null || after === null) return [];
  const changes: FieldChange[] = [];
  for (const [field, path] of timeouts) {
    const [was, is] = [before.timeouts[field], after.timeouts[field]];
    if (was !== is) changes.push({ field: path, before: timeText(was), after: timeText(is) });
  }
  if (JSON.stringify(before.retries) !== JSON.stringify(after.retries)) {
    const [was, is] = [retriesText(before.retries), retriesText(after.retries)];
    changes.push({ field: 'retries', before: was, after: was === is ? `${is}, otherwise bounded or spaced` : is });
  }
  const filters = [before, after].map((rule) =>
    JSON.stringify([rule.filters, rule.backends.map((backend) => [backend.backend, backend.filters])]),
  );
  if (filters[0] !== filters[1] && old.treatment !== next.treatment) {
    const names = [before, after].map(({ filters: all, backends }) =>
      [...all, ...backends.flatMap(({ filters: own }) => own)].map(({ type }) => type).join(', '),
    );
    if (before.filters.length + after.filters.length > 0 || names[0] !== names[1]) {
      changes.push({ field: 'filters', before: names[0] || 'none', after: names[1] || 'none' });
    }
  }
  return changes;
}

function timeText(ms: number): string {
  return ms === 0 ? 'none' : writeDuration(ms);
}

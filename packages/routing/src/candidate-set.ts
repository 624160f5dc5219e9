import { type RouteEntry, type ValueCondition, conditionHolds, conditionsHold, valueFor } from './route-entry.ts';
import type { LookupSteps } from './lookup-steps.ts';
import type { RequestView } from './request-view.ts';

/** Up to this many entries trying them in order is cheaper than hashing their values. */
const TRIED_IN_ORDER = 4;

/**
 * The entries of one path (or one pattern) under one host. What tells them apart is method, headers and query.
 *
 * ```
 * sealed: entries by precedence --few--> tried in order
 *                               --many-> groups of (rank, names asked for), each a tree of maps: value of 1st name ->
 *                                        value of 2nd name -> ... -> entries that differ only by patterns
 * ```
 * So a thousand rules that split one path by a tenant header cost one group: as many map look-ups as one rule has names.
 */
export class CandidateSet {
  #entries: RouteEntry[] = [];
  #groups: Group[] = [];
  /** The entry of a set that asks for nothing but its path: most sets are like this, and need no list to be read. */
  #only: RouteEntry | null = null;

  add(entry: RouteEntry): void {
    this.#entries.push(entry);
  }

  /** Sorts and groups; to be called once, after the last `add`. */
  seal(): void {
    this.#entries.sort((a, b) => b.conditionRank - a.conditionRank || a.order - b.order);
    // What follows an entry without method and conditions is never reached, and is never looked at.
    const last = this.#entries.findIndex((entry) => entry.conditionRank === 0);
    if (last >= 0) this.#entries.length = last + 1;
    const first = this.#entries[0];
    if (first !== undefined && first.conditionRank === 0) this.#only = first;
    if (this.#entries.length <= TRIED_IN_ORDER) return;
    const bySignature = new Map<string, Group>();
    for (const entry of this.#entries) {
      const exact = entry.conditions.filter((condition) => condition.pattern === null);
      const names = exact.map((condition) => [condition.field, condition.name]);
      const signature = JSON.stringify([entry.conditionRank, names.sort()]);
      let group = bySignature.get(signature);
      if (group === undefined) {
        group = {
          rank: entry.conditionRank,
          first: entry.order,
          method: entry.method !== '',
          fields: exact,
          tree: new Map(),
        };
        bySignature.set(signature, group);
      }
      insert(group, entry, exact);
    }
    this.#groups = [...bySignature.values()].sort((a, b) => b.rank - a.rank || a.first - b.first);
    this.#entries = [];
  }

  /** The best entry whose method and conditions hold. */
  find(view: RequestView, steps: LookupSteps): RouteEntry | undefined {
    if (this.#only !== null) {
      steps.count += 1;
      return this.#only;
    }
    const entries = this.#entries;
    for (let index = 0; index < entries.length; index += 1) {
      const entry = entries[index]!;
      steps.count += 1 + entry.conditions.length + (entry.method === '' ? 0 : 1);
      if (conditionsHold(entry, view)) return entry;
    }
    let best: RouteEntry | undefined;
    for (let index = 0; index < this.#groups.length; index += 1) {
      const group = this.#groups[index]!;
      // Groups are sorted: nothing behind this one can stand above what was found.
      if (best !== undefined && (group.rank !== best.conditionRank || group.first > best.order)) break;
      const found = findIn(group, view, steps);
      if (found !== undefined && (best === undefined || found.order < best.order)) best = found;
    }
    return best;
  }
}

interface Group {
  readonly rank: number;
  /** The smallest order of its entries. */
  readonly first: number;
  readonly method: boolean;
  /** Exact conditions of one of its entries: only their fields and names are read. */
  readonly fields: readonly ValueCondition[];
  readonly tree: Tree;
}

type Tree = Map<string, Tree | RouteEntry[]>;

/** Stands for the one level of a group that asks for no exact value at all. */
const NO_VALUE = '';

function insert(group: Group, entry: RouteEntry, exact: readonly ValueCondition[]): void {
  const keys = group.method ? [entry.method] : [];
  for (const field of group.fields) {
    keys.push(exact.find((condition) => condition.field === field.field && condition.name === field.name)!.expected);
  }
  if (keys.length === 0) keys.push(NO_VALUE);
  let tree = group.tree;
  for (const key of keys.slice(0, -1)) {
    let next = tree.get(key);
    if (!(next instanceof Map)) {
      next = new Map();
      tree.set(key, next);
    }
    tree = next;
  }
  const key = keys.at(-1)!;
  const leaf = tree.get(key);
  if (Array.isArray(leaf)) leaf.push(entry);
  else tree.set(key, [entry]);
}

function findIn(group: Group, view: RequestView, steps: LookupSteps): RouteEntry | undefined {
  let node: Tree | RouteEntry[] | undefined = group.tree;
  if (group.method) {
    steps.count += 1;
    node = group.tree.get(view.method);
  } else if (group.fields.length === 0) {
    node = group.tree.get(NO_VALUE);
  }
  for (let index = 0; index < group.fields.length && node instanceof Map; index += 1) {
    steps.count += 1;
    const value = valueFor(group.fields[index]!, view);
    if (value === undefined) return undefined;
    node = node.get(value);
  }
  if (!Array.isArray(node)) return undefined;
  for (let index = 0; index < node.length; index += 1) {
    const entry = node[index]!;
    steps.count += 1 + entry.conditions.length - group.fields.length;
    if (patternsHold(entry, view)) return entry;
  }
  return undefined;
}

/** What is left to try of an entry whose exact values the tree has found. */
function patternsHold(entry: RouteEntry, view: RequestView): boolean {
  const conditions = entry.conditions;
  for (let index = 0; index < conditions.length; index += 1) {
    const condition = conditions[index]!;
    if (condition.pattern !== null && !conditionHolds(condition, view)) return false;
  }
  return true;
}

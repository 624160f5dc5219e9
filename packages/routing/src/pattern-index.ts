import { CandidateSet } from './candidate-set.ts';
import type { LookupSteps } from './lookup-steps.ts';
import { EMPTY_HASH, hashOf, keyOf, nextHash } from './path-hash.ts';
import type { RequestView } from './request-view.ts';
import { type RouteEntry, compareEntries } from './route-entry.ts';

/**
 * The patterns of one hostname: literal text a pattern begins with, by length and hash -> patterns, best first. One probe
 * for each length that occurs; only patterns that begin with the same literal text are tried one after the other.
 */
export class PatternIndex {
  readonly #groups = new Map<number, PatternGroup>();
  /** Lengths of literal beginnings that occur, rising. */
  readonly #lengths: number[] = [];

  add(entry: RouteEntry): void {
    const literal = entry.pathPattern?.literalPrefix ?? '';
    const key = keyOf(hashOf(literal));
    let group = this.#groups.get(key) ?? null;
    while (group !== null && group.literal !== literal) group = group.sameHash;
    if (group === null) {
      group = { literal, patterns: [], bySource: new Map(), sameHash: this.#groups.get(key) ?? null };
      this.#groups.set(key, group);
      if (!this.#lengths.includes(literal.length)) {
        this.#lengths.push(literal.length);
        this.#lengths.sort((a, b) => a - b);
      }
    }
    let pattern = group.bySource.get(entry.path);
    if (pattern === undefined) {
      pattern = { entry, candidates: new CandidateSet() };
      group.bySource.set(entry.path, pattern);
      group.patterns.push(pattern);
    }
    pattern.candidates.add(entry);
  }

  /** To be called once, after the last `add`; yields after each piece of work. */
  *seal(): Generator<void, void> {
    for (let group of this.#groups.values()) {
      for (;;) {
        group.patterns.sort((a, b) => compareEntries(a.entry, b.entry));
        for (const pattern of group.patterns) pattern.candidates.seal();
        if (group.sameHash === null) break;
        group = group.sameHash;
      }
      yield;
    }
  }

  /** The best entry whose pattern, method and conditions hold. */
  find(view: RequestView, steps: LookupSteps): RouteEntry | undefined {
    const { path } = view;
    const lengths = this.#lengths;
    let best: RouteEntry | undefined;
    let hash = EMPTY_HASH;
    let hashed = 0;
    for (let index = 0; index < lengths.length; index += 1) {
      const length = lengths[index]!;
      if (length > path.length) break;
      for (; hashed < length; hashed += 1) hash = nextHash(hash, path.charCodeAt(hashed));
      steps.count += 1;
      let group = this.#groups.get(keyOf(hash)) ?? null;
      while (group !== null && (group.literal.length !== length || !path.startsWith(group.literal)))
        group = group.sameHash;
      if (group !== null) best = bestPattern(group, best, view, steps);
    }
    return best;
  }
}

interface PatternGroup {
  readonly literal: string;
  /** Longest source first. */
  readonly patterns: PatternCandidates[];
  readonly bySource: Map<string, PatternCandidates>;
  readonly sameHash: PatternGroup | null;
}

interface PatternCandidates {
  /** Any entry of this pattern. */
  readonly entry: RouteEntry;
  readonly candidates: CandidateSet;
}

/** Patterns of equal rank must all be looked at: conditions decide between them. */
function bestPattern(
  group: PatternGroup,
  start: RouteEntry | undefined,
  view: RequestView,
  steps: LookupSteps,
): RouteEntry | undefined {
  let best = start;
  for (let index = 0; index < group.patterns.length; index += 1) {
    const { entry, candidates } = group.patterns[index]!;
    if (best !== undefined && entry.pathRank < best.pathRank) break;
    steps.count += 1;
    if (!entry.pathPattern!.test(view.path)) continue;
    const found = candidates.find(view, steps);
    if (found !== undefined && (best === undefined || compareEntries(found, best) < 0)) best = found;
  }
  return best;
}

import { CandidateSet } from './candidate-set.ts';
import type { LookupSteps } from './lookup-steps.ts';
import type { RequestView } from './request-view.ts';
import { PathKind, type RouteEntry, compareEntries } from './route-entry.ts';

const SLASH = 0x2f;
const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;
/** Keeps hashes small integers, which a map takes without boxing them. */
const HASH_MASK = 0x3fffffff;

/**
 * All paths of one hostname.
 *
 * ```
 * exact     path text -> candidates
 * patterns  literal text a pattern begins with, by length and hash -> patterns, best first
 * prefixes  a tree of path segments, kept as one map: hash of the text up to a segment's end -> node
 *             /shop -> /shop/orders -> /shop/orders/open      a walk ends at the first segment no rule has
 *             every node links to the nearest one above it that has candidates
 * ```
 * The cost is one pass over the path's characters and one probe per segment that some rule has, whatever the number of
 * rules. Only patterns that begin with the same literal text are tried one after the other. Nothing is allocated but what
 * the pattern engine takes.
 */
export class PathIndex {
  /** Null while no entry has an exact path: most tables have none, and need not be asked. */
  #exact: Map<string, CandidateSet> | null = null;
  readonly #patterns = new Map<number, PatternGroup>();
  /** Lengths of literal beginnings that occur, rising. */
  #patternLengths: number[] | null = null;
  readonly #nodes = new Map<number, PrefixNode>();
  readonly #root: PrefixNode = { prefix: '', candidates: null, above: null, sameHash: null };

  add(entry: RouteEntry): void {
    switch (entry.pathKind) {
      case PathKind.Exact:
        this.#exact ??= new Map();
        candidatesOf(this.#exact, entry.path).add(entry);
        return;
      case PathKind.Pattern:
        this.#addPattern(entry);
        return;
      case PathKind.Prefix: {
        const node = this.#nodeFor(entry.path);
        node.candidates ??= new CandidateSet();
        node.candidates.add(entry);
      }
    }
  }

  /** To be called once, after the last `add`; yields after each piece of work. */
  *seal(): Generator<void, void> {
    for (const candidates of this.#exact?.values() ?? []) {
      candidates.seal();
      yield;
    }
    for (let group of this.#patterns.values()) {
      for (;;) {
        group.patterns.sort((a, b) => compareEntries(a.entry, b.entry));
        for (const pattern of group.patterns) pattern.candidates.seal();
        if (group.sameHash === null) break;
        group = group.sameHash;
      }
      yield;
    }
    this.#root.candidates?.seal();
    for (let node of this.#nodes.values()) {
      for (;;) {
        node.candidates?.seal();
        node.above = this.#nearestAbove(node.prefix);
        if (node.sameHash === null) break;
        node = node.sameHash;
      }
      yield;
    }
  }

  /** The best entry of this hostname. */
  find(view: RequestView, steps: LookupSteps): RouteEntry | undefined {
    const path = view.path;
    if (this.#exact !== null) {
      steps.count += 1;
      const found = this.#exact.get(path)?.find(view, steps);
      if (found !== undefined) return found;
    }
    if (this.#patternLengths !== null) {
      const found = this.#findPattern(this.#patternLengths, path, view, steps);
      if (found !== undefined) return found;
    }
    for (let node: PrefixNode | null = this.#deepest(path, steps); node !== null; node = node.above) {
      if (node.candidates === null) continue;
      const found = node.candidates.find(view, steps);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * An object that is one and the same for all paths which the same entries match; null where patterns would have to be
   * tried to tell.
   */
  placeOf(path: string): object | null {
    if (this.#patternLengths !== null) return null;
    // An exact path is below one node only, so it stands for that one as well.
    return this.#exact?.get(path) ?? this.#deepest(path, uncounted);
  }

  #deepest(path: string, steps: LookupSteps): PrefixNode {
    // `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7): only what takes every path takes it.
    if (path.charCodeAt(0) !== SLASH) return path === '*' ? this.#root : nothing;
    let deepest = this.#root;
    if (this.#nodes.size === 0) return deepest;
    let hash = OFFSET_BASIS;
    for (let index = 0; index <= path.length; index += 1) {
      const code = index < path.length ? path.charCodeAt(index) : SLASH;
      if (code === SLASH && index > 0) {
        steps.count += 1;
        const node = this.#nodeAt(hash, path, index);
        if (node === null) break;
        deepest = node;
      }
      hash = Math.imul(hash ^ code, PRIME);
    }
    return deepest;
  }

  #nodeAt(hash: number, path: string, length: number): PrefixNode | null {
    let node = this.#nodes.get(hash & HASH_MASK) ?? null;
    while (node !== null && (node.prefix.length !== length || !path.startsWith(node.prefix))) node = node.sameHash;
    return node;
  }

  /** The node of a prefix; makes those of all its segments. */
  #nodeFor(prefix: string): PrefixNode {
    let node = this.#root;
    if (prefix === '') return node;
    for (let end = prefix.indexOf('/', 1); ; end = prefix.indexOf('/', end + 1)) {
      const text = end < 0 ? prefix : prefix.slice(0, end);
      const hash = hashOf(text) & HASH_MASK;
      const known = this.#nodeAt(hash, text, text.length);
      node = known ?? { prefix: text, candidates: null, above: null, sameHash: this.#nodes.get(hash) ?? null };
      if (known === null) this.#nodes.set(hash, node);
      if (end < 0) return node;
    }
  }

  #nearestAbove(prefix: string): PrefixNode {
    for (let end = prefix.lastIndexOf('/'); end > 0; end = prefix.lastIndexOf('/', end - 1)) {
      const text = prefix.slice(0, end);
      const node = this.#nodeAt(hashOf(text), text, end);
      if (node !== null && node.candidates !== null) return node;
    }
    return this.#root;
  }

  #addPattern(entry: RouteEntry): void {
    const literal = entry.pathPattern?.literalPrefix ?? '';
    const hash = hashOf(literal) & HASH_MASK;
    let group = this.#patterns.get(hash) ?? null;
    while (group !== null && group.literal !== literal) group = group.sameHash;
    if (group === null) {
      group = { literal, patterns: [], bySource: new Map(), sameHash: this.#patterns.get(hash) ?? null };
      this.#patterns.set(hash, group);
      const lengths = (this.#patternLengths ??= []);
      if (!lengths.includes(literal.length)) {
        lengths.push(literal.length);
        lengths.sort((a, b) => a - b);
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

  #findPattern(
    lengths: readonly number[],
    path: string,
    view: RequestView,
    steps: LookupSteps,
  ): RouteEntry | undefined {
    let best: RouteEntry | undefined;
    let hash = OFFSET_BASIS;
    let hashed = 0;
    for (let index = 0; index < lengths.length; index += 1) {
      const length = lengths[index]!;
      if (length > path.length) break;
      for (; hashed < length; hashed += 1) hash = Math.imul(hash ^ path.charCodeAt(hashed), PRIME);
      steps.count += 1;
      let group = this.#patterns.get(hash & HASH_MASK) ?? null;
      while (group !== null && (group.literal.length !== length || !path.startsWith(group.literal)))
        group = group.sameHash;
      if (group !== null) best = bestPattern(group, best, view, steps);
    }
    return best;
  }
}

interface PrefixNode {
  readonly prefix: string;
  candidates: CandidateSet | null;
  /** The nearest shorter prefix with candidates, at last the root. */
  above: PrefixNode | null;
  readonly sameHash: PrefixNode | null;
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

const uncounted: LookupSteps = { count: 0 };

/** What a target without a leading slash finds (`*` of OPTIONS): no prefix. */
const nothing: PrefixNode = { prefix: '', candidates: null, above: null, sameHash: null };

/** Equal length patterns must all be looked at: conditions decide between them. */
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

function candidatesOf(map: Map<string, CandidateSet>, key: string): CandidateSet {
  let candidates = map.get(key);
  if (candidates === undefined) {
    candidates = new CandidateSet();
    map.set(key, candidates);
  }
  return candidates;
}

/** FNV-1a over UTF-16 units: the same as the walk computes step by step, so `fnv1a32` of kernel (UTF-8) does not serve. */
function hashOf(text: string): number {
  let hash = OFFSET_BASIS;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), PRIME);
  return hash;
}

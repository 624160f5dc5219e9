import { CandidateSet } from './candidate-set.ts';
import type { LookupSteps } from './lookup-steps.ts';
import { EMPTY_HASH, hashOf, keyOf, nextHash } from './path-hash.ts';
import { PatternIndex } from './pattern-index.ts';
import type { RequestView } from './request-view.ts';
import { PathKind, type RouteEntry } from './route-entry.ts';

const SLASH = 0x2f;

/**
 * All paths of one hostname.
 *
 * ```
 * exact     path text -> candidates
 * patterns  an index of their own: `PatternIndex`
 * prefixes  a tree of path segments, kept as one map: hash of the text up to a segment's end -> node
 *             /shop -> /shop/orders -> /shop/orders/open      a walk ends at the first segment no rule has
 *             every node links to the nearest one above it that has candidates
 * ```
 * The cost is one pass over the path's characters and one probe per segment that some rule has, whatever the number of
 * rules. Nothing is allocated but what the pattern engine takes.
 */
export class PathIndex {
  /** Null while no entry has an exact path: most tables have none, and need not be asked. */
  #exact: Map<string, CandidateSet> | null = null;
  /** Null while no entry has a pattern. */
  #patterns: PatternIndex | null = null;
  readonly #nodes = new Map<number, PrefixNode>();
  readonly #root: PrefixNode = { prefix: '', candidates: null, above: null, sameHash: null };

  add(entry: RouteEntry): void {
    switch (entry.pathKind) {
      case PathKind.Exact:
        this.#exact ??= new Map();
        candidatesOf(this.#exact, entry.path).add(entry);
        return;
      case PathKind.Pattern:
        this.#patterns ??= new PatternIndex();
        this.#patterns.add(entry);
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
    if (this.#patterns !== null) yield* this.#patterns.seal();
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
    if (this.#patterns !== null) {
      const found = this.#patterns.find(view, steps);
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
    if (this.#patterns !== null) return null;
    // An exact path is below one node only, so it stands for that one as well.
    return this.#exact?.get(path) ?? this.#deepest(path, uncounted);
  }

  #deepest(path: string, steps: LookupSteps): PrefixNode {
    // `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7): only what takes every path takes it.
    if (path.charCodeAt(0) !== SLASH) return path === '*' ? this.#root : nothing;
    let deepest = this.#root;
    if (this.#nodes.size === 0) return deepest;
    let hash = EMPTY_HASH;
    for (let index = 0; index <= path.length; index += 1) {
      const code = index < path.length ? path.charCodeAt(index) : SLASH;
      if (code === SLASH && index > 0) {
        steps.count += 1;
        const node = this.#nodeAt(hash, path, index);
        if (node === null) break;
        deepest = node;
      }
      hash = nextHash(hash, code);
    }
    return deepest;
  }

  #nodeAt(hash: number, path: string, length: number): PrefixNode | null {
    let node = this.#nodes.get(keyOf(hash)) ?? null;
    while (node !== null && (node.prefix.length !== length || !path.startsWith(node.prefix))) node = node.sameHash;
    return node;
  }

  /** The node of a prefix; makes those of all its segments. */
  #nodeFor(prefix: string): PrefixNode {
    let node = this.#root;
    if (prefix === '') return node;
    for (let end = prefix.indexOf('/', 1); ; end = prefix.indexOf('/', end + 1)) {
      const text = end < 0 ? prefix : prefix.slice(0, end);
      const hash = hashOf(text);
      const key = keyOf(hash);
      const known = this.#nodeAt(hash, text, text.length);
      node = known ?? { prefix: text, candidates: null, above: null, sameHash: this.#nodes.get(key) ?? null };
      if (known === null) this.#nodes.set(key, node);
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
}

interface PrefixNode {
  readonly prefix: string;
  candidates: CandidateSet | null;
  /** The nearest shorter prefix with candidates, at last the root. */
  above: PrefixNode | null;
  readonly sameHash: PrefixNode | null;
}

const uncounted: LookupSteps = { count: 0 };

/** What a target without a leading slash finds (`*` of OPTIONS): no prefix. */
const nothing: PrefixNode = { prefix: '', candidates: null, above: null, sameHash: null };

function candidatesOf(map: Map<string, CandidateSet>, key: string): CandidateSet {
  let candidates = map.get(key);
  if (candidates === undefined) {
    candidates = new CandidateSet();
    map.set(key, candidates);
  }
  return candidates;
}

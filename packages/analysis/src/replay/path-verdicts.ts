import type { MatchTable, PathPlaces } from '@weft/routing';
import type { Verdict } from './verdict.ts';

interface Cell {
  // Nearly all requests of a path were taken by one rule and would be by one.
  after: object;
  logged: string;
  verdict: Verdict;
  readonly others: Map<object, Map<string, Verdict>>;
}

/**
 * The verdicts on requests of one method to one authority by what is left to decide them: where their path stands in the old
 * and in the new rules, and which rule did take them. So a path that never came before costs two walks.
 */
export class PathVerdicts {
  readonly #before: PathPlaces | null;
  readonly #after: PathPlaces | null;
  readonly #cells = new Map<object, Cell>();
  #placeBefore: object | null = null;
  #placeAfter: object | null = null;

  /** `before` is null where only the new rules count. */
  constructor(before: MatchTable | null, after: MatchTable, authority: string) {
    this.#before = before === null ? everywhere : before.pathsOf(authority);
    this.#after = after.pathsOf(authority);
  }

  find(path: string, logged: string): Verdict | undefined {
    const before = (this.#placeBefore = this.#before === null ? null : this.#before.placeOf(path));
    const after = (this.#placeAfter = this.#after === null ? null : this.#after.placeOf(path));
    if (before === null || after === null) return undefined;
    const cell = this.#cells.get(before);
    if (cell === undefined) return undefined;
    return cell.after === after && cell.logged === logged ? cell.verdict : cell.others.get(after)?.get(logged);
  }

  /** Of the request that was last looked for; false when it is not kept. */
  put(logged: string, verdict: Verdict): boolean {
    const before = this.#placeBefore;
    const after = this.#placeAfter;
    if (before === null || after === null) return false;
    const cell = this.#cells.get(before);
    if (cell === undefined) {
      this.#cells.set(before, { after, logged, verdict, others: new Map() });
      return true;
    }
    const byRule = cell.others.get(after);
    if (byRule === undefined) cell.others.set(after, new Map([[logged, verdict]]));
    else byRule.set(logged, verdict);
    return true;
  }
}

const here = {};
const everywhere: PathPlaces = { placeOf: () => here };

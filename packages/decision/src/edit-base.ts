import { type HeadEditFault, type HeadEditRules, type HeadEdits, compileHeadEdits } from '@weft/http';
import { type Result, assert, ok } from '@weft/kernel';
import type { HeaderModifier } from '@weft/model';

/** What every head is edited with, whatever its route: the proxy's own slots, and what it does not believe. */
export type EditRules = Omit<HeadEditRules, 'modifiers'>;

/** One direction's rules, and the edits of a route that adds nothing to them: shared by all such routes. */
export class EditBase {
  readonly #rules: EditRules;
  readonly #plain: HeadEdits;

  constructor(rules: EditRules) {
    this.#rules = rules;
    const plain = compileHeadEdits(rules);
    assert(plain.ok, 'the edits every head gets are fixed by the proxy and must compile');
    this.#plain = plain.value;
  }

  /** The edits of a route: its modifiers in order, over the rules of the direction. */
  with(modifiers: readonly HeaderModifier[]): Result<HeadEdits, HeadEditFault> {
    return modifiers.length === 0 ? ok(this.#plain) : compileHeadEdits({ ...this.#rules, modifiers });
  }
}

const nothing: ReadonlySet<never> = new Set();

/** Many to many, looked up by the left side; a left side without a right one takes no memory. */
export class Relation<L, R> {
  readonly #rights = new Map<L, Set<R>>();

  get(left: L): ReadonlySet<R> {
    return this.#rights.get(left) ?? nothing;
  }

  add(left: L, right: R): void {
    const rights = this.#rights.get(left);
    if (rights === undefined) this.#rights.set(left, new Set([right]));
    else rights.add(right);
  }

  delete(left: L, right: R): void {
    const rights = this.#rights.get(left);
    if (rights === undefined) return;
    rights.delete(right);
    if (rights.size === 0) this.#rights.delete(left);
  }

  lefts(): IterableIterator<L> {
    return this.#rights.keys();
  }
}

/** A broken invariant: a mistake in Weft itself, never caused by traffic or configuration alone. */
export class InvariantError extends Error {
  override name = 'InvariantError';
}

/**
 * Throws `InvariantError` when `condition` is falsy. On hot paths pass a constant message: the argument is built
 * whether or not it is needed.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

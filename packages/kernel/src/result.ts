/** What an operation that is expected to fail at times returns; nothing is thrown for traffic or configuration. */
export type Result<T, E> = { ok: true; value: T } | { ok: false; error: E };

/** The successful result. */
export function ok<T>(value: T): Result<T, never> {
  return { ok: true, value };
}

/** The failed result. */
export function fail<E>(error: E): Result<never, E> {
  return { ok: false, error };
}

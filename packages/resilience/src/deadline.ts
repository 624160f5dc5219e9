/*
 * Deadlines are points on the monotonic clock, in milliseconds; `Infinity` is none, so that a minimum needs no case. A
 * time-out of 0 is off, as everywhere in a view.
 */

/** The end of something that starts at `nowMs` and may take `timeoutMs`. */
export function deadlineAfter(nowMs: number, timeoutMs: number): number {
  return timeoutMs > 0 ? nowMs + timeoutMs : Number.POSITIVE_INFINITY;
}

/** The end of one try that starts at `nowMs`: the request's time-out covers all tries, so a try has at most what is left of it. */
export function tryDeadline(nowMs: number, backendRequestMs: number, requestDeadlineMs: number): number {
  return Math.min(deadlineAfter(nowMs, backendRequestMs), requestDeadlineMs);
}

/** What is left; never below 0. */
export function remainingMs(nowMs: number, deadlineMs: number): number {
  return Math.max(0, deadlineMs - nowMs);
}

/** Which row of the Termination table a try that ran into `tryDeadlineMs` ends with: its own, or the whole request's. */
export function timeoutCode(tryDeadlineMs: number, requestDeadlineMs: number): 'try-timeout' | 'request-timeout' {
  return tryDeadlineMs < requestDeadlineMs ? 'try-timeout' : 'request-timeout';
}

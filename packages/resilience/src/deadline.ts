/* Deadlines are points on the monotonic clock, in milliseconds; `Infinity` is none, so that a minimum needs no case. */

/** What is left; never below 0. */
export function remainingMs(nowMs: number, deadlineMs: number): number {
  return Math.max(0, deadlineMs - nowMs);
}

/** Which row of the Termination table a try that ran into `tryDeadlineMs` ends with: its own, or the whole request's. */
export function timeoutCode(tryDeadlineMs: number, requestDeadlineMs: number): 'try-timeout' | 'request-timeout' {
  return tryDeadlineMs < requestDeadlineMs ? 'try-timeout' : 'request-timeout';
}

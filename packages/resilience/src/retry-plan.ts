import { type Random, fullJitterBackoffMs } from '@weft/kernel';
import type { RetryPolicy } from '@weft/model';
import { type RetryReason, type TerminationCode, terminations } from '@weft/outcome';

/** Everything that bears on whether a failed try is followed by another. */
export interface FailedTry {
  /** How the try ended when it gave no response head; '' when `status` is to be judged. */
  readonly code: TerminationCode | '';
  /** 0 without a head. */
  readonly status: number;
  /** Of a Trailers-Only response; -1 without one. */
  readonly grpcStatus: number;
  /** The head carries `weft-refused`: a sidecar of the mesh has decided, and it would decide the same again. */
  readonly refusedByPeer: boolean;
  readonly method: string;
  /** The request carries an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). */
  readonly idempotencyKey: boolean;
  /** The whole body is at hand, or none of it has been taken from the caller. */
  readonly bodyAtHand: boolean;
  /** Tries made, this one included. */
  readonly tries: number;
  /** What `RetryBudget.allows` says. */
  readonly budgetAllows: boolean;
  /** Of the whole request; `Infinity` without a time-out. */
  readonly remainingMs: number;
  /** The response's `Retry-After`, as it is; '' without one. */
  readonly retryAfter: string;
  /** The response's `grpc-retry-pushback-ms`, as it is; '' without one. */
  readonly pushback: string;
  /** For a `Retry-After` that is a date. */
  readonly wallMs: number;
}

export type RetryRefusal =
  | 'attempts-spent'
  | 'not-retryable'
  | 'refused-by-peer'
  | 'method-not-idempotent'
  | 'body-not-at-hand'
  | 'budget-spent'
  | 'deadline'
  | 'retry-after'
  | 'pushed-back';

/** Another try after `afterMs`, counted under `reason`; or none, and why. */
export type RetryPlan =
  | { readonly retry: true; readonly afterMs: number; readonly reason: RetryReason | 'Statuses' | 'GrpcStatuses' }
  | { readonly retry: false; readonly why: RetryRefusal };

/** RFC 9110 §9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * The longest `Retry-After` that is waited for. A longer one is an answer for the caller, who can wait without holding a
 * connection and a body here; it goes through with the response.
 */
const LONGEST_RETRY_AFTER_MS = 1_000;

const NO_PUSHBACK = Number.POSITIVE_INFINITY;

/**
 * Decides about one failed try. The first thing that speaks against is the reason given, in the order: the policy, the
 * request itself, then what changes with time (deadline, `Retry-After`, budget), so that a budget is blamed only for what
 * it alone prevented. Waits are full jitter; a `Retry-After` within reach is the least that is waited, a pushback exactly.
 */
export function planRetry(policy: RetryPolicy, failed: FailedTry, random: Random): RetryPlan {
  if (policy.attempts === 0) return refuse('not-retryable');
  // `weft-refused` is not retried, whatever status it came with.
  if (failed.refusedByPeer) return refuse('refused-by-peer');
  const reason = retryReason(policy, failed);
  if (reason === undefined) return refuse('not-retryable');
  if (failed.tries > policy.attempts) return refuse('attempts-spent');
  const unsent = failed.code !== '' && terminations[failed.code].retry === 'if-unsent';
  // Every gRPC call is a POST: who names its statuses says by that which answers mean that nothing was done.
  const named = reason === 'GrpcStatuses';
  if (!unsent && !named && !policy.anyMethod && !IDEMPOTENT.has(failed.method) && !failed.idempotencyKey) {
    return refuse('method-not-idempotent');
  }
  if (!failed.bodyAtHand) return refuse('body-not-at-hand');
  const backoffMs = fullJitterBackoffMs(random, failed.tries - 1, policy.backoffBaseMs, policy.backoffMaxMs);
  const askedMs = failed.code === '' ? readRetryAfterMs(failed.retryAfter, failed.wallMs) : 0;
  const pushbackMs = failed.pushback === '' ? NO_PUSHBACK : readPushbackMs(failed.pushback);
  if (pushbackMs < 0) return refuse('pushed-back');
  const afterMs = pushbackMs === NO_PUSHBACK ? Math.max(backoffMs, askedMs) : pushbackMs;
  if (afterMs > Math.max(LONGEST_RETRY_AFTER_MS, policy.backoffMaxMs)) return refuse('retry-after');
  if (afterMs >= failed.remainingMs) return refuse('deadline');
  if (!failed.budgetAllows) return refuse('budget-spent');
  return { retry: true, afterMs, reason };
}

/**
 * Reads `grpc-retry-pushback-ms` (gRFC A6): the wait a server asks for; -1 when it asks for no retry, as anything that is no
 * number of milliseconds does.
 */
function readPushbackMs(value: string): number {
  return /^[0-9]{1,9}$/.test(value) ? Number(value) : -1;
}

/**
 * Reads a `Retry-After` (RFC 9110 §10.2.3: seconds, or an HTTP date) as milliseconds from now; 0 when absent, malformed or
 * past. `wallMs` is the Unix time now.
 */
export function readRetryAfterMs(value: string, wallMs: number): number {
  const text = value.trim();
  if (text === '') return 0;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1_000;
  // All three forms of an HTTP date name the day of the week first; `Date.parse` alone would take much more.
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return 0;
  // `asctime` dates carry no zone and are GMT all the same.
  const dateMs = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(dateMs) ? 0 : Math.max(0, dateMs - wallMs);
}

function retryReason(policy: RetryPolicy, failed: FailedTry): RetryReason | 'Statuses' | 'GrpcStatuses' | undefined {
  if (failed.code !== '') {
    const row = terminations[failed.code];
    if (row.retry === 'never' || row.retryOn === undefined) return undefined;
    return policy.on.includes(row.retryOn) ? row.retryOn : undefined;
  }
  const { status } = failed;
  if (status >= 502 && status <= 504 && policy.on.includes('GatewayError')) return 'GatewayError';
  if (policy.statuses.some((range) => status >= range.from && status <= range.to)) return 'Statuses';
  return policy.grpcStatuses.includes(failed.grpcStatus) ? 'GrpcStatuses' : undefined;
}

function refuse(why: RetryRefusal): RetryPlan {
  return { retry: false, why };
}

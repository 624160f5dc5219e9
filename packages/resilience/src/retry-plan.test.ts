import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { RetryPolicy } from '@weft/model';
import { terminationCodes, terminations } from '@weft/outcome';
import { type FailedTry, planRetry, readRetryAfterMs } from './retry-plan.ts';

const policy: RetryPolicy = {
  attempts: 2,
  on: ['NeverSent', 'ResetBeforeHeaders', 'GatewayError'],
  statuses: [],
  grpcStatuses: [],
  anyMethod: false,
  backoffBaseMs: 25,
  backoffMaxMs: 250,
  bodyLimitBytes: 65_536,
  budget: { percent: 20, minimumPerSecond: 1, windowMs: 10_000 },
};

const reset: FailedTry = {
  code: 'upstream-reset',
  status: 0,
  grpcStatus: -1,
  refusedByPeer: false,
  method: 'GET',
  idempotencyKey: false,
  bodyAtHand: true,
  tries: 1,
  budgetAllows: true,
  remainingMs: Number.POSITIVE_INFINITY,
  retryAfter: '',
  pushback: '',
  wallMs: Date.UTC(2026, 0, 1),
};

const half = (): number => 0.5;

/** 'retry reason afterMs' or why not. */
function outcomeOf(change: Partial<FailedTry>, policyChange: Partial<RetryPolicy> = {}): string {
  const plan = planRetry({ ...policy, ...policyChange }, { ...reset, ...change }, half);
  return plan.retry ? `retry ${plan.reason} ${plan.afterMs}` : plan.why;
}

const answered = (status: number): Partial<FailedTry> => ({ code: '', status });
const said = (grpcStatus: number, pushback = ''): Partial<FailedTry> => ({
  code: '',
  status: 200,
  method: 'POST',
  grpcStatus,
  pushback,
});
const named = { grpcStatuses: [8, 14] };

test('each failed try is followed by another one, or not, for one reason', () => {
  const rows: readonly (readonly [string, Partial<FailedTry>, Partial<RetryPolicy>, string])[] = [
    ['a reset GET', {}, {}, 'retry ResetBeforeHeaders 12.5'],
    ['its second retry waits longer', { tries: 2 }, {}, 'retry ResetBeforeHeaders 25'],
    ['there is no third', { tries: 3 }, {}, 'attempts-spent'],
    ['retries are off', {}, { attempts: 0 }, 'not-retryable'],
    ['the reason is not asked for', {}, { on: ['NeverSent'] }, 'not-retryable'],
    ['a reset POST', { method: 'POST' }, {}, 'method-not-idempotent'],
    ['a reset PATCH', { method: 'PATCH' }, {}, 'method-not-idempotent'],
    ['a reset PUT', { method: 'PUT' }, {}, 'retry ResetBeforeHeaders 12.5'],
    ['a POST with a key', { method: 'POST', idempotencyKey: true }, {}, 'retry ResetBeforeHeaders 12.5'],
    ['a POST where any method goes', { method: 'POST' }, { anyMethod: true }, 'retry ResetBeforeHeaders 12.5'],
    ['a POST that was never sent', { code: 'connect-refused', method: 'POST' }, {}, 'retry NeverSent 12.5'],
    ['a stream refused', { code: 'stream-refused', method: 'POST' }, {}, 'retry NeverSent 12.5'],
    ['a pool that is full', { code: 'pending-limit', method: 'POST' }, {}, 'retry NeverSent 12.5'],
    ['a gRPC status that is named', said(14), named, 'retry GrpcStatuses 12.5'],
    ['a gRPC status that is not', said(13), named, 'not-retryable'],
    ['a pushback', said(8, '40'), named, 'retry GrpcStatuses 40'],
    ['a pushback of nothing', said(8, '0'), named, 'retry GrpcStatuses 0'],
    ['a pushback that forbids', said(14, '-1'), named, 'pushed-back'],
    ['a pushback that is no number', said(14, 'soon'), named, 'pushed-back'],
    ['a pushback beyond what is waited here', said(14, '1001'), named, 'retry-after'],
    ['a pushback beyond the deadline', { ...said(14, '40'), remainingMs: 40 }, named, 'deadline'],
    ['a body that is gone', { bodyAtHand: false }, {}, 'body-not-at-hand'],
    ['no budget', { budgetAllows: false }, {}, 'budget-spent'],
    ['no time', { remainingMs: 12 }, {}, 'deadline'],
    ['a slow try', { code: 'try-timeout' }, {}, 'not-retryable'],
    ['a slow try, by choice', { code: 'try-timeout' }, { on: ['PerTryTimeout'] }, 'retry PerTryTimeout 12.5'],
    ['our own 504', { code: 'request-timeout' }, {}, 'not-retryable'],
    ['a breaker', { code: 'circuit-open' }, {}, 'not-retryable'],
    ['a caller that is gone', { code: 'downstream-reset' }, {}, 'not-retryable'],
    ['502', answered(502), {}, 'retry GatewayError 12.5'],
    ['503', answered(503), {}, 'retry GatewayError 12.5'],
    ['504', answered(504), {}, 'retry GatewayError 12.5'],
    ['500', answered(500), {}, 'not-retryable'],
    ['429', answered(429), {}, 'not-retryable'],
    ['429 by choice', answered(429), { statuses: [{ from: 429, to: 429 }] }, 'retry Statuses 12.5'],
    ['503 to a POST', { ...answered(503), method: 'POST' }, {}, 'method-not-idempotent'],
    ['503 of a sidecar', { ...answered(503), refusedByPeer: true }, {}, 'refused-by-peer'],
    ['UNAVAILABLE', { ...answered(200), grpcStatus: 14 }, {}, 'not-retryable'],
    [
      'UNAVAILABLE by choice',
      { ...answered(200), grpcStatus: 14, method: 'POST' },
      { grpcStatuses: [14], anyMethod: true },
      'retry GrpcStatuses 12.5',
    ],
    ['Retry-After: 0', { ...answered(503), retryAfter: '0' }, {}, 'retry GatewayError 12.5'],
    ['Retry-After: 1', { ...answered(503), retryAfter: '1' }, {}, 'retry GatewayError 1000'],
    ['Retry-After: 2', { ...answered(503), retryAfter: '2' }, {}, 'retry-after'],
    [
      'Retry-After: 2, patient',
      { ...answered(503), retryAfter: '2' },
      { backoffMaxMs: 5_000 },
      'retry GatewayError 2000',
    ],
    ['Retry-After: 1, no time', { ...answered(503), retryAfter: '1', remainingMs: 900 }, {}, 'deadline'],
  ];
  for (const [name, change, policyChange, expected] of rows) {
    assert.equal(outcomeOf(change, policyChange), expected, name);
  }
});

test('no row of the Termination table is retried against what it says', () => {
  const all: Partial<RetryPolicy> = { on: ['NeverSent', 'ResetBeforeHeaders', 'GatewayError', 'PerTryTimeout'] };
  for (const code of terminationCodes) {
    const row = terminations[code];
    const get = outcomeOf({ code }, all).startsWith('retry ');
    const post = outcomeOf({ code, method: 'POST' }, all).startsWith('retry ');
    assert.equal(get, row.retry !== 'never' && row.retryOn !== undefined, code);
    assert.equal(post, row.retry === 'if-unsent' && row.retryOn !== undefined, code);
  }
});

test('waits are spread over the whole backoff and never exceed its maximum', () => {
  const random = seededRandom(2);
  const waits: number[] = [];
  for (let round = 0; round < 1_000; round += 1) {
    const plan = planRetry({ ...policy, attempts: 9 }, { ...reset, tries: 9 }, random);
    assert.ok(plan.retry);
    waits.push(plan.afterMs);
  }
  assert.ok(Math.min(...waits) < 10 && Math.max(...waits) > 240 && Math.max(...waits) < 250);
});

test('Retry-After is read as seconds or as any HTTP date, and is 0 when it makes no sense', () => {
  const wallMs = Date.UTC(1994, 10, 6, 8, 49, 30);
  assert.equal(readRetryAfterMs('120', wallMs), 120_000);
  assert.equal(readRetryAfterMs('Sun, 06 Nov 1994 08:49:37 GMT', wallMs), 7_000);
  assert.equal(readRetryAfterMs('Sunday, 06-Nov-94 08:49:37 GMT', wallMs), 7_000);
  assert.equal(readRetryAfterMs('Sun Nov  6 08:49:37 1994', wallMs), 7_000);
  assert.equal(readRetryAfterMs('Sun, 06 Nov 1994 08:49:00 GMT', wallMs), 0);
  for (const nonsense of ['', ' ', '-1', '1.5', 'soon', 'Sun, 99 Nov 1994', '1e3', '99999999999999999999']) {
    assert.equal(readRetryAfterMs(nonsense, wallMs), 0, nonsense);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deadlineAfter, remainingMs, timeoutCode, tryDeadline } from './deadline.ts';

test('a time-out of 0 is none', () => {
  assert.equal(deadlineAfter(10, 0), Number.POSITIVE_INFINITY);
  assert.equal(tryDeadline(10, 0, deadlineAfter(10, 0)), Number.POSITIVE_INFINITY);
});

test('a try has at most what is left of the request', () => {
  const requestDeadlineMs = deadlineAfter(0, 1_000);
  assert.equal(tryDeadline(0, 400, requestDeadlineMs), 400);
  assert.equal(tryDeadline(800, 400, requestDeadlineMs), 1_000);
  assert.equal(tryDeadline(800, 0, requestDeadlineMs), 1_000);
});

test('what is left is never below 0', () => {
  assert.equal(remainingMs(300, 1_000), 700);
  assert.equal(remainingMs(1_300, 1_000), 0);
  assert.equal(remainingMs(0, Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
});

test('the ending names the time-out that struck', () => {
  assert.equal(timeoutCode(400, 1_000), 'try-timeout');
  assert.equal(timeoutCode(1_000, 1_000), 'request-timeout');
});

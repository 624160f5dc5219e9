import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remainingMs, timeoutCode } from './deadline.ts';

test('what is left is never below 0', () => {
  assert.equal(remainingMs(300, 1_000), 700);
  assert.equal(remainingMs(1_300, 1_000), 0);
  assert.equal(remainingMs(0, Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
});

test('the ending names the time-out that struck', () => {
  assert.equal(timeoutCode(400, 1_000), 'try-timeout');
  assert.equal(timeoutCode(1_000, 1_000), 'request-timeout');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestWord } from './nearest-word.ts';

test('a misspelt word finds the one that was meant, in any case', () => {
  const known = ['timeouts', 'retries', 'loadBalancer', 'on'];
  assert.equal(nearestWord('timeout', known), 'timeouts');
  assert.equal(nearestWord('retires', known), 'retries');
  assert.equal(nearestWord('LoadBalancer', known), 'loadBalancer');
});

test('a word that is near to none finds none, and a long one is not compared', () => {
  assert.equal(nearestWord('hedging', ['timeouts', 'retries']), undefined);
  assert.equal(nearestWord('x', ['on']), undefined);
  assert.equal(nearestWord('a'.repeat(65), ['a'.repeat(64)]), undefined);
});

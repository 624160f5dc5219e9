import assert from 'node:assert/strict';
import { test } from 'node:test';
import { humaneAgo, humaneDuration, humaneUntil } from './humane-time.ts';

test('a duration is said in its two largest units', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0ms'],
    [999, '999ms'],
    [1000, '1s'],
    [61_000, '1m1s'],
    [3_600_000, '1h'],
    [11_520_000, '3h12m'],
    [86_400_000 * 12 + 3_600_000 * 4 + 5, '12d4h'],
    [-5, '0ms'],
  ];
  for (const [ms, text] of cases) assert.equal(humaneDuration(ms), text);
});

test('a moment that has not been, or is over, says so', () => {
  assert.equal(humaneAgo(0, 5000), 'never');
  assert.equal(humaneAgo(3000, 5000), '2s');
  assert.equal(humaneUntil(0, 5000), '');
  assert.equal(humaneUntil(5000, 5000), 'expired');
  assert.equal(humaneUntil(65_000, 5000), '1m');
});

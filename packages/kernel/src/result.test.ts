import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Result, fail, ok } from './result.ts';

describe('a result', () => {
  it('is told apart by its ok field', () => {
    const halve = (number: number): Result<number, string> => (number % 2 === 0 ? ok(number / 2) : fail('odd'));
    assert.deepEqual(halve(4), { ok: true, value: 2 });
    assert.deepEqual(halve(3), { ok: false, error: 'odd' });
  });
});

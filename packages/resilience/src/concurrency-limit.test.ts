import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConcurrencyLimit } from './concurrency-limit.ts';

test('it is full at its limit, and 0 is none', () => {
  const limit = new ConcurrencyLimit(2);
  limit.acquire();
  assert.equal(limit.full, false);
  limit.acquire();
  assert.equal(limit.full, true);
  limit.update(0);
  assert.equal(limit.full, false);
  limit.update(1);
  assert.equal(limit.full, true);
  limit.release();
  limit.release();
  assert.deepEqual([limit.full, limit.inUse], [false, 0]);
});

test('a release without an acquire is a mistake', () => {
  assert.throws(() => new ConcurrencyLimit(1).release());
});

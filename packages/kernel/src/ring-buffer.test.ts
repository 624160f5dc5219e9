import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RingBuffer } from './ring-buffer.ts';

describe('a ring buffer', () => {
  it('holds the last items in order and returns what it evicts', () => {
    for (const capacity of [1, 2, 3, 7]) {
      const ring = new RingBuffer<number>(capacity);
      for (let item = 0; item < 20; item += 1) {
        assert.equal(ring.push(item), item < capacity ? undefined : item - capacity);
        const first = Math.max(0, item - capacity + 1);
        const expected = Array.from({ length: item - first + 1 }, (_, index) => first + index);
        assert.deepEqual([...ring], expected);
        assert.equal(ring.length, expected.length);
        assert.equal(ring.get(0), first);
        assert.equal(ring.get(ring.length - 1), item);
        assert.equal(ring.get(ring.length), undefined);
        assert.equal(ring.get(-1), undefined);
      }
    }
  });

  it('has room for at least one item', () => {
    for (const capacity of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => new RingBuffer(capacity), { name: 'InvariantError' });
    }
  });
});

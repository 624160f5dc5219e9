import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { ByteQueue } from './byte-queue.ts';
import { seededRandom } from './random.ts';

describe('a byte queue', () => {
  it('gives bytes back in the order of their coming, like a plain list, under random use', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = seededRandom(seed);
      const queue = new ByteQueue();
      let expected: Buffer = Buffer.alloc(0);
      let mostHeld = 0;
      for (let round = 0; round < 500; round += 1) {
        if (random() < 0.5) {
          const chunk = Buffer.from(
            Array.from({ length: Math.floor(random() * 3000) }, () => Math.floor(random() * 256)),
          );
          const start = Math.floor(random() * chunk.length);
          const end = start + Math.floor(random() * (chunk.length - start + 1));
          queue.push(chunk, start, end);
          expected = Buffer.concat([expected, chunk.subarray(start, end)]);
          chunk.fill(0);
        } else {
          const count = random() < 0.2 ? queue.length : Math.floor(random() * (queue.length + 1));
          if (random() < 0.5) assert.deepEqual(queue.take(count), expected.subarray(0, count));
          else queue.drop(count);
          expected = expected.subarray(count);
        }
        mostHeld = Math.max(mostHeld, expected.length);
        assert.equal(queue.length, expected.length);
        assert.deepEqual(queue.peek(), expected);
        assert.ok(queue.capacityBytes <= Math.max(2048, 4 * mostHeld), `seed ${seed}`);
      }
    }
  });

  it('gives the memory of a burst back once it is empty', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.alloc(100_000), 0, 100_000);
    assert.ok(queue.capacityBytes >= 100_000);
    queue.drop(100_000);
    assert.equal(queue.capacityBytes, 0);
  });

  it('neither grows nor allocates again and again when a steady flow passes through, however full it is', () => {
    for (const heldBytes of [10, 700, 1400, 2000, 5000]) {
      const queue = new ByteQueue();
      queue.push(Buffer.alloc(heldBytes), 0, heldBytes);
      const memories = new Set<ArrayBufferLike>();
      const chunk = Buffer.alloc(10);
      for (let round = 0; round < 5000; round += 1) {
        queue.push(chunk, 0, 10);
        queue.drop(10);
        memories.add(queue.peek().buffer);
      }
      assert.ok(queue.capacityBytes <= Math.max(2048, 4 * (heldBytes + 10)));
      assert.ok(memories.size <= 2, `${memories.size} allocations with ${heldBytes} bytes held`);
    }
  });

  it('refuses to give more than it holds', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.from('abc'), 0, 3);
    assert.throws(() => queue.take(4), { name: 'InvariantError' });
    assert.throws(() => queue.drop(4), { name: 'InvariantError' });
    assert.equal(queue.peek().toString(), 'abc');
  });
});

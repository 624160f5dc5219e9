import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FloodHold } from './flood-hold.ts';

const A = '10.0.0.7';

describe('an address that flooded', () => {
  it('waits a second, and twice as long after each further flood, up to eight', () => {
    const hold = new FloodHold({ firstMs: 1_000 });
    let nowMs = 5_000;
    const waits: number[] = [];
    for (let flood = 0; flood < 6; flood += 1) {
      const ms = hold.strike(A, 0, nowMs);
      waits.push(ms);
      assert.equal(hold.welcome(A, nowMs + 1), ms - 1);
      hold.release(A);
      nowMs += ms;
      assert.equal(hold.welcome(A, nowMs), 0);
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  it('is forgotten a minute after its last wait', () => {
    const hold = new FloodHold({ firstMs: 1_000 });
    hold.strike(A, 0, 0);
    hold.strike(A, 0, 1_000);
    assert.equal(hold.welcome(A, 3_000 + 59_999), 0);
    assert.equal(hold.calm, false);
    assert.equal(hold.welcome(A, 3_000 + 60_000), 0);
    assert.equal(hold.calm, true);
    assert.equal(hold.strike(A, 0, 70_000), 1_000);
  });

  it('waits no longer for floods of connections that were open before', () => {
    const hold = new FloodHold({ firstMs: 1_000 });
    assert.equal(hold.strike(A, 2, 0), 1_000);
    assert.equal(hold.strike(A, 1, 1), 0);
    assert.equal(hold.strike(A, 0, 2), 0);
    assert.equal(hold.welcome(A, 2), 998);
  });

  it('has sixteen connections waiting at most, and the rest refused', () => {
    const hold = new FloodHold({ firstMs: 1_000 });
    hold.strike(A, 0, 0);
    for (let count = 0; count < 16; count += 1) assert.equal(hold.welcome(A, 10), 990);
    assert.equal(hold.welcome(A, 10), 'refused');
    hold.release(A);
    assert.equal(hold.welcome(A, 10), 990);
  });

  it('keeps no other address waiting', () => {
    const hold = new FloodHold({ firstMs: 1_000 });
    hold.strike(A, 0, 0);
    assert.equal(hold.welcome('10.0.0.8', 1), 0);
  });
});

describe('nobody waits', () => {
  it('where an address is that of many, as of a balancer', () => {
    const hold = new FloodHold({ firstMs: 1_000 });
    assert.equal(hold.strike(A, 9, 0), 0);
    assert.equal(hold.calm, true);
    assert.equal(hold.strike(A, 8, 0), 1_000);
  });

  it('where it is switched off, or an address is not known', () => {
    assert.equal(new FloodHold({ firstMs: 0 }).strike(A, 0, 0), 0);
    assert.equal(new FloodHold({ firstMs: 1_000 }).strike('', 0, 0), 0);
  });
});

it('a thousand addresses are remembered, the oldest forgotten first', () => {
  const hold = new FloodHold({ firstMs: 1_000 });
  for (let index = 0; index <= 1_024; index += 1) hold.strike(`10.1.${index >> 8}.${index & 255}`, 0, 0);
  assert.equal(hold.welcome('10.1.0.0', 1), 0);
  assert.equal(hold.welcome('10.1.0.1', 1), 999);
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@weft/testkit';
import { TICKET_PERIOD_MS, TicketKeys, newTicketSeed } from './ticket-keys.ts';

describe('keys of session tickets', () => {
  it('change with the period, and are the same in every thread that began with the seed', () => {
    const clock = new FakeClock();
    const seed = newTicketSeed(clock);
    const one = new TicketKeys(clock, seed);
    const other = new TicketKeys(clock, seed);
    const seen = new Set<string>();
    for (let period = 0; period < 4; period += 1) {
      assert.equal(one.current.toString('hex'), other.current.toString('hex'));
      assert.equal(one.current.length, 48);
      seen.add(one.current.toString('hex'));
      clock.advance(TICKET_PERIOD_MS);
    }
    assert.equal(seen.size, 4);
  });

  it('are those of the others in a thread that is started later, from a seed that holds no older key', () => {
    const clock = new FakeClock();
    const first = newTicketSeed(clock);
    const keys = new TicketKeys(clock, first);
    const oldest = keys.current.toString('hex');
    clock.advance(2 * TICKET_PERIOD_MS);
    const { seed } = keys;
    assert.equal(new TicketKeys(clock, seed).current.toString('hex'), keys.current.toString('hex'));
    assert.equal(JSON.stringify(seed).includes(oldest), false);
    assert.notEqual(seed.chain, first.chain);
    clock.advance(TICKET_PERIOD_MS);
    assert.equal(new TicketKeys(clock, seed).current.toString('hex'), keys.current.toString('hex'));
  });

  it('follow a clock that is set forward by centuries at once, and none that is set back', () => {
    const late = new FakeClock({ wallStartMs: Date.UTC(2426, 0) });
    const seed = newTicketSeed(new FakeClock());
    const keys = new TicketKeys(late, seed);
    assert.equal(keys.seed.period, Math.floor(Date.UTC(2426, 0) / TICKET_PERIOD_MS));
    assert.deepEqual(new TicketKeys(new FakeClock(), keys.seed).seed, keys.seed);
  });
});

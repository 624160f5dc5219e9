import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fail, ok } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import { type HolderAnswers, HoldersElsewhere, joinHolders } from './holders-elsewhere.ts';

const KEY = 'HTTPRoute/shop/orders' as const;

function said(replica: string, holders: number, behind: number, ...reasons: string[]): HolderAnswers[number] {
  const one = { kind: 'HTTPRoute', namespace: 'shop', name: 'orders', holders, behind, reasons };
  return { replica, answer: ok({ objects: [one] }) };
}

function silent(replica: string): HolderAnswers[number] {
  return { replica, answer: fail({ code: 'DeadlineExceeded', message: 'no answer within 5000 ms' }) };
}

test('what proxies of several replicas make of an object is added up, and a silent replica adds nothing', () => {
  const held = joinHolders([said('one', 3, 1, 'web-1: no'), silent('two'), said('three', 5, 0)]);
  assert.deepEqual(held.get(KEY), { holders: 8, behind: 1, reasons: ['web-1: no'] });
});

test('a replica that does not answer is believed for half a minute, one that is gone is not', async () => {
  const clock = new FakeClock();
  let answers: HolderAnswers = [said('one', 3, 1), said('two', 5, 0)];
  const elsewhere = new HoldersElsewhere(() => Promise.resolve(answers), clock);
  const holders = async (): Promise<number> => {
    await elsewhere.refresh();
    return elsewhere.of(KEY)?.holders ?? 0;
  };
  assert.equal(await holders(), 8);
  answers = [said('one', 4, 0), silent('two')];
  clock.advance(30_000);
  assert.equal(await holders(), 9);
  clock.advance(1_000);
  assert.equal(await holders(), 4);
  answers = [said('one', 4, 0), said('two', 5, 0)];
  assert.equal(await holders(), 9);
  answers = [said('one', 4, 0)];
  assert.equal(await holders(), 4);
});

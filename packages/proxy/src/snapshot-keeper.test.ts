import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateFolder } from '@weft/identity';
import { ok } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import { SnapshotKeeper } from './snapshot-keeper.ts';

function open(): { keeper: SnapshotKeeper; clock: FakeClock; written: string[]; say: (text: string) => void } {
  const clock = new FakeClock();
  const wheel = clock.wheel({ tickMs: 10 });
  const written: string[] = [];
  let held = '';
  const folder = {
    writeSnapshot: (parts: readonly Buffer[]) => {
      written.push(Buffer.concat(parts).toString());
      return Promise.resolve(ok<true>(true));
    },
  } as unknown as StateFolder;
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const keeper = new SnapshotKeeper(folder, () => Promise.resolve([Buffer.from(held)]), log, wheel);
  return {
    keeper,
    clock,
    written,
    say: (text) => {
      held = text;
      keeper.storeSoon();
    },
  };
}

test('what changes again and again is stored once it has come to rest', async () => {
  const { keeper, clock, written, say } = open();
  for (const text of ['one', 'two', 'three']) {
    say(text);
    clock.advance(400);
  }
  assert.deepEqual(written, []);
  clock.advance(1_000);
  await keeper.flush();
  assert.deepEqual(written, ['three']);
});

test('what never comes to rest is stored all the same, every five seconds', async () => {
  const { keeper, clock, written, say } = open();
  for (let step = 0; step < 110; step += 1) {
    say(`change ${step}`);
    clock.advance(100);
  }
  clock.advance(1_000);
  await keeper.flush();
  assert.equal(written.length, 3);
});

test('the end does not wait for rest', async () => {
  const { keeper, written, say } = open();
  say('last');
  await keeper.flush();
  assert.deepEqual(written, ['last']);
});

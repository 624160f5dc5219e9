import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '@weft/kernel';
import { LoopWatch } from './loop-watch.ts';

const STALL_MS = 20;

it('sees a single turn of the event loop that took long, and forgets it with the next reading', async () => {
  const watch = new LoopWatch();
  try {
    await turn();
    const endMs = systemClock.nowMs() + STALL_MS;
    while (systemClock.nowMs() < endMs);
    await turn();
    const facts = watch.loop();
    assert.ok(facts.delayMaxMs >= STALL_MS - 1, `${facts.delayMaxMs} ms`);
    assert.ok(facts.delayP99Ms >= facts.delayP50Ms);
    assert.equal(watch.loop().delayMaxMs, 0);
  } finally {
    watch.stop();
  }
});

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

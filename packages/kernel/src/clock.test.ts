import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from './clock.ts';

describe('the system clock', () => {
  it('has a monotonic time with a fraction, and a wall time in Unix milliseconds', () => {
    let before = systemClock.nowMs();
    let fraction = false;
    for (let reading = 0; reading < 1000; reading += 1) {
      const now = systemClock.nowMs();
      assert.ok(now >= before);
      fraction ||= !Number.isInteger(now);
      before = now;
    }
    assert.ok(fraction);
    assert.ok(Math.abs(systemClock.wallMs() - Date.now()) < 1000);
  });
});

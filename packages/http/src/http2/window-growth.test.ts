import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WindowGrowth } from './window-growth.ts';

const KIB = 1024;

/** A greedy sender on a path: what a window lets through in a round trip, and a queue for what the path cannot take. */
interface Path {
  readonly roundTripMs: number;
  readonly bytesPerMs: number;
}

/** Measures `samples` times; `jitter` gives the factor by which the loop made a sample wrong. */
function measure(
  growth: WindowGrowth,
  { roundTripMs, bytesPerMs }: Path,
  samples: number,
  jitter = (_at: number) => 1,
): void {
  let nowMs = 0;
  for (let at = 0; at < samples; at += 1) {
    const tookMs = Math.max(roundTripMs, growth.windowBytes / bytesPerMs);
    if (!growth.onData(growth.windowBytes / 4, nowMs)) return;
    growth.onData(growth.windowBytes, nowMs);
    nowMs += tookMs * jitter(at);
    growth.onAck(nowMs);
  }
}

describe('a window', () => {
  test('grows to what a fast and long path holds, and no further', () => {
    const growth = new WindowGrowth(256 * KIB, 4096 * KIB);
    // 1 MiB is in flight on it.
    measure(growth, { roundTripMs: 10, bytesPerMs: 105 * KIB }, 200);
    assert.ok(growth.windowBytes >= 1024 * KIB && growth.windowBytes <= 2048 * KIB, `${growth.windowBytes}`);
  });

  test('stays small where a larger one would only be a queue, though samples are wrong by a tenth', () => {
    const growth = new WindowGrowth(256 * KIB, 4096 * KIB);
    measure(growth, { roundTripMs: 0.2, bytesPerMs: 150 * KIB }, 1_000, (at) => 1 + 0.1 * Math.sin(at * 7));
    assert.ok(growth.windowBytes <= 512 * KIB, `${growth.windowBytes}`);
  });

  test('grows again when the round trip becomes long', () => {
    const growth = new WindowGrowth(256 * KIB, 4096 * KIB);
    measure(growth, { roundTripMs: 0.5, bytesPerMs: 500 * KIB }, 100);
    const before = growth.windowBytes;
    measure(growth, { roundTripMs: 20, bytesPerMs: 100 * KIB }, 100);
    assert.ok(growth.windowBytes >= 2 * before, `${before} to ${growth.windowBytes}`);
  });

  test('never grows beyond its bound, nor by transfers that do not fill it', () => {
    const growth = new WindowGrowth(256 * KIB, 1024 * KIB);
    measure(growth, { roundTripMs: 100, bytesPerMs: 500 * KIB }, 100);
    assert.equal(growth.windowBytes, 1024 * KIB);
    const rare = new WindowGrowth(256 * KIB, 1024 * KIB);
    for (let nowMs = 0; nowMs < 1_000; nowMs += 1) {
      rare.onData(64 * KIB, nowMs);
      rare.onAck(nowMs + 0.5);
    }
    assert.equal(rare.windowBytes, 256 * KIB);
  });
});

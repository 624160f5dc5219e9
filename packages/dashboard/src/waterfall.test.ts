import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hop, ProxyHop, TimeSpent } from '@weft/wire';
import { waterfallOf } from './waterfall.ts';

const NOTHING: TimeSpent = {
  decideMs: -1,
  backoffMs: -1,
  earlierMs: -1,
  connectMs: -1,
  tlsMs: -1,
  upstreamMs: -1,
  responseMs: -1,
  ownMs: -1,
};

function hop(startedAtMs: number, durationMs: number, spent: Partial<TimeSpent>): ProxyHop {
  const told = { startedAtMs, durationMs, spent: { ...NOTHING, ...spent } } as Hop;
  return { proxy: 'shop/cart-1', workload: 'shop/cart', depth: 0, hop: told };
}

test('bars stand on one axis of time, from the first start to the last end', () => {
  const { totalMs, bars } = waterfallOf([hop(1_000, 50, {}), hop(1_010, 45, {})]);
  assert.equal(totalMs, 55);
  assert.deepEqual(
    bars.map(({ startMs, durationMs }) => [startMs, durationMs]),
    [
      [0, 50],
      [10, 45],
    ],
  );
});

test('parts follow one another, TLS is taken out of connecting, and what did not happen is left out', () => {
  const { bars } = waterfallOf([hop(0, 20, { decideMs: 1, connectMs: 6, tlsMs: 4, upstreamMs: 10 })]);
  assert.deepEqual(
    bars[0]!.segments.map(({ kind, startMs, durationMs }) => [kind, startMs, durationMs]),
    [
      ['decide', 0, 1],
      ['connect', 1, 2],
      ['tls', 3, 4],
      ['upstream', 7, 10],
    ],
  );
});

test('parts never reach beyond the end of the request', () => {
  const { bars } = waterfallOf([hop(0, 10, { upstreamMs: 9, responseMs: 30 })]);
  assert.deepEqual(
    bars[0]!.segments.map(({ durationMs }) => durationMs),
    [9, 1],
  );
});

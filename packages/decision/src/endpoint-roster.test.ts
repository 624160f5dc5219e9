import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSet } from './backend-state-simulation.ts';
import { EndpointRoster } from './endpoint-roster.ts';

test('an endpoint is one object as long as its key is in the set, and a new one when it comes back', () => {
  const roster = new EndpointRoster();
  roster.replace(endpointSet(3), 30, 1_000);
  const [a, b, c] = roster.states;
  const before = roster.states;
  const moved = endpointSet(2, () => ({ address: '10.9.9.9' }));
  roster.replace(moved, 30, 2_000);
  assert.deepEqual([roster.states.length, roster.states[0] === a, roster.states[1] === b], [2, true, true]);
  assert.deepEqual([a?.endpoint.address, c?.removed, c?.endpoint.address === '10.9.9.9'], ['10.9.9.9', true, false]);
  assert.deepEqual([before.length, roster.source], [3, moved]);
  roster.replace(endpointSet(3), 30, 3_000);
  assert.notEqual(roster.states[2], c);
  assert.deepEqual([roster.states[2]?.key, roster.states[2]?.removed, c?.removed], [c?.key, false, true]);
});

test('those that join start slowly, the first ones at once, again after there was none', () => {
  const roster = new EndpointRoster();
  const starts = (): number[] => roster.states.map(({ startedMs }) => startedMs);
  roster.replace(endpointSet(1), 30, 1_000);
  roster.replace(endpointSet(2), 30, 2_000);
  assert.deepEqual(starts(), [Number.NEGATIVE_INFINITY, 2_000]);
  roster.replace(undefined, 30, 3_000);
  assert.deepEqual([starts(), roster.source], [[], undefined]);
  roster.replace(endpointSet(1), 30, 4_000);
  assert.deepEqual(starts(), [Number.NEGATIVE_INFINITY]);
});

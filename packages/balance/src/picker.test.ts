import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { Endpoint, LoadBalancerPolicy } from '@weft/model';
import { EndpointState, releaseSlot } from './endpoint-state.ts';
import { WARM_SAMPLES } from './peak-ewma.ts';
import { type Picker, compilePicker, newPickCursor } from './picker.ts';
import { TriedEndpoints } from './tried-endpoints.ts';

const base: LoadBalancerPolicy = {
  type: 'PeakEwma',
  decayMs: 10_000,
  initialLatencyMs: 30,
  slowStartMs: 0,
  slowStartMinimumPercent: 10,
  locality: 'Off',
  panicBelowPercent: 50,
};

const types: readonly LoadBalancerPolicy['type'][] = ['PeakEwma', 'LeastRequest', 'RoundRobin', 'Random'];

function newStates(count: number, change: (index: number) => Partial<Endpoint> = () => ({})): EndpointState[] {
  return Array.from({ length: count }, (_, index) => {
    const endpoint: Endpoint = {
      key: String.fromCharCode(97 + index),
      address: '10.0.0.1',
      port: 80 + index,
      applicationPort: 80,
      identity: '',
      mesh: false,
      zone: '',
      weight: 1,
      ...change(index),
    };
    return new EndpointState(endpoint, 30, 0, Number.NEGATIVE_INFINITY);
  });
}

function compile(states: EndpointState[], change: Partial<LoadBalancerPolicy> = {}, zone = '', panic = false): Picker {
  return compilePicker(states, { ...base, ...change }, zone, panic, newPickCursor());
}

/** How many of `picks` went to each key; a refusal counts under its own name. */
function countPicks(picker: Picker, picks: number, tried: TriedEndpoints | null = null): Record<string, number> {
  const random = seededRandom(11);
  const counts: Record<string, number> = {};
  for (let index = 0; index < picks; index += 1) {
    const picked = picker.pick(1, random, tried);
    const key = typeof picked === 'string' ? picked : picked.key;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

test('an empty set, an ejected one and a full one are told apart', () => {
  for (const type of types) {
    assert.deepEqual(countPicks(compile([], { type }), 10), { empty: 10 });
    const ejected = newStates(2);
    for (const state of ejected) state.ejected = true;
    assert.deepEqual(countPicks(compile(ejected, { type }), 10), { 'all-ejected': 10 });
    const full = newStates(3);
    for (const state of full) state.full = true;
    assert.deepEqual(countPicks(compile(full, { type }), 10), { 'all-full': 10 });
  }
});

test('idle endpoints that are alike share evenly', () => {
  for (const type of types) {
    const counts = countPicks(compile(newStates(4), { type }), 8_000);
    for (const key of ['a', 'b', 'c', 'd']) assert.ok(Math.abs(counts[key]! - 2_000) < 200, `${type}: ${counts[key]}`);
  }
});

test('round robin goes round, and goes on where it stood when the set is compiled anew', () => {
  const states = newStates(3);
  const cursor = newPickCursor();
  const policy: LoadBalancerPolicy = { ...base, type: 'RoundRobin' };
  const random = seededRandom(1);
  const keys: string[] = [];
  for (let round = 0; round < 6; round += 1) {
    const picked = compilePicker(states, policy, '', false, cursor).pick(1, random, null);
    keys.push(typeof picked === 'string' ? picked : picked.key);
  }
  assert.deepEqual(keys, ['a', 'b', 'c', 'a', 'b', 'c']);
});

test('round robin with weights spreads the picks of the heavy one out', () => {
  const picker = compile(
    newStates(2, (index) => ({ weight: index === 0 ? 3 : 1 })),
    { type: 'RoundRobin' },
  );
  const random = seededRandom(1);
  let sinceLast = 0;
  let light = 0;
  for (let pick = 0; pick < 4_000; pick += 1) {
    sinceLast += 1;
    const picked = picker.pick(1, random, null);
    if (typeof picked === 'string' || picked.key !== 'b') continue;
    light += 1;
    assert.ok(light === 1 || (sinceLast >= 2 && sinceLast <= 6), `${sinceLast} picks between`);
    sinceLast = 0;
  }
  assert.ok(Math.abs(light - 1_000) <= 10, `${light}`);
});

test('of two candidates the one with fewer requests in flight is taken', () => {
  for (const type of ['PeakEwma', 'LeastRequest'] as const) {
    const states = newStates(2);
    for (const state of states) state.samples = WARM_SAMPLES;
    states[0]!.inFlight = 1;
    assert.deepEqual(countPicks(compile(states, { type }), 50), { b: 50 });
  }
});

test('the most expensive of many draws nothing', () => {
  const states = newStates(5);
  for (const state of states) state.samples = WARM_SAMPLES;
  states[2]!.latencyMs = 60;
  assert.equal(countPicks(compile(states), 2_000)['c'], undefined);
});

test('endpoints tried before are passed over while another can take the request', () => {
  for (const type of types) {
    const states = newStates(3);
    const tried = new TriedEndpoints();
    tried.add(states[0]!);
    tried.add(states[2]!);
    assert.deepEqual(countPicks(compile(states, { type }), 100, tried), { b: 100 });
    states[1]!.full = true;
    const counts = countPicks(compile(states, { type }), 100, tried);
    assert.equal((counts['a'] ?? 0) + (counts['c'] ?? 0), 100);
  }
});

test('ejected and unhealthy endpoints are used again in panic only', () => {
  for (const type of types) {
    const states = newStates(3);
    states[0]!.ejected = true;
    states[1]!.unhealthy = true;
    assert.deepEqual(countPicks(compile(states, { type }), 100), { c: 100 });
    assert.deepEqual(Object.keys(countPicks(compile(states, { type }, '', true), 300)).sort(), ['a', 'b', 'c']);
  }
});

test('an endpoint of weight 0 draws nothing, not even as the last one', () => {
  for (const type of types) {
    const states = newStates(3, (index) => ({ weight: index === 1 ? 0 : 1 }));
    assert.equal(countPicks(compile(states, { type }), 500)['b'], undefined);
    states[0]!.ejected = true;
    states[2]!.ejected = true;
    assert.deepEqual(countPicks(compile(states, { type }), 5), { 'all-ejected': 5 });
  }
});

test('only the zone of the caller is used when that is strict', () => {
  const states = newStates(4, (index) => ({ zone: index < 2 ? 'east' : 'west' }));
  assert.deepEqual(Object.keys(countPicks(compile(states, { locality: 'Strict' }, 'west'), 200)).sort(), ['c', 'd']);
  assert.deepEqual(countPicks(compile(states, { locality: 'Strict' }, 'north'), 5), { empty: 5 });
  states[2]!.ejected = true;
  states[3]!.ejected = true;
  assert.deepEqual(countPicks(compile(states, { locality: 'Strict' }, 'west'), 5), { 'all-ejected': 5 });
});

test('a preferred zone keeps everything while 72 % of it is usable, and gives up in proportion below', () => {
  const states = newStates(14, (index) => ({ zone: index < 10 ? 'east' : 'west' }));
  const local = (): number => {
    const counts = countPicks(compile(states, { locality: 'Prefer', type: 'Random' }, 'east'), 10_000);
    return states.slice(0, 10).reduce((sum, state) => sum + (counts[state.key] ?? 0), 0) / 10_000;
  };
  assert.equal(local(), 1);
  states[0]!.ejected = true;
  states[1]!.ejected = true;
  assert.equal(local(), 1);
  for (let index = 2; index < 5; index += 1) states[index]!.ejected = true;
  assert.ok(Math.abs(local() - 0.7) < 0.02, `${local()}`);
  for (let index = 5; index < 10; index += 1) states[index]!.ejected = true;
  assert.equal(local(), 0);
});

test('a caller without a zone, or in a zone without endpoints, uses all', () => {
  const states = newStates(2, (index) => ({ zone: index === 0 ? 'east' : 'west' }));
  for (const zone of ['', 'north']) {
    const counts = countPicks(compile(states, { locality: 'Prefer' }, zone), 400);
    assert.ok(counts['a']! > 100 && counts['b']! > 100);
  }
});

test('when the near zone is full or has been tried, the far one takes the request', () => {
  const states = newStates(4, (index) => ({ zone: index < 2 ? 'east' : 'west' }));
  const tried = new TriedEndpoints();
  tried.add(states[0]!);
  states[1]!.full = true;
  const counts = countPicks(compile(states, { locality: 'Prefer' }, 'east'), 200, tried);
  assert.equal((counts['c'] ?? 0) + (counts['d'] ?? 0), 200);
});

test('numbers of living endpoints differ, and a released one is used again', () => {
  const states = newStates(20);
  assert.equal(new Set(states.map((state) => state.slot)).size, 20);
  releaseSlot(states[7]!);
  assert.equal(newStates(1)[0]!.slot, states[7]!.slot);
});

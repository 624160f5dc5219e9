import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultBackend } from './backend-state-simulation.ts';
import { BreakerGate } from './breaker-gate.ts';

const policy = {
  ...defaultBackend.circuitBreaker!,
  minimumRequests: 4,
  failurePercent: 50,
  openForMs: 5_000,
  probes: 1,
};

function makeGate(): { gate: BreakerGate; told: string[] } {
  const told: string[] = [];
  const gate = new BreakerGate((state, nowMs, untilMs) => void told.push(`${state} ${nowMs} ${untilMs}`));
  gate.update(policy, 0);
  return { gate, told };
}

function fail(gate: BreakerGate, nowMs: number): void {
  for (let request = 0; request < 4; request += 1) gate.record(nowMs, true, 1);
}

test('without a breaker all may go, and nothing is counted', () => {
  const { gate, told } = makeGate();
  gate.consulted = true;
  gate.update(null, 0);
  fail(gate, 1);
  assert.equal(gate.admits(2, false), true);
  gate.update(policy, 3);
  assert.equal(gate.admits(4, false), true);
  assert.deepEqual(told, []);
});

test('a breaker that has no say lets all go, and closes when it was open', () => {
  const { gate, told } = makeGate();
  fail(gate, 1);
  assert.equal(gate.admits(1, false), true);
  gate.consulted = true;
  assert.equal(gate.admits(2, false), false);
  gate.consulted = false;
  assert.equal(gate.admits(3, false), true);
  assert.deepEqual(told, ['open 2 5002', 'closed 3 3']);
});

test('each change is told once, from asking as from outcomes', () => {
  const { gate, told } = makeGate();
  gate.consulted = true;
  fail(gate, 1);
  for (const nowMs of [2, 3, 4]) assert.equal(gate.admits(nowMs, false), false);
  assert.equal(gate.admits(5_002, false), true);
  gate.record(5_003, false, 1);
  assert.deepEqual(told, ['open 2 5002', 'half-open 5002 5002', 'closed 5003 5003']);
});

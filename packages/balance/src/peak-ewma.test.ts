import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '@weft/model';
import { EndpointState } from './endpoint-state.ts';
import {
  WARM_SAMPLES,
  fadedLatencyMs,
  observeFailure,
  observeLatency,
  peakEwmaCost,
  restartLatency,
} from './peak-ewma.ts';

const DECAY_MS = 10_000;

const endpoint: Endpoint = {
  key: 'a',
  address: '10.0.0.1',
  port: 80,
  applicationPort: 80,
  identity: '',
  mesh: false,
  zone: '',
  weight: 1,
};

function newState(): EndpointState {
  return new EndpointState(endpoint, 30, 0, Number.NEGATIVE_INFINITY);
}

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9 * Math.max(1, expected), `${actual} instead of ${expected}`);
}

test('the first sample replaces the guess', () => {
  const state = newState();
  near(fadedLatencyMs(state, 0, DECAY_MS), 30);
  observeLatency(state, 5, 2, DECAY_MS);
  near(fadedLatencyMs(state, 5, DECAY_MS), 2);
});

test('a slower sample counts at once, a faster one only as time passes', () => {
  const state = newState();
  state.samples = WARM_SAMPLES;
  observeLatency(state, 0, 10, DECAY_MS);
  observeLatency(state, 0, 80, DECAY_MS);
  near(state.latencyMs, 80);
  observeLatency(state, 0, 10, DECAY_MS);
  near(state.latencyMs, 80);
  observeLatency(state, DECAY_MS, 10, DECAY_MS);
  near(state.latencyMs, 80 / Math.E + 10 * (1 - 1 / Math.E));
});

test('the average fades while nothing is sent', () => {
  const state = newState();
  observeLatency(state, 0, 100, DECAY_MS);
  near(fadedLatencyMs(state, 2 * DECAY_MS, DECAY_MS), 100 / Math.E ** 2);
});

test('a failure costs a second at the least, and its own time when that is longer', () => {
  const state = newState();
  observeFailure(state, 0, 0.3, DECAY_MS);
  near(state.latencyMs, 1_000);
  observeFailure(state, 0, 5_000, DECAY_MS);
  near(state.latencyMs, 5_000);
});

test('a restart forgets the failures before it', () => {
  const state = newState();
  observeFailure(state, 0, 0, DECAY_MS);
  restartLatency(state, 1, 4);
  near(fadedLatencyMs(state, 1, DECAY_MS), 4);
});

test('an endpoint that warms up is owed some requests, one at a time, and its last answer counts', () => {
  const state = newState();
  for (let sample = WARM_SAMPLES; sample >= 1; sample -= 1) {
    assert.equal(peakEwmaCost(state, 0, DECAY_MS, 1), 0);
    state.inFlight = 1;
    assert.ok(peakEwmaCost(state, 0, DECAY_MS, 1) > 0);
    state.inFlight = 0;
    observeLatency(state, 0, sample * 10, DECAY_MS);
  }
  near(peakEwmaCost(state, 0, DECAY_MS, 1), 10);
});

test('an endpoint that fails while it warms up is owed nothing more', () => {
  const state = newState();
  observeFailure(state, 0, 0.3, DECAY_MS);
  near(peakEwmaCost(state, 0, DECAY_MS, 1), 1_000);
});

test('requests in flight count by the share that is due to the endpoint', () => {
  const state = newState();
  state.samples = WARM_SAMPLES;
  state.latencyMs = 10;
  near(peakEwmaCost(state, 0, DECAY_MS, 1), 10);
  state.inFlight = 4;
  near(peakEwmaCost(state, 0, DECAY_MS, 1), 50);
  near(peakEwmaCost(state, 0, DECAY_MS, 2), 30);
});

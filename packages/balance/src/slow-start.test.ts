import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { EndpointState } from './endpoint-state.ts';
import { passesSlowStart, slowStartShare } from './slow-start.ts';

const endpoint = {
  key: 'a',
  address: '10.0.0.1',
  port: 80,
  applicationPort: 80,
  identity: '',
  mesh: false,
  zone: '',
  weight: 1,
};

test('the share rises in a straight line from the minimum to the whole', () => {
  const state = new EndpointState(endpoint, 30, 0, 1_000);
  assert.equal(slowStartShare(state, 1_000, 30_000, 10), 0.1);
  assert.equal(slowStartShare(state, 4_000, 30_000, 10), 0.1);
  assert.equal(slowStartShare(state, 16_000, 30_000, 10), 0.5);
  assert.equal(slowStartShare(state, 31_000, 30_000, 10), 1);
});

test('an endpoint that never had a slow start has its whole share', () => {
  const state = new EndpointState(endpoint, 30, 0, Number.NEGATIVE_INFINITY);
  assert.equal(slowStartShare(state, 0, 30_000, 10), 1);
});

test('the draw follows the share', () => {
  const state = new EndpointState(endpoint, 30, 0, 0);
  const random = seededRandom(3);
  let passed = 0;
  for (let draw = 0; draw < 10_000; draw += 1) if (passesSlowStart(state, 9_000, 30_000, 10, random)) passed += 1;
  assert.ok(Math.abs(passed - 3_000) < 200, `${passed}`);
});

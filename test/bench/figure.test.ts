import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figureOf } from './figure.ts';
import type { Limit, Taken } from './figure.ts';

const h1Limits: readonly Limit[] = [
  { kind: 'ratio', against: ['haproxy', 'nginx'], must: 1.9, goal: 1.5 },
  { kind: 'ratio', against: ['envoy'], must: 0.5, goal: 0.42 },
];

function taken(parts: Partial<Taken>): Taken {
  return { name: 'h1-plain', unit: 'us/request', rounds: {}, limits: h1Limits, absent: [], notes: [], ...parts };
}

test('a figure has exactly the fields of its JSON form', () => {
  const figure = figureOf(taken({ rounds: { weft: [18, 20, 19], haproxy: [10, 10, 10], envoy: [50, 40, 50] } }));
  assert.deepEqual(JSON.parse(JSON.stringify(figure)), {
    name: 'h1-plain',
    unit: 'us/request',
    values: { weft: 19, haproxy: 10, envoy: 50 },
    ratios: { haproxy: { median: 1.9, min: 1.8, max: 2 }, envoy: { median: 0.38, min: 0.36, max: 0.5 } },
    must: { 'haproxy,nginx': '1.9x', envoy: '0.5x' },
    goal: { 'haproxy,nginx': '1.5x', envoy: '0.42x' },
    met: 'must',
    absent: [],
  });
});

test('the better of two peers is the one that counts', () => {
  const easy = figureOf(taken({ rounds: { weft: [15], haproxy: [12], nginx: [20], envoy: [40] } }));
  assert.equal(easy.met, 'goal');
  const hard = figureOf(taken({ rounds: { weft: [15], haproxy: [12], nginx: [7], envoy: [40] } }));
  assert.equal(hard.met, 'no');
});

test('the worst limit decides, whichever comes last', () => {
  assert.equal(figureOf(taken({ rounds: { weft: [15], haproxy: [7], envoy: [40] } })).met, 'no');
  assert.equal(figureOf(taken({ rounds: { weft: [15], haproxy: [9], envoy: [16] } })).met, 'no');
  assert.equal(figureOf(taken({ rounds: { weft: [15], haproxy: [9], envoy: [40] } })).met, 'must');
});

test('an absent peer is not judged, and with all of them absent nothing is met', () => {
  assert.equal(figureOf(taken({ rounds: { weft: [15], haproxy: [12] }, absent: ['envoy'] })).met, 'goal');
  assert.equal(figureOf(taken({ rounds: { weft: [15] }, absent: ['haproxy', 'nginx', 'envoy'] })).met, 'no');
  assert.equal(figureOf(taken({ rounds: { haproxy: [15], envoy: [40] } })).met, 'no');
});

test('a difference is taken between values, and a value stands alone', () => {
  const limits: Limit[] = [{ kind: 'difference', against: ['haproxy'], must: 0.5, goal: 0.3 }];
  const late = figureOf(taken({ unit: 'ms', limits, rounds: { weft: [0.9], haproxy: [0.5] } }));
  assert.equal(late.met, 'must');
  assert.deepEqual(late.must, { haproxy: '+0.5 ms' });
  const alone: Limit[] = [{ kind: 'value', against: [], must: 90, goal: 75 }];
  const idle = figureOf(taken({ unit: 'MB', limits: alone, rounds: { weft: [75] } }));
  assert.equal(idle.met, 'goal');
  assert.deepEqual(idle.goal, { weft: '75 MB' });
});

test('a pooled value takes the place of the median of rounds, ratios stay by round', () => {
  const figure = figureOf(taken({ rounds: { weft: [2, 4], envoy: [1, 4] }, pooled: { weft: 9 } }));
  assert.equal(figure.values.weft, 9);
  assert.equal(figure.ratios.envoy?.median, 1.5);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figureOf } from './figure.ts';
import { writeReport } from './report-table.ts';

const figure = figureOf({
  name: 'h1-plain',
  unit: 'us/request',
  rounds: { weft: [18, 20, 19], haproxy: [10, 10, 10] },
  limits: [{ kind: 'ratio', against: ['haproxy', 'nginx'], must: 1.9, goal: 1.5 }],
  absent: ['envoy'],
  notes: ['requests/s: weft 40000'],
});

test('a report names values, ratios with their range, limits and what was absent', () => {
  const lines = writeReport([{ figure, notes: ['requests/s: weft 40000'] }], { enabled: false }).split('\n');
  assert.match(lines[0]!, /^measure +unit +weft +haproxy +must +goal +met$/);
  assert.match(lines[1]!, /^h1-plain +us\/request +19 +10 +1\.9x haproxy,nginx +1\.5x haproxy,nginx +must$/);
  assert.equal(lines[2], '    weft is 1.9 x haproxy (1.8 to 2 over the rounds)');
  assert.equal(lines[3], '    requests/s: weft 40000');
  assert.equal(lines[4], '    absent: envoy');
});

test('without colours there is no escape in it, with them there is', () => {
  const escape = '\u001b';
  assert.ok(!writeReport([{ figure, notes: [] }], { enabled: false }).includes(escape));
  assert.ok(writeReport([{ figure, notes: [] }], { enabled: true }).includes(escape));
});

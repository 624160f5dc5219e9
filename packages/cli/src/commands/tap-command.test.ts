import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFilter } from './tap-command.ts';

const typed = {
  output: 'line' as const,
  path: '',
  method: 'get',
  status: '',
  slower: '',
  direction: 'both' as const,
  to: '',
  maxRate: '50',
  for: '10m',
  showValues: false,
};

test('statuses are one, a class or a range', () => {
  for (const [status, from, to] of [
    ['', 0, 0],
    ['503', 503, 503],
    ['5xx', 500, 599],
    ['400-499', 400, 499],
  ] as const) {
    const filter = readFilter({ ...typed, status });
    assert.deepEqual([filter.statusFrom, filter.statusTo], [from, to]);
  }
});

test('what was not typed right says what is expected', () => {
  for (const [wrong, expected] of [
    [{ status: '6xx' }, /503, 5xx or 400-499/],
    [{ maxRate: '0' }, /from 1 to 1000/],
    [{ maxRate: '1001' }, /from 1 to 1000/],
    [{ slower: '2 s' }, /duration up to 1h/],
  ] as const) {
    assert.throws(() => readFilter({ ...typed, ...wrong }), expected);
  }
});

test('durations and methods are read as people write them', () => {
  const filter = readFilter({ ...typed, slower: '1s500ms', direction: 'inbound' });
  assert.equal(filter.slowerThanMs, 1_500);
  assert.equal(filter.method, 'GET');
  assert.equal(filter.direction, 'Inbound');
});

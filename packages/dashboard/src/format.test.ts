import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNKNOWN, ago, bytes, milliseconds, rate, share, span } from './format.ts';

test('what is not known is a dash in every unit, and nothing else is', () => {
  assert.deepEqual(
    [rate(null), share(null), milliseconds(null), milliseconds(-1), bytes(null), ago(0, 9)],
    Array(6).fill(UNKNOWN),
  );
  assert.deepEqual([rate(0), share(0), milliseconds(0), bytes(0)], ['0/s', '0%', '0 ms', '0 B']);
});

test('what is too small for the digits shown is not called nothing, and what is nearly all not all', () => {
  assert.deepEqual(
    [rate(0.01), share(0.0001), share(0.9999), milliseconds(0.02)],
    ['<0.1/s', '<0.1%', '>99.9%', '<0.1 ms'],
  );
  assert.deepEqual([share(0.012), share(0.5), share(0.987), share(1)], ['1.2%', '50%', '98.7%', '100%']);
});

test('units grow with the figure', () => {
  assert.deepEqual([rate(9.96), rate(1_200), rate(2.5e6)], ['10.0/s', '1.2k/s', '2.5M/s']);
  assert.deepEqual([milliseconds(12.4), milliseconds(1_500), milliseconds(61_000)], ['12 ms', '1.5 s', '1 min 1 s']);
  assert.deepEqual([bytes(999), bytes(999_700), bytes(84e6)], ['999 B', '1.0 MB', '84 MB']);
  assert.deepEqual([span(59_000), span(3_600_000), span(200_000_000)], ['59 s', '1 h', '2 d 7 h']);
});

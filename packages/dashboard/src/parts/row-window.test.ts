import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowWindow } from './row-window.ts';

const ROWS = { rows: 2_000, rowHeight: 30, height: 900 };

test('rows that are seen are there, with some beyond either edge', () => {
  for (const top of [400, 0, -35, -12_345, -59_000]) {
    const { from, to } = rowWindow({ ...ROWS, top });
    const firstSeen = Math.max(0, Math.floor(-top / 30));
    const lastSeen = Math.min(2_000, Math.ceil((900 - top) / 30));
    assert.ok(from <= Math.max(0, firstSeen - 10) && to >= Math.min(2_000, lastSeen + 10), `${top}: ${from} to ${to}`);
    assert.ok(to - from <= 80);
  }
});

test('some pixels farther the window is the same', () => {
  assert.deepEqual(rowWindow({ ...ROWS, top: -3_010 }), rowWindow({ ...ROWS, top: -3_100 }));
});

test('a table out of sight keeps a few rows, so that its heading has its widths', () => {
  assert.deepEqual(rowWindow({ ...ROWS, top: 5_000 }), { from: 0, to: 10 });
  assert.deepEqual(rowWindow({ ...ROWS, top: -90_000 }), { from: 1_990, to: 2_000 });
  assert.deepEqual(rowWindow({ ...ROWS, rows: 0, top: 0 }), { from: 0, to: 0 });
});

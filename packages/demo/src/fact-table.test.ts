import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeTable } from './fact-table.ts';

const measured = 'one two three '.repeat(20).trim();
const rows = [
  { name: 'short', expected: '0 failed', measured: '0 failed', ok: true },
  { name: 'long', expected: '0 failed', measured, ok: false },
];

test('a fact that does not hold says so in its row', () => {
  const lines = writeTable(rows);
  assert.match(
    lines.find((line) => line.startsWith('short'))!,
    / ok$/,
  );
  assert.match(
    lines.find((line) => line.startsWith('long'))!,
    / FAILED$/,
  );
});

test('a long cell goes on below, whole', () => {
  const lines = writeTable(rows);
  const from = lines.findIndex((line) => line.startsWith('long'));
  const column = lines[0]!.indexOf('measured');
  const text = lines
    .slice(from)
    .map((line) => line.slice(column).replace('FAILED', '').trim())
    .join(' ');
  assert.equal(text, measured);
  assert.ok(lines.every((line) => line.length <= 160));
});

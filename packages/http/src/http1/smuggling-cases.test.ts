import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cut, cutBytes, readRequests, readResponse } from './recorder.ts';
import type { Recorder } from './recorder.ts';
import { smugglingCases } from './smuggling-cases.ts';
import type { SmugglingCase } from './smuggling-cases.ts';

for (const row of new Set(smugglingCases.map((entry) => entry.row))) {
  test(`${row}: every case has its verdict, fed whole and byte by byte`, () => {
    for (const entry of smugglingCases.filter((candidate) => candidate.row === row)) {
      const whole = read(entry, false);
      const label = `${entry.row} ${entry.name}`;
      assert.equal(whole.code === '' ? 'accepted' : whole.code, entry.verdict, `${label}: ${whole.detail}`);
      assert.equal(whole.detail, entry.detail, label);
      assert.equal(whole.heads.length, entry.heads, label);
      assert.equal(whole.data, entry.data, label);
      if (entry.bytes.length < 20_000) assert.deepEqual(read(entry, true).events, whole.events, label);
    }
  });
}

test('the matrix rows that a codec can decide are all there', () => {
  const rows = new Set(smugglingCases.map((entry) => entry.row));
  // H1-20 is about time and belongs to the engine.
  const expected = Array.from({ length: 21 }, (_, index) => `H1-${index + 1}`).filter((row) => row !== 'H1-20');
  assert.deepEqual(
    expected.filter((row) => !rows.has(row)),
    [],
  );
  assert.ok(smugglingCases.length >= 120, `${smugglingCases.length} cases`);
});

function read(entry: SmugglingCase, byBytes: boolean): Recorder {
  const pieces = byBytes ? cutBytes(entry.bytes) : cut(entry.bytes, []);
  return entry.side === 'request' ? readRequests(pieces) : readResponse(pieces, entry.asked, entry.offered);
}

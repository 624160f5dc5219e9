import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProcessorWait } from './processor-wait.ts';

test('reads the time in the queue for the processor, each time anew', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-wait-'));
  try {
    const path = join(folder, 'schedstat');
    writeFileSync(path, '4000000000 1500000 312\n');
    const wait = new ProcessorWait(path);
    assert.equal(wait.readMs(), 1.5);
    writeFileSync(path, '4000000001 2250000 313\n');
    assert.equal(wait.readMs(), 2.25);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('says nothing where the system does not', () => {
  const wait = new ProcessorWait('/proc/no-such-file');
  assert.equal(wait.readMs(), -1);
  assert.equal(wait.readMs(), -1);
});

test('the time of this very thread never falls', { skip: process.platform !== 'linux' }, () => {
  const wait = new ProcessorWait();
  const before = wait.readMs();
  assert.ok(before >= 0);
  assert.ok(wait.readMs() >= before);
});

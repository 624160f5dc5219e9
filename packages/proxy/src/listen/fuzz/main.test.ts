import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('two seconds of connections that arrive in any way break no law, and the seed is printed', () => {
  const script = fileURLToPath(new URL('main.ts', import.meta.url));
  const run = spawnSync(process.execPath, [script, '--seconds', '2'], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
  assert.match(run.stdout, /^seed \d+, \d+ beginnings/);
  assert.match(run.stdout, /\d{3,} connections, every law held/);
});

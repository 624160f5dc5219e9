import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

for (const [whose, flags] of [
  ['clients', []],
  ['servers', ['--answers']],
] as const) {
  test(`1,000 conversations of ${whose} that break rules are judged as nghttp2 judges them, and the seed is printed`, () => {
    const script = fileURLToPath(new URL('main.ts', import.meta.url));
    const run = spawnSync(process.execPath, [script, '--seed', '9113', '--count', '1000', ...flags], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
    assert.match(run.stdout, /^seed 9113, 1000 conversations/);
    assert.match(run.stdout, /\n1000 conversations, every law held/);
  });
}

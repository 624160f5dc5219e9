import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';

it('runs what the README tells users to copy', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const code = /```ts\n([^]*?)```/.exec(readme)?.[1];
  assert.ok(code !== undefined);
  const folder = mkdtempSync(join(tmpdir(), 'weft-readme-'));
  try {
    const file = join(folder, 'orders.test.ts');
    // The package is found by its name only where it is installed.
    const entry = new URL('index.ts', import.meta.url).href;
    writeFileSync(file, code.replace("'@weft/mesh-test'", `'${entry}'`));
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
    const child = spawn(process.execPath, ['--test', file], {
      timeout: 90_000,
      // A runner that runs inside another reports in a form for machines and never fails.
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => void (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => void (said += chunk.toString()));
    const [exit] = await once(child, 'close');
    assert.equal(exit, 0, said);
    assert.match(said, /pass 3\b/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

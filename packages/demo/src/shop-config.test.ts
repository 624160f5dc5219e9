import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { weftProgram } from '@weft/cli';
import { ConfigFolder } from './shop-config.ts';

const path = mkdtempSync(join(tmpdir(), 'weft-shop-config-'));
after(() => rmSync(path, { recursive: true }));
const config = new ConfigFolder(path);

test('weft check finds nothing wrong with the shop, whatever was edited', async () => {
  config.setCanary(0, 100);
  config.setConfigMark('second');
  const { code, output } = await check();
  assert.equal(code, 0, output);
});

test('weft check finds a mistake in it', async () => {
  const text = config.read('canary.yaml');
  config.edit('canary.yaml', /weight: \d+/, 'weight: eighty');
  const { code, output } = await check();
  config.write('canary.yaml', text);
  assert.equal(code, 1);
  assert.match(output, /canary\.yaml:\d+/);
});

test('shares are changed in place', () => {
  config.setCanary(50, 50);
  assert.match(config.read('canary.yaml'), /orders-v1, port: 80, weight: 50\}\n.*orders-v2, port: 80, weight: 50\}/);
});

test('an edit of what is not there is an error', () => {
  assert.throws(() => config.edit('mesh.yaml', 'no such text', 'another'), /mesh\.yaml holds no/);
});

function check(): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [weftProgram, 'check', path], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });
}

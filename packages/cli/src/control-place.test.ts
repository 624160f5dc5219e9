import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { chooseControl } from './control-place.ts';

const typed = { adminSocket: '', kubeconfig: '', context: '', controlNamespace: 'weft-system' };

function home(t: TestContext): { readonly folder: string; readonly env: Record<string, string> } {
  const folder = mkdtempSync(join(tmpdir(), 'weft-place-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return { folder, env: { HOME: folder, XDG_RUNTIME_DIR: folder } };
}

test('what was typed decides, a cluster before a socket', (t) => {
  const { env } = home(t);
  assert.deepEqual(chooseControl({ ...typed, adminSocket: '/a', context: 'work' }, env), {
    type: 'cluster',
    kubeconfig: '',
    context: 'work',
    namespace: 'weft-system',
  });
  assert.deepEqual(chooseControl({ ...typed, adminSocket: '/a' }, { ...env, KUBECONFIG: '/k' }), {
    type: 'socket',
    socket: '/a',
  });
});

test('a control plane that runs here is asked before a cluster that a kubeconfig knows', (t) => {
  const { folder, env } = home(t);
  mkdirSync(join(folder, '.kube'));
  writeFileSync(join(folder, '.kube', 'config'), '');
  assert.equal(chooseControl(typed, env).type, 'cluster');
  mkdirSync(join(folder, 'weft'));
  writeFileSync(join(folder, 'weft', 'control.sock'), '');
  assert.deepEqual(chooseControl(typed, env), { type: 'socket', socket: join(folder, 'weft', 'control.sock') });
});

test('where there is neither, it is the socket that is said to be missing', (t) => {
  const { folder, env } = home(t);
  assert.deepEqual(chooseControl(typed, env), { type: 'socket', socket: join(folder, 'weft', 'control.sock') });
});

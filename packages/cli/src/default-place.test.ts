import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkSocket, defaultAdminSocket, defaultStateFolder, makeSocketFolder } from './default-place.ts';
import { CommandFault, exitCodes } from './exit-code.ts';

test('state and socket stand where the desktop says, else where a user has a place of their own', () => {
  assert.equal(defaultStateFolder({ XDG_STATE_HOME: '/s' }), '/s/weft');
  assert.equal(defaultStateFolder({}), join(homedir(), '.local/state/weft'));
  assert.equal(defaultStateFolder({ XDG_STATE_HOME: 'relative' }), join(homedir(), '.local/state/weft'));
  assert.equal(defaultAdminSocket({ XDG_RUNTIME_DIR: '/run/user/7' }), '/run/user/7/weft/control.sock');
  assert.equal(defaultAdminSocket({}), `/tmp/weft-${process.getuid?.() ?? 0}/control.sock`);
});

test('the folder of a socket is made for its owner only, and one that others may write to is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-place-'));
  makeSocketFolder(join(folder, 'new', 'control.sock'));
  assert.equal(statSync(join(folder, 'new')).mode & 0o777, 0o700);
  chmodSync(join(folder, 'new'), 0o777);
  assert.throws(() => makeSocketFolder(join(folder, 'new', 'control.sock')), /may be written by others/);
  rmSync(folder, { recursive: true });
});

test('no socket means no control plane, and a file is no socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-place-'));
  writeFileSync(join(folder, 'file'), '');
  const fault = (path: string): CommandFault => {
    try {
      checkSocket(join(folder, path));
    } catch (error) {
      if (error instanceof CommandFault) return error;
    }
    throw new Error('not refused');
  };
  assert.equal(fault('absent').exitCode, exitCodes.unreachable);
  assert.match(fault('absent').message, /start one with: weft control/);
  assert.equal(fault('file').exitCode, exitCodes.usage);
  rmSync(folder, { recursive: true });
});

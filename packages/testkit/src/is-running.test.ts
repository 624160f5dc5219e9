import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { test } from 'node:test';
import { eventually } from './eventually.ts';
import { isRunning } from './is-running.ts';

test('a process runs until it has ended', async () => {
  assert.ok(isRunning(process.pid));
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  assert.ok(isRunning(child.pid!));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(!isRunning(child.pid!));
});

test(
  'what has ended and is not asked for its exit code runs no more',
  { skip: process.platform !== 'linux' },
  async () => {
    // The shell becomes a program that asks nobody, and only then does what the shell has started end.
    const script = 'cat <&3 >/dev/null & echo $!; exec sleep 60';
    const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    const pid = Number(line.toString());
    try {
      await eventually(() => readFileSync(`/proc/${child.pid}/comm`, 'latin1').trim() === 'sleep', 10_000);
      assert.ok(isRunning(pid));
      (child.stdio[3] as Writable).destroy();
      await eventually(() => !isRunning(pid), 10_000);
      assert.ok(process.kill(pid, 0), 'its number is still taken');
    } finally {
      child.kill('SIGKILL');
    }
  },
);

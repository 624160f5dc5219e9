import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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
    // The shell becomes a program that asks nobody, and keeps what the shell has started.
    const child = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    try {
      await eventually(() => !isRunning(pid), 10_000);
      assert.ok(process.kill(pid, 0), 'its number is still taken');
    } finally {
      child.kill('SIGKILL');
    }
  },
);

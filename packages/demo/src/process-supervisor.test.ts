import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning } from '@weft/testkit';
import { ProcessSupervisor } from './process-supervisor.ts';
import { waitUntil } from './wait-until.ts';

const stubborn = `for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => {});
console.log('up ' + process.pid); setInterval(() => {}, 1000);`;
const willing = `console.log('up ' + process.pid); setInterval(() => {}, 1000);`;

test('stopAll ends what obeys and what does not, and removes the folder', async () => {
  const supervisor = new ProcessSupervisor(freshFolder(), false);
  const pids = await Promise.all([willing, stubborn].map((program, i) => start(supervisor, `child-${i}`, program)));
  assert.ok(pids.every(isRunning));
  await supervisor.stopAll(false);
  assert.ok(!pids.some(isRunning));
  assert.equal(existsSync(supervisor.folder), false);
});

test('a folder that is to be kept holds the logs', async () => {
  const supervisor = new ProcessSupervisor(freshFolder(), true);
  const child = supervisor.start({ name: 'talker', command: process.execPath, args: ['-e', 'console.error("why")'] });
  assert.deepEqual(await child.ended, { code: 0, signal: null });
  assert.equal(child.lastWords(), 'why');
  await supervisor.stopAll(true);
  assert.ok(existsSync(join(supervisor.folder, 'logs', 'talker.log')));
  rmSync(supervisor.folder, { recursive: true });
});

test('a program that is not there is said to be so', async () => {
  const supervisor = new ProcessSupervisor(freshFolder(), false);
  const child = supervisor.start({ name: 'ghost', command: '/no/such/program', args: [] });
  await child.ended;
  assert.equal(child.alive, false);
  assert.match(child.lastWords(), /ENOENT/);
  await supervisor.stopAll(false);
});

test('what a person set for a mesh of theirs does not reach the processes', () => {
  process.env['WEFT_CONTROL'] = 'elsewhere:1';
  process.env['http_proxy'] = 'http://elsewhere:1';
  const supervisor = new ProcessSupervisor(freshFolder(), false);
  delete process.env['WEFT_CONTROL'];
  delete process.env['http_proxy'];
  assert.equal(supervisor.environment['WEFT_CONTROL'], undefined);
  assert.equal(supervisor.environment['http_proxy'], undefined);
  assert.equal(supervisor.environment['PATH'], process.env['PATH']);
  return supervisor.stopAll(false);
});

test('processes and folder go when the supervising process is killed with SIGKILL', async () => {
  const folder = freshFolder();
  const module = new URL('process-supervisor.ts', import.meta.url).href;
  const program = `import { ProcessSupervisor } from ${JSON.stringify(module)};
    const supervisor = new ProcessSupervisor(${JSON.stringify(folder)}, false);
    supervisor.start({ name: 'child', command: process.execPath, args: ['-e', ${JSON.stringify(stubborn)}],
      onLine: (line) => console.log(line) });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve) =>
    parent.stdout.once('data', (chunk: Buffer) => resolve(`${chunk}`)),
  );
  const pid = Number(line.split(' ')[1]);
  assert.ok(isRunning(pid));
  parent.kill('SIGKILL');
  await waitUntil('the child to be gone', 30_000, () => (isRunning(pid) ? undefined : true), 50);
  await waitUntil('the folder to be gone', 30_000, () => (existsSync(folder) ? undefined : true), 50);
});

function start(supervisor: ProcessSupervisor, name: string, program: string): Promise<number> {
  return new Promise((resolve) => {
    supervisor.start({
      name,
      command: process.execPath,
      args: ['-e', program],
      onLine: (line) => resolve(Number(line.split(' ')[1])),
    });
  });
}

function freshFolder(): string {
  return mkdtempSync(join(tmpdir(), 'weft-supervisor-'));
}

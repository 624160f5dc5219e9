import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sidecarAllocator, sidecarNodeOptions } from '@weft/injection';
import { eventually, isRunning } from '@weft/testkit';
import { transformSync } from 'rolldown/utils';
import { proxyEnvironment, proxyV8Flags } from './node-start.ts';
import { weftVersion } from './weft-version.ts';

const launcher = fileURLToPath(new URL('../bin/weft.cjs', import.meta.url));
const source = readFileSync(launcher, 'utf8').replace(/^#!.*\n/, '');

/** A folder with a preload that takes away what is new, as if the Node that runs the launcher were an old one. */
function oldNode(run: (nodeArgs: readonly string[]) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-launcher-'));
  const preload = join(folder, 'old.cjs');
  // Only in the launcher: the preload is inherited by nobody.
  writeFileSync(preload, "process.execve = undefined; require('module').enableCompileCache = undefined;\n");
  return Promise.resolve(run(['--require', preload])).finally(() => rmSync(folder, { recursive: true }));
}

test('holds no syntax newer than Node 12 reads', () => {
  const asWritten = transformSync('weft.cjs', source, { target: 'esnext', lang: 'js', sourceType: 'commonjs' });
  const lowered = transformSync('weft.cjs', source, { target: 'es2019', lang: 'js', sourceType: 'commonjs' });
  assert.deepEqual(asWritten.errors, []);
  assert.equal(lowered.code, asWritten.code);
  const newer = transformSync('weft.cjs', `${source}\nconst x = process?.pid ?? 0;`, { target: 'es2019', lang: 'js' });
  assert.doesNotMatch(newer.code, /\?\?/, 'the transformer lowers what is newer, so equality means something');
  // Node 12 knows neither the prefix nor these functions.
  assert.doesNotMatch(source, /require\('node:|\.at\(|replaceAll|Object\.hasOwn\b|\.rmSync|structuredClone/);
});

test('is parsed by every Node on the path', () => {
  const found = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, 'node'));
  const nodes = found.filter((node) => spawnSync(node, ['--version']).status === 0);
  for (const node of new Set([process.execPath, ...nodes])) {
    const checked = spawnSync(node, ['--check', launcher], { encoding: 'utf8' });
    assert.equal(checked.status, 0, `${node}: ${checked.stderr}`);
  }
});

test('starts proxies with the V8 options that weft run starts them with', () => {
  const written = /V8_FLAGS = \{ proxy: \[(.*?)\] \}/.exec(source)?.[1] ?? '';
  assert.deepEqual(
    written.split(',').map((flag) => flag.trim().replaceAll("'", '')),
    proxyV8Flags,
  );
  assert.equal(sidecarNodeOptions, proxyV8Flags.join(' '), 'as injected sidecars are');
  const [, name, value] = /ONE_HEAP = \{ name: '(\w+)', value: '(\w+)' \}/.exec(source)!;
  assert.deepEqual({ [name!]: value }, proxyEnvironment);
  assert.deepEqual(sidecarAllocator, proxyEnvironment);
});

for (const [what, args, set, heaps] of [
  ['one heap', ['proxy', '--help'], {}, '1'],
  ['as many heaps as its user says', ['proxy', '--help'], { MALLOC_ARENA_MAX: '3' }, '3'],
  ['as many heaps as it likes where several threads serve', ['proxy', '--workers', '4', '--help'], {}, 'undefined'],
  ['the same where a variable says so', ['proxy', '--help'], { WEFT_WORKERS: '2' }, 'undefined'],
  ['one heap where a single thread is asked for', ['proxy', '--workers=1', '--help'], {}, '1'],
  ['nothing of it to other commands', ['version'], {}, 'undefined'],
] as const) {
  test(`gives ${what}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-launcher-'));
    const preload = join(folder, 'tell.cjs');
    // A process that becomes another one does not come to its end.
    writeFileSync(preload, "process.on('exit', () => console.error(`heaps: ${process.env.MALLOC_ARENA_MAX}.`));\n");
    const { MALLOC_ARENA_MAX: _, ...rest } = process.env;
    const env = { ...rest, ...set, NODE_OPTIONS: `--require ${JSON.stringify(preload)}` };
    const run = spawnSync(process.execPath, [launcher, ...args], { encoding: 'utf8', env });
    rmSync(folder, { recursive: true });
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, new RegExp(`^heaps: ${heaps}\\.$`, 'm'));
  });
}

test('becomes the program: its output and exit code are the command’s', () => {
  const run = spawnSync(process.execPath, [launcher, 'version', '-o', 'json'], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.equal((JSON.parse(run.stdout) as { weft: string }).weft, weftVersion);
  assert.doesNotMatch(run.stderr, /Experimental/);
  assert.equal(spawnSync(process.execPath, [launcher, 'no-such-command']).status, 2);
});

test('passes output and exit code on where it cannot become the program', () =>
  oldNode((nodeArgs) => {
    const run = spawnSync(process.execPath, [...nodeArgs, launcher, 'version', '-o', 'json'], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    assert.equal((JSON.parse(run.stdout) as { weft: string }).weft, weftVersion);
    assert.equal(spawnSync(process.execPath, [...nodeArgs, launcher, 'check', '/no/such/folder']).status, 2);
  }));

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`leaves no process behind when ended by ${signal} where it cannot become the program`, () =>
    oldNode(async (nodeArgs) => {
      const folder = mkdtempSync(join(tmpdir(), 'weft-control-'));
      const flags = ['--state', join(folder, 'state'), '--admin-socket', join(folder, 'control.sock')];
      const args = ['control', '--config', folder, ...flags, '--port=0', '--metrics-port=-1', '--ready-fd=3'];
      const child = spawn(process.execPath, [...nodeArgs, launcher, ...args], {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      });
      const line = await new Promise<string>((resolve, reject) => {
        child.stdio[3]!.once('data', (data: Buffer) => resolve(data.toString()));
        child.once('exit', (code) => reject(new Error(`ended with ${code} before it was ready`)));
      });
      const { pid } = JSON.parse(line) as { pid: number };
      assert.notEqual(pid, child.pid);
      child.removeAllListeners('exit');
      const ended = new Promise((resolve) => void child.once('exit', resolve));
      child.kill(signal);
      await ended;
      await eventually(() => assert.ok(!isRunning(pid), 'the program outlived its launcher'), 30_000);
      rmSync(folder, { recursive: true });
    }));
}

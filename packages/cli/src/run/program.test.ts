import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFault } from '../exit-code.ts';
import { checkProgram, programEnvironment, startProgram } from './program.ts';
import { sidecarEnvironment } from './sidecar.ts';

test('a program is pointed at the sidecar in the words of every language, and not for this machine', () => {
  const ours = { WEFT_TOKEN: 'secret', NODE_COMPILE_CACHE: 'cache/weft/compile-cache' };
  const env = programEnvironment({ PATH: '/bin', NO_PROXY: 'a.example, localhost', ...ours }, 4711);
  assert.deepEqual(env, {
    PATH: '/bin',
    http_proxy: 'http://127.0.0.1:4711',
    HTTP_PROXY: 'http://127.0.0.1:4711',
    NODE_USE_ENV_PROXY: '1',
    NO_PROXY: 'a.example,localhost,127.0.0.1,::1',
    no_proxy: 'a.example,localhost,127.0.0.1,::1',
  });
});

test('a sidecar gets the token by its environment, one heap, and no setting meant for another proxy', () => {
  const heap = { MALLOC_ARENA_MAX: '1' };
  assert.deepEqual(sidecarEnvironment({ PATH: '/bin', WEFT_PORTS: '1' }, 't'), {
    ...heap,
    PATH: '/bin',
    WEFT_TOKEN: 't',
  });
  assert.deepEqual(sidecarEnvironment({ WEFT_TOKEN: 'old' }, ''), heap);
  assert.deepEqual(sidecarEnvironment({ MALLOC_ARENA_MAX: '4' }, ''), { MALLOC_ARENA_MAX: '4' });
});

test('a program that is not there is said before anything is started', () => {
  const env = { PATH: '/bin:/usr/bin' };
  checkProgram('sh', env);
  checkProgram('/bin/sh', env);
  for (const absent of ['no-such-program', './sh', '/bin', new URL('../../package.json', import.meta.url).pathname]) {
    assert.throws(() => checkProgram(absent, env), CommandFault);
  }
});

test('a program ends as a shell would say it', async () => {
  const exited = await startProgram('sh', ['-c', 'exit 7'], process.env);
  assert.equal(await exited.ended, 7);
  const killed = await startProgram('sleep', ['60'], process.env);
  killed.kill('SIGTERM');
  assert.equal(await killed.ended, 143);
});

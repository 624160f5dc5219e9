import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Flag, describeFlags, readFlags } from './flag-reader.ts';

const flags: readonly Flag[] = [
  { name: 'mode', value: 'MODE', variable: 'T_MODE', repeatable: false, fallback: 'sidecar', text: 'what it is' },
  { name: 'port', value: 'PORT', variable: 'T_PORTS', repeatable: true, fallback: '', text: 'where it listens' },
  { name: 'quiet', value: '', variable: 'T_QUIET', repeatable: false, fallback: '', text: 'say nothing' },
];

function read(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const result = readFlags(flags, args, env);
  assert.ok(result.ok, result.ok ? '' : result.error);
  return result.value;
}

test('a flag wins over its variable, and that over the default', () => {
  assert.equal(read([]).one('mode'), 'sidecar');
  assert.equal(read([], { T_MODE: 'gateway' }).one('mode'), 'gateway');
  assert.equal(read(['--mode', 'both'], { T_MODE: 'gateway' }).one('mode'), 'both');
  assert.equal(read([]).given('mode'), false);
  assert.equal(read([], { T_MODE: 'gateway' }).given('mode'), true);
});

test('a repeatable flag gathers its values; its variable parts them by commas', () => {
  assert.deepEqual(read(['--port', '1', '--port=2']).all('port'), ['1', '2']);
  assert.deepEqual(read([], { T_PORTS: '1, 2' }).all('port'), ['1', '2']);
});

test('a negative number is a value, with or without an equals sign', () => {
  assert.deepEqual(read(['--port', '-1', '--port=-2', '--quiet']).all('port'), ['-1', '-2']);
});

test('an empty variable is as good as none', () => {
  assert.equal(read([], { T_MODE: '' }).one('mode'), 'sidecar');
});

test('a switch is on by being there', () => {
  assert.equal(read(['--quiet']).one('quiet'), 'true');
  assert.equal(read([]).one('quiet'), '');
});

test('an unknown flag, a stray word and a missing value are refused in one line that names them', () => {
  for (const [args, pattern] of [
    [['--mod', 'x'], /--mod/],
    [['stray'], /stray/],
    [['--mode'], /--mode/],
    [['--quiet=x'], /--quiet/],
  ] as const) {
    const result = readFlags(flags, args, {});
    assert.ok(!result.ok);
    assert.match(result.error, pattern);
    assert.doesNotMatch(result.error, /\n/);
  }
});

test('help names every flag with its default, its variable and whether it may stand twice', () => {
  assert.equal(
    describeFlags(flags, 60),
    `  --mode MODE  what it is (default sidecar; T_MODE)
  --port PORT  where it listens (repeatable; T_PORTS)
  --quiet      say nothing (T_QUIET)
`,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBenchOptions } from './bench-options.ts';

const known = ['h1-plain', 'mtls-pair'];

test('without arguments it is the default run of five rounds', () => {
  const read = readBenchOptions([], known);
  assert.ok(read.ok);
  assert.equal(read.value.rounds, 5);
  assert.equal(read.value.starts, 1);
  assert.deepEqual(read.value.only, []);
  assert.equal(read.value.json, undefined);
});

test('values stand after a space or an equals sign', () => {
  const read = readBenchOptions(
    ['--only', 'h1-plain,mtls-pair', '--rounds=3', '--starts', '4', '--json', 'out.json', '--connections', '128'],
    known,
  );
  assert.ok(read.ok);
  assert.deepEqual(read.value.only, known);
  assert.equal(read.value.rounds, 3);
  assert.equal(read.value.starts, 4);
  assert.equal(read.value.connections, 128);
  assert.equal(read.value.streams, undefined);
  assert.equal(read.value.json, 'out.json');
});

for (const [args, said] of [
  [['--only', 'h2'], 'there is no measure h2; there are h1-plain, mtls-pair'],
  [['--rounds', '0'], '--rounds needs a positive whole number, not 0'],
  [['--rounds', '1.5'], '--rounds needs a positive whole number, not 1.5'],
  [['--starts', '0.5'], '--starts needs a positive whole number, not 0.5'],
  [['--streams', '2.5'], '--streams needs a positive whole number, not 2.5'],
  [['--seconds', 'x'], '--seconds needs a positive number, not x'],
  [['--json'], '--json needs a value; see --help'],
  [['--fast'], 'unknown option --fast; see --help'],
  [['--subjects', 'traefik'], 'there is no subject traefik; there are weft, haproxy, nginx, envoy, nghttpx, node'],
] as const) {
  test(`${args.join(' ')} is refused in one line`, () => {
    assert.deepEqual(readBenchOptions(args, known), { ok: false, error: said });
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDemoOptions } from './demo-options.ts';

test('without arguments the demo runs until somebody ends it', () => {
  assert.deepEqual(readDemoOptions([]), {
    ok: true,
    value: { isCheck: false, only: '', keep: false, seconds: 0, help: false },
  });
});

test('each option is read', () => {
  const read = readDemoOptions(['--check', '--only', 'breaker', '--keep', '--seconds', '12']);
  assert.deepEqual(read, {
    ok: true,
    value: { isCheck: true, only: 'breaker', keep: true, seconds: 12, help: false },
  });
});

for (const args of [['--chekc'], ['--seconds', 'ten'], ['--seconds=-1'], ['loose']]) {
  test(`${args.join(' ')} is refused with one line`, () => {
    const read = readDemoOptions(args);
    assert.equal(read.ok, false);
    assert.ok(!read.ok && read.error !== '' && !read.error.includes('\n'));
  });
}

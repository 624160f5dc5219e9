import assert from 'node:assert/strict';
import test from 'node:test';
import { compileMatchTable } from '@weft/routing';
import { rewritePath } from './path-rewrite.ts';
import { ruleFixture } from './rule-fixture.ts';

function entryFor(type: 'Exact' | 'PathPrefix' | 'RegularExpression', value: string) {
  const matches = [{ path: { type, value }, method: '', headers: [], queries: [], grpc: null }];
  const compiled = compileMatchTable([ruleFixture({ matches })]);
  assert.ok(compiled.ok);
  return compiled.value.entries[0]!;
}

test('a prefix is replaced as the table of HTTPPathModifier.replacePrefixMatch says', () => {
  // Request path, prefix of the match, replacement, path that is sent.
  const rows: [string, string, string, string][] = [
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '', '/bar'],
    ['/foo/', '/foo', '', '/'],
    ['/foo', '/foo', '', '/'],
    ['/foo/', '/foo', '/', '/'],
    ['/foo', '/foo', '/', '/'],
    ['/a/b', '/', '/xyz', '/xyz/a/b'],
    ['/', '/', '/xyz', '/xyz/'],
    ['/a', '/', '/', '/a'],
    ['/foo//bar', '/foo', '/xyz', '/xyz//bar'],
  ];
  for (const [path, prefix, value, expected] of rows) {
    const entry = entryFor('PathPrefix', prefix);
    assert.equal(
      rewritePath({ type: 'ReplacePrefixMatch', value }, entry, path),
      expected,
      `${path} ${prefix} ${value}`,
    );
  }
});

test('a full path replaces whatever was asked for', () => {
  const entry = entryFor('PathPrefix', '/foo');
  assert.equal(rewritePath({ type: 'ReplaceFullPath', value: '/one' }, entry, '/foo/bar'), '/one');
  assert.equal(rewritePath({ type: 'ReplaceFullPath', value: '' }, entry, '/foo/bar'), '/');
});

test('where the whole path matched, the whole is the prefix that is replaced', () => {
  assert.equal(
    rewritePath({ type: 'ReplacePrefixMatch', value: '/x' }, entryFor('Exact', '/foo/bar'), '/foo/bar'),
    '/x',
  );
  assert.equal(
    rewritePath({ type: 'ReplacePrefixMatch', value: '/x' }, entryFor('RegularExpression', '/.*'), '/a'),
    '/x',
  );
});

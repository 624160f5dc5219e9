import assert from 'node:assert/strict';
import test from 'node:test';
import { compilePattern, literalPrefixOf } from './linear-pattern.ts';

const prefixes: [string, string][] = [
  ['/api/v[0-9]+', '/api/v'],
  ['/api/.*', '/api/'],
  ['/foo(/.*)?', '/foo'],
  ['/foo/(a|b)', '/foo/'],
  ['/foo|/bar', ''],
  ['(a|b)|c', ''],
  ['[(]|a', ''],
  ['[\\](]|a', ''],
  ['[[:alpha:](]|a', ''],
  ['[](]|a', ''],
  ['[^](]|a', ''],
  ['\\Q(\\E|a', ''],
  ['/a?b', '/'],
  ['/a*b', '/'],
  ['/a{0,3}b', '/'],
  ['/a+b', '/a'],
  ['/file\\.json', '/file.json'],
  ['/file\\.?json', '/file'],
  ['/\\d+', '/'],
  ['(?i)/abc', ''],
  ['^/a$', '/a'],
  ['/é', '/'],
  ['', ''],
];

test('the literal beginning of a pattern is found cautiously', () => {
  for (const [source, expected] of prefixes) assert.equal(literalPrefixOf(source), expected, source);
});

test('a pattern covers whole values whatever its anchors and flags', () => {
  const cases: [string, string, boolean][] = [
    ['/a|/b', '/b', true],
    ['/a|/b', '/bc', false],
    ['(?i)/abc', '/ABC', true],
    ['^/a$', '/a', true],
    ['/a.c', '/a\nc', false],
    ['', '', true],
    ['', 'a', false],
  ];
  for (const [source, value, expected] of cases) {
    const compiled = compilePattern(source);
    assert.ok(compiled.ok);
    assert.equal(compiled.value.test(value), expected, `${source} ${value}`);
  }
});

test('syntax that linear engines lack, and patterns too large, are refused with a sentence', () => {
  for (const source of [
    '(?=a)b',
    '(a)\\1',
    '(',
    'a{1001}',
    'x'.repeat(5000),
    '(a{100}){100}',
    '(?:[a-z]{50}){21}'.repeat(20),
  ]) {
    const compiled = compilePattern(source);
    assert.ok(!compiled.ok, source.slice(0, 40));
    assert.ok(compiled.error.length > 10);
  }
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { hostMatches, hostOf, hostRank } from './host-pattern.ts';

test('a host is compared without port, trailing dot and case', () => {
  const cases: [string, string][] = [
    ['a.example', 'a.example'],
    ['A.Example:8080', 'a.example'],
    ['a.example.', 'a.example'],
    ['a.example.:80', 'a.example'],
    ['[::1]:80', '[::1]'],
    ['[2001:DB8::1]', '[2001:db8::1]'],
    ['192.0.2.1:80', '192.0.2.1'],
    ['FD00::7', 'fd00::7'],
    ['', ''],
    ['.', '.'],
    [':80', ''],
  ];
  for (const [authority, host] of cases) assert.equal(hostOf(authority), host, authority);
});

test('a wildcard covers any number of labels, but not its own suffix', () => {
  assert.ok(hostMatches('*.example', 'a.example'));
  assert.ok(hostMatches('*.example', 'b.a.example'));
  assert.ok(!hostMatches('*.example', 'example'));
  assert.ok(!hostMatches('*.example', '.example'));
  assert.ok(!hostMatches('*.example', 'aexample'));
  assert.ok(hostMatches('', 'anything'));
});

test('exact names rank above wildcards, more characters above fewer, no name last', () => {
  const rising = ['', '*.b', '*.example', 'a', 'a.example'].map(hostRank);
  assert.deepEqual(
    rising,
    rising.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(rising).size, rising.length);
});

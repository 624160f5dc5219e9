import assert from 'node:assert/strict';
import test from 'node:test';
import { firstQueryValue } from './query-value.ts';

test('the first value of a parameter is found wherever it stands, and decoded as a form is', () => {
  const cases: [string, string, string | undefined][] = [
    ['', 'a', undefined],
    ['a', 'a', ''],
    ['a=', 'a', ''],
    ['a=1', 'a', '1'],
    ['a=1&a=2', 'a', '1'],
    ['b=1&a=2', 'a', '2'],
    ['&&a=2', 'a', '2'],
    ['aa=1&a=2', 'a', '2'],
    ['a=1=2', 'a', '1=2'],
    ['a=x+y', 'a', 'x y'],
    ['a=x%2By', 'a', 'x+y'],
    ['%61=1', 'a', '1'],
    ['a%62=1', 'ab', '1'],
    ['a=%zz', 'a', '%zz'],
    ['a=%e4', 'a', '%e4'],
    ['a=%C3%A4', 'a', 'ä'],
    ['=1', '', undefined],
    ['a+b=1', 'a b', '1'],
    ['A=1', 'a', undefined],
  ];
  for (const [query, name, expected] of cases) assert.equal(firstQueryValue(query, name), expected, query);
});

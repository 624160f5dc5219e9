import assert from 'node:assert/strict';
import { test } from 'node:test';
import { intersectHostnames } from './route-attachment.ts';

/** Listener, hosts of the route, hosts served (undefined: not attached). */
const cases: readonly [string, readonly string[], readonly string[] | undefined][] = [
  ['', [], []],
  ['', ['a.example'], ['a.example']],
  ['a.example', [], []],
  ['a.example', ['a.example'], ['a.example']],
  ['a.example', ['b.example'], undefined],
  ['a.example', ['*.example'], ['a.example']],
  ['a.b.example', ['*.example'], ['a.b.example']],
  ['example', ['*.example'], undefined],
  ['*.example', ['a.example', 'a.b.example', 'example', 'a.test'], ['a.example', 'a.b.example']],
  ['*.example', ['*.example'], ['*.example']],
  ['*.example', ['*.a.example'], ['*.a.example']],
  ['*.a.example', ['*.example'], ['*.a.example']],
  ['*.a.example', ['*.b.example'], undefined],
  ['*.example', ['badexample'], undefined],
  ['a.example', ['*.example', 'a.example'], ['a.example']],
];

for (const [listener, route, served] of cases) {
  test(`listener "${listener}" and route [${route.join(', ')}] serve ${served === undefined ? 'nothing' : `[${served.join(', ')}]`}`, () => {
    assert.deepEqual(intersectHostnames(listener, route), served);
  });
}

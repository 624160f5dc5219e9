import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { isIdempotentMethod, isSafeMethod, MethodId, methodIdOf, methodName, readMethodId } from './method.ts';

test('bytes and names give the same number, and the number the name', () => {
  for (const id of Object.values(MethodId)) {
    if (id === MethodId.Other) continue;
    const name = methodName(id);
    const bytes = Buffer.from(`x${name} /`, 'latin1');
    assert.equal(readMethodId(bytes, 1, 1 + name.length), id);
    assert.equal(methodIdOf(name), id);
    assert.equal(readMethodId(bytes, 1, name.length), MethodId.Other, `${name} cut short`);
  }
});

test('other tokens are no known method', () => {
  for (const name of ['get', 'GETX', 'PROPFIND', 'P', '', 'PU']) {
    const bytes = Buffer.from(name, 'latin1');
    assert.equal(readMethodId(bytes, 0, bytes.length), MethodId.Other, name);
    assert.equal(methodIdOf(name), MethodId.Other, name);
  }
});

test('safe and idempotent are as RFC 9110 §9.2 lists them', () => {
  const safe = Object.values(MethodId).filter(isSafeMethod).map(methodName);
  const idempotent = Object.values(MethodId).filter(isIdempotentMethod).map(methodName);
  assert.deepEqual(safe, ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY']);
  assert.deepEqual(idempotent, ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY']);
});

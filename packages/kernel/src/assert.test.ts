import nodeAssert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvariantError, assert } from './assert.ts';

describe('assert', () => {
  it('throws an InvariantError with the message for what is falsy, and nothing else', () => {
    for (const falsy of [false, 0, '', null, undefined, Number.NaN]) {
      nodeAssert.throws(
        () => assert(falsy, 'the reason'),
        (error) => error instanceof InvariantError && error.message === 'the reason',
      );
    }
    for (const truthy of [true, 1, 'text', {}]) nodeAssert.doesNotThrow(() => assert(truthy, 'never'));
  });
});

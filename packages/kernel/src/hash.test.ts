import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { fnv1a32 } from './hash.ts';

describe('FNV-1a', () => {
  it('gives the published vectors', () => {
    assert.equal(fnv1a32(''), 0x811c9dc5);
    assert.equal(fnv1a32('a'), 0xe40c292c);
    assert.equal(fnv1a32('b'), 0xe70c2de5);
    assert.equal(fnv1a32('foobar'), 0xbf9cf968);
  });

  it('hashes the UTF-8 form of text beyond ASCII, lone surrogates included', () => {
    for (const text of ['é', 'ж', '€', '語', '😀', 'a😀b', '\ud800', '\udc00x', '\ud800\ud800', '\u07ff\u0800\uffff']) {
      let expected = 0x811c9dc5;
      for (const byte of Buffer.from(text, 'utf8')) expected = Math.imul(expected ^ byte, 0x01000193);
      assert.equal(fnv1a32(text), expected >>> 0, JSON.stringify(text));
    }
  });
});

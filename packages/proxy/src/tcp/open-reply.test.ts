import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminationCodes } from '@weft/outcome';
import { OpenReplyReader, openReply, refusalReplyBytes } from './open-reply.ts';

test('an application that accepted is one byte, and what follows is its own', () => {
  const bytes = Buffer.concat([openReply, Buffer.from('220 ready')]);
  assert.deepEqual(new OpenReplyReader().feed(bytes, 0, bytes.length), { verdict: 'open', taken: 1 });
});

test('every code comes through in any split', () => {
  for (const code of terminationCodes) {
    const bytes = refusalReplyBytes(code);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const reader = new OpenReplyReader();
      const first = reader.feed(bytes, 0, cut).verdict;
      const last = cut === bytes.length ? first : reader.feed(bytes, cut, bytes.length).verdict;
      assert.equal(last, 'refused');
      assert.equal(reader.code, code);
      assert.equal(reader.detail, '');
    }
  }
});

test('a code of another version, and what is no code, count as a refused connection', () => {
  for (const [bytes, detail] of [
    [Buffer.from('\u0005later', 'latin1'), 'unknown-refusal'],
    [Buffer.from('HTTP/1.1 400 Bad Request', 'latin1'), 'malformed-open-reply'],
  ] as const) {
    const reader = new OpenReplyReader();
    const verdict = reader.feed(bytes, 0, bytes.length).verdict;
    assert.equal(verdict, 'refused');
    assert.equal(reader.code, 'connect-refused');
    assert.equal(reader.detail, detail);
  }
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { Http2Connection } from './connection.ts';
import { http2ErrorName } from './error-code.ts';
import { http2Defaults } from './limits.ts';

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream]);
  return Buffer.concat([head, payload]);
}

test('a peer that earns its PINGs with data and reads none of the answers is closed, with little kept for it', () => {
  const ends: string[] = [];
  const connection = new Http2Connection(
    { role: 'server', limits: http2Defaults, scheme: 'http', connectProtocol: false },
    {
      onStream() {},
      onRefusedHead() {},
      onOutput() {},
      onSettings() {},
      onPong() {},
      onStreamClosed() {},
      onGoaway() {},
      onConnectionEnd: (_code, errorCode, detail) => void ends.push(http2ErrorName(errorCode), detail),
    },
  );
  const post = Buffer.from([0x83, 0x86, 0x84, 0x01, 0x01, 0x61]);
  const opening = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, Buffer.alloc(0)),
    frame(1, 4, 1, post),
  ]);
  connection.feed(opening, 0, opening.length, 1);
  const pair = Buffer.concat([frame(0, 0, 1, Buffer.from('x')), frame(6, 0, 0, Buffer.from('12345678'))]);
  let pairs = 0;
  for (; pairs < 2_000 && ends.length === 0; pairs += 1) connection.feed(pair, 0, pair.length, 1);
  assert.deepEqual(ends, ['enhance-your-calm', 'flood-unread-replies']);
  assert.ok(connection.output.length < 64 * 1024, `${connection.output.length} bytes after ${pairs} pairs`);
});

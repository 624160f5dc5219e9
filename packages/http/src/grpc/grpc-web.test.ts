import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import test from 'node:test';
import { seededRandom } from '@weft/kernel';
import { Base64StreamDecoder } from './base64-stream.ts';
import { GrpcWebTextEncoder, grpcWebFrame, grpcWebTrailerFrame } from './grpc-web.ts';

function message(length: number, fill: number): Buffer {
  const bytes = Buffer.alloc(5 + length, fill);
  bytes[0] = 0;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function decode(text: Buffer, random: () => number): Buffer {
  const decoder = new Base64StreamDecoder();
  const pieces: Buffer[] = [];
  for (let at = 0; at < text.length;) {
    const end = Math.min(text.length, at + Math.floor(random() * 7));
    const piece = decoder.feed(text, at, end);
    assert.ok(piece !== undefined);
    pieces.push(piece);
    at = end;
  }
  assert.ok(decoder.whole);
  return Buffer.concat(pieces);
}

test('any split of a text body decodes to the same bytes, padding in the middle included', () => {
  for (let round = 0; round < 300; round += 1) {
    const random = seededRandom(round);
    const parts = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      Buffer.from(Array.from({ length: Math.floor(random() * 20) }, () => Math.floor(random() * 256))),
    );
    const text = Buffer.from(parts.map((part) => part.toString('base64')).join(''), 'latin1');
    assert.deepEqual(decode(text, random), Buffer.concat(parts), `round ${round}`);
  }
});

test('a text body with a character or padding out of place is refused, one cut short is not whole', () => {
  for (const text of ['AA-A', 'AA\n=', '=AAA', 'A===', 'AA=A', 'AAAA====']) {
    assert.equal(new Base64StreamDecoder().feed(Buffer.from(text), 0, text.length), undefined, text);
  }
  const decoder = new Base64StreamDecoder();
  assert.equal(decoder.feed(Buffer.from('AAAAAA'), 0, 6)?.length, 3);
  assert.equal(decoder.whole, false);
});

test('any split of messages is encoded so that each is whole on arrival, and padded only where one ends', () => {
  for (let round = 0; round < 300; round += 1) {
    const random = seededRandom(1_000 + round);
    const messages = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, index) =>
      message(Math.floor(random() * 12), index),
    );
    const body = Buffer.concat(messages);
    const encoder = new GrpcWebTextEncoder();
    let text = '';
    for (let at = 0; at < body.length;) {
      const end = Math.min(body.length, at + 1 + Math.floor(random() * 9));
      // The reader's buffer is used again: what is held must be a copy.
      const chunk = Buffer.from(body.subarray(at, end));
      text += encoder.encode(chunk, 0, chunk.length).toString('latin1');
      chunk.fill(0xee);
      at = end;
      const known = decode(Buffer.from(text), random);
      let whole = 0;
      for (const each of messages) {
        if (whole + each.length > at) break;
        whole += each.length;
      }
      assert.ok(known.length >= whole, `round ${round}: ${known.length} of ${whole}`);
    }
    assert.equal(encoder.finish().length, 0);
    assert.deepEqual(decode(Buffer.from(text), random), body, `round ${round}`);
    assert.ok((text.match(/=+/g) ?? []).length <= messages.length);
  }
});

test('a body that ends inside a message gives up what it held', () => {
  const encoder = new GrpcWebTextEncoder();
  const cut = message(10, 1).subarray(0, 7);
  const text = Buffer.concat([encoder.encode(cut, 0, cut.length), encoder.finish()]);
  assert.deepEqual(Buffer.from(text.toString('latin1'), 'base64'), cut);
});

test('trailers are a frame of lines; none are an empty frame', () => {
  assert.deepEqual(grpcWebTrailerFrame(null), Buffer.from([0x80, 0, 0, 0, 0]));
  const frame = grpcWebFrame('grpc-status: 0\r\n');
  assert.equal(frame.readUInt32BE(1), 16);
  assert.equal(frame.toString('latin1', 5), 'grpc-status: 0\r\n');
});

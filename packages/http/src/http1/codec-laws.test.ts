import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { corpus } from './fuzz/corpus.ts';
import { brokenLaw } from './fuzz/laws.ts';
import { http1Defaults } from './limits.ts';
import { cut, readRequests, Recorder } from './recorder.ts';
import { Http1RequestReader } from './request-reader.ts';
import { Http1ResponseReader } from './response-reader.ts';
import { MethodId } from '../method.ts';

const ordinary = corpus.slice(0, 19);

test('every input of the corpus obeys the laws: any split, and the next hop reads the same', () => {
  const random = seededRandom(1);
  for (const input of corpus) assert.equal(brokenLaw(input, random), undefined, JSON.stringify(input));
});

test('found by fuzzing: a request of exactly as many fields as we take is taken by the next hop with what we add', () => {
  const fields = 'X: y\r\n'.repeat(98);
  const bytes = `GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n${fields}\r\n`;
  const input = { side: 'request', bytes, asked: '', offered: '' } as const;
  assert.equal(brokenLaw(input, seededRandom(1)), undefined);
});

test('every split of ordinary messages into two gives the same events', () => {
  for (const input of ordinary.filter(({ side }) => side === 'request')) {
    const whole = readRequests(cut(input.bytes, []), true).events;
    for (let at = 1; at < input.bytes.length; at += 1) {
      assert.deepEqual(readRequests(cut(input.bytes, [at]), true).events, whole, `cut at ${at}: ${input.bytes}`);
    }
  }
});

test('every single byte flipped never throws, and what passes has one framing for us and the next hop', () => {
  const random = seededRandom(2);
  for (const input of ordinary) {
    for (let at = 0; at < input.bytes.length; at += 1) {
      for (const mask of [0x01, 0x20, 0x80, 0xff]) {
        const flipped = String.fromCharCode(input.bytes.charCodeAt(at) ^ mask);
        const bytes = input.bytes.slice(0, at) + flipped + input.bytes.slice(at + 1);
        assert.equal(brokenLaw({ ...input, bytes }, random), undefined, JSON.stringify(bytes));
      }
    }
  }
});

test('feeding 10 MB of head never holds more than the limit', () => {
  for (const line of ['X-Field: some value that goes on\r\n', 'y', 'a: \r\n']) {
    const recorder = new Recorder();
    // Without the limit on the count, bytes are what stops it.
    const reader = new Http1RequestReader({ ...http1Defaults, fieldCount: 65_535 }, recorder);
    const first = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nX: ', 'latin1');
    reader.feed(first, 0, first.length);
    const piece = Buffer.from(line.repeat(Math.ceil(1400 / line.length)), 'latin1');
    let largest = 0;
    for (let fed = 0; fed < 10_000_000; fed += piece.length) {
      reader.feed(piece, 0, piece.length);
      largest = Math.max(largest, reader.head.bytes.length);
    }
    assert.equal(recorder.code, 'head-too-large');
    assert.ok(largest <= 64 * 1024, `${largest} bytes held`);
    assert.ok(reader.head.bytes.length <= 4096, 'what was held is given back');
  }
});

test('a connection at rest gives oversized storage back, and keeps that of ordinary heads for comparison', () => {
  const recorder = new Recorder();
  const reader = new Http1RequestReader(http1Defaults, recorder);
  const large = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(50_000)}\r\n\r\n`, 'latin1');
  reader.feed(large, 0, large.length);
  assert.ok(reader.head.bytes.length > 50_000);
  reader.next();
  assert.ok(reader.head.bytes.length <= 4096);
  const small = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1');
  reader.feed(small, 0, small.length);
  const generation = reader.head.generation;
  reader.next();
  reader.feed(small, 0, small.length);
  assert.equal(reader.head.generation, generation);
  assert.equal(recorder.ends, 3);
});

test('the same bytes keep their generation, one changed byte of the same length does not', () => {
  const reader = new Http1RequestReader(http1Defaults, new Recorder());
  const generations: number[] = [];
  for (const path of ['/a', '/a', '/b', '/b', '/a']) {
    const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1');
    reader.feed(bytes, 0, bytes.length);
    assert.equal(reader.head.path, path);
    generations.push(reader.head.generation);
    reader.next();
  }
  assert.deepEqual(
    generations.map((value) => value - generations[0]!),
    [0, 0, 1, 1, 2],
  );
});

test('a response remembered for GET is read anew for HEAD', () => {
  const recorder = new Recorder();
  const reader = new Http1ResponseReader(http1Defaults, recorder);
  const head = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', 'latin1');
  const body = Buffer.from('ok', 'latin1');
  for (const method of [MethodId.Get, MethodId.Get, MethodId.Head, MethodId.Head, MethodId.Get]) {
    reader.expect(method);
    assert.equal(reader.feed(head, 0, head.length), head.length);
    assert.equal(reader.ended, method === MethodId.Head);
    if (method === MethodId.Get) reader.feed(body, 0, 2);
    assert.equal(reader.ended, true);
  }
  assert.equal(recorder.data, 'okokok');
});

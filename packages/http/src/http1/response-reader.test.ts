import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { InvariantError } from '@weft/kernel';
import { MethodId } from '../method.ts';
import { http1Defaults } from './limits.ts';
import { cut, readResponse, Recorder } from './recorder.ts';
import { Http1ResponseReader } from './response-reader.ts';

const whole = (text: string, asked = 'GET', close = false): string[] =>
  readResponse(cut(text, []), asked, '', close).events;

test('interim responses are delivered, reading goes on to the final one', () => {
  const recorder = readResponse(
    cut(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      [],
    ),
    'POST',
  );
  assert.equal(recorder.interim, 2);
  assert.equal(recorder.heads.length, 1);
  assert.equal(recorder.data, 'ok');
  assert.equal(recorder.ends, 1);
});

test('RFC 9112 §6.3: HEAD, 204 and 304 have no body whatever they announce', () => {
  for (const [text, asked] of [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HEAD'],
    ['HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n', 'GET'],
    ['HTTP/1.1 204 X\r\n\r\n', 'GET'],
  ] as const) {
    const events = whole(text, asked);
    assert.match(events[0]!, /framing=0/);
    assert.equal(events[1], 'end');
  }
});

test('a body without a length ends with the connection, and the connection is not persistent', () => {
  const events = whole('HTTP/1.1 200 OK\r\n\r\nabc', 'GET', true);
  assert.match(events[0]!, /framing=3 length=-1 persistent=false/);
  assert.deepEqual(events.slice(1), ['data abc', 'end']);
  assert.deepEqual(whole('HTTP/1.1 200 OK\r\n\r\n', 'GET', true).slice(1), ['end']);
});

test('a connection that ends early is told apart by how far the response had come', () => {
  assert.deepEqual(whole('', 'GET', true), ['termination upstream-reset no-response']);
  assert.deepEqual(whole('HTTP/1.1 2', 'GET', true), ['termination upstream-reset truncated-head']);
  assert.equal(whole('HTTP/1.1 100 X\r\n\r\n', 'GET', true).at(-1), 'termination upstream-reset no-response');
  assert.equal(
    whole('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc', 'GET', true).at(-1),
    'termination upstream-cut truncated-body',
  );
  assert.equal(
    whole('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', 'GET', true).at(-1),
    'termination upstream-cut truncated-body',
  );
});

test('after 101 and after 2xx to CONNECT all bytes stay with the caller', () => {
  for (const [text, method, offered] of [
    ['HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n', MethodId.Get, 'websocket'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n', MethodId.Connect, ''],
  ] as const) {
    const recorder = new Recorder();
    const reader = new Http1ResponseReader(http1Defaults, recorder);
    reader.expect(method, offered);
    const bytes = Buffer.from(`${text}HTTP/1.1 200 OK\r\n\r\n`, 'latin1');
    assert.equal(reader.feed(bytes, 0, bytes.length), text.length);
    assert.equal(reader.tunnel, true);
    assert.equal(reader.feed(bytes, text.length, bytes.length), 0);
    reader.eof();
    assert.equal(recorder.events.length, 1);
  }
});

test('a refused CONNECT has an ordinary response', () => {
  assert.deepEqual(whole('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno', 'CONNECT').slice(1), ['data no', 'end']);
});

test('H1-18: bytes on an idle pooled connection end it', () => {
  const recorder = new Recorder();
  const reader = new Http1ResponseReader(http1Defaults, recorder);
  const bytes = Buffer.from('HTTP/1.1 408 X\r\n\r\n', 'latin1');
  assert.equal(reader.idle, true);
  assert.equal(reader.feed(bytes, 0, bytes.length), 0);
  assert.deepEqual(recorder.events, ['termination malformed-response unexpected-bytes']);
});

test('arming a reader that is still reading is a broken invariant', () => {
  const reader = new Http1ResponseReader(http1Defaults, new Recorder());
  reader.expect(MethodId.Get);
  assert.throws(() => reader.expect(MethodId.Get), InvariantError);
});

test('a connection put to rest gives the storage of an oversized head back', () => {
  const reader = new Http1ResponseReader(http1Defaults, new Recorder());
  reader.expect(MethodId.Get);
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(50_000)}\r\nContent-Length: 0\r\n\r\n`, 'latin1');
  reader.feed(bytes, 0, bytes.length);
  assert.equal(reader.ended, true);
  assert.ok(reader.head.bytes.length > 50_000);
  reader.rest();
  assert.ok(reader.head.bytes.length <= 4096);
});

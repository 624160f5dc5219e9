import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { Framing, TargetForm } from '../framing.ts';
import type { Head } from '../head.ts';
import { MethodId } from '../method.ts';
import { http1Defaults } from './limits.ts';
import { Recorder } from './recorder.ts';
import { Http1RequestReader } from './request-reader.ts';

class Watcher extends Recorder {
  onHeadRead: (head: Head) => void = () => {};
  override onHead(head: Head): void {
    super.onHead(head);
    this.onHeadRead(head);
  }
}

function read(text: string): { head: Head; reader: Http1RequestReader; recorder: Watcher; taken: number } {
  const recorder = new Watcher();
  const reader = new Http1RequestReader(http1Defaults, recorder);
  const bytes = Buffer.from(text, 'latin1');
  const taken = reader.feed(bytes, 0, bytes.length);
  return { head: reader.head, reader, recorder, taken };
}

test('feed stops right behind a message, so that pipelined bytes stay with the caller', () => {
  const first = 'POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok';
  const second = 'GET /2 HTTP/1.1\r\nHost: a\r\n\r\n';
  const { reader, recorder, taken } = read(first + second);
  assert.equal(taken, first.length);
  assert.equal(reader.ended, true);
  assert.equal(reader.idle, false);
  const bytes = Buffer.from(second, 'latin1');
  assert.equal(reader.feed(bytes, 0, bytes.length), 0, 'nothing is read before next()');
  reader.next();
  assert.equal(reader.idle, true);
  assert.equal(reader.feed(bytes, 0, bytes.length), bytes.length);
  assert.deepEqual(
    recorder.heads.map((head) => head.split(' ')[1]),
    ['/1?@a', '/2?@a'],
  );
});

test('the facts of a head: method, path, query, authority, fields', () => {
  const { head } = read(
    'GET /a%20b?c=d?e HTTP/1.1\r\nHost: Shop.Example:80\r\nAccept: x\r\naccept: y\r\nCookie: a=1\r\nCookie: b=2\r\nX-Other:  z \r\n\r\n',
  );
  assert.equal(head.method, 'GET');
  assert.equal(head.methodId, MethodId.Get);
  assert.equal(head.path, '/a%20b');
  assert.equal(head.query, 'c=d?e');
  assert.equal(head.authority, 'shop.example:80');
  assert.equal(head.targetForm, TargetForm.Origin);
  assert.equal(head.valueOf('accept'), 'x, y');
  assert.equal(head.valueOf('cookie'), 'a=1; b=2');
  assert.equal(head.valueOf('x-other'), 'z');
  assert.equal(head.valueOf('x-othe'), undefined);
  assert.equal(head.name(5), 'x-other');
  assert.equal(head.persistent, true);
  assert.equal(head.framing, Framing.None);
  assert.equal(head.contentLength, -1);
});

test('RFC 9112 §3.2.2: the authority of an absolute form replaces Host, and a difference is told', () => {
  const { head } = read('GET HTTP://b:81?q HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(head.authority, 'b:81');
  assert.equal(head.path, '/');
  assert.equal(head.query, 'q');
  assert.equal(head.hostMismatch, true);
  assert.equal(read('GET http://A/ HTTP/1.1\r\nHost: a\r\n\r\n').head.hostMismatch, false);
});

test('CONNECT names its authority and has no path', () => {
  const { head } = read('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n');
  assert.equal(head.targetForm, TargetForm.Authority);
  assert.equal(head.authority, 'db:5432');
  assert.equal(head.path, '');
});

test('RFC 9112 §9.3: persistence by version and Connection', () => {
  const persistent = (version: string, connection: string): boolean =>
    read(`GET / HTTP/${version}\r\nHost: a\r\n${connection}\r\n`).head.persistent;
  assert.equal(persistent('1.1', ''), true);
  assert.equal(persistent('1.1', 'Connection: x, Close\r\n'), false);
  assert.equal(persistent('1.1', 'Connection: x\r\nConnection: close\r\n'), false);
  assert.equal(persistent('1.0', ''), false);
  assert.equal(persistent('1.0', 'Connection: Keep-Alive\r\n'), true);
  assert.equal(persistent('1.0', 'Connection: keep-alive, close\r\n'), false);
});

test('RFC 9110 §7.8: an Upgrade counts with Connection: upgrade and HTTP/1.1 only, and never to h2c', () => {
  const upgrade = (version: string, fields: string): string =>
    read(`GET / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`).head.upgrade;
  assert.equal(
    upgrade('1.1', 'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket, h2c, foo/1\r\n'),
    'websocket, foo/1',
  );
  assert.equal(upgrade('1.1', 'Upgrade: websocket\r\n'), '');
  assert.equal(upgrade('1.0', 'Connection: upgrade\r\nUpgrade: websocket\r\n'), '');
});

test('RFC 9110 §10.1.1: 100-continue is waited for only with a body and HTTP/1.1', () => {
  const waits = (line: string, length: string): boolean =>
    read(`POST / ${line}\r\nHost: a\r\nExpect: 100-continue\r\n${length}\r\n`).head.expectContinue;
  assert.equal(waits('HTTP/1.1', 'Content-Length: 1\r\n'), true);
  assert.equal(waits('HTTP/1.1', 'Transfer-Encoding: chunked\r\n'), true);
  assert.equal(waits('HTTP/1.1', 'Content-Length: 0\r\n'), false);
  assert.equal(waits('HTTP/1.1', ''), false);
  assert.equal(waits('HTTP/1.0', 'Content-Length: 1\r\n'), false);
});

test('body bytes are handed on as ranges of the chunk, without a copy', () => {
  const chunks: [Buffer, number, number][] = [];
  const recorder = new Recorder();
  recorder.onData = (chunk, start, end): void => void chunks.push([chunk, start, end]);
  const reader = new Http1RequestReader(http1Defaults, recorder);
  const bytes = Buffer.from(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    'latin1',
  );
  reader.feed(bytes, 0, bytes.length);
  assert.deepEqual(
    chunks.map(([chunk, start, end]) => [chunk === bytes, bytes.toString('latin1', start, end)]),
    [
      [true, 'abc'],
      [true, 'de'],
    ],
  );
});

test('pause returns behind the piece being delivered, and the rest may be fed later', () => {
  const recorder = new Watcher();
  const reader = new Http1RequestReader(http1Defaults, recorder);
  recorder.onHeadRead = () => reader.pause();
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n';
  const bytes = Buffer.from(`${head}hello`, 'latin1');
  assert.equal(reader.feed(bytes, 0, bytes.length), head.length);
  assert.equal(recorder.data, '');
  assert.equal(reader.feed(bytes, head.length, bytes.length), 5);
  assert.equal(recorder.data, 'hello');
  assert.equal(reader.ended, true);
});

test('the end of the connection is clean between messages and a termination inside one', () => {
  const end = (text: string): string => {
    const { reader, recorder } = read(text);
    if (reader.ended) reader.next();
    reader.eof();
    return `${recorder.code} ${recorder.detail}`;
  };
  assert.equal(end(''), ' ');
  assert.equal(end('\r\n'), ' ');
  assert.equal(end('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), ' ');
  assert.equal(end('GET'), 'downstream-reset truncated-head');
  assert.equal(end('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx'), 'downstream-reset truncated-body');
});

test('after a termination nothing is read and nothing more is told', () => {
  const { reader, recorder } = read('GET / HTTP/1.1\nHost: a\r\n\r\n');
  assert.equal(reader.dead, true);
  const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1');
  assert.equal(reader.feed(bytes, 0, bytes.length), 0);
  reader.next();
  reader.eof();
  assert.equal(reader.feed(bytes, 0, bytes.length), 0);
  assert.equal(recorder.events.length, 1);
});

test('trailers are delivered with those that must not be merged marked (RFC 9110 §6.5.1)', () => {
  const { recorder } = read(
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nGrpc-Status: 0\r\nContent-Length: 5\r\nCookie: x\r\nX-Forwarded-For: y\r\nWeft-A: z\r\n\r\n',
  );
  assert.equal(
    recorder.events.at(-2),
    'trailers x-sum=1|grpc-status=0|-content-length=5|-cookie=x|-x-forwarded-for=y|-weft-a=z',
  );
});

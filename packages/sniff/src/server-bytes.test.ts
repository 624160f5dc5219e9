import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sniffServerBytes } from './server-bytes.ts';

const sniff = (bytes: Buffer): string => sniffServerBytes(bytes, 0, bytes.length);

test('a response line is HTTP/1, whatever its version and status', () => {
  assert.equal(sniff(Buffer.from('HTTP/1.1 400 Bad Request\r\n')), 'http1');
  assert.equal(sniff(Buffer.from('HTTP/1.0 200 OK\r\n')), 'http1');
});

test('a SETTINGS frame on stream 0 is HTTP/2, empty or not', () => {
  assert.equal(sniff(Buffer.from('000000040000000000', 'hex')), 'http2');
  assert.equal(sniff(Buffer.from('00000604000000000000030000', 'hex')), 'http2');
  assert.equal(sniff(Buffer.from('000005040000000000', 'hex')), 'unknown', 'no whole setting');
  assert.equal(sniff(Buffer.from('000000040000000001', 'hex')), 'unknown', 'on a stream');
});

test('greetings and answers of databases and mail are neither', () => {
  assert.equal(sniff(Buffer.from('220 mail ESMTP\r\n')), 'unknown');
  assert.equal(sniff(Buffer.from('+PONG\r\n')), 'unknown');
  assert.equal(sniff(Buffer.from('4a0000000a31312e342e322d4d617269614442', 'hex')), 'unknown');
  assert.equal(sniff(Buffer.from('R')), 'unknown');
  assert.equal(sniff(Buffer.alloc(0)), 'unknown');
});

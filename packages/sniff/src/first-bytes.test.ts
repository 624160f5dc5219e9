import { equal, ok } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { SNIFF_MAX_BYTES, sniffFirstBytes } from './first-bytes.ts';

const cases: readonly (readonly [bytes: string, expected: string])[] = [
  ['\x16\x03\x01\x02\x00\x01', 'tls'],
  ['\x16\x03\x03\x40\x00\x01rest', 'tls'],
  ['\x16\x03\x01\x02\x00\x02', 'unknown'],
  ['\x16\x02', 'unknown'],
  ['\x16\x03\x05', 'unknown'],
  ['\x16\x03\x01\x00\x00', 'unknown'],
  ['\x16\x03\x01\x40\x01', 'unknown'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0', 'http2-preface'],
  ['\r\n\r\n\0\r\nQUIT\n\x21\x11', 'proxy-v2'],
  ['GET / HTTP/1.1\r\n', 'http1'],
  ['GET /', 'http1'],
  ['POST /a', 'http1'],
  ['PUT /a', 'http1'],
  ['PROPFIND /dav', 'http1'],
  ['M-SEARCH * HTTP/1.1', 'http1'],
  ['OPTIONS * HTTP/1.1', 'http1'],
  ['\r\nGET / HTTP/1.1', 'http1'],
  ['GET http://a.example/x HTTP/1.1', 'http1'],
  ['CONNECT a.example:443 HTTP/1.1', 'http1'],
  ['get / HTTP/1.0', 'http1'],
  // Commands of other protocols that also begin with a word.
  ['GET key\r\n', 'unknown'],
  ['get key\r\n', 'unknown'],
  ['EHLO host.example\r\n', 'unknown'],
  ['SET a b\r\n', 'unknown'],
  ['PRI x HTTP/3', 'unknown'],
  ['\r\n\r\nGET / HTTP/1.1', 'unknown'],
  ['GET  / HTTP/1.1', 'unknown'],
  [' GET /', 'unknown'],
  ['*1\r\n$4\r\nPING\r\n', 'unknown'],
  ['SSH-2.0-OpenSSH_10.0\r\n', 'unknown'],
  ['\x00\x00\x00\x08\x04\xd2\x16\x2f', 'unknown'],
  ['\0\0\0', 'unknown'],
  ['A'.repeat(33), 'unknown'],
  ['', 'need-more'],
  ['G', 'need-more'],
  ['GET', 'need-more'],
  ['GET ', 'need-more'],
  ['GET http://a', 'need-more'],
  ['GET http://a HTTP/1', 'need-more'],
  ['PRI * HTTP/2.0\r\n', 'need-more'],
  ['\r\n\r\n\0\r\nQUIT', 'need-more'],
  ['\r\n', 'need-more'],
  ['\x16\x03\x01\x02\x00', 'need-more'],
];

describe('sniffFirstBytes', () => {
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)} is ${expected}`, () => {
      const bytes = Buffer.from(text, 'latin1');
      equal(sniffFirstBytes(bytes, 0, bytes.length), expected);
      // A window of a larger buffer gives the same answer: nothing outside of it is read.
      const padded = Buffer.concat([Buffer.from('GET '), bytes, Buffer.from('/ HTTP/1.1\r\n')]);
      equal(sniffFirstBytes(padded, 4, 4 + bytes.length), expected);
    });
  }

  test('an answer once given stays the same however the bytes arrive', () => {
    for (const [text, expected] of cases) {
      const bytes = Buffer.from(text, 'latin1');
      for (let end = 0; end < bytes.length; end += 1) {
        const answer = sniffFirstBytes(bytes, 0, end);
        ok(answer === 'need-more' || answer === expected, `${JSON.stringify(text.slice(0, end))}: ${answer}`);
      }
    }
  });

  test('whoever sends an endless target gets an answer at the limit', () => {
    const bytes = Buffer.alloc(SNIFF_MAX_BYTES, 'a');
    bytes.write('GET http://', 'latin1');
    equal(sniffFirstBytes(bytes, 0, SNIFF_MAX_BYTES - 1), 'need-more');
    equal(sniffFirstBytes(bytes, 0, SNIFF_MAX_BYTES), 'unknown');
  });
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { describeFirstBytes, looksLikeHttp1, looksLikeHttp2 } from './first-bytes.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test('the first bytes of a protocol are known by any beginning of them', () => {
  for (const text of ['H', 'HTTP/', 'HTTP/1.1 200 OK', '\r\nHTTP/1.1 200', '\r\n']) {
    assert.ok(looksLikeHttp1(bytes(text), 0, text.length), text);
  }
  for (const text of ['h', 'HTTX', '220 mail', '\0\0\x12\x04', '\x15\x03']) {
    assert.ok(!looksLikeHttp1(bytes(text), 0, text.length), text);
  }
  for (const text of ['\0', '\0\0\x12\x04', '\0\0\0\x04\0\0\0\0\0']) {
    assert.ok(looksLikeHttp2(bytes(text), 0, text.length), text);
  }
  for (const text of ['HTTP', '\0\0\x12\x07', '\x15\x03', '\x10']) {
    assert.ok(!looksLikeHttp2(bytes(text), 0, text.length), text);
  }
});

test('what is shown of them is safe to log, short, and says what they look like', () => {
  const show = (text: string): string => describeFirstBytes(bytes(`xx${text}`), 2, text.length + 2);
  assert.equal(show('220 "a"\\\r\n'), '"220 \\x22a\\x22\\x5c\\x0d\\x0a"');
  assert.equal(show('\x1b[31m\x7f\xff'), '"\\x1b[31m\\x7f\\xff"');
  assert.equal(show('HTTP/1.1 200 OK\r\n'), '"HTTP/1.1 200 OK\\x0d\\x0a" (HTTP/1)');
  assert.equal(show('\0\0\0\x04\0'), '"\\x00\\x00\\x00\\x04\\x00" (HTTP/2)');
  assert.equal(show('\x15\x03\x03\0\x02'), '"\\x15\\x03\\x03\\x00\\x02" (TLS)');
  assert.equal(show('a'.repeat(40)), `"${'a'.repeat(32)}"...`);
});

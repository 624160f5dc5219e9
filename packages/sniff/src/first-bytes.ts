/** What a connection speaks, as far as its first bytes tell. `need-more`: they tell nothing yet. */
export type FirstBytes = 'tls' | 'http1' | 'http2-preface' | 'proxy-v2' | 'unknown' | 'need-more';

/**
 * The longest run of bytes that can still be `need-more`: a request line whose target does not begin with a slash. A
 * caller that holds so many bytes gets an answer.
 */
export const SNIFF_MAX_BYTES = 8_192;

// RFC 9113 §3.4
const HTTP2_PREFACE = latin1Bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
// PROXY protocol specification §2.2
const PROXY_V2_SIGNATURE = latin1Bytes('\r\n\r\n\0\r\nQUIT\n');
const HTTP_VERSION = latin1Bytes('HTTP/1.');
/** RFC 9110 §9.1 names no limit; the longest registered method has 17 characters. */
const MAX_METHOD_BYTES = 32;

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const SLASH = 0x2f;
const ASTERISK = 0x2a;

/**
 * Says what bytes[start, end), the first of a connection, belong to. Reads no more than it needs, changes nothing and
 * keeps nothing; any split of the same bytes ends in the same answer.
 *
 * A client that waits for the server to speak first sends nothing at all: how long to wait for a first byte, and what
 * silence means, is for the caller to know.
 *
 * `http1` is said of an upper-case method followed by a path, `*`, or by whatever ends in ` HTTP/1.` on the same line.
 * It promises no well-formed request; that is the codec's to find out.
 */
export function sniffFirstBytes(bytes: Uint8Array, start: number, end: number): FirstBytes {
  if (start >= end) return 'need-more';
  const first = bytes[start]!;
  if (first === TLS_HANDSHAKE) return sniffTls(bytes, start, end);
  if (first === CR) return sniffAfterCr(bytes, start, end);
  if (first === HTTP2_PREFACE[0]) {
    const preface = matchPrefix(bytes, start, end, HTTP2_PREFACE);
    if (preface === 'whole') return 'http2-preface';
    if (preface === 'part') return 'need-more';
  }
  return sniffRequestLine(bytes, start, end, start);
}

const TLS_HANDSHAKE = 0x16;
const CLIENT_HELLO = 0x01;

/** RFC 8446 §5.1: type, version, length; and the first byte inside, which tells a ClientHello. */
function sniffTls(bytes: Uint8Array, start: number, end: number): FirstBytes {
  const count = end - start;
  if (count > 1 && bytes[start + 1] !== 0x03) return 'unknown';
  // 0x0300 to 0x0304; what stands there is never negotiated, but nothing above was ever sent.
  if (count > 2 && bytes[start + 2]! > 0x04) return 'unknown';
  if (count > 4) {
    const length = (bytes[start + 3]! << 8) | bytes[start + 4]!;
    if (length === 0 || length > 16_384) return 'unknown';
  }
  if (count < 6) return 'need-more';
  return bytes[start + 5] === CLIENT_HELLO ? 'tls' : 'unknown';
}

/** A PROXY header begins with two empty lines; RFC 9112 §2.2 lets one stand before a request line. */
function sniffAfterCr(bytes: Uint8Array, start: number, end: number): FirstBytes {
  const signature = matchPrefix(bytes, start, end, PROXY_V2_SIGNATURE);
  if (signature === 'whole') return 'proxy-v2';
  if (signature === 'part') return 'need-more';
  if (end - start < 3) return 'unknown';
  return bytes[start + 1] === LF ? sniffRequestLine(bytes, start + 2, end, start) : 'unknown';
}

function sniffRequestLine(bytes: Uint8Array, line: number, end: number, start: number): FirstBytes {
  let index = line;
  let isUpperCase = true;
  while (index < end && bytes[index] !== SPACE) {
    const byte = bytes[index]!;
    if (!isTokenByte(byte) || index - line >= MAX_METHOD_BYTES) return 'unknown';
    if (byte >= 0x61 && byte <= 0x7a) isUpperCase = false;
    index += 1;
  }
  if (index === end) return 'need-more';
  if (index === line) return 'unknown';
  index += 1;
  if (index === end) return 'need-more';
  if (isUpperCase && (bytes[index] === SLASH || bytes[index] === ASTERISK)) return 'http1';
  return sniffVersion(bytes, index, end, start);
}

/** Other targets (`CONNECT host:443`, `GET http://...`) look like commands of other protocols until the version is seen. */
function sniffVersion(bytes: Uint8Array, target: number, end: number, start: number): FirstBytes {
  const limit = Math.min(end, start + SNIFF_MAX_BYTES);
  let index = target;
  while (index < limit && bytes[index]! > SPACE && bytes[index] !== 0x7f) index += 1;
  if (index < limit) {
    if (bytes[index] !== SPACE || index === target) return 'unknown';
    const version = matchPrefix(bytes, index + 1, limit, HTTP_VERSION);
    if (version === 'whole') return 'http1';
    if (version === 'none') return 'unknown';
  }
  return end - start >= SNIFF_MAX_BYTES ? 'unknown' : 'need-more';
}

function matchPrefix(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): 'whole' | 'part' | 'none' {
  const count = Math.min(end - start, expected.length);
  for (let index = 0; index < count; index += 1) {
    if (bytes[start + index] !== expected[index]) return 'none';
  }
  return count === expected.length ? 'whole' : 'part';
}

/** RFC 9110 §5.6.2 */
function isTokenByte(byte: number): boolean {
  if (byte >= 0x61 && byte <= 0x7a) return true;
  if (byte >= 0x41 && byte <= 0x5a) return true;
  if (byte >= 0x30 && byte <= 0x39) return true;
  return TOKEN_MARKS.includes(byte);
}

const TOKEN_MARKS = latin1Bytes("!#$%&'*+-.^_`|~");

function latin1Bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

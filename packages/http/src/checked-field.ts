import type { Buffer } from 'node:buffer';
import { ByteClass, byteClasses, foldEquals, lowerCase } from './byte-class.ts';
import { Framing } from './framing.ts';
import type { Head } from './head.ts';

/** Content-Length in field `index`: 1*DIGIT without leading zeros, a safe integer; -1 for anything else, lists too (RFC 9110 §8.6). */
export function readContentLength(head: Head, index: number): number {
  const bytes = head.bytes;
  const start = head.spans[index * 4 + 2]!;
  const end = head.spans[index * 4 + 3]!;
  if (start === end || end - start > 16 || (end - start > 1 && bytes[start] === 0x30)) return -1;
  let length = 0;
  for (let pos = start; pos < end; pos += 1) {
    if ((byteClasses[bytes[pos]!]! & ByteClass.Digit) === 0) return -1;
    length = length * 10 + bytes[pos]! - 0x30;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/**
 * Expect in field `index` of a request whose framing is known: sets `expectContinue`. A detail when it asks for anything but
 * 100-continue. HTTP/1.0 clients know no 100 (RFC 9110 §10.1.1); without a body there is nothing to wait for.
 */
export function readExpect(head: Head, index: number): string {
  const start = head.spans[index * 4 + 2]!;
  const end = head.spans[index * 4 + 3]!;
  if (end - start !== 12 || !foldEquals(head.bytes, start, end, '100-continue')) return 'expectation';
  const hasBody = head.framing === Framing.Chunked || (head.framing === Framing.Length && head.contentLength > 0);
  head.expectContinue = head.minorVersion === 1 && hasBody;
  return '';
}

/** bytes[one, oneEnd) and bytes[other, otherEnd) are the same but for the case of letters. */
export function isSameText(bytes: Buffer, one: number, oneEnd: number, other: number, otherEnd: number): boolean {
  const length = oneEnd - one;
  if (otherEnd - other !== length) return false;
  for (let index = 0; index < length; index += 1) {
    if (lowerCase[bytes[one + index]!] !== lowerCase[bytes[other + index]!]) return false;
  }
  return true;
}

import type { Buffer } from 'node:buffer';

/** As much as a person needs to know a protocol by. */
const SHOWN_BYTES = 32;

/**
 * chunk[start, end) for a detail that a person reads, shortened: printable ASCII as it is, everything else as `\xNN`, in
 * quotes, with the protocol that they look like when it is a common one.
 */
export function describeFirstBytes(chunk: Buffer, start: number, end: number): string {
  let text = '';
  const shown = Math.min(end, start + SHOWN_BYTES);
  for (let index = start; index < shown; index += 1) {
    const byte = chunk[index]!;
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  const name = likeness(chunk, start, end);
  return `"${text}"${shown < end ? '...' : ''}${name === '' ? '' : ` (${name})`}`;
}

/** True when the bytes could begin an HTTP/1 response, as far as they go; one with an empty line before it is a bad one. */
export function looksLikeHttp1(chunk: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && (chunk[at] === 0x0d || chunk[at] === 0x0a)) at += 1;
  return isPrefix('HTTP/', chunk, at, end);
}

/** True when they could begin a server's HTTP/2 preface, a SETTINGS frame on stream 0 (RFC 9113 §3.4), as far as they go. */
export function looksLikeHttp2(chunk: Buffer, start: number, end: number): boolean {
  if (chunk[start] !== 0) return false;
  return end - start < 4 || chunk[start + 3] === 4;
}

function likeness(chunk: Buffer, start: number, end: number): string {
  if (end - start < 5) return '';
  if (looksLikeHttp1(chunk, start, end)) return 'HTTP/1';
  if (looksLikeHttp2(chunk, start, end)) return 'HTTP/2';
  const record = chunk[start]!;
  return record >= 0x14 && record <= 0x17 && chunk[start + 1] === 3 ? 'TLS' : '';
}

function isPrefix(text: string, chunk: Buffer, start: number, end: number): boolean {
  const count = Math.min(text.length, end - start);
  for (let index = 0; index < count; index += 1) if (chunk[start + index] !== text.charCodeAt(index)) return false;
  return true;
}

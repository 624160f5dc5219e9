import type { Buffer } from 'node:buffer';

/**
 * One table of 256 bytes that says where a byte may stand. Scanners test a byte with one load and one mask, so that a
 * head costs one pass.
 */
export const ByteClass = {
  /** tchar, RFC 9110 §5.6.2. */
  Token: 1,
  /** field-vchar, SP or HTAB, RFC 9110 §5.5. obs-text (0x80-0xff) is let through as opaque latin1 everywhere. */
  Value: 2,
  /** What a request target may hold: visible ASCII but `#`, which no client may send (RFC 9112 §3.2). */
  Target: 4,
  /** A registered name or IPv4 address: letters, digits, `-`, `.`, `_`, `~`. Narrower than RFC 3986 on purpose: no
   * list, no user info, no percent-encoding, so that every reader sees the same host. */
  Host: 8,
  /** HEXDIG. */
  Hex: 16,
  /** DIGIT. */
  Digit: 32,
} as const;

/** Classes of each byte, as a mask of `ByteClass`. */
export const byteClasses: Uint8Array = compileClasses();

/** Value of a hexadecimal digit; 255 for every other byte. */
export const hexValues: Uint8Array = compileHexValues();

/** ASCII lower case of each byte; other bytes map to themselves. */
export const lowerCase: Uint8Array = compileLowerCase();

/** True when every UTF-16 unit of `text` is a byte of the class. The empty text is. */
export function isOfClass(text: string, mask: number): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    // Beyond latin1 the low byte alone would be written: U+010A would become a line feed.
    if (unit > 0xff || (byteClasses[unit]! & mask) === 0) return false;
  }
  return true;
}

/** True for a non-empty token (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  return text !== '' && isOfClass(text, ByteClass.Token);
}

/** True when bytes[start, end) begin with the lower-case ASCII text, in any case. */
export function foldEquals(bytes: Buffer, start: number, end: number, lowerCaseText: string): boolean {
  if (end - start < lowerCaseText.length) return false;
  for (let index = 0; index < lowerCaseText.length; index += 1) {
    if (lowerCase[bytes[start + index]!] !== lowerCaseText.charCodeAt(index)) return false;
  }
  return true;
}

function compileClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  const mark = (characters: string, mask: number): void => {
    for (const character of characters) classes[character.charCodeAt(0)]! |= mask;
  };
  const digits = '0123456789';
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  mark(`!#$%&'*+-.^_\`|~${digits}${letters}`, ByteClass.Token);
  mark(`-._~${digits}${letters}`, ByteClass.Host);
  mark(`${digits}abcdefABCDEF`, ByteClass.Hex);
  mark(digits, ByteClass.Digit);
  for (let byte = 0; byte < 256; byte += 1) {
    if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) classes[byte]! |= ByteClass.Value;
    if (byte > 0x20 && byte < 0x7f && byte !== 0x23) classes[byte]! |= ByteClass.Target;
  }
  return classes;
}

function compileHexValues(): Uint8Array {
  const values = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 16; digit += 1) {
    values[digit.toString(16).charCodeAt(0)] = digit;
    values[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
  }
  return values;
}

function compileLowerCase(): Uint8Array {
  const lower = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte += 1) lower[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;
  return lower;
}

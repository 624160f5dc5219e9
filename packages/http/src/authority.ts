import { Buffer } from 'node:buffer';
import { ByteClass, byteClasses, hexValues, isOfClass } from './byte-class.ts';

/** Host and port that a request is for (RFC 9110 §4.2, §7.2). */
export interface Authority {
  /** Lower-case name or address; IPv6 without brackets. */
  readonly host: string;
  /** 0 to 65535; -1 when none is written. */
  readonly port: number;
}

/** Splits `host`, `host:port`, `[v6]` or `[v6]:port`; undefined when it is none of them. */
export function readAuthority(text: string): Authority | undefined {
  // As latin1, U+0161 would come out as `a`.
  if (!isOfClass(text, ByteClass.Target)) return undefined;
  const bytes = Buffer.from(text, 'latin1');
  if (authorityFault(bytes, 0, bytes.length) !== '') return undefined;
  const colon = text.lastIndexOf(':');
  const bracket = text.lastIndexOf(']');
  const hasPort = colon > bracket;
  const host = hasPort ? text.slice(0, colon) : text;
  return {
    host: (bracket < 0 ? host : host.slice(1, -1)).toLowerCase(),
    port: hasPort ? Number(text.slice(colon + 1)) : -1,
  };
}

/**
 * Why bytes[start, end) are no authority that every reader understands alike; empty when they are one. Stricter than
 * RFC 3986: no user info, no percent-encoding, no empty port, no zone.
 */
export function authorityFault(bytes: Buffer, start: number, end: number): string {
  if (start === end) return 'empty-host';
  let pos = start;
  if (bytes[start] === 0x5b) {
    pos = ipv6End(bytes, start + 1, end);
    if (pos < 0) return 'bad-host';
  } else {
    while (pos < end && (byteClasses[bytes[pos]!]! & ByteClass.Host) !== 0) pos += 1;
    if (pos === start) return bytes[pos] === 0x3a ? 'empty-host' : 'bad-host';
  }
  if (pos === end) return '';
  if (bytes[pos] !== 0x3a) return bytes.subarray(pos, end).includes(0x40) ? 'userinfo' : 'bad-host';
  return portFault(bytes, pos + 1, end);
}

/** Where the port of a checked authority begins; `end` when it has none. */
export function portStart(bytes: Buffer, start: number, end: number): number {
  let pos = end;
  while (pos > start && (byteClasses[bytes[pos - 1]!]! & ByteClass.Digit) !== 0) pos -= 1;
  return pos > start && bytes[pos - 1] === 0x3a && (bytes[start] !== 0x5b || bytes[pos - 2] === 0x5d) ? pos : end;
}

function portFault(bytes: Buffer, start: number, end: number): string {
  if (start === end || end - start > 5) {
    return bytes.subarray(start, end).includes(0x40) ? 'userinfo' : 'bad-port';
  }
  let port = 0;
  for (let pos = start; pos < end; pos += 1) {
    const byte = bytes[pos]!;
    if ((byteClasses[byte]! & ByteClass.Digit) === 0) {
      return bytes.subarray(pos, end).includes(0x40) ? 'userinfo' : 'bad-port';
    }
    port = port * 10 + byte - 0x30;
  }
  return port > 65_535 ? 'bad-port' : '';
}

/** Position behind the closing bracket of an IPv6 address (RFC 3986 §3.2.2), -1 when the text is none. */
function ipv6End(bytes: Buffer, start: number, end: number): number {
  let groups = 0;
  let digits = 0;
  let compressed = false;
  let pos = start;
  while (pos < end) {
    const byte = bytes[pos]!;
    if (hexValues[byte] !== 255) {
      digits += 1;
      if (digits > 4) return -1;
      if (digits === 1) groups += 1;
    } else if (byte === 0x3a) {
      if (bytes[pos + 1] === 0x3a) {
        if (compressed) return -1;
        compressed = true;
        pos += 1;
      } else if (digits === 0 || bytes[pos + 1] === 0x5d) return -1;
      digits = 0;
    } else if (byte === 0x2e) {
      // An IPv4 tail takes two groups; one of them was counted for its first number.
      pos = ipv4End(bytes, pos - digits, end);
      if (pos < 0 || bytes[pos] !== 0x5d) return -1;
      groups += 1;
      continue;
    } else if (byte === 0x5d) {
      return (compressed ? groups < 8 : groups === 8) ? pos + 1 : -1;
    } else return -1;
    pos += 1;
  }
  return -1;
}

function ipv4End(bytes: Buffer, start: number, end: number): number {
  let pos = start;
  for (let part = 0; part < 4; part += 1) {
    if (part > 0 && bytes[pos++] !== 0x2e) return -1;
    const first = pos;
    let value = 0;
    while (pos < end && (byteClasses[bytes[pos]!]! & ByteClass.Digit) !== 0 && pos - first < 3) {
      value = value * 10 + bytes[pos++]! - 0x30;
    }
    if (pos === first || value > 255 || (pos - first > 1 && bytes[first] === 0x30)) return -1;
  }
  return pos;
}

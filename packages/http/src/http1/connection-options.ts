import { ByteClass, byteClasses, lowerCase } from '../byte-class.ts';
import { FieldId } from '../field-id.ts';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';

/** What the `Connection` fields of a head say (RFC 9110 §7.6.1). Filled by `readConnection`. */
export interface ConnectionOptions {
  close: boolean;
  keepAlive: boolean;
  upgrade: boolean;
}

/**
 * Reads all `Connection` fields from `first` on and marks the fields they nominate to be dropped. Nominated or not,
 * what Weft itself writes is appended later and cannot be removed this way.
 */
export function readConnection(head: Head, first: number, limit: number, options: ConnectionOptions): string {
  let left = limit;
  for (let index = first; index < head.count; index += 1) {
    if (head.ids[index] !== FieldId.Connection) continue;
    left = readOptions(head, index, left, options);
    if (left < 0) return left === TOO_MANY ? 'too-many-connection-options' : 'bad-connection';
  }
  return '';
}

const TOO_MANY = -1;
const MALFORMED = -2;

function readOptions(head: Head, index: number, limit: number, options: ConnectionOptions): number {
  const bytes = head.bytes;
  const end = head.spans[index * 4 + 3]!;
  let pos = head.spans[index * 4 + 2]!;
  let left = limit;
  while (pos < end) {
    // Empty elements are legal (RFC 9110 §5.6.1.2) and count, or a field full of commas would be free.
    while (pos < end && (bytes[pos] === 0x20 || bytes[pos] === 0x09)) pos += 1;
    const start = pos;
    while (pos < end && (byteClasses[bytes[pos]!]! & ByteClass.Token) !== 0) pos += 1;
    const stop = pos;
    while (pos < end && (bytes[pos] === 0x20 || bytes[pos] === 0x09)) pos += 1;
    if (pos < end && bytes[pos] !== 0x2c) return MALFORMED;
    pos += 1;
    if (left === 0) return TOO_MANY;
    left -= 1;
    if (stop > start) readOption(head, start, stop, options);
  }
  return left;
}

function readOption(head: Head, start: number, end: number, options: ConnectionOptions): void {
  const length = end - start;
  if (length === 5 && isWord(head, start, 'close')) options.close = true;
  else if (length === 10 && isWord(head, start, 'keep-alive')) options.keepAlive = true;
  else if (length === 7 && isWord(head, start, 'upgrade')) options.upgrade = true;
  else nominate(head, start, length);
}

function isWord(head: Head, start: number, word: string): boolean {
  for (let index = 0; index < word.length; index += 1) {
    if (lowerCase[head.bytes[start + index]!] !== word.charCodeAt(index)) return false;
  }
  return true;
}

function nominate(head: Head, start: number, length: number): void {
  const { bytes, spans, flags, count } = head;
  for (let index = 0; index < count; index += 1) {
    const name = spans[index * 4]!;
    if (spans[index * 4 + 1]! - name !== length) continue;
    let offset = 0;
    while (offset < length && lowerCase[bytes[name + offset]!] === lowerCase[bytes[start + offset]!]) offset += 1;
    if (offset === length) flags[index] = FieldFlag.Drop;
  }
}

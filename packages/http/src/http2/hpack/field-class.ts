import type { Buffer } from 'node:buffer';
import { ByteClass, byteClasses } from '../../byte-class.ts';

/** What is wrong with a name or value in itself (RFC 9113 §8.2.1). A number, since entries of tables remember it. */
export const FieldFault = { None: 0, Name: 1, UpperCase: 2, Value: 3, ValueSpace: 4 } as const;

const details = ['', 'bad-field-name', 'field-name-upper-case', 'bad-field-value', 'field-value-white-space'];

/** The token of a fault for logs and metrics. */
export function fieldFaultDetail(fault: number): string {
  return details[fault]!;
}

/** Checks a name without colon: a token without upper-case letters, never empty. */
export function nameFault(bytes: Buffer, start: number, end: number): number {
  if (start === end) return FieldFault.Name;
  for (let pos = start; pos < end; pos += 1) {
    const byte = bytes[pos]!;
    if ((byteClasses[byte]! & ByteClass.Token) === 0) return FieldFault.Name;
    if (byte >= 0x41 && byte <= 0x5a) return FieldFault.UpperCase;
  }
  return FieldFault.None;
}

/** Checks a value: no control characters but HTAB inside, no white space at its ends. */
export function valueFault(bytes: Buffer, start: number, end: number): number {
  if (start === end) return FieldFault.None;
  const first = bytes[start]!;
  const last = bytes[end - 1]!;
  if (first === 0x20 || first === 0x09 || last === 0x20 || last === 0x09) return FieldFault.ValueSpace;
  for (let pos = start; pos < end; pos += 1) {
    if ((byteClasses[bytes[pos]!]! & ByteClass.Value) === 0) return FieldFault.Value;
  }
  return FieldFault.None;
}

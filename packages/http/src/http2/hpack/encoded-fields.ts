import { Buffer } from 'node:buffer';
import { ByteWriter } from '@weft/kernel';
import type { Random } from '@weft/kernel';
import { readFieldId } from '../../field-id.ts';
import type { HpackEncoder } from './encoder.ts';

export type Fields = readonly (readonly [string, string])[];

/** Static table entries by which our encoder names pseudo-header fields. */
const pseudoIndexes: ReadonlyMap<string, number> = new Map([
  [':authority', 1],
  [':method', 2],
  [':path', 4],
  [':scheme', 6],
  [':status', 8],
]);

/** One header block by our encoder. For tests. */
export function encodeFields(encoder: HpackEncoder, fields: Fields, mayIndex: (name: string) => boolean): Buffer {
  const out = new ByteWriter(256);
  encoder.begin(out);
  for (const [name, value] of fields) {
    const values = Buffer.from(value, 'latin1');
    const pseudo = pseudoIndexes.get(name);
    if (pseudo !== undefined) {
      encoder.named(out, pseudo, values, 0, values.length, mayIndex(name));
      continue;
    }
    const names = Buffer.from(name, 'latin1');
    const id = readFieldId(names, 0, names.length);
    encoder.field(out, id, names, 0, names.length, values, 0, values.length, 0, mayIndex(name));
  }
  return Buffer.from(out.buffer.subarray(0, out.length));
}

const names = [
  'user-agent',
  'accept',
  'accept-encoding',
  'authorization',
  'content-type',
  'cookie',
  'grpc-timeout',
  'x-request-id',
  'x-b3-traceid',
  'x',
  'weft-a-name-of-ours-that-is-rather-long',
];
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 %/;=,._-~!{}"';

/** A head as a program might send it, and values that none would: empty, long, of rare letters, repeated or not. */
export function randomFields(random: Random, ascii: boolean): Fields {
  const below = (limit: number): number => Math.floor(random() * limit);
  const text = (length: number): string => {
    let made = '';
    const rare = !ascii && random() < 0.1;
    while (made.length < length)
      made += rare ? String.fromCharCode(0x80 + below(128)) : letters[below(letters.length)]!;
    // White space at the ends would be no field value (RFC 9110 §5.5).
    return made.trim();
  };
  const fields: [string, string][] = [
    [':method', random() < 0.7 ? 'GET' : 'POST'],
    [':scheme', random() < 0.5 ? 'http' : 'https'],
    [':path', random() < 0.5 ? '/' : `/${text(below(60)).replaceAll(/[ "{}]/g, '')}`],
    [':authority', `host-${below(4)}.example`],
  ];
  for (let count = below(9); count > 0; count -= 1) {
    const name = names[below(names.length)]!;
    fields.push([name, random() < 0.6 ? `value-${below(6)}` : text(random() < 0.05 ? below(5000) : below(50))]);
  }
  return fields;
}

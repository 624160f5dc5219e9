import { Buffer } from 'node:buffer';
import { FieldId, fieldIdCount, fieldIdOf } from '../../field-id.ts';

/** The static table (RFC 7541 Appendix A), index 1 to 61, and what the decoder wants to know of its names. */
// prettier-ignore
export const staticFields: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
];

export const STATIC_COUNT = 61;

/**
 * Numbers of the pseudo-header fields (RFC 9113 §8.3, RFC 8441 §4), beyond every `FieldId`, so that one byte says what a
 * name is. `PseudoId.Other` is any further name that begins with a colon.
 */
export const PseudoId = {
  Method: 240,
  Scheme: 241,
  Path: 242,
  Authority: 243,
  Status: 244,
  Protocol: 245,
  Other: 246,
} as const;

export const FIRST_PSEUDO_ID = 240;

const pseudoNames = new Map<string, number>([
  [':method', PseudoId.Method],
  [':scheme', PseudoId.Scheme],
  [':path', PseudoId.Path],
  [':authority', PseudoId.Authority],
  [':status', PseudoId.Status],
  [':protocol', PseudoId.Protocol],
]);

/** Names and values of all entries, one behind the other. */
export const staticBytes: Buffer = Buffer.from(staticFields.map(([name, value]) => name + value).join(''), 'latin1');
/** By index: where name and value begin in `staticBytes`, and where the value ends. */
export const staticNameStart = new Uint16Array(STATIC_COUNT + 1);
export const staticValueStart = new Uint16Array(STATIC_COUNT + 1);
export const staticValueEnd = new Uint16Array(STATIC_COUNT + 1);
/** By index: `FieldId` or `PseudoId` of the name. */
export const staticIds = new Uint8Array(STATIC_COUNT + 1);
/** By `FieldId`: the first index with that name; 0 for none. */
export const staticIndexOfField = new Uint8Array(fieldIdCount);
compile();

/** The `FieldId` or `PseudoId` of a lower-case name that begins with a colon. */
export function pseudoIdOf(bytes: Buffer, start: number, end: number): number {
  return pseudoNames.get(bytes.toString('latin1', start, end)) ?? PseudoId.Other;
}

function compile(): void {
  let at = 0;
  for (let index = 1; index <= STATIC_COUNT; index += 1) {
    const [name, value] = staticFields[index - 1]!;
    staticNameStart[index] = at;
    at += name.length;
    staticValueStart[index] = at;
    at += value.length;
    staticValueEnd[index] = at;
    const id = pseudoNames.get(name) ?? fieldIdOf(name);
    staticIds[index] = id;
    if (id !== FieldId.Unknown && id < fieldIdCount && staticIndexOfField[id] === 0) staticIndexOfField[id] = index;
  }
}

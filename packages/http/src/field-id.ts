import { Buffer } from 'node:buffer';
import { assert } from '@weft/kernel';
import { lowerCase } from './byte-class.ts';

/**
 * Numbers of the field names that codecs, routing, access and telemetry ask for. 0 is every other name.
 * `WeftOwned` is any name that begins with `weft-`, `XForwardedOther` any further `x-forwarded-` name; both also with
 * `_` for `-`, since CGI-like servers (WSGI, Rack) fold the two and would hand a forged one to the application.
 * `Lookalike` is `content_length` or `transfer_encoding`: refused, for the same reason.
 */
export const FieldId = {
  Unknown: 0,
  Host: 1,
  Connection: 2,
  ContentLength: 3,
  TransferEncoding: 4,
  Te: 5,
  Trailer: 6,
  Upgrade: 7,
  KeepAlive: 8,
  ProxyConnection: 9,
  ProxyAuthenticate: 10,
  ProxyAuthorization: 11,
  ProxyAuthenticationInfo: 12,
  Http2Settings: 13,
  Expect: 14,
  Via: 15,
  Forwarded: 16,
  XForwardedFor: 17,
  XForwardedHost: 18,
  XForwardedProto: 19,
  XForwardedPort: 20,
  XForwardedClientCert: 21,
  XForwardedOther: 22,
  ClientCert: 23,
  ClientCertChain: 24,
  XRequestId: 25,
  Traceparent: 26,
  Tracestate: 27,
  B3: 28,
  XB3TraceId: 29,
  XB3SpanId: 30,
  XB3ParentSpanId: 31,
  XB3Sampled: 32,
  XB3Flags: 33,
  Baggage: 34,
  ContentType: 35,
  ContentEncoding: 36,
  ContentRange: 37,
  Cookie: 38,
  SetCookie: 39,
  Date: 40,
  Server: 41,
  RetryAfter: 42,
  IdempotencyKey: 43,
  UserAgent: 44,
  Accept: 45,
  AcceptEncoding: 46,
  AcceptLanguage: 47,
  CacheControl: 48,
  Pragma: 49,
  Origin: 50,
  Referer: 51,
  Authorization: 52,
  WwwAuthenticate: 53,
  Etag: 54,
  LastModified: 55,
  IfMatch: 56,
  IfNoneMatch: 57,
  IfModifiedSince: 58,
  IfUnmodifiedSince: 59,
  IfRange: 60,
  Range: 61,
  MaxForwards: 62,
  Location: 63,
  Vary: 64,
  Age: 65,
  Expires: 66,
  GrpcStatus: 67,
  GrpcMessage: 68,
  GrpcTimeout: 69,
  Priority: 70,
  Allow: 71,
  ContentLanguage: 72,
  WeftOwned: 73,
  Lookalike: 74,
} as const;
export type FieldId = (typeof FieldId)[keyof typeof FieldId];

/** Number of field ids, for tables indexed by id. */
export const fieldIdCount = 75;

/** Names by id, lower-case; empty for `Unknown` and the families. */
export const fieldNames: readonly string[] = compileNames();

// Found by search over small odd factors; a test holds that no two names share a slot.
const SLOTS = 256;
const LENGTH_FACTOR = 27;
const FIRST_FACTOR = 61;
const MIDDLE_FACTOR = 35;
const LAST_BUT_ONE_FACTOR = 27;

const lowerNames: readonly Buffer[] = fieldNames.map((name) => Buffer.from(name, 'latin1'));
const slots: Uint8Array = compileSlots();

const WEFT = Buffer.from('weft-', 'latin1');
const X_FORWARDED = Buffer.from('x-forwarded-', 'latin1');
const CONTENT_LENGTH = Buffer.from('content-length', 'latin1');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding', 'latin1');

/** The id of the name in bytes[start, end), in any case. */
export function readFieldId(bytes: Buffer, start: number, end: number): FieldId {
  const length = end - start;
  if (length < 2) return FieldId.Unknown;
  const first = lowerCase[bytes[start]!]!;
  const slot =
    (length * LENGTH_FACTOR +
      first * FIRST_FACTOR +
      lowerCase[bytes[start + (length >> 1)]!]! * MIDDLE_FACTOR +
      lowerCase[bytes[end - 2]!]! * LAST_BUT_ONE_FACTOR) &
    (SLOTS - 1);
  const id = slots[slot]!;
  if (id !== 0) {
    const name = lowerNames[id]!;
    if (name.length === length) {
      let index = 1;
      while (index < length && lowerCase[bytes[start + index]!] === name[index]) index += 1;
      if (index === length && first === name[0]) return id as FieldId;
    }
  }
  // w, x, c, t: the families begin with nothing else.
  if (first === 0x77 || first === 0x78 || first === 0x63 || first === 0x74) return readFamily(bytes, start, end, first);
  return FieldId.Unknown;
}

/** The id of a lower-case name. */
export function fieldIdOf(lowerCaseName: string): FieldId {
  if (lowerCaseName === '') return FieldId.Unknown;
  const bytes = Buffer.from(lowerCaseName, 'latin1');
  return readFieldId(bytes, 0, bytes.length);
}

function readFamily(bytes: Buffer, start: number, end: number, first: number): FieldId {
  if (first === 0x77) return folds(bytes, start, end, WEFT) ? FieldId.WeftOwned : FieldId.Unknown;
  if (first === 0x78) return folds(bytes, start, end, X_FORWARDED) ? FieldId.XForwardedOther : FieldId.Unknown;
  const name = first === 0x63 ? CONTENT_LENGTH : TRANSFER_ENCODING;
  return end - start === name.length && folds(bytes, start, end, name) ? FieldId.Lookalike : FieldId.Unknown;
}

/** True when bytes[start, end) begin with `prefix` once case and `_` are folded. */
function folds(bytes: Buffer, start: number, end: number, prefix: Buffer): boolean {
  if (end - start < prefix.length) return false;
  for (let index = 0; index < prefix.length; index += 1) {
    const byte = lowerCase[bytes[start + index]!]!;
    if ((byte === 0x5f ? 0x2d : byte) !== prefix[index]) return false;
  }
  return true;
}

function compileNames(): string[] {
  const names: string[] = Array.from({ length: fieldIdCount }, () => '');
  for (const [word, id] of Object.entries(FieldId)) {
    const family = id === FieldId.Unknown || id === FieldId.WeftOwned || id === FieldId.Lookalike;
    if (family || id === FieldId.XForwardedOther) continue;
    names[id] = word
      .replace('XB3', 'X-B3-')
      .replace('Http2', 'HTTP2-')
      .replaceAll(/([a-z])([A-Z])/g, '$1-$2')
      .replace(/^X([A-Z])/, 'X-$1')
      .toLowerCase();
  }
  // The B3 names are written as one word each (openzipkin/b3-propagation).
  names[FieldId.XB3TraceId] = 'x-b3-traceid';
  names[FieldId.XB3SpanId] = 'x-b3-spanid';
  names[FieldId.XB3ParentSpanId] = 'x-b3-parentspanid';
  return names;
}

function compileSlots(): Uint8Array {
  const table = new Uint8Array(SLOTS);
  for (let id = 1; id < fieldIdCount; id += 1) {
    const name = fieldNames[id]!;
    if (name === '') continue;
    const slot =
      (name.length * LENGTH_FACTOR +
        name.charCodeAt(0) * FIRST_FACTOR +
        name.charCodeAt(name.length >> 1) * MIDDLE_FACTOR +
        name.charCodeAt(name.length - 2) * LAST_BUT_ONE_FACTOR) &
      (SLOTS - 1);
    assert(table[slot] === 0, `the field names ${name} and ${fieldNames[table[slot]!]} share a slot`);
    table[slot] = id;
  }
  return table;
}

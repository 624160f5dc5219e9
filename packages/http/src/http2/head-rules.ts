import type { Buffer } from 'node:buffer';
import { authorityFault, portStart } from '../authority.ts';
import { ByteClass, byteClasses, foldEquals } from '../byte-class.ts';
import { isSameText, readContentLength, readExpect } from '../checked-field.ts';
import { FieldId } from '../field-id.ts';
import { FieldRole, fieldRoles, markSingle } from '../field-role.ts';
import type { SingleFields } from '../field-role.ts';
import { trailerFields } from '../field-rule.ts';
import { Framing, TargetForm } from '../framing.ts';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';
import { MethodId, isMethodInOtherCase, readMethodId } from '../method.ts';
import type { HpackDecoder } from './hpack/decoder.ts';
import { FIRST_PSEUDO_ID, PseudoId } from './hpack/static-table.ts';

/**
 * What the decoded fields of a block mean (RFC 9113 §8.2, §8.3): every function returns a detail, empty when the
 * message is well-formed, and fills the same facts of the head that HTTP/1.1 does. Nothing that would mean something
 * else in an HTTP/1.1 head gets past here (RFC 9113 §10.3).
 */
const METHOD = (PseudoId.Method - FIRST_PSEUDO_ID) * 2;
const SCHEME = (PseudoId.Scheme - FIRST_PSEUDO_ID) * 2;
const PATH = (PseudoId.Path - FIRST_PSEUDO_ID) * 2;
const AUTHORITY = (PseudoId.Authority - FIRST_PSEUDO_ID) * 2;
const STATUS = (PseudoId.Status - FIRST_PSEUDO_ID) * 2;
const PROTOCOL = (PseudoId.Protocol - FIRST_PSEUDO_ID) * 2;

// A method longer than any known one is refused by HTTP/1.1 readers behind us.
const METHOD_BYTES = 32;

// RFC 9113 §8.2.2: what concerns one connection is said by frames.
const roles: Uint8Array = fieldRoles(
  [FieldId.Host, FieldId.ContentLength, FieldId.Expect, FieldId.Te, FieldId.Lookalike, FieldId.Cookie],
  [FieldId.Connection, FieldId.ProxyConnection, FieldId.KeepAlive, FieldId.TransferEncoding, FieldId.Upgrade],
);

interface Marks extends SingleFields {
  cookies: number;
}

// One for all heads: reading is synchronous and never re-entered.
const marks: Marks = { host: -1, contentLength: -1, expect: -1, cookies: 0 };

/**
 * A request. `ends`: the block ended the stream. An extended CONNECT (RFC 8441 §4) becomes the GET with `upgrade` that it
 * stands for, so that nothing behind the codec needs to know of two ways; `connectProtocol` says whether we offered it.
 */
export function readRequestHead(
  head: Head,
  decoder: HpackDecoder,
  ends: boolean,
  targetBytes: number,
  connectProtocol: boolean,
): string {
  const pseudo = decoder.pseudo;
  head.raw = false;
  if (pseudo[STATUS]! >= 0) return 'status-in-request';
  const fault = readMethod(head, pseudo) || readMarks(head);
  if (fault !== '') return fault;
  const target = pseudo[PROTOCOL]! >= 0 ? readProtocol(head, pseudo, connectProtocol) : '';
  return target || readTarget(head, pseudo, targetBytes) || readRequestFraming(head, ends);
}

/** A response to a request of `methodId`; `offered` is the protocol of its extended CONNECT, empty for none. */
export function readResponseHead(
  head: Head,
  decoder: HpackDecoder,
  ends: boolean,
  methodId: number,
  offered: string,
): string {
  const pseudo = decoder.pseudo;
  head.raw = false;
  for (let at = 0; at < pseudo.length; at += 2) {
    if (at !== STATUS && pseudo[at]! >= 0) return 'request-pseudo-field-in-response';
  }
  const status = readStatus(head, pseudo[STATUS]!, pseudo[STATUS + 1]!);
  if (status < 0) return 'bad-status';
  // RFC 9113 §8.6: 101 has no place in HTTP/2.
  if (status === 101) return 'status-101';
  head.status = status;
  const fault = readMarks(head);
  if (fault !== '') return fault;
  if (marks.expect >= 0) head.flags[marks.expect] = FieldFlag.Drop;
  if (marks.contentLength >= 0) {
    head.contentLength = readContentLength(head, marks.contentLength);
    if (head.contentLength < 0) return 'bad-content-length';
  }
  if (status < 200) {
    if (ends) return 'informational-ends-stream';
    return marks.contentLength < 0 ? '' : 'body-not-allowed';
  }
  if (status < 300 && (methodId === MethodId.Connect || offered !== '')) {
    head.contentLength = -1;
    if (offered !== '') {
      head.status = 101;
      head.upgrade = offered;
    }
    return '';
  }
  return readResponseFraming(head, ends, methodId);
}

/** A trailer section; fields that must not be merged or passed on are marked (RFC 9110 §6.5.1, RFC 9113 §8.1). */
export function readTrailers(head: Head, decoder: HpackDecoder): string {
  head.raw = false;
  const pseudo = decoder.pseudo;
  for (let at = 0; at < pseudo.length; at += 2) if (pseudo[at]! >= 0) return 'pseudo-field-in-trailers';
  const { ids, flags, count } = head;
  for (let index = 0; index < count; index += 1) {
    const id = ids[index]!;
    if (roles[id] === FieldRole.Forbidden) return 'connection-field';
    if (id === FieldId.Lookalike) return 'field-name-lookalike';
    if (trailerFields[id] !== FieldFlag.Drop) flags[index] = FieldFlag.Drop;
  }
  return '';
}

function readMethod(head: Head, pseudo: Int32Array): string {
  const start = pseudo[METHOD]!;
  const end = pseudo[METHOD + 1]!;
  if (start < 0) return 'missing-method';
  const bytes = head.bytes;
  if (start === end || !isOf(bytes, start, end, ByteClass.Token)) return 'bad-method';
  if (end - start > METHOD_BYTES) return 'method-too-long';
  head.methodStart = start;
  head.methodEnd = end;
  head.methodId = readMethodId(bytes, start, end);
  if (head.methodId !== MethodId.Other) return '';
  return isMethodInOtherCase(bytes, start, end) ? 'method-case' : '';
}

/** One pass over the fields: what is dropped, what is forbidden, where those lie that say something. */
function readMarks(head: Head): string {
  marks.host = -1;
  marks.contentLength = -1;
  marks.expect = -1;
  marks.cookies = 0;
  const { ids, flags, count } = head;
  for (let index = 0; index < count; index += 1) {
    const id = ids[index]!;
    const role = roles[id]!;
    if (role === FieldRole.None) continue;
    if (role === FieldRole.Forbidden) return 'connection-field';
    if (id === FieldId.Cookie) {
      marks.cookies += 1;
      continue;
    }
    flags[index] = FieldFlag.Drop;
    if (role === FieldRole.Rule) {
      const fault = markField(head, id, index);
      if (fault !== '') return fault;
    }
  }
  if (marks.cookies > 1) joinCookies(head);
  return '';
}

function markField(head: Head, id: number, index: number): string {
  if (id !== FieldId.Te) return markSingle(marks, id, index);
  // RFC 9113 §8.2.2: `trailers` and nothing else.
  const start = head.spans[index * 4 + 2]!;
  const end = head.spans[index * 4 + 3]!;
  if (end - start !== 8 || !foldEquals(head.bytes, start, end, 'trailers')) return 'connection-field';
  head.acceptsTrailers = true;
  return '';
}

/** RFC 9113 §8.2.3: crumbs are one field again before anyone else sees them. The others are taken out. */
function joinCookies(head: Head): void {
  const { spans, ids } = head;
  let bytes = 0;
  for (let index = 0; index < head.count; index += 1) {
    if (ids[index] === FieldId.Cookie) bytes += spans[index * 4 + 3]! - spans[index * 4 + 2]! + 2;
  }
  head.reserveBytes(head.length + bytes);
  const start = head.length;
  const joined = head.bytes;
  let at = start;
  let first = -1;
  let kept = 0;
  for (let index = 0; index < head.count; index += 1) {
    if (ids[index] !== FieldId.Cookie) {
      if (kept !== index) moveField(head, index, kept);
      kept += 1;
      continue;
    }
    const valueStart = spans[index * 4 + 2]!;
    const valueEnd = spans[index * 4 + 3]!;
    if (first < 0) {
      // Nothing was taken out before the first, so it stays where it is.
      first = index;
      kept += 1;
    } else {
      joined[at++] = 0x3b;
      joined[at++] = 0x20;
    }
    joined.copy(joined, at, valueStart, valueEnd);
    at += valueEnd - valueStart;
  }
  spans[first * 4 + 2] = start;
  spans[first * 4 + 3] = at;
  head.length = at;
  head.count = kept;
  marks.host = shifted(head, marks.host, FieldId.Host);
  marks.contentLength = shifted(head, marks.contentLength, FieldId.ContentLength);
  marks.expect = shifted(head, marks.expect, FieldId.Expect);
}

function moveField(head: Head, from: number, to: number): void {
  head.spans.copyWithin(to * 4, from * 4, from * 4 + 4);
  head.ids[to] = head.ids[from]!;
  head.flags[to] = head.flags[from]!;
}

function shifted(head: Head, index: number, id: FieldId): number {
  return index < 0 ? index : head.field(id);
}

/** RFC 8441 §4: scheme, path and authority as in an ordinary request. */
function readProtocol(head: Head, pseudo: Int32Array, connectProtocol: boolean): string {
  if (!connectProtocol) return 'protocol-not-offered';
  if (head.methodId !== MethodId.Connect) return 'protocol-without-connect';
  const start = pseudo[PROTOCOL]!;
  const end = pseudo[PROTOCOL + 1]!;
  if (start === end || !isOf(head.bytes, start, end, ByteClass.Token)) return 'bad-protocol';
  head.upgrade = head.bytes.toString('latin1', start, end).toLowerCase();
  head.methodId = MethodId.Get;
  // The method is written from these bytes too, wherever `methodId` is not.
  head.reserveBytes(head.length + 3);
  head.methodStart = head.length;
  head.bytes[head.length++] = 0x47;
  head.bytes[head.length++] = 0x45;
  head.bytes[head.length++] = 0x54;
  head.methodEnd = head.length;
  return '';
}

function readTarget(head: Head, pseudo: Int32Array, targetBytes: number): string {
  const bytes = head.bytes;
  const authority = pseudo[AUTHORITY]!;
  const authorityEnd = pseudo[AUTHORITY + 1]!;
  if (authority >= 0) {
    const fault = authorityFault(bytes, authority, authorityEnd);
    if (fault !== '') return fault;
    head.authorityStart = authority;
    head.authorityEnd = authorityEnd;
  }
  if (marks.host >= 0) {
    const fault = readHost(head, authority, authorityEnd);
    if (fault !== '') return fault;
  }
  if (head.methodId === MethodId.Connect) {
    // RFC 9113 §8.5.
    if (pseudo[SCHEME]! >= 0 || pseudo[PATH]! >= 0) return 'path-on-connect';
    if (authority < 0) return 'missing-authority';
    if (portStart(bytes, authority, authorityEnd) === authorityEnd) return 'connect-without-port';
    head.targetForm = TargetForm.Authority;
    head.targetStart = authority;
    head.targetEnd = authorityEnd;
    head.pathStart = head.pathEnd = authorityEnd;
    return '';
  }
  if (!isHttpScheme(bytes, pseudo[SCHEME]!, pseudo[SCHEME + 1]!)) {
    return pseudo[SCHEME]! < 0 ? 'missing-scheme' : 'bad-scheme';
  }
  if (head.authorityStart === head.authorityEnd) return 'missing-authority';
  const start = pseudo[PATH]!;
  const end = pseudo[PATH + 1]!;
  if (start < 0) return 'missing-path';
  if (end - start > targetBytes) return 'target-too-long';
  return readPath(head, start, end);
}

function readPath(head: Head, start: number, end: number): string {
  const bytes = head.bytes;
  head.targetStart = start;
  head.targetEnd = end;
  head.pathStart = start;
  if (bytes[start] === 0x2a && end - start === 1) {
    head.targetForm = TargetForm.Asterisk;
    head.pathEnd = end;
    return head.methodId === MethodId.Options ? '' : 'bad-path';
  }
  if (start === end || bytes[start] !== 0x2f) return 'bad-path';
  let query = -1;
  for (let pos = start; pos < end; pos += 1) {
    const byte = bytes[pos]!;
    if ((byteClasses[byte]! & ByteClass.Target) === 0) return 'bad-path';
    if (byte === 0x3f && query < 0) query = pos;
  }
  head.pathEnd = query < 0 ? end : query;
  if (query >= 0) {
    head.queryStart = query + 1;
    head.queryEnd = end;
  }
  return '';
}

/** `host` may stand in for `:authority` and must not differ from it (RFC 9113 §8.3.1). */
function readHost(head: Head, authority: number, authorityEnd: number): string {
  const bytes = head.bytes;
  const start = head.spans[marks.host * 4 + 2]!;
  const end = head.spans[marks.host * 4 + 3]!;
  if (authority < 0) {
    const fault = authorityFault(bytes, start, end);
    if (fault !== '') return fault;
    head.authorityStart = start;
    head.authorityEnd = end;
    return '';
  }
  return isSameText(bytes, start, end, authority, authorityEnd) ? '' : 'host-differs-from-authority';
}

function readRequestFraming(head: Head, ends: boolean): string {
  if (marks.contentLength >= 0) {
    const length = readContentLength(head, marks.contentLength);
    if (length < 0) return 'bad-content-length';
    const tunnel = head.methodId === MethodId.Connect || head.upgrade !== '';
    if (tunnel) return length === 0 ? '' : 'content-length-on-connect';
    // RFC 9113 §8.1.1
    if (ends && length > 0) return 'content-length-mismatch';
    head.contentLength = length;
    head.framing = Framing.Length;
  } else if (!ends && head.methodId !== MethodId.Connect && head.upgrade === '') head.framing = Framing.Chunked;
  return marks.expect < 0 ? '' : readExpect(head, marks.expect);
}

function readResponseFraming(head: Head, ends: boolean, methodId: number): string {
  const status = head.status;
  if (status === 204) {
    if (head.contentLength > 0) return 'body-not-allowed';
    head.contentLength = -1;
    return '';
  }
  if (methodId === MethodId.Head || status === 304) return '';
  if (head.contentLength >= 0) {
    if (ends && head.contentLength > 0) return 'content-length-mismatch';
    head.framing = Framing.Length;
  } else if (ends) {
    // The end is known, and to an HTTP/1.1 caller that is a length of zero.
    head.framing = Framing.Length;
    head.contentLength = 0;
  } else head.framing = Framing.Chunked;
  return '';
}

/** Exactly three digits, 100 to 999 as RFC 9110 §15 reads them; -1 for anything else. */
function readStatus(head: Head, start: number, end: number): number {
  if (start < 0 || end - start !== 3 || !isOf(head.bytes, start, end, ByteClass.Digit)) return -1;
  const bytes = head.bytes;
  const status = (bytes[start]! - 0x30) * 100 + (bytes[start + 1]! - 0x30) * 10 + bytes[start + 2]! - 0x30;
  return status >= 100 && status <= 599 ? status : -1;
}

function isHttpScheme(bytes: Buffer, start: number, end: number): boolean {
  if (start < 0) return false;
  const length = end - start;
  if (length !== 4 && length !== 5) return false;
  return foldEquals(bytes, start, end, length === 4 ? 'http' : 'https');
}

function isOf(bytes: Buffer, start: number, end: number, mask: number): boolean {
  for (let pos = start; pos < end; pos += 1) if ((byteClasses[bytes[pos]!]! & mask) === 0) return false;
  return true;
}

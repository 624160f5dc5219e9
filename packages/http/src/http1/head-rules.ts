import { authorityFault } from '../authority.ts';
import { foldEquals } from '../byte-class.ts';
import { isSameText, readContentLength, readExpect } from '../checked-field.ts';
import { FieldId } from '../field-id.ts';
import { FieldRole, fieldRoles, markSingle } from '../field-role.ts';
import type { SingleFields } from '../field-role.ts';
import { trailerFields } from '../field-rule.ts';
import { Framing, TargetForm } from '../framing.ts';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';
import { MethodId, isMethodInOtherCase, readMethodId } from '../method.ts';
import { readConnection } from './connection-options.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { readTarget } from './request-target.ts';

/**
 * What the fields of a scanned head mean for its framing and its hop (RFC 9110 §7, RFC 9112 §3, §6, §9). Every function
 * returns a detail, empty when the head is unambiguous.
 */
interface Marks extends SingleFields {
  transferEncoding: number;
  connection: number;
  upgrade: number;
  te: number;
}

const roles: Uint8Array = fieldRoles([
  FieldId.Host,
  FieldId.ContentLength,
  FieldId.TransferEncoding,
  FieldId.Expect,
  FieldId.Upgrade,
  FieldId.Connection,
  FieldId.Te,
  FieldId.Lookalike,
]);

// One object for all heads: reading is synchronous and never re-entered. It spares an allocation per head.
const marks: Marks = {
  host: -1,
  contentLength: -1,
  expect: -1,
  transferEncoding: -1,
  connection: -1,
  upgrade: -1,
  te: -1,
};
const options: ConnectionOptions = { close: false, keepAlive: false, upgrade: false };

const CHUNKED = 'chunked';

/** Checks a request head and fills its target, host, framing and connection facts. */
export function readRequestHead(head: Head, connectionOptions: number): string {
  const bytes = head.bytes;
  head.methodId = readMethodId(bytes, head.methodStart, head.methodEnd);
  if (head.methodId === MethodId.Other && isMethodInOtherCase(bytes, head.methodStart, head.methodEnd))
    return 'method-case';
  const fault = readTarget(head) || markFields(head) || readHost(head) || readConnectionFields(head, connectionOptions);
  if (fault !== '') return fault;
  if (marks.transferEncoding >= 0) {
    if (marks.contentLength >= 0) return 'content-length-and-transfer-encoding';
    if (head.minorVersion === 0) return 'transfer-encoding-in-http-1.0';
    if (head.methodId === MethodId.Connect) return 'transfer-encoding-on-connect';
    const coding = codingFault(head, marks.transferEncoding);
    if (coding !== '') return coding;
    head.framing = Framing.Chunked;
  } else if (marks.contentLength >= 0) {
    const length = readContentLength(head, marks.contentLength);
    if (length < 0) return 'bad-content-length';
    if (head.methodId !== MethodId.Connect) {
      head.contentLength = length;
      head.framing = Framing.Length;
      // A tunnel has no length (RFC 9110 §9.3.6); zero is what careful clients send to say so.
    } else if (length > 0) return 'content-length-on-connect';
  }
  return marks.expect < 0 ? '' : readExpect(head, marks.expect);
}

/**
 * Checks a response head. `methodId` is that of the request it answers; `offered` the lower-case list of protocols
 * that request offered to upgrade to, empty for none.
 */
export function readResponseHead(head: Head, methodId: number, offered: string, connectionOptions: number): string {
  const fault = markFields(head) || readConnectionFields(head, connectionOptions);
  if (fault !== '') return fault;
  const status = head.status;
  if (marks.transferEncoding >= 0 && marks.contentLength >= 0) return 'content-length-and-transfer-encoding';
  if (marks.transferEncoding >= 0 && head.minorVersion === 0) return 'transfer-encoding-in-http-1.0';
  if (marks.contentLength >= 0) {
    head.contentLength = readContentLength(head, marks.contentLength);
    if (head.contentLength < 0) return 'bad-content-length';
  }
  if (marks.transferEncoding >= 0) {
    const coding = codingFault(head, marks.transferEncoding);
    if (coding !== '') return coding;
  }
  if (status === 101) {
    if (offered === '') return 'unsolicited-101';
    if (!isOffered(head.upgrade, offered)) return 'upgrade-not-offered';
  }
  if (status < 200 || status === 204) {
    // RFC 9112 §6.1, RFC 9110 §8.6: neither field may stand here. A zero length on 204 is common and says the same.
    if (marks.transferEncoding >= 0 || head.contentLength > 0) return 'body-not-allowed';
    if (status < 200 && marks.contentLength >= 0) return 'body-not-allowed';
    head.contentLength = -1;
    return '';
  }
  if (methodId === MethodId.Connect && status < 300) {
    // RFC 9110 §9.3.6: the fields mean nothing here; a tunnel has no length.
    head.contentLength = -1;
    return '';
  }
  if (methodId === MethodId.Head || status === 304) return '';
  if (marks.transferEncoding >= 0) head.framing = Framing.Chunked;
  else if (head.contentLength >= 0) head.framing = Framing.Length;
  else {
    head.framing = Framing.UntilClose;
    head.persistent = false;
  }
  return '';
}

/** Marks the fields of a trailer section that must be dropped (RFC 9110 §6.5.1). */
export function readTrailers(head: Head): void {
  for (let index = 0; index < head.count; index += 1) {
    head.flags[index] = trailerFields[head.ids[index]!] === FieldFlag.Drop ? FieldFlag.Pass : FieldFlag.Drop;
  }
}

function markFields(head: Head): string {
  marks.host = -1;
  marks.contentLength = -1;
  marks.transferEncoding = -1;
  marks.connection = -1;
  marks.upgrade = -1;
  marks.expect = -1;
  marks.te = -1;
  const { ids, flags, count } = head;
  for (let index = 0; index < count; index += 1) {
    const role = roles[ids[index]!]!;
    if (role === FieldRole.None) continue;
    flags[index] = FieldFlag.Drop;
    if (role === FieldRole.Rule) {
      const fault = markField(ids[index]!, index);
      if (fault !== '') return fault;
    }
  }
  return '';
}

function markField(id: number, index: number): string {
  switch (id) {
    case FieldId.TransferEncoding:
      if (marks.transferEncoding >= 0) return 'duplicate-transfer-encoding';
      marks.transferEncoding = index;
      return '';
    case FieldId.Upgrade:
      if (marks.upgrade >= 0) return 'duplicate-upgrade';
      marks.upgrade = index;
      return '';
    case FieldId.Connection:
      if (marks.connection < 0) marks.connection = index;
      return '';
    case FieldId.Te:
      if (marks.te < 0) marks.te = index;
      return '';
    default:
      return markSingle(marks, id, index);
  }
}

function readHost(head: Head): string {
  if (marks.host < 0) return head.minorVersion === 0 ? '' : 'missing-host';
  const bytes = head.bytes;
  const start = head.spans[marks.host * 4 + 2]!;
  const end = head.spans[marks.host * 4 + 3]!;
  const fault = authorityFault(bytes, start, end);
  if (fault !== '') return fault;
  if (head.targetForm === TargetForm.Origin || head.targetForm === TargetForm.Asterisk) {
    head.authorityStart = start;
    head.authorityEnd = end;
    return '';
  }
  // RFC 9112 §3.2.2: the target wins; whether that is acceptable is the listener's question.
  head.hostMismatch = !isSameText(bytes, start, end, head.authorityStart, head.authorityEnd);
  return '';
}

function readConnectionFields(head: Head, connectionOptions: number): string {
  options.close = false;
  options.keepAlive = false;
  options.upgrade = false;
  if (marks.connection >= 0) {
    const fault = readConnection(head, marks.connection, connectionOptions, options);
    if (fault !== '') return fault;
  }
  head.persistent = head.minorVersion === 0 ? options.keepAlive && !options.close : !options.close;
  if (marks.te >= 0) head.acceptsTrailers = acceptsTrailers(head);
  if (marks.upgrade < 0) return '';
  const names = head.value(marks.upgrade).toLowerCase().split(',');
  const kept: string[] = [];
  for (const name of names) {
    const protocol = name.trim();
    if (!isProtocol(protocol)) return 'bad-upgrade';
    // h2c by Upgrade is gone (RFC 9113 §3.1), and was a way around proxies.
    if (protocol !== 'h2c') kept.push(protocol);
  }
  // RFC 9110 §7.8: not without `Connection: upgrade`, and never in HTTP/1.0.
  if (options.upgrade && head.minorVersion === 1) head.upgrade = kept.join(', ');
  return '';
}

/** protocol-name ["/" protocol-version], RFC 9110 §7.8. */
function isProtocol(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+(\/[!#$%&'*+\-.^_`|~0-9a-z]+)?$/.test(text);
}

function isOffered(chosen: string, offered: string): boolean {
  if (chosen === '') return false;
  const offers = offered.split(', ');
  return chosen.split(', ').every((name) => offers.includes(name));
}

function acceptsTrailers(head: Head): boolean {
  const value = head.valueOf('te')!;
  return value.length <= 256 && value.split(',').some((part) => part.trim().toLowerCase() === 'trailers');
}

/** Only the one coding that frames is taken: 501 for another well-formed list that ends in it, 400 for the rest. */
function codingFault(head: Head, index: number): string {
  const bytes = head.bytes;
  const start = head.spans[index * 4 + 2]!;
  const end = head.spans[index * 4 + 3]!;
  if (end - start === CHUNKED.length && foldEquals(bytes, start, end, CHUNKED)) return '';
  if (end - start > 256) return 'bad-transfer-encoding';
  const codings = head.value(index).toLowerCase().split(/, ?/);
  const wellFormed = codings.every((coding) => /^[a-z0-9-]+$/.test(coding));
  const once = codings.at(-1) === CHUNKED && codings.indexOf(CHUNKED) === codings.length - 1;
  return wellFormed && once ? 'transfer-coding-unknown' : 'bad-transfer-encoding';
}

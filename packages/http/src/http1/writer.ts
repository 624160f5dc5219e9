import type { ByteWriter } from '@weft/kernel';
import { ByteClass, byteClasses, isOfClass } from '../byte-class.ts';
import { Framing, TargetForm } from '../framing.ts';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';
import type { HeadEdits } from '../head-edits.ts';
import { MethodId } from '../method.ts';
import { reasonPhrase } from '../reason.ts';
import type { RequestFacts, ResponseFacts } from './message-facts.ts';

/**
 * Heads to bytes (RFC 9112). Framing, `Host` and `Connection` are written from facts, never copied; all other fields
 * are copied from the checked head, in order, as few ranges as the dropped ones leave; edits come last.
 *
 * Every writer returns false, with nothing written, when a byte would split the head: the codec that read the head has
 * checked its bytes already, but values that came by another way (HTTP/2, slots, rewrites) pass this second wall.
 */

const SLASH = 0x2f;
const ASTERISK = 0x2a;
// `HTTP/1.1 200 `: where a reason begins in a status line that may be copied as it stands.
const REASON_START = 13;

/** Writes a request head for the next hop: origin form (or `*`), HTTP/1.1. */
export function writeRequestHead(out: ByteWriter, head: Head, edits: HeadEdits, facts: RequestFacts): boolean {
  const start = out.length;
  if (
    writeRequestLine(out, head, facts) &&
    writeHost(out, head, facts) &&
    writeFields(out, head, edits, facts.slots, -1)
  ) {
    writeRequestFacts(out, head, facts);
    return true;
  }
  out.length = start;
  return false;
}

/** Writes a final or interim response head. */
export function writeResponseHead(out: ByteWriter, head: Head, edits: HeadEdits, facts: ResponseFacts): boolean {
  const start = out.length;
  const status = facts.status === 0 ? head.status : facts.status;
  // HTTP/1.1 with the usual single space: the line is copied together with the fields behind it.
  const copied = head.raw && facts.status === 0 && head.minorVersion === 1 && head.reasonStart === REASON_START;
  if (!copied) writeStatusLine(out, head, status, facts.status === 0 && head.raw);
  if (!writeFields(out, head, edits, facts.slots, copied ? 0 : -1)) {
    out.length = start;
    return false;
  }
  writeResponseFacts(out, status, facts);
  return true;
}

/** Writes the trailer fields that may pass, without the empty line. */
export function writeTrailerFields(out: ByteWriter, trailers: Head): boolean {
  const start = out.length;
  for (let index = 0; index < trailers.count; index += 1) {
    if (trailers.flags[index] === FieldFlag.Drop) continue;
    if (!writeField(out, trailers, index)) {
      out.length = start;
      return false;
    }
  }
  return true;
}

function writeRequestLine(out: ByteWriter, head: Head, facts: RequestFacts): boolean {
  const bytes = head.bytes;
  if (facts.method === '') {
    if (!head.raw && !isRange(head, head.methodStart, head.methodEnd, ByteClass.Token)) return false;
    // Method and space, then the target: one range when the target is taken as it is.
    if (facts.target === '' && head.raw && head.targetForm !== TargetForm.Absolute) {
      out.copy(bytes, head.methodStart, head.targetEnd);
      out.latin1(' HTTP/1.1\r\n');
      return true;
    }
    out.copy(bytes, head.methodStart, head.methodEnd);
  } else {
    if (!isOfClass(facts.method, ByteClass.Token)) return false;
    out.latin1(facts.method);
  }
  out.byte(0x20);
  if (!writeTarget(out, head, facts)) return false;
  out.latin1(' HTTP/1.1\r\n');
  return true;
}

function writeTarget(out: ByteWriter, head: Head, facts: RequestFacts): boolean {
  if (facts.target !== '') {
    if (!isOfClass(facts.target, ByteClass.Target)) return false;
    out.latin1(facts.target);
    return true;
  }
  if (head.targetForm === TargetForm.Authority) return writeRange(out, head, head.targetStart, head.targetEnd);
  const emptyPath = head.pathStart === head.pathEnd;
  if (emptyPath) {
    // RFC 9112 §3.2.4: OPTIONS on an absolute form without path and query asks about the server as a whole.
    out.byte(head.methodId === MethodId.Options && head.queryStart < 0 ? ASTERISK : SLASH);
  } else if (!writeRange(out, head, head.pathStart, head.pathEnd)) return false;
  if (head.queryStart < 0) return true;
  out.byte(0x3f);
  return writeRange(out, head, head.queryStart, head.queryEnd);
}

function writeHost(out: ByteWriter, head: Head, facts: RequestFacts): boolean {
  out.latin1('Host: ');
  if (facts.host !== '') {
    if (!isOfClass(facts.host, ByteClass.Target)) return false;
    out.latin1(facts.host);
  } else if (!writeRange(out, head, head.authorityStart, head.authorityEnd)) return false;
  out.latin1('\r\n');
  return true;
}

function writeRange(out: ByteWriter, head: Head, start: number, end: number): boolean {
  if (!head.raw && !isRange(head, start, end, ByteClass.Target)) return false;
  out.copy(head.bytes, start, end);
  return true;
}

/** Copies the fields that pass. `from` is where the first range may begin before the first field, -1 for nowhere. */
function writeFields(
  out: ByteWriter,
  head: Head,
  edits: HeadEdits,
  values: readonly (string | undefined)[],
  from: number,
): boolean {
  const { spans, flags, count } = head;
  let rangeStart = from;
  for (let index = 0; index < count; index += 1) {
    const dropped = flags[index] === FieldFlag.Drop || edits.drops(head, index, values);
    if (!head.raw) {
      if (!dropped && !writeField(out, head, index)) return false;
      continue;
    }
    if (!dropped) {
      if (rangeStart < 0) rangeStart = spans[index * 4]!;
    } else if (rangeStart >= 0) {
      out.copy(head.bytes, rangeStart, spans[index * 4]!);
      rangeStart = -1;
    }
  }
  if (rangeStart >= 0) out.copy(head.bytes, rangeStart, head.fieldsEnd);
  if (edits.lines.length > 0) out.copy(edits.lines, 0, edits.lines.length);
  return edits.slots.length === 0 || writeSlots(out, head, edits, values);
}

function writeSlots(out: ByteWriter, head: Head, edits: HeadEdits, values: readonly (string | undefined)[]): boolean {
  const slots = edits.slots;
  for (let index = 0; index < slots.length; index += 1) {
    const value = values[index];
    const slot = slots[index]!;
    if (value === undefined || slot.overridden) continue;
    if (slot.onlyAbsent && head.find(slot.name) >= 0) continue;
    if (!slot.madeHere && !isOfClass(value, ByteClass.Value)) return false;
    out.latin1(slot.prefix);
    out.latin1(value);
    out.latin1('\r\n');
  }
  return true;
}

function writeField(out: ByteWriter, head: Head, index: number): boolean {
  const at = index * 4;
  const nameStart = head.spans[at]!;
  const nameEnd = head.spans[at + 1]!;
  const valueStart = head.spans[at + 2]!;
  const valueEnd = head.spans[at + 3]!;
  if (!head.checked) {
    if (nameStart === nameEnd || !isRange(head, nameStart, nameEnd, ByteClass.Token)) return false;
    if (!isRange(head, valueStart, valueEnd, ByteClass.Value)) return false;
  }
  out.copy(head.bytes, nameStart, nameEnd);
  out.latin1(': ');
  out.copy(head.bytes, valueStart, valueEnd);
  out.latin1('\r\n');
  return true;
}

function isRange(head: Head, start: number, end: number, mask: number): boolean {
  for (let pos = start; pos < end; pos += 1) if ((byteClasses[head.bytes[pos]!]! & mask) === 0) return false;
  return true;
}

function writeRequestFacts(out: ByteWriter, head: Head, facts: RequestFacts): void {
  writeFraming(out, facts.framing, facts.contentLength);
  if (facts.expectContinue) out.latin1('Expect: 100-continue\r\n');
  const upgrades = facts.upgrade !== '';
  if (upgrades) {
    out.latin1('Upgrade: ');
    out.latin1(facts.upgrade);
    out.latin1('\r\n');
  }
  if (head.acceptsTrailers) out.latin1('TE: trailers\r\n');
  if (facts.close || upgrades || head.acceptsTrailers) {
    let options = facts.close ? 'close' : '';
    if (upgrades) options += options === '' ? 'Upgrade' : ', Upgrade';
    // RFC 9110 §10.1.4: TE is a field of this hop and must be nominated.
    if (head.acceptsTrailers) options += options === '' ? 'TE' : ', TE';
    out.latin1('Connection: ');
    out.latin1(options);
    out.latin1('\r\n');
  }
  out.latin1('\r\n');
}

function writeStatusLine(out: ByteWriter, head: Head, status: number, keepReason: boolean): void {
  out.latin1('HTTP/1.1 ');
  out.decimal(status);
  out.byte(0x20);
  if (keepReason) out.copy(head.bytes, head.reasonStart, head.reasonEnd);
  else out.latin1(reasonPhrase(status));
  out.latin1('\r\n');
}

function writeResponseFacts(out: ByteWriter, status: number, facts: ResponseFacts): void {
  if (status === 101) {
    out.latin1('Upgrade: ');
    out.latin1(facts.upgrade);
    out.latin1('\r\nConnection: Upgrade\r\n\r\n');
    return;
  }
  if (status >= 200) {
    writeFraming(out, facts.framing, facts.contentLength);
    // RFC 9110 §15.5.22: a 426 without Upgrade would not say to what.
    if (status === 426 && facts.upgrade !== '') writeUpgradeOffer(out, facts);
    else if (facts.close) out.latin1('Connection: close\r\n');
    // An HTTP/1.0 client believes in persistence only when told (RFC 9112 §9.3).
    else if (facts.clientMinorVersion === 0) out.latin1('Connection: keep-alive\r\n');
  }
  out.latin1('\r\n');
}

function writeUpgradeOffer(out: ByteWriter, facts: ResponseFacts): void {
  out.latin1('Upgrade: ');
  out.latin1(facts.upgrade);
  out.latin1(facts.close ? '\r\nConnection: close, Upgrade\r\n' : '\r\nConnection: Upgrade\r\n');
}

function writeFraming(out: ByteWriter, framing: Framing, contentLength: number): void {
  if (framing === Framing.Chunked) out.latin1('Transfer-Encoding: chunked\r\n');
  // With no body it is what GET would have had (HEAD, 304).
  else if (contentLength >= 0 && framing !== Framing.UntilClose) {
    out.latin1('Content-Length: ');
    out.decimal(contentLength);
    out.latin1('\r\n');
  }
}

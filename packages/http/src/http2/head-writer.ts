import { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import { ByteClass, isOfClass } from '../byte-class.ts';
import { readFieldId } from '../field-id.ts';
import { Framing, TargetForm } from '../framing.ts';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';
import type { HeadEdits } from '../head-edits.ts';
import type { RequestFacts, ResponseFacts } from '../http1/message-facts.ts';
import { MethodId } from '../method.ts';
import { firstSlot, slotMask } from '../slot-mask.ts';
import type { SlotValues } from '../slot-mask.ts';
import { BlockMemo } from './block-memo.ts';
import type { HpackEncoder } from './hpack/encoder.ts';

/** Buffer's encoder without argument checks; part of Node since its first releases, absent from the type package. */
interface Latin1Buffer extends Buffer {
  latin1Write(text: string, offset: number, length: number): number;
}

// Static table indexes (RFC 7541 Appendix A).
const AUTHORITY = 1;
const METHOD_GET = 2;
const METHOD_POST = 3;
const PATH_SLASH = 4;
const SCHEME_HTTP = 6;
const SCHEME_HTTPS = 7;
const STATUS_200 = 8;
const CONTENT_LENGTH = 28;
const EXPECT = 35;

const statusIndexes = new Map<number, number>([
  [200, 8],
  [204, 9],
  [206, 10],
  [304, 11],
  [400, 12],
  [404, 13],
  [500, 14],
]);

const NOTHING = Buffer.alloc(0);
const SLASH = Buffer.from('/');
const ASTERISK = Buffer.from('*');
const TE = Buffer.from('te');
const TRAILERS = Buffer.from('trailers');
const CONTINUE = Buffer.from('100-continue');
const CONNECT = Buffer.from('CONNECT');
const PROTOCOL = Buffer.from(':protocol');

interface EditLine {
  readonly id: number;
  readonly name: Buffer;
  readonly value: Buffer;
}

/**
 * Heads to header blocks (RFC 9113 §8.2, §8.3). As in HTTP/1, pseudo-header fields and framing are written from facts,
 * all other fields come from the checked head, edits come last. What a head and its edits came to is remembered and
 * copied when the same ones come again; only slots, which differ at every request, are coded anew.
 *
 * Functions return false, with nothing written, when a text from facts or slots could not stand in a field.
 */
export class Http2HeadWriter {
  private readonly encoder: HpackEncoder;
  private readonly memo: BlockMemo;
  private readonly schemeIndex: number;
  private scratch: Buffer;
  private edits: HeadEdits | undefined;
  private lines: readonly EditLine[];
  private slotNames: readonly Buffer[];

  constructor(encoder: HpackEncoder, scheme: 'http' | 'https') {
    this.encoder = encoder;
    this.memo = new BlockMemo();
    this.schemeIndex = scheme === 'http' ? SCHEME_HTTP : SCHEME_HTTPS;
    this.scratch = Buffer.allocUnsafeSlow(256);
    this.edits = undefined;
    this.lines = [];
    this.slotNames = [];
  }

  /**
   * A request. An upgrade to one protocol becomes extended CONNECT (RFC 8441 §5); the caller has asked whether the peer
   * takes it.
   */
  writeRequest(out: ByteWriter, head: Head, edits: HeadEdits, facts: RequestFacts): boolean {
    const mask = slotMask(edits, facts.slots);
    if (!areWritable(facts.slots, mask & edits.uniqueSlots & edits.foreignSlots)) return false;
    const key = this.memo.findRequest(head, edits, mask, facts, this.encoder.version);
    // What is remembered was written once, so it can be.
    const isKnown = key.length > 0;
    if (!isKnown) {
      if (!isWritable(facts.method, ByteClass.Token) || !isWritable(facts.target, ByteClass.Target)) return false;
      if (!isWritable(facts.host, ByteClass.Target) || !isWritable(facts.upgrade, ByteClass.Value)) return false;
      if (!areWritable(facts.slots, mask & ~edits.uniqueSlots)) return false;
    }
    this.take(edits);
    this.encoder.begin(out);
    if (isKnown) out.copy(key.bytes, 0, key.length);
    else {
      const start = out.length;
      this.writeRequestPseudo(out, head, facts);
      this.writeFields(out, head, edits, facts.slots);
      writeLength(this.encoder, out, this.number(facts.framing, facts.contentLength), this.scratch);
      if (facts.expectContinue) this.encoder.named(out, EXPECT, CONTINUE, 0, CONTINUE.length, true);
      if (head.acceptsTrailers) {
        this.encoder.field(out, 0, TE, 0, TE.length, TRAILERS, 0, TRAILERS.length, 0, true);
      }
      this.writeSteadySlots(out, head, edits, facts.slots, mask & ~edits.uniqueSlots);
      this.memo.record(key, out.buffer, start, out.length, this.encoder.version);
    }
    this.writeUniqueSlots(out, head, edits, facts.slots, mask & edits.uniqueSlots);
    return true;
  }

  /** A final or interim response; a 101 becomes the 200 that accepts an extended CONNECT (RFC 8441 §5). */
  writeResponse(out: ByteWriter, head: Head, edits: HeadEdits, facts: ResponseFacts): boolean {
    const mask = slotMask(edits, facts.slots);
    if (!areWritable(facts.slots, mask & edits.foreignSlots)) return false;
    this.take(edits);
    this.encoder.begin(out);
    const status = facts.status === 0 ? head.status : facts.status;
    const key = this.memo.findResponse(head, edits, mask, status, facts, this.encoder.version);
    if (key.length > 0) out.copy(key.bytes, 0, key.length);
    else {
      const start = out.length;
      this.writeStatus(out, status === 101 ? 200 : status);
      this.writeFields(out, head, edits, facts.slots);
      if (status >= 200) {
        writeLength(this.encoder, out, this.number(facts.framing, facts.contentLength), this.scratch);
      }
      this.writeSteadySlots(out, head, edits, facts.slots, mask & ~edits.uniqueSlots);
      this.memo.record(key, out.buffer, start, out.length, this.encoder.version);
    }
    this.writeUniqueSlots(out, head, edits, facts.slots, mask & edits.uniqueSlots);
    return true;
  }

  /** `:status` alone begins a response of our own. */
  writeStatus(out: ByteWriter, status: number): void {
    const index = statusIndexes.get(status);
    if (index !== undefined) this.encoder.indexed(out, index);
    else this.encoder.named(out, STATUS_200, this.scratch, 0, this.digits(status), true);
  }

  /** A field of a response of our own; left out when it could not stand in a head. */
  writeField(out: ByteWriter, name: string, value: string): void {
    if (name === '' || !isOfClass(name, ByteClass.Token) || !isOfClass(value, ByteClass.Value)) return;
    const lowerName = Buffer.from(name.toLowerCase(), 'latin1');
    const id = readFieldId(lowerName, 0, lowerName.length);
    const text = value.trim();
    const length = this.text(text);
    this.encoder.field(out, id, lowerName, 0, lowerName.length, this.scratch, 0, length, 0, true);
  }

  /**
   * Trailers that may pass. With `mayIndex` false the bytes do not depend on the table, so they may wait while other
   * blocks are sent. The block is begun where it goes out, since only there it is known whether the table has changed.
   */
  writeTrailers(out: ByteWriter, trailers: Head, mayIndex: boolean): void {
    const { bytes, spans, ids, flags, count } = trailers;
    for (let index = 0; index < count; index += 1) {
      const flag = flags[index]!;
      if (flag === FieldFlag.Drop) continue;
      const at = index * 4;
      this.encoder.field(
        out,
        ids[index]!,
        bytes,
        spans[at]!,
        spans[at + 1]!,
        bytes,
        spans[at + 2]!,
        spans[at + 3]!,
        flag,
        mayIndex,
      );
    }
  }

  /** Begins a block of `writeStatus` and `writeField`. */
  begin(out: ByteWriter): void {
    this.encoder.begin(out);
  }

  private writeRequestPseudo(out: ByteWriter, head: Head, facts: RequestFacts): void {
    const encoder = this.encoder;
    const extended = facts.upgrade !== '';
    const connect = !extended && facts.method === '' && head.methodId === MethodId.Connect;
    if (extended) encoder.named(out, METHOD_GET, CONNECT, 0, CONNECT.length, true);
    else if (facts.method === '') {
      if (head.methodId === MethodId.Get) encoder.indexed(out, METHOD_GET);
      else if (head.methodId === MethodId.Post) encoder.indexed(out, METHOD_POST);
      else encoder.named(out, METHOD_GET, head.bytes, head.methodStart, head.methodEnd, true);
    } else encoder.named(out, METHOD_GET, this.scratch, 0, this.text(facts.method), true);
    // RFC 9113 §8.5: CONNECT has neither scheme nor path.
    if (!connect) encoder.indexed(out, this.schemeIndex);
    if (facts.host !== '') encoder.named(out, AUTHORITY, this.scratch, 0, this.text(facts.host), true);
    else encoder.named(out, AUTHORITY, head.bytes, head.authorityStart, head.authorityEnd, true);
    if (!connect) this.writePath(out, head, facts);
    if (extended) {
      const length = this.text(facts.upgrade);
      encoder.field(out, 0, PROTOCOL, 0, PROTOCOL.length, this.scratch, 0, length, 0, true);
    }
  }

  private writePath(out: ByteWriter, head: Head, facts: RequestFacts): void {
    const encoder = this.encoder;
    if (facts.target !== '') {
      encoder.named(out, PATH_SLASH, this.scratch, 0, this.text(facts.target), true);
      return;
    }
    const end = head.queryStart < 0 ? head.pathEnd : head.queryEnd;
    if (head.pathStart === head.pathEnd && head.targetForm === TargetForm.Absolute) {
      // RFC 9113 §8.3.1: an empty path is `/`, and `*` for OPTIONS without a query.
      if (head.queryStart < 0) {
        const whole = head.methodId === MethodId.Options ? ASTERISK : SLASH;
        encoder.named(out, PATH_SLASH, whole, 0, 1, true);
        return;
      }
      const length = 2 + head.queryEnd - head.queryStart;
      this.room(length);
      this.scratch[0] = 0x2f;
      head.bytes.copy(this.scratch, 1, head.pathEnd, head.queryEnd);
      encoder.named(out, PATH_SLASH, this.scratch, 0, length, true);
      return;
    }
    if (end - head.pathStart === 1 && head.bytes[head.pathStart] === 0x2f) encoder.indexed(out, PATH_SLASH);
    else encoder.named(out, PATH_SLASH, head.bytes, head.pathStart, end, true);
  }

  private writeFields(out: ByteWriter, head: Head, edits: HeadEdits, values: SlotValues): void {
    const encoder = this.encoder;
    const { bytes, spans, ids, flags, count } = head;
    for (let index = 0; index < count; index += 1) {
      const flag = flags[index]!;
      if (flag === FieldFlag.Drop || edits.drops(head, index, values)) continue;
      const at = index * 4;
      encoder.field(
        out,
        ids[index]!,
        bytes,
        spans[at]!,
        spans[at + 1]!,
        bytes,
        spans[at + 2]!,
        spans[at + 3]!,
        flag,
        true,
      );
    }
    for (const { id, name, value } of this.lines) {
      encoder.field(out, id, name, 0, name.length, value, 0, value.length, 0, true);
    }
  }

  /** Slots of `mask` whose values come again: a part of what is remembered. */
  private writeSteadySlots(out: ByteWriter, head: Head, edits: HeadEdits, values: SlotValues, mask: number): void {
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const index = firstSlot(rest);
      const slot = edits.slots[index]!;
      if (!isWritten(slot, head)) continue;
      const name = this.slotNames[index]!;
      this.encoder.field(out, slot.id, name, 0, name.length, this.scratch, 0, this.text(values[index]!), 0, true);
    }
  }

  private writeUniqueSlots(out: ByteWriter, head: Head, edits: HeadEdits, values: SlotValues, mask: number): void {
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const index = firstSlot(rest);
      const slot = edits.slots[index]!;
      if (isWritten(slot, head)) this.encoder.once(out, slot.id, this.slotNames[index]!, values[index]!);
    }
  }

  /** Edits of HTTP/1 lines, split once; the same edits come again and again. */
  private take(edits: HeadEdits): void {
    if (edits === this.edits) return;
    this.edits = edits;
    this.lines = splitLines(edits.lines);
    this.slotNames = edits.slots.map((slot) => Buffer.from(slot.name, 'latin1'));
  }

  /** Digits of the length in the scratch space; 0 when none is to be written. */
  private number(framing: Framing, contentLength: number): number {
    if (framing === Framing.Chunked || framing === Framing.UntilClose || contentLength < 0) return 0;
    return this.digits(contentLength);
  }

  private digits(value: number): number {
    return this.text(String(value));
  }

  private text(text: string): number {
    this.room(text.length);
    (this.scratch as Latin1Buffer).latin1Write(text, 0, text.length);
    return text.length;
  }

  private room(bytes: number): void {
    if (bytes > this.scratch.length) this.scratch = Buffer.allocUnsafeSlow(bytes * 2);
  }
}

function writeLength(encoder: HpackEncoder, out: ByteWriter, digits: number, scratch: Buffer): void {
  if (digits > 0) encoder.named(out, CONTENT_LENGTH, scratch, 0, digits, true);
}

function isWritable(text: string, mask: number): boolean {
  return text === '' || isOfClass(text, mask);
}

/** Values of `mask` hold nothing that would end a field or be stripped at its ends. */
function areWritable(values: SlotValues, mask: number): boolean {
  for (let rest = mask; rest !== 0; rest &= rest - 1) {
    const value = values[firstSlot(rest)]!;
    if (!isOfClass(value, ByteClass.Value)) return false;
    if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1))) return false;
  }
  return true;
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09;
}

function isWritten(slot: HeadEdits['slots'][number], head: Head): boolean {
  return !slot.overridden && !(slot.onlyAbsent && head.find(slot.name) >= 0);
}

function splitLines(lines: Buffer): EditLine[] {
  const split: EditLine[] = [];
  let pos = 0;
  while (pos < lines.length) {
    const end = lines.indexOf(0x0d, pos);
    const colon = lines.indexOf(0x3a, pos);
    const name = Buffer.from(lines.toString('latin1', pos, colon).toLowerCase(), 'latin1');
    const value = end > colon + 2 ? lines.subarray(colon + 2, end) : NOTHING;
    split.push({ id: readFieldId(name, 0, name.length), name, value });
    pos = end + 2;
  }
  return split;
}

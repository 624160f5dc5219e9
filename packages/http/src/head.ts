import { Buffer } from 'node:buffer';
import { assert } from '@weft/kernel';
import { lowerCase } from './byte-class.ts';
import { FieldId, fieldNames } from './field-id.ts';
import { Framing, TargetForm } from './framing.ts';
import { methodName } from './method.ts';

/** Why the writer leaves a field out. */
export const FieldFlag = {
  Pass: 0,
  /** Hop-by-hop, nominated by `Connection`, or written anew from checked facts (RFC 9110 §7.6.1). */
  Drop: 1,
} as const;

/** Buffer's decoder without argument checks: part of Node since its first releases, absent from the type package. */
interface Latin1Buffer extends Buffer {
  latin1Slice(start: number, end: number): string;
}

// One page holds the heads of ordinary traffic; what grew past it is given back, so an idle connection stays small.
const INITIAL_BYTES = 512;
const KEPT_BYTES = 4096;
const INITIAL_FIELDS = 16;
const KEPT_FIELDS = 64;
/** The largest storage that `shrink` keeps for the next large head. */
const SPARE_BYTES = 128 * 1024;

/**
 * Storage of the last large head that was given back. Large heads of one thread follow each other, so that a flood of them
 * costs one piece of memory, and not one each that waits for the collector.
 */
let spare: Buffer | null = null;

/**
 * A request head, a response head or a trailer section.
 *
 * Fields are spans into `bytes`; strings are made when somebody reads them, once per generation. The object and its
 * storage are used again for the next message on the connection, so a head holds until then; `generation` tells
 * whether what was derived from it still holds: it stays when the next head has the very same bytes.
 */
export class Head {
  /** The bytes of the head. Owned by it, replaced when they grow; [0, `length`) are meaningful. */
  bytes: Buffer;
  length: number;
  /** Four per field: start and end of the name, start and end of the value without surrounding white space. */
  spans: Int32Array;
  /** `FieldId` per field. */
  ids: Uint8Array;
  /** `FieldFlag` per field. */
  flags: Uint8Array;
  count: number;
  /** End of the last field line, CRLF included (start of the empty line). Only of use when `raw`. */
  fieldsEnd: number;
  /** The fields are contiguous checked HTTP/1 lines in `bytes`, so ranges of them may be copied. */
  raw: boolean;
  /** Names and values are as RFC 9110 §5 has them, checked by whoever read them; writers need not look again. */
  checked: boolean;
  generation: number;
  /** Where a memo of blocks has found it last; a hint, whoever's. */
  memoAt: number;

  /** 0 or 1 for HTTP/1.x; 1 for heads from HTTP/2. */
  minorVersion: number;
  methodId: number;
  methodStart: number;
  methodEnd: number;
  targetForm: TargetForm;
  targetStart: number;
  targetEnd: number;
  /** The host and port the request is for: from the target where it has one, else from `Host` (RFC 9112 §3.2.2, §3.3). Empty span: none (HTTP/1.0). */
  authorityStart: number;
  authorityEnd: number;
  /** A `Host` field was there and differs from the authority inside the target. */
  hostMismatch: boolean;
  /** The path without query; empty for the authority form and for an absolute form without a path. */
  pathStart: number;
  pathEnd: number;
  /** The query without `?`; `queryStart` is -1 when the target has no `?`. */
  queryStart: number;
  queryEnd: number;

  /** 0 for requests. */
  status: number;
  reasonStart: number;
  reasonEnd: number;

  framing: Framing;
  /** The announced length, -1 when none is. Known too where no body follows (HEAD, 304). */
  contentLength: number;
  /** The sender allows another message on the connection (RFC 9112 §9.3). */
  persistent: boolean;
  /** The client waits for 100 before it sends the body (RFC 9110 §10.1.1). Never for HTTP/1.0 or without a body. */
  expectContinue: boolean;
  /** `TE: trailers` was there (RFC 9110 §10.1.4). */
  acceptsTrailers: boolean;
  /** Lower-case list of the protocols offered or chosen, when `Connection: upgrade` nominates it; `h2c` is left out. */
  upgrade: string;

  private methodText: string | undefined;
  private pathText: string | undefined;
  private queryText: string | undefined;
  private authorityText: string | undefined;

  constructor() {
    this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.length = 0;
    this.spans = new Int32Array(INITIAL_FIELDS * 4);
    this.ids = new Uint8Array(INITIAL_FIELDS);
    this.flags = new Uint8Array(INITIAL_FIELDS);
    this.count = 0;
    this.fieldsEnd = 0;
    this.raw = true;
    this.checked = false;
    this.generation = 0;
    this.memoAt = 0;
    this.minorVersion = 1;
    this.methodId = 0;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.targetForm = TargetForm.Origin;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.hostMismatch = false;
    this.pathStart = 0;
    this.pathEnd = 0;
    this.queryStart = -1;
    this.queryEnd = -1;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.framing = Framing.None;
    this.contentLength = -1;
    this.persistent = true;
    this.expectContinue = false;
    this.acceptsTrailers = false;
    this.upgrade = '';
    this.methodText = undefined;
    this.pathText = undefined;
    this.queryText = undefined;
    this.authorityText = undefined;
  }

  /** Empties the head for a new message and gives oversized storage back. */
  reset(): void {
    this.generation += 1;
    this.length = 0;
    this.count = 0;
    this.fieldsEnd = 0;
    this.raw = true;
    this.checked = false;
    this.minorVersion = 1;
    this.methodId = 0;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.targetForm = TargetForm.Origin;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.hostMismatch = false;
    this.pathStart = 0;
    this.pathEnd = 0;
    this.queryStart = -1;
    this.queryEnd = -1;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.framing = Framing.None;
    this.contentLength = -1;
    this.persistent = true;
    this.expectContinue = false;
    this.acceptsTrailers = false;
    this.upgrade = '';
    this.methodText = undefined;
    this.pathText = undefined;
    this.queryText = undefined;
    this.authorityText = undefined;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    if (this.ids.length > KEPT_FIELDS) this.growFields(INITIAL_FIELDS);
  }

  /** Index of the first field with this id; -1 when there is none. */
  field(id: FieldId): number {
    const ids = this.ids;
    for (let index = 0; index < this.count; index += 1) if (ids[index] === id) return index;
    return -1;
  }

  /** Index of the first field with this lower-case name at or after `from`; -1 when there is none. */
  find(lowerCaseName: string, from = 0): number {
    for (let index = from; index < this.count; index += 1) if (this.hasName(index, lowerCaseName)) return index;
    return -1;
  }

  /** The lower-case name of field `index`. */
  name(index: number): string {
    const known = fieldNames[this.ids[index]!]!;
    if (known !== '') return known;
    return latin1(this.bytes, this.spans[index * 4]!, this.spans[index * 4 + 1]!).toLowerCase();
  }

  /** The value of field `index`; bytes from 0x80 up come as U+0080 to U+00FF. */
  value(index: number): string {
    return latin1(this.bytes, this.spans[index * 4 + 2]!, this.spans[index * 4 + 3]!);
  }

  /** The values of all fields of that name, joined by `, ` (RFC 9110 §5.3); undefined when there is none. */
  valueOf(lowerCaseName: string): string | undefined {
    const first = this.find(lowerCaseName);
    if (first < 0) return undefined;
    const next = this.find(lowerCaseName, first + 1);
    if (next < 0) return this.value(first);
    const values = [this.value(first)];
    for (let index = next; index >= 0; index = this.find(lowerCaseName, index + 1)) values.push(this.value(index));
    // RFC 6265 §5.4 joins cookies in its own way (HTTP/2 may split them, RFC 9113 §8.2.3).
    return values.join(lowerCaseName === 'cookie' ? '; ' : ', ');
  }

  /** The method token as sent; empty for responses and trailers. */
  get method(): string {
    this.methodText ??=
      this.methodId === 0 ? latin1(this.bytes, this.methodStart, this.methodEnd) : methodName(this.methodId);
    return this.methodText;
  }

  /** The path as sent, without query; `/` for an absolute form without a path, `*` for the asterisk form. */
  get path(): string {
    if (this.pathText === undefined) {
      const text = latin1(this.bytes, this.pathStart, this.pathEnd);
      this.pathText = text === '' && this.targetForm === TargetForm.Absolute ? '/' : text;
    }
    return this.pathText;
  }

  /** The query as sent, without `?`; empty when there is none. */
  get query(): string {
    this.queryText ??= this.queryStart < 0 ? '' : latin1(this.bytes, this.queryStart, this.queryEnd);
    return this.queryText;
  }

  /** Host and port as sent, in lower case; empty when the request names none. */
  get authority(): string {
    this.authorityText ??= latin1(this.bytes, this.authorityStart, this.authorityEnd).toLowerCase();
    return this.authorityText;
  }

  /** The reason phrase as sent. */
  get reason(): string {
    return latin1(this.bytes, this.reasonStart, this.reasonEnd);
  }

  /** True when the storage is larger than a connection at rest should hold. */
  get oversized(): boolean {
    return this.bytes.length > KEPT_BYTES || this.ids.length > KEPT_FIELDS;
  }

  /**
   * Empties a head that nobody looks at any more and leaves large storage to the next large head of the thread. Whoever
   * still held its bytes would find those of another.
   */
  shrink(): void {
    const { bytes } = this;
    if (bytes.length > KEPT_BYTES && bytes.length <= SPARE_BYTES) {
      if (spare === null || spare.length < bytes.length) spare = bytes;
    }
    this.reset();
  }

  /** Makes room for `bytes` bytes in all; what was there is kept. */
  reserveBytes(bytes: number): void {
    if (bytes <= this.bytes.length) return;
    if (bytes > KEPT_BYTES && spare !== null && bytes <= spare.length) {
      this.bytes.copy(spare, 0, 0, this.length);
      this.bytes = spare;
      spare = null;
      return;
    }
    let capacity = this.bytes.length;
    while (capacity < bytes) capacity *= 2;
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  /**
   * Adds a field behind the others that no `FieldId` knows, to a head that did not come as HTTP/1 lines. `name` in lower case; both are
   * written as they are.
   */
  append(name: string, value: string): void {
    assert(!this.raw, 'the lines of a head are copied as they came');
    const nameStart = this.length;
    const valueStart = nameStart + name.length;
    const end = valueStart + value.length;
    this.reserveBytes(end);
    this.bytes.write(name, nameStart, 'latin1');
    this.bytes.write(value, valueStart, 'latin1');
    this.length = end;
    this.checked = false;
    this.push(FieldId.Unknown, nameStart, valueStart, valueStart, end);
    // What was remembered of it does not know this field.
    this.generation += 1;
  }

  /** Adds a field whose spans are known. Codecs call it once they have checked the bytes. */
  push(id: FieldId, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const index = this.count;
    if (index === this.ids.length) this.growFields(index * 2);
    const at = index * 4;
    const spans = this.spans;
    spans[at] = nameStart;
    spans[at + 1] = nameEnd;
    spans[at + 2] = valueStart;
    spans[at + 3] = valueEnd;
    this.ids[index] = id;
    this.flags[index] = FieldFlag.Pass;
    this.count = index + 1;
  }

  /** True when field `index` has this lower-case name. */
  hasName(index: number, lowerCaseName: string): boolean {
    const start = this.spans[index * 4]!;
    const length = lowerCaseName.length;
    if (this.spans[index * 4 + 1]! - start !== length) return false;
    const bytes = this.bytes;
    for (let offset = 0; offset < length; offset += 1) {
      if (lowerCase[bytes[start + offset]!] !== lowerCaseName.charCodeAt(offset)) return false;
    }
    return true;
  }

  private growFields(capacity: number): void {
    const spans = new Int32Array(capacity * 4);
    const ids = new Uint8Array(capacity);
    const flags = new Uint8Array(capacity);
    spans.set(this.spans.subarray(0, this.count * 4));
    ids.set(this.ids.subarray(0, this.count));
    flags.set(this.flags.subarray(0, this.count));
    this.spans = spans;
    this.ids = ids;
    this.flags = flags;
  }
}

function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as Latin1Buffer).latin1Slice(start, end);
}

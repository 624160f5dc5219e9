import { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import { lowerCase } from '../../byte-class.ts';
import { FieldId, fieldIdCount, fieldNames } from '../../field-id.ts';
import { NEVER_INDEXED } from './decoder.ts';
import { DynamicTable, ENTRY_OVERHEAD } from './dynamic-table.ts';
import { huffmanLength, writeHuffman } from './huffman.ts';
import { STATIC_COUNT, staticBytes, staticIndexOfField, staticNameStart, staticValueStart } from './static-table.ts';

/** Values longer than this are not looked up: they hardly repeat, and hashing them costs more than sending them. */
const INDEXED_VALUE_BYTES = 256;
const SLOTS = 256;

const noNames = new Int32Array(fieldIdCount);

const nameBytes: readonly Buffer[] = fieldNames.map((name) => Buffer.from(name, 'latin1'));

/**
 * True by id: never put into a table, ours or another's (RFC 7541 §7.1). One connection of the mesh carries many
 * callers, and a table shared by them would tell one whether its guess is another's secret.
 */
const secretFields: Uint8Array = new Uint8Array(fieldIdCount);
for (const id of [FieldId.Authorization, FieldId.ProxyAuthorization, FieldId.Cookie, FieldId.SetCookie]) {
  secretFields[id] = 1;
}

/**
 * Fields to header blocks (RFC 7541). A field enters the dynamic table when it is seen for the second time: what never
 * repeats (ids, times, most paths) costs no entry and pushes none out. Huffman coding is spent on entries, which are
 * written once; what is written plainly costs bytes and no time.
 */
export class HpackEncoder {
  private readonly table: DynamicTable;
  private readonly limitBytes: number;
  /** By the low bits of a hash: the number of the entry inserted last under it, plus one. */
  private readonly entries: Int32Array;
  /** By field id: the number of the entry with this name that `once` inserted last, plus one. */
  private names: Int32Array;
  /** By other bits: the hash seen last. */
  private readonly seen: Int32Array;
  /** Sizes to announce at the beginning of the next block; -1 for none. */
  private smallestSize: number;
  private finalSize: number;
  private scratch: Buffer;

  /** `limitBytes`: most memory for the table, whatever the peer allows. */
  constructor(limitBytes: number) {
    this.table = new DynamicTable(limitBytes, Math.min(limitBytes, 4096));
    this.limitBytes = limitBytes;
    this.entries = new Int32Array(SLOTS);
    this.names = noNames;
    this.seen = new Int32Array(SLOTS);
    this.smallestSize = limitBytes < 4096 ? limitBytes : -1;
    this.finalSize = this.smallestSize;
    this.scratch = Buffer.allocUnsafeSlow(64);
  }

  /** Changes with the meaning of indexes: bytes of a block may be sent again while it is the same. */
  get version(): number {
    return this.table.version;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; takes effect with the next block (RFC 7541 §4.2). */
  setPeerLimit(bytes: number): void {
    const size = Math.min(bytes, this.limitBytes);
    if (size === this.table.capacityBytes && this.finalSize < 0) return;
    this.table.resize(size);
    this.smallestSize = this.smallestSize < 0 ? size : Math.min(this.smallestSize, size);
    this.finalSize = size;
  }

  /** Begins a block. */
  begin(out: ByteWriter): void {
    if (this.finalSize < 0) return;
    if (this.smallestSize < this.finalSize) writeInteger(out, this.smallestSize, 0x1f, 0x20);
    writeInteger(out, this.finalSize, 0x1f, 0x20);
    this.smallestSize = -1;
    this.finalSize = -1;
  }

  /** A field that the static table holds whole. */
  indexed(out: ByteWriter, staticIndex: number): void {
    out.byte(0x80 | staticIndex);
  }

  /**
   * A field by its static name, pseudo-header fields included. `mayIndex` false writes it without touching the table, so
   * that the bytes hold wherever they are sent.
   */
  named(out: ByteWriter, staticIndex: number, values: Buffer, start: number, end: number, mayIndex: boolean): void {
    if (mayIndex && end - start <= INDEXED_VALUE_BYTES) {
      const nameStart = staticNameStart[staticIndex]!;
      const nameEnd = staticValueStart[staticIndex]!;
      const hash = hashBytes(values, start, end, 0x9e3779b1 ^ (staticIndex * 0x01000193));
      const number = this.find(hash, staticBytes, nameStart, nameEnd, values, start, end);
      if (number >= 0) {
        this.writeIndex(out, number);
        return;
      }
      if (this.repeats(hash) && this.fits(nameEnd - nameStart + end - start)) {
        writeInteger(out, staticIndex, 0x3f, 0x40);
        writeCoded(out, values, start, end);
        this.insert(hash, staticBytes, nameStart, nameEnd, values, start, end);
        return;
      }
    }
    writeInteger(out, staticIndex, 0x0f, 0);
    writePlain(out, values, start, end);
  }

  /** A regular field; its name may have upper-case letters. `flag` is that of `Head.flags`. */
  field(
    out: ByteWriter,
    id: number,
    names: Buffer,
    nameStart: number,
    nameEnd: number,
    values: Buffer,
    valueStart: number,
    valueEnd: number,
    flag: number,
    mayIndex: boolean,
  ): void {
    const known = nameBytes[id]!;
    let name = known;
    let nameLength = known.length;
    if (nameLength === 0) {
      nameLength = this.lower(names, nameStart, nameEnd);
      name = this.scratch;
    }
    const never = flag === NEVER_INDEXED || secretFields[id] === 1;
    if (mayIndex && !never && valueEnd - valueStart <= INDEXED_VALUE_BYTES && nameLength <= INDEXED_VALUE_BYTES) {
      const seed = id === 0 ? hashBytes(name, 0, nameLength, 0x811c9dc5) : id * 0x01000193 + 0x811c9dc5;
      const hash = hashBytes(values, valueStart, valueEnd, seed);
      const number = this.find(hash, name, 0, nameLength, values, valueStart, valueEnd);
      if (number >= 0) {
        this.writeIndex(out, number);
        return;
      }
      if (this.repeats(hash) && this.fits(nameLength + valueEnd - valueStart)) {
        this.writeName(out, id, name, nameLength, 0x3f, 0x40);
        writeCoded(out, values, valueStart, valueEnd);
        this.insert(hash, name, 0, nameLength, values, valueStart, valueEnd);
        return;
      }
    }
    this.writeName(out, id, name, nameLength, 0x0f, never ? 0x10 : 0);
    writePlain(out, values, valueStart, valueEnd);
  }

  /**
   * A field whose value does not come again: it is not looked for, and enters the table, if ever, for the sake of the name.
   * `name` is in lower case, and `value` was checked.
   */
  once(out: ByteWriter, id: number, name: Buffer, value: string): void {
    const { table } = this;
    const number = this.names[id]! - 1;
    const isStatic = staticIndexOfField[id]! > 0;
    let inserts = false;
    if (!isStatic && table.holds(number)) {
      writeInteger(out, STATIC_COUNT + table.inserted - number, 0x0f, 0);
    } else {
      // Once the name has come twice, and while the entry would not push out too much.
      inserts =
        id !== 0 &&
        !isStatic &&
        secretFields[id] === 0 &&
        this.repeats(Math.imul(id, 0x9e3779b1)) &&
        this.fits(name.length + value.length);
      this.writeName(out, id, name, name.length, inserts ? 0x3f : 0x0f, inserts ? 0x40 : 0);
    }
    writeInteger(out, value.length, 0x7f, 0);
    const at = out.length;
    out.latin1(value);
    if (!inserts) return;
    table.insert(name, 0, name.length, out.buffer, at, out.length, 0);
    // Most connections send none: they share one that stays empty.
    if (this.names === noNames) this.names = new Int32Array(fieldIdCount);
    this.names[id] = table.inserted;
  }

  private writeName(out: ByteWriter, id: number, name: Buffer, length: number, prefix: number, bits: number): void {
    const index = staticIndexOfField[id]!;
    if (index > 0) writeInteger(out, index, prefix, bits);
    else {
      out.byte(bits);
      writePlain(out, name, 0, length);
    }
  }

  private writeIndex(out: ByteWriter, number: number): void {
    writeInteger(out, STATIC_COUNT + this.table.inserted - number, 0x7f, 0x80);
  }

  /** The number of the entry with these bytes; -1 when there is none. */
  private find(
    hash: number,
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    values: Buffer,
    start: number,
    end: number,
  ): number {
    const number = this.entries[hash & (SLOTS - 1)]! - 1;
    const table = this.table;
    if (!table.holds(number) || table.tag(number) !== hash) return -1;
    if (table.nameLength(number) !== nameEnd - nameStart || table.valueLength(number) !== end - start) return -1;
    const bytes = table.bytes;
    let at = table.start(number);
    for (let pos = nameStart; pos < nameEnd; pos += 1) if (bytes[at++] !== name[pos]) return -1;
    for (let pos = start; pos < end; pos += 1) if (bytes[at++] !== values[pos]) return -1;
    return number;
  }

  private repeats(hash: number): boolean {
    const slot = (hash >>> 8) & (SLOTS - 1);
    if (this.seen[slot] === hash) return true;
    this.seen[slot] = hash;
    return false;
  }

  /** One field must not push out more than a quarter of the others. */
  private fits(bytes: number): boolean {
    return (bytes + ENTRY_OVERHEAD) * 4 <= this.table.capacityBytes;
  }

  private insert(
    hash: number,
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    values: Buffer,
    start: number,
    end: number,
  ): void {
    this.table.insert(name, nameStart, nameEnd, values, start, end, hash);
    this.entries[hash & (SLOTS - 1)] = this.table.inserted;
  }

  private lower(names: Buffer, start: number, end: number): number {
    const length = end - start;
    if (length > this.scratch.length) this.scratch = Buffer.allocUnsafeSlow(length * 2);
    const scratch = this.scratch;
    for (let index = 0; index < length; index += 1) scratch[index] = lowerCase[names[start + index]!]!;
    return length;
  }
}

/** RFC 7541 §5.1: an integer behind the bits of the first byte. `prefix` is the mask of its room there. */
export function writeInteger(out: ByteWriter, value: number, prefix: number, bits: number): void {
  if (value < prefix) {
    out.byte(bits | value);
    return;
  }
  out.byte(bits | prefix);
  let rest = value - prefix;
  while (rest >= 0x80) {
    out.byte((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.byte(rest);
}

function writePlain(out: ByteWriter, bytes: Buffer, start: number, end: number): void {
  writeInteger(out, end - start, 0x7f, 0);
  out.copy(bytes, start, end);
}

/** With Huffman coding where that is shorter. */
function writeCoded(out: ByteWriter, bytes: Buffer, start: number, end: number): void {
  const length = huffmanLength(bytes, start, end);
  if (length >= end - start) writePlain(out, bytes, start, end);
  else {
    writeInteger(out, length, 0x7f, 0x80);
    writeHuffman(out, bytes, start, end);
  }
}

/** FNV-1a over bytes, from a seed; a signed 32-bit number. */
function hashBytes(bytes: Buffer, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  for (let pos = start; pos < end; pos += 1) hash = Math.imul(hash ^ bytes[pos]!, 0x01000193);
  return hash ^ (hash >>> 15);
}

import type { Buffer } from 'node:buffer';
import { readFieldId } from '../../field-id.ts';
import type { FieldId } from '../../field-id.ts';
import type { Head } from '../../head.ts';
import { DynamicTable, ENTRY_OVERHEAD } from './dynamic-table.ts';
import { FieldFault, fieldFaultDetail, nameFault, valueFault } from './field-class.ts';
import { readHuffman } from './huffman.ts';
import { InsertionNotes } from './insertions.ts';
import type { Insertions } from './insertions.ts';
import {
  FIRST_PSEUDO_ID,
  PseudoId,
  pseudoIdOf,
  STATIC_COUNT,
  staticBytes,
  staticIds,
  staticNameStart,
  staticValueEnd,
  staticValueStart,
} from './static-table.ts';

/**
 * `Head.flags` of a field that came as never-indexed and goes on as such (RFC 7541 §6.2.3). It is neither `Pass` nor
 * `Drop`; whoever drops fields looks for `Drop` alone.
 */
export const NEVER_INDEXED = 2;

/** RFC 7541 §4.2: a size may fall and rise again between two blocks, which takes two updates and never more. */
const MAX_SIZE_UPDATES = 2;

/** The longest integer that is taken: far beyond every length and index that can be right (RFC 7541 §5.1). */
const MAX_INTEGER = 2 ** 28;

const PSEUDO_COUNT = 7;

/** One for all decoders: whoever wants to know what a block adds asks before the next is read. */
const notes = new InsertionNotes();

/**
 * Header blocks to fields (RFC 7541). One for each direction in which heads are read: blocks must be given in the order
 * they came, each whole, and every one of them, wanted or not.
 */
export class HpackDecoder {
  /** Why the block is no HPACK; empty when it is. The connection cannot go on then (RFC 9113 §4.3). */
  compressionFault: string;
  /** Why the message is malformed, by field syntax or a limit; empty when it is not. The first fault wins. */
  messageFault: string;
  /** Spans of the pseudo-header fields in `Head.bytes` by `PseudoId`: start at 2n, end at 2n + 1; -1 when absent. */
  readonly pseudo: Int32Array;
  /** Static table index that the pseudo-header field came as, whole; 0 otherwise. */
  readonly pseudoIndex: Uint8Array;
  /** The block changed the dynamic table. */
  changedTable: boolean;
  /** The block referred to dynamic entries: read again it means the same only while `version` is the same. */
  usedTable: boolean;
  /** The block began with a change of the table's size. */
  resized: boolean;
  private readonly table: DynamicTable;
  private limitBytes: number;
  private mustResize: boolean;
  private listBytes: number;
  private fields: number;
  private maxListBytes: number;
  private maxFields: number;
  private sawField: boolean;
  private pos: number;
  private end: number;

  /** `tableBytes`: what SETTINGS_HEADER_TABLE_SIZE will say. Until `announced` the 4,096 of RFC 9113 §6.5.2 hold too. */
  constructor(tableBytes: number) {
    const most = tableBytes > 4096 ? tableBytes : 4096;
    this.compressionFault = '';
    this.messageFault = '';
    this.pseudo = new Int32Array(PSEUDO_COUNT * 2);
    this.pseudoIndex = new Uint8Array(PSEUDO_COUNT);
    this.changedTable = false;
    this.usedTable = false;
    this.resized = false;
    this.table = new DynamicTable(most, 4096);
    this.limitBytes = most;
    this.mustResize = false;
    this.listBytes = 0;
    this.fields = 0;
    this.maxListBytes = 0;
    this.maxFields = 0;
    this.sawField = false;
    this.pos = 0;
    this.end = 0;
  }

  get version(): number {
    return this.table.version;
  }

  /** Bytes that the dynamic table counts now; for tests of its bounds. */
  get tableSizeBytes(): number {
    return this.table.sizeBytes;
  }

  /**
   * How many times as large as allowed the last block was, 1 for one within its limits. Indexes of one byte stand for as much as
   * the table holds, so it tells a head that is too large from one that was made to be.
   */
  get excess(): number {
    return Math.max(1, Math.floor(this.listBytes / Math.max(1, this.maxListBytes)));
  }

  /** The next block must begin with a change of the table's size, so it cannot be one that came before. */
  get owesResize(): boolean {
    return this.mustResize;
  }

  /**
   * What the block read last into `head` adds to the table, when that is all it does to it: a block of the same bytes then
   * means the same whatever the table holds, and `repeat` does what it does. Undefined for any other. The head must not be
   * used again.
   */
  addedByBlock(head: Head): Insertions | undefined {
    return this.resized || this.usedTable ? undefined : notes.keep(head.bytes);
  }

  /** A block came again that `added` this: the table takes it as if the block had been read. */
  repeat(added: Insertions): void {
    added.repeat(this.table);
  }

  /** The peer has acknowledged the size: a smaller one than it uses must be taken up by its next block (RFC 7541 §4.2). */
  announced(tableBytes: number): void {
    this.limitBytes = tableBytes;
    this.mustResize = this.table.capacityBytes > tableBytes;
  }

  /**
   * Reads block[start, end) into `head`, which was reset, and the pseudo spans. Fields past a limit are read for the
   * table's sake and kept nowhere. False when `compressionFault` is set.
   */
  decode(block: Buffer, start: number, end: number, head: Head, maxListBytes: number, maxFields: number): boolean {
    this.compressionFault = '';
    this.messageFault = '';
    this.pseudo.fill(-1);
    this.pseudoIndex.fill(0);
    this.changedTable = false;
    this.usedTable = false;
    this.resized = false;
    notes.reset();
    this.listBytes = 0;
    this.fields = 0;
    this.maxListBytes = maxListBytes;
    this.maxFields = maxFields;
    this.sawField = false;
    this.pos = start;
    this.end = end;
    let updates = 0;
    let begun = false;
    while (this.pos < end && this.compressionFault === '') {
      const byte = block[this.pos]!;
      if (byte >= 0x80) this.readIndexed(block, head);
      else if (byte >= 0x40) this.readLiteral(block, head, 0x3f, true, 0);
      else if (byte >= 0x20) {
        // RFC 7541 §4.2: at the beginning of a block and nowhere else.
        updates += 1;
        if (begun) return this.fail('table-size-after-field');
        if (updates > MAX_SIZE_UPDATES) return this.fail('too-many-table-sizes');
        this.readSize(block);
        continue;
      } else this.readLiteral(block, head, 0x0f, false, byte >= 0x10 ? NEVER_INDEXED : 0);
      if (this.mustResize) return this.fail('table-size-not-taken');
      begun = true;
    }
    return this.compressionFault === '';
  }

  private readSize(block: Buffer): void {
    const bytes = this.integer(block, 0x1f);
    if (bytes < 0) return;
    if (bytes > this.limitBytes) this.fail('table-size-above-setting');
    else {
      this.table.resize(bytes);
      this.mustResize = false;
      this.changedTable = true;
      this.resized = true;
    }
  }

  private readIndexed(block: Buffer, head: Head): void {
    const byte = block[this.pos]!;
    let index = byte & 0x7f;
    if (index === 0x7f) {
      index = this.integer(block, 0x7f);
      if (index < 0) return;
    } else this.pos += 1;
    if (index === 0) this.fail('index-zero');
    else if (index <= STATIC_COUNT) this.takeStatic(head, index);
    else this.takeDynamic(head, index);
  }

  private takeStatic(head: Head, index: number): void {
    const nameStart = staticNameStart[index]!;
    const valueStart = staticValueStart[index]!;
    const valueEnd = staticValueEnd[index]!;
    const size = valueEnd - nameStart;
    if (!this.admit(size)) return;
    const id = staticIds[index]!;
    if (id >= FIRST_PSEUDO_ID) {
      this.pseudoIndex[id - FIRST_PSEUDO_ID] = index;
      const at = append(head, staticBytes, valueStart, valueEnd);
      this.takePseudo(id, at, head.length);
      return;
    }
    const at = append(head, staticBytes, nameStart, valueEnd);
    this.sawField = true;
    head.push(id as FieldId, at, at + valueStart - nameStart, at + valueStart - nameStart, at + size);
  }

  private takeDynamic(head: Head, index: number): void {
    const table = this.table;
    const number = table.inserted - 1 - (index - STATIC_COUNT - 1);
    if (!table.holds(number)) {
      this.fail('index-beyond-table');
      return;
    }
    this.usedTable = true;
    const nameLength = table.nameLength(number);
    const size = nameLength + table.valueLength(number);
    if (!this.admit(size)) return;
    const start = table.start(number);
    const tag = table.tag(number);
    const at = append(head, table.bytes, start, start + size);
    this.take(head, tag & 0xff, tag >>> 8, at, at + nameLength, at + size, 0);
  }

  private readLiteral(block: Buffer, head: Head, prefix: number, insert: boolean, flag: number): void {
    const index = this.integer(block, prefix);
    if (index < 0) return;
    const base = head.length;
    let id: number;
    let fault: number = FieldFault.None;
    if (index === 0) {
      if (!this.string(block, head)) return;
      if (head.bytes[base] === 0x3a && head.length > base) id = pseudoIdOf(head.bytes, base, head.length);
      else {
        fault = nameFault(head.bytes, base, head.length);
        id = fault === FieldFault.None ? readFieldId(head.bytes, base, head.length) : 0;
      }
    } else if (index <= STATIC_COUNT) {
      append(head, staticBytes, staticNameStart[index]!, staticValueStart[index]!);
      id = staticIds[index]!;
    } else {
      const table = this.table;
      const number = table.inserted - 1 - (index - STATIC_COUNT - 1);
      if (!table.holds(number)) {
        this.fail('index-beyond-table');
        return;
      }
      this.usedTable = true;
      const start = table.start(number);
      append(head, table.bytes, start, start + table.nameLength(number));
      const tag = table.tag(number);
      id = tag & 0xff;
      // A fault of the entry's value is not one of its name.
      fault = tag >>> 8 >= FieldFault.Value ? FieldFault.None : tag >>> 8;
    }
    const valueStart = head.length;
    if (!this.string(block, head)) return;
    if (fault === FieldFault.None) fault = valueFault(head.bytes, valueStart, head.length);
    if (insert) {
      this.table.insert(head.bytes, base, valueStart, head.bytes, valueStart, head.length, id | (fault << 8));
      this.changedTable = true;
      notes.note(base, valueStart, head.length, id | (fault << 8));
    }
    if (this.admit(head.length - base)) this.take(head, id, fault, base, valueStart, head.length, flag);
    else head.length = base;
  }

  /** Counts a field before it is kept. False: past a limit, or an earlier one was. */
  private admit(bytes: number): boolean {
    this.fields += 1;
    this.listBytes += bytes + ENTRY_OVERHEAD;
    if (this.fields > this.maxFields) this.blame('too-many-fields');
    else if (this.listBytes > this.maxListBytes) this.blame('head-too-large');
    else return this.messageFault === '';
    return false;
  }

  private take(
    head: Head,
    id: number,
    fault: number,
    nameStart: number,
    valueStart: number,
    valueEnd: number,
    flag: number,
  ): void {
    if (fault !== FieldFault.None) this.blame(fieldFaultDetail(fault));
    else if (id >= FIRST_PSEUDO_ID) this.takePseudo(id, valueStart, valueEnd);
    else {
      this.sawField = true;
      head.push(id as FieldId, nameStart, valueStart, valueStart, valueEnd);
      if (flag !== 0) head.flags[head.count - 1] = flag;
    }
  }

  /** RFC 9113 §8.3: once each, known, before all regular fields. */
  private takePseudo(id: number, start: number, end: number): void {
    const at = (id - FIRST_PSEUDO_ID) * 2;
    if (id === PseudoId.Other) this.blame('unknown-pseudo-field');
    else if (this.sawField) this.blame('pseudo-field-after-field');
    else if (this.pseudo[at]! >= 0) this.blame('duplicate-pseudo-field');
    else {
      this.pseudo[at] = start;
      this.pseudo[at + 1] = end;
    }
  }

  /** RFC 7541 §5.1; -1 when it is cut off or too large. `prefix` is the mask of the first byte. */
  private integer(block: Buffer, prefix: number): number {
    let value = block[this.pos]! & prefix;
    this.pos += 1;
    if (value < prefix) return value;
    let shift = 1;
    for (let bytes = 0; bytes < 5; bytes += 1) {
      if (this.pos >= this.end) {
        this.fail('truncated-block');
        return -1;
      }
      const byte = block[this.pos]!;
      this.pos += 1;
      value += (byte & 0x7f) * shift;
      if (value > MAX_INTEGER) break;
      if (byte < 0x80) return value;
      shift *= 128;
    }
    this.fail('integer-too-large');
    return -1;
  }

  /** Appends a string literal to the bytes of the head (RFC 7541 §5.2). */
  private string(block: Buffer, head: Head): boolean {
    if (this.pos >= this.end) return this.fail('truncated-block');
    const coded = block[this.pos]! >= 0x80;
    const length = this.integer(block, 0x7f);
    if (length < 0) return false;
    const start = this.pos;
    const end = start + length;
    if (end > this.end) return this.fail('truncated-block');
    this.pos = end;
    if (!coded) {
      append(head, block, start, end);
      return true;
    }
    // The shortest code has five bits. The block is bounded, so this is.
    head.reserveBytes((head.length + (length * 8) / 5) | 0);
    const stop = readHuffman(block, start, end, head.bytes, head.length);
    if (stop < 0) return this.fail('bad-huffman');
    head.length = stop;
    return true;
  }

  private blame(detail: string): void {
    if (this.messageFault === '') this.messageFault = detail;
  }

  private fail(detail: string): false {
    if (this.compressionFault === '') this.compressionFault = detail;
    return false;
  }
}

/** Copies source[start, end) behind the bytes of the head and returns where they begin. */
function append(head: Head, source: Buffer, start: number, end: number): number {
  const at = head.length;
  const length = end - start;
  if (at + length > head.bytes.length) head.reserveBytes(at + length);
  const bytes = head.bytes;
  if (length > 28) source.copy(bytes, at, start, end);
  else for (let index = 0; index < length; index += 1) bytes[at + index] = source[start + index]!;
  head.length = at + length;
  return at;
}

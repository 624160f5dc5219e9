/**
 * Fields of protobuf messages with their bounds. A field reads hostile bytes into a checked value or throws a `WireFault`,
 * which `Message.decode` turns into a `Result`; it never leaves this folder. Writing asserts the same bounds, so that what
 * one side writes the other side reads.
 */
import type protobuf from 'protobufjs/minimal.js';
import { assert } from '@weft/kernel';

export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;

/** Wire types of protobuf; groups (3, 4) are refused. */
export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;

export interface Field<V> {
  readonly number: number;
  readonly wireType: number;
  /** The type as the .proto file has it: `string`, `uint32`, `Endpoint`. The test that holds both together reads it. */
  readonly protoType: string;
  readonly repeated: boolean;
  /** Of an enum: what its values 1, 2, ... are called here. Null for all else. */
  readonly names: readonly string[] | null;
  /** Of a message: its table. Null for all else. */
  readonly carried: object | null;
  /** The value when the bytes don't have the field. */
  readonly initial: V;
  /** Reads one occurrence; `previous` is the value so far. */
  read(reader: Reader, wireType: number, previous: V): V;
  /** Writes tag and value, or nothing when the value is the initial one. */
  write(writer: Writer, value: V): void;
  /** Judges the value when the message has ended: a text for people, null when it is well. */
  finish(value: V): string | null;
}

/** What is wrong with the bytes, and where; `path` is filled in on the way out. */
export class WireFault extends Error {
  path: string;
  /** `Unsupported`: perhaps right for a later version of this protocol. */
  readonly code: 'Malformed' | 'Unsupported';

  constructor(message: string, code: 'Malformed' | 'Unsupported' = 'Malformed') {
    super(message);
    this.path = '';
    this.code = code;
  }
}

/** Text of 0 to `maxBytes` bytes of UTF-8 without control characters other than tab; not empty when `required`. */
export function text(number: number, maxBytes: number, required = false): Field<string> {
  return textField(number, maxBytes, required, true);
}

/** Text for people: may hold line ends. */
export function prose(number: number, maxBytes: number): Field<string> {
  return textField(number, maxBytes, false, false);
}

/** One of the given texts; the empty one may be among them. */
export function word<V extends string>(number: number, allowed: readonly V[]): Field<V> {
  const field = text(number, 64);
  const check = (value: string): V => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new WireFault(`is none of ${allowed.map((item) => `"${item}"`).join(', ')}`);
    return found;
  };
  return {
    ...field,
    initial: '' as V,
    read: (reader, wireType) => check(field.read(reader, wireType, '')),
    write: (writer, value) => field.write(writer, value),
    finish: (value) => (allowed.includes(value) ? null : 'is missing'),
  };
}

/** A whole number between `from` and `to`, both inclusive; absent is 0, which is refused when `from` is above it. */
export function integer(number: number, protoType: 'uint32' | 'uint64', from: number, to: number): Field<number> {
  return {
    number,
    wireType: VARINT,
    protoType,
    repeated: false,
    names: null,
    carried: null,
    initial: 0,
    read(reader, wireType) {
      expectWireType(wireType, VARINT);
      return readInteger(reader, from, to);
    },
    write(writer, value) {
      if (value === 0) return;
      assert(Number.isInteger(value) && value >= from && value <= to, `${value} is not between ${from} and ${to}`);
      writer.uint32((number << 3) | VARINT).uint64(value);
    },
    finish: (value) => (value < from ? `is missing or below ${from}` : null),
  };
}

/** One of the given whole numbers. */
export function status<V extends number>(number: number, allowed: readonly V[]): Field<V> {
  const field = integer(number, 'uint32', 1, 0xffffffff);
  const check = (value: number): V => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new WireFault(`is none of ${allowed.join(', ')}`);
    return found;
  };
  return {
    ...field,
    initial: 0 as V,
    read: (reader, wireType) => check(field.read(reader, wireType, 0)),
    write: (writer, value) => field.write(writer, value),
    finish: (value) => (allowed.includes(value) ? null : 'is missing'),
  };
}

/** A finite number between `from` and `to`. */
export function real(number: number, from: number, to: number): Field<number> {
  return {
    number,
    wireType: FIXED64,
    protoType: 'double',
    repeated: false,
    names: null,
    carried: null,
    initial: 0,
    read(reader, wireType) {
      expectWireType(wireType, FIXED64);
      const value = reader.double();
      // Negated so that NaN is refused.
      if (!(value >= from && value <= to)) throw new WireFault(`is not between ${from} and ${to}`);
      return value;
    },
    write(writer, value) {
      if (value === 0) return;
      assert(value >= from && value <= to, `${value} is not between ${from} and ${to}`);
      writer.uint32((number << 3) | FIXED64).double(value);
    },
    finish: () => null,
  };
}

/** True or false; absent is false. */
export function flag(number: number): Field<boolean> {
  return {
    number,
    wireType: VARINT,
    protoType: 'bool',
    repeated: false,
    names: null,
    carried: null,
    initial: false,
    read(reader, wireType) {
      expectWireType(wireType, VARINT);
      return readInteger(reader, 0, Number.MAX_SAFE_INTEGER) !== 0;
    },
    write(writer, value) {
      if (value) writer.uint32((number << 3) | VARINT).bool(true);
    },
    finish: () => null,
  };
}

/** An enum of the .proto file whose values 1, 2, ... are `names` in this order; 0 and unknown ones are refused. */
export function choice<V extends string>(number: number, protoType: string, names: readonly V[]): Field<V> {
  return {
    number,
    wireType: VARINT,
    protoType,
    repeated: false,
    names,
    carried: null,
    initial: '' as V,
    read(reader, wireType) {
      expectWireType(wireType, VARINT);
      return readName(reader, names);
    },
    write(writer, value) {
      const index = names.indexOf(value);
      assert(index >= 0, `${value} is no ${protoType}`);
      writer.uint32((number << 3) | VARINT).uint32(index + 1);
    },
    finish: (value) => (names.includes(value) ? null : 'is missing'),
  };
}

/** A list of enum values, packed; at most `maxItems`. */
export function choices<V extends string>(
  number: number,
  protoType: string,
  names: readonly V[],
  maxItems: number,
): Field<readonly V[]> {
  const list = packed(
    number,
    protoType,
    maxItems,
    (reader) => readName(reader, names),
    (writer, value) => {
      const index = names.indexOf(value);
      assert(index >= 0, `${value} is no ${protoType}`);
      writer.uint32(index + 1);
    },
  );
  return { ...list, names };
}

/** A list of whole numbers, packed. */
export function integers(number: number, from: number, to: number, maxItems: number): Field<readonly number[]> {
  return packed(
    number,
    'uint32',
    maxItems,
    (reader) => readInteger(reader, from, to),
    (writer, value) => {
      assert(Number.isInteger(value) && value >= from && value <= to, `${value} is not between ${from} and ${to}`);
      writer.uint32(value);
    },
  );
}

/** A list of texts that are not empty. */
export function texts(number: number, maxBytes: number, maxItems: number): Field<readonly string[]> {
  const item = text(number, maxBytes, true);
  const empty: readonly string[] = [];
  return {
    number,
    wireType: DELIMITED,
    protoType: 'string',
    repeated: true,
    names: null,
    carried: null,
    initial: empty,
    read(reader, wireType, previous) {
      const value = item.read(reader, wireType, '');
      if (value === '') throw new WireFault('holds an empty text');
      return append(previous, value, empty, maxItems);
    },
    write(writer, value) {
      assert(value.length <= maxItems, `${value.length} items are above ${maxItems}`);
      for (const one of value) item.write(writer, one);
    },
    finish: () => null,
  };
}

/** Bytes; a view into what was read, never a copy. */
export function bytes(number: number, maxBytes: number, required = false): Field<Uint8Array> {
  return {
    number,
    wireType: DELIMITED,
    protoType: 'bytes',
    repeated: false,
    names: null,
    carried: null,
    initial: NO_BYTES,
    read(reader, wireType) {
      expectWireType(wireType, DELIMITED);
      return readBytes(reader, maxBytes);
    },
    write(writer, value) {
      if (value.length === 0) return;
      assert(value.length <= maxBytes, `${value.length} bytes are above ${maxBytes}`);
      writer.uint32((number << 3) | DELIMITED).bytes(value);
    },
    finish: (value) => (required && value.length === 0 ? 'is missing' : null),
  };
}

/** A list of byte strings. */
export function bytesList(number: number, maxBytes: number, maxItems: number): Field<readonly Uint8Array[]> {
  const empty: readonly Uint8Array[] = [];
  return {
    number,
    wireType: DELIMITED,
    protoType: 'bytes',
    repeated: true,
    names: null,
    carried: null,
    initial: empty,
    read(reader, wireType, previous) {
      expectWireType(wireType, DELIMITED);
      return append(previous, readBytes(reader, maxBytes), empty, maxItems);
    },
    write(writer, value) {
      assert(value.length <= maxItems, `${value.length} items are above ${maxItems}`);
      for (const one of value) writer.uint32((number << 3) | DELIMITED).bytes(one);
    },
    finish: () => null,
  };
}

/** A 64-bit hash as 16 lower-case hexadecimal digits. */
export function hash(number: number): Field<string> {
  return {
    number,
    wireType: FIXED64,
    protoType: 'fixed64',
    repeated: false,
    names: null,
    carried: null,
    initial: NO_HASH,
    read(reader, wireType) {
      expectWireType(wireType, FIXED64);
      const low = reader.fixed32();
      return hex32(reader.fixed32()) + hex32(low);
    },
    write(writer, value) {
      assert(HASH.test(value), `${value} is no hash of 16 hexadecimal digits`);
      if (value === NO_HASH) return;
      writer.uint32((number << 3) | FIXED64);
      writer.fixed32(Number.parseInt(value.slice(8), 16)).fixed32(Number.parseInt(value.slice(0, 8), 16));
    },
    finish: () => null,
  };
}

/** The hash that stands for "nothing". */
export const NO_HASH = '0000000000000000';

export function expectWireType(actual: number, expected: number): void {
  if (actual !== expected) throw new WireFault(`has wire type ${actual}, not ${expected}`);
}

/** The length of what follows, checked against the end of the bytes. */
export function readLength(reader: Reader): number {
  const length = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  if (length > reader.len - reader.pos) throw new WireFault('ends early');
  return length;
}

/** Adds to a list that is being read; `empty` is the field's shared initial list, which is never written to. */
export function append<V>(previous: readonly V[], value: V, empty: readonly V[], maxItems: number): readonly V[] {
  if (previous === empty) return [value];
  if (previous.length >= maxItems) throw new WireFault(`has more than ${maxItems} items`);
  (previous as V[]).push(value);
  return previous;
}

const NO_BYTES: Uint8Array = Buffer.alloc(0);
const HASH = /^[0-9a-f]{16}$/;
const CONTROL_CHARACTER = /[\x00-\x08\x0a-\x1f\x7f]/;

function textField(number: number, maxBytes: number, required: boolean, plain: boolean): Field<string> {
  return {
    number,
    wireType: DELIMITED,
    protoType: 'string',
    repeated: false,
    names: null,
    carried: null,
    initial: '',
    read(reader, wireType) {
      expectWireType(wireType, DELIMITED);
      const length = readLength(reader);
      if (length > maxBytes) throw new WireFault(`is ${length} bytes long, above ${maxBytes}`);
      const start = reader.pos;
      reader.pos += length;
      const value = (reader.buf as Buffer).toString('utf8', start, start + length);
      if (plain && CONTROL_CHARACTER.test(value)) throw new WireFault('holds a control character');
      return value;
    },
    write(writer, value) {
      if (value === '') return;
      assert(
        value.length * 3 <= maxBytes || Buffer.byteLength(value) <= maxBytes,
        `text is longer than ${maxBytes} bytes`,
      );
      writer.uint32((number << 3) | DELIMITED).string(value);
    },
    finish: (value) => (required && value === '' ? 'is missing' : null),
  };
}

function packed<V>(
  number: number,
  protoType: string,
  maxItems: number,
  readItem: (reader: Reader) => V,
  writeItem: (writer: Writer, value: V) => void,
): Field<readonly V[]> {
  const empty: readonly V[] = [];
  return {
    number,
    wireType: DELIMITED,
    protoType,
    repeated: true,
    names: null,
    carried: null,
    initial: empty,
    read(reader, wireType, previous) {
      // Readers accept both forms (protobuf encoding guide, "Packed Repeated Fields").
      if (wireType === VARINT) return append(previous, readItem(reader), empty, maxItems);
      expectWireType(wireType, DELIMITED);
      const end = readLength(reader) + reader.pos;
      let list = previous;
      while (reader.pos < end) list = append(list, readItem(reader), empty, maxItems);
      if (reader.pos !== end) throw new WireFault('ends inside a number');
      return list;
    },
    write(writer, value) {
      if (value.length === 0) return;
      assert(value.length <= maxItems, `${value.length} items are above ${maxItems}`);
      writer.uint32((number << 3) | DELIMITED).fork();
      for (const one of value) writeItem(writer, one);
      writer.ldelim();
    },
    finish: () => null,
  };
}

/** A varint as a number. The library's own reader would cut a longer value down to 32 bits without a word. */
function readInteger(reader: Reader, from: number, to: number): number {
  const { buf, len } = reader;
  let position = reader.pos;
  let value = 0;
  let scale = 1;
  for (;;) {
    if (position >= len) throw new WireFault('ends early');
    const byte = buf[position] ?? 0;
    position += 1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    scale *= 128;
    // Eight groups of 7 bits hold every safe integer; a ninth would not.
    if (scale > 0x2000000000000) throw new WireFault('is a number above 2^53');
  }
  reader.pos = position;
  if (value < from || value > to) throw new WireFault(`${value} is not between ${from} and ${to}`);
  return value;
}

function readName<V extends string>(reader: Reader, names: readonly V[]): V {
  const value = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  const name = names[value - 1];
  if (name === undefined)
    throw new WireFault(`${value} stands for nothing known`, value === 0 ? 'Malformed' : 'Unsupported');
  return name;
}

function readBytes(reader: Reader, maxBytes: number): Uint8Array {
  const length = readLength(reader);
  if (length > maxBytes) throw new WireFault(`is ${length} bytes long, above ${maxBytes}`);
  const start = reader.pos;
  reader.pos += length;
  return reader.buf.subarray(start, start + length);
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}

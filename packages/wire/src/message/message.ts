/**
 * Protobuf messages as tables of fields, typed against the interface they carry: a field left out of a table, of another
 * type, or unknown to the interface does not compile. The .proto files are the contract; a test reads them and holds every
 * number, name and type of these tables against them.
 *
 * Own tables and not generated classes, because both the bounds and the words of the model (unions by `type`, enums as texts)
 * would otherwise need a second object and a second pass; reading and writing of the primitives is protobufjs.
 */
import protobuf from 'protobufjs/minimal.js';
import { type Result, assert, fail, ok } from '@weft/kernel';
import {
  DELIMITED,
  type Field,
  type Reader,
  WireFault,
  type Writer,
  append,
  expectWireType,
  readLength,
} from './field.ts';

/** Why bytes were refused: `path` is like `endpoints.port`. */
export interface WireProblem {
  /** `Unsupported`: a type or value this version does not know. */
  readonly code: 'Malformed' | 'Unsupported';
  readonly path: string;
  readonly message: string;
}

export interface Message<T> {
  /** As in the .proto file. */
  readonly name: string;
  /** By TypeScript name, in the order of their numbers. Members of a oneof are named `union.member`. */
  readonly fields: readonly NamedField[];
  /** Deterministic: equal values give equal bytes. Throws when a bound is broken, because we made the value ourselves. */
  encode(value: T): Buffer;
  /** Never throws. Byte strings of the result are views of `bytes`. */
  decode(bytes: Uint8Array): Result<T, WireProblem>;
  read(reader: Reader, end: number): T;
  write(writer: Writer, value: T): void;
}

export interface NamedField {
  readonly name: string;
  readonly field: Field<unknown>;
}

export type FieldsOf<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/** A message whose fields are the properties of `T`. */
export function message<T extends object>(name: string, table: FieldsOf<T>): Message<T> {
  const fields = Object.entries<Field<unknown>>(table as Record<string, Field<unknown>>)
    .map(([fieldName, field]) => ({ name: fieldName, field }))
    .sort((left, right) => left.field.number - right.field.number);
  const byNumber: (NamedField | undefined)[] = [];
  const initial: Record<string, unknown> = {};
  for (const entry of fields) {
    assert(byNumber[entry.field.number] === undefined, `${name} uses the number ${entry.field.number} twice`);
    byNumber[entry.field.number] = entry;
    initial[entry.name] = entry.field.initial;
  }

  return finished(name, fields, {
    read(reader, end) {
      // A copy of one literal: every value of this message has the same hidden class.
      const value: Record<string, unknown> = { ...initial };
      let current: NamedField | undefined;
      try {
        while (reader.pos < end) {
          const tag = reader.uint32();
          current = byNumber[tag >>> 3];
          if (current === undefined) skip(reader, tag);
          else value[current.name] = current.field.read(reader, tag & 7, value[current.name]);
        }
      } catch (error) {
        throw located(error, current);
      }
      if (reader.pos !== end) throw new WireFault('ends inside a field');
      for (const entry of fields) {
        const problem = entry.field.finish(value[entry.name]);
        if (problem !== null) throw located(new WireFault(problem), entry);
      }
      return value as T;
    },
    write(writer, value) {
      const record = value as Record<string, unknown>;
      for (const entry of fields) entry.field.write(writer, record[entry.name]);
    },
  });
}

/** How one member of a union is written: `{type: <member>, [property]: value}`, or the value itself when `property` is null. */
export interface UnionMember {
  readonly number: number;
  readonly property: string | null;
  readonly message: Message<never>;
}

/** Says that `V` is carried under `property` of the union's member. */
export function member<V>(number: number, property: string | null, carried: Message<V>): UnionMember {
  return { number, property, message: carried as unknown as Message<never> };
}

/**
 * A message that is one oneof, as a union told apart by `type`. With several members in the bytes the last one counts, as
 * protobuf has it; with none, or only unknown ones, the bytes are refused.
 */
export function union<T extends { readonly type: string }>(
  name: string,
  members: { readonly [K in T['type']]: UnionMember },
): Message<T> {
  const entries = Object.entries<UnionMember>(members);
  const byNumber: ([string, UnionMember] | undefined)[] = [];
  for (const entry of entries) byNumber[entry[1].number] = entry;
  const fields = entries.map(([type, one]) => ({
    name: type,
    field: nested(one.number, one.message) as Field<unknown>,
  }));

  return finished<T>(name, fields, {
    read(reader, end) {
      let value: Record<string, unknown> | null = null;
      while (reader.pos < end) {
        const tag = reader.uint32();
        const found = byNumber[tag >>> 3];
        if (found === undefined) {
          skip(reader, tag);
          continue;
        }
        const [type, one] = found;
        try {
          expectWireType(tag & 7, DELIMITED);
          const carried: object = one.message.read(reader, readLength(reader) + reader.pos);
          value = one.property === null ? { type, ...carried } : { type, [one.property]: carried };
        } catch (error) {
          throw located(error, { name: type });
        }
      }
      if (reader.pos !== end) throw new WireFault('ends inside a field');
      if (value === null) throw new WireFault(`holds none of ${Object.keys(members).join(', ')}`, 'Unsupported');
      return value as unknown as T;
    },
    write(writer, value) {
      const one = members[value.type as T['type']];
      const carried = one.property === null ? value : (value as unknown as Record<string, unknown>)[one.property];
      writer.uint32((one.number << 3) | DELIMITED).fork();
      one.message.write(writer, carried as never);
      writer.ldelim();
    },
  });
}

/** A message inside a message; it must be there. */
export function nested<V>(number: number, carried: Message<V>): Field<V> {
  return {
    number,
    wireType: DELIMITED,
    protoType: carried.name,
    repeated: false,
    names: null,
    carried,
    initial: undefined as unknown as V,
    read(reader, wireType) {
      expectWireType(wireType, DELIMITED);
      return carried.read(reader, readLength(reader) + reader.pos);
    },
    write(writer, value) {
      writer.uint32((number << 3) | DELIMITED).fork();
      carried.write(writer, value);
      writer.ldelim();
    },
    finish: (value) => (value === undefined ? 'is missing' : null),
  };
}

/** A message that may be absent: null. */
export function optional<V>(number: number, carried: Message<V>): Field<V | null> {
  const present = nested(number, carried);
  return {
    ...present,
    initial: null,
    read: (reader, wireType, previous) => present.read(reader, wireType, previous as V),
    write(writer, value) {
      if (value !== null) present.write(writer, value);
    },
    finish: () => null,
  };
}

/** A list of messages, of `minItems` (0 or 1) to `maxItems`. */
export function list<V>(number: number, carried: Message<V>, maxItems: number, minItems = 0): Field<readonly V[]> {
  const empty: readonly V[] = [];
  return {
    number,
    wireType: DELIMITED,
    protoType: carried.name,
    repeated: true,
    names: null,
    carried,
    initial: empty,
    read(reader, wireType, previous) {
      expectWireType(wireType, DELIMITED);
      return append(previous, carried.read(reader, readLength(reader) + reader.pos), empty, maxItems);
    },
    write(writer, value) {
      assert(value.length <= maxItems, `${carried.name}: ${value.length} items are above ${maxItems}`);
      for (const one of value) {
        writer.uint32((number << 3) | DELIMITED).fork();
        carried.write(writer, one);
        writer.ldelim();
      }
    },
    finish: (value) => (value.length < minItems ? 'is empty' : null),
  };
}

interface Codec<T> {
  read(reader: Reader, end: number): T;
  write(writer: Writer, value: T): void;
}

function finished<T>(name: string, fields: readonly NamedField[], codec: Codec<T>): Message<T> {
  return {
    name,
    fields,
    read: codec.read,
    write: codec.write,
    encode(value) {
      const writer = protobuf.Writer.create();
      codec.write(writer, value);
      return writer.finish() as Buffer;
    },
    decode(bytes) {
      const reader = protobuf.Reader.create(asBuffer(bytes));
      try {
        return ok(codec.read(reader, reader.len));
      } catch (error) {
        return fail(problemOf(error));
      }
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function skip(reader: Reader, tag: number): void {
  const wireType = tag & 7;
  // Groups nest without bound; nothing has written them since proto2.
  if (wireType === 3 || wireType === 4) throw new WireFault('holds a group');
  if (tag >>> 3 === 0) throw new WireFault('holds a field of number 0');
  reader.skipType(wireType);
}

function located(error: unknown, entry: { readonly name: string } | undefined): unknown {
  if (error instanceof WireFault && entry !== undefined) {
    error.path = error.path === '' ? entry.name : `${entry.name}.${error.path}`;
  }
  return error;
}

function problemOf(error: unknown): WireProblem {
  if (error instanceof WireFault) return { code: error.code, path: error.path, message: error.message };
  // The library's own complaint about bytes that end early or a wire type that doesn't exist.
  if (error instanceof RangeError || (error instanceof Error && error.message.startsWith('invalid wire type'))) {
    return { code: 'Malformed', path: '', message: error.message };
  }
  throw error;
}

import type { Buffer } from 'node:buffer';

/** Numbers of the methods that codecs and retries know; 0 is every other token. */
export const MethodId = {
  Other: 0,
  Get: 1,
  Head: 2,
  Post: 3,
  Put: 4,
  Delete: 5,
  Connect: 6,
  Options: 7,
  Trace: 8,
  Patch: 9,
  Query: 10,
} as const;
export type MethodId = (typeof MethodId)[keyof typeof MethodId];

interface MethodFacts {
  readonly name: string;
  readonly safe: boolean;
  readonly idempotent: boolean;
}

const method = (name: string, safe: boolean, idempotent: boolean): MethodFacts => ({ name, safe, idempotent });

// RFC 9110 §9.2.1, §9.2.2; PATCH: RFC 5789 §2; QUERY: draft-ietf-httpbis-safe-method-w-body §2.
const methods: readonly MethodFacts[] = [
  method('', false, false),
  method('GET', true, true),
  method('HEAD', true, true),
  method('POST', false, false),
  method('PUT', false, true),
  method('DELETE', false, true),
  method('CONNECT', false, false),
  method('OPTIONS', true, true),
  method('TRACE', true, true),
  method('PATCH', false, false),
  method('QUERY', true, true),
];

const idsByName = new Map<string, MethodId>(methods.map(({ name }, id) => [name, id as MethodId]));

/** The method asks for nothing but a reading (RFC 9110 §9.2.1). False for unknown methods. */
export function isSafeMethod(methodId: number): boolean {
  return methods[methodId]?.safe ?? false;
}

/** Sending it twice has the effect of sending it once (RFC 9110 §9.2.2). False for unknown methods. */
export function isIdempotentMethod(methodId: number): boolean {
  return methods[methodId]?.idempotent ?? false;
}

/** The name of a known method; empty for `MethodId.Other`. */
export function methodName(methodId: number): string {
  return methods[methodId]?.name ?? '';
}

/** The number of a method by its exact, case-sensitive name. */
export function methodIdOf(name: string): MethodId {
  return name === '' ? MethodId.Other : (idsByName.get(name) ?? MethodId.Other);
}

/** The number of the method in bytes[start, end); no string is made. */
export function readMethodId(bytes: Buffer, start: number, end: number): MethodId {
  const candidate = candidateOf(bytes[start]!, bytes[start + 1]!, end - start);
  const name = methods[candidate]!.name;
  if (name.length !== end - start) return MethodId.Other;
  for (let index = 0; index < name.length; index += 1) {
    if (bytes[start + index] !== name.charCodeAt(index)) return MethodId.Other;
  }
  return candidate;
}

/**
 * The method in bytes[start, end) is a known one but for the case of its letters: `get` is a method of its own to us and GET to a
 * careless server, so whoever matches on methods would be passed by.
 */
export function isMethodInOtherCase(bytes: Buffer, start: number, end: number): boolean {
  const text = bytes.toString('latin1', start, end);
  const upper = text.toUpperCase();
  return upper !== text && methodIdOf(upper) !== MethodId.Other;
}

/** The only known method that begins with `first` (and `second`) and has `length` bytes; verified by the caller. */
function candidateOf(first: number, second: number, length: number): MethodId {
  switch (first) {
    case 0x47: // G
      return MethodId.Get;
    case 0x50: // P
      return second === 0x4f ? MethodId.Post : length === 3 ? MethodId.Put : MethodId.Patch;
    case 0x48: // H
      return MethodId.Head;
    case 0x44: // D
      return MethodId.Delete;
    case 0x43: // C
      return MethodId.Connect;
    case 0x4f: // O
      return MethodId.Options;
    case 0x54: // T
      return MethodId.Trace;
    case 0x51: // Q
      return MethodId.Query;
    default:
      return MethodId.Other;
  }
}

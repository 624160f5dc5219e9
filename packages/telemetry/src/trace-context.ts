import { Buffer } from 'node:buffer';
import { hasZeroId } from './random-ids.ts';
import type { RandomIds } from './random-ids.ts';

/** Where a request stands in a trace. All of it is text as it goes over the wire. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** The span that sent or sends the request: 16 lower-case hexadecimal digits. */
  readonly spanId: string;
  readonly sampled: boolean;
  /** `tracestate` as it is to be sent on; empty when there is none. */
  readonly state: string;
}

/** The span of one hop. */
export interface SpanContext extends TraceContext {
  /** The span before it; empty at the root of a trace. */
  readonly parentSpanId: string;
}

/** 0 for lower-case hexadecimal digits, 1 for all others. */
const noDigits = new Uint8Array(256).fill(1);
for (const byte of Buffer.from('0123456789abcdef', 'latin1')) noDigits[byte] = 0;
const DASH = 0x2d;

/** Buffer's decoder without argument checks: part of Node since its first releases, absent from the type package. */
interface Latin1Buffer extends Buffer {
  latin1Slice(start: number, end: number): string;
}

/** Compiled it takes half of what a loop over `charCodeAt` does, which asks for the shape of the string at each step. */
const TRACE_PARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;
const VERSION_00_CHARS = 55;

/**
 * Reads `traceparent` (W3C Trace Context, Recommendation of 2021, §3.2). Undefined for whatever the specification calls
 * invalid, upper-case digits included: the caller then starts a new trace and forgets `tracestate` (§4.3). A version
 * above 00 is read as far as version 00 goes (§3.2.4).
 */
export function readTraceParent(text: string | undefined): TraceContext | undefined {
  if (text === undefined || !TRACE_PARENT.test(text)) return undefined;
  const version = text.charCodeAt(0) * 256 + text.charCodeAt(1);
  if (version === VERSION_FF) return undefined;
  if (version === VERSION_00 && text.length > VERSION_00_CHARS) return undefined;
  if (hasZeroId(text)) return undefined;
  // Only the lowest bit has a meaning in version 00 (§3.2.2.5); of a digit's code it is the digit's own, but for a-f.
  const sampled = (digit(text.charCodeAt(54)) & 1) === 1;
  return { traceId: text.substring(3, 35), spanId: text.substring(36, 52), sampled, state: '' };
}

/**
 * The trace id of a `traceparent` in bytes[start, end); empty where `readTraceParent` would say undefined. For a hop that passes the
 * header on as it came, and wants to know no more of it.
 */
export function traceIdOf(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length < VERSION_00_CHARS || (length > VERSION_00_CHARS && bytes[start + VERSION_00_CHARS] !== DASH)) return '';
  if (bytes[start + 2] !== DASH || bytes[start + 35] !== DASH || bytes[start + 52] !== DASH) return '';
  const traceId = start + 3;
  const spanId = start + 36;
  let wrong =
    noDigits[bytes[start]!]! |
    noDigits[bytes[start + 1]!]! |
    noDigits[bytes[start + 53]!]! |
    noDigits[bytes[start + 54]!]!;
  let trace = 0;
  let span = 0;
  for (let at = traceId; at < traceId + 32; at += 1) {
    const byte = bytes[at]!;
    wrong |= noDigits[byte]!;
    trace |= byte ^ ZERO;
  }
  for (let at = spanId; at < spanId + 16; at += 1) {
    const byte = bytes[at]!;
    wrong |= noDigits[byte]!;
    span |= byte ^ ZERO;
  }
  if (wrong !== 0 || trace === 0 || span === 0) return '';
  const version = bytes[start]! * 256 + bytes[start + 1]!;
  if (version === VERSION_FF || (version === VERSION_00 && length > VERSION_00_CHARS)) return '';
  return (bytes as Latin1Buffer).latin1Slice(traceId, traceId + 32);
}

/** Writes `traceparent` in version 00, the one this code knows (§4.3). */
export function writeTraceParent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? '01' : '00'}`;
}

/**
 * The span of this hop: a child of `parent`, with its decision on sampling, or the root of a new trace when there is
 * none. `sampledPerMillion` is the share of new traces to sample, 0 to 1,000,000; it is decided on the digits of the
 * trace id, so that every hop that starts from the same id decides alike.
 */
export function startSpan(parent: TraceContext | undefined, ids: RandomIds, sampledPerMillion: number): SpanContext {
  if (parent !== undefined) {
    return {
      traceId: parent.traceId,
      spanId: ids.spanId(),
      sampled: parent.sampled,
      state: parent.state,
      parentSpanId: parent.spanId,
    };
  }
  const traceId = ids.traceId();
  return {
    traceId,
    spanId: ids.spanId(),
    sampled: sampledPerMillion > 0 && isSampledId(traceId, sampledPerMillion),
    state: '',
    parentSpanId: '',
  };
}

/** The span of this hop at the root of a trace that is not sampled, for when it is asked for all the same. */
export function unsampledRoot(traceId: string, spanId: string): SpanContext {
  return { traceId, spanId, sampled: false, state: '', parentSpanId: '' };
}

const ZERO = 0x30;
const VERSION_00 = 0x30 * 256 + 0x30;
const VERSION_FF = 0x66 * 256 + 0x66;

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

/**
 * Whether a trace is among those of a share; every hop says the same of an id, and it stands for its spans as for its lines. By the last eight
 * digits, because Trace Context level 2 promises randomness there, whoever made the id: of 32 digits, or of 16 as B3 may have it.
 */
export function isSampledId(traceId: string, sampledPerMillion: number): boolean {
  const limit = (sampledPerMillion / 1_000_000) * 2 ** 32;
  let draw = 0;
  let place = 2 ** 28;
  const end = traceId.length;
  // From the highest digit, which alone tells of nearly all.
  for (let index = end - 8; index < end; index += 1) {
    draw += anyDigit(traceId.charCodeAt(index)) * place;
    if (draw >= limit) return false;
    place /= 16;
  }
  return true;
}

/** Upper case as well, which B3 does not rule out. */
export function anyDigit(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}

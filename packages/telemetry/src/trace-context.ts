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

import type { TraceContext } from './trace-context.ts';

/** B3 Propagation (openzipkin/b3-propagation): ids of 64 or 128 bits in lower-case hexadecimal, and a sampling state. */
export interface B3Context {
  /** Undefined when only a decision on sampling came (`b3: 0`). */
  readonly context: TraceContext | undefined;
  /** Undefined: left to whoever reads it. */
  readonly sampled: boolean | undefined;
}

const TRACE_ID = /^(?:[0-9a-f]{32}|[0-9a-f]{16})$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const ZERO = /^0+$/;

/** The single header `{trace}-{span}[-{state}[-{parent}]]`, or a state alone; undefined for whatever it does not allow. */
export function readB3Single(text: string | undefined): B3Context | undefined {
  if (text === undefined) return undefined;
  const parts = text.split('-');
  if (parts.length === 1) {
    const sampled = readState(parts[0]!);
    return sampled === undefined ? undefined : { context: undefined, sampled };
  }
  const [traceId = '', spanId = '', state, parent] = parts;
  if (parts.length > 4 || (parent !== undefined && !SPAN_ID.test(parent))) return undefined;
  const sampled = state === undefined ? undefined : readState(state);
  if (state !== undefined && sampled === undefined) return undefined;
  return withIds(traceId, spanId, sampled);
}

/** The headers `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled` and `X-B3-Flags`. */
export function readB3Multi(
  traceId: string | undefined,
  spanId: string | undefined,
  sampledText: string | undefined,
  flags: string | undefined,
): B3Context | undefined {
  // Debug implies an accept decision; old tracers write true and false.
  const sampled = flags === '1' ? true : sampledText === undefined ? undefined : readState(sampledText);
  if (traceId === undefined || spanId === undefined) {
    return sampled === undefined ? undefined : { context: undefined, sampled };
  }
  return withIds(traceId, spanId, sampled);
}

export function writeB3Single(context: TraceContext, parentSpanId: string): string {
  const head = `${context.traceId}-${context.spanId}-${context.sampled ? '1' : '0'}`;
  return parentSpanId === '' ? head : `${head}-${parentSpanId}`;
}

function withIds(traceId: string, spanId: string, sampled: boolean | undefined): B3Context | undefined {
  if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId) || ZERO.test(traceId) || ZERO.test(spanId)) return undefined;
  const context = { traceId: traceId.padStart(32, '0'), spanId, sampled: sampled ?? false, state: '' };
  return { context, sampled };
}

function readState(text: string): boolean | undefined {
  if (text === '1' || text === 'd' || text === 'true') return true;
  return text === '0' || text === 'false' ? false : undefined;
}

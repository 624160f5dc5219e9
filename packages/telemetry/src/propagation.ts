import { readAmazonTrace, writeAmazonTrace } from './amazon-trace.ts';
import { readB3Multi, readB3Single, writeB3Single } from './b3.ts';
import { type SpanContext, type TraceContext, readTraceParent, writeTraceParent } from './trace-context.ts';
import { readTraceState } from './trace-state.ts';

/** The headers of a request as far as trace context needs them. Names are lower-case. */
export interface TraceHeaders {
  /** The value; several lines of one name joined by commas; undefined without one. */
  get(name: string): string | undefined;
  set(name: string, value: string): void;
  remove(name: string): void;
}

export type PropagationWord = 'W3C' | 'B3' | 'B3Multi' | 'XRay';

/** What a way found: a parent, or a decision on sampling alone, which B3 knows. */
export interface Propagated {
  readonly parent: TraceContext | undefined;
  /** Undefined: the one who sent it has not decided. */
  readonly sampled: boolean | undefined;
}

/** One way to carry trace context, as `TelemetryPolicy.traces.propagation` names it. */
export interface Propagation {
  readonly word: PropagationWord;
  /** The headers it reads and writes. */
  readonly fields: readonly string[];
  read(headers: TraceHeaders): Propagated | undefined;
  /** `context` is that of the span that sends. */
  write(headers: TraceHeaders, context: SpanContext): void;
}

/** The ways Weft knows, in the order in which an incoming request is asked unless a policy says another. */
export const propagations: readonly Propagation[] = Object.freeze([
  Object.freeze({
    word: 'W3C',
    fields: Object.freeze(['traceparent', 'tracestate']),
    read(headers: TraceHeaders): Propagated | undefined {
      const parent = readTraceParent(headers.get('traceparent'));
      if (parent === undefined) return undefined;
      const state = headers.get('tracestate');
      return {
        parent: state === undefined ? parent : { ...parent, state: readTraceState(state) },
        sampled: parent.sampled,
      };
    },
    write(headers: TraceHeaders, context: SpanContext): void {
      headers.set('traceparent', writeTraceParent(context));
      // §4.3: the state of another trace must not travel with a new parent.
      if (context.state === '') headers.remove('tracestate');
      else headers.set('tracestate', context.state);
    },
  }),
  Object.freeze({
    word: 'B3',
    fields: Object.freeze(['b3']),
    read(headers: TraceHeaders): Propagated | undefined {
      const found = readB3Single(headers.get('b3'));
      return found === undefined ? undefined : { parent: found.context, sampled: found.sampled };
    },
    write(headers: TraceHeaders, context: SpanContext): void {
      headers.set('b3', writeB3Single(context, context.parentSpanId));
    },
  }),
  Object.freeze({
    word: 'B3Multi',
    fields: Object.freeze(['x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags']),
    read(headers: TraceHeaders): Propagated | undefined {
      const found = readB3Multi(
        headers.get('x-b3-traceid'),
        headers.get('x-b3-spanid'),
        headers.get('x-b3-sampled'),
        headers.get('x-b3-flags'),
      );
      return found === undefined ? undefined : { parent: found.context, sampled: found.sampled };
    },
    write(headers: TraceHeaders, context: SpanContext): void {
      headers.set('x-b3-traceid', context.traceId);
      headers.set('x-b3-spanid', context.spanId);
      if (context.parentSpanId === '') headers.remove('x-b3-parentspanid');
      else headers.set('x-b3-parentspanid', context.parentSpanId);
      headers.set('x-b3-sampled', context.sampled ? '1' : '0');
    },
  }),
  Object.freeze({
    word: 'XRay',
    fields: Object.freeze(['x-amzn-trace-id']),
    read(headers: TraceHeaders): Propagated | undefined {
      const parent = readAmazonTrace(headers.get('x-amzn-trace-id'));
      return parent === undefined ? undefined : { parent, sampled: parent.sampled };
    },
    write(headers: TraceHeaders, context: SpanContext): void {
      headers.set('x-amzn-trace-id', writeAmazonTrace(context));
    },
  }),
] as const);

/** The ways by their words, in the order of the words. */
export function pickPropagations(words: readonly PropagationWord[]): readonly Propagation[] {
  return words.map((word) => propagations.find((way) => way.word === word)!);
}

/** What the first way that finds something found; undefined starts a new trace. */
export function readPropagated(
  headers: TraceHeaders,
  ways: readonly Propagation[] = propagations,
): Propagated | undefined {
  for (let index = 0; index < ways.length; index += 1) {
    const found = ways[index]!.read(headers);
    if (found !== undefined) return found;
  }
  return undefined;
}

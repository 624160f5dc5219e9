import { type TraceContext, readTraceParent, writeTraceParent } from './trace-context.ts';
import { readTraceState } from './trace-state.ts';

/** The headers of a request as far as trace context needs them. Names are lower-case. */
export interface TraceHeaders {
  /** The value; several lines of one name joined by commas; undefined without one. */
  get(name: string): string | undefined;
  set(name: string, value: string): void;
  remove(name: string): void;
}

/** One way to carry trace context, as `TelemetryPolicy.traces.propagation` names it. */
export interface Propagation {
  readonly word: 'W3C';
  /** The headers it reads and writes. */
  readonly fields: readonly string[];
  read(headers: TraceHeaders): TraceContext | undefined;
  write(headers: TraceHeaders, context: TraceContext): void;
}

/** The ways Weft knows, in the order in which an incoming request is asked. */
export const propagations: readonly Propagation[] = Object.freeze([
  Object.freeze({
    word: 'W3C',
    fields: Object.freeze(['traceparent', 'tracestate']),
    read(headers: TraceHeaders): TraceContext | undefined {
      const parent = readTraceParent(headers.get('traceparent'));
      if (parent === undefined) return undefined;
      const state = headers.get('tracestate');
      return state === undefined ? parent : { ...parent, state: readTraceState(state) };
    },
    write(headers: TraceHeaders, context: TraceContext): void {
      headers.set('traceparent', writeTraceParent(context));
      // §4.3: the state of another trace must not travel with a new parent.
      if (context.state === '') headers.remove('tracestate');
      else headers.set('tracestate', context.state);
    },
  }),
] as const);

/** The context of the first way that finds one; undefined starts a new trace. */
export function readPropagated(
  headers: TraceHeaders,
  ways: readonly Propagation[] = propagations,
): TraceContext | undefined {
  for (let index = 0; index < ways.length; index += 1) {
    const context = ways[index]!.read(headers);
    if (context !== undefined) return context;
  }
  return undefined;
}

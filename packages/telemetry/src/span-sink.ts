import { RingBuffer } from '@weft/kernel';
import type { SpanContext } from './trace-context.ts';

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** Something that happened at one moment of a span. */
export interface SpanEvent {
  readonly name: string;
  /** Unix milliseconds with a fraction. */
  readonly wallMs: number;
  readonly attributes: SpanAttributes;
}

/** A finished span of one hop. Attributes are facts of the exchange; an exporter names them as its protocol asks. */
export interface Span {
  readonly context: SpanContext;
  readonly kind: 'server' | 'client';
  readonly name: string;
  /** Unix milliseconds with a fraction. */
  readonly startWallMs: number;
  readonly durationMs: number;
  readonly failed: boolean;
  readonly attributes: SpanAttributes;
  /** In order of time. */
  readonly events: readonly SpanEvent[];
}

/** Where spans go. The caller asks `enabled` and `context.sampled` before it builds a span: off costs one comparison. */
export interface SpanSink {
  readonly enabled: boolean;
  /** Takes the span over; never blocks and never throws. */
  put(span: Span): void;
}

/** The sink of a process that exports nothing, which is the default. */
export const noSpans: SpanSink = Object.freeze({
  enabled: false,
  put(): void {},
});

/** Holds the newest spans until an exporter takes them; the oldest are dropped and counted. */
export class SpanBuffer implements SpanSink {
  readonly enabled: boolean;
  /** Spans that were pushed out before an exporter took them. */
  droppedSpans: number;
  private readonly capacity: number;
  private spans: RingBuffer<Span>;

  /** `capacity` is a number of spans. */
  constructor(capacity: number) {
    this.enabled = true;
    this.droppedSpans = 0;
    this.capacity = capacity;
    this.spans = new RingBuffer<Span>(capacity);
  }

  /** Spans that wait. */
  get length(): number {
    return this.spans.length;
  }

  put(span: Span): void {
    if (this.spans.push(span) !== undefined) this.droppedSpans += 1;
  }

  /** Hands over all spans, oldest first, and forgets them. */
  take(): Span[] {
    const spans = [...this.spans];
    if (spans.length > 0) this.spans = new RingBuffer<Span>(this.capacity);
    return spans;
  }
}

import { FieldId } from '@weft/http';
import type { Head } from '@weft/http';
import type { TraceHeaders } from '@weft/telemetry';
import { RequestSlot } from './head-slots.ts';

/** Field and slot of each header that carries trace context. */
const fields: Readonly<Record<string, readonly [FieldId, number]>> = {
  traceparent: [FieldId.Traceparent, RequestSlot.Traceparent],
  tracestate: [FieldId.Tracestate, RequestSlot.Tracestate],
  b3: [FieldId.B3, RequestSlot.B3],
  'x-b3-traceid': [FieldId.XB3TraceId, RequestSlot.XB3TraceId],
  'x-b3-spanid': [FieldId.XB3SpanId, RequestSlot.XB3SpanId],
  'x-b3-parentspanid': [FieldId.XB3ParentSpanId, RequestSlot.XB3ParentSpanId],
  'x-b3-sampled': [FieldId.XB3Sampled, RequestSlot.XB3Sampled],
  'x-b3-flags': [FieldId.XB3Flags, -1],
  'x-amzn-trace-id': [FieldId.Unknown, RequestSlot.XAmznTraceId],
};

/** A request's head, as what carries trace context sees it: reads what came, writes into the slots of what is sent. */
export class TraceCarrier implements TraceHeaders {
  private head: Head | null;
  private slots: (string | undefined)[];

  constructor() {
    this.head = null;
    this.slots = [];
  }

  /** For the calls that follow in this turn. */
  of(head: Head, slots: (string | undefined)[]): this {
    this.head = head;
    this.slots = slots;
    return this;
  }

  get(name: string): string | undefined {
    const id = fields[name]?.[0] ?? FieldId.Unknown;
    const head = this.head!;
    const index = id === FieldId.Unknown ? head.find(name) : head.field(id);
    // The only one of them that is a list, which may come in several lines.
    return index < 0 ? undefined : name === 'tracestate' ? head.valueOf(name) : head.value(index);
  }

  set(name: string, value: string): void {
    const slot = fields[name]?.[1] ?? -1;
    if (slot >= 0) this.slots[slot] = value;
  }

  /** What came is passed on empty, which all of these formats take for none; what did not come is not written. */
  remove(name: string): void {
    const slot = fields[name]?.[1] ?? -1;
    if (slot >= 0) this.slots[slot] = this.get(name) === undefined ? undefined : '';
  }

  clear(): void {
    for (let slot = RequestSlot.Tracestate; slot <= RequestSlot.XAmznTraceId; slot += 1) this.slots[slot] = undefined;
    this.slots[RequestSlot.Traceparent] = undefined;
  }
}

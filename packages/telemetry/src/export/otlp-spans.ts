import { Buffer } from 'node:buffer';
import type { Span, SpanAttributes, SpanEvent } from '../span-sink.ts';
import { anyDigit } from '../trace-context.ts';
import type { ExportResource } from './export-target.ts';

/** Where a span is written; grows for one that is longer. */
const SCRATCH_BYTES = 16_384;
const SPAN_KIND = { server: 2, client: 3 } as const;
const STATUS_UNSET = 0;
const STATUS_ERROR = 2;
/** SpanFlags of trace.proto: sampled, and that it is known whether the parent is of another process, and that it is. */
const FLAGS_SAMPLED = 0x101;
const FLAGS_REMOTE = 0x200;

/**
 * Spans as OTLP's messages (opentelemetry-proto 1.x, trace.proto), byte for byte as OpenTelemetry's own library writes them.
 * A span is written when it is put: it waits for its batch as bytes, not as objects that each collection of garbage copies.
 */
export class OtlpSpans {
  private readonly bytes: BackwardBytes;
  private readonly head: Buffer;

  constructor(resource: ExportResource) {
    this.bytes = new BackwardBytes(SCRATCH_BYTES);
    this.bytes.begin();
    // Resource: attributes = 1, dropped_attributes_count = 2.
    this.bytes.varintField(2, 0);
    this.attributes(1, resource);
    this.bytes.lengthField(1, 0);
    this.head = this.bytes.copy();
  }

  /** One element of `ScopeSpans.spans`, its tag and length included. The bytes are the caller's. */
  write(span: Span): Uint8Array {
    const { bytes } = this;
    const { context, kind } = span;
    bytes.begin();
    const isRemote = kind === 'server' && context.parentSpanId !== '';
    bytes.fixed32Field(16, isRemote ? FLAGS_SAMPLED | FLAGS_REMOTE : FLAGS_SAMPLED);
    const status = bytes.written;
    bytes.varintField(3, span.failed ? STATUS_ERROR : STATUS_UNSET);
    bytes.lengthField(15, status);
    bytes.varintField(14, 0);
    bytes.varintField(12, 0);
    for (let index = span.events.length - 1; index >= 0; index -= 1) this.event(span.events[index]!);
    bytes.varintField(10, 0);
    this.attributes(9, span.attributes);
    bytes.timeField(8, span.startWallMs + span.durationMs);
    bytes.timeField(7, span.startWallMs);
    bytes.varintField(6, SPAN_KIND[kind]);
    bytes.textField(5, span.name);
    if (context.parentSpanId !== '') bytes.hexField(4, context.parentSpanId);
    bytes.hexField(2, context.spanId);
    bytes.hexField(1, context.traceId);
    bytes.lengthField(2, 0);
    return bytes.copy();
  }

  /** `ExportTraceServiceRequest` of spans that `write` gave. */
  request(spans: readonly Uint8Array[]): Uint8Array {
    const spansBytes = spans.reduce((sum, span) => sum + span.length, 0);
    const scope = SCOPE.length + spansBytes;
    const scopeHead = lengthHead(2, scope);
    const resource = this.head.length + scopeHead.length + scope;
    return Buffer.concat([lengthHead(1, resource), this.head, scopeHead, SCOPE, ...spans]);
  }

  private event(event: SpanEvent): void {
    const { bytes } = this;
    const start = bytes.written;
    bytes.varintField(4, 0);
    this.attributes(3, event.attributes);
    bytes.textField(2, event.name);
    bytes.timeField(1, event.wallMs);
    bytes.lengthField(11, start);
  }

  private attributes(field: number, attributes: SpanAttributes): void {
    const { bytes } = this;
    const names = Object.keys(attributes);
    for (let index = names.length - 1; index >= 0; index -= 1) {
      const name = names[index]!;
      const start = bytes.written;
      bytes.value(attributes[name]!);
      bytes.lengthField(2, start);
      bytes.textField(1, name);
      bytes.lengthField(field, start);
    }
  }
}

/** InstrumentationScope `weft`, behind its tag and length: name = 1. */
const SCOPE = Buffer.from([0x0a, 6, 0x0a, 4, 0x77, 0x65, 0x66, 0x74]);

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** A message written from its end: each length is known when it is written, and nothing is moved. */
class BackwardBytes {
  private buffer: Buffer;
  private at: number;

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
    this.at = bytes;
  }

  get written(): number {
    return this.buffer.length - this.at;
  }

  begin(): void {
    this.at = this.buffer.length;
  }

  copy(): Buffer {
    return Buffer.from(this.buffer.subarray(this.at));
  }

  varintField(field: number, value: number): void {
    this.varint(value);
    this.tag(field, VARINT);
  }

  /** Everything that was written since `written` was `start` becomes the value of a field. */
  lengthField(field: number, start: number): void {
    this.lengthHead(field, this.written - start);
  }

  lengthHead(field: number, length: number): void {
    this.varint(length);
    this.tag(field, LENGTH);
  }

  fixed32Field(field: number, value: number): void {
    this.reserve(4);
    this.at = this.at - 4;
    this.buffer.writeUInt32LE(value, this.at);
    this.tag(field, FIXED32);
  }

  /** Nanoseconds, in whole microseconds: a double tells no more of today. */
  timeField(field: number, wallMs: number): void {
    this.reserve(8);
    const microseconds = Math.round(wallMs * 1_000);
    const low = (microseconds % 2 ** 32) * 1_000;
    this.at -= 8;
    this.buffer.writeUInt32LE(low % 2 ** 32, this.at);
    this.buffer.writeUInt32LE(Math.floor(microseconds / 2 ** 32) * 1_000 + Math.floor(low / 2 ** 32), this.at + 4);
    this.tag(field, FIXED64);
  }

  hexField(field: number, digits: string): void {
    const bytes = digits.length >> 1;
    this.reserve(bytes);
    this.at -= bytes;
    const { buffer, at } = this;
    for (let index = 0; index < bytes; index += 1) {
      buffer[at + index] = (anyDigit(digits.charCodeAt(index * 2)) << 4) | anyDigit(digits.charCodeAt(index * 2 + 1));
    }
    this.varint(bytes);
    this.tag(field, LENGTH);
  }

  textField(field: number, text: string): void {
    const start = this.written;
    this.text(text);
    this.lengthField(field, start);
  }

  /** AnyValue: string_value = 1, bool_value = 2, int_value = 3, double_value = 4. */
  value(value: string | number | boolean): void {
    if (typeof value === 'string') this.textField(1, value);
    else if (typeof value === 'boolean') this.varintField(2, value ? 1 : 0);
    else if (Number.isSafeInteger(value)) this.varintField(3, value);
    else {
      this.reserve(8);
      this.at -= 8;
      this.buffer.writeDoubleLE(value, this.at);
      this.tag(4, FIXED64);
    }
  }

  private text(text: string): void {
    const { length } = text;
    this.reserve(length);
    const { buffer } = this;
    const at = this.at - length;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) {
        this.wideText(text);
        return;
      }
      buffer[at + index] = code;
    }
    this.at = at;
  }

  private wideText(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.reserve(bytes);
    this.at -= bytes;
    this.buffer.write(text, this.at, 'utf8');
  }

  private tag(field: number, type: number): void {
    this.varint((field << 3) | type);
  }

  private varint(value: number): void {
    this.reserve(10);
    const { buffer } = this;
    if (value < 0) {
      // An int64 in two's complement: ten bytes.
      const bits = BigInt.asUintN(64, BigInt(value));
      for (let index = 9; index >= 0; index -= 1) {
        buffer[(this.at -= 1)] = Number((bits >> BigInt(index * 7)) & 127n) | (index === 9 ? 0 : 128);
      }
      return;
    }
    let count = 1;
    for (let limit = 128; value >= limit; limit *= 128) count += 1;
    this.at -= count;
    let rest = value;
    for (let index = 0; index < count; index += 1) {
      const low = rest % 128;
      buffer[this.at + index] = index === count - 1 ? low : low | 128;
      rest = (rest - low) / 128;
    }
  }

  private reserve(bytes: number): void {
    if (this.at >= bytes) return;
    const { buffer, at } = this;
    const grown = Buffer.allocUnsafeSlow(buffer.length * 2 + bytes);
    this.at = grown.length - (buffer.length - at);
    buffer.copy(grown, this.at, at);
    this.buffer = grown;
  }
}

function lengthHead(field: number, length: number): Buffer {
  const bytes = new BackwardBytes(16);
  bytes.begin();
  bytes.lengthHead(field, length);
  return bytes.copy();
}

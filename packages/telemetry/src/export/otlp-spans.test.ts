import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { type Random, seededRandom } from '@weft/kernel';
import type { Span, SpanAttributes } from '../span-sink.ts';
import { OtlpSpans } from './otlp-spans.ts';
import { readable } from './span-exporter.ts';

const resource = { 'service.name': 'cart', 'service.namespace': 'shop', 'k8s.pod.name': 'cärt-1' };

function expected(spans: readonly Span[]): Buffer {
  const shared = resourceFromAttributes(resource);
  return Buffer.from(ProtobufTraceSerializer.serializeRequest(spans.map((span) => readable(span, shared)))!);
}

function written(spans: readonly Span[]): Buffer {
  const writer = new OtlpSpans(resource);
  return Buffer.from(writer.request(spans.map((span) => writer.write(span))));
}

function generated(random: Random): Span {
  const below = (limit: number): number => Math.floor(random() * limit);
  const hex = (digits: number): string => Array.from({ length: digits }, () => below(16).toString(16)).join('');
  const text = (): string => {
    const of = ['a', '/', 'é', '漢', '\u{1f600}', '\ud800', 'x'.repeat(below(300))];
    return Array.from({ length: below(12) }, () => of[below(below(3) === 0 ? of.length : 2)]!).join('');
  };
  const numbers = [
    0,
    1,
    127,
    128,
    16_384,
    2 ** 31,
    2 ** 32 + 5,
    Number.MAX_SAFE_INTEGER,
    -1,
    -(2 ** 40),
    0.5,
    -1.25,
    1e300,
  ];
  const attributes = (): SpanAttributes =>
    Object.fromEntries(
      Array.from({ length: below(14) }, (_, index) => {
        const kind = below(4);
        const value = kind === 0 ? numbers[below(numbers.length)]! : kind === 1 ? below(2) === 0 : text();
        return [below(9) === 0 ? text() : `weft.attribute.${index}`, value];
      }),
    );
  const wallMs = (): number => 1_795_000_000_000 + below(1_000_000_000) + below(1_000_000) / 1_000;
  return {
    context: {
      traceId: hex(32),
      spanId: hex(16),
      sampled: true,
      state: '',
      parentSpanId: below(3) === 0 ? '' : hex(16),
    },
    kind: below(2) === 0 ? 'server' : 'client',
    name: text(),
    startWallMs: below(10) === 0 ? below(1_000) / 3 : wallMs(),
    durationMs: below(1_000_000) / 997,
    failed: below(2) === 0,
    attributes: attributes(),
    events: Array.from({ length: below(3) === 0 ? below(60) : 0 }, () => ({
      name: 'weft.retry',
      wallMs: wallMs(),
      attributes: attributes(),
    })),
  };
}

test('spans are written byte for byte as the library writes them, alone and in batches', () => {
  for (let round = 0; round < 400; round += 1) {
    const random = seededRandom(round);
    const spans = Array.from({ length: 1 + (round % 7) }, () => generated(random));
    assert.deepEqual(written(spans), expected(spans), `seed ${round}`);
  }
});

test('a span that was written stays as it is when the next is written', () => {
  const writer = new OtlpSpans(resource);
  const random = seededRandom(7);
  const first = writer.write(generated(random));
  const copy = Buffer.from(first);
  for (let more = 0; more < 20; more += 1) writer.write(generated(random));
  assert.deepEqual(Buffer.from(first), copy);
});

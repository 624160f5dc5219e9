import { deepEqual, equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Span, SpanBuffer, noSpans } from './span-sink.ts';

function span(name: string): Span {
  const context = { traceId: 't', spanId: name, parentSpanId: '', sampled: true, state: '' };
  return { context, kind: 'server', name, startWallMs: 0, durationMs: 1, failed: false, attributes: {}, events: [] };
}

describe('SpanBuffer', () => {
  test('keeps the newest spans, counts the others, and hands each over once', () => {
    const buffer = new SpanBuffer(3);
    for (const name of ['a', 'b', 'c', 'd', 'e']) buffer.put(span(name));
    equal(buffer.droppedSpans, 2);
    deepEqual(
      buffer.take().map(({ name }) => name),
      ['c', 'd', 'e'],
    );
    deepEqual(buffer.take(), []);
    buffer.put(span('f'));
    equal(buffer.take().length, 1);
    equal(noSpans.enabled, false);
  });
});

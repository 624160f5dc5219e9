import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventReader } from './event-reader.ts';

test('events come whole, however the text is cut', () => {
  const text = 'event: tap\ndata: {"a":1}\n\n: still here\n\nevent: end\ndata: {}\n\n';
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new EventReader();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...reader.feed(text.slice(at, at + size)));
    assert.deepEqual(events, [
      { event: 'tap', data: '{"a":1}' },
      { event: 'end', data: '{}' },
    ]);
  }
});

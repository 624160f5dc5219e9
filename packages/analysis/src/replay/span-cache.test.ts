import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { SpanCache, spanHash } from './span-cache.ts';

function wordsOf(text: string): DataView {
  const bytes = Buffer.from(text);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test('a span is found again by equal bytes wherever they stand, and its bytes are a copy', () => {
  const cache = new SpanCache<string>();
  const source = wordsOf('--orders--');
  cache.put(source, 2, 8, spanHash(source, 2, 8), 'kept');
  for (let at = 0; at < source.byteLength; at += 1) source.setUint8(at, 0);
  for (let before = 0; before < 9; before += 1) {
    const words = wordsOf(`${'x'.repeat(before)}orders`);
    assert.equal(cache.get(words, before, before + 6, spanHash(words, before, before + 6)), 'kept');
  }
});

test('spans of one hash are told apart by their bytes', () => {
  const cache = new SpanCache<string>();
  const texts = ['orders', 'orderz', 'order', 'xrders'];
  for (const text of texts) cache.put(wordsOf(text), 0, text.length, 7, text);
  for (const text of texts) assert.equal(cache.get(wordsOf(text), 0, text.length, 7), text);
  assert.equal(cache.get(wordsOf('others'), 0, 6, 7), undefined);
});

test('of spans that all want one place four are kept, whatever comes', () => {
  const cache = new SpanCache<number>();
  const texts = Array.from({ length: 200 }, (_, index) => `span-${index}`);
  for (const [index, text] of texts.entries()) {
    cache.put(wordsOf(text), 0, text.length, 7, index);
    assert.equal(cache.get(wordsOf(text), 0, text.length, 7), index);
  }
  const kept = texts.filter((text) => cache.get(wordsOf(text), 0, text.length, 7) !== undefined);
  assert.equal(kept.length, 4);
});

test('thousands of spans are kept, a hundred thousand are not', () => {
  const count = (spans: number): number => {
    const cache = new SpanCache<number>();
    const find = (index: number): [DataView, number, number, number] => {
      const words = wordsOf(`"authority":"service-${index}.shop"`);
      return [words, 0, words.byteLength, spanHash(words, 0, words.byteLength)];
    };
    for (let index = 0; index < spans; index += 1) cache.put(...find(index), index);
    let kept = 0;
    for (let index = 0; index < spans; index += 1) if (cache.get(...find(index)) === index) kept += 1;
    return kept;
  };
  assert.ok(count(5_000) > 4_800, `${count(5_000)} of 5,000`);
  const kept = count(100_000);
  assert.ok(kept > 40_000 && kept <= 65_536, `${kept} of 100,000`);
});

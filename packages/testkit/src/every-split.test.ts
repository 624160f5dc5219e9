import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { everySplit } from './every-split.ts';

const text = Buffer.from('one\r\ntwo\r\nthree\r\n', 'latin1');

function lines(chunks: readonly Buffer[]): string[] {
  const found: string[] = [];
  let held = '';
  for (const chunk of chunks) {
    held += chunk.toString('latin1');
    for (let end = held.indexOf('\r\n'); end !== -1; end = held.indexOf('\r\n')) {
      found.push(held.slice(0, end));
      held = held.slice(end + 2);
    }
  }
  return found;
}

describe('everySplit', () => {
  it('passes a decoder that keeps state, and returns its result', () => {
    assert.deepEqual(everySplit(text, lines), ['one', 'two', 'three']);
  });

  it('gives all bytes in every split: whole, each pair, byte by byte, and with empty chunks', () => {
    const shapes = new Set<string>();
    everySplit(text, (chunks) => {
      assert.deepEqual(Buffer.concat(chunks), text);
      shapes.add(chunks.map((chunk) => chunk.length).join(' '));
    });
    assert.ok(shapes.has('17'));
    for (let cut = 0; cut <= 17; cut += 1) assert.ok(shapes.has(`${cut} ${17 - cut}`));
    assert.ok(shapes.has(text.toString('latin1').replaceAll(/./gs, '1 ').trim()));
    assert.ok([...shapes].some((shape) => shape.split(' ').length > 3 && / 0 /.test(shape)));
  });

  it('catches a decoder that forgets what it held, and names the cut', () => {
    const forgetful = (chunks: readonly Buffer[]): string[] => chunks.flatMap((chunk) => lines([chunk]));
    assert.throws(() => everySplit(text, forgetful), /cut at 1 of 17: another result/);
  });

  it('catches a fault that takes three chunks', () => {
    const fragile = (chunks: readonly Buffer[]): number =>
      chunks.filter((chunk) => chunk.length > 0).length === 3 ? 1 : 0;
    assert.throws(() => everySplit(text, fragile, { seed: 3 }), /cut at .*, .* of 17/);
  });

  it('catches a decoder that reads past its chunk', () => {
    const greedy = (chunks: readonly Buffer[]): string =>
      chunks
        .map((chunk) => Buffer.from(chunk.buffer, chunk.byteOffset, Math.min(chunk.length + 1, 17)).toString('latin1'))
        .join('');
    assert.throws(() => everySplit(text, greedy), /cut at/);
  });

  it('names the cut when the decoder throws', () => {
    const throwing = (chunks: readonly Buffer[]): void =>
      assert.ok(chunks.length !== 2 || chunks[0]!.length !== 5, 'oops');
    assert.throws(() => everySplit(text, throwing), /cut at 5 of 17: oops/);
  });
});

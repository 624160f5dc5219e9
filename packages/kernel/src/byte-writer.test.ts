import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { ByteWriter } from './byte-writer.ts';

function written(writer: ByteWriter): Buffer {
  return writer.buffer.subarray(0, writer.length);
}

describe('a byte writer', () => {
  it('writes text of every length as Latin-1, growing on the way', () => {
    let text = '';
    for (let code = 0; code < 256; code += 1) text += String.fromCharCode(code);
    for (let length = 0; length <= 256; length += 1) {
      const writer = new ByteWriter(1);
      writer.latin1(text.slice(256 - length));
      writer.latin1(text.slice(0, 3));
      assert.deepEqual(written(writer), Buffer.from(text.slice(256 - length) + text.slice(0, 3), 'latin1'));
    }
  });

  it('copies the range asked for, at every length', () => {
    const source = Buffer.from(Array.from({ length: 200 }, (_, index) => index));
    for (let length = 0; length <= 150; length += 1) {
      const writer = new ByteWriter(4);
      writer.byte(255);
      writer.copy(source, 7, 7 + length);
      assert.deepEqual(written(writer), Buffer.concat([Buffer.from([255]), source.subarray(7, 7 + length)]));
    }
  });

  it('writes numbers in decimal and hexadecimal exactly, up to the largest safe integer', () => {
    const numbers = [0, 1, 9, 10, 99, 100, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40 + 1];
    for (let power = 1; power <= 15; power += 1) numbers.push(10 ** power - 1, 10 ** power, 10 ** power + 1);
    numbers.push(Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER);
    const writer = new ByteWriter(1);
    for (const number of numbers) {
      writer.reset();
      writer.decimal(number);
      writer.byte(0x20);
      writer.hex(number);
      assert.equal(written(writer).toString('latin1'), `${number} ${number.toString(16)}`);
    }
  });

  it('keeps what was written when it grows, and doubles at least', () => {
    const writer = new ByteWriter(16);
    const sizes = new Set<number>();
    for (let index = 0; index < 10_000; index += 1) {
      writer.byte(index);
      sizes.add(writer.buffer.length);
    }
    assert.deepEqual([...sizes], [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]);
    for (let index = 0; index < 10_000; index += 1) assert.equal(writer.buffer[index], index & 0xff);
  });

  it('keeps its space over a reset', () => {
    const writer = new ByteWriter(8);
    writer.latin1('longer than eight bytes');
    const { buffer } = writer;
    writer.reset();
    assert.equal(writer.length, 0);
    writer.latin1('again');
    assert.equal(writer.buffer, buffer);
    assert.equal(written(writer).toString('latin1'), 'again');
  });

  it('a view is the message, the same one for the same length, and never one of another buffer', () => {
    const writer = new ByteWriter(8);
    const seen = new Map<string, Buffer>();
    for (const text of ['abc', 'defghi', 'xyz', '', 'abcdef']) {
      writer.reset();
      writer.latin1(text);
      const view = writer.view();
      assert.equal(view.toString('latin1'), text);
      const known = seen.get(`${text.length}`);
      if (known !== undefined) assert.equal(view, known);
      seen.set(`${text.length}`, view);
    }
    // Grown, and replaced by its owner.
    writer.latin1('h'.repeat(20));
    assert.equal(writer.view().toString('latin1'), `abcdef${'h'.repeat(20)}`);
    writer.buffer = Buffer.from('other');
    writer.length = 3;
    assert.equal(writer.view().toString('latin1'), 'oth');
  });
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { Head } from '../head.ts';
import { HeadReader } from './head-reader.ts';
import { blockLines } from './hpack/block-lines.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { http2Defaults } from './limits.ts';

/** RFC 7541 §6.2.1: literals that enter the table, as nginx writes each of its responses. */
function inserting(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat([
    Buffer.from([0x88]),
    ...fields.map(([name, value]) => Buffer.concat([Buffer.from([0x40]), text(name), text(value)])),
  ]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const rest = bytes.length - 127;
  return Buffer.concat([Buffer.from([127, (rest & 127) | 128, rest >> 7]), bytes]);
}

function linesOf(head: Head): string[] {
  return Array.from({ length: head.count }, (_, index) => `${head.name(index)}: ${head.value(index)}`);
}

function read(reader: HeadReader, block: Buffer): Head | undefined {
  return reader.readResponse(block, 0, block.length, false, 0, '');
}

describe('blocks that come again', () => {
  test('literals that enter the table are decoded twice and then known, date and all', () => {
    const reader = new HeadReader(http2Defaults, false);
    const block = inserting([
      ['server', 'nginx'],
      ['date', 'Mon, 23 Nov 2026 08:00:00 GMT'],
      ['content-length', '67'],
    ]);
    const heads = Array.from({ length: 50 }, () => read(reader, block)!);
    assert.notEqual(heads[0], heads[1]);
    assert.ok(heads.slice(2).every((head) => head === heads[1]));
    assert.ok(reader.shared);
    assert.equal(heads[49]!.contentLength, 67);
  });

  test('a known block leaves the table as its decoding would: indexes behind it mean the same, whatever left', () => {
    const random = seededRandom(7);
    const below = (limit: number): number => Math.floor(random() * limit);
    const reader = new HeadReader(http2Defaults, false);
    const plain = new HpackDecoder(4096);
    const blocks = Array.from({ length: 6 }, (_, at) =>
      inserting(
        Array.from({ length: 1 + below(5) }, (_field, index) => [
          `x-${at}-${index}`,
          'v'.repeat(below(at === 5 ? 90 : 40)),
        ]),
      ),
    );
    let shared = 0;
    for (let round = 0; round < 4000; round += 1) {
      let block = blocks[below(blocks.length)]!;
      // What the table holds is asked for by index: newest, older, and those that have gone.
      const held = Math.floor(plain.tableSizeBytes / 130);
      if (held > 0 && random() < 0.5) {
        block = Buffer.from([0x88, ...Array.from({ length: 1 + below(4) }, () => 0x80 | (62 + below(held)))]);
      } else if (random() < 0.02) block = Buffer.concat([Buffer.from([0x3f, 0xe1, 0x1f - below(16)]), block]);
      const head = read(reader, block);
      assert.ok(head !== undefined, `${reader.compressionFault} ${reader.detail}`);
      if (reader.shared) shared += 1;
      assert.deepEqual(linesOf(head), blockLines(plain, block).slice(1), `round ${round}`);
      if (!reader.shared) reader.giveBack(head);
    }
    assert.ok(shared > 1000, `${shared} were known`);
  });

  test('a block that pushes out its own entries, or finds no room at all, leaves the table as it should', () => {
    const reader = new HeadReader(http2Defaults, false);
    const plain = new HpackDecoder(4096);
    const block = inserting([
      ['x-a', 'a'.repeat(200)],
      ['x-b', 'b'.repeat(200)],
    ]);
    const newest = Buffer.from([0x88, 0xbe]);
    const resized = (...size: number[]): Buffer => Buffer.from([...size, 0x88]);
    const small = resized(0x3f, 0xe1, 0x01); // 256 bytes
    const large = resized(0x3f, 0xe1, 0x1f); // 4,096 bytes
    // nginx announces a table of nothing, and fills it nevertheless.
    const none = resized(0x20);
    for (const one of [small, block, block, block, newest, none, block, block, large, block, newest, block, newest]) {
      const head = read(reader, one);
      assert.ok(head !== undefined);
      assert.deepEqual(linesOf(head), blockLines(plain, one).slice(1));
    }
    read(reader, none);
    read(reader, block);
    assert.ok(reader.shared);
    assert.equal(read(reader, newest), undefined);
    assert.equal(reader.compressionFault, 'index-beyond-table');
  });

  test('a block that changes the table and refers to it is never taken for the one before', () => {
    const reader = new HeadReader(http2Defaults, false);
    read(reader, inserting([['x-n', 'first']]));
    // `x-n` by the name of the newest entry, with another value, which is then the newest.
    const block = Buffer.concat([Buffer.from([0x88, 0xbe, 0x7e]), text('second')]);
    const seen = Array.from({ length: 6 }, () => linesOf(read(reader, block)!));
    assert.deepEqual(seen[0], ['x-n: first', 'x-n: second']);
    for (const lines of seen.slice(1)) assert.deepEqual(lines, ['x-n: second', 'x-n: second']);
  });

  test('a peer that owes a smaller table is not let off because its block is known (RFC 7541 §4.2)', () => {
    const reader = new HeadReader({ ...http2Defaults, decoderTableBytes: 256 }, false);
    const block = inserting([['server', 'nginx']]);
    for (let time = 0; time < 4; time += 1) assert.ok(read(reader, block) !== undefined);
    assert.ok(reader.shared);
    reader.settingsAcked();
    assert.equal(read(reader, block), undefined);
    assert.equal(reader.compressionFault, 'table-size-not-taken');
  });
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { ByteWriter, seededRandom } from '@weft/kernel';
import { readFieldId } from '../../field-id.ts';
import { Head } from '../../head.ts';
import { blockLines } from './block-lines.ts';
import { HpackDecoder, NEVER_INDEXED } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { huffmanLength, readHuffman, writeHuffman } from './huffman.ts';
import { appendixC, appendixCResponses, responseLists, responseSizes } from './rfc7541-vectors.ts';
import { FIRST_PSEUDO_ID, staticFields } from './static-table.ts';

function faultOf(decoder: HpackDecoder, hex: string): string {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const head = new Head();
  head.reset();
  decoder.decode(block, 0, block.length, head, 65_536, 100);
  return decoder.compressionFault;
}
describe('RFC 7541 appendix C', () => {
  for (const [section, blocks, lists, sizes] of appendixC) {
    test(`${section} decodes to its list and table size`, () => {
      const decoder = new HpackDecoder(4096);
      blocks.forEach((block, at) => {
        assert.deepEqual(blockLines(decoder, Buffer.from(block, 'hex')), lists[at]);
        assert.equal(decoder.tableSizeBytes, sizes[at]);
      });
    });
  }
  for (const [section, blocks] of appendixCResponses) {
    test(`${section} decodes to its list and table size in 256 bytes`, () => {
      const decoder = new HpackDecoder(4096);
      // The examples begin with a table of 256 bytes.
      blockLines(decoder, Buffer.from('3fe101', 'hex'));
      blocks.forEach((block, at) => {
        assert.deepEqual(blockLines(decoder, Buffer.from(block, 'hex')), responseLists[at]);
        assert.equal(decoder.tableSizeBytes, responseSizes[at]);
      });
    });
  }
});

describe('H2-5: what is no HPACK is refused', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['index 0', '80', 'index-zero'],
    ['an index beyond both tables', 'be', 'index-beyond-table'],
    ['a name index beyond both tables', '7f0000', 'index-beyond-table'],
    ['a size update behind a field', '8220', 'table-size-after-field'],
    ['a size above the setting', '3fe21f', 'table-size-above-setting'],
    ['three size updates', '20202082', 'too-many-table-sizes'],
    ['an integer of ten bytes', 'ff80808080808080808001', 'integer-too-large'],
    ['an integer past 2^31', 'ffffffffff0f', 'integer-too-large'],
    ['an integer cut off', 'ff', 'truncated-block'],
    ['a string cut off', '400a6375', 'truncated-block'],
    ['a field without a value', '400161', 'truncated-block'],
    ['Huffman padding of eight bits', '0001 61 82 1f ff', 'bad-huffman'],
    ['Huffman padding of zeros', '0001 61 81 18', 'bad-huffman'],
    ['Huffman with EOS', '0001 61 84 ff ff ff ff', 'bad-huffman'],
  ];
  for (const [what, hex, detail] of cases) {
    test(`${what}: ${detail}`, () => assert.equal(faultOf(new HpackDecoder(4096), hex), detail));
  }
  test('a table that must shrink must shrink with the next block', () => {
    const decoder = new HpackDecoder(1024);
    decoder.announced(1024);
    assert.equal(faultOf(decoder, '82'), 'table-size-not-taken');
    const other = new HpackDecoder(1024);
    other.announced(1024);
    assert.equal(faultOf(other, '3fe10782'), '');
  });
});

describe('H2-4: a bomb is counted before it is kept', () => {
  test('a large entry referred to often stops at the limit of the list', () => {
    const decoder = new HpackDecoder(4096);
    const value = 'v'.repeat(3000);
    const insert = Buffer.concat([Buffer.from('400178', 'hex'), Buffer.from([0x7f, 0xb9, 0x16]), Buffer.from(value)]);
    const head = new Head();
    head.reset();
    const bomb = Buffer.concat([insert, Buffer.alloc(5000, 0xbe)]);
    assert.ok(decoder.decode(bomb, 0, bomb.length, head, 60_000, 10_000));
    assert.equal(decoder.messageFault, 'head-too-large');
    assert.ok(head.bytes.length <= 128 * 1024, `${head.bytes.length} bytes held`);
    assert.ok(head.length <= 60_000);
  });
  test('tiny entries stop at the number of fields', () => {
    const decoder = new HpackDecoder(4096);
    const head = new Head();
    head.reset();
    const bomb = Buffer.alloc(10_000, 0x90);
    assert.ok(decoder.decode(bomb, 0, bomb.length, head, 1_000_000, 100));
    assert.equal(decoder.messageFault, 'too-many-fields');
    assert.equal(head.count, 100);
  });
  test('empty fields count 32 bytes each', () => {
    const decoder = new HpackDecoder(4096);
    const head = new Head();
    head.reset();
    const block = Buffer.from('0001610000016100', 'hex');
    assert.ok(decoder.decode(block, 0, block.length, head, 65, 100));
    assert.equal(decoder.messageFault, 'head-too-large');
    assert.equal(head.count, 1);
  });
  test('the table stays right when the head is refused', () => {
    const decoder = new HpackDecoder(4096);
    const head = new Head();
    head.reset();
    const block = Buffer.from('400a637573746f6d2d6b65790d637573746f6d2d686561646572', 'hex');
    assert.ok(decoder.decode(block, 0, block.length, head, 10, 100));
    assert.equal(decoder.messageFault, 'head-too-large');
    assert.deepEqual(blockLines(decoder, Buffer.from('be', 'hex')), ['custom-key: custom-header']);
  });
});

describe('Huffman', () => {
  test('every pair of bytes comes back', () => {
    const source = Buffer.alloc(2);
    const target = Buffer.alloc(16);
    const out = new ByteWriter(32);
    for (let pair = 0; pair < 65_536; pair += 1) {
      source.writeUInt16BE(pair);
      out.reset();
      writeHuffman(out, source, 0, 2);
      assert.equal(out.length, huffmanLength(source, 0, 2));
      assert.equal(readHuffman(out.buffer, 0, out.length, target, 0), 2);
      assert.equal(target.readUInt16BE(0), pair);
    }
  });
  test('random bytes come back', () => {
    const random = seededRandom(7541);
    for (let round = 0; round < 300; round += 1) {
      const source = Buffer.from(Array.from({ length: Math.floor(random() * 90) }, () => Math.floor(random() * 256)));
      const out = new ByteWriter(16);
      writeHuffman(out, source, 0, source.length);
      const target = Buffer.alloc(out.length * 2 + 8);
      const stop = readHuffman(out.buffer, 0, out.length, target, 0);
      assert.deepEqual(target.subarray(0, stop), source);
    }
  });
});

describe('encoder', () => {
  test('what it writes is what the decoder reads, over tables that change size and evict', () => {
    const random = seededRandom(42);
    const encoder = new HpackEncoder(1024);
    const decoder = new HpackDecoder(4096);
    const names = ['x-trace', 'user-agent', 'accept', 'authorization', 'grpc-timeout', 'content-type', 'x-y'];
    for (let round = 0; round < 3000; round += 1) {
      if (random() < 0.01) encoder.setPeerLimit(Math.floor(random() * 2000));
      const out = new ByteWriter(64);
      encoder.begin(out);
      const expected: string[] = [];
      const count = Math.floor(random() * 6);
      for (let field = 0; field < count; field += 1) {
        const name = names[Math.floor(random() * names.length)]!;
        const value = 'v'.repeat(Math.floor(random() * 40)) + Math.floor(random() * 20);
        const nameBytes = Buffer.from(random() < 0.5 ? name : name.toUpperCase());
        const valueBytes = Buffer.from(value);
        const id = readFieldId(nameBytes, 0, nameBytes.length);
        encoder.field(out, id, nameBytes, 0, nameBytes.length, valueBytes, 0, valueBytes.length, 0, random() < 0.9);
        expected.push(`${name}: ${value}`);
      }
      assert.deepEqual(blockLines(decoder, out.buffer.subarray(0, out.length)), expected);
      assert.ok(decoder.tableSizeBytes <= 1024);
    }
  });
  test('a repeated field costs one byte from the third time on', () => {
    const encoder = new HpackEncoder(4096);
    const value = Buffer.from('application/grpc+proto');
    const name = Buffer.from('content-type');
    const id = readFieldId(name, 0, name.length);
    const sizes = [1, 2, 3].map(() => {
      const out = new ByteWriter(64);
      encoder.field(out, id, name, 0, name.length, value, 0, value.length, 0, true);
      return out.length;
    });
    assert.equal(sizes[2], 1);
  });
  test('a value that comes once costs its name only twice, and again when the name has left the table', () => {
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder(4096);
    const name = Buffer.from('traceparent');
    const id = readFieldId(name, 0, name.length);
    const other = Buffer.from('x-other');
    const sizes: number[] = [];
    for (let time = 0; time < 400; time += 1) {
      const out = new ByteWriter(64);
      const value = `00-${String(time).padStart(32, '7')}-0102030405060708-00`;
      encoder.once(out, id, name, value);
      sizes.push(out.length);
      // Others that repeat push it out in the end.
      const pushing = Buffer.from(`value ${Math.floor(time / 2)}`.repeat(5));
      if (time >= 100) encoder.field(out, 0, other, 0, other.length, pushing, 0, pushing.length, 0, true);
      assert.equal(blockLines(decoder, out.buffer.subarray(0, out.length))[0], `traceparent: ${value}`);
    }
    assert.deepEqual(sizes.slice(0, 4), [69, 69, 58, 58]);
    assert.ok(sizes.slice(4, 100).every((size) => size === 58));
    assert.ok(sizes.slice(100).filter((size) => size === 69).length < 20);
    assert.ok(sizes.slice(100).includes(69));
    const nameless = new HpackEncoder(0);
    for (let time = 0; time < 4; time += 1) {
      const out = new ByteWriter(64);
      nameless.once(out, id, name, 'v');
      assert.equal(out.length, 15, 'a peer without a table is sent the name each time');
    }
  });
  test('secrets and never-indexed fields stay out of every table, and never-indexed ones go on as such', () => {
    const encoder = new HpackEncoder(4096);
    const value = Buffer.from('Bearer secret');
    const name = Buffer.from('authorization');
    for (let time = 0; time < 3; time += 1) {
      const out = new ByteWriter(64);
      encoder.field(out, readFieldId(name, 0, name.length), name, 0, name.length, value, 0, value.length, 0, true);
      assert.equal(out.buffer[0]! & 0xf0, 0x10);
    }
    const decoder = new HpackDecoder(4096);
    const head = new Head();
    head.reset();
    const block = Buffer.from('100870617373776f726406736563726574', 'hex');
    assert.ok(decoder.decode(block, 0, block.length, head, 1000, 10));
    assert.equal(head.flags[0], NEVER_INDEXED);
  });
  test("the static table is the RFC's: 61 entries with the pseudo-header fields first", () => {
    assert.equal(staticFields.length, 61);
    assert.equal(staticFields.filter(([name]) => name.startsWith(':')).length, 14);
    assert.ok(FIRST_PSEUDO_ID > 200);
  });
});

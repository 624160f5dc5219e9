import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { ByteWriter, seededRandom } from '@weft/kernel';
import { readFieldId } from '../../field-id.ts';
import { Head } from '../../head.ts';
import { HpackDecoder, NEVER_INDEXED } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { huffmanLength, readHuffman, writeHuffman } from './huffman.ts';
import { FIRST_PSEUDO_ID, staticFields } from './static-table.ts';

const pseudoNames = [':method', ':scheme', ':path', ':authority', ':status', ':protocol'];

/** Decodes a block and says what it holds, pseudo-header fields first. */
function decode(decoder: HpackDecoder, block: Buffer, listBytes = 65_536, fields = 100): string[] {
  const head = new Head();
  head.reset();
  assert.ok(decoder.decode(block, 0, block.length, head, listBytes, fields), decoder.compressionFault);
  const lines: string[] = [];
  for (let at = 0; at < pseudoNames.length; at += 1) {
    const start = decoder.pseudo[at * 2]!;
    if (start >= 0)
      lines.push(`${pseudoNames[at]}: ${head.bytes.toString('latin1', start, decoder.pseudo[at * 2 + 1])}`);
  }
  for (let index = 0; index < head.count; index += 1) lines.push(`${head.name(index)}: ${head.value(index)}`);
  return lines;
}

function faultOf(decoder: HpackDecoder, hex: string): string {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const head = new Head();
  head.reset();
  decoder.decode(block, 0, block.length, head, 65_536, 100);
  return decoder.compressionFault;
}

const requestLists = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
];
const location = 'https://www.example.com';
const responseLists = [
  [':status: 302', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT', `location: ${location}`],
  [':status: 307', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT', `location: ${location}`],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    `location: ${location}`,
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];

// [section, blocks, what they hold, size of the dynamic table behind each]
const vectors: readonly (readonly [string, readonly string[], readonly string[][], readonly number[]])[] = [
  [
    'C.2.1 literal with indexing',
    ['400a637573746f6d2d6b65790d637573746f6d2d686561646572'],
    [['custom-key: custom-header']],
    [55],
  ],
  ['C.2.2 literal without indexing', ['040c2f73616d706c652f70617468'], [[':path: /sample/path']], [0]],
  ['C.2.3 never indexed', ['100870617373776f726406736563726574'], [['password: secret']], [0]],
  ['C.2.4 indexed', ['82'], [[':method: GET']], [0]],
  [
    'C.3 requests without Huffman',
    [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
    requestLists,
    [57, 110, 164],
  ],
  [
    'C.4 requests with Huffman',
    [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
    requestLists,
    [57, 110, 164],
  ],
];
const responseVectors: readonly (readonly [string, readonly string[]])[] = [
  [
    'C.5 responses without Huffman, with eviction',
    [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ],
  ],
  [
    'C.6 responses with Huffman, with eviction',
    [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
  ],
];

describe('RFC 7541 appendix C', () => {
  for (const [section, blocks, lists, sizes] of vectors) {
    test(`${section} decodes to its list and table size`, () => {
      const decoder = new HpackDecoder(4096);
      blocks.forEach((block, at) => {
        assert.deepEqual(decode(decoder, Buffer.from(block, 'hex')), lists[at]);
        assert.equal(decoder.tableSizeBytes, sizes[at]);
      });
    });
  }
  for (const [section, blocks] of responseVectors) {
    test(`${section} decodes to its list and table size in 256 bytes`, () => {
      const decoder = new HpackDecoder(4096);
      // The examples begin with a table of 256 bytes.
      decode(decoder, Buffer.from('3fe101', 'hex'));
      const sizes = [222, 222, 215];
      blocks.forEach((block, at) => {
        assert.deepEqual(decode(decoder, Buffer.from(block, 'hex')), responseLists[at]);
        assert.equal(decoder.tableSizeBytes, sizes[at]);
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
    assert.deepEqual(decode(decoder, Buffer.from('be', 'hex')), ['custom-key: custom-header']);
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
      assert.deepEqual(decode(decoder, out.buffer.subarray(0, out.length)), expected);
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

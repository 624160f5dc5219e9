import { Buffer } from 'node:buffer';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@weft/kernel';
import { HpackDecoder, HpackEncoder, blockLines } from '../../../packages/http/src/http2/hpack/block-lines.ts';
import type { Tally } from '../tally.ts';
import { needTool } from '../tool-run.ts';
import { encodeFields, randomFields } from '../../../packages/http/src/http2/hpack/encoded-fields.ts';
import type { Fields } from '../../../packages/http/src/http2/hpack/encoded-fields.ts';
import { linesOf } from './story-files.ts';

/** One connection: heads, how large the table is before each (-1: as it was), and our blocks for them. */
interface Conversation {
  readonly heads: readonly { readonly fields: Fields; readonly tableBytes: number; readonly ours: string }[];
}

const PROGRAM = `
import json, sys
from hpack import Encoder, Decoder
def read(conversation):
    decoder = Decoder(max_header_list_size=1 << 20)
    for head in conversation['heads']:
        if head['tableBytes'] >= 0: decoder.max_allowed_table_size = 4096
        yield [[f[0].decode('latin1'), f[1].decode('latin1')] for f in decoder.decode(bytes.fromhex(head['ours']), raw=True)]
def write(conversation):
    encoder = Encoder()
    for at, head in enumerate(conversation['heads']):
        if head['tableBytes'] >= 0: encoder.header_table_size = head['tableBytes']
        fields = [(n.encode('latin1'), v.encode('latin1')) for n, v in head['fields']]
        yield encoder.encode(fields, huffman=at % 3 != 0).hex()
conversations = json.load(open(sys.argv[1]))
json.dump([{'read': list(read(c)), 'written': list(write(c))} for c in conversations], open(sys.argv[2], 'w'))
`;

/** Python's hpack and ours, each reading what the other wrote, heads and table sizes drawn from seeds. */
export async function comparePython(tally: Tally, python: string, firstSeed: number, seeds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-hpack-'));
  try {
    const conversations = Array.from({ length: seeds }, (_, at) => makeConversation(firstSeed + at));
    writeFileSync(join(folder, 'compare.py'), PROGRAM);
    writeFileSync(join(folder, 'asked.json'), JSON.stringify(conversations));
    const args = [join(folder, 'compare.py'), join(folder, 'asked.json'), join(folder, 'said.json')];
    await needTool(python, args, { timeoutMs: 300_000 });
    const said = JSON.parse(readFileSync(join(folder, 'said.json'), 'utf8')) as { read: Fields[]; written: string[] }[];
    for (const [at, { heads }] of conversations.entries()) {
      const { read, written } = said[at]!;
      await tally.check(`seed ${firstSeed + at}, Python reads ours`, () => {
        for (const [index, { fields }] of heads.entries()) same(read[index]!, fields, index);
      });
      await tally.check(`seed ${firstSeed + at}, we read Python's`, () => {
        const decoder = new HpackDecoder(4096);
        for (const [index, { fields }] of heads.entries()) {
          const lines = blockLines(decoder, Buffer.from(written[index]!, 'hex'), 1 << 20, 1000);
          if (lines.join('\n') !== linesOf(fields).join('\n')) throw new Error(`head ${index}: ${lines.join(' | ')}`);
        }
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeConversation(seed: number): Conversation {
  const random = seededRandom(seed);
  const encoder = new HpackEncoder(4096);
  const heads = Array.from({ length: 20 }, () => {
    const tableBytes = random() < 0.15 ? Math.floor(random() * 4097) : -1;
    if (tableBytes >= 0) encoder.setPeerLimit(tableBytes);
    const fields = randomFields(random, false);
    const ours = encodeFields(encoder, fields, () => random() < 0.9).toString('hex');
    return { fields, tableBytes, ours };
  });
  return { heads };
}

function same(read: Fields, fields: Fields, index: number): void {
  const one = read.map((field) => field.join(': ')).join(' | ');
  const other = fields.map((field) => field.join(': ')).join(' | ');
  if (one !== other) throw new Error(`head ${index}: ${one} instead of ${other}`);
}

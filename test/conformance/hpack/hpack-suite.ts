/**
 * HPACK: the examples of RFC 7541, the stories of 11 encoders from hpack-test-case, and Python's hpack in both directions.
 */
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { systemRandom } from '@weft/kernel';
import { HpackDecoder, HpackEncoder, blockLines } from '../../../packages/http/src/http2/hpack/block-lines.ts';
import {
  appendixC,
  appendixCResponses,
  responseLists,
  responseSizes,
} from '../../../packages/http/src/http2/hpack/rfc7541-vectors.ts';
import { Tally } from '../tally.ts';
import { debianSource, lacking, pythonWith } from '../tool-shed.ts';
import { encodeFields } from '../../../packages/http/src/http2/hpack/encoded-fields.ts';
import { comparePython } from './python-hpack.ts';
import { readStories } from './story-files.ts';
import type { Story } from './story-files.ts';

const PYTHON_SEEDS = 300;

export async function runHpack(): Promise<Tally[]> {
  const examples = new Tally('RFC 7541 appendix C');
  await checkExamples(examples);
  const stories = new Tally('hpack-test-case');
  const missing = await lacking(['apt-get', 'tar']);
  if (missing.length > 0) stories.skip('all', `needs ${missing.join(', ')}, to fetch the source of haskell-http2`);
  else {
    const folder = join(await debianSource('haskell-http2'), 'test-hpack', 'hpack-test-case');
    for (const story of readStories(folder)) {
      await stories.check(`${story.encoder}/${story.file}`, () => checkStory(story));
    }
  }
  const seed = Math.floor(systemRandom() * 2 ** 31);
  const python = new Tally(`Python hpack, from seed ${seed}`);
  if ((await lacking(['python3'])).length > 0) python.skip('all', 'needs python3');
  else await comparePython(python, await pythonWith('python-h2', ['h2==4.4.1', 'hpack==4.2.0']), seed, PYTHON_SEEDS);
  return [examples, stories, python];
}

async function checkExamples(tally: Tally): Promise<void> {
  for (const [section, blocks, lists, sizes] of appendixC) {
    await tally.check(section, () => readAll(new HpackDecoder(4096), blocks, lists, sizes));
  }
  for (const [section, blocks] of appendixCResponses) {
    await tally.check(section, () => {
      const decoder = new HpackDecoder(4096);
      blockLines(decoder, Buffer.from('3fe101', 'hex'));
      readAll(decoder, blocks, responseLists, responseSizes);
    });
  }
}

function readAll(
  decoder: HpackDecoder,
  blocks: readonly string[],
  lists: readonly (readonly string[])[],
  sizes: readonly number[],
): void {
  blocks.forEach((block, at) => {
    const lines = blockLines(decoder, Buffer.from(block, 'hex'));
    if (lines.join('\n') !== lists[at]!.join('\n')) throw new Error(`block ${at}: ${lines.join(' | ')}`);
    if (decoder.tableSizeBytes !== sizes[at])
      throw new Error(`block ${at}: a table of ${decoder.tableSizeBytes} bytes`);
  });
}

/**
 * Every block of a story is read as it was meant, and what we make of its fields is read back by us. Of a head that HTTP/2
 * refuses, the fault must be the one it has; the blocks behind it show that the table stayed right.
 */
export function checkStory(story: Story): void {
  const tableBytes = Math.max(4096, ...story.blocks.map((block) => block.tableBytes));
  const decoder = new HpackDecoder(tableBytes);
  const encoder = new HpackEncoder(4096);
  const reader = new HpackDecoder(4096);
  for (const [at, block] of story.blocks.entries()) {
    const lines = blockLines(decoder, block.wire, 1 << 20, 1000);
    const { messageFault } = decoder;
    if (messageFault !== block.fault) throw new Error(`block ${at}: ${messageFault || 'no fault'}`);
    if (decoder.tableSizeBytes > tableBytes) throw new Error(`block ${at}: a table of ${decoder.tableSizeBytes} bytes`);
    if (messageFault === '' && lines.join('\n') !== block.lines.join('\n')) {
      throw new Error(`block ${at}: ${lines.join(' | ')}`);
    }
    const fields = block.lines.map((line): [string, string] => {
      const colon = line.indexOf(': ', 1);
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
    const back = blockLines(
      reader,
      encodeFields(encoder, fields, () => true),
      1 << 20,
      1000,
    );
    if (reader.messageFault === '' && back.join('\n') !== block.lines.join('\n')) {
      throw new Error(`block ${at} by our encoder: ${back.join(' | ')}`);
    }
  }
}

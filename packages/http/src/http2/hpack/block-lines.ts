import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { Head } from '../../head.ts';
import type { HpackDecoder } from './decoder.ts';

/** For suites outside the package, which read and write blocks and nothing else. */
export { HpackDecoder } from './decoder.ts';
export { HpackEncoder } from './encoder.ts';

const pseudoNames = [':method', ':scheme', ':path', ':authority', ':status', ':protocol'];

/** Decodes a block and says what it holds, `name: value`, pseudo-header fields first. Throws when it is no HPACK. For tests. */
export function blockLines(decoder: HpackDecoder, block: Buffer, listBytes = 65_536, fields = 100): string[] {
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

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Header blocks of one connection as some encoder wrote them, of the collection hpack-test-case. */
export interface Story {
  readonly encoder: string;
  readonly file: string;
  readonly blocks: readonly StoryBlock[];
}

export interface StoryBlock {
  readonly wire: Buffer;
  /** `name: value`, pseudo-header fields in their order first. */
  readonly lines: readonly string[];
  /** What makes it no head for RFC 9113 though it is HPACK, by a reading of its fields alone; empty for nothing. */
  readonly fault: string;
  /** SETTINGS_HEADER_TABLE_SIZE that the decoder has announced from this block on; 0 when it stays. */
  readonly tableBytes: number;
}

interface StoryFile {
  readonly cases: readonly {
    readonly wire: string;
    readonly headers: readonly Readonly<Record<string, string>>[];
    readonly header_table_size?: number;
  }[];
}

const pseudoOrder = [':method', ':scheme', ':path', ':authority', ':status'];

/** Every story in a folder of folders, one for each encoder. */
export function readStories(folder: string): Story[] {
  return readdirSync(folder)
    .toSorted()
    .flatMap((encoder) =>
      readdirSync(join(folder, encoder))
        .filter((file) => file.endsWith('.json'))
        .toSorted()
        .map((file) => readStory(readFileSync(join(folder, encoder, file), 'utf8'), encoder, file)),
    );
}

export function readStory(text: string, encoder: string, file: string): Story {
  const { cases } = JSON.parse(text) as StoryFile;
  return {
    encoder,
    file,
    blocks: cases.map(({ wire, headers, header_table_size: tableBytes }) => {
      const fields = headers.flatMap((field) => Object.entries(field));
      const fault = faultOf(fields);
      return { wire: Buffer.from(wire, 'hex'), lines: linesOf(fields), fault, tableBytes: tableBytes ?? 0 };
    }),
  };
}

/** The collection is of 2013, and two rules are younger than its pages: RFC 9113 §8.2.1 and §8.3. */
function faultOf(fields: readonly (readonly [string, string])[]): string {
  const firstField = fields.findIndex(([name]) => !name.startsWith(':'));
  for (const [at, [name, value]] of fields.entries()) {
    if (name.startsWith(':') && firstField >= 0 && at > firstField) return 'pseudo-field-after-field';
    if (/^[ \t]|[ \t]$/.test(value)) return 'field-value-white-space';
  }
  return '';
}

/** Fields as `blockLines` tells them. */
export function linesOf(fields: readonly (readonly [string, string])[]): string[] {
  const rank = (name: string): number => {
    const at = pseudoOrder.indexOf(name);
    return at < 0 ? pseudoOrder.length : at;
  };
  return fields.toSorted(([one], [other]) => rank(one) - rank(other)).map(([name, value]) => `${name}: ${value}`);
}

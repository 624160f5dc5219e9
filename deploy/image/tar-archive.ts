import { Buffer } from 'node:buffer';

/** One entry of an archive. All belong to root, all are of the same moment: the same files give the same bytes. */
export type TarEntry =
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly content: Buffer }
  | { readonly type: 'folder'; readonly path: string; readonly mode: number }
  | { readonly type: 'link'; readonly path: string; readonly target: string };

const BLOCK = 512;
const typeFlags = { file: '0', link: '2', folder: '5' } as const;

/** A POSIX ustar archive of the entries, in order of their paths. Throws for a path of more than 100 characters. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of [...entries].sort((left, right) => (left.path < right.path ? -1 : 1))) {
    const content = entry.type === 'file' ? entry.content : Buffer.alloc(0);
    parts.push(header(entry, content.length), content);
    if (content.length % BLOCK !== 0) parts.push(Buffer.alloc(BLOCK - (content.length % BLOCK)));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

/** POSIX.1-1988, 10.1.1. */
function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const path = entry.type === 'folder' ? `${entry.path}/` : entry.path;
  if (path.length > 100) throw new Error(`${path}: longer than 100 characters`);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(path, 0, 'latin1');
  block.write(octal(entry.type === 'link' ? 0o777 : entry.mode, 7), 100, 'latin1');
  block.write(octal(0, 7), 108, 'latin1');
  block.write(octal(0, 7), 116, 'latin1');
  block.write(octal(size, 11), 124, 'latin1');
  block.write(octal(0, 11), 136, 'latin1');
  block.write(' '.repeat(8), 148, 'latin1');
  block.write(typeFlags[entry.type], 156, 'latin1');
  if (entry.type === 'link') block.write(entry.target, 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write('root', 265, 'latin1');
  block.write('root', 297, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { CommandFault, exitCodes } from '../exit-code.ts';

const CHUNK_BYTES = 1 << 20;

/** Reads a file, `-` for standard input, in chunks of text. Throws a `CommandFault` when it cannot be read. */
export function readLog(file: string, take: (chunk: string) => void): void {
  const decoder = new StringDecoder('utf8');
  const bytes = Buffer.allocUnsafe(CHUNK_BYTES);
  const source = file === '-' ? 0 : orFault(file, () => openSync(file, 'r'));
  try {
    for (;;) {
      const length = orFault(file, () => readSync(source, bytes));
      if (length === 0) break;
      take(decoder.write(bytes.subarray(0, length)));
    }
    take(decoder.end());
  } finally {
    if (source !== 0) closeSync(source);
  }
}

function orFault<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandFault(exitCodes.usage, `${file} cannot be read (${code ?? String(error)}); check the path`);
  }
}

import { readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type SourceFile, byCodeUnit } from '@weft/model';
import { CommandFault, exitCodes } from '../exit-code.ts';

/** As the control plane reads a folder: what is checked is what would be served. */
const CONFIG_FILE = /\.(?:yaml|yml|json)$/;
const MAX_FILES = 10_000;
const MAX_DEPTH = 16;
/** Above what the reader takes, so that its own refusal is what people see for a file that is merely too large. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** The configuration files of folders and files, in order. Throws a `CommandFault` for what cannot be read. */
export function readConfigFiles(places: readonly string[]): SourceFile[] {
  const paths = new Set<string>();
  for (const place of places) {
    const found = readable(place, () => statSync(place));
    if (found.isDirectory()) collect(place, 0, new Set(), paths);
    else paths.add(place);
  }
  return [...paths].sort(byCodeUnit).map((path) => {
    const { size } = readable(path, () => statSync(path));
    if (size > MAX_FILE_BYTES) throw new CommandFault(exitCodes.unwell, `${path} is larger than 64 MiB; split it`);
    return { file: path, text: readable(path, () => readFileSync(path, 'utf8')) };
  });
}

function collect(folder: string, depth: number, seen: Set<string>, paths: Set<string>): void {
  // Links may lead in circles.
  const real = readable(folder, () => realpathSync(folder));
  if (seen.has(real) || depth > MAX_DEPTH) return;
  seen.add(real);
  for (const entry of readable(folder, () => readdirSync(folder, { withFileTypes: true }))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    const isFolder = entry.isSymbolicLink() ? readable(path, () => statSync(path)).isDirectory() : entry.isDirectory();
    if (isFolder) collect(path, depth + 1, seen, paths);
    else if (CONFIG_FILE.test(entry.name)) paths.add(path);
    if (paths.size > MAX_FILES)
      throw new CommandFault(exitCodes.unwell, `${folder} holds more than ${MAX_FILES} files`);
  }
}

function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code ?? String(error)})`;
    throw new CommandFault(exitCodes.usage, `${path} ${why}; check the path`);
  }
}

import { readFileSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface StaticFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzipped: Buffer;
  /** Its name changes with its content. */
  readonly isImmutable: boolean;
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

/**
 * All files of the built dashboard by path, read once: no request names a file of the disk. Empty when there is no folder.
 * Files of a type that the dashboard has none of are left out.
 */
export function readStaticFiles(folder: string): ReadonlyMap<string, StaticFile> {
  const files = new Map<string, StaticFile>();
  for (const name of list(folder)) {
    const type = TYPES.get(extname(name));
    if (type === undefined) continue;
    const plain = readFileSync(join(folder, name));
    files.set(`/${name}`, {
      type,
      plain,
      gzipped: gzipSync(plain, { level: 9 }),
      isImmutable: name.startsWith('assets/'),
    });
  }
  return files;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  } catch {
    return [];
  }
}

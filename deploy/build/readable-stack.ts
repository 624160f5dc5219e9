/**
 * Stack traces of a bundle with the places and names of the sources:
 *
 *   node deploy/build/readable-stack.ts [FOLDER] < trace.txt
 *
 * FOLDER holds the maps of the very build that ran (`dist` when absent). Lines that name no place in a bundle, or one whose
 * map is not there, pass through as they are. A log line in JSON may be given whole: escaped line ends are read as such.
 */
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = process.argv[2] ?? join(root, 'dist');
const maps = new Map<string, SourceMap | undefined>();
/** `/opt/weft/weft-proxy.mjs:14:33107`, whatever stands before. */
const place = /[^\s("']*?([\w-]+\.mjs):(\d+):(\d+)/g;

const text = readFileSync(0, 'utf8').replaceAll('\\n', '\n');
process.stdout.write(
  text.replaceAll(place, (whole, file: string, line: string, column: string) => {
    const found = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1);
    // What the bundler itself wrote has no source.
    if (found === undefined || !('originalSource' in found) || !found.originalSource) return whole;
    const source = relative(root, join(folder, found.originalSource));
    // Node's own types forget the name.
    const { name = '' } = found as { readonly name?: string };
    return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}${name === '' ? '' : ` [${name}]`}`;
  }),
);

function mapOf(file: string): SourceMap | undefined {
  if (!maps.has(file)) {
    const path = join(folder, `${file}.map`);
    maps.set(file, existsSync(path) ? new SourceMap(JSON.parse(readFileSync(path, 'utf8'))) : undefined);
  }
  return maps.get(file);
}

/**
 * `npm run build:dashboard`: the dashboard's pages into static files.
 *
 *   node deploy/build/dashboard.ts [--out FOLDER] [--if-changed]
 *
 * `--if-changed` does nothing when what was built is newer than every source; the demo starts with it. Exit code 1 when what a
 * browser loads first is more than 150 kB (gzip), with what it is made of.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { buildDashboard, dashboardRoot } from './dashboard-files.ts';

const MOST_FIRST_LOAD_BYTES = 150_000;

const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: join(dashboardRoot, 'dist') },
    'if-changed': { type: 'boolean', default: false },
  },
});

if (!options['if-changed'] || isOld(options.out)) {
  await buildDashboard(options.out);
  report(options.out);
}

function report(folder: string): void {
  const page = readFileSync(join(folder, 'index.html'), 'utf8');
  let first = gzipSync(page).length;
  for (const file of readdirSync(join(folder, 'assets')).sort()) {
    const bytes = gzipSync(readFileSync(join(folder, 'assets', file)), { level: 9 }).length;
    const isFirst = page.includes(file);
    if (isFirst) first += bytes;
    console.log(`assets/${file}: ${(bytes / 1000).toFixed(1)} kB gzip${isFirst ? '' : ', later'}`);
  }
  console.log(`first load: ${(first / 1000).toFixed(1)} kB gzip of at most ${MOST_FIRST_LOAD_BYTES / 1000}`);
  if (first > MOST_FIRST_LOAD_BYTES) process.exitCode = 1;
}

function isOld(folder: string): boolean {
  const built = join(folder, 'index.html');
  if (!existsSync(built)) return true;
  const builtMs = statSync(built).mtimeMs;
  const sources = [
    join(dashboardRoot, 'index.html'),
    ...under(join(dashboardRoot, 'src')),
    ...under(join(dashboardRoot, 'public')),
  ];
  return sources.some((path) => statSync(path).mtimeMs > builtMs);
}

function under(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
}

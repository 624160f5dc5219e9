/**
 * `npm run build`: one file each for proxy, control plane and command line, into dist/, one beside the proxy with what few of
 * them load, the pages of the dashboard into dist/dashboard/, and a notice of what is in them.
 *
 *   node deploy/build/bundle.ts [--readable] [--out FOLDER]
 *
 * Minified, with a map beside each file: a sidecar keeps its source in memory, and is 7 MB smaller so (92.8 against 85.4 MB
 * resident, three interleaved starts). Node is not told of the map, because reading it costs more than was saved;
 * `readable-stack.ts` reads a trace with it instead. `--readable` leaves names and lines as they are, for profiles. What pays
 * as well is V8's compile cache, for which Node needs a folder before it loads the file: NODE_COMPILE_CACHE=FOLDER takes 39 ms
 * and 2 MB off.
 *
 * Entries that do not exist are skipped with a line that says so. Exit code 1 when a bundle could not be made, or holds
 * what it must not hold.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type OutputChunk, type Plugin, type RolldownLog, rolldown } from 'rolldown';
import { buildDashboard } from './dashboard-files.ts';
import { bundledPackages, licenceNotice } from './licence-notice.ts';

interface Bundle {
  readonly file: string;
  readonly entry: string;
  /** Packages that must not be inside, with the reason. */
  readonly without: ReadonlyMap<string, string>;
  /** Sources that it loads when they are needed, from the bundle of this name beside it. */
  readonly apart: ReadonlyMap<string, string>;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const { values: options } = parseArgs({
  options: { readable: { type: 'boolean', default: false }, out: { type: 'string', default: join(root, 'dist') } },
});

/**
 * Never called here and left out of every bundle: grpc-js loads it for channelz, xDS and ORCA services, which Weft does not
 * offer. With it come a .proto parser and reflection.
 */
const neverLoaded: readonly string[] = ['@grpc/proto-loader'];

const authorityLibrary = 'only a control plane makes roots; a sidecar starts faster and smaller without it';
const alone = { without: new Map<string, string>(), apart: new Map<string, string>() };
/** Its library is half as much again as all the rest of a sidecar, and only those that check anything load it. */
const healthRequest = 'packages/proxy/src/upstream/health-request.ts';
/** Half of what a control plane would load, and only those that send their own telemetry do. */
const ownTelemetry = 'packages/control/src/telemetry/telemetry-sdk.ts';
const withTelemetry = {
  without: new Map<string, string>(),
  apart: new Map([[ownTelemetry, 'weft-control-telemetry.mjs']]),
};
const bundles: readonly Bundle[] = [
  {
    file: 'weft-proxy.mjs',
    entry: 'packages/cli/src/proxy-main.ts',
    without: new Map([
      ['@peculiar/x509', authorityLibrary],
      ['reflect-metadata', authorityLibrary],
      ['yaml', 'a sidecar reads no files of configuration'],
      ['commander', 'a sidecar reads its few flags itself'],
      ['prom-client', 'a sidecar counts by itself'],
      ['undici', 'it is half of what a sidecar would load; it stands in weft-proxy-checks.mjs'],
    ]),
    apart: new Map([[healthRequest, 'weft-proxy-checks.mjs']]),
  },
  { ...alone, file: 'weft-proxy-checks.mjs', entry: healthRequest },
  { ...withTelemetry, file: 'weft-control.mjs', entry: 'packages/cli/src/control-main.ts' },
  { ...alone, file: 'weft-control-telemetry.mjs', entry: ownTelemetry },
  { ...alone, file: 'weft-capture.mjs', entry: 'packages/cli/src/capture-main.ts' },
  { ...withTelemetry, file: 'weft.mjs', entry: 'packages/cli/src/main.ts' },
];

await rm(options.out, { recursive: true, force: true });
await mkdir(options.out, { recursive: true });
const packages = new Set<string>();
let failed = false;
for (const bundle of bundles) {
  if (!existsSync(join(root, bundle.entry))) {
    console.log(`${bundle.file}: skipped, there is no ${bundle.entry}`);
    continue;
  }
  failed = !(await make(bundle)) || failed;
}
for (const name of await buildDashboard(join(options.out, 'dashboard'))) packages.add(name);
await writeFile(join(options.out, 'THIRD-PARTY-NOTICES.txt'), await licenceNotice(root, packages));
console.log(`THIRD-PARTY-NOTICES.txt: ${packages.size} packages`);
process.exitCode = failed ? 1 : 0;

async function make(bundle: Bundle): Promise<boolean> {
  const warnings: string[] = [];
  const build = await rolldown({
    input: join(root, bundle.entry),
    platform: 'node',
    external: [...neverLoaded, ...bundle.without.keys()],
    plugins: [placesApart(bundle.apart)],
    resolve: { conditionNames: ['node', 'import', 'default'] },
    // Our sources do nothing when they are imported; what is not used of them is left out. The entry itself does its work.
    treeshake: {
      moduleSideEffects: [
        { test: /[\\/]packages[\\/](?!cli[\\/]src[\\/][^\\/]*main\.ts$)[^\\/]+[\\/]src[\\/]/, sideEffects: false },
      ],
    },
    onLog: (level: string, log: RolldownLog) => {
      // protobufjs asks for optional packages by an eval that bundlers cannot see; it does without them.
      if (level === 'warn' && log.code !== 'EVAL') warnings.push(log.message);
    },
  });
  const { output } = await build.write({
    file: join(options.out, bundle.file),
    format: 'esm',
    codeSplitting: false,
    minify: !options.readable,
    sourcemap: 'hidden',
    // One character beyond Latin-1 has V8 keep the whole source with two bytes a character, and one beyond ASCII has Node decode
    // it the slow way: 2.9 and 1.2 MB of a sidecar.
    charset: 'ascii',
    // Licences are in the notice.
    comments: false,
    banner: '// Weft, Apache-2.0. Licences of what is bundled: THIRD-PARTY-NOTICES.txt.',
  });
  await build.close();
  const chunks = output.filter((each): each is OutputChunk => each.type === 'chunk');
  const inside = bundledPackages(chunks.flatMap(({ moduleIds }) => moduleIds));
  for (const name of inside) packages.add(name);
  const { size } = await stat(join(options.out, bundle.file));
  const modules = chunks.reduce((sum, { moduleIds }) => sum + moduleIds.length, 0);
  console.log(`${bundle.file}: ${(size / 1024).toFixed(0)} KiB, ${modules} modules`);
  const faults = [...warnings, ...faultsOf(bundle, chunks, inside)];
  for (const fault of faults) console.error(`${bundle.file}: ${fault}`);
  return faults.length === 0;
}

/** The import of such a source becomes one of the bundle beside. */
function placesApart(apart: Bundle['apart']): Plugin {
  return {
    name: 'places-apart',
    resolveId: (source, importer) => {
      if (importer === undefined || !source.startsWith('.')) return null;
      const file = apart.get(relative(root, resolve(dirname(importer), source)).replaceAll('\\', '/'));
      return file === undefined ? null : { id: `./${file}`, external: true };
    },
  };
}

function faultsOf(bundle: Bundle, chunks: readonly OutputChunk[], inside: ReadonlySet<string>): string[] {
  const faults = chunks.length === 1 ? [] : [`${chunks.length} chunks; a bundle is one file`];
  for (const [name, reason] of bundle.without) {
    // External: an import that stayed would fail on a machine without node_modules, so it must be gone, or be lazy.
    const eager = chunks.some(({ imports }) => imports.includes(name));
    if (inside.has(name) || eager) faults.push(`${name} must stay out: ${reason}`);
  }
  for (const file of bundle.apart.values()) {
    const lazily = chunks.some(({ dynamicImports, imports }) => {
      return dynamicImports.includes(`./${file}`) && !imports.includes(`./${file}`);
    });
    if (!lazily) faults.push(`${file} must be loaded when it is needed, and only then`);
  }
  for (const { code } of chunks) {
    // A source named by URL does not exist beside a bundle: a worker must start from the bundle itself.
    for (const [, file] of code.matchAll(/new URL\(["'`](\.{1,2}\/[^"'`]+\.ts)["'`], import\.meta\.url\)/g)) {
      faults.push(`starts ${file!} by its path, which a bundle does not have`);
    }
  }
  return faults;
}

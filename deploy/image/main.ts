/**
 * `npm run image`: the image of sidecar, capture, gateway, control plane and command line, without any container engine.
 *
 *   npm run image -- [--arch amd64,arm64] [--name weft:0.1.0] [--out dist/image] [--root FOLDER] [--update]
 *
 * Makes dist/image/weft-VERSION-linux-ARCH.oci.tar and beside it a bill of materials. --root writes the root file system into a
 * folder instead, for deploy/Dockerfile. --update takes the present versions of the Debian packages into debian-packages.json.
 * Needs apt and dpkg (Debian, Ubuntu). Downloads are kept in the user's cache folder.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type NpmPackage, billOfMaterials } from './bill-of-materials.ts';
import { type Architecture, fetchPackages, readLock, updateLock } from './debian-packages.ts';
import { readNodeBinary } from './node-binary.ts';
import { makeImage } from './oci-archive.ts';
import { type RootLayers, makeRoot } from './root-files.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const own: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
const { values: options } = parseArgs({
  options: {
    arch: { type: 'string', default: own },
    name: { type: 'string', default: `weft:${version}` },
    out: { type: 'string', default: join(root, 'dist/image') },
    root: { type: 'string' },
    update: { type: 'boolean', default: false },
  },
});
const architectures = options.arch.split(',').map((word) => {
  if (word !== 'amd64' && word !== 'arm64')
    throw new Error(`--arch "${word}": expected amd64, arm64 or both with a comma`);
  return word;
});
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft', 'image');
mkdirSync(cache, { recursive: true });
if (options.update) updateLock(cache, ['amd64', 'arm64']);

const dist = join(cache, 'dist');
execFileSync(process.execPath, [join(root, 'deploy/build/bundle.ts'), '--out', dist], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
for (const architecture of architectures) {
  const unpacked = fetchPackages(cache, architecture);
  const node = readNodeBinary(root, cache, architecture);
  const launcher = readFileSync(join(root, 'packages/cli/bin/weft.cjs'));
  const awaitReady = readFileSync(join(root, 'deploy/image/await-ready.sh'));
  const layers = makeRoot(architecture, unpacked, node, dist, launcher, awaitReady);
  if (options.root !== undefined) writeRoot(options.root, layers);
  else writeImage(architecture, layers, node.version);
}

function writeImage(architecture: Architecture, layers: RootLayers, nodeVersion: string): void {
  mkdirSync(options.out, { recursive: true });
  const image = makeImage({
    name: options.name,
    version,
    architecture,
    layers: [layers.system, layers.node, layers.weft],
  });
  const file = join(options.out, `weft-${version}-linux-${architecture}`);
  writeFileSync(`${file}.oci.tar`, image.archive);
  const materials = billOfMaterials({
    version,
    architecture,
    imageDigest: image.digest,
    nodeVersion,
    debian: readLock()[architecture].filter(({ name }) => layers.used.has(name)),
    npm: bundledPackages(),
  });
  writeFileSync(`${file}.spdx.json`, materials);
  const sum = createHash('sha256').update(image.archive).digest('hex');
  console.log(
    `${file}.oci.tar: ${(image.compressedBytes / 1e6).toFixed(1)} MB compressed, sha256 ${sum}, image ${image.digest}`,
  );
}

/** As the notice names them, which is made with the bundles. */
function bundledPackages(): NpmPackage[] {
  const notice = readFileSync(join(dist, 'THIRD-PARTY-NOTICES.txt'), 'utf8');
  return Array.from(notice.matchAll(/^-{80}\n\n(\S+) (\S+): (.+)$/gm), ([, name, packageVersion, licence]) => ({
    name: name!,
    version: packageVersion!,
    licence: licence!,
  }));
}

function writeRoot(folder: string, { system, node, weft }: RootLayers): void {
  for (const entry of [...system, ...node, ...weft]) {
    const path = join(folder, entry.path);
    mkdirSync(entry.type === 'folder' ? path : dirname(path), { recursive: true });
    if (entry.type === 'file') writeFileSync(path, entry.content, { mode: entry.mode });
    if (entry.type === 'link') symlinkSync(entry.target, path);
  }
}

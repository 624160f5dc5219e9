/**
 * Versions side by side: for each release of CHANGELOG, a mesh of that release is upgraded part by part under load, and rolled
 * back. `npm run test:skew [-- --release 0.2.0] [-- --record]`; `--record` writes what the release said over Sync to `transcripts/`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Weft, makeOlderWeft, presentWeft, removeOlderWeft } from './older-weft.ts';
import { type Release, readReleases } from './releases.ts';
import { SkewMesh } from './skew-mesh.ts';

/** Of each side; what comes later says the same things again. */
const RECORDED = 60;
const INSTANCES = ['orders-1', 'orders-2'] as const;

const { values } = parseArgs({ options: { release: { type: 'string' }, record: { type: 'boolean', default: false } } });
const releases = readReleases().filter(({ version }) => values.release === undefined || version === values.release);
if (releases.length === 0) {
  console.error(`CHANGELOG names no release ${values.release ?? ''}`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'weft-releases-'));
let failures = 0;
try {
  for (const release of releases) failures += (await takeRelease(release)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${releases.length - failures} passed, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);

async function takeRelease(release: Release): Promise<boolean> {
  const { version, commit } = release;
  console.log(`${version} (${commit}): made ready, which takes a minute or so`);
  let older: Weft | undefined;
  const mesh = new SkewMesh();
  try {
    older = makeOlderWeft(release, folder);
    await upgrade(mesh, older, values.record ? version : '');
    const { sent, failed, faults } = mesh.total;
    console.log(`  ${failed} of ${sent} calls failed${failed === 0 ? '' : `: ${faults.join(', ')}`}`);
    return failed === 0;
  } catch (error) {
    console.log(`  failed: ${(error as Error).message}`);
    return false;
  } finally {
    await mesh.end();
    if (older !== undefined) removeOlderWeft(older);
  }
}

async function upgrade(mesh: SkewMesh, older: Weft, recordAs: string): Promise<void> {
  await mesh.startControl(older);
  for (const name of INSTANCES) await mesh.startInstance(older, name);
  await mesh.startCaller(older);
  await mesh.carries(1_000, INSTANCES);
  say(`all of ${older.label}`, await mesh.reaches('two'));
  if (recordAs !== '') record(mesh, recordAs);
  await mesh.stop('control');
  await mesh.carries(1_000, INSTANCES);
  await mesh.startControl(presentWeft);
  say(`present control plane, sidecars of ${older.label}`, await mesh.reaches('three'));
  await mesh.carries(1_000, INSTANCES);
  for (const name of INSTANCES) {
    await mesh.stop(name);
    await mesh.startInstance(presentWeft, name);
    await mesh.carries(1_000, INSTANCES);
  }
  say(`caller's sidecar of ${older.label}, the others' present`, await mesh.reaches('four'));
  await mesh.stop('caller');
  await mesh.startCaller(presentWeft);
  say('all present', await mesh.reaches('five'));
  await mesh.stop('control');
  await mesh.startControl(older);
  say(`rolled back: control plane of ${older.label}, sidecars present`, await mesh.reaches('six'));
  await mesh.carries(1_000, INSTANCES);
  await mesh.stop('caller');
}

function record(mesh: SkewMesh, version: string): void {
  const lines = readFileSync(mesh.recording, 'utf8').split('\n');
  const said = (side: string): string[] =>
    lines
      .filter((line) => line.startsWith(`${side} `))
      .slice(0, RECORDED)
      .map((line) => line.slice(side.length + 1));
  const file = new URL(`transcripts/${version}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify({ version, server: said('server'), client: said('client') }, null, 1)}\n`);
  console.log(
    `  recorded ${said('server').length} messages of the control plane and ${said('client').length} of sidecars`,
  );
}

function say(what: string, ms: number): void {
  console.log(`  ${what}: a change is in force after ${Math.round(ms)} ms`);
}

import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TimerWheel, systemClock } from '@weft/kernel';
import { FakeClock, eventually } from '@weft/testkit';
import { RecordedLog } from '../control-harness.ts';
import type { ConfigPlace } from './config-place.ts';
import { FileSource } from './file-source.ts';
import { testSource } from './source-contract.ts';

const WAIT_MS = 3000;

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-files-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function startedWheel(t: TestContext): TimerWheel {
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  t.after(() => wheel.stop());
  return wheel;
}

function serviceText(name: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {ports: [{port: 80}]}\n`;
}

testSource('files', (t, texts) => {
  const folder = temporaryFolder(t);
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
  return {
    source: new FileSource({ folder, clock: systemClock, wheel: startedWheel(t), log: new RecordedLog() }),
    write: (place, text) => writeFileSync(join(folder, place), text),
    remove: (place) => unlinkSync(join(folder, place)),
  };
});

async function follow(t: TestContext, folder: string, rescanMs = 100) {
  const log = new RecordedLog();
  const source = new FileSource({ folder, clock: systemClock, wheel: startedWheel(t), log, rescanMs });
  const sets: (readonly ConfigPlace[])[] = [];
  const started = await source.start((places) => sets.push(places));
  t.after(() => source.stop());
  const names = (): string =>
    (sets.at(-1) ?? []).flatMap(({ objects }) => objects.map(({ result }) => result.ref.name)).join();
  return { sets, started, names, log };
}

test('folders inside are read, hidden files and other endings are not, circles of links end', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'inner', 'deep'), { recursive: true });
  writeFileSync(join(folder, 'inner', 'deep', 'a.yml'), serviceText('a'));
  writeFileSync(
    join(folder, 'b.json'),
    JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' }, spec: {} }),
  );
  writeFileSync(join(folder, '.c.yaml'), serviceText('c'));
  writeFileSync(join(folder, 'd.yaml~'), serviceText('d'));
  symlinkSync(folder, join(folder, 'inner', 'circle'));
  const { names, sets } = await follow(t, folder);
  assert.equal(names(), 'b,a');
  assert.equal(sets[0]?.[0]?.name, join(folder, 'b.json'));
});

test('a swapped link, which is how a mounted ConfigMap changes, is noticed', async (t) => {
  const folder = temporaryFolder(t);
  for (const [version, name] of [
    ['..v1', 'one'],
    ['..v2', 'two'],
  ] as const) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'a.yaml'), serviceText(name));
  }
  symlinkSync('..v1', join(folder, '..data'));
  symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
  const { names } = await follow(t, folder);
  assert.equal(names(), 'one');
  symlinkSync('..v2', join(folder, '..next'));
  renameSync(join(folder, '..next'), join(folder, '..data'));
  await eventually(() => names() === 'two', WAIT_MS);
});

test('a change of which no event tells is found by looking', async (t) => {
  const outside = temporaryFolder(t);
  writeFileSync(join(outside, 'a.yaml'), serviceText('one'));
  const folder = temporaryFolder(t);
  symlinkSync(outside, join(folder, 'linked'));
  const { names } = await follow(t, folder);
  assert.equal(names(), 'one');
  // The watcher doesn't follow links, so nobody says a word of this.
  writeFileSync(join(outside, 'a.yaml'), serviceText('two'));
  await eventually(() => names() === 'two', WAIT_MS);
});

test('a file of the same size and times but other content is read again while it is young', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'a.yaml');
  writeFileSync(path, serviceText('one'));
  const { names } = await follow(t, folder);
  const young = new Date();
  utimesSync(path, young, young);
  writeFileSync(path, serviceText('two'));
  utimesSync(path, young, young);
  await eventually(() => names() === 'two', WAIT_MS);
});

test('without a change nothing is handed over, however often the folder is looked at', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'a.yaml'), serviceText('a'));
  const clock = new FakeClock({ wallStartMs: Date.now() + 3_600_000 });
  const sets: unknown[] = [];
  const source = new FileSource({ folder, clock, wheel: clock.wheel(), log: new RecordedLog(), rescanMs: 1000 });
  await source.start((places) => sets.push(places));
  for (let round = 0; round < 5; round += 1) await clock.advanceSettled(1500);
  await source.stop();
  assert.equal(sets.length, 1);
});

test('a folder that goes away leaves the last set in force and is said once', async (t) => {
  const folder = temporaryFolder(t);
  const inner = join(folder, 'mesh');
  mkdirSync(inner);
  writeFileSync(join(inner, 'a.yaml'), serviceText('a'));
  const { names, sets, log } = await follow(t, inner, 30);
  renameSync(inner, join(folder, 'away'));
  await eventually(() => log.lines.some((line) => line.includes('the last configuration stays in force')), WAIT_MS);
  assert.equal(names(), 'a');
  renameSync(join(folder, 'away'), inner);
  writeFileSync(join(inner, 'b.yaml'), serviceText('b'));
  await eventually(() => names() === 'a,b', WAIT_MS);
  assert.equal(log.lines.filter((line) => line.includes('stays in force')).length, 1);
  assert.ok(sets.length >= 2);
});

test(
  'a file that may not be read is there, not whole, and says why',
  { skip: process.getuid?.() === 0 ? 'root may read every file' : false },
  async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'a.yaml'), serviceText('a'));
    chmodSync(join(folder, 'a.yaml'), 0o000);
    const { sets } = await follow(t, folder);
    assert.equal(sets[0]?.[0]?.whole, false);
    assert.match(sets[0]?.[0]?.problems[0]?.message ?? '', /EACCES/);
  },
);

test('a folder that is none is refused in one line', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  const { started } = await follow(t, join(folder, 'file'));
  assert.ok(!started.ok && /is not a folder/.test(started.error));
});

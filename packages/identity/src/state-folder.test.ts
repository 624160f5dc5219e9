import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { openSealedFolder } from './sealed-file.ts';
import { openStateFolder } from './state-folder.ts';
import { bundleOf, makeCa, makeLeaf } from './svid-cases.ts';
import { readWorkloadSvid } from './workload-svid.ts';

const nowMs = Date.UTC(2026, 5, 1);
const root = makeCa(nowMs);
const bundle = bundleOf(root, makeCa(nowMs));

function svid() {
  const leaf = makeLeaf(nowMs, root);
  const read = readWorkloadSvid(leaf.keyPem, leaf.pem);
  assert.ok(read.ok);
  return read.value;
}

function folder(t: TestContext) {
  const base = mkdtempSync(join(tmpdir(), 'weft-state-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const opened = openStateFolder(join(base, 'a', 'b'));
  assert.ok(opened.ok);
  return opened.value;
}

test('what is written is read back, in a folder 0700 with files 0600', async (t) => {
  const state = folder(t);
  const own = svid();
  const snapshot = Buffer.from([0, 1, 2, 255]);
  assert.ok(state.writeSvid(own).ok && state.writeBundle(bundle).ok && (await state.writeSnapshot([snapshot])).ok);
  const stored = state.read();
  assert.equal(stored.svid?.id, own.id);
  assert.equal(stored.svid?.leafFingerprint, own.leafFingerprint);
  assert.equal(stored.bundle?.generation, bundle.generation);
  assert.deepEqual(stored.snapshot, snapshot);
  assert.deepEqual(stored.faults, []);
  assert.equal(statSync(state.path).mode & 0o777, 0o700);
  for (const name of readdirSync(state.path)) {
    assert.equal(statSync(join(state.path, name)).mode & 0o777, 0o600, name);
  }
});

test('a new folder holds nothing and has no faults', (t) => {
  const stored = folder(t).read();
  assert.deepEqual(stored, { svid: undefined, bundle: undefined, snapshot: undefined, faults: [] });
});

test('a rewrite replaces the file and leaves nothing else behind', async (t) => {
  const state = folder(t);
  for (let round = 0; round < 3; round++) assert.ok((await state.writeSnapshot([Buffer.from(`snapshot ${round}`)])).ok);
  assert.deepEqual(readdirSync(state.path), ['snapshot']);
  assert.equal(state.read().snapshot?.toString(), 'snapshot 2');
});

test('a snapshot with any byte changed or cut is damaged, and costs nothing but itself', async (t) => {
  const state = folder(t);
  assert.ok(state.writeSvid(svid()).ok && (await state.writeSnapshot([Buffer.from('the last good one')])).ok);
  const path = join(state.path, 'snapshot');
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 0x20;
    for (const content of [changed, whole.subarray(0, at)]) {
      writeFileSync(path, content);
      const stored = state.read();
      assert.equal(stored.snapshot, undefined);
      assert.equal(stored.faults[0]?.reason, 'damaged');
      assert.ok(stored.svid !== undefined);
    }
  }
});

test('a leaf with the key of another, and a torn one, are damaged', (t) => {
  const state = folder(t);
  const path = join(state.path, 'svid.pem');
  for (const text of [svid().keyPem + svid().certificatesPem, svid().keyPem, '', 'x'.repeat(100)]) {
    writeFileSync(path, text, { mode: 0o600 });
    const stored = state.read();
    assert.equal(stored.svid, undefined);
    assert.equal(stored.faults[0]?.reason, 'damaged');
  }
});

test('a key that others may read is refused, with what to do', (t) => {
  const state = folder(t);
  assert.ok(state.writeSvid(svid()).ok);
  const path = join(state.path, 'svid.pem');
  for (const mode of [0o644, 0o640, 0o602]) {
    chmodSync(path, mode);
    const [fault] = state.read().faults;
    assert.equal(fault?.reason, 'mode');
    assert.match(fault.message, /chmod 0600 /);
  }
});

test('a folder that others may enter is refused, and so is a link in its place', (t) => {
  const state = folder(t);
  chmodSync(state.path, 0o755);
  const open = openStateFolder(state.path);
  assert.equal(open.ok ? 'ok' : open.error.reason, 'mode');
  chmodSync(state.path, 0o700);
  const link = `${state.path}-link`;
  symlinkSync(state.path, link);
  const linked = openSealedFolder(link);
  assert.equal(linked.ok ? 'ok' : linked.error.reason, 'not-a-file');
});

test('a link or a folder where a file should be is refused', (t) => {
  const state = folder(t);
  writeFileSync(join(state.path, 'elsewhere'), 'x', { mode: 0o600 });
  symlinkSync(join(state.path, 'elsewhere'), join(state.path, 'snapshot'));
  mkdirSync(join(state.path, 'bundle'));
  const reasons = state.read().faults.map((fault) => fault.reason);
  assert.deepEqual(reasons, ['not-a-file', 'not-a-file']);
});

test('a disk that refuses gives an error value, and the old content stays', async (t) => {
  const state = folder(t);
  assert.ok((await state.writeSnapshot([Buffer.from('old')])).ok);
  // A folder in the place of the new file makes the rename fail whoever runs this test; modes would not stop root.
  const path = join(state.path, 'bundle');
  mkdirSync(path);
  const refused = state.writeBundle(bundle);
  assert.equal(refused.ok ? 'ok' : refused.error.reason, 'disk');
  assert.deepEqual(readdirSync(state.path).sort(), ['bundle', 'snapshot']);
  rmSync(state.path, { recursive: true });
  assert.equal((await state.writeSnapshot([Buffer.from('new')])).ok, false);
});

test('a folder below a file cannot be made, and that is said', (t) => {
  const state = folder(t);
  writeFileSync(join(state.path, 'file'), '');
  const opened = openStateFolder(join(state.path, 'file', 'below'));
  assert.equal(opened.ok ? 'ok' : opened.error.reason, 'disk');
});

test('everything is forgotten on demand', (t) => {
  const state = folder(t);
  assert.ok(state.writeSvid(svid()).ok && state.writeBundle(bundle).ok);
  assert.ok(state.clear().ok && state.clear().ok);
  assert.deepEqual(readdirSync(state.path), []);
});

test('of many snapshots written at once the newest is the one that stays', async (t) => {
  const state = folder(t);
  const writes = Array.from({ length: 20 }, (_, index) => state.writeSnapshot([Buffer.from(`snapshot ${index}`)]));
  for (const written of await Promise.all(writes)) assert.ok(written.ok);
  assert.equal(state.read().snapshot?.toString(), 'snapshot 19');
  assert.deepEqual(readdirSync(state.path), ['snapshot']);
});

test('a snapshot that cannot be written says so, and a later one is tried again', async (t) => {
  const state = folder(t);
  mkdirSync(join(state.path, 'snapshot'));
  const refused = await state.writeSnapshot([Buffer.from('one')]);
  assert.equal(refused.ok ? 'ok' : refused.error.reason, 'disk');
  assert.deepEqual(readdirSync(state.path), ['snapshot']);
  rmSync(join(state.path, 'snapshot'), { recursive: true });
  assert.ok((await state.writeSnapshot([Buffer.from('two')])).ok);
  assert.equal(state.read().snapshot?.toString(), 'two');
});

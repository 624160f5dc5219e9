import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { openAuthorityFolder, readAuthorityFiles } from './authority-folder.ts';
import { cartId, makeCa, trustDomain } from './svid-cases.ts';
import { verifySvid } from './svid.ts';

const nowMs = Date.UTC(2026, 5, 1);
const dayMs = 86_400_000;

function optionsIn(t: TestContext) {
  const base = mkdtempSync(join(tmpdir(), 'weft-authority-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  return { path: join(base, 'authority'), trustDomain, rootLifetimeMs: 3650 * dayMs, nowMs };
}

async function opened(options: ReturnType<typeof optionsIn>) {
  const folder = await openAuthorityFolder(options);
  assert.ok(folder.ok, JSON.stringify(folder));
  return folder.value;
}

test('an empty folder gets a root, sealed, which is the same after a restart', async (t) => {
  const options = optionsIn(t);
  const first = await opened(options);
  const svid = await first.signing.issueOwn(cartId, dayMs, nowMs);
  assert.ok(svid.ok);
  for (const name of readdirSync(options.path)) {
    assert.equal(statSync(join(options.path, name)).mode & 0o777, 0o600, name);
  }
  const again = await opened(options);
  assert.equal(again.bundle.generation, first.bundle.generation);
  assert.ok(verifySvid(svid.value.chain, again.bundle, nowMs, 'client').ok);
});

test('a root is changed step by step, and leaves of both are good in between', async (t) => {
  const options = optionsIn(t);
  const folder = await opened(options);
  const old = folder.signing;
  const before = await old.issueOwn(cartId, dayMs, nowMs);
  const next = await folder.prepare(nowMs);
  assert.ok(before.ok && next.ok);
  assert.equal(folder.bundle.roots.length, 2);
  assert.equal(folder.signing, old, 'prepared is not signing');
  assert.ok(folder.activate(next.value.signerFingerprint).ok);
  const after = await folder.signing.issueOwn(cartId, dayMs, nowMs);
  assert.ok(after.ok);
  for (const svid of [before.value, after.value]) {
    assert.ok(verifySvid(svid.chain, folder.bundle, nowMs, 'server').ok);
  }
  assert.equal((await opened(options)).signing.signerFingerprint, next.value.signerFingerprint);
  assert.ok(folder.remove(old.signerFingerprint).ok);
  assert.equal(verifySvid(before.value.chain, folder.bundle, nowMs, 'server').ok, false);
  assert.ok(verifySvid(after.value.chain, folder.bundle, nowMs, 'server').ok);
  assert.equal((await opened(options)).bundle.roots.length, 1);
});

test('the signing authority is not removed, and an unknown one not activated', async (t) => {
  const folder = await opened(optionsIn(t));
  assert.equal(folder.remove(folder.signing.signerFingerprint).ok, false);
  assert.equal(folder.activate('00').ok, false);
  assert.equal(folder.bundle.roots.length, 1);
});

test('an authority of the user is taken in, and wrong material is not', async (t) => {
  const folder = await opened(optionsIn(t));
  const given = makeCa(nowMs);
  const added = await folder.add({ certificatePem: given.pem, keyPem: given.keyPem });
  assert.ok(added.ok && folder.activate(added.value.signerFingerprint).ok);
  const wrong = await folder.add({ certificatePem: given.pem, keyPem: makeCa(nowMs).keyPem });
  assert.match(wrong.ok ? '' : wrong.error.message, /key-mismatch/);
});

test('a key that others may read stops the start, with what to do', async (t) => {
  const options = optionsIn(t);
  await opened(options);
  const name = readdirSync(options.path).find((file) => file.startsWith('authority-'))!;
  chmodSync(join(options.path, name), 0o644);
  const refused = await openAuthorityFolder(options);
  assert.equal(refused.ok ? 'ok' : refused.error.reason, 'mode');
  assert.match(refused.ok ? '' : refused.error.message, /mode 0644\); run: chmod 0600 /);
});

test('a lost or damaged authority stops the start instead of making a new root', async (t) => {
  const options = optionsIn(t);
  await opened(options);
  const path = join(
    options.path,
    readdirSync(options.path).find((file) => file.startsWith('authority-'))!,
  );
  writeFileSync(path, 'damaged');
  const damaged = await openAuthorityFolder(options);
  assert.equal(damaged.ok ? 'ok' : damaged.error.reason, 'damaged');
  unlinkSync(path);
  const lost = await openAuthorityFolder(options);
  assert.equal(lost.ok ? 'ok' : lost.error.reason, 'damaged');
});

test('a key file of the user must be sealed', (t) => {
  const base = mkdtempSync(join(tmpdir(), 'weft-key-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const given = makeCa(nowMs);
  const path = join(base, 'ca.key');
  writeFileSync(path, given.keyPem, { mode: 0o600 });
  assert.ok(readAuthorityFiles(path, given.pem).ok);
  chmodSync(path, 0o640);
  const open = readAuthorityFiles(path, given.pem);
  assert.equal(open.ok ? 'ok' : open.error.reason, 'mode');
});

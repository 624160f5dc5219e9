import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openAuthorityFolder } from '@weft/identity';
import { fail, ok } from '@weft/kernel';
import { KubeClient, SecretStore } from '@weft/kube';
import { ScriptedApiServer } from '@weft/testkit';
import { copyToFolder, isFolder, publishRoot, shareRoot } from './root-secret.ts';

async function begin(t: TestContext) {
  const server = new ScriptedApiServer();
  const url = await server.listen();
  const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft' });
  const base = mkdtempSync(join(tmpdir(), 'weft-root-'));
  t.after(async () => {
    await client.close();
    await server.close();
    rmSync(base, { recursive: true, force: true });
  });
  const store = new SecretStore(client, 'weft', 'weft-root');
  const replica = (name: string) => {
    const folder = join(base, name, 'ca');
    const open = () =>
      openAuthorityFolder({ path: folder, trustDomain: 'cluster.local', rootLifetimeMs: 1e10, nowMs: 1e12 });
    const make = async () => {
      const opened = await open();
      return opened.ok ? opened : fail(opened.error.message);
    };
    const signer = async (): Promise<string> => {
      const opened = await open();
      return opened.ok ? opened.value.signing.signerFingerprint : opened.error.message;
    };
    return { folder, make, signer };
  };
  return { server, store, replica };
}

test('of replicas that race all end with the root of the one that was first', async (t) => {
  const { store, replica } = await begin(t);
  const replicas = ['one', 'two', 'three'].map(replica);
  const shared = await Promise.all(replicas.map(({ folder, make }) => shareRoot(store, folder, make)));
  assert.equal(shared.filter((each) => each.ok && each.value.isMaker).length, 1);
  const signers = new Set(await Promise.all(replicas.map(({ signer }) => signer())));
  assert.equal(signers.size, 1);
});

test('a Secret that was deleted is made again from a folder, with the same root', async (t) => {
  const { server, store, replica } = await begin(t);
  const { folder, make } = replica('one');
  await shareRoot(store, folder, make);
  const before = server.get('Secret', 'weft', 'weft-root')?.['data'];
  server.remove('Secret', 'weft', 'weft-root');
  const published = await publishRoot(store, folder);
  assert.ok(published.ok);
  assert.deepEqual(server.get('Secret', 'weft', 'weft-root')?.['data'], before);
});

test('a Secret without a signer is refused, and nothing is made in its place', async (t) => {
  const { server, store, replica } = await begin(t);
  const { folder, make } = replica('one');
  server.put({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'weft-root', namespace: 'weft' },
    data: { other: 'eA==' },
  });
  const shared = await shareRoot(store, folder, make);
  assert.ok(!shared.ok && /names no signing authority; restore it from a backup/.test(shared.error));
});

test('copying removes what is no longer there, and writes no file that is no authority', async (t) => {
  const { store, replica } = await begin(t);
  const { folder, make } = replica('one');
  await shareRoot(store, folder, make);
  const found = await store.read();
  assert.ok(found.ok && found.value !== undefined);
  assert.equal(isFolder(folder, found.value.files), true);
  writeFileSync(join(folder, 'authority-0000000000000000.pem'), 'old', { mode: 0o600 });
  assert.equal(isFolder(folder, found.value.files), false);
  const files = new Map([...found.value.files, ['../escape', Buffer.from('x')]]);
  assert.deepEqual(copyToFolder(folder, files), ok(true));
  assert.deepEqual(readdirSync(folder).sort(), [...found.value.files.keys()].sort());
});

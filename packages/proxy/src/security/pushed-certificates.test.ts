import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServerRoot, issueServerCertificate } from '@weft/identity';
import { systemClock } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import type { Log } from '../log.ts';
import { CertificateFolder } from './certificate-folder.ts';
import { PushedCertificates, certificateFolderOf, takesCertificates } from './pushed-certificates.ts';

function place(t: TestContext): { readonly folder: string; readonly log: Log; readonly lines: string[] } {
  const state = mkdtempSync(join(tmpdir(), 'weft-pushed-'));
  t.after(() => rmSync(state, { recursive: true }));
  const lines: string[] = [];
  const say = (message: string): void => void lines.push(message);
  return { folder: join(state, 'certificates'), log: { debug: say, info: say, warn: say, error: say }, lines };
}

async function pushed(name: string) {
  const root = await createServerRoot(3_600_000, systemClock.wallMs());
  const issued = await issueServerCertificate(root, ['shop.example'], 3_600_000, systemClock.wallMs());
  assert.ok(issued.ok);
  return { name, chain: Buffer.from(issued.value.certificatePem), key: Buffer.from(issued.value.keyPem) };
}

test('what is sent is served from the state folder, replaced, and removed when it is sent no more', async (t) => {
  const { folder, log, lines } = place(t);
  const clock = new FakeClock();
  const certificates = new CertificateFolder(folder, clock, log);
  const keeper = new PushedCertificates(folder, log);
  const [first, second, other] = [await pushed('edge/shop'), await pushed('edge/shop'), await pushed('keys/other')];
  keeper.take({ certificates: [first, other] });
  assert.deepEqual(certificates.first(['edge/shop'])?.material.key, first.key);
  assert.ok(certificates.first(['keys/other']) !== undefined);
  assert.equal(statSync(join(folder, 'edge', 'shop', 'tls.key')).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, 'edge')).mode & 0o777, 0o700);
  keeper.take({ certificates: [second] });
  clock.advance(2_001);
  assert.deepEqual(certificates.first(['edge/shop'])?.material.key, second.key);
  assert.equal(existsSync(join(folder, 'keys', 'other')), false);
  assert.deepEqual(
    lines.filter((line) => line.includes('not kept')),
    [],
  );
});

test('a name that leads elsewhere is left alone', async (t) => {
  const { folder, log } = place(t);
  const keeper = new PushedCertificates(folder, log);
  const sent = await pushed('edge/shop');
  keeper.take({
    certificates: ['../up', 'edge/..', 'edge/../../up', 'Edge/x', 'edge'].map((name) => ({ ...sent, name })),
  });
  assert.equal(existsSync(folder), false);
});

test('a gateway with a folder of its own takes none, and a sidecar neither', () => {
  const own = { certificateFolder: '/own', gateway: 'edge/shop', stateFolder: '/state' };
  assert.deepEqual([takesCertificates(own), certificateFolderOf(own)], [false, '/own']);
  const cluster = { ...own, certificateFolder: '' };
  assert.deepEqual([takesCertificates(cluster), certificateFolderOf(cluster)], [true, '/state/certificates']);
  const sidecar = { ...cluster, gateway: '' };
  assert.deepEqual([takesCertificates(sidecar), certificateFolderOf(sidecar)], [false, '']);
});

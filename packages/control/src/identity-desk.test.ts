import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TlsOptions } from 'node:tls';
import { makeKeyAndCsr, readJoinToken } from '@weft/identity';
import { seededRandom } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import { RecordedLog, temporaryFolder } from './control-harness.ts';
import { openIdentityDesk } from './identity-desk.ts';

const SUBJECT = { namespace: 'shop', serviceAccount: 'cart', workload: 'cart' };
const PEER = {
  id: 'spiffe://cluster.local/ns/shop/sa/cart',
  trustDomain: 'cluster.local',
  namespace: 'shop',
  serviceAccount: 'cart',
  notAfterMs: 0,
  rootFingerprint: '',
  leafFingerprint: '',
};

async function open(t: TestContext, folder = join(temporaryFolder(t), 'ca'), trustDomain = 'cluster.local') {
  const clock = new FakeClock();
  const log = new RecordedLog();
  const tls: TlsOptions[] = [];
  const opened = await openIdentityDesk({
    folder,
    trustDomain,
    aliases: [],
    rootLifetimeMs: 3_600_000_000,
    leafLifetimeMs: () => 60_000,
    clock,
    wheel: clock.wheel(),
    random: seededRandom(1),
    log,
    onIssued: () => undefined,
    onRefused: () => undefined,
    onTls: (options) => tls.push(options),
    onTrust: () => undefined,
  });
  assert.ok(opened.ok, opened.ok ? '' : opened.error);
  t.after(() => opened.value.stop());
  return { desk: opened.value, clock, log, tls, folder };
}

function credentialOf(token: string): string {
  const read = readJoinToken(token);
  assert.ok(read.ok);
  return read.value.credential;
}

test('the first start makes a root and says so, the next one signs with it', async (t) => {
  const first = await open(t);
  assert.match(first.log.lines[0] ?? '', /^info made a new root for cluster\.local; its key is sealed in /);
  const second = await open(t, first.folder);
  assert.match(second.log.lines[0] ?? '', /^info signing with the root/);
  assert.equal(second.desk.bundle.generation, first.desk.bundle.generation);
});

test('a leaf says the identity of the token, lives as long as it is to, and comes with the roots', async (t) => {
  const { desk, clock } = await open(t);
  const made = desk.createToken(SUBJECT, '127.0.0.1:1', 0);
  assert.ok(made.ok);
  const { csr } = makeKeyAndCsr();
  const issued = await desk.issue(
    { csr, joinToken: made.value.token, serviceAccountToken: '', certificate: null },
    null,
    '10.0.0.1:5',
  );
  assert.ok(issued.ok);
  assert.equal(issued.value.identity, PEER.id);
  assert.equal(issued.value.notAfterMs, clock.wallMs() + 60_000);
  assert.equal(new X509Certificate(Buffer.from(issued.value.chain[0]!)).subjectAltName, `URI:${PEER.id}`);
  assert.deepEqual(issued.value.trustBundle, desk.trustBundle);
});

test('a bad request spends no token, a good one spends it, whole or by its credential', async (t) => {
  const { desk } = await open(t);
  const made = desk.createToken(SUBJECT, '127.0.0.1:1', 0);
  assert.ok(made.ok);
  const joinToken = credentialOf(made.value.token);
  const bad = await desk.issue(
    { csr: Buffer.from('x'), joinToken, serviceAccountToken: '', certificate: null },
    null,
    '10.0.0.1:5',
  );
  assert.ok(!bad.ok && bad.error.code === 'InvalidArgument');
  const { csr } = makeKeyAndCsr();
  const good = await desk.issue({ csr, joinToken, serviceAccountToken: '', certificate: null }, null, '10.0.0.1:5');
  assert.ok(good.ok);
  const again = await desk.issue(
    { csr, joinToken: made.value.token, serviceAccountToken: '', certificate: null },
    null,
    '10.0.0.1:5',
  );
  assert.ok(!again.ok && again.error.code === 'Unauthenticated' && /used already/.test(again.error.message));
});

test('a token ends when it was said to, ten minutes at most', async (t) => {
  const { desk, clock } = await open(t);
  const { csr } = makeKeyAndCsr();
  const short = desk.createToken(SUBJECT, '127.0.0.1:1', 30_000);
  assert.ok(short.ok);
  assert.equal(short.value.expiresAtMs, clock.wallMs() + 30_000);
  clock.advance(30_001);
  const late = await desk.issue(
    { csr, joinToken: short.value.token, serviceAccountToken: '', certificate: null },
    null,
    '10.0.0.1:5',
  );
  assert.ok(!late.ok && /expired/.test(late.error.message));
  const long = desk.createToken(SUBJECT, '127.0.0.1:1', 3_600_000);
  assert.ok(!long.ok && /at most 10m/.test(long.error.message));
});

test('without an attestation nothing is issued: no token, a made-up one, a renewal without a certificate', async (t) => {
  const { desk } = await open(t);
  const { csr } = makeKeyAndCsr();
  for (const request of [
    { csr, joinToken: '', serviceAccountToken: '', certificate: null },
    { csr, joinToken: '', serviceAccountToken: '', certificate: {} },
    { csr, joinToken: 'weft1.nonsense', serviceAccountToken: '', certificate: null },
    { csr, joinToken: `${'A'.repeat(11)}.${'B'.repeat(43)}`, serviceAccountToken: '', certificate: null },
  ]) {
    const issued = await desk.issue(request, null, '10.0.0.1:5');
    assert.ok(!issued.ok && issued.error.code === 'Unauthenticated', JSON.stringify(issued));
  }
  const renewed = await desk.issue(
    { csr, joinToken: '', serviceAccountToken: '', certificate: {} },
    PEER,
    '10.0.0.1:5',
  );
  assert.ok(renewed.ok && renewed.value.identity === PEER.id);
});

test('the identity of the control plane itself is given to nobody', async (t) => {
  const { desk } = await open(t);
  const subject = { namespace: 'weft-system', serviceAccount: 'weft-control', workload: 'x' };
  const made = desk.createToken(subject, '127.0.0.1:1', 0);
  assert.ok(!made.ok && made.error.code === 'PermissionDenied');
});

test('who asks too often is told to wait', async (t) => {
  const { desk } = await open(t);
  let limited = 0;
  for (let count = 0; count < 230; count += 1) {
    const issued = await desk.issue(
      { csr: Buffer.from('x'), joinToken: '', serviceAccountToken: '', certificate: null },
      null,
      '10.0.0.1:5',
    );
    if (!issued.ok && issued.error.code === 'ResourceExhausted') limited += 1;
  }
  assert.equal(limited, 30);
});

test("the server's own leaf is renewed at half of its life", async (t) => {
  const { clock, tls } = await open(t);
  assert.equal(tls.length, 1);
  await clock.advanceSettled(20_000);
  assert.equal(tls.length, 1);
  await clock.advanceSettled(20_000);
  assert.equal(tls.length, 2);
  assert.notEqual(tls[0]?.cert, tls[1]?.cert);
});

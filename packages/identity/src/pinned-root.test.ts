import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createPlainServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createServer } from 'node:tls';
import { fetchPinnedRoot, withRoot } from './pinned-root.ts';
import { bundleOf, clientAuth, makeCa, makeLeaf, trustDomain } from './svid-cases.ts';
import type { CaseOptions, MadeCertificate } from './svid-cases.ts';
import { meshContext, meshServerOptions } from './tls-context.ts';
import { readWorkloadSvid } from './workload-svid.ts';

const nowMs = Date.now();
const root = makeCa(nowMs);
const second = makeCa(nowMs);
const bundle = bundleOf(root, second);

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function controlServer(issuer: MadeCertificate, sendsRoots = true, options: CaseOptions = {}) {
  const leaf = makeLeaf(nowMs, issuer, options);
  const svid = readWorkloadSvid(leaf.keyPem, leaf.pem);
  assert.ok(svid.ok);
  const sent = sendsRoots ? withRoot(svid.value, bundle) : svid.value;
  const context = meshContext(sent, bundle);
  // The control plane asks for a certificate but lets those without one speak to Identity.Issue.
  return createServer({ ...meshServerOptions(context, []), rejectUnauthorized: false, ALPNProtocols: ['h2'] });
}

function fetch(port: number, rootFingerprint: string, timeoutMs = 5000) {
  return fetchPinnedRoot({ host: '127.0.0.1', port, trustDomain, rootFingerprint, timeoutMs, wallMs: () => nowMs });
}

const fingerprintOf = (made: MadeCertificate) => made.certificate.fingerprint256.replaceAll(':', '').toLowerCase();

test('the pinned root is found among several behind the leaf', async (t) => {
  const port = await listening(t, controlServer(root));
  const found = await fetch(port, fingerprintOf(root));
  assert.equal(found.ok && found.value.generation, bundleOf(root).generation);
  const other = await listening(t, controlServer(second));
  assert.ok((await fetch(other, fingerprintOf(second))).ok);
});

test('a server that offers the pinned root but is not vouched for by it is refused', async (t) => {
  // Anyone may send our root: it is public. The leaf must be its own.
  const port = await listening(t, controlServer(makeCa(nowMs, { subject: root.subject })));
  const found = await fetch(port, fingerprintOf(root));
  assert.equal(found.ok ? 'ok' : found.error.reason, 'untrusted');
});

test('a server with a leaf for clients only is refused', async (t) => {
  const port = await listening(t, controlServer(root, true, { extendedKeyUsages: [clientAuth] }));
  const found = await fetch(port, fingerprintOf(root));
  assert.equal(found.ok ? 'ok' : found.error.reason, 'extended-key-usage');
});

test('a server without the pinned root is refused', async (t) => {
  const port = await listening(t, controlServer(second, false));
  const found = await fetch(port, fingerprintOf(root));
  assert.equal(found.ok ? 'ok' : found.error.reason, 'root-not-offered');
});

test('a port nobody listens on, one that closes and one that is silent each have their reason', async (t) => {
  const closing = createPlainServer((socket) => socket.destroy());
  const port = await listening(t, closing);
  const closed = await fetch(port, fingerprintOf(root));
  assert.equal(closed.ok ? 'ok' : closed.error.reason, 'unreachable');
  const silent = createPlainServer((socket) => void socket.on('error', () => {}).resume());
  const quiet = await fetch(await listening(t, silent), fingerprintOf(root), 50);
  assert.equal(quiet.ok ? 'ok' : quiet.error.reason, 'timeout');
  const gone = createPlainServer();
  const free = await listening(t, gone);
  gone.close();
  await once(gone, 'close');
  const refused = await fetch(free, fingerprintOf(root));
  assert.equal(refused.ok ? 'ok' : refused.error.detail, 'ECONNREFUSED');
});

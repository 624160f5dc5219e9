/** Real handshakes on loopback. What counts is bytes that reached the application. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain, createServer as createPlainServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { TLSSocket, connect, createServer } from 'node:tls';
import type { ConnectionOptions, Server as TlsServer } from 'node:tls';
import { setImmediate as turn } from 'node:timers/promises';
import { createAuthority, readAuthority } from './authority.ts';
import {
  bundleOf,
  cartId,
  clientAuth,
  makeCa,
  makeLeaf,
  permittedHosts,
  serverAuth,
  trustDomain,
} from './svid-cases.ts';
import type { CaseOptions, MadeCertificate } from './svid-cases.ts';
import { checkPeer } from './svid.ts';
import type { PeerIdentity } from './svid.ts';
import { meshClientOptions, meshContext, meshProtocol, meshServerOptions } from './tls-context.ts';
import type { KeyAgreement, MeshContext } from './tls-context.ts';
import type { TrustBundle } from './trust-bundle.ts';
import { toCaPem, uniteBundles } from './trust-bundle.ts';
import { readWorkloadSvid } from './workload-svid.ts';

const nowMs = Date.now();
const dayMs = 86_400_000;
const root = makeCa(nowMs);
const bundle = bundleOf(root);
const payId = 'spiffe://cluster.local/ns/shop/sa/pay';
const server = contextOf(makeLeaf(nowMs, root, { uris: [payId] }));

function contextOf(leaf: MadeCertificate, trusted = bundle, chainPem = '', agreement?: KeyAgreement): MeshContext {
  const svid = readWorkloadSvid(leaf.keyPem, leaf.pem + chainPem);
  assert.ok(svid.ok);
  return meshContext(svid.value, trusted, agreement);
}

interface Listener {
  readonly port: number;
  /** Bytes the application read. */
  received: number;
  readonly identities: PeerIdentity[];
  readonly refusals: string[];
  /** Connections whose handshake ended well or badly, and then closed. */
  closed: number;
  readonly tls: TlsServer;
}

type Kind = 'tls server' | 'sniffed, then handed to the tls server' | 'TLSSocket made by hand';
const kinds: readonly Kind[] = ['tls server', 'sniffed, then handed to the tls server', 'TLSSocket made by hand'];

/** The accept patterns as svid.ts documents them. */
async function listen(t: TestContext, kind: Kind, context = server, trusted: () => TrustBundle = () => bundle) {
  const options = meshServerOptions(context, ['weft-http/1.1']);
  const tls = createServer(options);
  const state: Listener = { port: 0, received: 0, identities: [], refusals: [], closed: 0, tls };
  const accept = (socket: TLSSocket) => {
    socket.on('error', () => {});
    const peer = checkPeer(socket, trusted(), Date.now(), 'client');
    if (!peer.ok) {
      state.refusals.push(peer.error.reason);
      socket.destroy();
      return;
    }
    state.identities.push(peer.value);
    socket.on('data', (chunk: Buffer) => {
      state.received += chunk.length;
      socket.write(chunk);
    });
  };
  tls.on('secureConnection', accept);
  let front: Server = tls;
  if (kind !== 'tls server') {
    front = createPlainServer((raw) => {
      raw.on('error', () => {});
      raw.once('readable', () => {
        const head = raw.read() as Buffer | null;
        if (head === null) return;
        // 22 is a TLS handshake record: what detection looks at.
        assert.equal(head[0], 22);
        raw.unshift(head);
        if (kind === 'TLSSocket made by hand') {
          const socket = new TLSSocket(raw, { ...options, isServer: true, secureContext: context.context });
          socket.on('error', () => {});
          socket.once('secure', () => accept(socket));
        } else {
          tls.emit('connection', raw);
        }
      });
    });
  }
  front.on('connection', (socket: Socket) => socket.once('close', () => (state.closed += 1)));
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => front.close());
  return Object.assign(state, { port: (front.address() as AddressInfo).port });
}

/** Connects, sends as early as it can, and waits until an echo or the end. */
async function attempt(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ...options });
  socket.on('error', () => {});
  // Written before the handshake ends: it leaves right behind the client's Finished.
  socket.write('hello');
  return new Promise((resolve) => {
    socket.once('data', (chunk: Buffer) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.once('close', () => resolve('closed'));
  });
}

/** As a client that obeys no rule of ours. */
function anyClient(leaf: MadeCertificate | undefined): ConnectionOptions {
  const own = leaf === undefined ? {} : { key: leaf.keyPem, cert: leaf.pem };
  return { ...own, rejectUnauthorized: false, checkServerIdentity: () => undefined, ALPNProtocols: ['weft-http/1.1'] };
}

const foreignRoot = makeCa(nowMs, { subject: root.subject });
const strangers: readonly (readonly [string, MadeCertificate | undefined])[] = [
  ['without a certificate', undefined],
  ['of a foreign root', makeLeaf(nowMs, foreignRoot)],
  ['with an expired leaf', makeLeaf(nowMs, root, { notBeforeMs: nowMs - 2 * dayMs, notAfterMs: nowMs - dayMs })],
  [
    'with a leaf that begins tomorrow',
    makeLeaf(nowMs, root, { notBeforeMs: nowMs + dayMs, notAfterMs: nowMs + 2 * dayMs }),
  ],
  ...(
    [
      // OpenSSL takes most of these as they are: they are why the check is our own.
      ['with two URI names', { uris: [cartId, payId] }],
      ['with a leaf that is a CA', { isCa: true }],
      ['without a name', { uris: [] }],
      ['without key usage', { keyUsage: undefined }],
      ['with NUL in its name', { uris: [`${cartId}\0x`] }],
      ['of another trust domain', { uris: ['spiffe://other.local/ns/shop/sa/cart'] }],
      ['with a leaf for servers', { extendedKeyUsages: [serverAuth] }],
    ] as readonly (readonly [string, CaseOptions])[]
  ).map(([name, options]) => [name, makeLeaf(nowMs, root, options)] as const),
];

for (const kind of kinds) {
  test(`${kind}: a right client is known by its SPIFFE ID and served`, async (t) => {
    const listener = await listen(t, kind);
    const context = contextOf(makeLeaf(nowMs, root));
    assert.equal(await attempt(listener.port, meshClientOptions(context, ['weft-http/1.1'])), 'hello');
    assert.equal(listener.identities[0]?.id, cartId);
    assert.equal(listener.received, 5);
  });

  for (const [name, leaf] of strangers) {
    test(`${kind}: a client ${name} delivers 0 bytes`, async (t) => {
      const listener = await listen(t, kind);
      assert.equal(await attempt(listener.port, anyClient(leaf)), 'closed');
      while (listener.closed === 0) await turn();
      assert.equal(listener.received, 0);
      assert.equal(listener.identities.length, 0);
    });
  }
}

test('a client behind an intermediate is believed when it sends the intermediate', async (t) => {
  const listener = await listen(t, 'tls server');
  const between = makeCa(nowMs, {}, root);
  const context = contextOf(makeLeaf(nowMs, between), bundle, between.pem);
  assert.equal(await attempt(listener.port, meshClientOptions(context, ['weft-http/1.1'])), 'hello');
  assert.equal(listener.identities[0]?.rootFingerprint, bundle.roots[0]!.fingerprint);
});

test('OpenSSL too believes the leaves our own authority issues, on both sides', async (t) => {
  const material = await createAuthority({ trustDomain, lifetimeMs: dayMs, nowMs });
  const authority = await readAuthority(material, trustDomain);
  assert.ok(authority.ok);
  const trusted = authority.value.bundle;
  const [pay, cart] = [
    await authority.value.issueOwn(payId, 60_000, nowMs),
    await authority.value.issueOwn(cartId, 60_000, nowMs),
  ];
  assert.ok(pay.ok && cart.ok);
  for (const kind of kinds) {
    const listener = await listen(t, kind, meshContext(pay.value, trusted), () => trusted);
    const client = meshClientOptions(meshContext(cart.value, trusted), ['weft-http/1.1']);
    assert.equal(await attempt(listener.port, client), 'hello');
    assert.equal(listener.identities[0]?.id, cartId);
  }
});

test('OpenSSL too keeps a root to the trust domain it is confined to', async (t) => {
  const confined = makeCa(nowMs, { extraExtensions: [permittedHosts(trustDomain)] });
  const trusted = bundleOf(confined);
  const errors: string[] = [];
  const context = contextOf(makeLeaf(nowMs, confined, { uris: [payId] }), trusted);
  const listener = await listen(t, 'tls server', context, () => trusted);
  listener.tls.on('tlsClientError', (error: NodeJS.ErrnoException) => errors.push(error.code ?? error.message));
  assert.equal(await attempt(listener.port, anyClient(makeLeaf(nowMs, confined))), 'hello');
  const foreign = makeLeaf(nowMs, confined, { uris: ['spiffe://other.local/ns/shop/sa/cart'] });
  assert.equal(await attempt(listener.port, anyClient(foreign)), 'closed');
  assert.equal(listener.identities.length, 1);
  // Refused by the TLS server itself: the event that our check listens to never came.
  assert.deepEqual(listener.refusals, []);
  assert.equal(errors.length, 1);
});

test('a client refuses a server of a foreign root and knows a right one', async (t) => {
  const own = contextOf(makeLeaf(nowMs, root));
  const foreign = contextOf(makeLeaf(nowMs, foreignRoot, { uris: [payId] }), bundleOf(foreignRoot));
  const bad = await listen(t, 'tls server', foreign);
  assert.equal(await attempt(bad.port, meshClientOptions(own, ['weft-http/1.1'])), 'closed');
  const good = await listen(t, 'tls server');
  const socket = connect({
    host: '127.0.0.1',
    port: good.port,
    ...meshClientOptions(own, ['weft-h2', 'weft-http/1.1']),
  });
  await once(socket, 'secureConnect');
  const peer = checkPeer(socket, bundle, Date.now(), 'server');
  assert.equal(peer.ok && peer.value.id, payId);
  assert.equal(meshProtocol(socket), 'weft-http/1.1');
  assert.equal(socket.getProtocol(), 'TLSv1.3');
  socket.destroy();
});

test('a server whose leaf is for clients only is refused by the client', async (t) => {
  const leaf = makeLeaf(nowMs, root, { uris: [payId], extendedKeyUsages: [clientAuth] });
  const listener = await listen(t, 'tls server', contextOf(leaf));
  const socket = connect({ host: '127.0.0.1', port: listener.port, ...anyClient(makeLeaf(nowMs, root)) });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const peer = checkPeer(socket, bundle, Date.now(), 'server');
  assert.equal(peer.ok ? 'ok' : peer.error.reason, 'extended-key-usage');
  socket.destroy();
});

test('what only OpenSSL finds is refused too', async (t) => {
  // The listener's context knows one root, the bundle given to the check two: our rules pass, OpenSSL's do not.
  const second = makeCa(nowMs);
  const listener = await listen(t, 'TLSSocket made by hand', server, () => uniteBundles(bundle, bundleOf(second)));
  assert.equal(await attempt(listener.port, anyClient(makeLeaf(nowMs, second))), 'closed');
  assert.deepEqual(listener.refusals, ['verify-error']);
  assert.equal(listener.received, 0);
});

test('another ALPN, and TLS 1.2, end in the handshake', async (t) => {
  const listener = await listen(t, 'tls server');
  const leaf = makeLeaf(nowMs, root);
  assert.equal(await attempt(listener.port, { ...anyClient(leaf), ALPNProtocols: ['h2'] }), 'closed');
  assert.equal(await attempt(listener.port, { ...anyClient(leaf), maxVersion: 'TLSv1.2' }), 'closed');
  assert.equal(listener.received, 0);
});

test('the hybrid group is agreed on by default and left out on demand', async (t) => {
  const listener = await listen(t, 'tls server');
  // A client that offers only the one group is served only when the server has it.
  const leaf = makeLeaf(nowMs, root);
  assert.equal(await attempt(listener.port, { ...anyClient(leaf), ecdhCurve: 'X25519MLKEM768' }), 'hello');
  const classical = contextOf(makeLeaf(nowMs, root, { uris: [payId] }), bundle, '', 'classical');
  const old = await listen(t, 'tls server', classical);
  assert.equal(await attempt(old.port, { ...anyClient(leaf), ecdhCurve: 'X25519MLKEM768' }), 'closed');
  assert.equal(await attempt(old.port, { ...anyClient(leaf), ecdhCurve: 'X25519' }), 'hello');
});

test('a session that is offered is not resumed: every connection shows its certificate', async (t) => {
  const listener = await listen(t, 'tls server');
  const leaf = makeLeaf(nowMs, root);
  const sessions: Buffer[] = [];
  for (let round = 0; round < 3; round++) {
    const offered = sessions.at(-1);
    const socket = connect({
      host: '127.0.0.1',
      port: listener.port,
      ...anyClient(leaf),
      ...(offered === undefined ? {} : { session: offered }),
    });
    socket.on('session', (session: Buffer) => sessions.push(session));
    socket.write('hello');
    await once(socket, 'data');
    assert.equal(socket.isSessionReused(), false);
    assert.ok(socket.getPeerX509Certificate() !== undefined);
    socket.destroy();
  }
  assert.ok(sessions.length > 0, 'the server did hand out sessions, so they were offered');
  assert.equal(listener.identities.length, 3);
});

test('a new leaf and new roots take effect on a live server, and open connections stay', async (t) => {
  let trusted = bundle;
  const listener = await listen(t, 'tls server', server, () => trusted);
  const oldLeaf = makeLeaf(nowMs, root);
  const socket = connect({ host: '127.0.0.1', port: listener.port, ...anyClient(oldLeaf) });
  socket.write('one');
  assert.equal(String((await once(socket, 'data'))[0]), 'one');
  const before = socket.getPeerX509Certificate()?.fingerprint256;

  const next = makeCa(nowMs);
  trusted = uniteBundles(bundle, bundleOf(next));
  const rotated = contextOf(makeLeaf(nowMs, next, { uris: [payId] }), trusted);
  assert.notEqual(rotated.generation, server.generation);
  listener.tls.setSecureContext(rotated.material);
  // Clients under the old root and under the new one, while both are trusted.
  assert.equal(await attempt(listener.port, anyClient(oldLeaf)), 'hello');
  assert.equal(await attempt(listener.port, anyClient(makeLeaf(nowMs, next))), 'hello');
  assert.equal(await attempt(listener.port, anyClient(undefined)), 'closed');

  trusted = bundleOf(next);
  listener.tls.setSecureContext(contextOf(makeLeaf(nowMs, next, { uris: [payId] }), trusted).material);
  assert.equal(await attempt(listener.port, anyClient(oldLeaf)), 'closed');
  assert.equal(await attempt(listener.port, anyClient(makeLeaf(nowMs, next))), 'hello');

  socket.write('two');
  assert.equal(String((await once(socket, 'data'))[0]), 'two');
  const fresh = connect({ host: '127.0.0.1', port: listener.port, ...anyClient(makeLeaf(nowMs, next)) });
  await once(fresh, 'secureConnect');
  assert.notEqual(fresh.getPeerX509Certificate()?.fingerprint256, before);
  fresh.destroy();
  socket.destroy();
});

test('plaintext to a mesh listener delivers 0 bytes', async (t) => {
  const listener = await listen(t, 'tls server');
  const socket = connectPlain(listener.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.end('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  socket.resume();
  await once(socket, 'close');
  assert.equal(listener.received, 0);
});

test('a context is made once for a leaf under a bundle', () => {
  const leaf = makeLeaf(nowMs, root);
  const first = contextOf(leaf);
  assert.equal(contextOf(leaf, bundleOf(root)), first);
  assert.notEqual(contextOf(leaf, bundleOf(root, makeCa(nowMs))), first);
  assert.notEqual(contextOf(leaf, bundle, '', 'classical'), first);
  assert.equal(first.material.ca, toCaPem(bundle));
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectPlain, createServer as createRelay } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { meshContext, withoutRoot, uniteBundles } from '@weft/identity';
import { ScriptedPeer, ScriptedServer, eventually } from '@weft/testkit';
import { SidecarPair, makeAuthority, makeSvid } from '../fixture/mesh-fixture.ts';
import { routeRule } from '../fixture/plane-fixture.ts';

const REQUEST = 'POST /secret HTTP/1.1\r\nHost: orders\r\nContent-Length: 5\r\n\r\nhello';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** What a client of raw TLS gets: everything it received before the end. */
function attempt(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ALPNProtocols: ['weft-http/1.1'],
      ...options,
    });
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(received).toString('latin1')));
    // Written before the handshake is over: it goes out with its last flight, as an attacker would have it.
    socket.write(REQUEST);
  });
}

describe('an inbound listener', () => {
  let application: Server;
  let applicationBytes = 0;
  let pair: SidecarPair;

  before(async () => {
    application = createServer((request, response) => {
      response.setHeader('x-peer', String(request.headers['weft-client-identity'] ?? 'none'));
      response.setHeader('weft-refused', 'circuit-open');
      response.end('ok');
    });
    application.on('connection', (socket) =>
      socket.on('data', (chunk: Buffer) => void (applicationBytes += chunk.length)),
    );
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    pair = await SidecarPair.start((application.address() as AddressInfo).port);
  });
  beforeEach(() => {
    applicationBytes = 0;
    pair.mode = 'Strict';
    pair.orders.connections.length = 0;
  });
  after(() => {
    pair.close();
    application.close();
  });

  it('serves a peer of the mesh, says who it is and strips what the application says for us', async () => {
    const { context } = meshContext(await makeSvid(pair.authority, 'web'), pair.authority.bundle, 'classical');
    const answer = attempt(pair.inbound.port, { secureContext: context });
    await eventually(() => applicationBytes > 0, 2_000);
    await eventually(() => pair.orders.recorder.ends.length > 0, 2_000);
    pair.inbound.closeIdle();
    const text = await answer;
    assert.match(text, /^HTTP\/1\.1 200 OK/);
    assert.match(text, /x-peer: spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web\r\n/);
    assert.doesNotMatch(text, /weft-refused/);
  });

  const strangers: readonly [string, () => Promise<ConnectionOptions>][] = [
    [
      'a client of a foreign root',
      async () => {
        const foreign = await makeAuthority();
        return { secureContext: meshContext(await makeSvid(foreign, 'web'), foreign.bundle, 'classical').context };
      },
    ],
    [
      'a client whose leaf has expired',
      async () => {
        const svid = await makeSvid(pair.authority, 'web', 3_600_000, Date.now() - 7_200_000);
        return { secureContext: meshContext(svid, pair.authority.bundle, 'classical').context };
      },
    ],
    ['a client without a certificate', () => Promise.resolve({})],
    [
      'a client of another trust domain under a root of its own',
      async () => {
        const foreign = await makeAuthority('other.example');
        const svid = await makeSvid(foreign, 'web', 3_600_000, Date.now(), 'other.example');
        return { secureContext: meshContext(svid, foreign.bundle, 'classical').context };
      },
    ],
    [
      'a client of the mesh that speaks no protocol of it',
      async () => ({
        secureContext: meshContext(await makeSvid(pair.authority, 'web'), pair.authority.bundle, 'classical').context,
        ALPNProtocols: [],
      }),
    ],
  ];
  for (const mode of ['Strict', 'Permissive'] as const) {
    for (const [who, options] of strangers) {
      it(`lets no byte of ${who} through under ${mode}`, async () => {
        pair.mode = mode;
        const received = await attempt(pair.inbound.port, await options());
        assert.equal(received, '');
        assert.equal(applicationBytes, 0);
        await eventually(() => pair.orders.connections.some(({ code }) => code === 'peer-identity-refused'), 2_000);
      });
    }
  }

  it('refuses plaintext under Strict and passes no byte of it', async () => {
    const client = await ScriptedPeer.connect(pair.inbound.port);
    await client.send(REQUEST);
    await client.closed();
    assert.equal(client.unread.length, 0);
    assert.equal(applicationBytes, 0);
    assert.ok(pair.orders.connections.some(({ code }) => code === 'mtls-required'));
  });

  it('passes plain HTTP under Permissive, without an identity', async () => {
    pair.mode = 'Permissive';
    const client = await ScriptedPeer.connect(pair.inbound.port);
    await client.send(
      'GET / HTTP/1.1\r\nHost: orders\r\nweft-client-identity: spiffe://cluster.local/ns/shop/sa/admin\r\n\r\n',
    );
    assert.match((await client.receive('ok')).toString(), /x-peer: none/);
    client.destroy();
  });

  it('hears at once of a caller that gives up its handshake', async () => {
    // The first flight alone: taken off the wire by a relay that ends behind it.
    const seen = createRelay((caller) => {
      caller.once('data', (first: Buffer) => {
        const peer = connectPlain(pair.inbound.port, '127.0.0.1', () => peer.end(first));
        peer.on('error', () => {});
        peer.resume();
      });
      caller.on('error', () => {});
    });
    seen.listen(0, '127.0.0.1');
    await once(seen, 'listening');
    const caller = connectTls({
      port: (seen.address() as AddressInfo).port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
    });
    caller.on('error', () => {});
    await eventually(() => pair.orders.connections.some(({ code }) => code === 'downstream-reset'), 2_000);
    assert.ok(!pair.orders.connections.some(({ code }) => code === 'peer-identity-refused'));
    caller.destroy();
    seen.close();
  });

  it('waits for the first bytes that tell what they are, in every mode', async () => {
    for (const mode of ['Strict', 'Permissive'] as const) {
      pair.mode = mode;
      const { context } = meshContext(await makeSvid(pair.authority, 'web'), pair.authority.bundle, 'classical');
      const served = pair.orders.recorder.ends.length;
      const relay = await dribblingRelay(pair.inbound.port);
      const answer = attempt((relay.address() as AddressInfo).port, { secureContext: context });
      await eventually(() => pair.orders.recorder.ends.length > served, 2_000);
      pair.inbound.closeIdle();
      await answer;
      relay.close();
    }
  });

  it('refuses bytes that are neither HTTP nor TLS under Permissive, without an answer', async () => {
    pair.mode = 'Permissive';
    const client = await ScriptedPeer.connect(pair.inbound.port);
    await client.send('INVALID CONNECTION PREFACE\r\n\r\n');
    await client.closed();
    assert.equal(client.unread.length, 0);
    assert.ok(pair.orders.connections.some(({ code, detail }) => `${code} ${detail}` === 'protocol-unknown not-http'));
  });

  it('refuses the PROXY protocol under Permissive', async () => {
    pair.mode = 'Permissive';
    const client = await ScriptedPeer.connect(pair.inbound.port);
    await client.send('\r\n\r\n\0\r\nQUIT\n');
    await client.closed();
    assert.ok(pair.orders.connections.some(({ code }) => code === 'wrong-scheme'));
    assert.equal(applicationBytes, 0);
  });

  it('serves the present leaf after a rotation and ends connections of a root that was removed', async () => {
    const second = await makeAuthority();
    const both = uniteBundles(pair.authority.bundle, second.bundle);
    const held = await ScriptedServer.listen();
    const own = await SidecarPair.start(held.port);
    try {
      const united = uniteBundles(own.authority.bundle, second.bundle);
      own.ordersTls.update(own.ordersTls.svid, united);
      own.webTls.update(own.webTls.svid, united);
      const { port } = await own.web.listen();
      const client = await ScriptedPeer.connect(port);
      await client.send('GET /slow HTTP/1.1\r\nHost: orders\r\n\r\n');
      const upstream = await held.accept();
      await upstream.receive('\r\n\r\n');
      // The caller's side: the root behind the server it talks to goes while the request is under way.
      const first = own.authority.bundle.roots[0]!.fingerprint;
      own.webTls.update(await makeSvid(second, 'web'), withoutRoot(united, first));
      assert.match((await client.receive(/weft-refused: [a-z-]+/)).toString(), /^HTTP\/1\.1 503 .*policy-cut/s);
      client.destroy();
      // The server's side: the root behind a caller that rests goes.
      own.webTls.update(await makeSvid(own.authority, 'web'), united);
      const again = await ScriptedPeer.connect(port);
      await again.send('GET / HTTP/1.1\r\nHost: orders\r\n\r\n');
      const next = await held.accept();
      await next.receive('\r\n\r\n');
      await next.send(OK);
      await again.receive('ok');
      own.orders.connections.length = 0;
      own.ordersTls.update(await makeSvid(second, 'orders'), withoutRoot(united, first));
      await eventually(() => own.orders.connections.some(({ code }) => code === 'policy-cut'), 2_000);
      again.destroy();
    } finally {
      own.close();
      await held.close();
    }
    assert.equal(both.roots.length, 2);
  });
});

describe('a dial to a peer', () => {
  it('takes from a sidecar what that one took: the fields it adds do not make a head too large', async () => {
    const server = await ScriptedServer.listen();
    const pair = await SidecarPair.start(server.port);
    try {
      const { port } = await pair.web.listen();
      const client = await ScriptedPeer.connect(port);
      await client.send(`GET / HTTP/1.1\r\nHost: orders\r\n${'X: y\r\n'.repeat(99)}\r\n`);
      const upstream = await server.accept();
      await upstream.receive('\r\n\r\n');
      await upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${'X: y\r\n'.repeat(99)}\r\nok`);
      assert.match((await client.receive('ok')).toString(), /^HTTP\/1\.1 200 /);
      client.destroy();
    } finally {
      pair.close();
      await server.close();
    }
  });

  it('refuses a server with the identity of another workload and sends it nothing', async () => {
    const server = await ScriptedServer.listen();
    const pair = await SidecarPair.start(server.port);
    try {
      pair.web.serveOrders([pair.endpoint('payments')]);
      const { port } = await pair.web.listen();
      const client = await ScriptedPeer.connect(port);
      await client.send(REQUEST);
      assert.match((await client.receive(/\r\n\r\n.*\n/)).toString(), /^HTTP\/1\.1 503 .*upstream-identity-refused/s);
      assert.equal(server.size, 0);
      assert.equal(pair.orders.recorder.ends.length, 0);
      client.destroy();
    } finally {
      pair.close();
      await server.close();
    }
  });

  it('refuses a plaintext server where a mesh peer is expected, and never falls back', async () => {
    const server = await ScriptedServer.listen();
    const pair = await SidecarPair.start(server.port);
    try {
      pair.web.serveOrders([{ ...pair.endpoint(), port: server.port }], {
        retries: { ...routeRule().retries, attempts: 0 },
      });
      const { port } = await pair.web.listen();
      const client = await ScriptedPeer.connect(port);
      await client.send(REQUEST);
      const peer = await server.accept();
      const hello = await peer.receive(1);
      assert.equal(hello[0], 0x16);
      await peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno');
      assert.match((await client.receive(/\r\n\r\n.*\n/)).toString(), /^HTTP\/1\.1 503 .*tls-failed/s);
      client.destroy();
    } finally {
      pair.close();
      await server.close();
    }
  });

  it('loses no request while leaves are renewed under load', async () => {
    const application = createServer((_request, response) => response.end('ok'));
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    const pair = await SidecarPair.start((application.address() as AddressInfo).port);
    try {
      const { port } = await pair.web.listen();
      const load = { done: false };
      let answered = 0;
      const failures: string[] = [];
      const callers = Array.from({ length: 8 }, async () => {
        const client = await ScriptedPeer.connect(port);
        while (!load.done) {
          await client.send('POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 3\r\n\r\nabc');
          const answer = (await client.receive(/\r\n\r\n(ok|weft: [^\n]*\n)/)).toString();
          if (answer.startsWith('HTTP/1.1 200')) answered += 1;
          else failures.push(answer);
        }
        client.destroy();
      });
      for (let round = 0; round < 10; round += 1) {
        const target = answered + 40;
        await eventually(() => answered >= target || failures.length > 0, 5_000);
        pair.webTls.update(await makeSvid(pair.authority, 'web'), pair.authority.bundle);
        pair.ordersTls.update(await makeSvid(pair.authority, 'orders'), pair.authority.bundle);
      }
      load.done = true;
      await Promise.all(callers);
      assert.deepEqual(failures, []);
      assert.ok(answered >= 400);
    } finally {
      pair.close();
      application.close();
      application.closeAllConnections();
    }
  });
});

/** Passes bytes on to a port, the very first of a connection by itself. */
async function dribblingRelay(port: number): Promise<Server> {
  const relay = createRelay((from) => {
    const to = connectPlain({ port, host: '127.0.0.1', noDelay: true });
    for (const socket of [from, to]) socket.on('error', () => {});
    from.once('data', (first: Buffer) => {
      from.pause();
      to.write(first.subarray(0, 1), () => {
        // The reader is in this process: two turns, and it has taken the byte by itself.
        setImmediate(() =>
          setImmediate(() => {
            to.write(first.subarray(1));
            from.pipe(to);
          }),
        );
      });
    });
    to.pipe(from);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return relay;
}

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { connect as connectTcp } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { createServerRoot, issueServerCertificate } from '@weft/identity';
import type { AuthorityMaterial } from '@weft/identity';
import { FakeClock, eventually } from '@weft/testkit';
import { PlaneFixture, gatewayListener, ingressOf, plainEndpoint, routeRule } from '../fixture/plane-fixture.ts';
import { CertificateFolder } from '../security/certificate-folder.ts';
import { TICKET_PERIOD_MS, TicketKeys, newTicketSeed } from '../security/ticket-keys.ts';
import { GatewayListener } from './gateway-listener.ts';

const HOUR_MS = 3_600_000;
const PORT = 443;
/** What waits for an event that never comes ends as a failure, with its name, and holds up nothing behind it. */
const LIMIT = { timeout: 30_000 };
/** Of one thing that comes, on a machine that does much else. */
const SOON_MS = 15_000;

/** An edge with HTTPS listeners for `shop.example`, `*.wild.example` and any other host. */
class Edge {
  readonly folder: string;
  readonly root: AuthorityMaterial;
  readonly fixture: PlaneFixture;
  readonly listener: GatewayListener;
  readonly clock: FakeClock;
  readonly logged: string[];
  /** Whatever a test leaves open ends with the edge. */
  private readonly callers: { destroy(): void }[];

  private constructor(root: AuthorityMaterial, applicationPort: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'weft-edge-'));
    this.root = root;
    this.clock = new FakeClock({ startMs: 10_000 });
    this.logged = [];
    this.callers = [];
    this.fixture = new PlaneFixture({ gateway: true });
    this.fixture.serveOrders([plainEndpoint(applicationPort)]);
    const log = (message: string): void => void this.logged.push(message);
    this.listener = new GatewayListener(
      this.fixture.listenerOptions(),
      ingressOf({ kind: 'gateway', listener: String(PORT) }),
      new CertificateFolder(this.folder, this.clock, { debug: log, info: log, warn: log, error: log }),
      new TicketKeys(this.clock, newTicketSeed(this.clock)),
    );
  }

  static async start(applicationPort: number): Promise<Edge> {
    const edge = new Edge(await createServerRoot(24 * HOUR_MS, Date.now()), applicationPort);
    await edge.write('shop', ['shop.example']);
    await edge.write('wild', ['*.wild.example']);
    await edge.write('any', ['other.example']);
    edge.offer('shop', 'shop.example');
    edge.offer('wild', '*.wild.example');
    edge.offer('any', '');
    await edge.listener.listen();
    return edge;
  }

  /** A listener of this name and hostname, with the certificate of the same name. */
  offer(name: string, hostname: string): void {
    this.fixture.put({
      ...gatewayListener(PORT, [routeRule()], hostname),
      name: `shop/edge/${name}`,
      protocol: 'Https' as const,
      certificates: ['shop/absent', `shop/${name}`],
    });
  }

  /** Writes the pair as a tool does that replaces it: whole, then by name. */
  async write(name: string, dnsNames: readonly string[]): Promise<void> {
    const issued = await issueServerCertificate(this.root, dnsNames, HOUR_MS, Date.now());
    assert.ok(issued.ok);
    const folder = join(this.folder, 'shop', name);
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of [
      ['tls.key', issued.value.keyPem],
      ['tls.crt', issued.value.certificatePem],
    ] as const) {
      writeFileSync(join(folder, `${file}.new`), text);
      renameSync(join(folder, `${file}.new`), join(folder, file));
    }
  }

  dial(options: ConnectionOptions = {}): TLSSocket {
    const socket = connect({
      host: '127.0.0.1',
      port: this.listener.port,
      ca: this.root.certificatePem,
      servername: 'shop.example',
      ...options,
    });
    socket.on('error', () => {});
    this.callers.push(socket);
    return socket;
  }

  http2(): ClientHttp2Session {
    const session = connectHttp2(`https://127.0.0.1:${this.listener.port}`, {
      ca: this.root.certificatePem,
      servername: 'shop.example',
    });
    this.callers.push(session);
    return session;
  }

  /** Connects and says nothing. */
  async silent(): Promise<Socket> {
    const socket = connectTcp(this.listener.port, '127.0.0.1');
    this.callers.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  /** A whole request over a new connection: the ticket for the next, and whether this one was resumed. */
  async ask(options: ConnectionOptions): Promise<{ resumed: boolean; ticket: Buffer }> {
    const socket = this.dial({ ...options, ALPNProtocols: ['http/1.1'] });
    let session: Buffer | undefined;
    socket.on('session', (bytes: Buffer) => (session = bytes));
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n');
    await once(socket, 'data');
    const resumed = socket.isSessionReused();
    // Tickets come before the answer; under TLS 1.2 a session that is resumed under its own key brings none.
    const ticket = session ?? socket.getSession();
    assert.ok(ticket !== undefined);
    socket.destroy();
    return { resumed, ticket };
  }

  /** The name on the certificate that a caller of `servername` is shown. */
  async shown(servername: string): Promise<string> {
    const socket = this.dial({ servername, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  }

  close(): void {
    for (const caller of this.callers) caller.destroy();
    this.listener.destroy();
    this.fixture.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function closed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}

describe('an HTTPS listener of a gateway', LIMIT, () => {
  let application: Server;
  let edge: Edge;

  before(async () => {
    application = createServer((request, response) => {
      const { url, headers } = request;
      response.end(JSON.stringify({ url, proto: headers['x-forwarded-proto'], forwarded: headers['forwarded'] }));
    });
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    edge = await Edge.start((application.address() as AddressInfo).port);
  });
  after(() => {
    edge.close();
    application.closeAllConnections();
    application.close();
  });

  it('serves HTTP/2 by ALPN and tells the application that it was HTTPS', async () => {
    const session = edge.http2();
    const stream = session.request({ ':path': '/a', ':authority': 'shop.example' });
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => (body += text));
    await once(stream, 'end');
    assert.equal(session.alpnProtocol, 'h2');
    assert.deepEqual(JSON.parse(body), {
      url: '/a',
      proto: 'https',
      forwarded: 'for=127.0.0.1;host="shop.example";proto=https',
    });
    session.close();
  });

  it('serves HTTP/1.1 to callers that know nothing else', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const sent = requestHttps(
        {
          host: '127.0.0.1',
          port: edge.listener.port,
          path: '/b',
          ca: edge.root.certificatePem,
          servername: 'shop.example',
          headers: { host: 'shop.example' },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => resolve(`${response.statusCode} ${text}`));
        },
      );
      sent.on('error', reject);
      sent.end();
    });
    assert.match(answer, /^200 \{"url":"\/b","proto":"https"/);
  });

  it('tells a caller that uses a connection for the host of another listener to make one for it', async () => {
    const session = edge.http2();
    const statusOf = async (authority: string): Promise<number> => {
      const stream = session.request({ ':path': '/', ':authority': authority });
      const [head] = (await once(stream, 'response')) as [{ ':status': number }];
      stream.resume();
      await once(stream, 'end');
      return head[':status'];
    };
    assert.equal(await statusOf('a.wild.example'), 421);
    assert.equal(await statusOf('unknown.example'), 421);
    assert.equal(await statusOf('shop.example'), 200);
    assert.equal(await statusOf(`shop.example:${PORT}`), 200);
    // Of nobody's host no connection would do.
    edge.fixture.remove('listener:shop/edge/any');
    assert.equal(await statusOf('unknown.example'), 404);
    session.close();
    edge.offer('any', '');
  });

  it('serves each host over a connection that named no server', async () => {
    const socket = edge.dial({ servername: '', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.1\r\nHost: a.wild.example\r\n\r\n');
    const [head] = (await once(socket, 'data')) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it('chooses the certificate by the server name', async () => {
    assert.equal(await edge.shown('shop.example'), 'shop.example');
    assert.equal(await edge.shown('a.wild.example'), '*.wild.example');
    assert.equal(await edge.shown('unknown.example'), 'other.example');
    assert.equal(await edge.shown(''), 'other.example');
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`resumes sessions of ${version}`, async () => {
      const first = await edge.ask({ maxVersion: version });
      assert.equal(first.resumed, false);
      const second = await edge.ask({ maxVersion: version, session: first.ticket });
      assert.equal(second.resumed, true);
    });

    it(`resumes a session of ${version} for one change of the ticket key, and then no more`, async () => {
      const { ticket } = await edge.ask({ maxVersion: version });
      edge.clock.advance(TICKET_PERIOD_MS);
      const renewed = await edge.ask({ maxVersion: version, session: ticket });
      assert.equal(renewed.resumed, true);
      edge.clock.advance(TICKET_PERIOD_MS);
      assert.equal((await edge.ask({ maxVersion: version, session: ticket })).resumed, false);
      // What was resumed under the old key brought a ticket of the new one.
      assert.equal((await edge.ask({ maxVersion: version, session: renewed.ticket })).resumed, true);
    });
  }

  it('refuses versions and suites that are out of use, and counts it', async () => {
    edge.fixture.connections.length = 0;
    const outdated: ConnectionOptions[] = [
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' },
      { ALPNProtocols: ['spdy/1'] },
    ];
    for (const options of outdated) {
      const socket = edge.dial(options);
      await closed(socket);
      assert.equal(socket.authorized, false);
    }
    // Callers of the tests before may still be leaving, in the middle of a handshake too: at least so many.
    const refused = (): number =>
      edge.fixture.connections.filter(({ code }) => code === 'downstream-tls-failed').length;
    await eventually(() => refused() >= outdated.length, SOON_MS);
  });

  it('takes a replaced certificate for new connections, and keeps the old one while the new is broken', async () => {
    await edge.write('shop', ['renewed.example', 'shop.example']);
    assert.equal(await edge.shown('shop.example'), 'shop.example');
    edge.clock.advance(2_000);
    assert.equal(await edge.shown('shop.example'), 'renewed.example');
    assert.ok(edge.logged.includes('certificate replaced'));
    writeFileSync(join(edge.folder, 'shop', 'shop', 'tls.crt'), 'half written');
    edge.clock.advance(2_000);
    assert.equal(await edge.shown('shop.example'), 'renewed.example');
    assert.ok(edge.logged.some((message) => message.startsWith('certificate shop/shop not usable')));
  });

  it('ends the handshake when no certificate is there, and serves plain HTTP where the configuration says so', async () => {
    const bare = await Edge.start((application.address() as AddressInfo).port);
    try {
      rmSync(join(bare.folder, 'shop'), { recursive: true });
      bare.clock.advance(2_000);
      const socket = bare.dial();
      await closed(socket);
      assert.equal(socket.authorized, false);
      for (const name of ['shop', 'wild', 'any']) bare.fixture.remove(`listener:shop/edge/${name}`);
      bare.fixture.put(gatewayListener(PORT, [routeRule()]));
      const answer = await fetch(`http://127.0.0.1:${bare.listener.port}/c`);
      assert.match(await answer.text(), /"url":"\/c","proto":"http"/);
    } finally {
      bare.close();
    }
  });

  it('ends what has not said anything yet when it goes away', async () => {
    const leaving = await Edge.start((application.address() as AddressInfo).port);
    try {
      const caller = await leaving.silent();
      await eventually(() => leaving.fixture.accepted > 0, SOON_MS);
      caller.resume();
      leaving.listener.destroy();
      // A handshake has ten seconds.
      await eventually(() => caller.closed, SOON_MS);
    } finally {
      leaving.close();
    }
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { ApplicationProtocol } from '@weft/model';
import { eventually } from '@weft/testkit';
import { SidecarPair } from '../fixture/mesh-fixture.ts';
import { PlaneFixture, plainEndpoint } from '../fixture/plane-fixture.ts';
import { InboundListener } from './inbound-listener.ts';

const names = (protocol: ApplicationProtocol) => ({
  type: 'names' as const,
  name: 'shop',
  services: [{ service: 'orders', ports: [{ port: 80, name: 'any', protocol }], addresses: [] }],
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function call(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function read(socket: Socket, bytes: number, limitMs = 10_000): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await eventually(() => text.length >= bytes || socket.destroyed, limitMs);
  return text;
}

/** Speaks first, then echoes. */
function mailServer(): Server {
  return createServer((socket) => {
    socket.on('error', () => {});
    socket.write('220 mail\r\n');
    socket.on('data', (chunk) => socket.write(chunk));
  });
}

function echoServer(): Server {
  return createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => socket.write(chunk));
  });
}

describe('a port that does not say what it speaks', () => {
  let mail: Server;
  let echo: Server;
  let web: Server;
  const ports = { mail: 0, echo: 0, web: 0 };
  let fixture: PlaneFixture;
  let address = 0;

  before(async () => {
    mail = mailServer();
    echo = echoServer();
    web = createHttpServer((_request, response) => response.end('over http'));
    ports.mail = await listening(mail);
    ports.echo = await listening(echo);
    ports.web = await listening(web);
  });

  beforeEach(async () => {
    fixture = new PlaneFixture();
    fixture.put(names('Unknown'));
    address = (await fixture.listen()).port;
  });

  after(() => {
    for (const server of [mail, echo, web]) server.close();
  });

  it('is served as HTTP when the first bytes are HTTP, in any split', async () => {
    fixture.serveOrders([plainEndpoint(ports.web)]);
    for (const cut of [0, 1, 4, 16]) {
      const socket = await call(address);
      const request = 'GET / HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n';
      socket.write(request.slice(0, cut));
      if (cut > 0) await eventually(() => true, 10);
      socket.write(request.slice(cut));
      assert.match(await read(socket, 40), /^HTTP\/1\.1 200 OK\r\n/);
      socket.destroy();
    }
    await eventually(() => fixture.recorder.ends.length === 4, 5_000);
    assert.equal(fixture.tcpRecorder.ends.length, 0);
    fixture.close();
  });

  it('is carried as bytes when the first bytes are something else, with all of them intact', async () => {
    fixture.serveOrders([plainEndpoint(ports.echo)]);
    const socket = await call(address);
    socket.write('*1\r\n$4\r\nPING\r\n');
    assert.equal(await read(socket, 14), '*1\r\n$4\r\nPING\r\n');
    socket.destroy();
    await eventually(() => fixture.tcpRecorder.ends.length === 1, 5_000);
    assert.equal(fixture.recorder.ends.length, 0);
    fixture.close();
  });

  it('is carried as bytes when the server speaks first, without a stall', async () => {
    fixture.serveOrders([plainEndpoint(ports.mail)]);
    const socket = await call(address);
    // The race is short: what is held is held for ten seconds.
    assert.equal(await read(socket, 10, 1_000), '220 mail\r\n');
    socket.write('EHLO me\r\n');
    assert.equal(await read(socket, 9), 'EHLO me\r\n');
    socket.destroy();
    await eventually(() => fixture.tcpRecorder.ends.length === 1, 5_000);
    fixture.close();
  });

  it('is still served as HTTP when a client that was slow to speak does so after the endpoint was dialled', async () => {
    fixture.serveOrders([plainEndpoint(ports.web)]);
    let dialled = 0;
    web.on('connection', () => (dialled += 1));
    const socket = await call(address);
    await eventually(() => dialled === 1, 5_000);
    socket.write('GET / HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n');
    assert.match(await read(socket, 40), /^HTTP\/1\.1 200 OK\r\n/);
    await eventually(() => fixture.recorder.ends.length === 1, 5_000);
    assert.deepEqual(fixture.tcpRecorder.ends, [], "the dialled connection was nobody's");
    fixture.close();
  });

  it('is never carried as bytes where it has routes of HTTP: neither by silence nor by other bytes', async () => {
    fixture.serveOrders([plainEndpoint(ports.mail)], { route: 'HTTPRoute shop/orders' });
    const silent = await call(address);
    const greeted = read(silent, 1);
    const other = await call(address);
    other.write('EHLO me\r\n');
    await eventually(() => fixture.connections.length > 0, 5_000);
    assert.equal(fixture.connections[0]?.code, 'protocol-unknown');
    silent.write('GET / HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n');
    assert.match(
      await greeted,
      /^HTTP\/1\.1 502 /,
      'a server of mail answers no request, and its greeting is not passed on',
    );
    fixture.close();
  });

  it('reads no server name where the rules have none, and refuses what is no ClientHello where they have', async () => {
    fixture.serveOrders([plainEndpoint(ports.echo)], { route: 'TLSRoute shop/orders', hostnames: ['a.example.com'] });
    fixture.put(names('Tcp'));
    const socket = await call(address);
    socket.write('EHLO me\r\n');
    await eventually(() => fixture.connections.length > 0, 5_000);
    assert.equal(fixture.connections[0]?.code, 'client-hello-expected');
    fixture.close();
  });
});

describe('a sidecar before an application', () => {
  it('learns that a port speaks no HTTP from a server that speaks first, or answers other bytes with other bytes', async () => {
    for (const server of [mailServer(), echoServer()]) {
      const pair = await SidecarPair.start(await listening(server));
      pair.web.put(names('Unknown'));
      const socket = await call((await pair.web.listen()).port);
      if (server.listenerCount('connection') > 0) setImmediate(() => socket.write('PING\r\n'));
      await read(socket, 6);
      assert.deepEqual(pair.orders.learned, [8080]);
      assert.deepEqual(pair.web.learned, [], 'a caller teaches nothing');
      socket.destroy();
      pair.close();
      server.close();
    }
  });

  it('learns nothing from a caller that sends noise to a server of HTTP', async () => {
    const server = createHttpServer(() => {});
    const pair = await SidecarPair.start(await listening(server));
    pair.web.put(names('Tcp'));
    const socket = await call((await pair.web.listen()).port);
    socket.write('noise\r\n\r\n');
    assert.match(await read(socket, 12), /^HTTP\/1\.1 400/);
    assert.deepEqual(pair.orders.learned, []);
    socket.destroy();
    pair.close();
    server.close();
  });

  it('takes mesh TLS, HTTP, other bytes and silence on a permissive port that does not say what it speaks', async () => {
    const server = mailServer();
    const port = await listening(server);
    const pair = await SidecarPair.start(port);
    pair.web.put(names('Tcp'));
    const { orders, ordersTls } = pair;
    const open = new InboundListener(
      orders.listenerOptions(),
      8080,
      'shop/orders:8080',
      ordersTls,
      () => 'Permissive',
      () => 'Unknown',
    );
    await open.listen();
    const plain = await call(open.port);
    assert.equal(await read(plain, 10), '220 mail\r\n');
    pair.web.serveOrders([{ ...pair.endpoint(), port: open.port }]);
    const meshed = await call((await pair.web.listen()).port);
    assert.equal(await read(meshed, 10), '220 mail\r\n');
    await eventually(() => true, 10);
    plain.destroy();
    meshed.destroy();
    await eventually(() => orders.tcpRecorder.ends.length === 2, 5_000);
    assert.deepEqual(orders.tcpRecorder.ends.map(({ source }) => source).sort(), [
      'spiffe://cluster.local/ns/shop/sa/web',
      'unknown',
    ]);
    open.destroy();
    pair.close();
    server.close();
  });
});

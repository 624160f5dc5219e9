import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { SidecarPair } from '../fixture/mesh-fixture.ts';
import { PlaneFixture, ordersKey, plainEndpoint } from '../fixture/plane-fixture.ts';
import { eventually } from '@weft/testkit';

/** The names of `orders` with a port that is declared to be TCP. */
const tcpNames = {
  type: 'names' as const,
  name: 'shop',
  services: [{ service: 'orders', ports: [{ port: 80, name: 'tcp-db', protocol: 'Tcp' as const }], addresses: [] }],
};

async function serve(accept: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    accept(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

/** Connects, with the ends of both directions under the test's control. */
async function call(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  return Buffer.concat(chunks);
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a TCP connection through one sidecar', () => {
  let fixture: PlaneFixture;

  before(() => {
    fixture = new PlaneFixture();
    fixture.put(tcpNames);
  });

  after(() => fixture.close());

  it('carries bytes both ways and ends each direction by itself', async () => {
    const { server, port } = await serve((socket) => {
      void readAll(socket).then((bytes) => socket.end(`got ${bytes.toString()}`));
    });
    fixture.serveOrders([plainEndpoint(port)]);
    const listener = await fixture.listen();
    const socket = await call(listener.port);
    socket.end('ping');
    assert.equal((await readAll(socket)).toString(), 'got ping');
    await eventually(() => fixture.tcpRecorder.ends.length === 1, 5_000);
    const [ended] = fixture.tcpRecorder.ends;
    assert.equal(ended?.code, 'completed');
    assert.equal(ended.receivedBytes, 4);
    assert.equal(ended.sentBytes, 8);
    assert.equal(ended.destination, ordersKey);
    server.close();
  });
});

describe('a TCP connection through two sidecars', () => {
  it('travels in mTLS of its own, with the identity of the caller, whichever side speaks first', async () => {
    const { server, port } = await serve((socket) => {
      socket.write('220 ready\r\n');
      socket.on('data', (chunk: Buffer) => socket.write(`250 ${chunk.toString()}`));
      socket.on('end', () => socket.end('221 bye\r\n'));
    });
    const pair = await SidecarPair.start(port);
    pair.web.put(tcpNames);
    const listener = await pair.web.listen();
    const socket = await call(listener.port);
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    assert.equal(greeting.toString(), '220 ready\r\n');
    socket.end('hello\r\n');
    assert.equal((await readAll(socket)).toString(), '250 hello\r\n221 bye\r\n');
    await eventually(() => pair.orders.tcpRecorder.ends.length === 1 && pair.web.tcpRecorder.ends.length === 1, 5_000);
    assert.equal(pair.orders.tcpRecorder.ends[0]?.source, 'spiffe://cluster.local/ns/shop/sa/web');
    assert.equal(pair.orders.tcpRecorder.ends[0].code, 'completed');
    assert.equal(pair.web.tcpRecorder.ends[0]?.code, 'completed');
    pair.close();
    server.close();
  });

  it('carries 16 MiB both ways unchanged, with a slow reader', async () => {
    const { server, port } = await serve((socket) => void socket.pipe(socket));
    const pair = await SidecarPair.start(port);
    pair.web.put(tcpNames);
    const listener = await pair.web.listen();
    const sent = randomBytes(16 * 1024 * 1024);
    const socket = await call(listener.port);
    socket.end(sent);
    const back = await readAll(socket);
    assert.equal(back.length, sent.length);
    assert.equal(digest(back), digest(sent));
    pair.close();
    server.close();
  });

  it('says that the application is down, so that another instance is tried', async () => {
    const { server, port } = await serve((socket) => socket.end('from the other'));
    const { server: gone, port: deadPort } = await serve(() => {});
    gone.close();
    const dead = await SidecarPair.start(deadPort);
    dead.web.put(tcpNames);
    dead.web.serveOrders([dead.endpoint(), plainEndpoint(port, 'zz-other')]);
    const listener = await dead.web.listen();
    for (let round = 0; round < 4; round += 1) {
      const socket = await call(listener.port);
      socket.end('x');
      assert.equal((await readAll(socket)).toString(), 'from the other');
    }
    await eventually(() => dead.web.tcpRecorder.ends.length === 4, 5_000);
    assert.ok(dead.web.tcpRecorder.ends.some(({ attempts }) => attempts === 2));
    assert.ok(dead.orders.tcpRecorder.ends.every(({ code }) => code === 'connect-refused'));
    dead.close();
    server.close();
  });
});

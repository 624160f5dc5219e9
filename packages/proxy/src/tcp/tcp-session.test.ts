import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '@weft/kernel';
import { readProxyHeader, writeProxyHeader } from '@weft/sniff';
import { FakeClock, eventually } from '@weft/testkit';
import { SidecarPair, makeAuthority, makeSvid } from '../fixture/mesh-fixture.ts';
import {
  PlaneFixture,
  backendPolicy,
  gatewayListener,
  ingressOf,
  meshSettings,
  ordersKey,
  plainEndpoint,
  routeRule,
} from '../fixture/plane-fixture.ts';
import { call, gone, readAll, refused, serve, tcpNames } from '../fixture/tcp-fixture.ts';
import { GatewayListener } from '../listen/gateway-listener.ts';
import { CertificateFolder } from '../security/certificate-folder.ts';
import { TicketKeys, newTicketSeed } from '../security/ticket-keys.ts';

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

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
});

describe('what a TCP connection may do', () => {
  let fixture: PlaneFixture;
  let clock: FakeClock;
  let echo: { server: Server; port: number };
  let silent: { server: Server; port: number };

  before(async () => {
    echo = await serve((socket) => void socket.pipe(socket));
    silent = await serve(() => {});
  });

  after(() => {
    echo.server.close();
    silent.server.close();
  });

  function begin(): void {
    clock = new FakeClock();
    fixture = new PlaneFixture({ clock, wheel: clock.wheel() });
    fixture.put(tcpNames);
  }

  const endings = (): string[] => fixture.tcpRecorder.ends.map(({ code }) => code);

  it('ends when nothing has moved for the idle time of its rule, and not before', async () => {
    begin();
    const timeouts = { requestMs: 0, backendRequestMs: 0, connectMs: 0, streamIdleMs: 60_000 };
    fixture.serveOrders([plainEndpoint(echo.port)], { timeouts });
    const listener = await fixture.listen();
    const socket = await call(listener.port);
    socket.write('x');
    await once(socket, 'data');
    clock.advance(59_000);
    listener.sweepNow();
    assert.deepEqual(endings(), []);
    socket.write('y');
    await once(socket, 'data');
    clock.advance(59_000);
    listener.sweepNow();
    assert.deepEqual(endings(), []);
    clock.advance(1_000);
    listener.sweepNow();
    assert.deepEqual(endings(), ['stream-idle-timeout']);
    await gone(socket);
    fixture.close();
  });

  it('ends beyond its lifetime once it is quiet, so that nothing under way is cut', async () => {
    begin();
    const connections = { ...backendPolicy().connections, maxLifetimeMs: 10_000 };
    fixture.serveOrders([plainEndpoint(echo.port)], {}, { connections });
    const listener = await fixture.listen();
    const socket = await call(listener.port);
    for (let second = 0; second < 16; second += 4) {
      socket.write('x');
      await once(socket, 'data');
      clock.advance(4_000);
    }
    assert.deepEqual(endings(), []);
    clock.advance(2_000);
    assert.deepEqual(endings(), ['connection-lifetime']);
    await gone(socket);
    fixture.close();
  });

  it('counts towards the requests of a service', async () => {
    begin();
    fixture.serveOrders([plainEndpoint(echo.port)], {}, { maxRequests: 1 });
    const listener = await fixture.listen();
    const first = await call(listener.port);
    await eventually(() => listener.openCount === 1, 5_000);
    await refused(listener.port);
    assert.deepEqual(endings(), ['request-limit']);
    first.destroy();
    fixture.close();
  });

  it('keeps a drain waiting, and is cut at its end', async () => {
    begin();
    fixture.serveOrders([plainEndpoint(echo.port)]);
    const listener = await fixture.listen();
    const socket = await call(listener.port);
    socket.write('x');
    await once(socket, 'data');
    listener.drain();
    listener.closeIdle();
    assert.equal(listener.busyCount, 1);
    socket.write('still served');
    await once(socket, 'data');
    listener.destroy();
    assert.deepEqual(endings(), ['drain-deadline']);
    fixture.close();
  });

  it('ends with a reset where the other end was reset: a part is never taken for the whole', async () => {
    begin();
    const { server, port } = await serve((socket) => {
      socket.write('half');
      socket.once('data', () => socket.resetAndDestroy());
    });
    fixture.serveOrders([plainEndpoint(port)]);
    const socket = await call((await fixture.listen()).port);
    let error = '';
    socket.on('error', (fault: NodeJS.ErrnoException) => (error = fault.code ?? ''));
    await once(socket, 'data');
    socket.write('go on');
    await eventually(() => socket.destroyed, 5_000);
    assert.equal(error, 'ECONNRESET');
    assert.deepEqual(endings(), ['upstream-cut']);
    fixture.close();
    server.close();
  });

  it('is refused where no rule has the server name, and where nothing is known of the destination', async () => {
    begin();
    fixture.put({ ...tcpNames });
    const listener = await fixture.listen();
    const socket = await call(listener.port);
    await eventually(() => fixture.demanded.length === 1, 5_000);
    clock.advance(1_000);
    await gone(socket);
    assert.deepEqual(endings(), ['no-config']);
    fixture.close();
  });
});

describe('the PROXY protocol', () => {
  it('names the client to the application where a policy says so, through two sidecars, before anything else', async () => {
    const { server, port } = await serve((socket) => void socket.once('data', (chunk) => socket.end(chunk)));
    const pair = await SidecarPair.start(port);
    pair.web.put(tcpNames);
    const connections = { ...backendPolicy().connections, sendsProxyProtocol: true };
    pair.web.serveOrders([pair.endpoint()], {}, { connections });
    const listener = await pair.web.listen();
    const socket = await call(listener.port);
    const { localPort } = socket;
    socket.write('hello');
    const bytes = await readAll(socket);
    const read = readProxyHeader(bytes, 0, bytes.length);
    assert.ok(read.kind === 'header');
    const { sourceAddress, sourcePort, destinationPort } = read.header;
    assert.deepEqual([sourceAddress, sourcePort, destinationPort], ['127.0.0.1', localPort, listener.port]);
    assert.equal(bytes.subarray(read.header.bytes).toString(), 'hello');
    pair.close();
    server.close();
  });

  it('is taken off by a Gateway that is told to expect it, in any split, and what lacks it is refused', async () => {
    const { server, port } = await serve((socket) => void socket.once('data', (chunk) => socket.end(chunk)));
    const fixture = new PlaneFixture({ gateway: true });
    const rule = routeRule({ route: 'TCPRoute shop/orders' });
    fixture.put(
      { ...meshSettings('AllowAny'), gatewayProxyProtocol: true },
      { ...gatewayListener(5432, [rule]), protocol: 'Tcp' },
    );
    fixture.serveOrders([plainEndpoint(port)]);
    const folder = new CertificateFolder('', systemClock, silentLog);
    const listener = new GatewayListener(
      fixture.listenerOptions(),
      ingressOf({ kind: 'gateway', listener: '5432' }),
      folder,
      new TicketKeys(systemClock, newTicketSeed(systemClock)),
    );
    await listener.listen();
    const header = writeProxyHeader({ address: '192.0.2.7', port: 4 }, { address: '198.51.100.1', port: 5432 });
    for (const cut of [0, 1, 12, header.length]) {
      const socket = await call(listener.port);
      socket.write(header.subarray(0, cut));
      await eventually(() => true, 10);
      socket.write(Buffer.concat([header.subarray(cut), Buffer.from('hello')]));
      assert.equal((await readAll(socket)).toString(), 'hello');
      socket.end();
    }
    await eventually(() => fixture.tcpRecorder.ends.length === 4, 5_000);
    assert.ok(fixture.tcpRecorder.ends.every(({ client }) => client === '192.0.2.7'));
    const liar = await call(listener.port);
    liar.write('hello, hello');
    await gone(liar);
    assert.ok(fixture.connections.some(({ code }) => code === 'proxy-header-expected'));
    listener.destroy();
    fixture.close();
    server.close();
  });
});

describe('a connection between sidecars', () => {
  it('ends with a reset on the caller’s side when the application was reset', async () => {
    const { server, port } = await serve((socket) => {
      socket.write('half');
      socket.once('data', () => socket.resetAndDestroy());
    });
    const pair = await SidecarPair.start(port);
    pair.web.put(tcpNames);
    const socket = await call((await pair.web.listen()).port);
    let error = '';
    socket.on('error', (fault: NodeJS.ErrnoException) => (error = fault.code ?? ''));
    await once(socket, 'data');
    socket.write('go on');
    await eventually(() => socket.destroyed, 5_000);
    assert.equal(error, 'ECONNRESET');
    assert.equal(pair.web.tcpRecorder.ends[0]?.code, 'upstream-cut');
    pair.close();
    server.close();
  });

  it('outlives a renewed leaf and ends with the root that vouched for it, at both ends', async () => {
    const { server, port } = await serve((socket) => void socket.pipe(socket));
    const pair = await SidecarPair.start(port);
    pair.web.put(tcpNames);
    const socket = await call((await pair.web.listen()).port);
    socket.write('x');
    await once(socket, 'data');
    pair.ordersTls.update(await makeSvid(pair.authority, 'orders'), pair.authority.bundle);
    pair.webTls.update(await makeSvid(pair.authority, 'web'), pair.authority.bundle);
    socket.write('y');
    await once(socket, 'data');
    const other = await makeAuthority();
    pair.ordersTls.update(await makeSvid(other, 'orders'), other.bundle);
    await eventually(() => pair.orders.tcpRecorder.ends.length === 1, 5_000);
    assert.equal(pair.orders.tcpRecorder.ends[0]?.code, 'policy-cut');
    await eventually(() => socket.destroyed, 5_000);
    pair.close();
    server.close();
  });

  it('is cut by the caller’s sidecar too when the root of the server is gone', async () => {
    const { server, port } = await serve((socket) => void socket.pipe(socket));
    const pair = await SidecarPair.start(port);
    pair.web.put(tcpNames);
    const socket = await call((await pair.web.listen()).port);
    socket.write('x');
    await once(socket, 'data');
    const other = await makeAuthority();
    pair.webTls.update(await makeSvid(other, 'web'), other.bundle);
    await eventually(() => pair.web.tcpRecorder.ends.length === 1, 5_000);
    assert.equal(pair.web.tcpRecorder.ends[0]?.code, 'policy-cut');
    pair.close();
    server.close();
  });
});

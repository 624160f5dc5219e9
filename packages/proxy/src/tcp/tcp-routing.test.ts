import assert from 'node:assert/strict';
import { type TestContext, describe, it } from 'node:test';
import { ByteQueue } from '@weft/kernel';
import { FakeClock, eventually } from '@weft/testkit';
import type { Ingress } from '../exchange/ingress.ts';
import {
  PlaneFixture,
  backendPolicy,
  ingressOf,
  ordersKey,
  plainEndpoint,
  routeRule,
} from '../fixture/plane-fixture.ts';
import { call, clientHello, gone, readAll, serve, tcpNames } from '../fixture/tcp-fixture.ts';
import { TcpRouting } from './tcp-routing.ts';

/** A routing by hand: what it says, in order. */
class Scene {
  readonly clock: FakeClock;
  readonly fixture: PlaneFixture;
  readonly told: string[] = [];
  readonly routing: TcpRouting;
  private heard: ByteQueue | null = null;

  constructor(t: TestContext, ingress: Partial<Ingress> = {}, prepare: (fixture: PlaneFixture) => void = () => {}) {
    this.clock = new FakeClock();
    this.fixture = new PlaneFixture({ clock: this.clock, wheel: this.clock.wheel() });
    this.fixture.put(tcpNames);
    prepare(this.fixture);
    const { told } = this;
    const heard = (): ByteQueue | null => this.heard;
    this.routing = new TcpRouting(this.fixture.plane, ingressOf(ingress), {
      onRouted: (backend) => void told.push(`to ${backend.key}`),
      onUnroutable: (code, detail) => void told.push(detail === '' ? code : `${code}: ${detail}`),
      get said() {
        return heard();
      },
    });
    t.after(() => this.fixture.close());
  }

  say(bytes: Buffer): void {
    this.heard ??= new ByteQueue();
    this.heard.push(bytes, 0, bytes.length);
    if (this.routing.readsHello) this.routing.feed(bytes, 0, bytes.length);
  }
}

const byName = { route: 'TLSRoute shop/b', hostnames: ['b.example.com'] };

describe('the route of a TCP connection', () => {
  it('is what its listener stands for', (t) => {
    const scene = new Scene(t, {}, (fixture) => fixture.serveOrders([plainEndpoint(1)]));
    scene.routing.begin(null);
    assert.deepEqual(scene.told, [`to ${ordersKey}`]);
    assert.deepEqual([scene.routing.destination, scene.routing.serverName], [ordersKey, '']);
  });

  it('is asked for when it is not held, and taken from the tables that bring it', (t) => {
    const scene = new Scene(t);
    scene.routing.begin(null);
    assert.deepEqual(scene.fixture.demanded, [ordersKey]);
    const { tables } = scene.routing;
    scene.fixture.serveOrders([plainEndpoint(1)]);
    assert.deepEqual(scene.told, [`to ${ordersKey}`]);
    assert.notEqual(scene.routing.tables, tables);
    scene.clock.advance(10_000);
    assert.equal(scene.told.length, 1);
  });

  it('is waited for one second', (t) => {
    const scene = new Scene(t);
    scene.routing.begin(null);
    scene.clock.advance(900);
    assert.deepEqual(scene.told, []);
    scene.clock.advance(150);
    assert.deepEqual(scene.told, [`no-config: ${ordersKey}`]);
    scene.fixture.serveOrders([plainEndpoint(1)]);
    assert.equal(scene.told.length, 1);
  });

  it('is not heard of once the connection is over', (t) => {
    const scene = new Scene(t);
    scene.routing.begin(null);
    scene.routing.cancel();
    scene.fixture.serveOrders([plainEndpoint(1)]);
    scene.clock.advance(10_000);
    assert.deepEqual(scene.told, []);
  });

  it('is none for a port that nobody answers at, nor as bytes where requests are routed', (t) => {
    const arrived = new Scene(t, { kind: 'inbound', destination: 'shop/web:9' });
    arrived.routing.begin(null);
    assert.deepEqual(arrived.told, ['misdirected: shop/web:9']);
    const requests = new Scene(t, {}, (fixture) =>
      fixture.serveOrders([plainEndpoint(1)], { route: 'HTTPRoute shop/orders' }),
    );
    requests.routing.begin(null);
    assert.deepEqual(requests.told, ['protocol-unknown: port-has-request-routes']);
  });

  it('waits for the server name where rules choose by it, in any split, also of what was said before', async (t) => {
    const hello = await clientHello('b.example.com');
    for (const early of [0, 3, hello.length]) {
      const scene = new Scene(t);
      scene.routing.begin(null);
      if (early > 0) scene.say(hello.subarray(0, early));
      scene.fixture.serveOrders([plainEndpoint(1)], byName);
      if (early < hello.length) {
        assert.ok(scene.routing.readsHello && scene.told.length === 0);
        scene.say(hello.subarray(early));
      }
      assert.deepEqual([scene.told, scene.routing.serverName], [[`to ${ordersKey}`], 'b.example.com'], String(early));
      scene.clock.advance(10_000);
      assert.equal(scene.told.length, 1);
    }
  });

  it('is none for a caller that says something else than a ClientHello, or nothing for five seconds', (t) => {
    const serveByName = (fixture: PlaneFixture): void => fixture.serveOrders([plainEndpoint(1)], byName);
    const wrong = new Scene(t, {}, serveByName);
    wrong.routing.begin(null);
    wrong.say(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    assert.match(wrong.told.join(), /^client-hello-expected: /);
    const silent = new Scene(t, {}, serveByName);
    silent.routing.begin(null);
    silent.clock.advance(4_900);
    assert.deepEqual(silent.told, []);
    silent.clock.advance(150);
    assert.deepEqual(silent.told, ['client-hello-expected: time-out']);
  });

  it('is routed by the server name of its ClientHello, which reaches the endpoint untouched', async () => {
    const fixture = new PlaneFixture();
    fixture.put(tcpNames);
    const endings = (): string[] => fixture.tcpRecorder.ends.map(({ code }) => code);
    const { server, port } = await serve((socket) => void socket.pipe(socket));
    const hello = await clientHello('b.example.com');
    fixture.serveOrders([plainEndpoint(port)], { route: 'TLSRoute shop/b', hostnames: ['b.example.com'] });
    const listener = await fixture.listen();
    const socket = await call(listener.port);
    // In pieces, as a slow network brings it.
    socket.write(hello.subarray(0, 3));
    await eventually(() => true, 10);
    socket.end(hello.subarray(3));
    assert.deepEqual(await readAll(socket), hello);
    await eventually(() => endings().length === 1, 5_000);
    assert.equal(fixture.tcpRecorder.ends[0]?.serverName, 'b.example.com');
    const other = await call(listener.port);
    other.write(await clientHello('c.example.com'));
    await gone(other);
    assert.deepEqual(endings(), ['completed', 'no-route']);
    fixture.close();
    server.close();
  });
});

describe('a port of a Gateway', () => {
  it('passes TLS on by server name, and TCP as it is, to what their routes say', async () => {
    const fixture = new PlaneFixture({ gateway: true });
    const { server: a, port: portA } = await serve((socket) => void socket.once('data', () => socket.end('a')));
    const { server: b, port: portB } = await serve((socket) => void socket.once('data', () => socket.end('b')));
    const key = (name: string): string => `shop/${name}:443`;
    const rule = (name: string, hostnames: readonly string[], route: string) =>
      routeRule({ route, hostnames, backends: [{ backend: key(name), weight: 1, filters: [] }] });
    const listener = { type: 'listener', certificates: [] } as const;
    const byName = [rule('a', ['a.example.com'], 'TLSRoute shop/a'), rule('b', ['b.example.com'], 'TLSRoute shop/b')];
    const asIs = [rule('b', [], 'TCPRoute shop/b')];
    fixture.put(
      { ...listener, name: 'shop/edge/tls', port: 443, protocol: 'Tls', hostname: '*.example.com', rules: byName },
      { ...listener, name: 'shop/edge/tcp', port: 5432, protocol: 'Tcp', hostname: '', rules: asIs },
      backendPolicy({ name: key('a') }),
      backendPolicy({ name: key('b') }),
      { type: 'endpoints', name: key('a'), endpoints: [plainEndpoint(portA)] },
      { type: 'endpoints', name: key('b'), endpoints: [plainEndpoint(portB)] },
    );
    const tls = await fixture.listen({ kind: 'gateway', listener: '443' });
    for (const name of ['a', 'b']) {
      const socket = await call(tls.port);
      socket.write(await clientHello(`${name}.example.com`));
      assert.equal((await readAll(socket)).toString(), name);
      socket.end();
    }
    const unknown = await call(tls.port);
    unknown.write(await clientHello('a.example.net'));
    await gone(unknown);
    const plain = await call((await fixture.listen({ kind: 'gateway', listener: '5432' })).port);
    plain.write('anything');
    assert.equal((await readAll(plain)).toString(), 'b');
    plain.end();
    await eventually(() => fixture.tcpRecorder.ends.length === 4, 5_000);
    assert.deepEqual(fixture.tcpRecorder.ends.map(({ code, route }) => `${code} ${route}`).sort(), [
      'completed TCPRoute shop/b',
      'completed TLSRoute shop/a',
      'completed TLSRoute shop/b',
      'no-route ',
    ]);
    fixture.close();
    a.close();
    b.close();
  });
});

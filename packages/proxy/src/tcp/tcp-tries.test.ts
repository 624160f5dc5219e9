import assert from 'node:assert/strict';
import { type TestContext, describe, it } from 'node:test';
import type { BackendState } from '@weft/decision';
import { eventually } from '@weft/testkit';
import { SidecarPair } from '../fixture/mesh-fixture.ts';
import { PlaneFixture, backendPolicy, ordersKey, plainEndpoint } from '../fixture/plane-fixture.ts';
import type { PlaneFixtureOptions } from '../fixture/plane-fixture.ts';
import { call, readAll, refused, serve, tcpNames } from '../fixture/tcp-fixture.ts';
import { TcpTries } from './tcp-tries.ts';

function planeFixture(t: TestContext, options: PlaneFixtureOptions = {}): PlaneFixture {
  const fixture = new PlaneFixture(options);
  fixture.put(tcpNames);
  t.after(() => fixture.close());
  return fixture;
}

function ordersOf(fixture: PlaneFixture): BackendState {
  return fixture.plane.tables.backend(ordersKey)!;
}

/** The tries of one connection, and what they say, in order. */
class Scene {
  readonly told: string[] = [];
  readonly tries: TcpTries;

  constructor(fixture: PlaneFixture) {
    const { told } = this;
    this.tries = new TcpTries(fixture.plane, {
      onOpened: () => void told.push('opened'),
      onGivenUp: (code, detail) => void told.push(`${code}: ${detail}`),
      onUpstreamBytes: (chunk, start, end) => void told.push(chunk.toString('latin1', start, end)),
      onUpstreamEnd: () => void told.push('end'),
      onUpstreamDrained: () => {},
      onUpstreamClose: (error) => void told.push(`close ${error}`),
    });
    const { rules } = fixture.plane.tables.destination(ordersKey)!.routes;
    assert.equal(this.tries.admit(ordersOf(fixture)), undefined);
    this.tries.start(rules[0]!, 0);
  }

  async untilTold(count: number): Promise<void> {
    await eventually(() => this.told.length >= count, 5_000);
  }
}

/** A port at which nobody listens. */
async function deadPort(): Promise<number> {
  const { server, port } = await serve(() => {});
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return port;
}

describe('the tries of a TCP connection', () => {
  it('go from endpoint to endpoint until one has accepted, and then say what it says', async (t) => {
    const fixture = planeFixture(t);
    const { server, port } = await serve((socket) => void socket.end('hello'));
    fixture.serveOrders([plainEndpoint(await deadPort(), 'a'), plainEndpoint(port, 'b')]);
    const dead = ordersOf(fixture).endpoints[0]!;
    let retried = 0;
    // By turns, whoever begins.
    for (let turn = 0; turn < 3; turn += 1) {
      const scene = new Scene(fixture);
      await scene.untilTold(3);
      const { told, tries } = scene;
      assert.deepEqual(told, ['opened', 'hello', 'end']);
      assert.equal(tries.endpoint?.key, 'b');
      assert.ok(tries.connectMs >= 0);
      assert.equal(tries.attempts, tries.retried ? 2 : 1);
      retried += tries.attempts - 1;
      tries.finish('completed', false);
    }
    assert.ok(retried > 0);
    assert.deepEqual([dead.tries, dead.failures], [retried, retried]);
    assert.equal(ordersOf(fixture).activeRequests, 0);
    assert.ok(ordersOf(fixture).endpoints.every(({ inFlight }) => inFlight === 0));
    server.close();
  });

  it('end when all that the rule allows are spent, with what the last came to', async (t) => {
    const fixture = planeFixture(t);
    const ports = [await deadPort(), await deadPort(), await deadPort(), await deadPort()];
    fixture.serveOrders(ports.map((port) => plainEndpoint(port)));
    const scene = new Scene(fixture);
    await scene.untilTold(1);
    assert.deepEqual([scene.told, scene.tries.attempts], [['connect-refused: ECONNREFUSED'], 3]);
    scene.tries.finish('connect-refused', true);
    assert.equal(ordersOf(fixture).activeRequests, 0);
  });

  it('do not go to this proxy itself, nor into the mesh without an identity of its own', async (t) => {
    const { server, port } = await serve(() => {});
    const own = planeFixture(t, { isOwnAddress: (_host, asked) => asked === port });
    own.serveOrders([plainEndpoint(port)], { retries: noRetries });
    const looped = new Scene(own);
    await looped.untilTold(1);
    assert.deepEqual(looped.told, ['loop-detected: the endpoint is this proxy']);
    const nobody = planeFixture(t);
    nobody.serveOrders([{ ...plainEndpoint(port), mesh: true }], { retries: noRetries });
    assert.deepEqual(new Scene(nobody).told, ['tls-failed: no-own-identity']);
    server.close();
  });

  it('are not heard of once the connection is over', async (t) => {
    const fixture = planeFixture(t);
    const accepted: string[] = [];
    const { server, port } = await serve((socket) => {
      accepted.push('');
      socket.on('close', () => void accepted.push('closed'));
    });
    fixture.serveOrders([plainEndpoint(port)]);
    const scene = new Scene(fixture);
    await eventually(() => accepted.length === 1 && scene.told.length === 1, 5_000);
    scene.tries.finish('downstream-reset', true);
    await eventually(() => accepted.length === 2, 5_000);
    assert.deepEqual(scene.told, ['opened']);
    server.close();
  });

  it('hold it against an endpoint that takes a connection and resets it before a word, not one that ends it', async (t) => {
    for (const [code, failures] of [
      ['upstream-cut', 1],
      ['completed', 0],
    ] as const) {
      const fixture = planeFixture(t);
      const { server, port } = await serve(() => {});
      fixture.serveOrders([plainEndpoint(port)]);
      const scene = new Scene(fixture);
      await scene.untilTold(1);
      scene.tries.finish(code, true);
      assert.equal(ordersOf(fixture).endpoints[0]?.failures, failures, code);
      server.close();
    }
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

  it('goes to an endpoint that has room, and is refused when none has', async (t) => {
    const fixture = planeFixture(t);
    const echo = await serve((socket) => void socket.pipe(socket));
    const silent = await serve(() => {});
    const endings = (): string[] => fixture.tcpRecorder.ends.map(({ code }) => code);
    const connections = { ...backendPolicy().connections, maxPerEndpoint: 1 };
    const endpoints = [plainEndpoint(echo.port), plainEndpoint(silent.port)];
    fixture.serveOrders(endpoints, {}, { connections });
    const listener = await fixture.listen();
    const sockets = [await call(listener.port), await call(listener.port)];
    await eventually(() => listener.openCount === 2, 5_000);
    await refused(listener.port);
    assert.deepEqual(endings(), ['pending-limit']);
    sockets[0]!.resetAndDestroy();
    sockets[1]!.resetAndDestroy();
    await eventually(() => endings().length === 3, 5_000);
    const [, first, second] = fixture.tcpRecorder.ends;
    assert.notEqual(first?.endpoint, second?.endpoint);
    echo.server.close();
    silent.server.close();
  });
});

const noRetries = {
  attempts: 0,
  on: [],
  statuses: [],
  grpcStatuses: [],
  anyMethod: false,
  backoffBaseMs: 1,
  backoffMaxMs: 5,
  bodyLimitBytes: 0,
  budget: { percent: 20, minimumPerSecond: 10, windowMs: 10_000 },
};

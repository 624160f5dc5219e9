import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { describe, it } from 'node:test';
import type { Backend, Endpoint, RouteRule } from '@weft/model';
import { FakeClock, ScriptedPeer, ScriptedServer, eventually } from '@weft/testkit';
import { PlaneFixture, backendPolicy, gatewayListener, plainEndpoint, routeRule } from '../fixture/plane-fixture.ts';
import type { PlaneFixtureOptions, SweepableListener } from '../fixture/plane-fixture.ts';

const GET = 'GET /a HTTP/1.1\r\nHost: orders\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BUSY = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy';
const post = (body: string, fields = ''): string =>
  `POST /a HTTP/1.1\r\nHost: orders\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const WHOLE_REPLY = /\r\n\r\n[^]*\n/;

/** A plane in front of scripted servers; everything is ended with the test. */
class Stage {
  readonly fixture: PlaneFixture;
  readonly servers: ScriptedServer[];
  readonly clock: FakeClock | null;
  private readonly clients: ScriptedPeer[];
  private listener: SweepableListener | null;

  constructor(fixture: PlaneFixture, servers: ScriptedServer[], clock: FakeClock | null) {
    this.fixture = fixture;
    this.servers = servers;
    this.clock = clock;
    this.clients = [];
    this.listener = null;
  }

  get endpoints(): Endpoint[] {
    return this.servers.map(({ port }, index) => plainEndpoint(port, `orders-${index}`));
  }

  serve(rule: Partial<RouteRule> = {}, backend: Partial<Omit<Backend, 'type'>> = {}): void {
    this.fixture.serveOrders(this.endpoints, rule, backend);
  }

  async client(): Promise<ScriptedPeer> {
    this.listener ??= await this.fixture.listen();
    const client = await ScriptedPeer.connect(this.listener.port);
    this.clients.push(client);
    return client;
  }

  /** Time goes on while the sockets are at rest. */
  async pass(ms: number): Promise<void> {
    for (let turn = 0; turn < 10; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    await this.clock!.advanceSettled(ms);
    for (let turn = 0; turn < 10; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  get listening(): SweepableListener {
    return this.listener!;
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy();
    this.fixture.close();
    for (const server of this.servers) await server.close();
  }
}

function stageTest(
  name: string,
  servers: number,
  run: (stage: Stage) => Promise<void>,
  options: PlaneFixtureOptions & { fake?: boolean } = {},
): void {
  it(name, async () => {
    const clock = options.fake === true ? new FakeClock({ startMs: 1_000 }) : null;
    const owned = clock === null ? {} : { clock, wheel: clock.wheel() };
    const stage = new Stage(
      new PlaneFixture({ ...options, ...owned }),
      await Promise.all(Array.from({ length: servers }, () => ScriptedServer.listen())),
      clock,
    );
    try {
      await run(stage);
    } finally {
      await stage.close();
    }
  });
}

/** The server that the next connection comes to, and that connection. */
async function accepted(servers: readonly ScriptedServer[]): Promise<{ peer: ScriptedPeer; server: ScriptedServer }> {
  // Asked in turn for a moment each: a wait that is left behind would take a connection that nobody looks at.
  for (let round = 0; round < 1_000; round += 1) {
    for (const server of servers) {
      const peer = await server.accept(1).catch(() => null);
      if (peer !== null) return { peer, server };
    }
  }
  throw new Error('no connection came to any server');
}

const noRetries = { ...routeRule().retries, attempts: 0 };

describe('retries', () => {
  stageTest('go to another endpoint when a connection is refused, for any method', 2, async (stage) => {
    const [dead, alive] = stage.servers;
    await dead!.close();
    stage.serve();
    for (let round = 0; round < 2; round += 1) {
      const client = await stage.client();
      await client.send(post('body'));
      if (round === 0) {
        const peer = await alive!.accept();
        await peer.receive('body');
        await peer.send(OK.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
      } else {
        const peer = await alive!.accept();
        await peer.receive('body');
        await peer.send(OK);
      }
      await client.receive('ok');
    }
    assert.ok(stage.fixture.recorder.retries.length >= 1);
    assert.equal(stage.fixture.recorder.retries[0], 'NeverSent');
    assert.deepEqual(stage.fixture.recorder.codes, ['completed', 'completed']);
  });

  stageTest('repeat an idempotent request that was reset before an answer', 2, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(GET);
    const first = await accepted(stage.servers);
    await first.peer.receive('\r\n\r\n');
    first.peer.reset();
    const second = await stage.servers.find((server) => server !== first.server)!.accept();
    await second.receive('\r\n\r\n');
    await second.send(OK);
    await client.receive('ok');
    assert.deepEqual(stage.fixture.recorder.retries, ['ResetBeforeHeaders']);
  });

  stageTest('never repeat a POST that may have been handled', 2, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(post('body'));
    const { peer } = await accepted(stage.servers);
    await peer.receive('body');
    peer.reset();
    assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 502 .*weft-refused: upstream-reset/s);
    assert.deepEqual(stage.fixture.recorder.retries, []);
  });

  stageTest('repeat a POST that carries an Idempotency-Key, with its body', 2, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(post('body', 'Idempotency-Key: "7"\r\n'));
    const first = await accepted(stage.servers);
    await first.peer.receive('body');
    await first.peer.send(BUSY);
    const second = await stage.servers.find((server) => server !== first.server)!.accept();
    assert.match((await second.receive('body')).toString(), /Content-Length: 4\r\n\r\nbody$/);
    await second.send(OK);
    await client.receive('ok');
  });

  stageTest('send a PUT body again as it came, chunks and trailers too', 2, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send('PUT / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    const first = await accepted(stage.servers);
    await first.peer.receive('abc\r\n');
    await client.send('2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n');
    await first.peer.receive('X-Sum: 5\r\n\r\n');
    await first.peer.send(BUSY);
    const second = await stage.servers.find((server) => server !== first.server)!.accept();
    const again = (await second.receive('X-Sum: 5\r\n\r\n')).toString();
    assert.equal(
      again
        .split('\r\n\r\n')
        .slice(1)
        .join('')
        .replaceAll(/(^|\r\n)\d\r\n/g, '')
        .replaceAll('\r\n', ''),
      'abcdeX-Sum: 5',
    );
    await second.send(OK);
    await client.receive('ok');
  });

  stageTest('stop when the body exceeds what is kept', 2, async (stage) => {
    stage.serve({ retries: { ...routeRule().retries, bodyLimitBytes: 8 } });
    const client = await stage.client();
    await client.send('PUT / HTTP/1.1\r\nHost: orders\r\nContent-Length: 16\r\n\r\n12345678');
    const { peer } = await accepted(stage.servers);
    await peer.receive('12345678');
    await client.send('abcdefgh');
    await peer.receive('abcdefgh');
    await peer.send(BUSY);
    assert.match((await client.receive('busy')).toString(), /^HTTP\/1\.1 503 /);
    assert.deepEqual(stage.fixture.recorder.retries, []);
  });

  stageTest('pass on the last answer when all tries are used', 2, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(GET);
    for (let tries = 0; tries < 3; tries += 1) {
      const { peer } = await accepted(stage.servers);
      await peer.receive('\r\n\r\n');
      await peer.send(BUSY.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    }
    assert.match((await client.receive('busy')).toString(), /^HTTP\/1\.1 503 /);
    assert.equal(stage.fixture.recorder.ends[0]!.attempts, 3);
    assert.deepEqual(stage.fixture.recorder.codes, ['completed']);
  });

  stageTest('end with the budget', 1, async (stage) => {
    stage.serve({
      retries: { ...routeRule().retries, budget: { percent: 0, minimumPerSecond: 0.1, windowMs: 10_000 } },
    });
    const client = await stage.client();
    const server = stage.servers[0]!;
    const answers: string[] = [];
    let peer: ScriptedPeer | undefined;
    for (let request = 0; request < 3; request += 1) {
      await client.send(GET);
      peer ??= await server.accept();
      // One request may be repeated within the window; the others are not.
      for (let tries = 0; tries < (request === 0 ? 2 : 1); tries += 1) {
        await peer.receive('\r\n\r\n');
        await peer.send(BUSY);
      }
      answers.push((await client.receive('busy')).toString().slice(0, 12));
    }
    assert.deepEqual(answers, ['HTTP/1.1 503', 'HTTP/1.1 503', 'HTTP/1.1 503']);
    assert.equal(stage.fixture.recorder.retries.length, 1);
  });

  stageTest(
    'wait as long as Retry-After says',
    1,
    async (stage) => {
      stage.serve({ retries: { ...routeRule().retries, backoffMaxMs: 5_000 } });
      const client = await stage.client();
      await client.send(GET);
      const peer = await stage.servers[0]!.accept();
      await peer.receive('\r\n\r\n');
      await peer.send(BUSY.replace('\r\n\r\n', '\r\nRetry-After: 2\r\n\r\n'));
      await stage.pass(1_900);
      assert.equal(peer.unread.length, 0);
      await stage.pass(200);
      await peer.receive('\r\n\r\n');
      await peer.send(OK);
      await client.receive('ok');
    },
    { fake: true },
  );
});

describe('time-outs', () => {
  stageTest(
    'end a request that takes too long with 504, and cancel it upstream',
    1,
    async (stage) => {
      stage.serve({ timeouts: { requestMs: 1_000, backendRequestMs: 0, connectMs: 500, streamIdleMs: 0 } });
      const client = await stage.client();
      await client.send(GET);
      const peer = await stage.servers[0]!.accept();
      await peer.receive('\r\n\r\n');
      await stage.pass(990);
      assert.equal(client.unread.length, 0);
      await stage.pass(30);
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 504 .*request-timeout/s);
      await peer.closed();
      assert.deepEqual(stage.fixture.recorder.codes, ['request-timeout']);
      await client.send(GET);
      await stage.servers[0]!.accept();
    },
    { fake: true },
  );

  stageTest(
    'end one try after backendRequest and make another when PerTryTimeout is asked for',
    2,
    async (stage) => {
      stage.serve({
        timeouts: { requestMs: 5_000, backendRequestMs: 300, connectMs: 500, streamIdleMs: 0 },
        retries: { ...routeRule().retries, on: ['PerTryTimeout'] },
      });
      const client = await stage.client();
      await client.send(GET);
      const first = await accepted(stage.servers);
      await first.peer.receive('\r\n\r\n');
      await stage.pass(330);
      await stage.pass(50);
      const second = await stage.servers.find((server) => server !== first.server)!.accept();
      await second.receive('\r\n\r\n');
      await second.send(OK);
      await client.receive('ok');
      assert.deepEqual(stage.fixture.recorder.retries, ['PerTryTimeout']);
    },
    { fake: true },
  );

  stageTest(
    'cut a stream in which nothing moves, and let one live that moves',
    1,
    async (stage) => {
      stage.serve({ timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 500, streamIdleMs: 1_000 } });
      const client = await stage.client();
      await client.send(GET);
      const peer = await stage.servers[0]!.accept();
      await peer.receive('\r\n\r\n');
      await peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
      await client.receive('a\r\n');
      for (let round = 0; round < 4; round += 1) {
        await stage.pass(800);
        await peer.send('1\r\nb\r\n');
        await client.receive('b\r\n');
      }
      await stage.pass(1_050);
      assert.equal(await client.closed(), 'reset');
      assert.deepEqual(stage.fixture.recorder.codes, ['stream-idle-timeout']);
    },
    { fake: true },
  );

  stageTest(
    'tell a request body that stalls from an application that does',
    1,
    async (stage) => {
      stage.serve({ timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 500, streamIdleMs: 1_000 } });
      const stalls = await stage.client();
      await stalls.send('POST /a HTTP/1.1\r\nHost: orders\r\nContent-Length: 10\r\n\r\n12345');
      await (await stage.servers[0]!.accept()).receive('12345');
      await stage.pass(1_050);
      assert.match((await stalls.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 408 .*request-body-timeout/s);
      await stalls.closed();
      const waits = await stage.client();
      await waits.send(post('1234567890'));
      await (await stage.servers[0]!.accept()).receive('1234567890');
      await stage.pass(1_050);
      assert.match((await waits.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 504 .*stream-idle-timeout/s);
      assert.deepEqual(stage.fixture.recorder.codes, ['request-body-timeout', 'stream-idle-timeout']);
    },
    { fake: true },
  );

  stageTest(
    'cut an answer that its caller has stopped reading, and say that it was the caller',
    1,
    async (stage) => {
      stage.serve({ timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 500, streamIdleMs: 1_000 } });
      const client = await stage.client();
      await client.send(GET);
      const peer = await stage.servers[0]!.accept();
      await peer.receive('\r\n\r\n');
      client.pauseReading();
      // More than the system holds between two ends of one machine.
      const body = Buffer.alloc(32 << 20);
      peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
      peer.socket.write(body);
      let before = -1;
      await eventually(() => {
        const after = peer.socket.bytesWritten - peer.socket.writableLength;
        const held = stage.listening.bufferedBytes();
        const isStill = held > 0 && before === after;
        before = after;
        return isStill;
      }, 5_000);
      await stage.pass(1_050);
      assert.deepEqual(stage.fixture.recorder.codes, ['downstream-write-timeout']);
      assert.equal(await peer.closed(), 'reset');
      client.resumeReading();
      assert.equal(await client.closed(), 'reset');
    },
    { fake: true },
  );

  stageTest('end a dial that nobody takes up, and measure it', 0, async (stage) => {
    // 192.0.2.0/24 is for documentation: nothing answers there, or the machine says at once that there is no way.
    stage.fixture.serveOrders([{ ...plainEndpoint(9), address: '192.0.2.1' }], {
      timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 60, streamIdleMs: 0 },
      retries: noRetries,
    });
    const client = await stage.client();
    await client.send(GET);
    const answer = (await client.receive(WHOLE_REPLY)).toString();
    assert.match(answer, /^HTTP\/1\.1 503 .*weft-refused: connect-(timeout|refused)/s);
    const [end] = stage.fixture.recorder.ends;
    if (end!.code === 'connect-timeout') assert.ok(end!.durationMs >= 55, `${end!.durationMs}`);
  });

  stageTest(
    'refuse a head that does not come within its time, counted from its first byte',
    1,
    async (stage) => {
      stage.serve();
      const client = await stage.client();
      await client.send(GET);
      const peer = await stage.servers[0]!.accept();
      await peer.receive('\r\n\r\n');
      await peer.send(OK);
      await client.receive('ok');
      // Nine seconds of rest are not part of the next head.
      await stage.pass(9_000);
      await client.send('GET /slow HTTP/1.1\r\n');
      await stage.pass(2_000);
      stage.listening.sweepNow();
      await client.send('Host: orders\r\n');
      await stage.pass(7_500);
      stage.listening.sweepNow();
      assert.equal(client.unread.length, 0);
      await stage.pass(600);
      stage.listening.sweepNow();
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 408 /);
      await client.closed();
      await stage.pass(2_100);
      await eventually(() => stage.fixture.connections[0]?.code === 'request-head-timeout', 2_000);
    },
    { fake: true },
  );

  stageTest(
    'close a connection that has rested too long',
    1,
    async (stage) => {
      stage.serve();
      const client = await stage.client();
      await stage.pass(299_000);
      stage.listening.sweepNow();
      await stage.pass(1_500);
      stage.listening.sweepNow();
      assert.equal(await client.closed(), 'end');
    },
    { fake: true },
  );
});

describe('a pool', () => {
  const capped = (maxPerEndpoint: number, maxPending: number): Partial<Omit<Backend, 'type'>> => ({
    connections: {
      maxPerEndpoint,
      maxPending,
      idleTimeoutMs: 60_000,
      maxLifetimeMs: 0,
      maxRequestsPerConnection: 0,
      sendsProxyProtocol: false,
      keepsFieldNameCase: false,
    },
  });

  stageTest('refuses beyond its pending limit and serves the rest in order', 1, async (stage) => {
    stage.serve({ retries: noRetries }, capped(1, 2));
    const server = stage.servers[0]!;
    const clients = await Promise.all(Array.from({ length: 4 }, () => stage.client()));
    await clients[0]!.send(GET);
    const peer = await server.accept();
    await peer.receive('\r\n\r\n');
    for (const client of clients.slice(1)) await client.send(GET);
    assert.match((await clients[3]!.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 503 .*(pending-limit|no-endpoint)/s);
    for (const client of clients.slice(0, 3)) {
      await peer.send(OK);
      await client.receive('ok');
      if (client !== clients[2]) await peer.receive('\r\n\r\n');
    }
    assert.equal(server.size, 1);
  });

  stageTest(
    'fails all who wait when the endpoint is gone, though it may dial only once at a time',
    1,
    async (stage) => {
      stage.serve({ retries: noRetries }, capped(1, 0));
      await stage.servers[0]!.close();
      const clients = await Promise.all(Array.from({ length: 5 }, () => stage.client()));
      for (const client of clients) await client.send(GET);
      for (const client of clients) {
        assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 503 .*connect-refused/s);
      }
    },
  );

  stageTest(
    'takes a fresh connection for a POST when the one at rest is old, and no more than its cap',
    1,
    async (stage) => {
      stage.serve({ retries: noRetries }, capped(1, 0));
      const server = stage.servers[0]!;
      const client = await stage.client();
      await client.send(GET);
      const first = await server.accept();
      await first.receive('\r\n\r\n');
      await first.send(OK);
      await client.receive('ok');
      await stage.pass(1_100);
      await client.send(post('body'));
      const second = await server.accept();
      await second.receive('body');
      await second.send(OK);
      await client.receive('ok');
      await first.closed();
      await stage.pass(1_100);
      // An idempotent one takes what is there.
      await client.send(GET);
      await second.receive('\r\n\r\n');
      await second.send(OK);
      await client.receive('ok');
      await assert.rejects(server.accept(50));
    },
    { fake: true },
  );

  stageTest('uses a connection no more often than it may', 1, async (stage) => {
    stage.serve(
      {},
      {
        connections: {
          maxPerEndpoint: 0,
          maxPending: 0,
          idleTimeoutMs: 0,
          maxLifetimeMs: 0,
          maxRequestsPerConnection: 2,
          sendsProxyProtocol: false,
          keepsFieldNameCase: false,
        },
      },
    );
    const client = await stage.client();
    for (let connection = 0; connection < 2; connection += 1) {
      let peer: ScriptedPeer | undefined;
      for (let request = 0; request < 2; request += 1) {
        await client.send(GET);
        peer ??= await stage.servers[0]!.accept();
        await peer.receive('\r\n\r\n');
        await peer.send(OK);
        await client.receive('ok');
      }
      await peer!.closed();
    }
  });

  stageTest(
    'neither uses nor keeps an idle connection that has come to the end of its life',
    1,
    async (stage) => {
      stage.serve(
        {},
        {
          connections: {
            maxPerEndpoint: 0,
            maxPending: 0,
            idleTimeoutMs: 60_000,
            maxLifetimeMs: 1_200,
            maxRequestsPerConnection: 0,
            sendsProxyProtocol: false,
            keepsFieldNameCase: false,
          },
        },
      );
      const server = stage.servers[0]!;
      const client = await stage.client();
      const serve = async (peer: ScriptedPeer): Promise<void> => {
        await peer.receive('\r\n\r\n');
        await peer.send(OK);
        await client.receive('ok');
      };
      await client.send(GET);
      const first = await server.accept();
      await serve(first);
      await stage.pass(1_100);
      await client.send(GET);
      await serve(first);
      // Older than it may be, and not yet swept.
      await stage.pass(150);
      await client.send(GET);
      const second = await server.accept();
      await serve(second);
      await first.closed();
      await stage.pass(1_000);
      await assert.rejects(second.closed(20));
      await stage.pass(800);
      assert.equal(await second.closed(), 'end');
    },
    // The whole of its life: what chance would take from it is nothing.
    { fake: true, random: () => 0.999_999 },
  );

  stageTest('forgets a caller that leaves while it waits for a connection', 1, async (stage) => {
    stage.serve({ retries: noRetries }, capped(1, 0));
    const staying = await stage.client();
    await staying.send(GET);
    const peer = await stage.servers[0]!.accept();
    await peer.receive('\r\n\r\n');
    const leaving = await stage.client();
    await leaving.send('GET /left HTTP/1.1\r\nHost: orders\r\n\r\n');
    const pending = (): number => stage.fixture.plane.counters.get('shop/orders:80')!.pending;
    await eventually(() => pending() === 1, 2_000);
    leaving.reset();
    await eventually(() => pending() === 0, 2_000);
    assert.deepEqual(stage.fixture.recorder.codes, ['downstream-reset']);
    await peer.send(OK);
    await staying.receive('ok');
    await staying.send(GET);
    // The next request on the only connection is the one of the caller that stayed.
    assert.match((await peer.receive('\r\n\r\n')).toString(), /^GET \/a /);
    await peer.send(OK);
    await staying.receive('ok');
  });

  stageTest('does not use a connection on which something came unasked', 1, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(GET);
    const peer = await stage.servers[0]!.accept();
    await peer.receive('\r\n\r\n');
    await peer.send(OK);
    await client.receive('ok');
    await peer.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await peer.closed();
    await client.send(GET);
    const next = await stage.servers[0]!.accept();
    await next.receive('\r\n\r\n');
    await next.send(OK);
    assert.match((await client.receive('ok')).toString(), /ok$/);
  });

  stageTest('ends the connections of an endpoint that is taken away, behind their request', 1, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(GET);
    const peer = await stage.servers[0]!.accept();
    await peer.receive('\r\n\r\n');
    stage.fixture.serveOrders([]);
    await peer.send(OK);
    await client.receive('ok');
    await peer.closed();
    await client.send(GET);
    assert.match((await client.receive(WHOLE_REPLY)).toString(), /no-endpoint/);
  });
});

describe('a response that breaks', () => {
  stageTest('off is cut for the caller too, never ended as if whole', 1, async (stage) => {
    stage.serve();
    for (const framing of ['Content-Length: 10\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n']) {
      const client = await stage.client();
      await client.send(GET);
      const peer = await stage.servers[0]!.accept();
      await peer.receive('\r\n\r\n');
      await peer.send(`HTTP/1.1 200 OK\r\n${framing}`);
      await client.receive('abc');
      await peer.end();
      assert.equal(await client.closed(), 'reset');
    }
    assert.deepEqual(stage.fixture.recorder.codes, ['upstream-cut', 'upstream-cut']);
  });

  stageTest('is not followed by a second head when the request body turns out malformed', 1, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send('POST / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
    const peer = await stage.servers[0]!.accept();
    await peer.receive('a\r\n');
    await peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n');
    await client.receive('A\r\n');
    await client.send('zz\r\n');
    assert.equal(await client.closed(), 'reset');
    assert.doesNotMatch(client.unread.toString(), /HTTP\/1\.1 400/);
    assert.deepEqual(stage.fixture.recorder.codes, ['malformed-request-body']);
    assert.notEqual(await peer.closed(), null);
  });
});

describe('a destination that is not held', () => {
  const routes = { type: 'routes' as const, name: 'shop/later:80', rules: [routeRule()] };

  stageTest('is asked for, and the request goes on when it comes', 1, async (stage) => {
    const { fixture } = stage;
    nameLater(fixture);
    const listener = await fixture.listen({ kind: 'explicit' });
    const client = await ScriptedPeer.connect(listener.port);
    await client.send('POST http://later/x HTTP/1.1\r\nHost: later\r\nContent-Length: 4\r\n\r\nbody');
    await eventually(() => fixture.demanded.length > 0, 2_000);
    assert.deepEqual(fixture.demanded, ['shop/later:80']);
    stage.serve();
    fixture.put(routes);
    const peer = await stage.servers[0]!.accept();
    assert.match((await peer.receive('body')).toString(), /^POST \/x HTTP\/1\.1\r\nHost: later\r\n/);
    await peer.send(OK);
    await client.receive('ok');
    client.destroy();
  });

  stageTest(
    'is refused after a second, or at once when there is none; each request is counted once',
    0,
    async (stage) => {
      const { fixture } = stage;
      nameLater(fixture);
      const listener = await fixture.listen({ kind: 'explicit' });
      const request = 'GET http://later/ HTTP/1.1\r\nHost: later\r\n\r\n';
      const client = await ScriptedPeer.connect(listener.port);
      await client.send(request);
      await eventually(() => fixture.demanded.length === 1, 2_000);
      await stage.pass(1_050);
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 503 .*no-config/s);
      await client.send(request);
      await eventually(() => fixture.demanded.length === 2, 2_000);
      fixture.plane.missing(['shop/later:80']);
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 404 .*unknown-host/s);
      await client.send(request);
      await eventually(() => fixture.demanded.length === 3, 2_000);
      client.reset();
      await eventually(() => fixture.recorder.ends.length === 3, 2_000);
      const next = await ScriptedPeer.connect(listener.port);
      await next.send(request);
      await eventually(() => fixture.demanded.length === 4, 2_000);
      listener.destroy();
      await eventually(() => fixture.recorder.ends.length === 4, 2_000);
      assert.deepEqual(fixture.recorder.codes, ['no-config', 'unknown-host', 'downstream-reset', 'drain-deadline']);
      assert.equal(fixture.recorder.begunCount, 4);
      next.destroy();
    },
    { fake: true },
  );

  stageTest('is not called for a caller that left while it was awaited', 1, async (stage) => {
    const { fixture } = stage;
    nameLater(fixture);
    const listener = await fixture.listen({ kind: 'explicit' });
    const leaving = await ScriptedPeer.connect(listener.port);
    await leaving.send('GET http://later/left HTTP/1.1\r\nHost: later\r\n\r\n');
    await eventually(() => fixture.demanded.length === 1, 2_000);
    leaving.reset();
    await eventually(() => fixture.recorder.ends.length === 1, 2_000);
    assert.equal(fixture.plane['waiters'].size, 0);
    const staying = await ScriptedPeer.connect(listener.port);
    await staying.send('GET http://later/stayed HTTP/1.1\r\nHost: later\r\n\r\n');
    await eventually(() => fixture.demanded.length === 2, 2_000);
    stage.serve();
    fixture.put(routes);
    const peer = await stage.servers[0]!.accept();
    assert.match((await peer.receive('\r\n\r\n')).toString(), /^GET \/stayed /);
    await peer.send(OK);
    await staying.receive('ok');
    assert.deepEqual(fixture.recorder.codes, ['downstream-reset', 'completed']);
    assert.equal(fixture.recorder.begunCount, 2);
    assert.equal(stage.servers[0]!.size, 1);
    staying.destroy();
  });
});

describe('hosts outside the mesh', () => {
  stageTest('are reached under AllowAny and are not the rule of the request before', 1, async (stage) => {
    const { fixture } = stage;
    stage.serve();
    const listener = await fixture.listen({ kind: 'explicit' });
    const client = await ScriptedPeer.connect(listener.port);
    const { port } = stage.servers[0]!;
    await client.send(`GET http://127.0.0.1:${port}/out HTTP/1.1\r\nHost: ignored\r\n\r\n`);
    const peer = await stage.servers[0]!.accept();
    assert.match(
      (await peer.receive('\r\n\r\n')).toString(),
      new RegExp(`^GET /out HTTP/1\\.1\r\nHost: 127\\.0\\.0\\.1:${port}\r\n`),
    );
    await peer.send(OK);
    await client.receive('ok');
    await client.send('GET http://orders:81/ HTTP/1.1\r\nHost: orders:81\r\n\r\n');
    assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 404 .*unknown-host/s);
    assert.equal(fixture.recorder.ends[1]!.route, '');
    client.destroy();
  });

  stageTest(
    'are refused under DeclaredOnly, and CONNECT by all other listeners',
    0,
    async (stage) => {
      const listener = await stage.fixture.listen({ kind: 'explicit' });
      const client = await ScriptedPeer.connect(listener.port);
      await client.send('GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n');
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 403 .*egress-refused/s);
      assert.deepEqual(stage.fixture.recorder.codes, ['egress-refused']);
      client.destroy();
      for (const kind of ['inbound', 'gateway', 'fixed'] as const) {
        const other = await stage.fixture.listen({ kind });
        const caller = await ScriptedPeer.connect(other.port);
        await caller.send('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n');
        assert.match((await caller.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 501 /);
        await caller.closed();
        caller.destroy();
      }
    },
    { egress: 'DeclaredOnly' },
  );

  stageTest(
    'are refused when they are this proxy',
    0,
    async (stage) => {
      const listener = await stage.fixture.listen({ kind: 'explicit' });
      const client = await ScriptedPeer.connect(listener.port);
      await client.send(`GET http://localhost:${listener.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 508 .*loop-detected/s);
      assert.deepEqual(stage.fixture.recorder.codes, ['loop-detected']);
      client.destroy();
    },
    { isOwnAddress: (host) => host === 'localhost' },
  );

  stageTest(
    'are refused when their connection leads to this proxy, whatever they are called',
    1,
    async (stage) => {
      const listener = await stage.fixture.listen({ kind: 'explicit' });
      const { port } = stage.servers[0]!;
      for (const host of ['2130706433', '0x7f.1', 'localhost']) {
        const client = await ScriptedPeer.connect(listener.port);
        await client.send(`POST http://${host}:${port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody`);
        assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 508 .*loop-detected/s, host);
        const reached = await stage.servers[0]!.accept();
        await reached.closed();
        assert.equal(reached.unread.length, 0);
        client.destroy();
      }
      assert.deepEqual(stage.fixture.recorder.codes, ['loop-detected', 'loop-detected', 'loop-detected']);
    },
    { isOwnAddress: (host) => host === '127.0.0.1' },
  );

  stageTest(
    'are remembered up to 256; of one more, the one asked for longest ago goes with its connection',
    2,
    async (stage) => {
      const { fixture } = stage;
      const listener = await fixture.listen({ kind: 'explicit' });
      const client = await ScriptedPeer.connect(listener.port);
      const [first, second] = stage.servers.map(({ port }) => port);
      const call = async (port: number, known?: ScriptedPeer): Promise<ScriptedPeer> => {
        await client.send(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
        const peer = known ?? (await accepted(stage.servers)).peer;
        await peer.receive('\r\n\r\n');
        await peer.send(OK);
        await client.receive('ok');
        return peer;
      };
      const kept = await call(first!);
      const forgotten = await call(second!);
      await call(first!, kept);
      for (let host = 2; host < 256; host += 1) fixture.plane.egress(`host-${host}.example`, 80);
      await call(first!, kept);
      assert.deepEqual(
        [...fixture.plane.counters.keys()],
        [first, second].map((port) => `outside/127.0.0.1:${port}`),
      );
      await assert.rejects(forgotten.closed(20));
      fixture.plane.egress('one-more.example', 80);
      assert.equal(await forgotten.closed(), 'end');
      assert.deepEqual([...fixture.plane.counters.keys()], [`outside/127.0.0.1:${first}`]);
      // The other one is still there and still used; the one that went is dialled again.
      await call(first!, kept);
      assert.notEqual(await call(second!), forgotten);
      client.destroy();
    },
  );
});

describe('a request that is not meant for this listener', () => {
  stageTest(
    'is refused where one address stands for one destination, unless it names that or the machine',
    1,
    async (stage) => {
      stage.serve();
      const client = await stage.client();
      await client.send('GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n');
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 421 .*misdirected/s);
      assert.deepEqual(stage.fixture.recorder.codes, ['misdirected']);
      for (const host of ['orders', 'localhost:8080', '127.0.0.1']) {
        const caller = await stage.client();
        await caller.send(`GET /a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        const { peer } = await accepted(stage.servers);
        await peer.receive('\r\n\r\n');
        await peer.send(OK.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
        await caller.receive('ok');
      }
    },
  );

  stageTest('is refused when a peer sends it for a port that this workload does not have', 0, async (stage) => {
    const listener = await stage.fixture.listen({ kind: 'inbound', destination: 'shop/web:9' });
    const client = await ScriptedPeer.connect(listener.port);
    await client.send(GET);
    assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 421 .*misdirected/s);
    assert.deepEqual(stage.fixture.recorder.codes, ['misdirected']);
    client.destroy();
  });

  stageTest("is refused when a page of another site sends it through the user's browser", 1, async (stage) => {
    stage.serve();
    for (const kind of ['fixed', 'explicit'] as const) {
      const listener = await stage.fixture.listen({ kind });
      const client = await ScriptedPeer.connect(listener.port);
      await client.send('GET /a HTTP/1.1\r\nHost: orders\r\nOrigin: http://evil.example\r\n\r\n');
      assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 403 .*cross-site-origin/s);
      client.destroy();
    }
    assert.deepEqual(stage.fixture.recorder.codes, ['cross-site-origin', 'cross-site-origin']);
    const same = await stage.client();
    await same.send('GET /a HTTP/1.1\r\nHost: orders\r\nOrigin: http://orders\r\n\r\n');
    const peer = await stage.servers[0]!.accept();
    await peer.receive('\r\n\r\n');
    await peer.send(OK);
    await same.receive('ok');
    assert.equal(stage.fixture.recorder.codes.at(-1), 'completed');
  });
});

describe('fields', () => {
  stageTest('of one hop, and those that Connection names, stay; our own are set', 1, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(
      'GET / HTTP/1.1\r\nHost: orders\r\nConnection: keep-alive, X-Hop, authorization\r\nX-Hop: 1\r\nAuthorization: secret\r\n' +
        'Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\nX-Kept: yes\r\n' +
        'weft-client-identity: spiffe://cluster.local/ns/shop/sa/admin\r\nWeft-Anything: x\r\n' +
        'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nx-request-id: given-7\r\nVia: 1.0 old\r\n\r\n',
    );
    const peer = await stage.servers[0]!.accept();
    const forwarded = (await peer.receive('\r\n\r\n')).toString();
    assert.doesNotMatch(forwarded, /x-hop|keep-alive|proxy-connection|^te:|weft-|gzip/im);
    assert.match(forwarded, /\r\nX-Kept: yes\r\n/);
    assert.match(forwarded, /\r\nx-request-id: given-7\r\n/);
    assert.match(forwarded, /0af7651916cd43dd8448eb211c80319c-/);
    assert.match(forwarded, /\r\nVia: 1\.0 old\r\n/);
    assert.match(forwarded, /\r\nvia: 1\.1 weft\r\n/);
    await peer.send(
      'HTTP/1.1 200 OK\r\nConnection: X-Back\r\nX-Back: 1\r\nKeep-Alive: timeout=9\r\nweft-refused: circuit-open\r\nContent-Length: 2\r\n\r\nok',
    );
    const answer = (await client.receive('ok')).toString();
    assert.doesNotMatch(answer, /x-back|keep-alive|weft-/i);
    const [end] = stage.fixture.recorder.ends;
    assert.deepEqual([end!.requestId, end!.traceId], ['given-7', '0af7651916cd43dd8448eb211c80319c']);
  });

  stageTest('that identify a request are made when it has none', 1, async (stage) => {
    stage.serve();
    const client = await stage.client();
    await client.send(GET);
    const peer = await stage.servers[0]!.accept();
    const forwarded = (await peer.receive('\r\n\r\n')).toString();
    assert.match(forwarded, /\r\nx-request-id: [0-9a-f-]{36}\r\n/);
    assert.match(forwarded, /\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n/);
    await peer.send(OK);
    await client.receive('ok');
  });

  stageTest(
    'that say who the client was are written anew at a gateway',
    1,
    async (stage) => {
      stage.serve();
      stage.fixture.put(gatewayListener(8080, [routeRule()]));
      const listener = await stage.fixture.listen({ kind: 'gateway', listener: '8080' });
      const client = await ScriptedPeer.connect(listener.port);
      await client.send(
        'GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n' +
          'X-Forwarded-Client-Cert: By=x\r\nweft-client-identity: x\r\n\r\n',
      );
      const peer = await stage.servers[0]!.accept();
      const forwarded = (await peer.receive('\r\n\r\n')).toString();
      assert.doesNotMatch(forwarded, /6\.6\.6\.6|client-cert|weft-/i);
      assert.match(forwarded, /\r\nx-forwarded-for: 127\.0\.0\.1\r\n/);
      assert.match(forwarded, /\r\nx-forwarded-proto: http\r\n/);
      assert.match(forwarded, /\r\nx-forwarded-host: shop\.example\r\n/);
      assert.match(forwarded, /\r\nforwarded: for=127\.0\.0\.1;host="shop\.example";proto=http\r\n/);
      await peer.send(BUSY.replaceAll('503 Service Unavailable', '200 OK'));
      await client.receive('busy');
      client.destroy();
    },
    { gateway: true },
  );
});

describe('mirrors', () => {
  stageTest('get the request with its body; their answers go nowhere', 2, async (stage) => {
    const [main, shadow] = stage.servers;
    const { fixture } = stage;
    fixture.put(backendPolicy({ name: 'shop/shadow:80' }), {
      type: 'endpoints',
      name: 'shop/shadow:80',
      endpoints: [plainEndpoint(shadow!.port, 'shadow')],
    });
    fixture.serveOrders([plainEndpoint(main!.port)], {
      filters: [{ type: 'RequestMirror', mirror: { backend: 'shop/shadow:80', numerator: 1, denominator: 1 } }],
    });
    const client = await stage.client();
    const body = 'b'.repeat(3_000);
    await client.send(post(body, 'Expect: 100-continue\r\n').slice(0, -body.length));
    const peer = await main!.accept();
    const mirror = await shadow!.accept();
    await mirror.receive('\r\n\r\n');
    // A mirror that invites the body has not answered yet.
    await mirror.send('HTTP/1.1 100 Continue\r\n\r\n');
    await peer.receive('\r\n\r\n');
    await peer.send('HTTP/1.1 100 Continue\r\n\r\n');
    await client.receive('100 Continue\r\n\r\n');
    await client.send(body);
    await peer.receive(3_000);
    await mirror.receive(3_000);
    await mirror.send('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nshadow');
    await peer.send(OK);
    const answer = (await client.receive('ok')).toString();
    assert.match(answer, /^HTTP\/1\.1 200 OK/);
    assert.equal(client.unread.length, 0);
    assert.deepEqual(fixture.recorder.codes, ['completed']);
    assert.equal([...fixture.plane.tables.backends()].find(({ key }) => key === 'shop/shadow:80')!.activeRequests, 0);
  });

  for (const whole of [true, false]) {
    const told = whole ? 'all' : 'the first half';
    stageTest(`get ${told} of a body that came while the destination was asked for`, 2, async (stage) => {
      const [main, shadow] = stage.servers;
      const { fixture } = stage;
      nameLater(fixture);
      const listener = await fixture.listen({ kind: 'explicit' });
      // Over HTTP/1.1 nothing of a body is read meanwhile.
      const session = connectHttp2(`http://127.0.0.1:${listener.port}`);
      const stream = session.request({ ':method': 'POST', ':authority': 'later', 'content-length': whole ? 4 : 8 });
      stream.write('body');
      if (whole) stream.end();
      await eventually(() => fixture.demanded.length > 0, 2_000);
      await new Promise((resolve) => void session.ping(resolve));
      stage.serve();
      fixture.put(
        backendPolicy({ name: 'shop/shadow:80' }),
        { type: 'endpoints', name: 'shop/shadow:80', endpoints: [plainEndpoint(shadow!.port, 'shadow')] },
        {
          type: 'routes' as const,
          name: 'shop/later:80',
          rules: [
            routeRule({
              filters: [{ type: 'RequestMirror', mirror: { backend: 'shop/shadow:80', numerator: 1, denominator: 1 } }],
            }),
          ],
        },
      );
      const peer = await main!.accept();
      const mirror = await shadow!.accept();
      await peer.receive('body');
      await mirror.receive('body');
      if (!whole) {
        stream.end('rest');
        await peer.receive('rest');
        await mirror.receive('rest');
      }
      await mirror.send(OK);
      await peer.send(OK);
      const [head] = (await once(stream, 'response')) as [{ ':status': number }];
      assert.equal(head[':status'], 200);
      stream.resume();
      await once(stream, 'end');
      assert.deepEqual(fixture.recorder.codes, ['completed']);
      session.destroy();
    });
  }
});

function nameLater(fixture: PlaneFixture): void {
  fixture.put({
    type: 'names',
    name: 'shop',
    services: ['orders', 'later'].map((service) => ({
      service,
      ports: [{ port: 80, name: 'http', protocol: 'Http1' as const }],
      addresses: [],
    })),
  });
}

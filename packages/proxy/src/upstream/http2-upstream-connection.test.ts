import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import type { Http2Server, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, it, mock } from 'node:test';
import type { Http2Limits } from '@weft/http';
import { seededRandom } from '@weft/kernel';
import type { ConnectionPolicy } from '@weft/model';
import { FakeClock, ScriptedServer, eventually } from '@weft/testkit';
import { Http2PeerServer } from '../fixture/http2-peer.ts';
import { PlaneFixture, ordersKey, plainEndpoint, routeRule } from '../fixture/plane-fixture.ts';
import type { PlaneFixtureOptions } from '../fixture/plane-fixture.ts';
import { turnPace } from '../transport/turn-pace.ts';

const connections: ConnectionPolicy = {
  maxPerEndpoint: 0,
  maxPending: 0,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 0,
  maxRequestsPerConnection: 0,
  sendsProxyProtocol: false,
  keepsFieldNameCase: false,
};
const noRetries = { ...routeRule().retries, attempts: 0 };

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** An HTTP/1.1 caller in front of endpoints that declare HTTP/2. */
class Stage {
  readonly fixture: PlaneFixture;
  readonly servers: Http2PeerServer[];
  readonly clock: FakeClock | null;
  private port: number;

  constructor(fixture: PlaneFixture, servers: Http2PeerServer[], clock: FakeClock | null) {
    this.fixture = fixture;
    this.servers = servers;
    this.clock = clock;
    this.port = 0;
  }

  serve(policy: Partial<ConnectionPolicy> = {}, attempts = 2): void {
    this.fixture.serveOrders(
      this.servers.map((server) => plainEndpoint(server.port)),
      attempts === 0 ? { retries: noRetries } : {},
      { protocol: 'Http2', connections: { ...connections, ...policy } },
    );
  }

  get counters() {
    return this.fixture.plane.counters.get(ordersKey)!;
  }

  get codes(): string[] {
    return this.fixture.recorder.codes;
  }

  async ask(method: string, path: string, body = ''): Promise<Answer> {
    if (this.port === 0) ({ port: this.port } = await this.fixture.listen());
    const headers = { host: 'orders', ...(body === '' ? {} : { 'content-length': body.length }) };
    return new Promise((resolve, reject) => {
      const sent = request({ port: this.port, host: '127.0.0.1', method, path, headers, agent: false });
      sent.on('error', reject);
      sent.on('response', (response: IncomingMessage) => {
        let text = '';
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
        response.on('error', reject);
      });
      sent.end(body);
    });
  }

  /** Time goes on while the sockets are at rest. */
  async pass(ms: number): Promise<void> {
    for (let turn = 0; turn < 10; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    await this.clock!.advanceSettled(ms);
    for (let turn = 0; turn < 10; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  close(): void {
    this.fixture.close();
    for (const server of this.servers) server.close();
  }
}

interface StageOptions extends PlaneFixtureOptions {
  readonly fake?: boolean;
  readonly servers?: number;
  readonly limits?: Partial<Http2Limits>;
}

function stageTest(name: string, run: (stage: Stage) => Promise<void>, options: StageOptions = {}): void {
  it(name, async () => {
    const clock = options.fake === true ? new FakeClock({ startMs: 1_000 }) : null;
    const owned = clock === null ? {} : { clock, wheel: clock.wheel() };
    const servers = Array.from({ length: options.servers ?? 1 }, () => Http2PeerServer.listen(options.limits));
    const stage = new Stage(new PlaneFixture({ ...options, ...owned }), await Promise.all(servers), clock);
    try {
      await run(stage);
    } finally {
      stage.close();
    }
  });
}

describe('requests to an endpoint that speaks HTTP/2', () => {
  stageTest('share one connection and are answered in any order', async (stage) => {
    stage.serve();
    const random = seededRandom(7);
    const answers = Array.from({ length: 40 }, (_none, index) => stage.ask('POST', `/${index}`, `body ${index}`));
    const peer = await stage.servers[0]!.accept();
    const waiting = [];
    for (let index = 0; index < 40; index += 1) waiting.push(await peer.request());
    while (waiting.length > 0) {
      const [next] = waiting.splice(Math.floor(random() * waiting.length), 1);
      await eventually(() => next!.whole, 2_000);
      next!.reply(200, `${next!.path} got ${next!.body}`);
    }
    for (const [index, answer] of (await Promise.all(answers)).entries()) {
      assert.deepEqual(answer, { status: 200, text: `/${index} got body ${index}` });
    }
    assert.equal(stage.servers[0]!.peers.length, 1);
    assert.equal(stage.counters.streams, 0);
    assert.equal(stage.counters.idle, 1);
    assert.equal(stage.counters.openHttp2, 1);
  });

  stageTest('pace the turns of the loop where they share connections on both sides', async (stage) => {
    stage.serve();
    const ended = mock.method(turnPace, 'ended');
    const { port } = await stage.fixture.listen();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const server = stage.servers[0]!;
    try {
      const ask = (): Promise<unknown> =>
        once(session.request({ ':authority': 'orders', ':path': '/' }).resume(), 'close');
      const alone = ask();
      const peer = await server.accept();
      (await peer.request()).reply(200, 'ok');
      await alone;
      const together = [ask(), ask(), ask()];
      await eventually(() => peer.requests.length === 4, 2_000);
      for (const asked of peer.requests.slice(1)) asked.reply(200, 'ok');
      await Promise.all(together);
      const apart = Array.from({ length: 3 }, () => stage.ask('GET', '/'));
      await eventually(() => peer.requests.length === 7, 2_000);
      for (const asked of peer.requests.slice(4)) asked.reply(200, 'ok');
      await Promise.all(apart);
      const shared = ended.mock.calls.map(({ arguments: [, durationMs, isShared] }) => {
        assert.ok(durationMs >= 0);
        return isShared;
      });
      // The first of three that came together may have been sent before the next was read.
      assert.deepEqual([shared[0], ...shared.slice(2)], [false, true, true, false, false, false]);
      assert.equal(server.peers.length, 1);
    } finally {
      ended.mock.restore();
      session.destroy();
    }
  });

  stageTest(
    'wait in order of arrival at a peer that takes one stream, on as many connections as the policy allows',
    async (stage) => {
      stage.serve({ maxPerEndpoint: 1 });
      const first = stage.ask('GET', '/first');
      const peer = await stage.servers[0]!.accept();
      (await peer.request()).reply(200, 'ok');
      await first;
      const order: string[] = [];
      const answers: Promise<Answer>[] = [];
      for (const path of ['/1', '/2', '/3', '/4']) {
        answers.push(stage.ask('GET', path));
        await eventually(() => stage.counters.pending + peer.codec.streams === answers.length, 2_000);
      }
      assert.equal(stage.counters.pending, 3);
      for (let round = 0; round < 4; round += 1) {
        const next = await peer.request();
        assert.equal(peer.codec.streams, 1);
        order.push(next.path);
        next.reply(200, 'ok');
      }
      await Promise.all(answers);
      assert.deepEqual(order, ['/1', '/2', '/3', '/4']);
      assert.equal(stage.servers[0]!.peers.length, 1);
    },
    { limits: { concurrentStreams: 1 } },
  );

  stageTest(
    'open more connections when every stream is taken',
    async (stage) => {
      stage.serve();
      const warm = stage.ask('GET', '/warm');
      const peer = await stage.servers[0]!.accept();
      (await peer.request()).reply(200, 'ok');
      await warm;
      const answers = Array.from({ length: 6 }, (_none, index) => stage.ask('GET', `/${index}`));
      await eventually(() => stage.servers[0]!.peers.reduce((sum, { codec }) => sum + codec.streams, 0) === 6, 5_000);
      assert.ok(stage.servers[0]!.peers.length >= 3);
      for (const { codec } of stage.servers[0]!.peers) assert.ok(codec.streams <= 2);
      for (const { requests } of stage.servers[0]!.peers) for (const asked of requests) asked.reply(200, asked.path);
      for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200);
    },
    { limits: { concurrentStreams: 2 } },
  );

  stageTest(
    'are refused beyond maxPending',
    async (stage) => {
      stage.serve({ maxPerEndpoint: 1, maxPending: 1 }, 0);
      const server = stage.servers[0]!;
      const first = stage.ask('GET', '/0');
      const peer = await server.accept();
      const zero = await peer.request();
      const second = stage.ask('GET', '/1');
      await eventually(() => stage.counters.pending === 1, 2_000);
      assert.equal((await stage.ask('GET', '/2')).status, 503);
      zero.reply(200, 'ok');
      (await peer.request()).reply(200, 'ok');
      assert.deepEqual(
        (await Promise.all([first, second])).map(({ status }) => status),
        [200, 200],
      );
      assert.deepEqual(stage.codes, ['pending-limit', 'completed', 'completed']);
    },
    { limits: { concurrentStreams: 1 } },
  );

  stageTest(
    'wait for what a new peer says it takes, so that none of a burst is refused',
    async (stage) => {
      stage.serve({ maxPerEndpoint: 1 });
      const answers = Array.from({ length: 30 }, (_none, index) => stage.ask('POST', `/${index}`, 'x'));
      const peer = await stage.servers[0]!.accept();
      for (let index = 0; index < 30; index += 1) (await peer.request()).reply(200, 'ok');
      for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
      assert.deepEqual(stage.fixture.recorder.retries, []);
    },
    { limits: { concurrentStreams: 3 } },
  );

  stageTest('move to a new connection after maxRequestsPerConnection streams', async (stage) => {
    stage.serve({ maxRequestsPerConnection: 2, sendsProxyProtocol: false, keepsFieldNameCase: false });
    for (let round = 0; round < 4; round += 1) {
      const answer = stage.ask('GET', `/${round}`);
      await eventually(() => stage.servers[0]!.peers.length === (round < 2 ? 1 : 2), 2_000);
      (await stage.servers[0]!.peers.at(-1)!.request()).reply(200, 'ok');
      assert.equal((await answer).status, 200);
    }
    const [first] = stage.servers[0]!.peers;
    await eventually(() => first!.closed, 2_000);
    assert.ok(first!.left, 'it said GOAWAY');
  });

  stageTest(
    'use no connection beyond its lifetime, and what is under way on it goes on',
    async (stage) => {
      stage.serve({ maxLifetimeMs: 10_000 });
      const long = stage.ask('GET', '/long');
      const first = await stage.servers[0]!.accept();
      const held = await first.request();
      await stage.pass(10_500);
      const next = stage.ask('GET', '/next');
      const second = await stage.servers[0]!.accept();
      (await second.request()).reply(200, 'ok');
      await next;
      held.reply(200, 'late');
      assert.equal((await long).text, 'late');
      await eventually(() => first.closed, 2_000);
      assert.equal(second.closed, false);
    },
    { fake: true, random: () => 0.5 },
  );

  stageTest(
    'leave an idle connection to its time-out, which ends it by GOAWAY',
    async (stage) => {
      stage.serve({ idleTimeoutMs: 5_000 });
      const asked = stage.ask('GET', '/');
      const peer = await stage.servers[0]!.accept();
      (await peer.request()).reply(200, 'ok');
      await asked;
      await stage.pass(4_000);
      assert.equal(peer.closed, false);
      await stage.pass(2_000);
      await eventually(() => peer.closed, 2_000);
      assert.ok(peer.left);
      assert.equal(stage.counters.idle, 0);
      assert.equal(stage.counters.open, 0);
    },
    { fake: true },
  );
});

describe('a connection more', () => {
  stageTest(
    'is opened when so many calls are under way that one thread of the peer would be busy with them',
    async (stage) => {
      stage.serve();
      // All at once, on a peer that has not said yet how many it takes.
      const first = Array.from({ length: 128 }, (_none, index) => stage.ask('GET', `/${index}`));
      const peer = await stage.servers[0]!.accept();
      await eventually(() => peer.requests.length === 128, 10_000);
      assert.equal(stage.servers[0]!.peers.length, 1);
      // It goes on the busy one, and the next connection is made meanwhile.
      const more = stage.ask('GET', '/more');
      await eventually(() => peer.requests.length === 129, 2_000);
      const second = await stage.servers[0]!.accept();
      await eventually(() => stage.counters.openHttp2 === 2, 2_000);
      const last = stage.ask('GET', '/last');
      (await second.request()).reply(200, 'ok');
      await last;
      for (const asked of peer.requests) asked.reply(200, 'ok');
      await Promise.all([...first, more]);
      assert.equal(stage.servers[0]!.peers.length, 2);
    },
    { limits: { concurrentStreams: 1_000 } },
  );

  stageTest(
    'is opened beside one that moves bulk: small requests leave it alone until the transfer is over',
    async (stage) => {
      stage.serve();
      const { port } = await stage.fixture.listen();
      const headers = { host: 'orders', 'content-length': 1_048_576 };
      const upload = request({ port, host: '127.0.0.1', method: 'PUT', path: '/bulk', headers, agent: false });
      const uploaded = once(upload, 'response');
      upload.write(Buffer.alloc(1_000_000));
      const first = await stage.servers[0]!.accept();
      const bulk = await first.request();
      await eventually(() => bulk.body.length === 1_000_000, 5_000);
      // It goes beside the bulk rather than wait for the connection that is made meanwhile.
      const meanwhile = stage.ask('GET', '/meanwhile');
      (await first.request()).reply(200, 'ok');
      await meanwhile;
      const second = await stage.servers[0]!.accept();
      await eventually(() => stage.counters.openHttp2 === 2, 2_000);
      for (const path of ['/small', '/smaller']) {
        const small = stage.ask('GET', path);
        (await second.request()).reply(200, 'ok');
        await small;
      }
      assert.equal(first.requests.length, 2);
      upload.end(Buffer.alloc(48_576));
      await eventually(() => bulk.whole, 2_000);
      bulk.reply(200, 'ok');
      const [answer] = (await uploaded) as [IncomingMessage];
      answer.resume();
      await once(answer, 'end');
      const after = stage.ask('GET', '/after');
      (await first.request()).reply(200, 'ok');
      await after;
      assert.equal(stage.servers[0]!.peers.length, 2);
    },
    { fake: true },
  );
});

describe('an endpoint that is removed', () => {
  stageTest(
    'answers what is under way, and its connection ends then',
    async (stage) => {
      stage.serve();
      const idle = stage.servers[1]!;
      const warm = stage.ask('GET', '/warm');
      await eventually(() => stage.servers.some(({ peers }) => peers.length === 1), 2_000);
      const used = stage.servers.find(({ peers }) => peers.length === 1)!;
      (await used.peers[0]!.request()).reply(200, 'ok');
      await warm;
      const other = used === idle ? stage.servers[0]! : idle;
      const long = stage.ask('GET', '/long');
      const held = await (await other.accept()).request();
      stage.fixture.serveOrders([], {}, { protocol: 'Http2' });
      await eventually(() => used.peers[0]!.closed, 2_000);
      assert.equal(other.peers[0]!.closed, false);
      held.reply(200, 'late');
      assert.equal((await long).text, 'late');
      await eventually(() => other.peers[0]!.closed, 2_000);
      assert.ok(other.peers[0]!.left && used.peers[0]!.left, 'both were left by GOAWAY');
    },
    { servers: 2 },
  );
});

describe('GOAWAY', () => {
  stageTest(
    'fails no request: what it does not cover goes elsewhere whatever its method, the rest is answered',
    async (stage) => {
      stage.serve();
      const answers = Array.from({ length: 20 }, (_none, index) => stage.ask('POST', `/${index}`, 'x'));
      const first = await stage.servers[0]!.accept();
      await eventually(() => first.requests.length === 20, 5_000);
      first.goaway(first.requests[9]!.stream.id);
      const second = await stage.servers[0]!.accept();
      for (let index = 0; index < 10; index += 1) (await second.request()).reply(200, 'second');
      for (const asked of first.requests.slice(0, 10)) asked.reply(200, 'first');
      const texts = (await Promise.all(answers)).map(({ status, text }) => `${status} ${text}`);
      assert.equal(texts.filter((text) => text === '200 first').length, 10);
      assert.equal(texts.filter((text) => text === '200 second').length, 10);
      await eventually(() => first.closed, 2_000);
    },
  );

  stageTest('under load loses nothing, whenever it comes', async (stage) => {
    stage.serve();
    const random = seededRandom(3);
    const seen = new Set<object>();
    const load = { over: false };
    // Answers by itself, and leaves every so often in the middle of everything.
    const serving = (async () => {
      while (!load.over) {
        for (const peer of stage.servers[0]!.peers) {
          for (const asked of peer.requests) {
            if (seen.has(asked) || !asked.whole || asked.stream.closed) continue;
            seen.add(asked);
            asked.reply(200, asked.path);
          }
          const last = peer.requests.at(-1);
          if (last !== undefined && random() < 0.05 && !peer.closed) peer.codec.drain();
        }
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 0; round < 20; round += 1) {
      const answers = Array.from({ length: 20 }, (_none, index) => stage.ask('POST', `/${round}-${index}`, 'body'));
      for (const [index, { status, text }] of (await Promise.all(answers)).entries()) {
        assert.equal(`${status} ${text}`, `200 /${round}-${index}`);
      }
    }
    load.over = true;
    await serving;
    assert.ok(stage.servers[0]!.peers.length > 2, 'several connections were left');
  });
});

describe('a connection that dies', () => {
  stageTest('takes with it what may not be sent twice; the idempotent is tried again', async (stage) => {
    stage.serve();
    const get = stage.ask('GET', '/get');
    const post = stage.ask('POST', '/post', 'x');
    const first = await stage.servers[0]!.accept();
    await eventually(() => first.requests.length === 2, 2_000);
    first.kill();
    const second = await stage.servers[0]!.accept();
    const again = await second.request();
    assert.equal(again.path, '/get');
    again.reply(200, 'again');
    assert.deepEqual(await get, { status: 200, text: 'again' });
    assert.equal((await post).status, 502);
    assert.ok(stage.codes.includes('upstream-reset'));
  });

  stageTest('inside a response cuts it', async (stage) => {
    const server = createHttp2Server();
    const port = await listen(server);
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200, 'content-length': 100 });
      stream.write('half', () => stream.session!.destroy());
    });
    stage.fixture.serveOrders([plainEndpoint(port)], {}, { protocol: 'Http2' });
    await assert.rejects(stage.ask('GET', '/'));
    assert.deepEqual(stage.codes, ['upstream-cut']);
    server.close();
  });

  stageTest(
    'REFUSED_STREAM goes elsewhere whatever the method, and other resets do not',
    async (stage) => {
      stage.serve();
      const [one, other] = stage.servers;
      const post = stage.ask('POST', '/', 'x');
      await eventually(() => one!.peers.length + other!.peers.length === 1, 2_000);
      const [first, second] = one!.peers.length === 1 ? [one!, other!] : [other!, one!];
      (await (await first.accept()).request()).stream.reset(7);
      (await (await second.accept()).request()).reply(200, 'elsewhere');
      assert.deepEqual(await post, { status: 200, text: 'elsewhere' });
      const cancelled = stage.ask('POST', '/', 'x');
      await eventually(() => first.peers[0]!.requests.length + second.peers[0]!.requests.length === 3, 2_000);
      [...first.peers[0]!.requests, ...second.peers[0]!.requests].find(({ stream }) => !stream.closed)!.stream.reset(8);
      assert.equal((await cancelled).status, 502);
    },
    { servers: 2 },
  );
});

describe('time', () => {
  stageTest(
    'ends a request whose body the peer does not take',
    async (stage) => {
      const server = stage.servers[0]!;
      const timeouts = { ...routeRule().timeouts, streamIdleMs: 0 };
      stage.fixture.serveOrders([plainEndpoint(server.port)], { timeouts }, { protocol: 'Http2' });
      server.slow = true;
      const stuck = stage.ask('PUT', '/stuck', 'x'.repeat(1_000_000));
      const peer = await server.accept();
      await eventually(() => stage.counters.stalls > 0, 5_000);
      await stage.pass(299_000);
      assert.deepEqual(stage.codes, []);
      await stage.pass(2_000);
      assert.equal((await stuck).status, 504);
      assert.deepEqual(stage.codes, ['stream-idle-timeout']);
      const next = stage.ask('GET', '/next');
      await peer.request();
      (await peer.request()).reply(200, 'ok');
      assert.equal((await next).status, 200);
      assert.equal(stage.counters.connects, 1);
    },
    { fake: true },
  );

  stageTest(
    'ends a connection whose peer does not acknowledge our settings',
    async (stage) => {
      const silent = await ScriptedServer.listen();
      stage.fixture.serveOrders([plainEndpoint(silent.port)], { retries: noRetries }, { protocol: 'Http2' });
      const asked = stage.ask('GET', '/');
      const peer = await silent.accept();
      await peer.receive('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
      await stage.pass(10_600);
      const { status, text } = await asked;
      assert.equal(status, 502);
      assert.match(text, /got no SETTINGS in 10 s/);
      assert.deepEqual(stage.codes, ['protocol-mismatch']);
      await silent.close();
    },
    { fake: true },
  );
});

describe('an endpoint that speaks something else than it declares', () => {
  for (const [name, first, shown] of [
    [
      'HTTP/1.1',
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
      /"HTTP\/1\.1 400 Bad Request\\x0d\\x0a.*" ?.*\(HTTP\/1\)/,
    ],
    ['SMTP', '220 mail ready\r\n', /"220 mail ready\\x0d\\x0a"/],
    ['TLS', '\x15\x03\x01\x00\x02\x02\x16', /"\\x15\\x03\\x01.*\(TLS\)/],
  ] as const) {
    stageTest(`is named with its first bytes: ${name} for HTTP/2`, async (stage) => {
      const other = await ScriptedServer.listen();
      stage.fixture.serveOrders([plainEndpoint(other.port)], {}, { protocol: 'Http2' });
      const asked = stage.ask('GET', '/');
      const peer = await other.accept();
      await peer.receive('PRI');
      await peer.send(Buffer.from(first, 'latin1'));
      const { status, text } = await asked;
      assert.equal(status, 502);
      assert.match(text, /protocol-mismatch/);
      assert.match(text, shown);
      assert.deepEqual(stage.codes, ['protocol-mismatch']);
      await other.close();
    });
  }

  stageTest('is named with its first bytes: HTTP/2 for HTTP/1.1', async (stage) => {
    const server = createHttp2Server();
    const port = await listen(server);
    stage.fixture.serveOrders([plainEndpoint(port)], {}, { protocol: 'Http1' });
    const { status, text } = await stage.ask('GET', '/');
    assert.equal(status, 502);
    assert.match(text, /expected HTTP\/1\.1, got "\\x00\\x00.*\(HTTP\/2\)/);
    assert.deepEqual(stage.codes, ['protocol-mismatch']);
    server.close();
  });
});

describe('a real server', () => {
  stageTest('echoes bodies with trailers, 1xx heads before, and many at once', async (stage) => {
    const server = createHttp2Server();
    const port = await listen(server);
    server.on('stream', echo);
    stage.fixture.serveOrders([plainEndpoint(port)], {}, { protocol: 'Grpc' });
    const { port: through } = await stage.fixture.listen();
    const random = seededRandom(5);
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        const body = randomBytes(Math.floor(random() ** 4 * 500_000));
        const back = await exchange(through, body);
        assert.equal(hash(back.body), hash(body));
        assert.equal(back.trailers['x-sum'], hash(body));
        assert.equal(back.hints, 1);
      }),
    );
    assert.equal(stage.counters.streams, 0);
    assert.equal(stage.codes.filter((code) => code !== 'completed').length, 0);
    server.close();
  });

  stageTest(
    'that answers before the request is whole is heard, and the rest of the request is given up',
    async (stage) => {
      const server = createHttp2Server();
      const port = await listen(server);
      server.on('stream', (stream: ServerHttp2Stream) => {
        stream.respond({ ':status': 413 });
        stream.end('too much');
      });
      stage.fixture.serveOrders([plainEndpoint(port)], {}, { protocol: 'Http2' });
      const { status, text } = await stage.ask('POST', '/', 'x'.repeat(2_000_000));
      assert.deepEqual({ status, text }, { status: 413, text: 'too much' });
      await eventually(() => stage.counters.streams === 0, 2_000);
      assert.deepEqual(stage.codes, ['completed']);
      // The connection has taken no harm.
      assert.equal((await stage.ask('GET', '/')).status, 413);
      assert.equal(stage.counters.connects, 1);
      server.close();
    },
  );

  stageTest('that does not read one stream holds back that one only', async (stage) => {
    const server = createHttp2Server();
    const port = await listen(server);
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      if (headers[':path'] === '/stuck') return;
      echo(stream);
    });
    stage.fixture.serveOrders([plainEndpoint(port)], {}, { protocol: 'Http2' });
    const { port: through } = await stage.fixture.listen();
    const stuck = request({
      port: through,
      host: '127.0.0.1',
      method: 'POST',
      path: '/stuck',
      headers: { host: 'orders' },
    });
    stuck.on('error', () => {});
    stuck.write(Buffer.alloc(8 << 20));
    await eventually(() => stage.counters.stalls > 0, 5_000);
    for (let round = 0; round < 20; round += 1) {
      const body = randomBytes(200_000);
      assert.equal(hash((await exchange(through, body)).body), hash(body));
    }
    // What waits is bounded: one stream's buffer, one turn, one read.
    assert.ok(stage.fixture.plane.bufferedBytes() < 512 * 1024, `${stage.fixture.plane.bufferedBytes()} bytes wait`);
    assert.equal(stage.counters.connects, 1);
    server.close();
    for (const session of sessions.get(server) ?? []) session.destroy();
    await eventually(() => stage.counters.streams === 0, 2_000);
    stuck.destroy();
  });
});

const sessions = new Map<Http2Server, { destroy(): void }[]>();

async function listen(server: Http2Server): Promise<number> {
  server.on('session', (session) => {
    session.on('error', () => {});
    sessions.set(server, [...(sessions.get(server) ?? []), session]);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function echo(stream: ServerHttp2Stream): void {
  const sum = createHash('sha256');
  stream.on('error', () => {});
  stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': sum.digest('hex') }));
  stream.on('data', (chunk: Buffer) => {
    sum.update(chunk);
    if (!stream.write(chunk)) {
      stream.pause();
      stream.once('drain', () => stream.resume());
    }
  });
  stream.on('end', () => stream.end());
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function exchange(port: number, body: Buffer): Promise<{ body: Buffer; trailers: NodeJS.Dict<string>; hints: number }> {
  return new Promise((resolve, reject) => {
    let hints = 0;
    const sent = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      agent: false,
      headers: { host: 'orders', te: 'trailers' },
    });
    sent.on('error', reject);
    sent.on('information', () => (hints += 1));
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ body: Buffer.concat(chunks), trailers: response.trailers, hints }));
      response.on('error', reject);
    });
    sent.end(body);
  });
}

/** What the exchange knows of gRPC, told over HTTP/1.1 where every byte can be scripted: nothing of it asks for a version. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Backend, Cors, RouteRule } from '@weft/model';
import { FakeClock, ScriptedPeer, ScriptedServer, eventually } from '@weft/testkit';
import { PlaneFixture, plainEndpoint, routeRule } from '../fixture/plane-fixture.ts';
import type { ExchangeRecorder } from './engine.ts';

interface Ending {
  readonly code: string;
  readonly status: number;
  readonly grpcStatus: number;
}

/** A fixture whose clock stands, one scripted server behind it and one client before it. */
class Stage {
  readonly clock: FakeClock;
  readonly endings: Ending[];
  readonly retries: string[];
  readonly fixture: PlaneFixture;
  readonly server: ScriptedServer;
  client: ScriptedPeer;

  private constructor(server: ScriptedServer) {
    this.clock = new FakeClock({ startMs: 1_000 });
    this.endings = [];
    this.retries = [];
    const recorder: ExchangeRecorder = {
      begun: () => {},
      retried: (_exchange, reason) => void this.retries.push(reason),
      ended: ({ status, grpcStatus }, code) => void this.endings.push({ code, status, grpcStatus }),
    };
    this.fixture = new PlaneFixture({ clock: this.clock, wheel: this.clock.wheel(), recorder, random: () => 0.5 });
    this.server = server;
    this.client = undefined!;
  }

  static async open(rule: Partial<RouteRule>, backend: Partial<Omit<Backend, 'type'>> = {}): Promise<Stage> {
    const stage = new Stage(await ScriptedServer.listen());
    stage.fixture.serveOrders([plainEndpoint(stage.server.port)], rule, backend);
    const listener = await stage.fixture.listen();
    stage.client = await ScriptedPeer.connect(listener.port);
    return stage;
  }

  /** Time goes on while the sockets are at rest. */
  async pass(ms: number): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    await this.clock.advanceSettled(ms);
    for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    this.client.destroy();
    this.fixture.close();
    await this.server.close();
  }
}

function stageTest(
  name: string,
  run: (stage: Stage) => Promise<void>,
  rule: Partial<RouteRule> = {},
  backend: Partial<Omit<Backend, 'type'>> = {},
): void {
  it(name, async () => {
    const stage = await Stage.open(rule, backend);
    try {
      await run(stage);
    } finally {
      await stage.close();
    }
  });
}

async function heard(peer: ScriptedPeer, expected: string): Promise<string> {
  return (await peer.receive(expected)).toString('latin1');
}

const MESSAGE = '\0\0\0\0\x02hi';
const call = (fields = '', contentType = 'application/grpc+proto', body = MESSAGE): string =>
  `POST /shop.v1.Orders/Get HTTP/1.1\r\nHost: orders\r\nContent-Type: ${contentType}\r\nTE: trailers\r\n` +
  `${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const trailersOnly = (status: number, fields = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nGrpc-Status: ${status}\r\n${fields}Content-Length: 0\r\n\r\n`;
const BEGUN =
  'HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n\0\0\0\0\x02ok\r\n';
const field = (head: string, name: string): string | undefined =>
  new RegExp(`\\r\\n${name}: ([^\\r]*)\\r\\n`, 'i').exec(head)?.[1];

const retries = { ...routeRule().retries, grpcStatuses: [8, 14], backoffBaseMs: 100, backoffMaxMs: 1_000 };
const timeouts = routeRule().timeouts;
const outlierDetection = {
  consecutiveErrors: 2,
  successRate: null,
  baseEjectionMs: 10_000,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 100,
};

describe('a gRPC call', () => {
  stageTest(
    'is told at each try what is left of its deadline, and how many tries were before',
    async (stage) => {
      await stage.client.send(call('Grpc-Timeout: 2S\r\nGrpc-Previous-Rpc-Attempts: 1\r\n'));
      const peer = await stage.server.accept();
      const first = await heard(peer, MESSAGE);
      assert.equal(field(first, 'grpc-timeout'), '2000000u');
      assert.equal(field(first, 'grpc-previous-rpc-attempts'), '1');
      await peer.send(trailersOnly(14, 'Grpc-Retry-Pushback-Ms: 300\r\n'));
      await stage.pass(300);
      const second = await heard(peer, MESSAGE);
      assert.equal(field(second, 'grpc-timeout'), '1700000u');
      assert.equal(field(second, 'grpc-previous-rpc-attempts'), '2');
      assert.equal((second.match(/grpc-timeout/gi) ?? []).length, 1);
      await peer.send(trailersOnly(0));
      await heard(stage.client, '\r\n\r\n');
      await eventually(() => assert.equal(stage.endings.length, 1), 2_000);
      assert.deepEqual(stage.endings, [{ code: 'completed', status: 200, grpcStatus: 0 }]);
      assert.deepEqual(stage.retries, ['GrpcStatuses']);
    },
    { retries },
  );

  stageTest(
    'has the smaller of its own deadline and the time-out of the policy',
    async (stage) => {
      await stage.client.send(call('grpc-timeout: 1M\r\n'));
      const peer = await stage.server.accept();
      assert.equal(field(await heard(peer, MESSAGE), 'grpc-timeout'), '500000u');
      await stage.pass(500);
      const reply = await heard(stage.client, '\r\n\r\n');
      assert.match(reply, /^HTTP\/1\.1 200 /);
      assert.equal(field(reply, 'grpc-status'), '4');
      assert.equal(field(reply, 'content-type'), 'application/grpc+proto');
      assert.equal(field(reply, 'weft-refused'), 'request-timeout');
      assert.match(field(reply, 'grpc-message') ?? '', /^weft: the whole request took longer/);
      assert.deepEqual(stage.endings, [{ code: 'request-timeout', status: 200, grpcStatus: 4 }]);
    },
    { timeouts: { ...timeouts, requestMs: 500 } },
  );

  stageTest('without a deadline is given none, and a malformed one is left to the server', async (stage) => {
    await stage.client.send(call());
    const peer = await stage.server.accept();
    assert.equal(field(await heard(peer, MESSAGE), 'grpc-timeout'), undefined);
    await peer.send(trailersOnly(0));
    await heard(stage.client, '\r\n\r\n');
    await stage.client.send(call('Grpc-Timeout: soon\r\n'));
    assert.equal(field(await heard(peer, MESSAGE), 'grpc-timeout'), 'soon');
    await peer.send(trailersOnly(13));
    assert.equal(field(await heard(stage.client, '\r\n\r\n'), 'grpc-status'), '13');
  });

  stageTest('that its caller gives up at its deadline has timed out', async (stage) => {
    await stage.client.send(call('grpc-timeout: 100m\r\n'));
    await heard(await stage.server.accept(), MESSAGE);
    await stage.pass(97);
    stage.client.reset();
    await eventually(() => assert.equal(stage.endings.length, 1), 2_000);
    assert.equal(stage.endings[0]!.code, 'request-timeout');
  });

  stageTest('that its caller gives up early is no failure of the server', async (stage) => {
    await stage.client.send(call('grpc-timeout: 100m\r\n'));
    await heard(await stage.server.accept(), MESSAGE);
    await stage.pass(50);
    stage.client.reset();
    await eventually(() => assert.equal(stage.endings.length, 1), 2_000);
    assert.equal(stage.endings[0]!.code, 'downstream-reset');
  });

  stageTest('that breaks inside its response ends with a status, not with a cut', async (stage) => {
    await stage.client.send(call());
    const peer = await stage.server.accept();
    await heard(peer, MESSAGE);
    await peer.send(BEGUN);
    await heard(stage.client, 'ok');
    peer.destroy();
    const rest = await heard(stage.client, '\r\n\r\n');
    assert.match(rest, /0\r\ngrpc-status: 14\r\ngrpc-message: weft: the endpoint closed the connection/);
    assert.deepEqual(stage.endings, [{ code: 'upstream-cut', status: 200, grpcStatus: 14 }]);
  });

  stageTest(
    'is not tried again where the server pushes back, or for a status that is not named',
    async (stage) => {
      const peerOf = stage.server.accept();
      await stage.client.send(call());
      const peer = await peerOf;
      await heard(peer, MESSAGE);
      await peer.send(trailersOnly(14, 'grpc-retry-pushback-ms: -1\r\n'));
      assert.equal(field(await heard(stage.client, '\r\n\r\n'), 'grpc-status'), '14');
      await stage.client.send(call());
      await heard(peer, MESSAGE);
      await peer.send(trailersOnly(13));
      assert.equal(field(await heard(stage.client, '\r\n\r\n'), 'grpc-status'), '13');
      assert.deepEqual(stage.retries, []);
    },
    { retries },
  );

  for (const where of ['trailers', 'head'] as const) {
    const answer = where === 'head' ? trailersOnly(14) : `${BEGUN}0\r\nGrpc-Status: 14\r\n\r\n`;
    stageTest(
      `that ends UNAVAILABLE in its ${where} counts against the endpoint`,
      async (stage) => {
        let peer: ScriptedPeer | undefined;
        for (let round = 0; round < 2; round += 1) {
          await stage.client.send(call());
          peer ??= await stage.server.accept();
          await heard(peer, MESSAGE);
          await peer.send(answer);
          await heard(stage.client, where === 'head' ? '\r\n\r\n' : '0\r\nGrpc-Status: 14\r\n\r\n');
          await eventually(() => assert.equal(stage.endings.length, round + 1), 2_000);
        }
        assert.deepEqual(stage.endings[1], { code: 'completed', status: 200, grpcStatus: 14 });
        assert.deepEqual(
          stage.fixture.transitions.map(({ type }) => type),
          ['ejected'],
        );
      },
      {},
      { outlierDetection },
    );
  }
});

describe('a gRPC-Web call', () => {
  const cors: Cors = {
    allowOrigins: ['http://orders'],
    allowCredentials: false,
    allowMethods: [],
    allowHeaders: [],
    exposeHeaders: ['grpc-status'],
    maxAgeS: 5,
  };

  stageTest('to a service that declares HTTP/1.1 passes as it is', async (stage) => {
    await stage.client.send(call('', 'application/grpc-web'));
    const peer = await stage.server.accept();
    assert.equal(field(await heard(peer, MESSAGE), 'content-type'), 'application/grpc-web');
    await peer.send('HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web\r\nContent-Length: 3\r\n\r\nown');
    await heard(stage.client, 'own');
  });

  stageTest(
    'under a GRPCRoute becomes gRPC, and its trailers the last frame of the body',
    async (stage) => {
      await stage.client.send(call('', 'application/grpc-web-text', 'AAAAAAJoaQ=='));
      const peer = await stage.server.accept();
      const request = await heard(peer, 'hi\r\n0\r\n\r\n');
      assert.equal(field(request, 'content-type'), 'application/grpc');
      assert.equal(field(request, 'te'), 'trailers');
      assert.equal(field(request, 'content-length'), undefined);
      await peer.send(`${BEGUN}0\r\nGrpc-Status: 0\r\nX-Sum: 7\r\n\r\n`);
      const response = await heard(stage.client, '0\r\n\r\n');
      assert.equal(field(response, 'content-type'), 'application/grpc-web-text');
      const text = [...response.matchAll(/\r\n[0-9a-f]+\r\n([A-Za-z0-9+/=]+)(?=\r\n)/g)].map((match) => match[1]!);
      const body = text.flatMap((piece) => piece.match(/[^=]+=*/g) ?? []).map((piece) => Buffer.from(piece, 'base64'));
      assert.equal(
        Buffer.concat(body).toString('latin1'),
        '\0\0\0\0\x02ok\x80\0\0\0\x1agrpc-status: 0\r\nx-sum: 7\r\n',
      );
      await eventually(
        () => assert.deepEqual(stage.endings, [{ code: 'completed', status: 200, grpcStatus: 0 }]),
        2_000,
      );
      // Nothing of it is left to the next call of the connection.
      await stage.client.send(call());
      await heard(peer, MESSAGE);
      await peer.send(`${BEGUN}0\r\nGrpc-Status: 0\r\n\r\n`);
      const next = await heard(stage.client, 'Grpc-Status: 0\r\n\r\n');
      assert.equal(field(next, 'content-type'), 'application/grpc');
    },
    { route: 'GRPCRoute shop/orders' },
  );

  stageTest(
    'that is refused is told so in its own content type, and its page may read it',
    async (stage) => {
      await stage.client.send(call('Origin: http://orders\r\n', 'application/grpc-web-text', 'AAAA!'));
      const reply = await heard(stage.client, '\r\n\r\n');
      assert.match(reply, /^HTTP\/1\.1 200 /);
      assert.equal(field(reply, 'content-type'), 'application/grpc-web-text');
      assert.equal(field(reply, 'grpc-status'), '3');
      assert.equal(field(reply, 'access-control-allow-origin'), 'http://orders');
      assert.equal(field(reply, 'access-control-expose-headers'), 'grpc-status');
    },
    { route: 'GRPCRoute shop/orders', filters: [{ type: 'CORS', cors }] },
  );

  stageTest(
    'whose answer is no gRPC gets it as it is, marked for its page and for nobody else',
    async (stage) => {
      await stage.client.send(call('Origin: http://orders\r\n', 'application/grpc-web'));
      const peer = await stage.server.accept();
      await heard(peer, MESSAGE);
      await peer.send(
        'HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 4\r\n\r\nnone',
      );
      const reply = await heard(stage.client, 'none');
      assert.equal(field(reply, 'content-type'), 'text/html');
      assert.equal(field(reply, 'access-control-allow-origin'), 'http://orders');
      assert.equal(field(reply, 'vary'), 'Origin');
    },
    { route: 'GRPCRoute shop/orders', filters: [{ type: 'CORS', cors }] },
  );

  it('that came before its destination was known is translated from its first byte', async () => {
    const stage = await Stage.open({});
    const { fixture } = stage;
    fixture.put({
      type: 'names',
      name: 'shop',
      services: [{ service: 'later', ports: [{ port: 80, name: 'grpc', protocol: 'Grpc' }], addresses: [] }],
    });
    const listener = await fixture.listen({ kind: 'explicit' });
    for (const [text, whole] of [
      ['AAAAAAJoaQ==', true],
      ['AAAAAAJoaQ', false],
    ] as const) {
      const client = await ScriptedPeer.connect(listener.port);
      const demanded = fixture.demanded.length;
      await client.send(call('', 'application/grpc-web-text', text).replaceAll('orders', 'later'));
      await eventually(() => fixture.demanded.length > demanded, 2_000);
      fixture.put({ type: 'routes', name: 'shop/later:80', rules: [routeRule({ route: 'GRPCRoute shop/later' })] });
      if (whole) {
        const peer = await stage.server.accept();
        assert.match(await heard(peer, 'hi\r\n0\r\n\r\n'), /\0\0\0\0\x02hi/);
        await peer.send(trailersOnly(0));
        assert.equal(field(await heard(client, '\r\n\r\n'), 'grpc-status'), '0');
        fixture.remove('routes:shop/later:80');
      } else assert.equal(field(await heard(client, '\r\n\r\n'), 'grpc-status'), '3');
      client.destroy();
    }
    await stage.close();
  });

  stageTest(
    'whose server answers early with something else still sends it what it understands',
    async (stage) => {
      const head = call('', 'application/grpc-web-text', 'AAAAAAJoaQ==');
      await stage.client.send(head.slice(0, -6));
      const peer = await stage.server.accept();
      await heard(peer, '\r\n\r\n');
      await peer.send('HTTP/1.1 429 Too Many Requests\r\nContent-Length: 10\r\n\r\nslow');
      await heard(stage.client, 'slow');
      await stage.client.send(head.slice(-6));
      await heard(peer, 'hi\r\n0\r\n\r\n');
      await peer.send(' down.');
      await heard(stage.client, ' down.');
    },
    { route: 'GRPCRoute shop/orders' },
  );

  stageTest(
    'that is redirected may be followed by its page',
    async (stage) => {
      await stage.client.send(call('Origin: http://orders\r\n', 'application/grpc-web'));
      const reply = await heard(stage.client, '\r\n\r\n');
      assert.match(reply, /^HTTP\/1\.1 302 /);
      assert.equal(field(reply, 'access-control-allow-origin'), 'http://orders');
      assert.equal(field(reply, 'vary'), 'Origin');
    },
    {
      filters: [
        { type: 'CORS', cors },
        { type: 'RequestRedirect', redirect: { scheme: 'https', hostname: '', path: null, port: 0, statusCode: 302 } },
      ],
      backends: [],
    },
  );
});

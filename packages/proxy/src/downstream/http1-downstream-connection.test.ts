import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FakeClock, ScriptedPeer, ScriptedServer, eventually } from '@weft/testkit';
import { PlaneFixture, plainEndpoint } from '../fixture/plane-fixture.ts';

/** A caller, the proxy and an application, both ends written by hand. */
class Hop {
  readonly fixture: PlaneFixture;
  readonly server: ScriptedServer;
  readonly port: number;
  private readonly clients: ScriptedPeer[] = [];

  private constructor(fixture: PlaneFixture, server: ScriptedServer, port: number) {
    this.fixture = fixture;
    this.server = server;
    this.port = port;
  }

  static async start(): Promise<Hop> {
    const server = await ScriptedServer.listen();
    const fixture = new PlaneFixture();
    fixture.serveOrders([plainEndpoint(server.port)]);
    const listener = await fixture.listen();
    return new Hop(fixture, server, listener.port);
  }

  async client(): Promise<ScriptedPeer> {
    const client = await ScriptedPeer.connect(this.port);
    this.clients.push(client);
    return client;
  }

  /** Sends a whole request, answers it with a whole response; gives what each side received and the ends. */
  async pass(
    request: string,
    requestEnd: RegExp | string,
    response: string,
    responseEnd: RegExp | string,
  ): Promise<{ forwarded: string; answer: string; client: ScriptedPeer; upstream: ScriptedPeer }> {
    const client = await this.client();
    await client.send(request);
    const upstream = await this.server.accept();
    const forwarded = (await upstream.receive(requestEnd)).toString('latin1');
    await upstream.send(response);
    const answer = (await client.receive(responseEnd)).toString('latin1');
    return { forwarded, answer, client, upstream };
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy();
    this.fixture.close();
    await this.server.close();
  }
}

const GET = 'GET /a HTTP/1.1\r\nHost: orders\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A hop of its own for each test, so that none inherits a pooled connection. */
function hopTest(name: string, run: (hop: Hop) => Promise<void>): void {
  it(name, async () => {
    const hop = await Hop.start();
    try {
      await run(hop);
    } finally {
      await hop.close();
    }
  });
}

describe('forwarding', () => {
  hopTest('passes a request and its response and keeps both connections', async (hop) => {
    const { forwarded, answer, client, upstream } = await hop.pass(GET, '\r\n\r\n', OK, 'ok');
    assert.match(forwarded, /^GET \/a HTTP\/1\.1\r\nHost: orders\r\n/);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(answer, /connection:/i);
    await client.send(GET);
    await upstream.receive('\r\n\r\n');
    await upstream.send(OK);
    await client.receive('ok');
    assert.deepEqual(hop.fixture.recorder.codes, ['completed', 'completed']);
    assert.equal(hop.server.size, 1);
  });

  hopTest('passes a body of known length and goes on to the next request', async (hop) => {
    const post = 'POST /b HTTP/1.1\r\nHost: orders\r\nContent-Length: 5\r\n\r\nhello';
    const { forwarded, client, upstream } = await hop.pass(post, 'hello', OK, 'ok');
    assert.match(forwarded, /\r\nContent-Length: 5\r\n\r\nhello$/);
    for (let round = 0; round < 3; round += 1) {
      await client.send(post);
      await upstream.receive('hello');
      await upstream.send(OK);
      await client.receive('ok');
    }
  });

  hopTest('passes chunks and trailers of requests', async (hop) => {
    const { forwarded } = await hop.pass(
      'POST /b HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n',
      'X-Sum: 7\r\n\r\n',
      OK,
      'ok',
    );
    assert.match(forwarded, /Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n$/);
  });

  hopTest('passes chunks and trailers of responses', async (hop) => {
    const { answer } = await hop.pass(
      'GET / HTTP/1.1\r\nHost: orders\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
      '\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\nX-Sum: 7\r\n\r\n',
      'X-Sum: 7\r\n\r\n',
    );
    assert.match(answer, /Transfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\nX-Sum: 7\r\n\r\n$/);
  });

  hopTest('passes no body behind HEAD, 204 and 304', async (hop) => {
    const { client, upstream } = await hop.pass(
      'HEAD / HTTP/1.1\r\nHost: orders\r\n\r\n',
      '\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n',
      'Content-Length: 5000\r\n\r\n',
    );
    for (const head of ['HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n']) {
      await client.send(GET);
      await upstream.receive('\r\n\r\n');
      await upstream.send(head);
      assert.equal((await client.receive('\r\n\r\n')).toString().split('\r\n')[0], head.split('\r\n')[0]);
    }
    await client.send(GET);
    await upstream.receive('\r\n\r\n');
    await upstream.send(OK);
    await client.receive('ok');
  });

  hopTest('turns a response that ends with its connection into chunks', async (hop) => {
    const client = await hop.client();
    await client.send(GET);
    const upstream = await hop.server.accept();
    await upstream.receive('\r\n\r\n');
    await upstream.send('HTTP/1.0 200 OK\r\n\r\nall of it');
    await upstream.end();
    const answer = (await client.receive('0\r\n\r\n')).toString();
    assert.match(answer, /Transfer-Encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/);
    assert.deepEqual(hop.fixture.recorder.codes, ['completed']);
  });

  hopTest('ends the connection behind a chunked response to an HTTP/1.0 client', async (hop) => {
    const { forwarded, answer, client } = await hop.pass(
      'GET / HTTP/1.0\r\n\r\n',
      '\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\n\r\n',
      'wiki',
    );
    assert.match(forwarded, /^GET \/ HTTP\/1\.1\r\nHost: orders\.shop\r\n/);
    assert.match(answer, /Connection: close\r\n\r\nwiki$/);
    assert.equal(await client.closed(), 'end');
  });

  hopTest('keeps an HTTP/1.0 connection that asks for it', async (hop) => {
    const { answer, client, upstream } = await hop.pass(
      'GET / HTTP/1.0\r\nHost: orders\r\nConnection: keep-alive\r\n\r\n',
      '\r\n\r\n',
      OK,
      'ok',
    );
    assert.match(answer, /Connection: keep-alive\r\n/);
    await client.send(GET);
    await upstream.receive('\r\n\r\n');
    await upstream.send(OK);
    await client.receive('ok');
  });

  hopTest('answers pipelined requests in their order', async (hop) => {
    const client = await hop.client();
    const requests = [1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: orders\r\n\r\n`).join('');
    await client.send(`${requests}POST /4 HTTP/1.1\r\nHost: orders\r\nContent-Length: 4\r\n\r\nbody`);
    const upstream = await hop.server.accept();
    for (let n = 1; n <= 4; n += 1) {
      const forwarded = (await upstream.receive(n === 4 ? 'body' : '\r\n\r\n')).toString();
      assert.match(forwarded, new RegExp(`^[A-Z]+ /${n} `));
      await upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${n}`);
      assert.match((await client.receive(/\r\n\r\n\d/)).toString(), new RegExp(`${n}$`));
    }
    assert.equal(hop.server.size, 1);
  });

  hopTest('answers all pipelined requests of a client that half-closes behind them', async (hop) => {
    const client = await hop.client();
    await client.send(GET + GET);
    await client.end();
    const upstream = await hop.server.accept();
    for (let n = 0; n < 2; n += 1) {
      await upstream.receive('\r\n\r\n');
      await upstream.send(OK);
      await client.receive('ok');
    }
    assert.equal(await client.closed(), 'end');
    assert.deepEqual(hop.fixture.recorder.codes, ['completed', 'completed']);
  });

  hopTest('answers a client that half-closes behind its request', async (hop) => {
    const client = await hop.client();
    await client.send(GET);
    await client.end();
    const upstream = await hop.server.accept();
    await upstream.receive('\r\n\r\n');
    await upstream.send(OK);
    const answer = (await client.receive('ok')).toString();
    assert.match(answer, /^HTTP\/1\.1 200 OK/);
    assert.equal(await client.closed(), 'end');
    assert.deepEqual(hop.fixture.recorder.codes, ['completed']);
  });

  hopTest('closes when the client asks for it, and tells it so', async (hop) => {
    const { forwarded, answer, client } = await hop.pass(
      'GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n',
      '\r\n\r\n',
      OK,
      'ok',
    );
    assert.doesNotMatch(forwarded, /close/i);
    assert.match(answer, /Connection: close/);
    assert.equal(await client.closed(), 'end');
    assert.equal(hop.server.size, 1);
  });

  hopTest('keeps the client when the upstream closes behind a response', async (hop) => {
    const { answer, client, upstream } = await hop.pass(
      GET,
      '\r\n\r\n',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
      'ok',
    );
    assert.doesNotMatch(answer, /close/i);
    assert.notEqual(await upstream.closed(), null);
    await client.send(GET);
    const second = await hop.server.accept();
    await second.receive('\r\n\r\n');
    await second.send(OK);
    await client.receive('ok');
  });

  hopTest('passes 100 Continue, and the body after it', async (hop) => {
    const client = await hop.client();
    await client.send('PUT / HTTP/1.1\r\nHost: orders\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
    const upstream = await hop.server.accept();
    assert.match((await upstream.receive('\r\n\r\n')).toString(), /Expect: 100-continue/);
    await upstream.send('HTTP/1.1 100 Continue\r\n\r\n');
    assert.equal((await client.receive('\r\n\r\n')).toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
    await client.send('body');
    await upstream.receive('body');
    await upstream.send(OK);
    await client.receive('ok');
    await client.send(GET);
    await upstream.receive('\r\n\r\n');
    await upstream.send(OK);
    await client.receive('ok');
  });

  hopTest('ends the connection when a final answer comes in place of 100 Continue', async (hop) => {
    const client = await hop.client();
    await client.send('PUT / HTTP/1.1\r\nHost: orders\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
    const upstream = await hop.server.accept();
    await upstream.receive('\r\n\r\n');
    await upstream.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n');
    assert.match((await client.receive('\r\n\r\n')).toString(), /^HTTP\/1\.1 413 .*Connection: close/s);
    assert.equal(await client.closed(), 'end');
    assert.notEqual(await upstream.closed(), null);
  });

  hopTest('passes other 1xx answers, but not to HTTP/1.0', async (hop) => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n';
    const { answer, upstream } = await hop.pass(GET, '\r\n\r\n', hints + OK, 'ok');
    assert.ok(answer.startsWith(hints));
    const old = await hop.client();
    await old.send('GET / HTTP/1.0\r\nHost: orders\r\n\r\n');
    await upstream.receive('\r\n\r\n');
    await upstream.send(hints + OK);
    assert.match((await old.receive('ok')).toString(), /^HTTP\/1\.1 200 /);
  });

  hopTest('passes an answer that comes before the request body has ended, whole', async (hop) => {
    const client = await hop.client();
    await client.send('POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 1000000\r\n\r\nsome');
    const upstream = await hop.server.accept();
    await upstream.receive('some');
    await upstream.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch');
    assert.match((await client.receive('much')).toString(), /Connection: close/);
    // The rest of the body is on its way while the answer is; it must not reset the answer away.
    await client.send('x'.repeat(200_000));
    assert.equal(await client.closed(), 'end');
    assert.deepEqual(hop.fixture.recorder.codes, ['completed']);
  });

  hopTest('streams both ways at once', async (hop) => {
    const client = await hop.client();
    await client.send('POST / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
    const upstream = await hop.server.accept();
    await upstream.receive('1\r\na\r\n');
    await upstream.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n');
    await client.receive('1\r\nA\r\n');
    await client.send('1\r\nb\r\n0\r\n\r\n');
    await upstream.receive('1\r\nb\r\n0\r\n\r\n');
    await upstream.send('1\r\nB\r\n0\r\n\r\n');
    await client.receive('1\r\nB\r\n0\r\n\r\n');
  });
});

describe('tunnels', () => {
  const upgrade = 'GET /ws HTTP/1.1\r\nHost: orders\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

  hopTest('carry bytes both ways after 101, and each half-close', async (hop) => {
    const { forwarded, client, upstream } = await hop.pass(upgrade, '\r\n\r\n', `${switched}hi`, 'hi');
    assert.match(forwarded, /Upgrade: websocket\r\n/);
    await client.send('\x81\x00up');
    await upstream.receive('\x81\x00up');
    await upstream.send('\x82\xffdown');
    await client.receive('\x82\xffdown');
    await client.end();
    assert.equal(await upstream.closed(), 'end');
    await upstream.send('last words');
    await client.receive('last words');
    await upstream.end();
    assert.equal(await client.closed(), 'end');
    await ended(hop, 1);
    assert.deepEqual(hop.fixture.recorder.codes, ['completed']);
  });

  hopTest('end when the upstream half-closes first and the client follows', async (hop) => {
    const { client, upstream } = await hop.pass(upgrade, '\r\n\r\n', switched, '\r\n\r\n');
    await upstream.end();
    assert.equal(await client.closed(), 'end');
    await client.send('still');
    await upstream.receive('still');
    await client.end();
    assert.equal(await upstream.closed(), 'end');
    await ended(hop, 1);
    assert.deepEqual(hop.fixture.recorder.codes, ['completed']);
  });

  hopTest('end for the client when the upstream resets', async (hop) => {
    const { client, upstream } = await hop.pass(upgrade, '\r\n\r\n', switched, '\r\n\r\n');
    upstream.reset();
    await client.closed();
    await ended(hop, 1);
    assert.deepEqual(hop.fixture.recorder.codes, ['upstream-cut'], JSON.stringify(hop.fixture.recorder.ends));
  });

  hopTest('get what the client sent before the 101, after it', async (hop) => {
    const client = await hop.client();
    await client.send(`${upgrade}early`);
    const upstream = await hop.server.accept();
    await upstream.receive('\r\n\r\n');
    assert.equal(upstream.unread.length, 0);
    await upstream.send(switched);
    await client.receive('\r\n\r\n');
    await upstream.receive('early');
  });

  hopTest('learn of a half-close that came before the 101', async (hop) => {
    const client = await hop.client();
    await client.send(`${upgrade}early`);
    await client.end();
    const upstream = await hop.server.accept();
    await upstream.receive('\r\n\r\n');
    await upstream.send(switched);
    await upstream.receive('early');
    assert.equal(await upstream.closed(), 'end');
    await upstream.send('late');
    await client.receive('late');
  });

  hopTest('are refused when nobody asked for them', async (hop) => {
    const { answer } = await hop.pass(GET, '\r\n\r\n', switched, /\r\n\r\n.*\n/);
    assert.match(answer, /^HTTP\/1\.1 502 .*weft-refused: malformed-response/s);
  });

  hopTest('are not made when the server answers 200 instead', async (hop) => {
    const { client, upstream } = await hop.pass(upgrade, '\r\n\r\n', OK, 'ok');
    await client.send(GET);
    await upstream.receive('\r\n\r\n');
    await upstream.send(OK);
    await client.receive('ok');
  });
});

describe('a connection', () => {
  let hop: Hop;
  before(async () => {
    hop = await Hop.start();
  });
  after(() => hop.close());

  it('is kept behind an answer of the proxy itself', async () => {
    const routed = await ScriptedServer.listen();
    const fixture = new PlaneFixture();
    fixture.serveOrders([plainEndpoint(routed.port)], {
      matches: [{ path: { type: 'Exact', value: '/there' }, method: '', headers: [], queries: [], grpc: null }],
    });
    const { port } = await fixture.listen();
    const client = await ScriptedPeer.connect(port);
    const lost = 'GET /lost HTTP/1.1\r\nHost: orders\r\n\r\n';
    await client.send(lost);
    const answer = (await client.receive(/\r\n\r\n.*\n/)).toString();
    assert.match(answer, /^HTTP\/1\.1 404 .*weft-refused: no-route/s);
    assert.doesNotMatch(answer, /connection: close/i);
    // Pipelined behind each other, and one that is forwarded behind them.
    await client.send(`${lost}${lost}GET /there HTTP/1.1\r\nHost: orders\r\n\r\n`);
    await client.receive(/no-route[^]*no-route[^]*\r\n\r\n[^]*no-route[^]*\n/);
    const upstream = await routed.accept();
    await upstream.receive('\r\n\r\n');
    await upstream.send(OK);
    await client.receive('ok');
    client.destroy();
    fixture.close();
    await routed.close();
  });
});

describe('an upload that is answered before it is whole', () => {
  /** Half a minute of a sender's life beside a clock of the test's own. */
  async function early(run: (client: ScriptedPeer, pass: (ms: number) => Promise<void>) => Promise<void>) {
    const clock = new FakeClock({ startMs: 1_000 });
    const server = await ScriptedServer.listen();
    const fixture = new PlaneFixture({ clock, wheel: clock.wheel() });
    fixture.serveOrders([plainEndpoint(server.port)]);
    const { port } = await fixture.listen();
    const client = await ScriptedPeer.connect(port);
    try {
      await client.send('PUT / HTTP/1.1\r\nHost: orders\r\nContent-Length: 100000000\r\n\r\nx');
      const upstream = await server.accept();
      await upstream.receive('\r\n\r\nx');
      await upstream.send(OK);
      assert.match((await client.receive('ok')).toString(), /connection: close/i);
      await eventually(() => fixture.recorder.ends.length === 1, 2_000);
      await run(client, async (ms) => {
        await settle();
        await clock.advanceSettled(ms);
        await settle();
      });
    } finally {
      client.destroy();
      fixture.close();
      await server.close();
    }
  }

  async function settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  it('is read on, however large: nobody who sends before reading loses the answer', () =>
    early(async (client, pass) => {
      const piece = Buffer.alloc(1_048_576);
      for (let sent = 0; sent < 16; sent += 1) await client.send(piece);
      await pass(4_000);
      await client.send('more');
      await pass(4_000);
      await client.send('and more');
      assert.equal(client.socket.destroyed, false);
      assert.equal(client.socket.errored, null);
      await client.end();
    }));

  it('is left when nothing has come for 5 s', () =>
    early(async (client, pass) => {
      await pass(4_500);
      await client.send('x');
      await pass(4_500);
      await client.send('x');
      await pass(5_500);
      await assert.rejects(async () => {
        for (let turn = 0; turn < 100; turn += 1) await client.send('x');
      });
    }));

  it('is left after 30 s whatever comes', () =>
    early(async (client, pass) => {
      for (let second = 0; second < 28; second += 2) {
        await client.send('x');
        await pass(2_000);
      }
      await client.send('x');
      await pass(3_000);
      await assert.rejects(async () => {
        for (let turn = 0; turn < 100; turn += 1) await client.send('x');
      });
    }));
});

async function ended(hop: Hop, count: number): Promise<void> {
  for (let turn = 0; turn < 2_000 && hop.fixture.recorder.ends.length < count; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  assert.equal(hop.fixture.recorder.ends.length, count);
}

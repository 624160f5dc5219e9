import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { FakeClock, ScriptedPeer, eventually } from '@weft/testkit';
import { PlaneFixture, plainEndpoint } from '../fixture/plane-fixture.ts';
import type { SweepableListener } from '../fixture/plane-fixture.ts';
import { CallerTally } from '../listen/caller-tally.ts';
import { frame, framesOf, opening, requestHead, settingsAck } from '../fixture/http2-bytes.ts';

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
}

/** An HTTP/2 client of node:http2 or of single bytes, the proxy, and an HTTP/1.1 application. */
class Stage {
  readonly fixture: PlaneFixture;
  readonly application: Server;
  readonly listener: SweepableListener;
  readonly clock: FakeClock | null;
  private readonly sessions: ClientHttp2Session[] = [];
  private readonly peers: ScriptedPeer[] = [];

  private constructor(
    fixture: PlaneFixture,
    application: Server,
    listener: SweepableListener,
    clock: FakeClock | null,
  ) {
    this.fixture = fixture;
    this.application = application;
    this.listener = listener;
    this.clock = clock;
  }

  static async start(serve: Serve, fake = false): Promise<Stage> {
    const application = createServer(serve);
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    const clock = fake ? new FakeClock({ startMs: 1_000 }) : null;
    const fixture = new PlaneFixture(clock === null ? {} : { clock, wheel: clock.wheel() });
    fixture.serveOrders([plainEndpoint((application.address() as AddressInfo).port)]);
    return new Stage(fixture, application, await fixture.listen(), clock);
  }

  session(): ClientHttp2Session {
    const session = connect(`http://127.0.0.1:${this.listener.port}`);
    session.on('error', () => {});
    this.sessions.push(session);
    return session;
  }

  /** A peer that has said its preface and acknowledged our SETTINGS. */
  async peer(): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.connect(this.listener.port);
    this.peers.push(peer);
    await peer.send(Buffer.concat([opening, settingsAck]));
    return peer;
  }

  async plainPeer(): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.connect(this.listener.port);
    this.peers.push(peer);
    return peer;
  }

  /** Time passes and the listener looks at its deadlines. */
  pass(ms: number): void {
    this.clock!.advance(ms);
    this.listener.sweepNow();
  }

  /** How the only connection ended: code and detail. */
  async ending(peer: ScriptedPeer): Promise<string> {
    await peer.closed();
    peer.destroy();
    await eventually(() => this.fixture.connections.length === 1, 2_000);
    const [end] = this.fixture.connections;
    return `${end!.code} ${end!.detail}`.trimEnd();
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    for (const peer of this.peers) peer.destroy();
    this.fixture.close();
    this.application.closeAllConnections();
    this.application.close();
    await once(this.application, 'close');
  }
}

function stageTest(name: string, serve: Serve, run: (stage: Stage) => Promise<void>, fake = false): void {
  it(name, { timeout: 20_000 }, async () => {
    const stage = await Stage.start(serve, fake);
    try {
      await run(stage);
    } finally {
      await stage.close();
    }
  });
}

function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request({ ':path': '/', ':authority': 'orders', ...headers });
  stream.on('error', () => {});
  return stream;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let body = '';
  let trailers: IncomingHttpHeaders = {};
  stream.on('trailers', (fields: IncomingHttpHeaders) => (trailers = fields));
  stream.setEncoding('latin1');
  stream.on('data', (text: string) => (body += text));
  const ended = new Promise<void>((resolve, reject) => {
    stream.once('end', resolve);
    stream.once('error', reject);
    stream.once('close', () => reject(new Error(`closed with ${stream.rstCode}`)));
  });
  ended.catch(() => {});
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
  await ended;
  return { status: headers[':status'], headers, body, trailers };
}

/** Status and body for a request without one. */
async function get(session: ClientHttp2Session, path = '/'): Promise<Answer> {
  const stream = session.request({ ':path': path, ':authority': 'orders' });
  stream.on('error', () => {});
  return answerOf(stream);
}

const echo: Serve = (request, response) => {
  request.on('error', () => {});
  request.pipe(response);
};

const describing: Serve = (request, response) => {
  const { method, url, httpVersion, headers } = request;
  response.end(JSON.stringify({ method, url, httpVersion, host: headers.host, cookie: headers.cookie }));
};

describe('an HTTP/2 caller', () => {
  stageTest('is served by an HTTP/1.1 application', describing, async (stage) => {
    const stream = stage.session().request({ ':path': '/a?b', ':authority': 'orders', cookie: ['a=1', 'b=2'] });
    const { status, headers, body } = await answerOf(stream);
    assert.equal(status, 200);
    assert.equal(headers['connection'], undefined);
    assert.equal(headers['transfer-encoding'], undefined);
    assert.deepEqual(JSON.parse(body), {
      method: 'GET',
      url: '/a?b',
      httpVersion: '1.1',
      host: 'orders',
      cookie: 'a=1; b=2',
    });
    assert.deepEqual(stage.fixture.recorder.codes, ['completed']);
  });

  stageTest(
    'hears interim heads, and trailers behind the body',
    (request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.writeHead(200, { trailer: 'x-sum' });
      request.on('data', (chunk: Buffer) => response.write(chunk));
      request.on('end', () => {
        response.addTrailers({ 'x-sum': request.trailers['x-given'] ?? 'none' });
        response.end();
      });
    },
    async (stage) => {
      const stream = stage
        .session()
        .request(
          { ':path': '/', ':method': 'POST', ':authority': 'orders', trailer: 'x-given' },
          { waitForTrailers: true },
        );
      const hints = once(stream, 'headers');
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-given': '42' }));
      stream.end('hello');
      const { status, body, trailers } = await answerOf(stream);
      const [early] = (await hints) as [IncomingHttpHeaders & { ':status': number }];
      assert.equal(early[':status'], 103);
      assert.deepEqual([status, body, trailers['x-sum']], [200, 'hello', '42']);
    },
  );

  stageTest('has 200 bodies echoed at once, each in pieces of its own', echo, async (stage) => {
    const sessions = [stage.session(), stage.session()];
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const stream = ask(sessions[index % 2]!, { ':method': 'POST' });
        const answer = answerOf(stream);
        let sent = '';
        for (let piece = 0; piece < 5; piece += 1) {
          const text = String.fromCharCode(97 + (index % 26)).repeat(1 + ((index * 7919 + piece * 104_729) % 9_000));
          sent += text;
          stream.write(text);
          if (piece % 2 === 0) await new Promise((resolve) => void setImmediate(resolve));
        }
        stream.end();
        const { status, body } = await answer;
        assert.equal(status, 200);
        assert.ok(body === sent, `stream ${index}: ${body.length} of ${sent.length} bytes`);
      }),
    );
  });

  stageTest(
    'is answered HEAD and 204 without a body',
    (request, response) => {
      response.statusCode = request.method === 'HEAD' ? 200 : 204;
      if (request.method === 'HEAD') response.setHeader('content-length', 12);
      response.end();
    },
    async (stage) => {
      const session = stage.session();
      const head = await answerOf(session.request({ ':method': 'HEAD', ':path': '/', ':authority': 'orders' }));
      assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '12', '']);
      assert.equal((await get(session)).status, 204);
    },
  );

  stageTest('is told of a refusal with its reason, and gRPC callers in their words', echo, async (stage) => {
    stage.fixture.serveOrders([]);
    const session = stage.session();
    const refused = await get(session);
    assert.deepEqual([refused.status, refused.headers['weft-refused']], [503, 'no-endpoint']);
    const call = ask(session, { ':method': 'POST', 'content-type': 'application/grpc' });
    call.end('request');
    const answer = await answerOf(call);
    assert.deepEqual([answer.status, answer.headers['grpc-status']], [200, '14']);
    assert.equal(session.destroyed, false);
  });
});

describe('the connection preface', () => {
  stageTest('is known however it is cut', describing, async (stage) => {
    const bytes = Buffer.concat([opening, settingsAck, requestHead(1)]);
    for (let cut = 1; cut <= opening.length + 1; cut += 1) {
      const peer = await stage.plainPeer();
      await peer.send(bytes, [cut]);
      await peer.receive('"method":"GET"');
      peer.destroy();
    }
    const slow = await stage.plainPeer();
    await slow.send(bytes, 'bytes');
    await slow.receive('"method":"GET"');
  });

  stageTest('leaves HTTP/1.1 alone that begins like it', describing, async (stage) => {
    for (const method of ['PRI', 'PROPFIND', 'PRIX', 'POST']) {
      for (const cut of [1, 2, 3, 4, 6]) {
        const peer = await stage.plainPeer();
        await peer.send(`${method} /x HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\n\r\n`, [cut]);
        assert.match((await peer.receive(/\r\n\r\n/)).toString(), /^HTTP\/1\.1 (200|400) /);
        peer.destroy();
      }
    }
  });

  stageTest(
    'that is never whole ends with the deadline of a head',
    echo,
    async (stage) => {
      const peer = await stage.plainPeer();
      await peer.send('PRI * HTTP/2.0\r\n');
      await eventually(() => stage.fixture.bufferedBytes() > 0, 2_000);
      for (let second = 0; second < 11; second += 1) stage.pass(1_000);
      assert.match(await stage.ending(peer), /^request-head-timeout/);
    },
    true,
  );
});

describe('back-pressure', () => {
  const MIB = 1_048_576;

  stageTest(
    'of a stream that nobody reads keeps no other waiting, and memory bounded',
    (request, response) => {
      if (request.url === '/large') response.end(Buffer.alloc(64 * MIB));
      else response.end('small');
    },
    async (stage) => {
      const session = stage.session();
      const slow = session.request({ ':path': '/large', ':authority': 'orders' });
      await once(slow, 'response');
      for (let round = 0; round < 50; round += 1) assert.equal((await get(session, '/small')).body, 'small');
      assert.ok(stage.fixture.bufferedBytes() < MIB, `${stage.fixture.bufferedBytes()} bytes are held`);
      assert.deepEqual(new Set(stage.fixture.stalls), new Set(['local']));
      const tally = new CallerTally();
      stage.listener.count(tally);
      assert.deepEqual(tally.facts()[0], { caller: 'local', http1Connections: 0, http2Connections: 1, streams: 1 });
      let received = 0;
      slow.on('data', (chunk: Buffer) => (received += chunk.length));
      await once(slow, 'end');
      assert.equal(received, 64 * MIB);
    },
  );

  stageTest(
    'of an application that does not read holds its callers back, and others are served',
    (request, response) => {
      if (request.url === '/stuck') request.pause();
      else response.end('small');
    },
    async (stage) => {
      const session = stage.session();
      const stuck = session.request({ ':method': 'POST', ':path': '/stuck', ':authority': 'orders' });
      stuck.on('error', () => {});
      let written = 0;
      const chunk = Buffer.alloc(65_536);
      // One piece behind the other: node:http2 gives up when much waits in it.
      const write = (): void => {
        stuck.write(chunk, (error) => {
          if (error) return;
          written += chunk.length;
          write();
        });
      };
      write();
      for (let round = 0; round < 50; round += 1) assert.equal((await get(session, '/small')).body, 'small');
      assert.ok(stage.fixture.bufferedBytes() < 2 * MIB, `${stage.fixture.bufferedBytes()} bytes are held`);
      assert.ok(written < 16 * MIB, `${written} bytes were taken`);
      stuck.close();
    },
  );

  stageTest(
    'of a caller that reads nothing at all holds the application back, and lets go',
    (_request, response) => response.end(Buffer.alloc(16 * MIB)),
    async (stage) => {
      const peer = await stage.peer();
      // Windows without limit: only TCP holds it back.
      const settings = frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]));
      const window = frame(8, 0, 0, Buffer.from([0x7f, 0xfe, 0, 0]));
      peer.pauseReading();
      await peer.send(Buffer.concat([settings, window, requestHead(1)]));
      await eventually(() => stage.fixture.bufferedBytes() >= 65_536, 5_000);
      assert.ok(stage.fixture.bufferedBytes() < MIB, `${stage.fixture.bufferedBytes()} bytes are held`);
      let received = 0;
      // Its own listener joins all that came, which is slow for so much.
      peer.socket.removeAllListeners('data');
      peer.socket.on('data', (chunk: Buffer) => (received += chunk.length));
      peer.resumeReading();
      await eventually(() => received > 16 * MIB, 10_000);
      await eventually(() => stage.fixture.recorder.codes.length === 1, 2_000);
      assert.deepEqual(stage.fixture.recorder.codes, ['completed']);
    },
  );
});

describe('a stream', () => {
  const silent: Serve = (request) => request.resume();

  stageTest('that its caller resets ends the try', silent, async (stage) => {
    const session = stage.session();
    const cut = new Promise((resolve) =>
      stage.application.once('connection', (socket) => socket.once('close', resolve)),
    );
    const arrived = once(stage.application, 'request');
    const stream = ask(session);
    await arrived;
    stream.close(8);
    await cut;
    assert.deepEqual(
      stage.fixture.recorder.ends.map(({ code, detail }) => `${code} ${detail}`),
      ['downstream-reset reset-cancel'],
    );
    assert.equal(session.destroyed, false);
  });

  stageTest(
    'answered before its body was sent ends with NO_ERROR, and the connection goes on',
    (_request, response) => {
      response.statusCode = 413;
      response.end('too much');
    },
    async (stage) => {
      const session = stage.session();
      const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': 'orders' });
      stream.on('error', () => {});
      const closed = once(stream, 'close');
      stream.write('some');
      const { status, body } = await answerOf(stream);
      assert.deepEqual([status, body], [413, 'too much']);
      await closed;
      assert.equal(stream.rstCode, 0);
      assert.equal((await get(session)).status, 413);
    },
  );

  stageTest(
    'whose response is cut is reset, never ended',
    (_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half');
      setImmediate(() => response.destroy());
    },
    async (stage) => {
      const stream = stage.session().request({ ':path': '/', ':authority': 'orders' });
      await assert.rejects(answerOf(stream), /INTERNAL_ERROR|closed with 2/);
      await eventually(() => stage.fixture.recorder.codes.length > 0, 2_000);
      assert.deepEqual(stage.fixture.recorder.codes, ['upstream-cut']);
    },
  );

  stageTest('that breaks the rules is reset alone', echo, async (stage) => {
    const peer = await stage.peer();
    const body = frame(0, 1, 1, 'more than was announced');
    await peer.send(
      Buffer.concat([
        frame(1, 4, 1, requestHead(1, 'POST', false).subarray(9)),
        frame(1, 5, 1, Buffer.from([0x82])),
        body,
        requestHead(3),
      ]),
    );
    await eventually(() => framesOf(peer.unread).some(({ type, stream }) => type === 1 && stream === 3), 2_000);
    const reset = framesOf(peer.unread).find(({ type }) => type === 3);
    assert.deepEqual([reset?.stream, reset?.payload.readUInt32BE(0)], [1, 1]);
    assert.deepEqual(stage.fixture.recorder.codes.toSorted(), ['completed', 'malformed-request-body']);
  });

  stageTest('whose head is no request is counted and answered', echo, async (stage) => {
    const peer = await stage.peer();
    await peer.send(frame(1, 5, 1, Buffer.from([0x82])));
    await eventually(() => framesOf(peer.unread).some(({ type }) => type === 3), 2_000);
    assert.deepEqual(
      stage.fixture.refusedHeads.map(({ code }) => code),
      ['malformed-request'],
    );
    await peer.send(requestHead(3));
    await eventually(() => framesOf(peer.unread).some(({ type, stream }) => type === 1 && stream === 3), 2_000);
  });
});

describe('a WebSocket over HTTP/2', () => {
  const upgrading: Serve = (_request, response) => response.end('no upgrade');

  function tunnelTest(name: string, run: (stage: Stage) => Promise<void>): void {
    stageTest(name, upgrading, async (stage) => {
      stage.application.on('upgrade', (request, socket) => {
        socket.on('error', () => {});
        if (request.url === '/refused') {
          socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
          return;
        }
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
        socket.pipe(socket);
      });
      await run(stage);
    });
  }

  async function openTunnel(session: ClientHttp2Session, path = '/chat'): Promise<ClientHttp2Stream> {
    if (!session.remoteSettings?.enableConnectProtocol) await once(session, 'remoteSettings');
    assert.equal(session.remoteSettings.enableConnectProtocol, true);
    return session.request(
      { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': path, ':authority': 'orders' },
      { endStream: false },
    );
  }

  tunnelTest('passes bytes both ways and ends with either side', async (stage) => {
    const stream = await openTunnel(stage.session());
    const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
    assert.equal(headers[':status'], 200);
    const sent = Buffer.alloc(4_000_000, 'frames of a websocket ');
    let received = 0;
    stream.on('data', (chunk: Buffer) => {
      assert.ok(chunk.equals(sent.subarray(received, received + chunk.length)));
      received += chunk.length;
    });
    stream.end(sent);
    await once(stream, 'end');
    assert.equal(received, sent.length);
    await eventually(() => stage.fixture.recorder.codes.length === 1, 2_000);
    assert.deepEqual(stage.fixture.recorder.codes, ['completed']);
    await eventually(() => stage.listener.busyCount === 0, 2_000);
  });

  tunnelTest('brings an application of HTTP/1.1 the key that it must see, and keeps one that came', async (stage) => {
    const session = stage.session();
    const keys: (string | undefined)[] = [];
    stage.application.on('upgrade', (request) => void keys.push(request.headers['sec-websocket-key']));
    for (const path of ['/one', '/two']) {
      const stream = await openTunnel(session, path);
      const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
      assert.equal(headers[':status'], 200);
      stream.end('bye');
      stream.resume();
      await once(stream, 'end');
    }
    assert.equal(keys.length, 2);
    for (const key of keys) assert.equal(Buffer.from(key ?? '', 'base64').length, 16);
    assert.notEqual(keys[0], keys[1]);
  });

  tunnelTest('that the application refuses is answered like a request', async (stage) => {
    const stream = await openTunnel(stage.session(), '/refused');
    const { status, body } = await answerOf(stream);
    assert.deepEqual([status, body], [403, 'no']);
  });

  tunnelTest('keeps what the caller sends before it is there', async (stage) => {
    const stream = await openTunnel(stage.session());
    stream.end('early bird');
    const { body } = await answerOf(stream);
    assert.equal(body, 'early bird');
  });
});

describe('a drain', () => {
  const held: ServerResponse[] = [];
  const holding: Serve = (_request, response) => void held.push(response);

  stageTest('says GOAWAY twice, serves what comes between and loses nothing', holding, async (stage) => {
    held.length = 0;
    const peer = await stage.peer();
    await peer.send(requestHead(1));
    await eventually(() => held.length === 1, 2_000);
    stage.listener.leave();
    const goaways = (): number[] =>
      framesOf(peer.unread)
        .filter(({ type }) => type === 7)
        .map(({ payload }) => payload.readUInt32BE(0));
    await eventually(() => goaways().length === 1, 2_000);
    assert.deepEqual(goaways(), [2 ** 31 - 1]);
    // On its way while the first GOAWAY was.
    await peer.send(requestHead(3));
    await eventually(() => held.length === 2, 2_000);
    const ping = framesOf(peer.unread).find(({ type, flags }) => type === 6 && flags === 0);
    await peer.send(frame(6, 1, 0, ping!.payload));
    await eventually(() => goaways().length === 2, 2_000);
    assert.deepEqual(goaways(), [2 ** 31 - 1, 3]);
    for (const response of held) response.end('served');
    assert.equal(await peer.closed(), 'end');
    const ended = framesOf(peer.unread).filter(({ type, flags }) => type === 0 && (flags & 1) === 1);
    assert.deepEqual(ended.map(({ stream }) => stream).toSorted(), [1, 3]);
    assert.deepEqual(stage.fixture.recorder.codes, ['completed', 'completed']);
    assert.equal(await stage.ending(peer), 'completed');
  });

  stageTest('serves callers that still come, until the listener is closed', describing, async (stage) => {
    stage.listener.leave();
    const session = stage.session();
    for (let round = 0; round < 3; round += 1) assert.equal((await get(session)).status, 200);
    const told = once(session, 'goaway');
    stage.listener.drain();
    await told;
    stage.listener.destroy();
    await eventually(() => stage.fixture.connections.length === 1, 2_000);
    assert.equal(stage.fixture.connections[0]!.code, 'completed');
  });

  stageTest(
    'ends a connection at rest, whether or not its PING is answered',
    echo,
    async (stage) => {
      const peer = await stage.peer();
      await peer.send(requestHead(1));
      await eventually(() => framesOf(peer.unread).some(({ stream }) => stream === 1), 2_000);
      stage.listener.closeIdle();
      stage.pass(1_000);
      assert.equal(stage.listener.openCount, 1);
      stage.pass(1_500);
      assert.equal(await peer.closed(), 'end');
    },
    true,
  );

  stageTest('at its deadline cuts what is under way and says so', holding, async (stage) => {
    held.length = 0;
    const peer = await stage.peer();
    await peer.send(requestHead(1));
    await eventually(() => held.length === 1, 2_000);
    stage.listener.destroy();
    await peer.closed();
    assert.deepEqual(stage.fixture.recorder.codes, ['drain-deadline']);
    const reset = framesOf(peer.unread).find(({ type }) => type === 3);
    assert.equal(reset?.payload.readUInt32BE(0), 8);
  });
});

describe('a deadline', () => {
  stageTest(
    'ends a caller that does not acknowledge SETTINGS',
    echo,
    async (stage) => {
      const peer = await stage.plainPeer();
      await peer.send(Buffer.concat([opening, requestHead(1)]));
      await eventually(() => framesOf(peer.unread).some(({ stream }) => stream === 1), 2_000);
      stage.pass(5_000);
      assert.equal(stage.listener.openCount, 1);
      stage.pass(5_000);
      await eventually(() => framesOf(peer.unread).some(({ type, payload }) => type === 7 && payload[7] === 4), 2_000);
      stage.pass(1_000);
      assert.equal(await stage.ending(peer), 'settings-timeout no-ack');
    },
    true,
  );

  for (const [what, bytes] of [
    ['a header block without its end', frame(1, 0, 1, Buffer.from([0x82]))],
    ['a frame without its payload', frame(1, 4, 1, Buffer.alloc(100)).subarray(0, 20)],
    ['a frame header without its end', frame(4, 0, 0).subarray(0, 5)],
  ] as const) {
    stageTest(
      `ends a caller that sends ${what}`,
      echo,
      async (stage) => {
        const peer = await stage.peer();
        await peer.send(bytes);
        await peer.receive(1);
        await eventually(() => stage.listener.openCount === 1, 2_000);
        for (let second = 0; second < 12; second += 1) {
          await new Promise((resolve) => void setImmediate(resolve));
          stage.pass(1_000);
        }
        assert.match(await stage.ending(peer), /^request-head-timeout/);
      },
      true,
    );
  }

  stageTest(
    'asks a silent caller that is owed an answer, and ends it when it is gone',
    (request) => request.resume(),
    async (stage) => {
      const peer = await stage.peer();
      const arrived = once(stage.application, 'request');
      await peer.send(requestHead(1));
      await arrived;
      const pings = (): number => framesOf(peer.unread).filter(({ type, flags }) => type === 6 && flags === 0).length;
      for (let second = 0; second < 31; second += 1) stage.pass(1_000);
      await eventually(() => pings() === 1, 2_000);
      // A question of its own behind the answer: when that is answered, both were read.
      await peer.send(Buffer.concat([frame(6, 1, 0, 'weft-png'), frame(6, 0, 0, 'are here')]));
      await eventually(() => framesOf(peer.unread).some(({ type, flags }) => type === 6 && flags === 1), 2_000);
      for (let second = 0; second < 31; second += 1) stage.pass(1_000);
      await eventually(() => pings() === 2, 2_000);
      for (let second = 0; second < 17; second += 1) stage.pass(1_000);
      assert.equal(await stage.ending(peer), 'downstream-reset no-pong');
    },
    true,
  );

  stageTest(
    'resets what a caller gives no window for',
    (_request, response) => response.end('never let out'),
    async (stage) => {
      const peer = await stage.peer();
      await peer.send(Buffer.concat([frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), requestHead(1)]));
      await eventually(() => stage.fixture.recorder.codes.length === 1, 2_000);
      for (let second = 0; second < 70; second += 1) {
        stage.pass(1_000);
        if (second % 20 === 0) await peer.send(frame(6, 0, 0, 'are here'));
      }
      await eventually(() => framesOf(peer.unread).some(({ type }) => type === 3), 2_000);
      assert.equal(stage.listener.busyCount, 0);
    },
    true,
  );

  stageTest(
    'ends a connection that rests',
    echo,
    async (stage) => {
      const peer = await stage.peer();
      await peer.receive(1);
      await eventually(() => stage.listener.openCount === 1, 2_000);
      for (let second = 0; second < 305; second += 1) stage.pass(1_000);
      assert.equal(await stage.ending(peer), 'completed idle');
    },
    true,
  );
});

describe('a flood', () => {
  const many = (count: number, make: (index: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
  const post = requestHead(1, 'POST', false);
  const cases: readonly (readonly [code: string, bytes: Buffer])[] = [
    ['flood-reset', many(300, (n) => Buffer.concat([requestHead(2 * n + 1), frame(3, 0, 2 * n + 1, '\0\0\0\x08')]))],
    ['flood-settings', many(100, () => frame(4, 0, 0))],
    ['flood-ping', many(200, () => frame(6, 0, 0, '12345678'))],
    ['flood-priority', many(300, () => frame(2, 0, 1, '\0\0\0\0\x10'))],
    ['flood-window-update', Buffer.concat([post, many(600, () => frame(8, 0, 1, '\0\0\0\x01'))])],
    ['flood-empty-data', Buffer.concat([post, many(200, () => frame(0, 0, 1))])],
    ['flood-unknown-frame', many(200, () => frame(0xfa, 0, 0, 'x'))],
    [
      'flood-table-size',
      many(100, (n) => frame(1, 5, 2 * n + 1, Buffer.concat([Buffer.from([0x20]), requestHead(1).subarray(9)]))),
    ],
    [
      'flood-late-frame',
      Buffer.concat([post, frame(1, 5, 1, Buffer.from([0x82])), many(2_200, () => frame(3, 0, 1, '\0\0\0\x08'))]),
    ],
    [
      'flood-padding',
      Buffer.concat([post, many(300, () => frame(0, 8, 1, Buffer.concat([Buffer.from([200, 1]), Buffer.alloc(200)])))]),
    ],
    [
      'flood-large-head',
      many(100, (n) => frame(1, 5, 2 * n + 1, Buffer.concat([requestHead(1).subarray(9), Buffer.alloc(2_000, 0x90)]))),
    ],
    [
      'flood-settings-entries',
      frame(4, 0, 0, Buffer.concat(Array.from({ length: 64 }, () => Buffer.from([0, 1, 0, 0, 16, 0])))),
    ],
    [
      'flood-continuation',
      Buffer.concat([frame(1, 0, 1, Buffer.from([0x82])), many(20, () => frame(9, 0, 1, Buffer.from([0x86])))]),
    ],
    [
      'flood-header-block',
      Buffer.concat([
        frame(1, 0, 1, Buffer.alloc(16_000, 0x82)),
        many(5, () => frame(9, 0, 1, Buffer.alloc(16_000, 0x82))),
      ]),
    ],
  ];
  for (const [code, bytes] of cases) {
    stageTest(
      `is closed with ENHANCE_YOUR_CALM and counted: ${code}`,
      (request) => request.resume(),
      async (stage) => {
        const session = stage.session();
        await once(session, 'remoteSettings');
        const peer = await stage.peer();
        const started = process.cpuUsage();
        await peer.send(bytes).catch(() => {});
        await eventually(() => stage.fixture.connections.length === 1, 10_000);
        const { user, system } = process.cpuUsage(started);
        assert.ok(user + system < 1_000_000, `${user + system} µs of processor, the sender's included`);
        assert.deepEqual(
          stage.fixture.connections.map((end) => end.code),
          [code],
        );
        const goaway = framesOf(peer.unread).find(({ type }) => type === 7);
        assert.equal(goaway?.payload.readUInt32BE(4), 11);
        assert.equal(stage.listener.busyCount, 0);
        assert.equal(session.destroyed, false);
      },
    );
  }
});

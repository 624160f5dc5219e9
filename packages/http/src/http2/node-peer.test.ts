import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { describe, test } from 'node:test';
import { noEdits } from '../head-edits.ts';
import { RequestFacts } from '../http1/message-facts.ts';
import { ConnectionRecorder, StreamRecorder } from './event-recorder.ts';
import { http2Defaults } from './limits.ts';
import { requestHead, responseHead } from './test-head.ts';

/** The codec against node:http2 (nghttp2) over loopback, in both roles. */

/** Joins a connection to a socket: one write for each turn that has something to write. */
function attach(recorder: ConnectionRecorder, socket: Socket): void {
  const { connection } = recorder;
  let busy = false;
  const flush = (): void => {
    if (busy || connection.output.length === 0) return;
    busy = true;
    const bytes = Buffer.from(connection.output.buffer.subarray(0, connection.output.length));
    connection.written(performance.now());
    socket.write(bytes, () => {
      busy = false;
      flush();
    });
  };
  recorder.onOutput = () => setImmediate(flush);
  socket.on('data', (chunk: Buffer) => {
    connection.feed(chunk, 0, chunk.length, performance.now());
    flush();
  });
  socket.on('error', () => {});
  socket.on('close', () => connection.eof());
  flush();
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Our server: answers each request with what it read of it, as text, and its body. */
async function serve(
  answer: (request: StreamRecorder) => void,
): Promise<{ port: number; recorders: ConnectionRecorder[]; close: () => void }> {
  const recorders: ConnectionRecorder[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const recorder = new ConnectionRecorder('server');
    recorder.onRequest = (request) => {
      request.onWhole = answer;
    };
    recorders.push(recorder);
    attach(recorder, socket);
  });
  const port = await listen(server);
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port, recorders, close };
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
}

async function ask(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body = '',
  trailers: Record<string, string> = {},
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === '', waitForTrailers: body !== '' });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.setEncoding('latin1');
  let read = '';
  let responseTrailers: IncomingHttpHeaders = {};
  stream.on('data', (text: string) => {
    read += text;
  });
  stream.on('trailers', (received) => {
    responseTrailers = received;
  });
  const response = once(stream, 'response');
  if (body !== '') stream.end(body, 'latin1');
  const [received] = (await response) as [IncomingHttpHeaders];
  if (!stream.readableEnded) await once(stream, 'end');
  return { headers: received, body: read, trailers: responseTrailers };
}

describe('server role, node:http2 as the client', () => {
  test('heads, bodies and trailers of many requests go both ways unchanged', async () => {
    const { port, recorders, close } = await serve((request) => {
      const { head, facts } = responseHead('HTTP/1.1 200 OK\r\nX-Answer: yes\r\n', -1);
      const stream = request.stream!;
      stream.sendHead(head, noEdits, facts);
      const body = Buffer.from(`${request.head!.method} ${request.head!.path} ${request.data.length}`);
      stream.sendData(body, 0, body.length);
      stream.sendEnd(requestHead('GET / HTTP/1.1\r\nHost: a\r\nX-Sum: 7\r\n\r\n'));
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const bodies = [0, 1, 100, 16_384, 70_000, 1_000_000];
    const answers = await Promise.all(
      bodies.map((bytes, at) =>
        ask(session, { ':method': 'POST', ':path': `/up/${at}`, 'x-custom': `v${at}` }, 'b'.repeat(bytes), {
          'x-t': 'end',
        }),
      ),
    );
    answers.forEach((answer, at) => {
      assert.equal(answer.headers[':status'], 200);
      assert.equal(answer.headers['x-answer'], 'yes');
      assert.equal(answer.body, `POST /up/${at} ${bodies[at]}`);
      assert.equal(answer.trailers['x-sum'], '7');
    });
    const heads = recorders[0]!.streams.map((stream) => stream.events);
    assert.equal(heads.filter((events) => events.includes('trailers x-t=end')).length, 5);
    session.close();
    close();
  });

  test('a large body passes small windows, whole', async () => {
    const body = Buffer.alloc(3_000_000);
    for (let at = 0; at < body.length; at += 1) body[at] = at % 251;
    const { port, close } = await serve((request) => {
      const { head, facts } = responseHead('HTTP/1.1 200 OK\r\n', body.length);
      request.stream!.sendHead(head, noEdits, facts);
      request.stream!.sendData(body, 0, body.length);
      request.stream!.sendEnd(null);
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1000 } });
    const answer = await ask(session, { ':path': '/' });
    assert.ok(Buffer.from(answer.body, 'latin1').equals(body));
    session.close();
    close();
  });

  test('1,000 requests with heads that repeat and vary, 50 at a time', async () => {
    const { port, recorders, close } = await serve((request) => {
      const text = `${request.head!.path}?${request.head!.query} ${request.head!.valueOf('x-varies') ?? 'none'}`;
      request.stream!.sendReply({ status: 200, fields: [], contentType: 'text/plain', body: text });
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    for (let round = 0; round < 20; round += 1) {
      const asked = Array.from({ length: 50 }, async (_, at) => {
        const varies = at % 3 === 0 ? `v${round}-${at}` : 'same';
        const { body } = await ask(session, { ':path': `/p${at % 5}?q=${at}`, 'x-varies': varies });
        assert.equal(body, `/p${at % 5}?q=${at} ${varies}`);
      });
      await Promise.all(asked);
    }
    assert.equal(recorders[0]!.detail, '');
    assert.equal(recorders[0]!.connection.streams, 0);
    session.close();
    close();
  });

  test('its settings with a table of 0, and then a drain in two phases, are understood', async () => {
    const { port, recorders, close } = await serve((request) => {
      request.stream!.sendReply({
        status: 200,
        fields: [{ name: 'x-a', value: 'b' }],
        contentType: 'text/plain',
        body: 'x',
      });
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { headerTableSize: 0 } });
    for (let time = 0; time < 4; time += 1) assert.equal((await ask(session, { ':path': '/' })).headers['x-a'], 'b');
    const goaway = once(session, 'goaway');
    const gone = once(session, 'close');
    recorders[0]!.connection.drain();
    assert.equal((await goaway)[0], constants.NGHTTP2_NO_ERROR);
    await gone;
    assert.equal(recorders[0]!.connection.drained, true);
    close();
  });
});

describe('client role, node:http2 as the server', () => {
  test('requests, bodies, interim heads and trailers go both ways unchanged', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('end', () => {
        stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
        stream.respond(
          { ':status': 201, 'x-path': headers[':path'] ?? '', 'x-host': headers[':authority'] ?? '' },
          { waitForTrailers: true },
        );
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(`got ${bytes}`);
      });
    });
    const port = await listen(server as unknown as Server);
    const socket = connect(port, '127.0.0.1');
    const client = new ConnectionRecorder('client', http2Defaults);
    attach(client, socket);
    const settled = new Promise<void>((resolve) => {
      client.onSettings = () => resolve();
    });
    await settled;
    const bodies = [0, 5, 100_000, 2_000_000];
    const sinks = await Promise.all(
      bodies.map(async (bytes, at) => {
        const sink = new StreamRecorder();
        const head = requestHead(`POST /p${at} HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n`);
        const facts = new RequestFacts();
        facts.take(head);
        const whole = new Promise<void>((resolve) => {
          sink.onWhole = () => resolve();
        });
        sink.stream = client.connection.open(sink, head, noEdits, facts)!;
        sink.stream.sendData(Buffer.alloc(bytes, 0x61), 0, bytes);
        sink.stream.sendEnd(null);
        await whole;
        return sink;
      }),
    );
    sinks.forEach((sink, at) => {
      assert.match(sink.events[0]!, /^head 103 .* link=<\/a\.css>$/);
      assert.match(sink.events[1]!, new RegExp(`^head 201 .*x-path=/p${at}\\|x-host=h\\.example`));
      assert.equal(sink.data, `got ${bodies[at]}`);
      assert.deepEqual(sink.events.slice(-2), ['trailers grpc-status=0', 'end']);
    });
    assert.equal(client.connection.streams, 0);
    socket.destroy();
    server.close();
  });
});

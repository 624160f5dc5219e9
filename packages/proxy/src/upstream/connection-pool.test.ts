import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp1Server } from 'node:http';
import { constants, createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, describe, it } from 'node:test';
import { PlaneFixture, ordersKey, plainEndpoint } from '../fixture/plane-fixture.ts';

type Refuse = (stream: ServerHttp2Stream, session: ServerHttp2Session) => void;

/** An endpoint that speaks both versions and turns away every request in HTTP/2, its counts, and a port that leads to it. */
class Endpoint {
  streams = 0;
  readonly versions: string[] = [];
  readonly fixture: PlaneFixture;
  port: number;

  private constructor() {
    this.fixture = new PlaneFixture();
    this.port = 0;
  }

  static async open(t: TestContext, refuse: Refuse): Promise<Endpoint> {
    const endpoint = new Endpoint();
    const http1 = createHttp1Server((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.end(`${request.method} ${body}`));
    });
    const http2 = createHttp2Server();
    http2.on('sessionError', () => {});
    http2.on('stream', (stream: ServerHttp2Stream) => {
      endpoint.streams += 1;
      stream.on('error', () => {});
      refuse(stream, stream.session as ServerHttp2Session);
    });
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('readable', () => {
        const first = socket.read() as Buffer | null;
        if (first === null) return;
        const isHttp2 = first.toString('latin1', 0, 3) === 'PRI';
        endpoint.versions.push(isHttp2 ? '2' : '1.1');
        socket.unshift(first);
        (isHttp2 ? http2 : http1).emit('connection', socket);
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    endpoint.fixture.serveOrders([plainEndpoint((server.address() as AddressInfo).port)], {}, { protocol: 'Http2' });
    ({ port: endpoint.port } = await endpoint.fixture.listen());
    t.after(() => {
      endpoint.fixture.close();
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return endpoint;
  }

  async ask(method: string, body?: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.port}/`, { method, ...(body === undefined ? {} : { body }) });
    return `${response.status} ${await response.text()}`;
  }
}

describe('an endpoint that declares HTTP/2 and asks for HTTP/1.1', () => {
  const reset: Refuse = (stream) => stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED);

  it('gets the request again in HTTP/1.1, whatever its method, and all that follow', async (t) => {
    const endpoint = await Endpoint.open(t, reset);
    assert.equal(await endpoint.ask('POST', 'body'), '200 POST body');
    assert.deepEqual(endpoint.versions, ['2', '1.1']);
    const answers = await Promise.all(['a', 'b', 'c'].map((body) => endpoint.ask('POST', body)));
    assert.deepEqual(answers, ['200 POST a', '200 POST b', '200 POST c']);
    assert.equal(endpoint.streams, 1);
    assert.deepEqual(endpoint.fixture.recorder.retries, ['NeverSent']);
    assert.equal(endpoint.fixture.plane.counters.get(ordersKey)!.openHttp2, 0);
  });

  it('by GOAWAY gets what follows in HTTP/1.1, and may answer what it has begun', async (t) => {
    const endpoint = await Endpoint.open(t, (stream, session) => {
      session.goaway(constants.NGHTTP2_HTTP_1_1_REQUIRED);
      stream.respond({ ':status': 200 });
      stream.end('in HTTP/2');
    });
    assert.equal(await endpoint.ask('POST', 'body'), '200 in HTTP/2');
    assert.equal(await endpoint.ask('POST', 'more'), '200 POST more');
    assert.deepEqual(endpoint.versions, ['2', '1.1']);
  });

  it('gets what waited for the refused connection in HTTP/1.1 too', async (t) => {
    const endpoint = await Endpoint.open(t, reset);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_none, index) => endpoint.ask('POST', String(index))),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 20 }, (_none, index) => `200 POST ${index}`),
    );
    assert.ok(endpoint.streams >= 1 && endpoint.streams <= 20);
    assert.equal(endpoint.versions.filter((version) => version === '2').length, 1);
  });
});

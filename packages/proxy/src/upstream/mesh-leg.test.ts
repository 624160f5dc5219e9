import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestListener, Server } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { createServer as createPlainServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { meshServerOptions, uniteBundles, withoutRoot } from '@weft/identity';
import { http2MeshLimits } from '@weft/http';
import { FakeClock, ScriptedPeer, ScriptedServer, eventually } from '@weft/testkit';
import { Http2Peer } from '../fixture/http2-peer.ts';
import { SidecarPair, makeAuthority, makeSvid } from '../fixture/mesh-fixture.ts';
import { backendPolicy, gatewayListener, ordersKey, plainEndpoint, routeRule } from '../fixture/plane-fixture.ts';

const MIB = 1 << 20;
const inboundPort = { name: '', mtls: 'Strict' } as const;

describe('a request between sidecars', () => {
  it('travels as HTTP/2 and comes out as it went in', async () => {
    const origin = await ScriptedServer.listen();
    const pair = await SidecarPair.start(origin.port);
    const { port } = await pair.web.listen();
    const client = await ScriptedPeer.connect(port);
    try {
      await client.send(
        'PURGE /a%2Fb/..;v=1//c?q=1&q=%20&empty HTTP/1.1\r\nHost: Orders\r\nX-One: 1\r\nAccept: a\r\nX-Two: \tb  c \r\n' +
          'Accept: b\r\nCookie: x=1; y=2\r\nX-Empty:\r\nX-One: 2\r\nX-Bytes: \xe9\xff\r\nTE: trailers\r\n' +
          'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n',
      );
      const peer = await origin.accept();
      const head = (await peer.receive('\r\n\r\n')).toString('latin1');
      const lines = head.split('\r\n');
      assert.equal(lines[0], 'PURGE /a%2Fb/..;v=1//c?q=1&q=%20&empty HTTP/1.1');
      const own = /^(via|x-request-id|traceparent|weft-|te|transfer-encoding|connection|host|trailer)/i;
      assert.deepEqual(
        lines.slice(1).filter((line) => line !== '' && !own.test(line)),
        [
          'x-one: 1',
          'accept: a',
          'x-two: b  c',
          'accept: b',
          'cookie: x=1; y=2',
          'x-empty: ',
          'x-one: 2',
          'x-bytes: \xe9\xff',
        ],
      );
      assert.match(head, /\r\nHost: Orders\r\n/i);
      assert.match(head, /\r\nTransfer-Encoding: chunked\r\n/i);
      const body = (await peer.receive(/0\r\n(.*\r\n)?\r\n/)).toString('latin1');
      assert.equal(body.replace(/[0-9a-f]+\r\n([a-g]+)\r\n/g, '$1'), 'abcdefg0\r\nx-sum: 7\r\n\r\n');
      await peer.send(
        'HTTP/1.1 207 Odd\r\nSet-Cookie: a=1\r\nX-Last: 1\r\nSet-Cookie: b=2\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n' +
          '2\r\nhi\r\n0\r\nX-End: yes\r\n\r\n',
      );
      const answer = (await client.receive(/0\r\n(.*\r\n)*\r\n/)).toString('latin1');
      assert.match(answer, /^HTTP\/1\.1 207 /);
      assert.match(answer, /set-cookie: a=1\r\nx-last: 1\r\nset-cookie: b=2\r\n/i);
      assert.match(answer, /2\r\nhi\r\n0\r\nx-end: yes\r\n\r\n$/);
      assert.equal(pair.web.plane.counters.get(ordersKey)!.openHttp2, 1);
      assert.deepEqual(pair.web.recorder.codes, ['completed']);
    } finally {
      client.destroy();
      pair.close();
      await origin.close();
    }
  });

  it('keeps the case of field names, both ways, where a policy asks for it', async () => {
    const origin = await ScriptedServer.listen();
    const pair = await SidecarPair.start(origin.port);
    const { connections } = backendPolicy();
    const asked = backendPolicy({ connections: { ...connections, keepsFieldNameCase: true } });
    pair.web.serveOrders([pair.endpoint()], {}, asked);
    const { port } = await pair.web.listen();
    const client = await ScriptedPeer.connect(port);
    try {
      await client.send(
        'POST /a HTTP/1.1\r\nHost: orders\r\nX-ONE: 1\r\nSOAPAction: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n',
      );
      const peer = await origin.accept();
      const head = (await peer.receive('\r\n\r\n')).toString('latin1');
      assert.match(head, /\r\nX-ONE: 1\r\nSOAPAction: b\r\n/);
      const body = (await peer.receive(/0\r\n(.*\r\n)?\r\n/)).toString('latin1');
      assert.match(body, /\r\nX-Sum: 7\r\n\r\n$/);
      await peer.send('HTTP/1.1 200 Fine\r\nX-LAST: 1\r\nContent-Length: 2\r\n\r\nok');
      const answer = (await client.receive('\r\n\r\nok')).toString('latin1');
      assert.match(answer, /^HTTP\/1\.1 200 Fine\r\n[^]*X-LAST: 1\r\n/);
      assert.equal(pair.web.plane.counters.get(ordersKey)!.openHttp2, 0);
    } finally {
      client.destroy();
      pair.close();
      await origin.close();
    }
  });

  it('of an HTTP/2 caller has no case to keep, and shares a connection also where a policy asks for it', async () => {
    const application = createServer((_request, response) => void response.end('ok'));
    await new Promise<void>((resolve) => void application.listen(0, '127.0.0.1', resolve));
    const pair = await SidecarPair.start((application.address() as AddressInfo).port);
    const { connections } = backendPolicy();
    const asked = backendPolicy({ connections: { ...connections, keepsFieldNameCase: true } });
    pair.web.serveOrders([pair.endpoint()], {}, asked);
    const { port } = await pair.web.listen();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    try {
      const stream = session.request({ ':path': '/', ':authority': 'orders' });
      const [head] = (await once(stream, 'response')) as [{ ':status': number }];
      assert.equal(head[':status'], 200);
      stream.resume();
      await once(stream, 'end');
      assert.equal(pair.web.plane.counters.get(ordersKey)!.openHttp2, 1);
    } finally {
      session.destroy();
      pair.close();
      application.close();
      application.closeAllConnections();
    }
  });

  for (const [name, sent, got, answered, heard] of [
    [
      'no body',
      'GET / HTTP/1.1\r\nHost: orders\r\n\r\n',
      /^(?!.*content-length)/is,
      'HTTP/1.1 204 None\r\n\r\n',
      /^HTTP\/1\.1 204 (?!.*(content-length|chunked))/is,
    ],
    [
      'a body of length 0',
      'POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\n\r\n',
      /content-length: 0\r\n/i,
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      /content-length: 0\r\n/i,
    ],
    [
      'HEAD',
      'HEAD / HTTP/1.1\r\nHost: orders\r\n\r\n',
      /^HEAD /,
      'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n',
      /content-length: 12\r\n/i,
    ],
    [
      'OPTIONS *',
      'OPTIONS * HTTP/1.1\r\nHost: orders\r\n\r\n',
      /^OPTIONS \* HTTP/,
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      /^HTTP\/1\.1 200 /,
    ],
    [
      'a length',
      'PUT / HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nab',
      /content-length: 2\r\n/i,
      'HTTP/1.1 304 Same\r\nContent-Length: 9\r\nETag: "x"\r\n\r\n',
      /^HTTP\/1\.1 304 .*content-length: 9\r\n/is,
    ],
    [
      'HTTP/1.0 without a Host',
      'GET / HTTP/1.0\r\n\r\n',
      /^GET \/ HTTP\/1\.1\r\n/,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      /\r\n\r\nok$/,
    ],
  ] as const) {
    it(`keeps the framing of ${name}`, async () => {
      const origin = await ScriptedServer.listen();
      const pair = await SidecarPair.start(origin.port);
      const { port } = await pair.web.listen();
      const client = await ScriptedPeer.connect(port);
      try {
        await client.send(sent);
        const peer = await origin.accept();
        assert.match((await peer.receive('\r\n\r\n')).toString('latin1'), got);
        await peer.send(answered);
        const answer = await client.receive(name.startsWith('HTTP/1.0') ? /\r\n\r\nok/ : '\r\n\r\n');
        assert.match(answer.toString('latin1'), heard);
      } finally {
        client.destroy();
        pair.close();
        await origin.close();
      }
    });
  }

  it('echoes 64 MiB both ways at once, known length and not, beside small calls', async () => {
    const { server, port: origin } = await application((incoming, response) => void incoming.pipe(response));
    const pair = await SidecarPair.start(origin);
    const { port } = await pair.web.listen();
    try {
      const body = randomBytes(64 * MIB);
      const wanted = hash(body);
      let small = 0;
      const load = { over: false };
      const calls = (async () => {
        for (; !load.over; small += 1) assert.equal((await echo(port, Buffer.from('ping'), true)).toString(), 'ping');
      })();
      const backs = await Promise.all([echo(port, body, true), echo(port, body, false)]);
      load.over = true;
      await calls;
      for (const back of backs) assert.equal(hash(back), wanted);
      assert.ok(small > 5, `${small} small calls beside`);
      assert.equal(pair.web.plane.counters.get(ordersKey)!.streams, 0);
    } finally {
      pair.close();
      stop(server);
    }
  });

  it('whose deadline is over for the sidecar of the endpoint first ends with its reason, inside the mesh only', async () => {
    const origin = await ScriptedServer.listen();
    // Time stands for the caller's sidecar: only the other one can find that it is over.
    const pair = await SidecarPair.start(origin.port, { clock: new FakeClock({ startMs: 1_000 }) });
    const call =
      'POST /echo.Echo/Hang HTTP/1.1\r\nHost: orders\r\nContent-Type: application/grpc\r\nTE: trailers\r\n' +
      'grpc-timeout: 60m\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0';
    const inside = await ScriptedPeer.connect((await pair.web.listen()).port);
    pair.web.put(gatewayListener(8080, [routeRule()]));
    const edge = await pair.web.listen({ kind: 'gateway', listener: '8080' });
    const outside = await ScriptedPeer.connect(edge.port);
    try {
      for (const client of [inside, outside]) {
        await client.send(call);
        const answer = (await client.receive('\r\n\r\n')).toString();
        assert.match(answer, /^HTTP\/1\.1 200 [^]*\r\ngrpc-status: 4\r\n/);
        assert.equal(/\r\nweft-refused: request-timeout\r\n/.test(answer), client === inside, answer);
      }
      assert.deepEqual(pair.orders.recorder.codes, ['request-timeout', 'request-timeout']);
      assert.deepEqual(pair.web.recorder.codes, ['completed', 'completed']);
    } finally {
      inside.destroy();
      outside.destroy();
      pair.close();
      await origin.close();
    }
  });

  it('reaches an application that declares HTTP/2, and its trailers come back', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.respond({ ':status': 200, 'x-path': headers[':path'] }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.pipe(stream);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const origin = (server.address() as AddressInfo).port;
    const pair = await SidecarPair.start(origin);
    pair.orders.plane.serveLocally([{ key: 'shop/orders:8080', host: '127.0.0.1', port: origin, protocol: 'Grpc' }]);
    const { port } = await pair.web.listen();
    try {
      const response = await call(port, { method: 'POST', path: '/a', headers: { te: 'trailers' } }, 'hello');
      assert.equal(response.text, 'hello');
      assert.equal(response.incoming.headers['x-path'], '/a');
      assert.equal(response.incoming.trailers['grpc-status'], '0');
    } finally {
      pair.close();
      server.close();
    }
  });
});

describe('an application that has declared nothing', () => {
  it('is spoken to in HTTP/1.1, and in HTTP/2 for gRPC; what is declared later holds from then on', async () => {
    const seen: string[] = [];
    const { server } = await application((incoming, response) => {
      seen.push(`1.1 ${incoming.url}`);
      response.end('one');
    });
    const grpc = createHttp2Server();
    grpc.on('stream', (stream: ServerHttp2Stream, headers) => {
      seen.push(`2 ${headers[':path']}`);
      stream.respond({ ':status': 200 });
      stream.end('two');
    });
    // Both on one port, by the first bytes, as a Go server takes them.
    const both = createPlainServer((socket) => {
      socket.once('readable', () => {
        const first = socket.read() as Buffer | null;
        if (first === null) return;
        socket.unshift(first);
        (first.toString('latin1', 0, 3) === 'PRI' ? grpc : server).emit('connection', socket);
      });
    });
    await new Promise<void>((resolve) => void both.listen(0, '127.0.0.1', resolve));
    const pair = await SidecarPair.start((both.address() as AddressInfo).port);
    const { port } = await pair.web.listen();
    const calls: [string, string][] = [
      ['/a', 'application/json'],
      ['/b', 'application/grpc+proto'],
      ['/c', 'application/json'],
      ['/d', 'application/grpc'],
    ];
    try {
      const answers = await Promise.all(
        calls.map(([path, type]) => call(port, { method: 'POST', path, headers: { 'content-type': type } }, 'x')),
      );
      assert.deepEqual(
        answers.map(({ text }) => text),
        ['one', 'two', 'one', 'two'],
      );
      const local = (protocol: 'Http2'): void =>
        pair.orders.put({
          type: 'inbound',
          telemetry: null,
          name: 'shop/orders',
          identity: '',
          ports: [{ ...inboundPort, port: (both.address() as AddressInfo).port, protocol }],
        });
      local('Http2');
      assert.equal((await call(port, { method: 'GET', path: '/e' }, '')).text, 'two');
      assert.deepEqual(seen.toSorted(), ['1.1 /a', '1.1 /c', '2 /b', '2 /d', '2 /e']);
    } finally {
      pair.close();
      both.close();
      grpc.close();
      stop(server);
    }
  });
});

describe('an upgrade between sidecars', () => {
  for (const [protocol, multiplexed] of [
    ['websocket', true],
    ['my-protocol', false],
  ] as const) {
    it(`to ${protocol} carries 64 MiB both ways on ${multiplexed ? 'a stream' : 'a connection of its own'}`, async () => {
      const server = createServer();
      server.on('upgrade', (incoming, socket) => {
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n` +
            `Sec-WebSocket-Accept: for ${incoming.headers['sec-websocket-key']}\r\n\r\n`,
        );
        socket.pipe(socket);
      });
      const origin = await listen(server);
      const pair = await SidecarPair.start(origin);
      const { port } = await pair.web.listen();
      try {
        // A connection that is known to be HTTP/2 must not take what HTTP/2 cannot say.
        const warm = request({ port, host: '127.0.0.1', headers: { host: 'orders' } });
        server.on('request', (_incoming, response) => void response.end('ok'));
        await new Promise(
          (resolve) => void warm.on('response', (response) => void response.resume().on('end', resolve)).end(),
        );
        const socket = await upgrade(port, protocol);
        const body = randomBytes(64 * MIB);
        const back = createHash('sha256');
        let received = 0;
        socket.on('data', (chunk: Buffer) => {
          back.update(chunk);
          received += chunk.length;
        });
        socket.end(body);
        await new Promise((resolve) => void socket.on('end', resolve));
        assert.equal(received, body.length);
        assert.equal(back.digest('hex'), hash(body));
        const counters = pair.web.plane.counters.get(ordersKey)!;
        assert.equal(counters.connects, multiplexed ? 1 : 2);
        await eventually(() => counters.streams === 0, 2_000);
        await eventually(() => pair.web.recorder.codes.length === 2, 2_000);
        assert.deepEqual(pair.web.recorder.codes, ['completed', 'completed']);
      } finally {
        pair.close();
        stop(server);
      }
    });
  }
});

describe('callers that do not read', () => {
  it('a hundred of them, each with more to come, do not keep a small call waiting', async () => {
    const { server, port: origin } = await application((incoming, response) => {
      if (incoming.url === '/small') response.end('small');
      else response.end(Buffer.alloc(16 * MIB));
    });
    const pair = await SidecarPair.start(origin);
    const { port } = await pair.web.listen();
    const slow: IncomingMessage[] = [];
    try {
      for (let index = 0; index < 100; index += 1) {
        const sent = request({ port, host: '127.0.0.1', path: '/large', agent: false, headers: { host: 'orders' } });
        sent.on('error', () => {});
        sent.on('response', (response) => slow.push(response.pause()));
        sent.end();
        // Some of them read for a while first, so that their windows grow.
        await eventually(() => slow.length === index + 1, 20_000);
        if (index % 10 === 0) {
          let received = 0;
          slow[index]!.on('data', (chunk: Buffer) => {
            received += chunk.length;
            if (received > 4 * MIB) slow[index]!.pause();
          });
          slow[index]!.resume();
          await eventually(() => received > 4 * MIB, 20_000);
        }
      }
      for (let round = 0; round < 20; round += 1) {
        assert.equal((await call(port, { path: '/small' }, '')).text, 'small');
      }
      const { openHttp2, streams } = pair.web.plane.counters.get(ordersKey)!;
      assert.equal(streams, 100);
      // What a connection may hold, and what the peer had been allowed to send when it came to be so much.
      const { heldBytes, maxStreamWindowBytes } = http2MeshLimits;
      const bound = openHttp2 * (heldBytes + 4 * maxStreamWindowBytes);
      assert.ok(pair.web.bufferedBytes() <= bound, `${pair.web.bufferedBytes()} bytes of ${openHttp2} connections`);
      assert.ok(bound < (100 * 16 * MIB) / 4, 'a bound that says something');
    } finally {
      for (const response of slow) response.destroy();
      pair.close();
      stop(server);
    }
  });
});

describe('an application that does not read', () => {
  it('a hundred uploads does not keep a small call waiting', async () => {
    const { server, port: origin } = await application((incoming, response) => {
      if (incoming.url === '/small') response.end('small');
    });
    const pair = await SidecarPair.start(origin);
    const { port } = await pair.web.listen();
    const uploads: ClientRequest[] = [];
    try {
      const piece = Buffer.alloc(8 * MIB);
      for (let index = 0; index < 100; index += 1) {
        const headers = { host: 'orders', 'content-length': piece.length };
        const sent = request({ port, host: '127.0.0.1', method: 'PUT', path: '/stuck', agent: false, headers });
        sent.on('error', () => {});
        sent.write(piece);
        uploads.push(sent);
        if (index % 10 === 9) assert.equal((await call(port, { path: '/small' }, '')).text, 'small');
      }
      const counters = pair.web.plane.counters.get(ordersKey)!;
      await eventually(() => counters.streams === 100 && counters.stalls >= 100, 10_000);
      for (let round = 0; round < 20; round += 1) {
        assert.equal((await call(port, { path: '/small' }, '')).text, 'small');
      }
      // Of each upload here: what its stream may queue, and the read that came before its caller was told to stop.
      assert.ok(pair.web.bufferedBytes() < 100 * 3 * 65_536, `${pair.web.bufferedBytes()} bytes`);
    } finally {
      for (const sent of uploads) sent.destroy();
      pair.close();
      stop(server);
    }
  });
});

describe('a sidecar that falls silent', () => {
  it('while a call waits for it is asked by PING and given up; one that answers is waited for', async () => {
    const clock = new FakeClock({ startMs: 1_000 });
    const { server, port: origin } = await application(() => {});
    const pair = await SidecarPair.start(origin, { clock, wheel: clock.wheel() });
    const peers: Http2Peer[] = [];
    const options = meshServerOptions(pair.ordersTls.context, ['weft-h2', 'weft-http/1.1']);
    const silent = createTlsServer(options, (socket) => void peers.push(new Http2Peer(socket, http2MeshLimits)));
    await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
    const { port } = await pair.web.listen();
    pair.web.serveOrders([{ ...pair.endpoint(), key: 'silent', port: (silent.address() as AddressInfo).port }], {
      retries: { ...routeRule().retries, attempts: 0 },
    });
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 500) {
        await clock.advanceSettled(500);
        for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
      }
    };
    try {
      const asked = call(port, { path: '/' }, '');
      await eventually(() => peers[0]?.requests.length === 1, 5_000);
      await pass(35_000);
      assert.equal(pair.web.recorder.ends.length, 0);
      peers[0]!.deaf = true;
      await pass(21_500);
      assert.equal((await asked).incoming.statusCode, 502);
      assert.deepEqual(
        pair.web.recorder.ends.map(({ code, detail }) => `${code} ${detail}`),
        ['upstream-reset ping-timeout'],
      );
    } finally {
      pair.close();
      silent.close();
      for (const peer of peers) peer.kill();
      stop(server);
    }
  });
});

describe('callers that leave', () => {
  it('by the hundred, before an answer or inside one, cost others on the connection nothing', async () => {
    const { server, port: origin } = await application((incoming, response) => {
      if (incoming.url === '/held') return;
      // Longer than what is on its way when the caller leaves.
      if (incoming.url === '/large')
        response.writeHead(200, { 'content-length': 8 * MIB }).write(Buffer.alloc(4 * MIB));
    });
    const pair = await SidecarPair.start(origin);
    const { port } = await pair.web.listen();
    try {
      const staying = call(port, { path: '/held' }, '');
      staying.catch(() => {});
      for (let round = 0; round < 30; round += 1) {
        const before = pair.web.recorder.ends.length;
        const leaving = Array.from({ length: 20 }, (_none, index) => {
          const sent = request({
            port,
            host: '127.0.0.1',
            path: index % 2 === 0 ? '/held' : '/large',
            headers: { host: 'orders' },
          });
          sent.on('error', () => {});
          return sent.end();
        });
        await eventually(() => pair.web.recorder.begunCount === before + 21, 5_000);
        await new Promise<void>((resolve) => setImmediate(resolve));
        for (const sent of leaving) sent.socket?.resetAndDestroy();
        await eventually(() => pair.web.recorder.ends.length === before + 20, 5_000);
      }
      const counters = pair.web.plane.counters.get(ordersKey)!;
      // More than one because of what is bulk; none was lost.
      assert.equal(counters.openHttp2, counters.connects);
      assert.equal(counters.streams, 1);
      assert.deepEqual([...new Set(pair.web.recorder.codes)], ['downstream-reset']);
    } finally {
      pair.close();
      stop(server);
    }
  });
});

describe('a sidecar of an older version', () => {
  it('that offers weft-http/1.1 only is called so', async () => {
    const { server: behind, port: origin } = await application((incoming, response) => void incoming.pipe(response));
    const pair = await SidecarPair.start(origin);
    const old = createTlsServer(meshServerOptions(pair.ordersTls.context, ['weft-http/1.1']), (socket) => {
      behind.emit('connection', socket);
    });
    await new Promise<void>((resolve) => void old.listen(0, '127.0.0.1', resolve));
    const { port } = await pair.web.listen();
    const endpoint = { ...pair.endpoint(), key: 'old', port: (old.address() as AddressInfo).port };
    pair.web.serveOrders([endpoint]);
    try {
      const answers = Array.from({ length: 20 }, (_none, index) => echo(port, Buffer.from(`body ${index}`), true));
      for (const [index, body] of (await Promise.all(answers)).entries())
        assert.equal(body.toString(), `body ${index}`);
      const counters = pair.web.plane.counters.get(ordersKey)!;
      assert.equal(counters.openHttp2, 0);
      assert.ok(counters.open > 0);
    } finally {
      pair.close();
      old.close();
      stop(behind);
    }
  });
});

describe('a change of roots', () => {
  it('cuts streams of a peer that no root vouches for any more, and spares the others', async () => {
    const held: (() => void)[] = [];
    const { server, port: origin } = await application(
      (_incoming, response) => void held.push(() => response.end('ok')),
    );
    const pair = await SidecarPair.start(origin);
    const { port } = await pair.web.listen();
    try {
      const other = await makeAuthority();
      const both = uniteBundles(pair.authority.bundle, other.bundle);
      const spared = call(port, { path: '/spared' }, '');
      await eventually(() => held.length === 1, 2_000);
      pair.webTls.update(pair.webTls.svid, both);
      held.pop()!();
      assert.equal((await spared).text, 'ok');
      const cut = call(port, { path: '/cut' }, '');
      await eventually(() => held.length === 1, 2_000);
      const fingerprint = pair.authority.bundle.roots[0]!.fingerprint;
      const without = withoutRoot(both, fingerprint);
      pair.webTls.update(await makeSvid(other, 'web'), without);
      assert.equal((await cut).incoming.statusCode, 503);
      assert.deepEqual(pair.web.recorder.codes, ['completed', 'policy-cut']);
    } finally {
      pair.close();
      stop(server);
    }
  });
});

describe('a mirror over HTTP/2', () => {
  it('gets the whole request, body and trailers too', async () => {
    const seen: string[] = [];
    const server = createHttp2Server();
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      let text = `${headers[':method']} ${headers[':path']} ${headers['x-a']}`;
      stream.on('data', (chunk: Buffer) => (text += ` ${chunk.toString()}`));
      stream.on('end', () => {
        seen.push(text);
        stream.respond({ ':status': 200 });
        stream.end('dropped');
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { server: main, port: origin } = await application((incoming, response) => void incoming.pipe(response));
    const pair = await SidecarPair.start(origin);
    const shadow = 'shop/shadow:80';
    pair.web.put(backendPolicy({ name: shadow, protocol: 'Http2' }), {
      type: 'endpoints',
      name: shadow,
      endpoints: [plainEndpoint((server.address() as AddressInfo).port)],
    });
    const mirrored = routeRule({
      filters: [{ type: 'RequestMirror', mirror: { backend: shadow, numerator: 1, denominator: 1 } }],
    });
    pair.web.serveOrders([pair.endpoint()], mirrored);
    const { port } = await pair.web.listen();
    try {
      for (const chunked of [true, false]) {
        const headers = chunked ? { 'x-a': '1' } : { 'x-a': '2', 'content-length': 4 };
        assert.equal((await call(port, { method: 'POST', path: '/m?x=1', headers }, 'body')).text, 'body');
      }
      await eventually(() => seen.length === 2, 2_000);
      assert.deepEqual(seen, ['POST /m?x=1 1 body', 'POST /m?x=1 2 body']);
    } finally {
      pair.close();
      server.close();
      stop(main);
    }
  });
});

function application(serve: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(serve);
  return listen(server).then((port) => ({ server, port }));
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function echo(port: number, body: Buffer, known: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'orders', ...(known ? { 'content-length': body.length } : {}) };
    const sent = request({ port, host: '127.0.0.1', method: 'POST', agent: false, headers });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
      response.on('error', reject);
    });
    if (!known) sent.write(body.subarray(0, 1));
    sent.end(known ? body : body.subarray(1));
  });
}

function call(
  port: number,
  options: { method?: string; path: string; headers?: Record<string, string | number> },
  body: string,
): Promise<{ incoming: IncomingMessage; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'orders', ...options.headers };
    const sent = request({ port, host: '127.0.0.1', agent: false, ...options, headers });
    sent.on('error', reject);
    sent.on('response', (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
      incoming.on('end', () => resolve({ incoming, text }));
      incoming.on('error', reject);
    });
    if (body !== '') sent.write(body);
    sent.end();
  });
}

function upgrade(port: number, protocol: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'orders', connection: 'upgrade', upgrade: protocol, 'sec-websocket-key': 'abc' };
    const sent = request({ port, host: '127.0.0.1', agent: false, headers });
    sent.on('error', reject);
    sent.on('upgrade', (response, socket, head) => {
      assert.equal(response.headers['sec-websocket-accept'], 'for abc');
      if (head.length > 0) socket.unshift(head);
      resolve(socket as Socket);
    });
    sent.end();
  });
}

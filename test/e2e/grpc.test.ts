/**
 * gRPC through two sidecars with mutual TLS: calls of every shape between a client and a server of @grpc/grpc-js, which know
 * nothing of Weft, then from grpcio where Python has it, and gRPC-Web at a gateway.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { type TestMesh, startMesh } from '@weft/mesh-test';
import { eventually } from '@weft/testkit';

/** Ends what hangs. */
const WAIT_MS = 20_000;
const CLOCKS_MS = 10;

const pass = (value: Buffer): Buffer => value;
const method = (
  path: string,
  requestStream: boolean,
  responseStream: boolean,
): grpc.MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: pass,
  requestDeserialize: pass,
  responseSerialize: pass,
  responseDeserialize: pass,
});
const echo = {
  unary: method('/shop.v1.Echo/Unary', false, false),
  collect: method('/shop.v1.Echo/Collect', true, false),
  emit: method('/shop.v1.Echo/Emit', false, true),
  chat: method('/shop.v1.Echo/Chat', true, true),
  fail: method('/shop.v1.Echo/Fail', false, false),
  hang: method('/shop.v1.Echo/Hang', false, false),
  flaky: method('/shop.v1.Echo/Flaky', false, false),
};
const health = { check: method('/grpc.health.v1.Health/Check', false, false) };
const unrouted = method('/shop.v1.Other/Get', false, false);

const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: echo, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: echo}]
  rules:
  - {name: hang, matches: [{method: {service: shop.v1.Echo, method: Hang}}]}
  - {name: all, matches: [{method: {service: shop.v1.Echo}}, {method: {service: grpc.health.v1.Health}}]}
---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: echo, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: GRPCRoute, name: echo}]
  retries: {attempts: 3, grpcStatuses: [UNAVAILABLE], budget: {percent: 100, minimumPerSecond: 100}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: edge, namespace: default}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches: [{method: {service: shop.v1.Echo}}]
    filters:
    - type: CORS
      cors: {allowOrigins: ["https://*.shop.example"], allowHeaders: [content-type, x-grpc-web], exposeHeaders: [grpc-status, grpc-message]}
    backendRefs: [{name: echo, port: 80}]
`;

describe('gRPC through the mesh', () => {
  const server = new grpc.Server({
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.default_compression_algorithm': 2,
  });
  const seen: grpc.Metadata[] = [];
  const cancelled: string[] = [];
  const deadlines: { readonly arrivedMs: number; readonly deadlineMs: number }[] = [];
  let flaky = 0;
  let mesh: TestMesh;
  let client: grpc.Client;

  before(async () => {
    server.addService(echo, {
      unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        seen.push(call.metadata);
        const head = new grpc.Metadata();
        head.set('x-head-bin', Buffer.from([0, 255, 10]));
        call.sendMetadata(head);
        const trailer = new grpc.Metadata();
        trailer.set('x-trailer', 'end');
        done(null, call.request, trailer);
      },
      collect: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        let length = 0;
        call.on('data', (chunk: Buffer) => void (length += chunk.length));
        call.on('end', () => done(null, Buffer.from(String(length))));
      },
      emit: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
        for (let index = 0; index < Number(call.request.toString()); index += 1) call.write(Buffer.from(String(index)));
        call.end();
      },
      chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (chunk: Buffer) => call.write(chunk));
        call.on('end', () => call.end());
        call.on('cancelled', () => cancelled.push('chat'));
      },
      fail: (_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        const metadata = new grpc.Metadata();
        metadata.set('grpc-status-details-bin', Buffer.from([8, 9, 18, 1, 0x61]));
        done({ code: grpc.status.FAILED_PRECONDITION, details: 'nicht möglich: 100 %\n☕', metadata });
      },
      hang: (call: grpc.ServerUnaryCall<Buffer, Buffer>) => {
        seen.push(call.metadata);
        deadlines.push({ arrivedMs: Date.now(), deadlineMs: Number(call.getDeadline()) });
        call.on('cancelled', () => cancelled.push('hang'));
      },
      flaky: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        seen.push(call.metadata);
        flaky += 1;
        if (flaky % 3 === 0) {
          done(null, call.request);
          return;
        }
        const metadata = new grpc.Metadata();
        if (call.request.length > 0) metadata.set('grpc-retry-pushback-ms', '-1');
        done({ code: grpc.status.UNAVAILABLE, details: 'not now', metadata });
      },
    });
    server.addService(health, {
      check: (_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
        done(null, Buffer.from([8, 1])),
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    mesh = await startMesh({
      services: { echo: { port, appProtocol: 'grpc' }, web: {} },
      routes: ROUTES,
      gateways: ['edge'],
    });
    client = new grpc.Client(`127.0.0.1:${mesh.proxy('web').outboundPort}`, grpc.credentials.createInsecure(), {
      'grpc.default_authority': 'echo',
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.enable_retries': 0,
    });
  });

  after(async () => {
    client?.close();
    await mesh?.stop();
    server.forceShutdown();
  });

  interface Answer {
    readonly error: grpc.ServiceError | null;
    readonly value: Buffer | undefined;
    readonly head: grpc.Metadata | undefined;
    readonly status: grpc.StatusObject | undefined;
  }

  const call = (
    definition: grpc.MethodDefinition<Buffer, Buffer>,
    body: Buffer,
    options: grpc.CallOptions = {},
    metadata = new grpc.Metadata(),
  ): Promise<Answer> =>
    new Promise((resolve) => {
      let head: grpc.Metadata | undefined;
      let answer: [grpc.ServiceError | null, Buffer | undefined] | undefined;
      const running = client.makeUnaryRequest(definition.path, pass, pass, body, metadata, options, (error, value) => {
        answer = [error, value];
      });
      running.on('metadata', (received) => void (head = received));
      running.on('status', (status) =>
        setImmediate(() => resolve({ error: answer?.[0] ?? null, value: answer?.[1], head, status })),
      );
    });

  it('passes a unary call with metadata and trailers, binary ones too', async () => {
    const metadata = new grpc.Metadata();
    metadata.set('x-text', 'a b');
    metadata.set('x-data-bin', Buffer.from([0, 1, 254, 255]));
    const { error, value, head, status } = await call(echo.unary, Buffer.from('hello'), {}, metadata);
    assert.equal(error, null);
    assert.equal(value?.toString(), 'hello');
    assert.deepEqual(head?.get('x-head-bin'), [Buffer.from([0, 255, 10])]);
    assert.deepEqual(status?.metadata.get('x-trailer'), ['end']);
    const received = seen.at(-1)!;
    assert.deepEqual(received.get('x-text'), ['a b']);
    assert.deepEqual(received.get('x-data-bin'), [Buffer.from([0, 1, 254, 255])]);
    assert.deepEqual(received.get('grpc-timeout'), []);
  });

  it('passes streams of the client, of the server and of both', async () => {
    const collected = await new Promise<string>((resolve, reject) => {
      const stream = client.makeClientStreamRequest(
        echo.collect.path,
        pass,
        pass,
        (error: grpc.ServiceError | null, value?: Buffer) => (error === null ? resolve(String(value)) : reject(error)),
      );
      for (let index = 0; index < 200; index += 1) stream.write(Buffer.alloc(1_000));
      stream.end();
    });
    assert.equal(collected, '200000');
    const emitted: string[] = [];
    const emitting = client.makeServerStreamRequest(echo.emit.path, pass, pass, Buffer.from('300'));
    emitting.on('data', (chunk: Buffer) => void emitted.push(chunk.toString()));
    await once(emitting, 'end');
    assert.equal(emitted.length, 300);
    assert.equal(emitted.at(-1), '299');
    const chat = client.makeBidiStreamRequest(echo.chat.path, pass, pass);
    for (let index = 0; index < 20; index += 1) {
      const answer = once(chat, 'data');
      chat.write(Buffer.from(`turn ${index}`));
      assert.equal(String((await answer)[0]), `turn ${index}`);
    }
    const ended = once(chat, 'status');
    chat.on('data', () => assert.fail('nothing more was said'));
    chat.end();
    assert.equal(((await ended)[0] as grpc.StatusObject).code, grpc.status.OK);
  });

  it('passes messages of 6 MiB, compressed ones, and the health service', async () => {
    const large = Buffer.alloc(6 << 20, 'large message ');
    assert.deepEqual((await call(echo.unary, large)).value, large);
    assert.deepEqual((await call(health.check, Buffer.alloc(0))).value, Buffer.from([8, 1]));
  });

  it('passes a status with its message and its details as they are', async () => {
    const { error } = await call(echo.fail, Buffer.alloc(0));
    assert.equal(error?.code, grpc.status.FAILED_PRECONDITION);
    assert.equal(error?.details, 'nicht möglich: 100 %\n☕');
    assert.deepEqual(error?.metadata.get('grpc-status-details-bin'), [Buffer.from([8, 9, 18, 1, 0x61])]);
  });

  it("tells the server what is left of the caller's deadline, and ends the call when nothing is", async () => {
    cancelled.length = 0;
    deadlines.length = 0;
    // Where the machine has no time for it, the first is over before the server has heard of it.
    let allowedMs = 200;
    let deadline = 0;
    while (deadlines.length === 0 && allowedMs < WAIT_MS) {
      allowedMs *= 2;
      deadline = Date.now() + allowedMs;
      const { error } = await call(echo.hang, Buffer.alloc(0), { deadline });
      assert.equal(error?.code, grpc.status.DEADLINE_EXCEEDED);
    }
    assert.equal(deadlines.length, 1);
    const [{ arrivedMs, deadlineMs }] = deadlines as [{ arrivedMs: number; deadlineMs: number }];
    const told = `${deadlineMs - arrivedMs} of ${allowedMs} ms, ${deadline - arrivedMs} left`;
    // Clocks of several kinds are read on the way, each to a millisecond.
    assert.ok(deadlineMs >= deadline - CLOCKS_MS, `less than there is: ${told}`);
    assert.ok(deadlineMs - arrivedMs <= allowedMs + CLOCKS_MS, `more than there was: ${told}`);
    await until(() => cancelled.includes('hang'));
  });

  it("ends a call by the mesh's own time-out as DEADLINE_EXCEEDED", async () => {
    const limit = `apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: hang, namespace: default}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: GRPCRoute, name: echo, sectionName: hang}], timeouts: {request: 250ms}}
`;
    await mesh.apply(limit, 'limit.yaml');
    const running = call(echo.hang, Buffer.alloc(0));
    const timer = setInterval(() => void mesh.clock.advance(100), 50);
    const { error } = await running;
    clearInterval(timer);
    assert.equal(error?.code, grpc.status.DEADLINE_EXCEEDED);
    assert.match(error?.details ?? '', /^weft: the whole request took longer than its timeout/);
  });

  it('tells the server of a cancelled call', async () => {
    cancelled.length = 0;
    const chat = client.makeBidiStreamRequest(echo.chat.path, pass, pass);
    chat.on('error', () => {});
    const answer = once(chat, 'data');
    chat.write(Buffer.from('hello'));
    await answer;
    chat.cancel();
    await until(() => cancelled.includes('chat'));
  });

  it('tries again by gRPC status and says how often it has, but not where the server forbids it', async () => {
    flaky = 0;
    seen.length = 0;
    const again = await call(echo.flaky, Buffer.alloc(0));
    assert.equal(again.error, null);
    assert.equal(flaky, 3);
    assert.deepEqual(
      seen.map((metadata) => metadata.get('grpc-previous-rpc-attempts')[0]),
      [undefined, '1', '2'],
    );
    flaky = 0;
    const forbidden = await call(echo.flaky, Buffer.from('x'));
    assert.equal(forbidden.error?.code, grpc.status.UNAVAILABLE);
    assert.equal(forbidden.error?.details, 'not now');
    assert.equal(flaky, 1);
  });

  it('answers UNIMPLEMENTED what no rule of an attached GRPCRoute takes', async () => {
    const { error } = await call(unrouted, Buffer.alloc(0));
    assert.equal(error?.code, grpc.status.UNIMPLEMENTED);
    assert.deepEqual(error?.metadata.get('weft-refused'), ['no-route']);
  });

  it('counts calls by their gRPC status', async () => {
    const answer = await fetch(`http://127.0.0.1:${mesh.proxy('web').metricsPort}/metrics`);
    const text = await answer.text();
    assert.match(text, /weft_requests_total\{[^}]*route="GRPCRoute default\/echo"[^}]*grpc_status="0"[^}]*\} [1-9]/);
    assert.match(text, /weft_requests_total\{[^}]*grpc_status="9"[^}]*\} 1/);
    assert.match(text, /weft_requests_total\{[^}]*termination="no-route"[^}]*grpc_status="12"[^}]*\} 1/);
  });

  const frame = (body: string): Buffer => {
    const bytes = Buffer.alloc(5 + body.length);
    bytes.writeUInt32BE(body.length, 1);
    bytes.write(body, 5);
    return bytes;
  };

  it('answers gRPC-Web in binary at a gateway, and lets pages of allowed origins read it', async () => {
    const response = await mesh.fetch('edge', 'http://any/shop.v1.Echo/Unary', {
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1', origin: 'https://a.shop.example' },
      body: frame('hello'),
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/grpc-web+proto');
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://a.shop.example');
    assert.equal(response.headers.get('access-control-expose-headers'), 'grpc-status, grpc-message');
    const body = Buffer.from(await response.arrayBuffer());
    assert.deepEqual(body.subarray(0, 10), frame('hello'));
    assert.equal(body[10], 0x80);
    assert.match(body.toString('latin1', 15), /(^|\n)grpc-status: 0\r\n/);
    assert.match(body.toString('latin1', 15), /x-trailer: end\r\n/);
  });

  it('answers gRPC-Web in base64, a status without a body in the head, and a preflight by itself', async () => {
    const post = (name: string, headers: Record<string, string>, body: string): Promise<Response> =>
      mesh.fetch('edge', `http://any/shop.v1.Echo/${name}`, { method: 'POST', headers, body });
    const text = { 'content-type': 'application/grpc-web-text' };
    const response = await post('Emit', text, frame('3').toString('base64'));
    assert.match(response.headers.get('content-type') ?? '', /^application\/grpc-web-text/);
    const pieces = (await response.text()).match(/[^=]+=*/g) ?? [];
    const body = Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')));
    assert.deepEqual(body.subarray(0, 18), Buffer.concat([frame('0'), frame('1'), frame('2')]));
    assert.match(body.toString('latin1', 23), /grpc-status: 0/);
    const failed = await post('Fail', text, frame('').toString('base64'));
    assert.equal(failed.headers.get('grpc-status'), '9');
    const broken = await post('Emit', text, 'AAA=AAA');
    assert.equal(broken.headers.get('grpc-status'), '3');
    const preflight = await mesh.fetch('edge', 'http://any/shop.v1.Echo/Unary', {
      method: 'OPTIONS',
      headers: { origin: 'https://a.shop.example', 'access-control-request-method': 'POST' },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-headers'), 'content-type, x-grpc-web');
    const elsewhere = await post('Unary', { ...text, origin: 'https://evil.example' }, frame('x').toString('base64'));
    assert.equal(elsewhere.headers.get('access-control-allow-origin'), null);
    await elsewhere.arrayBuffer();
  });

  it('answers gRPC-Web over HTTP/2 too', async () => {
    const session = connect(`http://127.0.0.1:${mesh.proxy('edge').gatewayPorts.get(80)}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/shop.v1.Echo/Chat',
      'content-type': 'application/grpc-web+proto',
    });
    const pieces: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => pieces.push(chunk));
    stream.write(frame('one'));
    await until(() => Buffer.concat(pieces).length === 8);
    stream.end(frame('two'));
    await once(stream, 'end');
    session.close();
    const body = Buffer.concat(pieces);
    assert.deepEqual(body.subarray(0, 16), Buffer.concat([frame('one'), frame('two')]));
    assert.match(body.toString('latin1', 16), /^\x80[^]{4}grpc-status: 0\r\n/);
  });

  const python = process.env['WEFT_PYTHON'] ?? 'python3';
  const lacksGrpcio = spawnSync(python, ['-c', 'import grpc'], { stdio: 'ignore' }).status !== 0;

  it(
    'serves grpcio',
    { skip: lacksGrpcio ? 'needs Python with grpcio (WEFT_PYTHON names another python)' : false },
    async () => {
      const child = spawn(python, ['-c', GRPCIO, String(mesh.proxy('web').outboundPort)], { timeout: 90_000 });
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => void (said += String(chunk)));
      const [code] = (await once(child, 'exit')) as [number];
      assert.equal(code, 0, said);
      assert.equal(said.trim().split('\n').at(-1), 'all right');
    },
  );
});

const GRPCIO = `
import sys, time, grpc
same = lambda value: value
channel = grpc.insecure_channel('127.0.0.1:' + sys.argv[1], options=[('grpc.default_authority', 'echo'),
    ('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1), ('grpc.enable_http_proxy', 0)])
unary = channel.unary_unary('/shop.v1.Echo/Unary', same, same)
value, call = unary.with_call(b'hello', metadata=(('x-data-bin', b'\\x00\\xff'),), timeout=60)
assert value == b'hello'
assert dict(call.trailing_metadata())['x-trailer'] == 'end'
large = b'x' * (5 << 20)
assert unary(large, timeout=60) == large
assert channel.stream_unary('/shop.v1.Echo/Collect', same, same)(iter([b'x' * 1000] * 50), timeout=60) == b'50000'
assert [int(each) for each in channel.unary_stream('/shop.v1.Echo/Emit', same, same)(b'40', timeout=60)] == list(range(40))
chat = channel.stream_stream('/shop.v1.Echo/Chat', same, same)(iter([b'a', b'b', b'c']), timeout=60)
assert list(chat) == [b'a', b'b', b'c']
try:
    channel.unary_unary('/shop.v1.Echo/Fail', same, same)(b'', timeout=60)
    assert False
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == 'nicht m\\u00f6glich: 100 %\\n\\u2615', error.details()
try:
    channel.unary_unary('/shop.v1.Echo/Hang', same, same)(b'', timeout=0.1)
    assert False
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
assert unary(b'zip', timeout=60, compression=grpc.Compression.Gzip) == b'zip'
print('all right')
`;

function until(condition: () => boolean): Promise<boolean> {
  return eventually(condition, WAIT_MS);
}

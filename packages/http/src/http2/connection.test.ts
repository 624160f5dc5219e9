import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { compileHeadEdits, noEdits } from '../head-edits.ts';
import { Framing } from '../framing.ts';
import { RequestFacts } from '../http1/message-facts.ts';
import type { Head } from '../head.ts';
import { Http2ErrorCode } from './error-code.ts';
import { ConnectionRecorder, exchange, faultsIn, readFrames, StreamRecorder } from './event-recorder.ts';
import { FrameFlag, FrameType } from './frame/frame-type.ts';
import { http2Defaults } from './limits.ts';
import { requestHead, responseHead } from './test-head.ts';

const getText =
  'GET /items?page=2 HTTP/1.1\r\nHost: Shop.example\r\nUser-Agent: test\r\nX-Custom: One\r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n';

function factsOf(head: Head): RequestFacts {
  const facts = new RequestFacts();
  facts.take(head);
  return facts;
}

function pair(limits = http2Defaults): { client: ConnectionRecorder; server: ConnectionRecorder } {
  const client = new ConnectionRecorder('client', limits);
  const server = new ConnectionRecorder('server', limits);
  exchange(client, server);
  return { client, server };
}

function open(client: ConnectionRecorder, text = getText): StreamRecorder {
  const sink = new StreamRecorder();
  const head = requestHead(text);
  const stream = client.connection.open(sink, head, noEdits, factsOf(head));
  assert.ok(stream !== undefined);
  sink.stream = stream;
  return sink;
}

function answer(recorder: StreamRecorder, text: string, body: string, trailers: Head | null = null): void {
  const { head, facts } = responseHead(text, body === '' ? 0 : -1);
  assert.ok(recorder.stream!.sendHead(head, noEdits, facts));
  const bytes = Buffer.from(body, 'latin1');
  recorder.stream!.sendData(bytes, 0, bytes.length);
  recorder.stream!.sendEnd(trailers);
}

describe('a request and its response', () => {
  test('an HTTP/1.1 head arrives with method, target, host and fields, and without those of its hop', () => {
    const { client, server } = pair();
    const sink = open(client);
    sink.stream!.sendEnd(null);
    exchange(client, server);
    assert.deepEqual(server.streams[0]!.events, [
      'head GET /items?page=2@shop.example framing=0 length=-1 upgrade= te=true user-agent=test|x-custom=One|-te=trailers',
      'end',
    ]);
    answer(server.streams[0]!, 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n', 'hello');
    exchange(client, server);
    assert.deepEqual(sink.events, [
      'head 200 framing=2 length=-1 upgrade= te=false content-type=text/plain',
      'data hello',
      'end',
    ]);
    assert.equal(client.connection.streams, 0);
    assert.equal(server.connection.streams, 0);
  });

  test('a request without a body is one frame, and so is the end of a small response', () => {
    const { client, server } = pair();
    open(client).stream!.sendEnd(null);
    const sent = readFrames(client.take());
    assert.deepEqual(
      sent.map(({ type, flags }) => [type, flags]),
      [[FrameType.Headers, FrameFlag.EndHeaders | FrameFlag.EndStream]],
    );
    assert.equal(server.connection.streams, 0);
  });

  test('trailers of both messages arrive', () => {
    const { client, server } = pair();
    const sink = open(client, 'POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    const body = Buffer.from('body');
    sink.stream!.sendData(body, 0, 4);
    sink.stream!.sendEnd(requestHead('GET / HTTP/1.1\r\nHost: a\r\nX-Sum: 42\r\n\r\n'));
    exchange(client, server);
    assert.deepEqual(server.streams[0]!.events.slice(1), ['data body', 'trailers x-sum=42', 'end']);
    answer(
      server.streams[0]!,
      'HTTP/1.1 200 OK\r\n',
      'x',
      requestHead('GET / HTTP/1.1\r\nHost: a\r\nGrpc-Status: 0\r\n\r\n'),
    );
    exchange(client, server);
    assert.deepEqual(sink.events.slice(1), ['data x', 'trailers grpc-status=0', 'end']);
  });

  test('interim heads come before the final one', () => {
    const { client, server } = pair();
    const sink = open(client);
    sink.stream!.sendEnd(null);
    exchange(client, server);
    const interim = responseHead('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n', -1);
    assert.ok(server.streams[0]!.stream!.sendHead(interim.head, noEdits, interim.facts));
    answer(server.streams[0]!, 'HTTP/1.1 204 No Content\r\n', '');
    exchange(client, server);
    assert.deepEqual(sink.events, [
      'head 103 framing=0 length=-1 upgrade= te=false link=</a.css>',
      'head 204 framing=0 length=-1 upgrade= te=false ',
      'end',
    ]);
  });

  test('edits and slots are applied as HTTP/1.1 applies them', () => {
    const compiled = compileHeadEdits({
      modifiers: [{ set: [{ name: 'X-Custom', value: 'two' }], remove: ['user-agent'] }],
      slots: [
        { name: 'x-request-id', mode: 'own' },
        { name: 'x-unset', mode: 'add' },
      ],
    });
    assert.ok(compiled.ok);
    const { client, server } = pair();
    const head = requestHead(getText);
    // Often enough that the remembered block is used.
    for (const id of ['r-1', 'r-2', 'r-3', 'r-4', 'r-5']) {
      const facts = factsOf(head);
      facts.slots = [id, undefined];
      const stream = client.connection.open(new StreamRecorder(), head, compiled.value, facts);
      assert.ok(stream !== undefined);
      stream.sendEnd(null);
      exchange(client, server);
      assert.match(server.streams.at(-1)!.events[0]!, new RegExp(`x-custom=two\\|-te=trailers\\|x-request-id=${id}$`));
      assert.doesNotMatch(server.streams.at(-1)!.events[0]!, /user-agent/);
    }
  });

  test('a remembered head is another one when a value that usually comes again does not', () => {
    const compiled = compileHeadEdits({
      slots: [
        { name: 'x-request-id', mode: 'own', unique: true },
        { name: 'x-peer', mode: 'own' },
        { name: 'via', mode: 'add' },
      ],
    });
    assert.ok(compiled.ok);
    const { client, server } = pair();
    const head = requestHead(getText);
    const peers = ['a', 'a', 'a', 'a', 'b', 'b', 'b', undefined, undefined, 'a', 'a'];
    for (const [at, peer] of peers.entries()) {
      const facts = factsOf(head);
      facts.slots = [at === 5 ? undefined : `r-${at}`, peer, '1.1 weft'];
      const stream = client.connection.open(new StreamRecorder(), head, compiled.value, facts);
      assert.ok(stream !== undefined);
      stream.sendEnd(null);
      exchange(client, server);
      const [event] = server.streams.at(-1)!.events;
      const expected = `${peer === undefined ? '' : `\\|x-peer=${peer}`}\\|via=1.1 weft${at === 5 ? '' : `\\|x-request-id=r-${at}`}$`;
      assert.match(event!, new RegExp(expected));
    }
    // What cannot be written is refused on a head that is known as well, and the next one goes through.
    for (const slots of [
      ['r', 'a\nb'],
      ['r', ' a'],
      ['r\r', 'a'],
      ['r ', 'a'],
    ]) {
      const facts = factsOf(head);
      facts.slots = [...slots, '1.1 weft'];
      assert.equal(client.connection.open(new StreamRecorder(), head, compiled.value, facts), undefined);
      assert.equal(client.take().length, 0);
      facts.slots = ['r', 'a', '1.1 weft'];
      assert.ok(client.connection.open(new StreamRecorder(), head, compiled.value, facts) !== undefined);
      exchange(client, server);
      assert.match(server.streams.at(-1)!.events[0]!, /\|x-peer=a\|via=1.1 weft\|x-request-id=r$/);
    }
  });

  test('a slot that would split a field is refused and nothing is written', () => {
    const compiled = compileHeadEdits({ slots: [{ name: 'x-request-id', mode: 'own' }] });
    assert.ok(compiled.ok);
    const { client } = pair();
    const head = requestHead(getText);
    const facts = factsOf(head);
    facts.slots = ['a\r\nb: c'];
    assert.equal(client.connection.open(new StreamRecorder(), head, compiled.value, facts), undefined);
    assert.equal(client.take().length, 0);
  });

  test('the same head again is one and the same object, and its block a few bytes', () => {
    const { client, server } = pair();
    const head = requestHead(getText);
    let bytes = 0;
    for (let time = 0; time < 6; time += 1) {
      const stream = client.connection.open(new StreamRecorder(), head, noEdits, factsOf(head));
      stream!.sendEnd(null);
      const sent = client.take();
      bytes = sent.length;
      server.connection.feed(sent, 0, sent.length, 0);
    }
    assert.ok(bytes <= 9 + 8, `${bytes} bytes`);
    const heads = server.streams.map((stream) => stream.head);
    assert.equal(heads[5], heads[4]);
    assert.equal(new Set(server.streams.map((stream) => stream.events[0])).size, 1);
  });

  test('a head of more than a frame goes in CONTINUATION frames and comes out whole', () => {
    const { client, server } = pair();
    const fields = Array.from({ length: 5 }, (_, at) => `X-Large-${at}: ${String(at).repeat(9000)}\r\n`).join('');
    open(client, `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`).stream!.sendEnd(null);
    const sent = client.take();
    assert.ok(readFrames(sent).filter(({ type }) => type === FrameType.Continuation).length >= 2);
    server.connection.feed(sent, 0, sent.length, 0);
    assert.equal(server.errorCode, -1);
    for (let at = 0; at < 5; at += 1) {
      assert.equal(server.streams[0]!.head!.valueOf(`x-large-${at}`), String(at).repeat(9000));
    }
  });

  test('a WebSocket upgrade travels as extended CONNECT and comes out as the upgrade again', () => {
    const { client, server } = pair();
    const sink = open(
      client,
      'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n',
    );
    exchange(client, server);
    const request = server.streams[0]!;
    assert.equal(
      request.events[0],
      'head GET /chat?@a framing=0 length=-1 upgrade=websocket te=false sec-websocket-key=k',
    );
    const { head, facts } = responseHead('HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s\r\n', -1);
    facts.framing = Framing.None;
    facts.upgrade = 'websocket';
    assert.ok(request.stream!.sendHead(head, noEdits, facts));
    exchange(client, server);
    assert.equal(sink.events[0], 'head 101 framing=0 length=-1 upgrade=websocket te=false sec-websocket-accept=s');
    const up = Buffer.from('ping');
    sink.stream!.sendData(up, 0, 4);
    request.stream!.sendData(up, 0, 4);
    sink.stream!.sendEnd(null);
    exchange(client, server);
    assert.deepEqual(request.events.slice(1), ['data ping', 'end']);
    request.stream!.sendEnd(null);
    exchange(client, server);
    assert.deepEqual(sink.events.slice(1), ['data ping', 'end']);
  });

  test('an upgrade is not asked of a peer that takes none', () => {
    const client = new ConnectionRecorder('client');
    const server = new ConnectionRecorder('server', http2Defaults, false);
    exchange(client, server);
    const head = requestHead('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    assert.equal(client.connection.open(new StreamRecorder(), head, noEdits, factsOf(head)), undefined);
  });

  test('a reply of our own has its length, and no body for HEAD', () => {
    const { client, server } = pair();
    const reply = { status: 503, fields: [{ name: 'Retry-After', value: '1' }], contentType: 'text/plain', body: 'no' };
    for (const method of ['GET', 'HEAD']) {
      const sink = open(client, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
      sink.stream!.sendEnd(null);
      exchange(client, server);
      server.streams.at(-1)!.stream!.sendReply(reply);
      exchange(client, server);
      const framing = method === 'HEAD' ? 0 : 1;
      assert.equal(
        sink.events[0],
        `head 503 framing=${framing} length=2 upgrade= te=false retry-after=1|content-type=text/plain|-content-length=2`,
      );
      assert.equal(sink.data, method === 'HEAD' ? '' : 'no');
      assert.equal(sink.ended, true);
    }
  });
});

describe('flow control', () => {
  const small = { ...http2Defaults, streamWindowBytes: 100_000, connectionWindowBytes: 150_000, heldBytes: 150_000 };

  test('a body larger than every window arrives whole when it is granted', () => {
    const { client, server } = pair(small);
    const sink = open(client);
    sink.stream!.sendEnd(null);
    exchange(client, server);
    const body = Buffer.alloc(1_000_000, 0x61);
    const { head, facts } = responseHead('HTTP/1.1 200 OK\r\n', body.length);
    const stream = server.streams[0]!.stream!;
    stream.sendHead(head, noEdits, facts);
    stream.sendData(body, 0, body.length);
    assert.equal(stream.blocked, true);
    stream.sendEnd(null);
    exchange(client, server);
    assert.equal(sink.data.length, body.length);
    assert.equal(sink.ended, true);
    assert.equal(server.streams[0]!.drains, 1);
    assert.equal(server.connection.queuedBytes, 0);
  });

  test('nothing is sent beyond what was granted, and a slow stream does not stop another', () => {
    const { client, server } = pair(small);
    const slow = open(client);
    slow.grants = false;
    slow.stream!.sendEnd(null);
    const quick = open(client);
    quick.stream!.sendEnd(null);
    exchange(client, server);
    const body = Buffer.alloc(200_000, 0x62);
    for (const request of server.streams) {
      const { head, facts } = responseHead('HTTP/1.1 200 OK\r\n', body.length);
      request.stream!.sendHead(head, noEdits, facts);
      request.stream!.sendData(body, 0, body.length);
      request.stream!.sendEnd(null);
    }
    exchange(client, server);
    assert.equal(slow.data.length, 100_000);
    assert.equal(quick.data.length, 200_000);
    slow.grants = true;
    slow.stream!.grant(100_000);
    exchange(client, server);
    assert.equal(slow.data.length, 200_000);
    assert.equal(slow.ended, true);
  });

  test('what is held over all streams is bounded by the connection window', () => {
    const { client, server } = pair({ ...small, maxStreamWindowBytes: 100_000, heldBytes: 100_000 });
    const sinks = Array.from({ length: 8 }, () => {
      const sink = open(client);
      sink.grants = false;
      sink.stream!.sendEnd(null);
      return sink;
    });
    exchange(client, server);
    const body = Buffer.alloc(90_000, 0x63);
    for (const request of server.streams) {
      const { head, facts } = responseHead('HTTP/1.1 200 OK\r\n', body.length);
      request.stream!.sendHead(head, noEdits, facts);
      request.stream!.sendData(body, 0, body.length);
      request.stream!.sendEnd(null);
    }
    exchange(client, server);
    const held = sinks.reduce((sum, sink) => sum + sink.data.length, 0);
    // The connection's window grows to four of its streams'.
    assert.ok(held <= 100_000 + 4 * 100_000, `${held} bytes held`);
    for (let round = 0; round < 20; round += 1) {
      for (const sink of sinks) sink.stream!.grant(90_000);
      exchange(client, server);
    }
    assert.deepEqual(
      sinks.map((sink) => sink.data.length),
      sinks.map(() => 90_000),
    );
  });

  test('streams take turns: a small answer passes a large one', () => {
    const { client, server } = pair();
    const large = open(client);
    large.stream!.sendEnd(null);
    const little = open(client);
    little.stream!.sendEnd(null);
    exchange(client, server);
    const body = Buffer.alloc(1_000_000, 0x64);
    const first = responseHead('HTTP/1.1 200 OK\r\n', body.length);
    server.streams[0]!.stream!.sendHead(first.head, noEdits, first.facts);
    server.streams[0]!.stream!.sendData(body, 0, body.length);
    answer(server.streams[1]!, 'HTTP/1.1 200 OK\r\n', 'small');
    const turn = server.take();
    client.connection.feed(turn, 0, turn.length, 0);
    assert.equal(little.data, 'small');
    assert.equal(little.ended, true);
    assert.ok(turn.length < http2Defaults.turnBytes + 2 * 16_384);
  });

  test('a window is grown when the path is measured to need it', () => {
    const { client, server } = pair(small);
    const sink = open(client);
    sink.stream!.sendEnd(null);
    exchange(client, server);
    const body = Buffer.alloc(6_000_000, 0x65);
    const { head, facts } = responseHead('HTTP/1.1 200 OK\r\n', body.length);
    server.streams[0]!.stream!.sendHead(head, noEdits, facts);
    server.streams[0]!.stream!.sendData(body, 0, body.length);
    // A path of 20 ms: what is under way is as much as the windows allow.
    let most = 0;
    for (let nowMs = 0; sink.data.length < body.length; nowMs += 20) {
      const before = sink.data.length;
      let down = server.take(nowMs);
      while (down.length > 0) {
        client.connection.feed(down, 0, down.length, nowMs);
        down = server.take(nowMs);
      }
      most = Math.max(most, sink.data.length - before);
      const up = client.take(nowMs);
      server.connection.feed(up, 0, up.length, nowMs);
      assert.ok(nowMs < 20_000, 'the body arrives');
    }
    assert.ok(most > 200_000, `at most ${most} bytes in flight`);
  });
});

describe('the end of things', () => {
  test('a drain says so in two phases and lets open streams end', () => {
    const { client, server } = pair();
    const sink = open(client);
    sink.stream!.sendEnd(null);
    exchange(client, server);
    server.connection.drain();
    exchange(client, server);
    assert.deepEqual(
      client.events.filter((event) => event.startsWith('goaway')),
      ['goaway 0 goaway-no-error', 'goaway 0 goaway-no-error'],
    );
    assert.equal(client.connection.canOpen, false);
    assert.equal(server.connection.drained, false);
    answer(server.streams[0]!, 'HTTP/1.1 200 OK\r\n', 'late');
    exchange(client, server);
    assert.equal(sink.data, 'late');
    assert.equal(server.connection.drained, true);
  });

  test('streams above the last id are refused in a way that may be retried', () => {
    const { client, server } = pair();
    const seen = open(client);
    exchange(client, server);
    const unseen = open(client);
    client.take();
    const goaway = Buffer.from('0000080700000000000000000100000000', 'hex');
    client.connection.feed(goaway, 0, goaway.length, 0);
    assert.equal(unseen.code, 'stream-refused');
    assert.equal(seen.code, '');
  });

  test('more streams than the peer takes are not opened', () => {
    const limits = { ...http2Defaults, concurrentStreams: 2 };
    const { client } = pair(limits);
    open(client);
    open(client);
    assert.equal(client.connection.canOpen, false);
  });

  test('a reset is heard by the other side with its code', () => {
    const { client, server } = pair();
    const sink = open(client);
    exchange(client, server);
    server.streams[0]!.stream!.reset(Http2ErrorCode.RefusedStream);
    exchange(client, server);
    assert.deepEqual([sink.code, sink.detail], ['stream-refused', 'reset-refused-stream']);
    const other = open(client);
    exchange(client, server);
    other.stream!.reset(Http2ErrorCode.Cancel);
    exchange(client, server);
    assert.deepEqual([server.streams[1]!.code, server.streams[1]!.detail], ['downstream-reset', 'reset-cancel']);
  });

  test('the end of the transport ends every stream', () => {
    const { client, server } = pair();
    const sink = open(client);
    exchange(client, server);
    client.connection.eof();
    server.connection.eof();
    assert.equal(sink.code, 'upstream-reset');
    assert.equal(server.streams[0]!.code, 'downstream-reset');
  });

  test('a stream that waits for a window without progress can be told and ended', () => {
    const { client, server } = pair();
    const sink = open(client);
    sink.grants = false;
    sink.stream!.sendEnd(null);
    exchange(client, server);
    const body = Buffer.alloc(1_000_000, 0x66);
    const { head, facts } = responseHead('HTTP/1.1 200 OK\r\n', body.length);
    server.streams[0]!.stream!.sendHead(head, noEdits, facts);
    server.streams[0]!.stream!.sendData(body, 0, body.length);
    exchange(client, server, undefined, 1000);
    assert.equal(server.connection.resetStalled(5000, 10_000), 0);
    assert.equal(server.connection.resetStalled(12_000, 10_000), 1);
    assert.equal(server.streams[0]!.code, 'downstream-write-timeout');
    assert.deepEqual(faultsIn(server.take()), ['rst 1 cancel']);
  });

  test('a ping is answered', () => {
    const { client, server } = pair();
    client.connection.ping();
    exchange(client, server);
    assert.equal(client.pongs, 1);
  });
});

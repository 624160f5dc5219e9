import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { Random } from '@weft/kernel';
import { noEdits } from '../head-edits.ts';
import { Head } from '../head.ts';
import { RequestFacts } from '../http1/message-facts.ts';
import { MethodId } from '../method.ts';
import { ConnectionRecorder, exchange, frame, literals, StreamRecorder } from './event-recorder.ts';
import { CLIENT_PREFACE, FrameFlag, FrameType } from './frame/frame-type.ts';
import { http2Defaults } from './limits.ts';
import { responseHead } from './test-head.ts';

/** What holds for every input: splits change nothing, nothing throws, memory is bounded, bodies arrive as they were. */
const fields: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':path', '/svc/Call?x=1'],
  [':authority', 'shop.example:8443'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
  ['cookie', 'a=1'],
  ['cookie', 'b=2'],
];
const block = literals(fields);
const indexed = Buffer.from('8286844001610162be', 'hex');

/** A connection with a little of everything. */
const script = Buffer.concat([
  Buffer.from(CLIENT_PREFACE),
  frame(FrameType.Settings, 0, 0, Buffer.from('000400010000', 'hex')),
  frame(FrameType.WindowUpdate, 0, 0, Buffer.from('00010000', 'hex')),
  frame(FrameType.Headers, FrameFlag.EndHeaders, 1, block),
  frame(FrameType.Data, 0, 1, 'some data'),
  frame(FrameType.Ping, 0, 0, '12345678'),
  frame(FrameType.Data, FrameFlag.Padded, 1, Buffer.from('\u0004padded\0\0\0\0', 'latin1')),
  frame(FrameType.Headers, FrameFlag.EndHeaders | FrameFlag.EndStream, 1, literals([['x-sum', '1']])),
  frame(FrameType.Headers, FrameFlag.EndStream, 3, block.subarray(0, 20)),
  frame(FrameType.Continuation, 0, 3, block.subarray(20, 50)),
  frame(FrameType.Continuation, FrameFlag.EndHeaders, 3, block.subarray(50)),
  frame(0x55, 3, 3, 'unknown'),
  frame(FrameType.Headers, FrameFlag.EndHeaders, 5, Buffer.concat([indexed, literals([[':authority', 'a']])])),
  frame(FrameType.Headers, FrameFlag.EndHeaders | FrameFlag.EndStream, 7, block),
  frame(FrameType.RstStream, 0, 7, Buffer.from('00000008', 'hex')),
  frame(FrameType.Settings, FrameFlag.Ack, 0),
  frame(FrameType.Goaway, 0, 0, Buffer.from('0000000000000000646f6e65', 'hex')),
]);

function read(pieces: readonly Buffer[]): { heard: string[]; sent: string; recorder: ConnectionRecorder } {
  const recorder = new ConnectionRecorder('server');
  for (const piece of pieces) {
    recorder.connection.feed(piece, 0, piece.length, 0);
    // The codec must have its own copy of whatever it needs later.
    piece.fill(0x2a);
  }
  const { output } = recorder.connection;
  return { heard: recorder.transcript(), sent: output.buffer.toString('latin1', 0, output.length), recorder };
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  for (let pos = 0; pos < bytes.length;) {
    const end = Math.min(bytes.length, pos + 1 + Math.floor(random() ** 3 * 400));
    pieces.push(Buffer.from(bytes.subarray(pos, end)));
    pos = end;
  }
  return pieces;
}

describe('any split of the same bytes gives the same events', () => {
  const whole = read([Buffer.from(script)]);
  test('the script is heard as it was written', () => {
    assert.equal(whole.recorder.detail, '');
    assert.equal(whole.recorder.streams.length, 3);
    assert.deepEqual(whole.recorder.streams[0]!.events.slice(1), ['data some datapadded', 'trailers x-sum=1', 'end']);
    assert.match(whole.recorder.streams[0]!.events[0]!, /cookie=a=1; b=2/);
  });
  test('cut in two at every place', () => {
    for (let at = 1; at < script.length; at += 1) {
      const { heard, sent } = read([Buffer.from(script.subarray(0, at)), Buffer.from(script.subarray(at))]);
      assert.deepEqual(heard, whole.heard, `cut at ${at}`);
      assert.equal(sent, whole.sent, `cut at ${at}`);
    }
  });
  test('byte by byte', () => {
    const { heard, sent } = read([...script].map((byte) => Buffer.from([byte])));
    assert.deepEqual(heard, whole.heard);
    assert.equal(sent, whole.sent);
  });
});

describe('hostile bytes', () => {
  test('every byte flipped in three ways never throws, and splits the same', () => {
    const random = seededRandom(9113);
    for (let at = 0; at < script.length; at += 1) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const bytes = Buffer.from(script);
        bytes[at]! ^= flip;
        const whole = read([Buffer.from(bytes)]);
        const pieces = read(cut(bytes, random));
        assert.deepEqual(pieces.heard, whole.heard, `byte ${at} ^ ${flip}`);
      }
    }
  });
  test('random frames never throw and leave either a living connection or one GOAWAY, in both roles', () => {
    const random = seededRandom(7540);
    const below = (limit: number): number => Math.floor(random() * limit);
    const ended = new Set<string>();
    for (let round = 0; round < 1500; round += 1) {
      const role = round % 2 === 0 ? 'server' : 'client';
      const recorder = new ConnectionRecorder(role);
      const parts = [
        role === 'server' ? Buffer.from(CLIENT_PREFACE) : Buffer.alloc(0),
        frame(FrameType.Settings, 0, 0),
      ];
      if (role === 'client') open(recorder);
      for (let count = below(14); count >= 0; count -= 1) {
        const type = random() < 0.9 ? below(10) : below(256);
        const payload = random() < 0.4 ? block : Buffer.from(Array.from({ length: below(30) }, () => below(256)));
        parts.push(frame(type, random() < 0.7 ? [0, 1, 4, 5][below(4)]! : below(256), below(6), payload));
      }
      const bytes = Buffer.concat(parts);
      for (const piece of cut(bytes, random)) recorder.connection.feed(piece, 0, piece.length, round);
      ended.add(recorder.detail);
      recorder.connection.eof();
      assert.equal(recorder.connection.streams, 0);
      assert.equal(recorder.connection.queuedBytes, 0);
      for (const stream of recorder.streams) assert.ok(stream.ended || stream.code !== '');
    }
    // The fuzzer reaches many corners, not one.
    assert.ok(ended.size > 20, [...ended].join(' '));
  });
});

function open(client: ConnectionRecorder): StreamRecorder {
  const sink = new StreamRecorder();
  const head = new Head();
  head.methodId = MethodId.Post;
  const facts = new RequestFacts();
  facts.host = 'a.example';
  facts.target = '/svc/Call';
  facts.framing = 2;
  sink.stream = client.connection.open(sink, head, noEdits, facts);
  return sink;
}

describe('two codecs back to back', () => {
  test('bodies of any size over any windows, cut anywhere, granted whenever, arrive as they were: 60 seeds', () => {
    for (let seed = 1; seed <= 60; seed += 1) simulate(seed);
  });
});

function simulate(seed: number): void {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const limits = {
    ...http2Defaults,
    streamWindowBytes: 500 + below(90_000),
    connectionWindowBytes: 65_535 + below(100_000),
    heldBytes: 20_000 + below(200_000),
    streamBufferBytes: 1 + below(40_000),
    turnBytes: 1000 + below(64_000),
  };
  const client = new ConnectionRecorder('client', limits);
  const server = new ConnectionRecorder('server', limits);
  const expected = new Map<number, string>();
  server.onRequest = (request) => {
    request.grants = random() < 0.5;
    request.onWhole = () => {
      const { head, facts } = responseHead('HTTP/1.1 200 OK\r\nX-Seed: 1\r\n', -1);
      const body = Buffer.alloc(below(60_000), 0x41 + below(26));
      expected.set(request.stream!.id, body.toString('latin1'));
      request.stream!.sendHead(head, noEdits, facts);
      request.stream!.sendData(body, 0, body.length);
      request.stream!.sendEnd(random() < 0.5 ? head : null);
    };
  };
  const sinks: StreamRecorder[] = [];
  const bodies: string[] = [];
  const pieces = (bytes: Buffer): Buffer[] => cut(bytes, random);
  for (let step = 0; step < 12; step += 1) {
    if (client.connection.canOpen) {
      const sink = open(client);
      sink.grants = random() < 0.5;
      const body = Buffer.alloc(below(50_000), 0x61 + below(26));
      sink.stream!.sendData(body, 0, body.length);
      sink.stream!.sendEnd(null);
      sinks.push(sink);
      bodies.push(body.toString('latin1'));
    }
    if (random() < 0.5) exchange(client, server, pieces, step);
  }
  for (let round = 0; round < 2000 && sinks.some((sink) => !sink.ended); round += 1) {
    exchange(client, server, pieces, round);
    for (const { stream } of [...sinks, ...server.streams]) stream!.grant(1 + below(30_000));
  }
  exchange(client, server, pieces, 3000);
  assert.equal(client.detail + server.detail, '', `seed ${seed}`);
  sinks.forEach((sink, at) => {
    assert.equal(sink.code, '', `seed ${seed}`);
    assert.equal(sink.data, expected.get(sink.stream!.id), `seed ${seed}, response ${at}`);
    assert.equal(server.streams[at]!.data, bodies[at], `seed ${seed}, request ${at}`);
  });
  assert.equal(client.connection.streams + server.connection.streams, 0, `seed ${seed}`);
  assert.equal(client.connection.queuedBytes + server.connection.queuedBytes, 0, `seed ${seed}`);
}

test('memory: a peer that opens streams and sends nothing but heads is bounded by what was announced', () => {
  const server = new ConnectionRecorder('server');
  const feed = (bytes: Buffer): void => server.connection.feed(bytes, 0, bytes.length, 0);
  feed(Buffer.concat([Buffer.from(CLIENT_PREFACE), frame(FrameType.Settings, 0, 0)]));
  for (let id = 1; id < 600 && server.errorCode < 0; id += 2)
    feed(frame(FrameType.Headers, FrameFlag.EndHeaders, id, block));
  assert.ok(server.connection.streams <= http2Defaults.concurrentStreams);
  assert.ok(server.connection.output.length < 16_384);
});

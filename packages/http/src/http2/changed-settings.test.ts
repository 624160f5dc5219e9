import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { noEdits } from '../head-edits.ts';
import { ConnectionRecorder, frame, literals, readFrames } from './event-recorder.ts';
import { CLIENT_PREFACE, FrameFlag, FrameType } from './frame/frame-type.ts';
import { blockLines } from './hpack/block-lines.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { http2Defaults } from './limits.ts';
import { responseHead } from './test-head.ts';

/** SETTINGS that change something while streams are under way. Both were found by the simulation of two codecs. */
describe('settings that come under way', () => {
  const get = literals([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'a.example'],
  ]);

  const post: readonly (readonly [string, string])[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'a.example'],
  ];

  test('trailers that waited for a window begin with the table size that came meanwhile (RFC 7541 §4.2)', () => {
    const server = new ConnectionRecorder('server');
    const feed = (bytes: Buffer): void => server.connection.feed(bytes, 0, bytes.length, 0);
    feed(Buffer.concat([Buffer.from(CLIENT_PREFACE), frame(FrameType.Settings, 0, 0, setting(4, 0))]));
    feed(frame(FrameType.Headers, FrameFlag.EndHeaders | FrameFlag.EndStream, 1, get));
    const { head, facts } = responseHead('HTTP/1.1 200 OK\r\nX-Sum: 5\r\n', -1);
    const stream = server.streams[0]!.stream!;
    stream.sendHead(head, noEdits, facts);
    stream.sendData(Buffer.from('hello'), 0, 5);
    stream.sendEnd(head);
    const decoder = new HpackDecoder(0);
    const blocks = (bytes: Buffer): Buffer[] =>
      readFrames(bytes)
        .filter(({ type }) => type === FrameType.Headers)
        .map(({ payload }) => payload);
    for (const block of blocks(server.take())) blockLines(decoder, block);
    feed(frame(FrameType.Settings, 0, 0, setting(1, 0)));
    server.take();
    decoder.announced(0);
    feed(frame(FrameType.WindowUpdate, 0, 1, Buffer.from([0, 0, 0, 5])));
    const [trailers] = blocks(server.take());
    assert.deepEqual(blockLines(decoder, trailers!), ['x-sum: 5']);
    assert.equal(trailers![0], 0x20);
  });

  test('credit that was too little of 65,535 bytes is announced once the smaller window is acknowledged', () => {
    const limits = { ...http2Defaults, streamWindowBytes: 1000 };
    const server = new ConnectionRecorder('server', limits);
    const client = new ConnectionRecorder('client');
    // The client's data comes before its acknowledgement, as it may.
    const feed = (bytes: Buffer): void => server.connection.feed(bytes, 0, bytes.length, 0);
    server.take();
    feed(Buffer.concat([client.take(), frame(FrameType.Headers, FrameFlag.EndHeaders, 1, literals(post))]));
    feed(frame(FrameType.Data, 0, 1, Buffer.alloc(16_000)));
    assert.deepEqual(windowUpdates(server.take(), 1), [], 'granted at once, and less than half of 65,535');
    feed(frame(FrameType.Settings, FrameFlag.Ack, 0));
    assert.deepEqual(windowUpdates(server.take(), 1), [16_000]);
  });

  test('an empty frame ends a stream whose window was made negative (RFC 9113 §6.9.1)', () => {
    const server = new ConnectionRecorder('server', { ...http2Defaults, streamWindowBytes: 1000 });
    server.onRequest = (recorder) => {
      recorder.grants = false;
    };
    const client = new ConnectionRecorder('client');
    const feed = (bytes: Buffer): void => server.connection.feed(bytes, 0, bytes.length, 0);
    feed(Buffer.concat([client.take(), frame(FrameType.Headers, FrameFlag.EndHeaders, 1, literals(post))]));
    feed(
      Buffer.concat([frame(FrameType.Data, 0, 1, Buffer.alloc(5_000)), frame(FrameType.Settings, FrameFlag.Ack, 0)]),
    );
    feed(frame(FrameType.Data, FrameFlag.EndStream, 1));
    assert.deepEqual([server.streams[0]!.code, server.streams[0]!.ended], ['', true]);
  });
});

function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

function windowUpdates(bytes: Buffer, stream: number): number[] {
  return readFrames(bytes)
    .filter(({ type, streamId }) => type === FrameType.WindowUpdate && streamId === stream)
    .map(({ payload }) => payload.readUInt32BE(0));
}

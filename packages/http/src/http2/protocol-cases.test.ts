import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { noEdits } from '../head-edits.ts';
import { Head } from '../head.ts';
import { RequestFacts } from '../http1/message-facts.ts';
import { MethodId } from '../method.ts';
import { ConnectionRecorder, faultsIn, frame, literals, readFrames, StreamRecorder } from './event-recorder.ts';
import { CLIENT_PREFACE, FrameFlag, FrameType } from './frame/frame-type.ts';
import { http2Defaults } from './limits.ts';

/**
 * What a peer may not do, by section of RFC 9113 and row of the attack matrix, and what it is told. A verdict is the list
 * of faults sent: `rst <stream> <code>` or `goaway <code> <detail>`; empty when all is well.
 */
const { Data, Headers, Priority, RstStream, Settings, PushPromise, Ping, Goaway, WindowUpdate, Continuation } =
  FrameType;
const { EndStream, Ack, EndHeaders, Padded } = FrameFlag;
const HEAD = EndHeaders;
const WHOLE = EndHeaders | EndStream;

const pseudo: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.example'],
];
const get = literals(pseudo);
const withFields = (...fields: [string, string][]): Buffer => literals([...pseudo, ...fields]);
const replaced = (name: string, value: string): Buffer =>
  literals(pseudo.map(([key, old]) => [key, key === name ? value : old] as const));
const without = (name: string): Buffer => literals(pseudo.filter(([key]) => key !== name));
const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const setting = (id: number, value: number): Buffer => {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return bytes;
};
const malformed = ['rst 1 protocol-error'];
const request = (block: Buffer): Buffer[] => [frame(Headers, WHOLE, 1, block)];
const post = (length: string, ...data: string[]): Buffer[] => [
  frame(Headers, HEAD, 1, literals([[':method', 'POST'], ...pseudo.slice(1), ['content-length', length]])),
  ...data.map((text, at) => frame(Data, at === data.length - 1 ? EndStream : 0, 1, text)),
];

type Case = readonly [what: string, frames: readonly Buffer[], verdict: readonly string[]];

const serverCases: Readonly<Record<string, readonly Case[]>> = {
  'RFC 9113 §3.4, §6.5 (H2-20)': [
    ['settings on a stream', [frame(Settings, 0, 1)], ['goaway protocol-error settings-on-stream']],
    [
      'an ACK with a payload',
      [frame(Settings, Ack, 0, setting(1, 1))],
      ['goaway frame-size-error settings-ack-with-payload'],
    ],
    ['settings of five bytes', [frame(Settings, 0, 0, 'abcde')], ['goaway frame-size-error bad-settings-size']],
    ['ENABLE_PUSH 2', [frame(Settings, 0, 0, setting(2, 2))], ['goaway protocol-error bad-setting']],
    ['MAX_FRAME_SIZE below 16,384', [frame(Settings, 0, 0, setting(5, 16_383))], ['goaway protocol-error bad-setting']],
    [
      'MAX_FRAME_SIZE above 2^24-1',
      [frame(Settings, 0, 0, setting(5, 2 ** 24))],
      ['goaway protocol-error bad-setting'],
    ],
    [
      'ENABLE_CONNECT_PROTOCOL 2 (RFC 8441 §3)',
      [frame(Settings, 0, 0, setting(8, 2))],
      ['goaway protocol-error bad-setting'],
    ],
    [
      'ENABLE_CONNECT_PROTOCOL taken back',
      [frame(Settings, 0, 0, setting(8, 1)), frame(Settings, 0, 0, setting(8, 0))],
      ['goaway protocol-error bad-setting'],
    ],
    ['unknown settings', [frame(Settings, 0, 0, setting(0x7777, 1))], []],
    [
      'thousands of settings (H2-6)',
      [frame(Settings, 0, 0, Buffer.alloc(12_000))],
      ['goaway enhance-your-calm flood-settings-entries'],
    ],
  ],
  'RFC 9113 §4': [
    ['an unknown frame', [frame(0x77, 0, 0, 'abc')], []],
    ['a frame above the size', [frame(Ping, 0, 0, Buffer.alloc(16_385))], ['goaway frame-size-error frame-too-large']],
    [
      'an unknown frame inside a header block',
      [frame(Headers, 0, 1, get), frame(0x77, 0, 1)],
      ['goaway protocol-error interleaved-header-block'],
    ],
    [
      'DATA inside a header block',
      [frame(Headers, 0, 1, get), frame(Data, 0, 1, 'x')],
      ['goaway protocol-error interleaved-header-block'],
    ],
    [
      'a block that is no HPACK (H2-5)',
      [frame(Headers, WHOLE, 1, Buffer.from([0x80]))],
      ['goaway compression-error index-zero'],
    ],
  ],
  'RFC 9113 §5.1 (H2-10)': [
    ['DATA on an idle stream', [frame(Data, 0, 1, 'x')], ['goaway protocol-error data-on-idle-stream']],
    [
      'RST_STREAM on an idle stream',
      [frame(RstStream, 0, 1, number(8))],
      ['goaway protocol-error reset-of-idle-stream'],
    ],
    [
      'WINDOW_UPDATE on an idle stream',
      [frame(WindowUpdate, 0, 1, number(1))],
      ['goaway protocol-error window-update-on-idle-stream'],
    ],
    [
      'CONTINUATION on an idle stream',
      [frame(Continuation, EndHeaders, 1, get)],
      ['goaway protocol-error unexpected-continuation'],
    ],
    ['an even id', [frame(Headers, WHOLE, 2, get)], ['goaway protocol-error bad-stream-id']],
    ['stream 0', [frame(Headers, WHOLE, 0, get)], ['goaway protocol-error headers-on-stream-0']],
    [
      'a smaller id than before',
      [frame(Headers, WHOLE, 5, get), frame(Headers, WHOLE, 3, get)],
      ['goaway protocol-error bad-stream-id'],
    ],
    ['DATA behind the end', [...request(get), frame(Data, EndStream, 1, 'x')], ['rst 1 stream-closed']],
    ['HEADERS behind the end', [...request(get), ...request(get)], ['rst 1 stream-closed']],
    [
      'CONTINUATION behind the end',
      [...request(get), frame(Continuation, EndHeaders, 1, get)],
      ['goaway protocol-error unexpected-continuation'],
    ],
    [
      'DATA behind RST_STREAM',
      [frame(Headers, HEAD, 1, get), frame(RstStream, 0, 1, number(8)), frame(Data, 0, 1, 'x')],
      ['goaway stream-closed data-on-closed-stream'],
    ],
    [
      'HEADERS behind RST_STREAM',
      [frame(Headers, HEAD, 1, get), frame(RstStream, 0, 1, number(8)), frame(Headers, WHOLE, 1, get)],
      ['goaway stream-closed headers-on-closed-stream'],
    ],
    ['WINDOW_UPDATE behind the end', [...request(get), frame(WindowUpdate, 0, 1, number(1))], []],
    ['the last id there is', [frame(Headers, WHOLE, 2 ** 31 - 1, get)], []],
  ],
  'RFC 9113 §6': [
    ['DATA on stream 0', [frame(Data, 0, 0, 'x')], ['goaway protocol-error data-on-stream-0']],
    [
      'padding as long as the payload',
      [frame(Headers, HEAD, 1, get), frame(Data, Padded, 1, Buffer.from([3, 0, 0]))],
      ['goaway protocol-error padding-too-long'],
    ],
    [
      'padding without its length',
      [frame(Headers, HEAD, 1, get), frame(Data, Padded, 1)],
      ['goaway frame-size-error no-pad-length'],
    ],
    [
      'padding of a head as long as the payload',
      [frame(Headers, WHOLE | Padded, 1, Buffer.from([9, 1]))],
      ['goaway protocol-error padding-too-long'],
    ],
    [
      'padding that fits',
      [frame(Headers, HEAD, 1, get), frame(Data, Padded | EndStream, 1, Buffer.from([2, 0x61, 0, 0]))],
      [],
    ],
    [
      'a head that depends on itself (RFC 7540 §5.3.1)',
      [frame(Headers, WHOLE | 32, 1, Buffer.concat([number(1), Buffer.from([9]), get]))],
      malformed,
    ],
    [
      'PRIORITY that depends on itself (H2-2)',
      [...request(get), frame(Priority, 0, 1, Buffer.concat([number(1), Buffer.from([9])]))],
      malformed,
    ],
    ['PRIORITY of four bytes (H2-2)', [...request(get), frame(Priority, 0, 1, number(0))], ['rst 1 frame-size-error']],
    ['PRIORITY on stream 0', [frame(Priority, 0, 0, Buffer.alloc(5))], ['goaway protocol-error priority-on-stream-0']],
    [
      'what RFC 9113 §5.3.2 took back: dependencies on streams there are none of, and exclusive ones',
      [
        frame(Headers, WHOLE | 32, 1, Buffer.concat([number(2 ** 31 + 77), Buffer.from([255]), get])),
        frame(Priority, 0, 3, Buffer.concat([number(2 ** 31 + 1), Buffer.from([0])])),
        frame(Headers, WHOLE | 32, 3, Buffer.concat([number(5), Buffer.from([0]), get])),
      ],
      [],
    ],
    ['PRIORITY on an idle stream', [frame(Priority, 0, 9, Buffer.alloc(5))], []],
    [
      'RST_STREAM of three bytes',
      [...request(get), frame(RstStream, 0, 1, 'abc')],
      ['goaway frame-size-error bad-rst-stream-size'],
    ],
    ['RST_STREAM on stream 0', [frame(RstStream, 0, 0, number(1))], ['goaway protocol-error reset-of-idle-stream']],
    ['PUSH_PROMISE', [frame(PushPromise, EndHeaders, 1, number(2))], ['goaway protocol-error push-promise']],
    ['PING on a stream', [frame(Ping, 0, 1, '12345678')], ['goaway protocol-error ping-on-stream']],
    ['PING of seven bytes', [frame(Ping, 0, 0, '1234567')], ['goaway frame-size-error bad-ping-size']],
    ['GOAWAY on a stream', [frame(Goaway, 0, 1, Buffer.alloc(8))], ['goaway protocol-error goaway-on-stream']],
    ['GOAWAY of seven bytes', [frame(Goaway, 0, 0, Buffer.alloc(7))], ['goaway frame-size-error bad-goaway-size']],
    [
      'PRIORITY_UPDATE on a stream (RFC 9218 §7.1)',
      [frame(16, 0, 1, 'abcd')],
      ['goaway protocol-error misplaced-priority-update'],
    ],
  ],
  'RFC 9113 §6.9 (H2-9)': [
    [
      'WINDOW_UPDATE of 0 on the connection',
      [frame(WindowUpdate, 0, 0, number(0))],
      ['goaway protocol-error window-update-0'],
    ],
    ['WINDOW_UPDATE of 0 on a stream (H2-2)', [...request(get), frame(WindowUpdate, 0, 1, number(0))], malformed],
    [
      'WINDOW_UPDATE of three bytes',
      [frame(WindowUpdate, 0, 0, 'abc')],
      ['goaway frame-size-error bad-window-update-size'],
    ],
    [
      'a connection window above 2^31-1',
      [frame(WindowUpdate, 0, 0, number(2 ** 31 - 1))],
      ['goaway flow-control-error connection-window-overflow'],
    ],
    [
      'a stream window above 2^31-1 (H2-2)',
      [...request(get), frame(WindowUpdate, 0, 1, number(2 ** 31 - 1))],
      ['rst 1 flow-control-error'],
    ],
    [
      'INITIAL_WINDOW_SIZE above 2^31-1',
      [frame(Settings, 0, 0, setting(4, 2 ** 31))],
      ['goaway flow-control-error initial-window-too-large'],
    ],
    [
      'a setting that takes a stream window above 2^31-1',
      [
        ...request(get),
        frame(WindowUpdate, 0, 1, number(2 ** 31 - 1 - 65_535)),
        frame(Settings, 0, 0, setting(4, 65_536)),
      ],
      ['goaway flow-control-error stream-window-overflow'],
    ],
    ['a window made negative', [...request(get), frame(Settings, 0, 0, setting(4, 0))], []],
    [
      'more DATA than the stream window',
      [frame(Headers, HEAD, 1, get), ...Array.from({ length: 17 }, () => frame(Data, 0, 1, Buffer.alloc(16_384)))],
      ['rst 1 flow-control-error'],
    ],
  ],
  'RFC 9113 §6.10 (H2-3)': [
    [
      'nine CONTINUATION frames',
      [frame(Headers, EndStream, 1, get), ...Array.from({ length: 9 }, () => frame(Continuation, 0, 1, 'x'))],
      ['goaway enhance-your-calm flood-continuation'],
    ],
    [
      'empty CONTINUATION frames',
      [frame(Headers, EndStream, 1, get), ...Array.from({ length: 9 }, () => frame(Continuation, 0, 1))],
      ['goaway enhance-your-calm flood-continuation'],
    ],
    [
      'a block above its bound',
      [
        frame(Headers, EndStream, 1, Buffer.alloc(16_384)),
        ...Array.from({ length: 4 }, () => frame(Continuation, 0, 1, Buffer.alloc(16_384))),
      ],
      ['goaway enhance-your-calm flood-header-block'],
    ],
    [
      'CONTINUATION of another stream',
      [frame(Headers, EndStream, 1, get), frame(Continuation, EndHeaders, 3)],
      ['goaway protocol-error interleaved-header-block'],
    ],
    [
      'a block in two parts',
      [frame(Headers, EndStream, 1, get.subarray(0, 10)), frame(Continuation, EndHeaders, 1, get.subarray(10))],
      [],
    ],
  ],
  'RFC 9113 §8.3 pseudo-header fields (H2-12)': [
    ['a request that is fine', request(get), []],
    ['no :method', request(without(':method')), malformed],
    ['no :scheme', request(without(':scheme')), malformed],
    ['no :path', request(without(':path')), malformed],
    ['no :authority and no host', request(without(':authority')), malformed],
    ['host in its place', request(literals([...pseudo.slice(0, 3), ['host', 'a']])), []],
    ['a :method twice', request(literals([[':method', 'GET'], ...pseudo])), malformed],
    ['a :path twice', request(literals([...pseudo, [':path', '/']])), malformed],
    ['an unknown one', request(literals([...pseudo, [':x', '1']])), malformed],
    [':status in a request', request(literals([...pseudo, [':status', '200']])), malformed],
    ['one behind a field', request(literals([...pseudo.slice(0, 3), ['a', 'b'], [':authority', 'a']])), malformed],
    ['an empty :path', request(replaced(':path', '')), malformed],
    ['a :path that is no path', request(replaced(':path', 'x')), malformed],
    ['a :path with a space', request(replaced(':path', '/ HTTP/1.1')), malformed],
    ['a :path with a line feed', request(replaced(':path', '/\nx')), malformed],
    ['* for GET', request(replaced(':path', '*')), malformed],
    ['a :method with a space', request(replaced(':method', 'GET /')), malformed],
    ['a :method with a line end', request(replaced(':method', 'GET\r\nX: 1')), malformed],
    ['a :method in lower case', request(replaced(':method', 'get')), malformed],
    [':scheme junk', request(replaced(':scheme', 'http://a')), malformed],
    [':authority with user info', request(replaced(':authority', 'u@a')), malformed],
    [':authority that is empty', request(replaced(':authority', '')), malformed],
    ['host that differs', request(withFields(['host', 'b.example'])), malformed],
    ['host that is the same in another case', request(withFields(['host', 'A.Example'])), []],
    [
      'trailers with one',
      [frame(Headers, HEAD, 1, get), frame(Headers, WHOLE, 1, literals([[':path', '/']]))],
      malformed,
    ],
    [
      'trailers that do not end the stream',
      [frame(Headers, HEAD, 1, get), frame(Headers, HEAD, 1, literals([['a', 'b']]))],
      malformed,
    ],
    ['trailers', [frame(Headers, HEAD, 1, get), frame(Headers, WHOLE, 1, literals([['a', 'b']]))], []],
  ],
  'RFC 9113 §8.2 fields (H2-13, H2-14, H2-16)': [
    ['an upper-case name', request(withFields(['X-A', '1'])), malformed],
    ['a name with a colon', request(withFields(['a:b', '1'])), malformed],
    ['a name with a space', request(withFields(['a b', '1'])), malformed],
    ['an empty name', request(withFields(['', '1'])), malformed],
    ['a name with a control character', request(withFields(['a\u0001', '1'])), malformed],
    ['a value with NUL', request(withFields(['a', 'b\0c'])), malformed],
    ['a value with CR', request(withFields(['a', 'b\rc'])), malformed],
    ['a value with a line', request(withFields(['a', 'b\r\nx: y'])), malformed],
    ['a value with white space in front', request(withFields(['a', ' b'])), malformed],
    ['a value with white space behind', request(withFields(['a', 'b\t'])), malformed],
    ['connection', request(withFields(['connection', 'close'])), malformed],
    ['keep-alive', request(withFields(['keep-alive', '1'])), malformed],
    ['proxy-connection', request(withFields(['proxy-connection', 'close'])), malformed],
    ['transfer-encoding', request(withFields(['transfer-encoding', 'chunked'])), malformed],
    ['upgrade', request(withFields(['upgrade', 'h2c'])), malformed],
    ['te other than trailers', request(withFields(['te', 'trailers, gzip'])), malformed],
    ['te: trailers', request(withFields(['te', 'trailers'])), []],
    ['content_length', request(withFields(['content_length', '1'])), malformed],
    [
      'connection in trailers',
      [frame(Headers, HEAD, 1, get), frame(Headers, WHOLE, 1, literals([['connection', 'x']]))],
      malformed,
    ],
  ],
  'RFC 9113 §8.1.1 content-length (H2-15)': [
    ['as much as promised', post('4', 'ab', 'cd'), []],
    ['less', post('5', 'ab', 'cd'), malformed],
    ['more', post('3', 'ab', 'cd'), malformed],
    ['nothing', request(withFields(['content-length', '1'])), malformed],
    ['0 and nothing', request(withFields(['content-length', '0'])), []],
    ['a list', post('4, 4', 'abcd'), malformed],
    ['twice', request(withFields(['content-length', '0'], ['content-length', '0'])), malformed],
    ['signed', post('+4', 'abcd'), malformed],
    [
      'less before trailers',
      [...post('5', 'ab').slice(0, 1), frame(Headers, WHOLE, 1, literals([['a', 'b']]))],
      malformed,
    ],
  ],
  'RFC 9113 §8.5, RFC 8441 (H2-21)': [
    [
      'CONNECT',
      [
        frame(
          Headers,
          HEAD,
          1,
          literals([
            [':method', 'CONNECT'],
            [':authority', 'a:443'],
          ]),
        ),
      ],
      [],
    ],
    [
      'CONNECT with a path',
      request(
        literals([
          [':method', 'CONNECT'],
          [':authority', 'a:443'],
          [':path', '/'],
        ]),
      ),
      malformed,
    ],
    [
      'CONNECT without a port',
      request(
        literals([
          [':method', 'CONNECT'],
          [':authority', 'a'],
        ]),
      ),
      malformed,
    ],
    [':protocol with GET', request(withFields([':protocol', 'websocket'])), malformed],
    [
      'extended CONNECT',
      [frame(Headers, HEAD, 1, literals([[':method', 'CONNECT'], ...pseudo.slice(1), [':protocol', 'websocket']]))],
      [],
    ],
    [
      'extended CONNECT without a path',
      request(
        literals([
          [':method', 'CONNECT'],
          [':scheme', 'http'],
          [':authority', 'a'],
          [':protocol', 'websocket'],
        ]),
      ),
      malformed,
    ],
  ],
  limits: [
    ['a large head', request(withFields(['a', 'x'.repeat(15_000)], ['b', 'x'.repeat(300)])), []],
    [
      'a head of too many bytes gets 431',
      [
        frame(Headers, EndStream, 1, get),
        ...[1, 2, 3].map(() => frame(Continuation, 0, 1, literals([['a', 'x'.repeat(15_900)]]))),
        frame(Continuation, EndHeaders, 1, literals([['a', 'x'.repeat(15_900)]])),
      ],
      ['rst 1 no-error'],
    ],
    ['a target that is too long gets 414', request(replaced(':path', `/${'x'.repeat(8192)}`)), ['rst 1 no-error']],
    [
      'too many fields get 431',
      request(withFields(...Array.from({ length: 97 }, (): [string, string] => ['a', 'b']))),
      ['rst 1 no-error'],
    ],
  ],
};

function serve(frames: readonly Buffer[], connectProtocol = true): ConnectionRecorder {
  const server = new ConnectionRecorder('server', http2Defaults, connectProtocol);
  server.onRequest = (recorder) => {
    recorder.grants = false;
  };
  for (const bytes of [Buffer.from(CLIENT_PREFACE), frame(Settings, 0, 0), ...frames]) {
    server.connection.feed(bytes, 0, bytes.length, 0);
  }
  return server;
}

for (const [section, cases] of Object.entries(serverCases)) {
  describe(`server, ${section}`, () => {
    for (const [what, frames, verdict] of cases) {
      test(`${what}: ${verdict.join(', ') || 'taken'}`, () => {
        const server = serve(frames);
        assert.deepEqual(faultsIn(server.take()), verdict);
        // What is refused as malformed was never seen by anyone.
        if (verdict === malformed && frames.length === 1) assert.equal(server.streams.length, 0);
      });
    }
  });
}

test('H2-20: bytes that are no preface end the connection, and a first frame that is not SETTINGS does', () => {
  for (const [bytes, detail] of [
    [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'bad-preface'],
    [Buffer.concat([Buffer.from(CLIENT_PREFACE), frame(Ping, 0, 0, '12345678')]), 'no-settings-first'],
  ] as const) {
    const server = new ConnectionRecorder('server');
    server.connection.feed(bytes, 0, bytes.length, 0);
    assert.equal(server.detail, detail);
  }
});

test('H2-21: extended CONNECT that was not offered is malformed', () => {
  const block = literals([[':method', 'CONNECT'], ...pseudo.slice(1), [':protocol', 'websocket']]);
  assert.deepEqual(faultsIn(serve([frame(Headers, HEAD, 1, block)], false).take()), malformed);
});

test('RFC 9113 §6.9.2: data that a new window lets out comes behind the ACK of the setting', () => {
  const server = serve([frame(Settings, 0, 0, setting(4, 0)), ...request(get)]);
  server.streams[0]!.stream!.sendReply({ status: 200, fields: [], contentType: 'text/plain', body: 'hello' });
  server.take();
  const wider = frame(Settings, 0, 0, setting(4, 1));
  server.connection.feed(wider, 0, wider.length, 0);
  assert.deepEqual(
    readFrames(server.take()).map(({ type, payload }) => [type, payload.length]),
    [
      [Settings, 0],
      [Data, 1],
    ],
  );
});

test('H2-11: streams above the limit are refused, and the connection lives', () => {
  const server = serve(Array.from({ length: 103 }, (_, at) => frame(Headers, WHOLE, at * 2 + 1, get)));
  assert.deepEqual(faultsIn(server.take()), [
    'rst 201 refused-stream',
    'rst 203 refused-stream',
    'rst 205 refused-stream',
  ]);
  assert.equal(server.streams.length, 100);
});

test('a head above a limit is answered with its status before the stream is reset', () => {
  const cases: readonly (readonly [Buffer, string])[] = [
    [withFields(...Array.from({ length: 97 }, (): [string, string] => ['a', 'b'])), '431'],
    [replaced(':path', `/${'x'.repeat(8192)}`), '414'],
    [withFields(['expect', 'magic']), '417'],
  ];
  for (const [block, status] of cases) {
    const answer = readFrames(serve(request(block)).take()).filter(({ streamId }) => streamId === 1);
    assert.deepEqual(
      answer.map(({ type, flags }) => [type, flags]),
      [
        [Headers, WHOLE],
        [RstStream, 0],
      ],
    );
    assert.ok(answer[0]!.payload.includes(status));
  }
});

test('H2-18: what is dropped counts before it is dropped', () => {
  const block = withFields(...Array.from({ length: 97 }, (): [string, string] => ['expect', '100-continue']));
  assert.deepEqual(serve(request(block)).events.slice(1), ['refused head-too-large too-many-fields']);
});

test('RFC 9113 §8.2.3: crumbs of cookies are one field again, where the first stood', () => {
  const server = serve(
    request(withFields(['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2'], ['host', 'a.example'], ['cookie', 'c=3'])),
  );
  assert.match(server.streams[0]!.events[0]!, / cookie=a=1; b=2; c=3\|x=y\|-host=a\.example$/);
});

test('RFC 9218: a priority is parsed, from the head and from PRIORITY_UPDATE, and passed on', () => {
  const server = serve([frame(Headers, HEAD, 1, withFields(['priority', 'u=1, i']))]);
  const stream = server.streams[0]!.stream!;
  assert.deepEqual([stream.urgency, stream.incremental], [1, true]);
  assert.match(server.streams[0]!.events[0]!, /priority=u=1, i$/);
  const update = frame(16, 0, 0, Buffer.concat([number(1), Buffer.from('u=6')]));
  server.connection.feed(update, 0, update.length, 0);
  assert.deepEqual([stream.urgency, stream.incremental], [6, false]);
});

function whole(bytes: Buffer): [Buffer, number, number, number] {
  return [bytes, 0, bytes.length, 0];
}

/** Floods: what is repeated, and the token it ends with. */
const floods: readonly (readonly [string, string, (at: number) => Buffer[], string])[] = [
  [
    'H2-1',
    'rapid reset',
    (at) => [frame(Headers, WHOLE, at * 2 + 1, get), frame(RstStream, 0, at * 2 + 1, number(8))],
    'flood-reset',
  ],
  [
    'H2-2',
    'MadeYouReset by WINDOW_UPDATE 0',
    (at) => [frame(Headers, WHOLE, at * 2 + 1, get), frame(WindowUpdate, 0, at * 2 + 1, number(0))],
    'flood-reset',
  ],
  [
    'H2-2',
    'MadeYouReset by window overflow',
    (at) => [frame(Headers, WHOLE, at * 2 + 1, get), frame(WindowUpdate, 0, at * 2 + 1, number(2 ** 31 - 1))],
    'flood-reset',
  ],
  [
    'H2-2',
    'MadeYouReset by PRIORITY',
    (at) => [frame(Headers, WHOLE, at * 2 + 1, get), frame(Priority, 0, at * 2 + 1, 'ab')],
    'flood-priority',
  ],
  [
    'H2-2',
    'MadeYouReset by DATA behind the end',
    (at) => [frame(Headers, WHOLE, at * 2 + 1, get), frame(Data, EndStream, at * 2 + 1, 'x')],
    'flood-reset',
  ],
  ['H2-2', 'malformed heads', (at) => [frame(Headers, WHOLE, at * 2 + 1, withFields(['A', 'b']))], 'flood-reset'],
  ['H2-6', 'SETTINGS', () => [frame(Settings, 0, 0)], 'flood-settings'],
  ['H2-6', 'ACKs of nothing', () => [frame(Settings, Ack, 0)], 'flood-settings'],
  ['H2-6', 'PING', () => [frame(Ping, 0, 0, '12345678')], 'flood-ping'],
  ['H2-6', 'PRIORITY', (at) => [frame(Priority, 0, at * 2 + 1, Buffer.alloc(5))], 'flood-priority'],
  [
    'H2-6',
    'PRIORITY_UPDATE',
    (at) => [frame(16, 0, 0, Buffer.concat([number(at * 2 + 1), Buffer.from('u=1')]))],
    'flood-priority',
  ],
  ['H2-6', 'unknown frames', () => [frame(0x77, 0, 0)], 'flood-unknown-frame'],
  ['H2-8', 'WINDOW_UPDATE of one byte', () => [frame(WindowUpdate, 0, 0, number(1))], 'flood-window-update'],
  [
    'H2-7',
    'empty DATA',
    (at) => [...(at === 0 ? [frame(Headers, HEAD, 1, get)] : []), frame(Data, 0, 1)],
    'flood-empty-data',
  ],
  [
    'H2-7',
    'DATA that is all padding',
    (at) => [
      ...(at === 0 ? [frame(Headers, HEAD, 1, get)] : []),
      frame(Data, Padded, 1, Buffer.concat([Buffer.from([255]), Buffer.alloc(256)])),
    ],
    'flood-padding',
  ],
  [
    'H2-4',
    'tables that change size',
    (at) => [frame(Headers, WHOLE, at * 2 + 1, Buffer.concat([Buffer.from('203fe11f', 'hex'), get]))],
    'flood-table-size',
  ],
  ['H2-19', 'GOAWAY', () => [frame(Goaway, 0, 0, Buffer.alloc(8))], 'flood-settings'],
];

describe('floods end with ENHANCE_YOUR_CALM within 500 events, in a burst or spread over a second', () => {
  for (const [row, what, make, token] of floods) {
    for (const stepMs of [0, 2]) {
      test(`${row} ${what}${stepMs === 0 ? '' : ', slowly'}: ${token}`, () => {
        const server = serve([]);
        server.take();
        let events = 0;
        for (; events < 500 && server.errorCode < 0; events += 1) {
          for (const bytes of make(events)) server.connection.feed(bytes, 0, bytes.length, events * stepMs);
          // Whoever answers at once makes room for the next: the worst case for us.
          server.take(events * stepMs);
        }
        assert.equal(server.detail, token);
        assert.equal(server.errorCode, 11);
        assert.ok(server.connection.dead);
      });
    }
  }

  for (const [row, what, make] of floods) {
    test(`${row} ${what}: a flooder that reads nothing costs less than 64 KiB until it is gone`, () => {
      const server = serve([]);
      let events = 0;
      for (; events < 2_000 && server.errorCode < 0; events += 1) {
        for (const bytes of make(events)) server.connection.feed(bytes, 0, bytes.length, events);
      }
      assert.ok(server.connection.dead);
      assert.ok(server.connection.output.length < 65_536, `${server.connection.output.length} bytes wait to be read`);
      assert.equal(server.connection.queuedBytes, 0);
      assert.equal(server.connection.streams, 0);
      for (const { stream } of server.streams) assert.ok(stream!.closed && stream!.queue.length === 0);
    });
  }

  test('H2-4: a bomb of references to one large entry is stopped by what it decodes to', () => {
    const server = serve([]);
    const insert = Buffer.concat([
      Buffer.from('40016b', 'hex'),
      Buffer.from([0x7f, 0xa1, 0x1e]),
      Buffer.alloc(4_000, 0x76),
    ]);
    // 4,000 bytes by one byte each: 15,000 of them would be 60 MB.
    const bomb = Buffer.alloc(15_000, 0xbe);
    server.connection.feed(...whole(frame(Headers, WHOLE, 1, Buffer.concat([get, insert]))));
    let sent = 0;
    for (let id = 3; id < 1_000 && server.errorCode < 0; id += 2, sent += 1) {
      server.connection.feed(...whole(frame(Headers, WHOLE, id, Buffer.concat([get, bomb]))));
      server.take();
    }
    assert.equal(server.detail, 'flood-large-head');
    assert.ok(sent <= 2, `${sent} of them were decoded`);
    assert.equal(server.streams.length, 1, 'none of them was seen by anyone');
  });

  test('H2-4: heads a little too large are answered one by one, and cost one piece of memory over many connections', (context) => {
    const insert = Buffer.concat([Buffer.from('40016b7fa11e', 'hex'), Buffer.alloc(4_000, 0x76)]);
    // 80,000 bytes by twenty: no more than what a head of honest fields comes to.
    const large = Buffer.concat([get, Buffer.alloc(20, 0xbe)]);
    const refuse = (): void => {
      const server = serve([]);
      server.connection.feed(...whole(frame(Headers, WHOLE, 1, Buffer.concat([get, insert]))));
      for (let id = 3; id < 83; id += 2) {
        server.connection.feed(...whole(frame(Headers, WHOLE, id, large)));
        server.take();
      }
      assert.equal(server.errorCode, -1);
    };
    refuse();
    const allocate = context.mock.method(Buffer, 'allocUnsafeSlow');
    for (let connection = 0; connection < 10; connection += 1) refuse();
    const taken = allocate.mock.calls.reduce((sum, { arguments: [bytes] }) => sum + bytes, 0);
    // What a head of ordinary size takes; one of 60 KiB grows through 120.
    assert.ok(taken < 400 * 8 * 1024, `${taken} bytes for 400 heads`);
  });

  test('H2-8: windows that let one byte out at a time end the same way', () => {
    const server = serve([frame(Settings, 0, 0, setting(4, 0)), ...request(get)]);
    server.streams[0]!.stream!.sendReply({
      status: 200,
      fields: [],
      contentType: 'text/plain',
      body: 'x'.repeat(5000),
    });
    let events = 0;
    for (; events < 500 && server.errorCode < 0; events += 1) {
      const bytes = frame(WindowUpdate, 0, 1, number(1));
      server.connection.feed(bytes, 0, bytes.length, events);
      server.take(events);
    }
    assert.equal(server.detail, 'flood-window-update');
  });

  test('honest work is never taken for a flood: 5,000 requests, each with a window update and a ping', () => {
    const server = serve([]);
    server.onRequest = (recorder) => {
      recorder.onWhole = () => {
        recorder.stream!.sendReply({ status: 200, fields: [], contentType: 'text/plain', body: 'fine' });
      };
    };
    for (let at = 0; at < 5000; at += 1) {
      const id = at * 2 + 1;
      for (const bytes of [
        frame(Headers, WHOLE, id, get),
        frame(WindowUpdate, 0, 0, number(4)),
        frame(Ping, 0, 0, '12345678'),
      ]) {
        server.connection.feed(bytes, 0, bytes.length, 0);
      }
      server.take();
    }
    assert.equal(server.detail, '');
    assert.equal(server.streams.length, 5000);
  });
});

/** Client role: a server that does not keep the rules. Stream 1 is an open GET. */
const ok = literals([[':status', '200']]);
const clientCases: readonly (readonly [string, readonly Buffer[], string])[] = [
  ['DATA before the head', [frame(Data, 0, 1, 'x')], 'malformed-response data-before-head'],
  ['no :status', [frame(Headers, WHOLE, 1, literals([['a', 'b']]))], 'malformed-response bad-status'],
  [':status of two digits', [frame(Headers, WHOLE, 1, literals([[':status', '20']]))], 'malformed-response bad-status'],
  [':status 101', [frame(Headers, HEAD, 1, literals([[':status', '101']]))], 'malformed-response status-101'],
  [
    ':path in a response',
    [
      frame(
        Headers,
        WHOLE,
        1,
        literals([
          [':status', '200'],
          [':path', '/'],
        ]),
      ),
    ],
    'malformed-response request-pseudo-field-in-response',
  ],
  [
    'an interim head that ends the stream',
    [frame(Headers, WHOLE, 1, literals([[':status', '103']]))],
    'malformed-response informational-ends-stream',
  ],
  [
    'seventeen interim heads',
    Array.from({ length: 17 }, () => frame(Headers, HEAD, 1, literals([[':status', '103']]))),
    'malformed-response too-many-informational',
  ],
  [
    'connection',
    [
      frame(
        Headers,
        WHOLE,
        1,
        literals([
          [':status', '200'],
          ['connection', 'close'],
        ]),
      ),
    ],
    'malformed-response connection-field',
  ],
  [
    'less than content-length',
    [
      frame(
        Headers,
        HEAD,
        1,
        literals([
          [':status', '200'],
          ['content-length', '4'],
        ]),
      ),
      frame(Data, EndStream, 1, 'abc'),
    ],
    'malformed-response-body content-length-mismatch',
  ],
  [
    'more than content-length',
    [
      frame(
        Headers,
        HEAD,
        1,
        literals([
          [':status', '200'],
          ['content-length', '2'],
        ]),
      ),
      frame(Data, EndStream, 1, 'abc'),
    ],
    'malformed-response-body content-length-mismatch',
  ],
  [
    'a body on 204 (H2-15)',
    [frame(Headers, HEAD, 1, literals([[':status', '204']])), frame(Data, EndStream, 1, 'abc')],
    'malformed-response-body content-length-mismatch',
  ],
  [
    'a length on 204',
    [
      frame(
        Headers,
        WHOLE,
        1,
        literals([
          [':status', '204'],
          ['content-length', '3'],
        ]),
      ),
    ],
    'malformed-response body-not-allowed',
  ],
  [
    'trailers that do not end (H2-17)',
    [frame(Headers, HEAD, 1, ok), frame(Headers, HEAD, 1, literals([['a', 'b']]))],
    'malformed-response-body trailers-without-end',
  ],
  [
    'oversize head (H2-17)',
    [
      frame(
        Headers,
        0,
        1,
        literals([
          [':status', '200'],
          ['a', 'x'.repeat(16_000)],
        ]),
      ),
      ...[1, 2].map(() => frame(Continuation, 0, 1, literals([['a', 'x'.repeat(16_000)]]))),
      frame(Continuation, EndHeaders, 1, literals([['a', 'x'.repeat(16_000)]])),
    ],
    'malformed-response head-too-large',
  ],
  ['PUSH_PROMISE (H2-17)', [frame(PushPromise, EndHeaders, 1, number(2))], 'upstream-reset push-promise'],
  ['a head for a stream nobody opened', [frame(Headers, WHOLE, 3, ok)], 'upstream-reset bad-stream-id'],
  ['a head for an even stream', [frame(Headers, WHOLE, 2, ok)], 'upstream-reset bad-stream-id'],
  ['REFUSED_STREAM', [frame(RstStream, 0, 1, number(7))], 'stream-refused reset-refused-stream'],
  ['RST_STREAM before the head', [frame(RstStream, 0, 1, number(2))], 'upstream-reset reset-internal-error'],
  [
    'RST_STREAM in the body',
    [frame(Headers, HEAD, 1, ok), frame(RstStream, 0, 1, number(2))],
    'upstream-cut reset-internal-error',
  ],
  [
    'RST_STREAM NO_ERROR behind a whole response (H2-17)',
    [frame(Headers, WHOLE, 1, ok), frame(RstStream, 0, 1, number(0))],
    ' ',
  ],
  ['GOAWAY below it (H2-19)', [frame(Goaway, 0, 0, Buffer.alloc(8))], 'stream-refused goaway'],
  [
    'GOAWAY that takes ids back and gives them again (H2-19)',
    [
      frame(Goaway, 0, 0, Buffer.concat([number(1), number(0)])),
      frame(Goaway, 0, 0, Buffer.concat([number(3), number(0)])),
    ],
    'upstream-reset goaway-id-rises',
  ],
  ['ENABLE_PUSH 1 from a server', [frame(Settings, 0, 0, setting(2, 1))], 'upstream-reset bad-setting'],
];

describe('client, a server that breaks the rules', () => {
  for (const [what, frames, verdict] of clientCases) {
    test(`${what}: ${verdict.trim() || 'the response stays whole'}`, () => {
      const client = new ConnectionRecorder('client');
      const sink = new StreamRecorder();
      const head = new Head();
      head.methodId = MethodId.Get;
      const facts = new RequestFacts();
      facts.host = 'a';
      facts.target = '/';
      sink.stream = client.connection.open(sink, head, noEdits, facts)!;
      for (const bytes of [frame(Settings, 0, 0), ...frames]) client.connection.feed(bytes, 0, bytes.length, 0);
      assert.equal(`${sink.code} ${sink.detail}`, verdict);
      if (verdict === ' ') assert.equal(sink.ended, true);
    });
  }
});

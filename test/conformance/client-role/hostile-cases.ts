import { Buffer } from 'node:buffer';
import { FrameFlag, FrameType, frame, literals } from '../../../packages/http/src/http2/event-recorder.ts';

/**
 * What a server may do to a client, by section of RFC 9113: the same that h2spec asks of servers, seen from the other side,
 * and what only clients meet. The client has asked for `GET /` on stream 1.
 */
export interface HostileCase {
  readonly section: string;
  readonly name: string;
  /** What the server says behind its SETTINGS and the request; in place of its SETTINGS when `unsettled`. */
  readonly frames: readonly Buffer[];
  readonly unsettled?: true;
  /** Of the codec alone: behind a proxy it depends on how fast the caller reads. */
  readonly codecOnly?: true;
  /** Said so many times, as far as the client lets it. */
  readonly times?: number;
  /**
   * `connection <codes>`: GOAWAY of one of these codes and the end of the connection. `stream <codes>`: RST_STREAM of stream 1,
   * or the same of the connection. `answer <text>`: the caller has this. `reply <hex>`: the client says this frame.
   * `refused`: the request failed, and nothing is said against the server.
   */
  readonly verdict: string;
}

const { Data, Headers, Priority, RstStream, Settings, PushPromise, Ping, Goaway, WindowUpdate, Continuation } =
  FrameType;
const { EndStream, Ack, EndHeaders, Padded } = FrameFlag;
const WHOLE = EndHeaders | EndStream;
const PROTOCOL = 'protocol-error';
const SIZE = 'frame-size-error';
const FLOW = 'flow-control-error';
const CALM = 'enhance-your-calm';

type Fields = readonly (readonly [string, string])[];
const status = (code: string, ...fields: Fields): Buffer => literals([[':status', code], ...fields]);
const ok = status('200');
const head = frame(Headers, EndHeaders, 1, ok);
const whole = [head, frame(Data, EndStream, 1, 'fine')];
const respond = (block: Buffer): Buffer[] => [frame(Headers, WHOLE, 1, block)];
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
/** With undefined bits set: flags, and the reserved one of the stream id. */
const odd = (bytes: Buffer, flags: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[4]! |= flags;
  copy[5]! |= 0x80;
  return copy;
};

type Row = readonly [name: string, frames: readonly Buffer[], verdict: string];

const fine = 'answer 200 fine';
const table: Readonly<Record<string, readonly Row[]>> = {
  '4.1': [
    ['a frame of an unknown type', [frame(0x16, 0, 0, 'x'.repeat(8)), ...whole], fine],
    ['undefined flags and the reserved bit', [odd(head, 0x42), odd(whole[1]!, 0x42)], fine],
    ['PING with undefined flags', [odd(frame(Ping, 0, 0, '12345678'), 0x16), ...whole], fine],
  ],
  '4.2': [
    ['DATA of 16,384 bytes', [head, frame(Data, EndStream, 1, Buffer.alloc(16_384, 0x61))], 'answer 200'],
    ['DATA above SETTINGS_MAX_FRAME_SIZE', [head, frame(Data, 0, 1, Buffer.alloc(16_385))], `stream ${SIZE}`],
    ['HEADERS above it', [frame(Headers, WHOLE, 1, Buffer.alloc(16_385))], `connection ${SIZE}`],
    ['PING of 16,385 bytes', [frame(Ping, 0, 0, Buffer.alloc(16_385))], `connection ${SIZE}`],
  ],
  '4.3': [
    ['a block that is no HPACK', respond(Buffer.from('40ff80ffffffffff', 'hex')), 'connection compression-error'],
    ['an index that names nothing', respond(Buffer.from('be', 'hex')), 'connection compression-error'],
    ['a table above the setting', respond(Buffer.from('3fe1ffff03', 'hex')), 'connection compression-error'],
    [
      'PRIORITY inside a block',
      [frame(Headers, 0, 1, ok), frame(Priority, 0, 1, Buffer.alloc(5)), frame(Continuation, EndHeaders, 1)],
      `connection ${PROTOCOL}`,
    ],
    [
      'HEADERS of another stream inside a block',
      [frame(Headers, 0, 1, ok), frame(Headers, WHOLE, 3, ok)],
      `connection ${PROTOCOL}`,
    ],
    ['DATA inside a block', [frame(Headers, 0, 1, ok), frame(Data, 0, 1, 'x')], `connection ${PROTOCOL}`],
  ],
  '5.1': [
    ['DATA on an idle stream', [frame(Data, EndStream, 3, 'x')], `connection ${PROTOCOL}`],
    ['HEADERS on an idle stream', [frame(Headers, WHOLE, 3, ok)], `connection ${PROTOCOL}`],
    ['RST_STREAM on an idle stream', [frame(RstStream, 0, 3, number(8))], `connection ${PROTOCOL}`],
    ['WINDOW_UPDATE on an idle stream', [frame(WindowUpdate, 0, 3, number(1))], `connection ${PROTOCOL}`],
    ['PRIORITY on an idle stream', [frame(Priority, 0, 3, Buffer.alloc(5)), ...whole], fine],
    ['WINDOW_UPDATE behind the end', [...whole, frame(WindowUpdate, 0, 1, number(1))], fine],
    ['RST_STREAM behind the end', [...whole, frame(RstStream, 0, 1, number(0))], fine],
    ['DATA behind the end', [...whole, frame(Data, EndStream, 1, 'x')], 'connection stream-closed'],
    ['HEADERS behind the end', [...whole, frame(Headers, WHOLE, 1, ok)], 'connection stream-closed'],
    [
      'DATA behind RST_STREAM',
      [head, frame(RstStream, 0, 1, number(8)), frame(Data, 0, 1, 'x')],
      'connection stream-closed',
    ],
  ],
  '5.1.1': [
    ['HEADERS on stream 0', [frame(Headers, WHOLE, 0, ok)], `connection ${PROTOCOL}`],
    ['HEADERS on an even stream', [frame(Headers, WHOLE, 2, ok)], `connection ${PROTOCOL}`],
  ],
  '5.3.1': [
    [
      'HEADERS that depend on themselves (RFC 7540; RFC 9113 took it back)',
      [frame(Headers, WHOLE | 0x20, 1, Buffer.concat([number(1), Buffer.from([9]), ok]))],
      `stream ${PROTOCOL} or answer 200`,
    ],
  ],
  '6.1': [
    ['DATA on stream 0', [frame(Data, 0, 0, 'x')], `connection ${PROTOCOL}`],
    [
      'padding as long as the payload',
      [head, frame(Data, Padded, 1, Buffer.from([3, 0, 0]))],
      `connection ${PROTOCOL}`,
    ],
    ['padding without its length', [head, frame(Data, Padded, 1)], `connection ${SIZE}`],
    ['padding that fits', [head, frame(Data, Padded | EndStream, 1, Buffer.from('\u0002fine\0\0'))], fine],
  ],
  '6.2': [
    [
      'padding of a head beyond it',
      [frame(Headers, WHOLE | Padded, 1, Buffer.from([9, 0x88]))],
      `connection ${PROTOCOL}`,
    ],
    ['a head of no fields', [frame(Headers, WHOLE, 1)], `stream ${PROTOCOL}`],
  ],
  '6.3': [
    ['PRIORITY on stream 0', [frame(Priority, 0, 0, Buffer.alloc(5))], `connection ${PROTOCOL}`],
    ['PRIORITY of four bytes', [frame(Priority, 0, 1, Buffer.alloc(4))], `stream ${SIZE}`],
  ],
  '6.4': [
    ['RST_STREAM on stream 0', [frame(RstStream, 0, 0, number(8))], `connection ${PROTOCOL}`],
    ['RST_STREAM of three bytes', [frame(RstStream, 0, 1, 'abc')], `connection ${SIZE}`],
    ['RST_STREAM before the head', [frame(RstStream, 0, 1, number(2))], 'refused'],
    ['REFUSED_STREAM', [frame(RstStream, 0, 1, number(7))], 'refused'],
    ['NO_ERROR behind a whole response', [...whole, frame(RstStream, 0, 1, number(0))], fine],
  ],
  '6.5': [
    ['an ACK with a payload', [frame(Settings, Ack, 0, 'x')], `connection ${SIZE}`],
    ['SETTINGS on a stream', [frame(Settings, 0, 1)], `connection ${PROTOCOL}`],
    ['SETTINGS of three bytes', [frame(Settings, 0, 0, 'abc')], `connection ${SIZE}`],
    ['SETTINGS are acknowledged', [frame(Settings, 0, 0), ...whole], 'reply 000000040100000000'],
  ],
  '6.5.2': [
    ['ENABLE_PUSH 1, which no server may say', [frame(Settings, 0, 0, setting(2, 1))], `connection ${PROTOCOL}`],
    ['ENABLE_PUSH 2', [frame(Settings, 0, 0, setting(2, 2))], `connection ${PROTOCOL}`],
    ['INITIAL_WINDOW_SIZE above 2^31-1', [frame(Settings, 0, 0, setting(4, 2 ** 31))], `connection ${FLOW}`],
    ['MAX_FRAME_SIZE below 16,384', [frame(Settings, 0, 0, setting(5, 16_383))], `connection ${PROTOCOL}`],
    ['MAX_FRAME_SIZE above 2^24-1', [frame(Settings, 0, 0, setting(5, 2 ** 24))], `connection ${PROTOCOL}`],
    ['an unknown setting', [frame(Settings, 0, 0, setting(0x77, 9)), ...whole], fine],
    ['ENABLE_CONNECT_PROTOCOL 2 (RFC 8441 §3)', [frame(Settings, 0, 0, setting(8, 2))], `connection ${PROTOCOL}`],
    [
      'ENABLE_CONNECT_PROTOCOL taken back',
      [frame(Settings, 0, 0, setting(8, 1)), frame(Settings, 0, 0, setting(8, 0))],
      `connection ${PROTOCOL}`,
    ],
  ],
  '6.6': [
    ['PUSH_PROMISE', [frame(PushPromise, EndHeaders, 1, Buffer.concat([number(2), ok]))], `connection ${PROTOCOL}`],
    ['PUSH_PROMISE on stream 0', [frame(PushPromise, EndHeaders, 0, number(2))], `connection ${PROTOCOL}`],
  ],
  '6.7': [
    ['PING is answered', [frame(Ping, 0, 0, 'fromhost'), ...whole], 'reply 00000806010000000066726f6d686f7374'],
    ['an answer to no PING', [frame(Ping, Ack, 0, 'fromhost'), ...whole], fine],
    ['PING on a stream', [frame(Ping, 0, 1, '12345678')], `connection ${PROTOCOL}`],
    ['PING of six bytes', [frame(Ping, 0, 0, '123456')], `connection ${SIZE}`],
  ],
  '6.8': [
    ['GOAWAY on a stream', [frame(Goaway, 0, 1, Buffer.alloc(8))], `connection ${PROTOCOL}`],
    ['GOAWAY of seven bytes', [frame(Goaway, 0, 0, Buffer.alloc(7))], `connection ${SIZE}`],
    ['GOAWAY that leaves the request in', [frame(Goaway, 0, 0, Buffer.concat([number(1), number(0)])), ...whole], fine],
    ['GOAWAY that leaves the request out', [frame(Goaway, 0, 0, Buffer.alloc(8))], 'refused'],
    [
      'GOAWAY in two phases',
      [
        frame(Goaway, 0, 0, Buffer.concat([number(2 ** 31 - 1), number(0)])),
        frame(Goaway, 0, 0, Buffer.concat([number(1), number(0)])),
        ...whole,
      ],
      fine,
    ],
    [
      'GOAWAY whose last id rises',
      [
        frame(Goaway, 0, 0, Buffer.concat([number(1), number(0)])),
        frame(Goaway, 0, 0, Buffer.concat([number(5), number(0)])),
      ],
      `connection ${PROTOCOL}`,
    ],
  ],
  '6.9': [
    ['WINDOW_UPDATE of 0', [frame(WindowUpdate, 0, 0, number(0))], `connection ${PROTOCOL}`],
    ['WINDOW_UPDATE of three bytes', [frame(WindowUpdate, 0, 0, 'abc')], `connection ${SIZE}`],
    ['WINDOW_UPDATE above 2^31-1', [frame(WindowUpdate, 0, 0, number(2 ** 31 - 1))], `connection ${FLOW}`],
  ],
  '6.10': [
    [
      'a head in three parts',
      [
        frame(Headers, 0, 1, ok.subarray(0, 3)),
        frame(Continuation, 0, 1, ok.subarray(3, 6)),
        frame(Continuation, EndHeaders, 1, ok.subarray(6)),
        whole[1]!,
      ],
      fine,
    ],
    ['CONTINUATION of nothing', [frame(Continuation, EndHeaders, 1, ok)], `connection ${PROTOCOL}`],
    [
      'CONTINUATION behind the end of its block',
      [head, frame(Continuation, EndHeaders, 1, ok)],
      `connection ${PROTOCOL}`,
    ],
    [
      'CONTINUATION on stream 0',
      [frame(Headers, 0, 1, ok), frame(Continuation, EndHeaders, 0)],
      `connection ${PROTOCOL}`,
    ],
    [
      'CONTINUATION of another stream',
      [frame(Headers, 0, 1, ok), frame(Continuation, EndHeaders, 3)],
      `connection ${PROTOCOL}`,
    ],
    [
      'CONTINUATION without end (CVE-2024-27316)',
      [
        frame(Headers, 0, 1, ok),
        ...Array.from({ length: 40 }, () => frame(Continuation, 0, 1, literals([['a', 'b']]))),
      ],
      `connection ${CALM}`,
    ],
  ],
  '8.1': [
    ['interim heads before the head', [frame(Headers, EndHeaders, 1, status('103')), ...whole], fine],
    ['trailers', [head, frame(Data, 0, 1, 'fine'), frame(Headers, WHOLE, 1, literals([['x-a', 'b']]))], fine],
    ['DATA before the head', [frame(Data, 0, 1, 'x')], `stream ${PROTOCOL}`],
    ['an interim head that ends the stream', respond(status('103')), `stream ${PROTOCOL}`],
    [
      'trailers that do not end the stream',
      [head, frame(Headers, EndHeaders, 1, literals([['a', 'b']]))],
      `stream ${PROTOCOL}`,
    ],
    ['trailers with a pseudo-header field', [head, frame(Headers, WHOLE, 1, ok)], `stream ${PROTOCOL}`],
    ['101', [frame(Headers, EndHeaders, 1, status('101'))], `stream ${PROTOCOL}`],
    [
      'interim heads without end',
      Array.from({ length: 60 }, () => frame(Headers, EndHeaders, 1, status('103'))),
      `stream ${CALM}`,
    ],
  ],
  '8.1.1': [
    [
      'less than content-length',
      [frame(Headers, EndHeaders, 1, status('200', ['content-length', '9'])), whole[1]!],
      `stream ${PROTOCOL}`,
    ],
    [
      'more than content-length',
      [frame(Headers, EndHeaders, 1, status('200', ['content-length', '1'])), whole[1]!],
      `stream ${PROTOCOL}`,
    ],
    [
      'as much as content-length',
      [frame(Headers, EndHeaders, 1, status('200', ['content-length', '4'])), whole[1]!],
      fine,
    ],
    ['two lengths', respond(status('200', ['content-length', '0'], ['content-length', '0'])), `stream ${PROTOCOL}`],
    ['a body on 204', [frame(Headers, EndHeaders, 1, status('204')), whole[1]!], `stream ${PROTOCOL}`],
  ],
  '8.2': [
    ['a name in upper case', respond(status('200', ['X-A', 'b'])), `stream ${PROTOCOL}`],
    ['a name with a space', respond(status('200', ['a b', 'c'])), `stream ${PROTOCOL}`],
    ['a value with a line end', respond(status('200', ['a', 'b\r\nc: d'])), `stream ${PROTOCOL}`],
    ['a value with NUL', respond(status('200', ['a', 'b\0'])), `stream ${PROTOCOL}`],
    ['connection', respond(status('200', ['connection', 'close'])), `stream ${PROTOCOL}`],
    ['transfer-encoding', respond(status('200', ['transfer-encoding', 'chunked'])), `stream ${PROTOCOL}`],
    ['upgrade', respond(status('200', ['upgrade', 'h2c'])), `stream ${PROTOCOL}`],
  ],
  '8.3': [
    ['no :status', respond(literals([['a', 'b']])), `stream ${PROTOCOL}`],
    [':status twice', respond(status('200', [':status', '200'])), `stream ${PROTOCOL}`],
    [
      ':status behind a field',
      respond(
        literals([
          ['a', 'b'],
          [':status', '200'],
        ]),
      ),
      `stream ${PROTOCOL}`,
    ],
    [':status that is no number', respond(status('2x0')), `stream ${PROTOCOL}`],
    [':status of four digits', respond(status('2000')), `stream ${PROTOCOL}`],
    [':path in a response', respond(status('200', [':path', '/'])), `stream ${PROTOCOL}`],
    ['an unknown pseudo-header field', respond(status('200', [':x', 'y'])), `stream ${PROTOCOL}`],
  ],
};

const floods: readonly (readonly [string, Buffer])[] = [
  ['SETTINGS (CVE-2019-9515)', frame(Settings, 0, 0)],
  ['acknowledgements of nothing', frame(Settings, Ack, 0)],
  ['PING (CVE-2019-9512)', frame(Ping, 0, 0, '12345678')],
  ['PRIORITY', frame(Priority, 0, 3, Buffer.alloc(5))],
  ['WINDOW_UPDATE of one byte', frame(WindowUpdate, 0, 0, number(1))],
  ['frames of an unknown type', frame(0x77, 0, 0)],
  ['GOAWAY', frame(Goaway, 0, 0, Buffer.concat([number(1), number(0)]))],
];

export const hostileCases: readonly HostileCase[] = [
  {
    section: '3.4',
    name: 'a first frame that is not SETTINGS',
    frames: [frame(Ping, 0, 0, '12345678')],
    unsettled: true,
    verdict: `connection ${PROTOCOL}`,
  },
  {
    section: '3.4',
    name: 'HTTP/1.1 in place of SETTINGS',
    frames: [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    unsettled: true,
    verdict: `connection ${PROTOCOL},${SIZE}`,
  },
  ...Object.entries(table).flatMap(([section, rows]) =>
    rows.map(([name, frames, verdict]): HostileCase => ({ section, name, frames, verdict })),
  ),
  {
    section: '6.9.1',
    name: 'more DATA than the stream window',
    frames: [head, ...Array.from({ length: 17 }, () => frame(Data, 0, 1, Buffer.alloc(16_384)))],
    codecOnly: true,
    verdict: `stream ${FLOW}`,
  },
  ...floods.map(([name, bytes]): HostileCase => ({
    section: '10.5',
    name,
    frames: [bytes],
    times: 500,
    verdict: `connection ${CALM}`,
  })),
  {
    section: '10.5',
    name: 'empty DATA (CVE-2019-9518)',
    frames: [head, ...Array.from({ length: 500 }, () => frame(Data, 0, 1))],
    verdict: `connection ${CALM}`,
  },
];

import { Buffer } from 'node:buffer';
import { createServer } from 'node:http2';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { duplexPair } from 'node:stream';
import { ConnectionRecorder, frame, readFrames } from '../event-recorder.ts';
import { http2ErrorName } from '../error-code.ts';
import { FrameFlag, FrameType } from '../frame/frame-type.ts';

/** What a server made of a client's bytes. */
export interface Reading {
  /** Requests that were read to their end: `method target authority` and the body. */
  readonly whole: ReadonlyMap<number, string>;
  /** Streams reset, by code. */
  readonly resets: ReadonlyMap<number, string>;
  /** Code of the GOAWAY that ended it; empty while it lives. */
  readonly death: string;
  /** Why, in our words; empty for the other. */
  readonly details: readonly string[];
}

/** The last words of each input: when they are answered, everything before has been read. */
export const LAST_WORDS = 'fuzz-end';
export const PATIENCE_TURNS = 60;

/** Our codec. Every whole request is answered, as the other does. */
export function readOurs(bytes: Buffer): Reading {
  const server = new ConnectionRecorder('server');
  const details: string[] = [];
  server.onRequest = (request) => {
    request.onWhole = () =>
      request.stream!.sendReply({ status: 200, fields: [], contentType: 'text/plain', body: 'ok' });
  };
  server.connection.feed(bytes, 0, bytes.length, 0);
  const output = server.take();
  const whole = new Map<number, string>();
  for (const { stream, head, ended, data, detail } of server.streams) {
    if (detail !== '') details.push(detail);
    if (!ended) continue;
    const target = head!.query === '' ? head!.path : `${head!.path}?${head!.query}`;
    whole.set(stream!.id, `${head!.method} ${target} ${head!.authority} ${data}`);
  }
  for (const event of server.events) if (/^(?:refused|ended) /.test(event)) details.push(event.split(' ').at(-1)!);
  return { whole, ...faultsOf(output), details };
}

/** nghttp2, as node:http2 has it. One server for all inputs; each gets a session of its own. */
export class Nghttp2Reader {
  private readonly server: Http2Server;
  private whole: Map<number, string>;

  constructor() {
    this.whole = new Map();
    this.server = createServer();
    this.server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.onStream(stream, headers),
    );
    this.server.on('sessionError', () => {});
  }

  async read(bytes: Buffer): Promise<Reading> {
    const whole = new Map<number, string>();
    this.whole = whole;
    const [near, far] = duplexPair();
    const output: Buffer[] = [];
    const seen = { closed: false, answered: false };
    far.on('data', (chunk: Buffer) => {
      output.push(chunk);
      seen.answered ||= chunk.includes(LAST_WORDS);
    });
    for (const side of [near, far]) side.on('error', () => {}).on('close', () => (seen.closed = true));
    this.server.emit('connection', near);
    far.write(bytes);
    far.write(frame(FrameType.Ping, 0, 0, LAST_WORDS));
    // Bytes may leave it in the middle of a frame, and then it answers nothing: so many turns are enough for all it does.
    for (let turn = 0; turn < PATIENCE_TURNS && !seen.answered && !seen.closed; turn += 1) await nextTurn();
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    const said = Buffer.concat(output);
    far.destroy();
    near.destroy();
    const { resets, death } = faultsOf(said);
    return { whole, resets, death: death === '' && seen.closed ? 'closed' : death, details: [] };
  }

  private onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const { whole } = this;
    let body = '';
    stream.setEncoding('latin1');
    stream.on('error', () => {});
    stream.on('data', (text: string) => (body += text));
    stream.on('end', () => {
      const authority = headers[':authority'] ?? headers.host ?? '';
      if (!stream.aborted && stream.id !== undefined) {
        whole.set(stream.id, `${headers[':method']} ${headers[':path'] ?? ''} ${authority} ${body}`);
      }
      if (stream.destroyed || stream.headersSent) return;
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
  }
}

/** The bytes of an input with its last words, for the reader that is fed at once. */
export function withLastWords(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, frame(FrameType.Ping, 0, 0, LAST_WORDS)]);
}

export function faultsOf(bytes: Buffer): { resets: Map<number, string>; death: string } {
  const resets = new Map<number, string>();
  let death = '';
  for (const { type, flags, streamId, payload } of readFrames(bytes)) {
    if (type === FrameType.RstStream && payload.length === 4) {
      const code = http2ErrorName(payload.readUInt32BE(0));
      if (code !== 'no-error') resets.set(streamId, code);
    } else if (type === FrameType.Goaway && payload.length >= 8 && (flags & FrameFlag.Ack) === 0) {
      const code = http2ErrorName(payload.readUInt32BE(4));
      if (code !== 'no-error') death = code;
    }
  }
  return { resets, death };
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

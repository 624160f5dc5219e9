/**
 * A gRPC server that misbehaves in HTTP/2, by the descriptions of gRPC's negative HTTP/2 interop tests, on Node's own HTTP/2. It speaks
 * `grpc.testing.TestService/UnaryCall` and nothing else.
 */
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { constants, createServer } from 'node:http2';
import type { Http2Server, Http2Session, ServerHttp2Stream } from 'node:http2';

export const badServerCases = [
  'goaway',
  'rst_after_header',
  'rst_during_data',
  'rst_after_data',
  'ping',
  'max_streams',
] as const;
export type BadServerCase = (typeof badServerCases)[number];

const HEADERS = { ':status': 200, 'content-type': 'application/grpc', 'grpc-encoding': 'identity' };
/** A PING stands between pieces of so many bytes. */
const PIECE_BYTES = 16_384;

export class BadGrpcServer {
  private readonly what: BadServerCase;
  private readonly server: Http2Server;
  /** With the streams that each has open. */
  private readonly sessions: Map<Http2Session, number>;
  /** What went against the case's rules; seen from this side. */
  private readonly faults: string[];
  private connections: number;
  private calls: number;
  private pingsSent: number;
  private pingsAnswered: number;

  private constructor(what: BadServerCase) {
    this.what = what;
    this.sessions = new Map();
    this.faults = [];
    this.connections = 0;
    this.calls = 0;
    this.pingsSent = 0;
    this.pingsAnswered = 0;
    const settings = what === 'max_streams' ? { maxConcurrentStreams: 1 } : {};
    this.server = createServer({ settings });
    this.server.on('session', (session) => this.begin(session));
    this.server.on('stream', (stream) => this.serve(stream as ServerHttp2Stream));
  }

  static async start(what: BadServerCase, port: number): Promise<BadGrpcServer> {
    const server = new BadGrpcServer(what);
    server.server.listen(port, '127.0.0.1');
    await once(server.server, 'listening');
    return server;
  }

  /** Throws when whoever called did what the case forbids, or did not call `wanted` times. */
  judge(wanted: number): void {
    const { what, calls, connections, faults } = this;
    if (calls !== wanted) throw new Error(`${calls} calls came, not ${wanted}`);
    if (what === 'goaway' && connections < 2) throw new Error('the call behind a GOAWAY came on the same connection');
    if (what === 'ping' && (this.pingsSent === 0 || this.pingsAnswered !== this.pingsSent)) {
      throw new Error(`${this.pingsAnswered} of ${this.pingsSent} PINGs were answered`);
    }
    if (faults.length > 0) throw new Error(faults.join('; '));
  }

  close(): void {
    for (const session of this.sessions.keys()) session.destroy();
    this.server.close();
  }

  private begin(session: Http2Session): void {
    this.sessions.set(session, 0);
    this.connections += 1;
    session.on('error', () => {});
    session.on('close', () => this.sessions.delete(session));
  }

  private serve(stream: ServerHttp2Stream): void {
    this.calls += 1;
    const session = stream.session!;
    const open = (this.sessions.get(session) ?? 0) + 1;
    this.sessions.set(session, open);
    if (this.what === 'max_streams' && open > 1) this.faults.push(`${open} streams on a connection that allows one`);
    stream.on('error', () => {});
    stream.on('close', () => this.sessions.set(session, this.sessions.get(session)! - 1));
    const pieces: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => {
      pieces.push(chunk);
      if (this.what === 'ping') this.ping(stream);
    });
    if (this.what === 'rst_after_header') {
      stream.respond(HEADERS);
      // In a frame of its own, and not instead of the head.
      setImmediate(() => resetBare(stream));
      return;
    }
    stream.on('end', () => this.answer(stream, response(responseSize(Buffer.concat(pieces)))));
  }

  private answer(stream: ServerHttp2Stream, message: Buffer): void {
    const { what } = this;
    stream.respond(HEADERS, { waitForTrailers: what !== 'rst_after_data' && what !== 'rst_during_data' });
    if (what === 'rst_during_data' || what === 'rst_after_data') {
      const part = what === 'rst_during_data' ? message.subarray(0, message.length / 2) : message;
      stream.write(part, () => resetBare(stream));
      return;
    }
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': '0' });
      // Of the stream just served: none above it will be.
      if (what === 'goaway' && this.calls === 1) stream.session?.goaway(constants.NGHTTP2_NO_ERROR, stream.id ?? 0);
    });
    if (what === 'ping') {
      for (let at = 0; at < message.length; at += PIECE_BYTES) {
        this.ping(stream);
        stream.write(message.subarray(at, at + PIECE_BYTES));
      }
      stream.end();
    } else stream.end(message);
  }

  private ping(stream: ServerHttp2Stream): void {
    // Node lets ten wait for their answer.
    const sent = stream.session?.ping((error) => {
      if (error === null) this.pingsAnswered += 1;
    });
    if (sent === true) this.pingsSent += 1;
  }
}

/**
 * RST_STREAM with NO_ERROR and nothing before it, as the Python server of those tests sends it. `stream.close` ends the stream in order first.
 */
function resetBare(stream: ServerHttp2Stream): void {
  const symbol = Object.getOwnPropertySymbols(stream).find(({ description }) => description === 'kHandle');
  const fields = stream as unknown as Record<symbol, { rstStream(code: number): void } | undefined>;
  const handle = symbol === undefined ? undefined : fields[symbol];
  if (handle === undefined) throw new Error('this Node keeps the handle of a stream elsewhere');
  handle.rstStream(constants.NGHTTP2_NO_ERROR);
}

/** `SimpleRequest.response_size` (field 2) of a gRPC message. */
function responseSize(bytes: Buffer): number {
  const message = bytes.subarray(5, 5 + bytes.readUInt32BE(1));
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    if ((key & 7) === 0) {
      const value = varint();
      if (key >> 3 === 2) return value;
    } else {
      const length = varint();
      at += length;
    }
  }
  return 0;
}

/** A `SimpleResponse` whose payload (field 1) has a body (field 2) of so many zeros, as a gRPC message. */
function response(size: number): Buffer {
  const body = Buffer.concat([Buffer.from([0x12]), varintOf(size), Buffer.alloc(size)]);
  const message = Buffer.concat([Buffer.from([0x0a]), varintOf(body.length), body]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  while (left >= 0x80) {
    bytes.push((left & 0x7f) | 0x80);
    left = Math.floor(left / 128);
  }
  return Buffer.from([...bytes, left]);
}

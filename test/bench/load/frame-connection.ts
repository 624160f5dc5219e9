/**
 * HTTP/2 by the frame, for load that no client library makes: streams that stay open, messages one by one, and what a client
 * must not send. It trusts its peer, decodes no fields, and keeps to the peer's windows.
 */
import type { Socket } from 'node:net';

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** 64 bytes behind the five that gRPC sets before each message. */
export const messageBytes = 69;

const WINDOW_START = 65_535;
const WINDOW_MOST = 0x7fffffff;
/** Received without telling the peer: far below what it was granted. */
const UNTOLD_MOST = 1 << 28;
const INITIAL_WINDOW_SIZE = 4;
const MAX_CONCURRENT_STREAMS = 3;

export interface FrameStream {
  readonly id: number;
  window: number;
  /** Bytes to be sent when the windows allow. */
  owed: number;
  /** The end is to follow what is owed. */
  ending: boolean;
  received: number;
  untold: number;
  answered: boolean;
}

export interface FrameEvents {
  /** Fields came: a request, an answer, or trailers. */
  headers(stream: FrameStream, end: boolean): void;
  data(stream: FrameStream, length: number, end: boolean): void;
  /** The stream or, for 0, the connection ends. */
  ended(streamId: number): void;
}

export function frame(type: number, flag: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flag;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, 9);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

/** A literal field that enters no table, its name written out. */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

/** RFC 7541 5.2, without Huffman; up to 16,511 bytes. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const { length } = bytes;
  if (length < 127) return Buffer.concat([Buffer.from([length]), bytes]);
  const rest = length - 127;
  return Buffer.concat([Buffer.from(rest < 128 ? [127, rest] : [127, (rest & 127) | 128, rest >> 7]), bytes]);
}

/** A gRPC call of a method, or a GET of `/`. */
export function requestFields(host: string, grpc: boolean): Buffer {
  // Of the static table: 2 GET, 3 POST, 6 http, 4 path "/", 1 :authority.
  const authority = Buffer.concat([Buffer.from([0x01]), text(host)]);
  if (!grpc) return Buffer.concat([Buffer.from([0x82, 0x86, 0x84]), authority]);
  const path = Buffer.concat([Buffer.from([0x04]), text('/bench.Echo/Stream')]);
  const rest = [field('content-type', 'application/grpc'), field('te', 'trailers')];
  return Buffer.concat([Buffer.from([0x83, 0x86]), path, authority, ...rest]);
}

const answerFields = Buffer.concat([Buffer.from([0x88]), field('content-type', 'application/grpc')]);
const trailerFields = field('grpc-status', '0');
const body = Buffer.alloc(67, 'x');
const plainAnswer = Buffer.concat([Buffer.from([0x88]), field('content-length', String(body.length))]);
/** Messages one behind the other, longer than any frame that is sent. */
const messages = Buffer.alloc(
  messageBytes * 300,
  Buffer.concat([Buffer.from([0, 0, 0, 0, 64]), Buffer.alloc(64, 'm')]),
);
const FRAME_MOST = 16_384;

export class FrameConnection {
  readonly socket: Socket;
  readonly streams: Map<number, FrameStream>;
  private readonly events: FrameEvents;
  private readonly server: boolean;
  private rest: Buffer;
  private readonly out: Buffer[];
  private window: number;
  private startWindow: number;
  private untold: number;
  private nextId: number;
  private greeted: boolean;
  /** What the peer last complained about; empty while it did not. */
  farewell: string;

  constructor(socket: Socket, server: boolean, events: FrameEvents) {
    this.socket = socket;
    this.server = server;
    this.events = events;
    this.streams = new Map();
    this.rest = Buffer.alloc(0);
    this.out = [];
    this.window = WINDOW_START;
    this.startWindow = WINDOW_START;
    this.untold = 0;
    this.nextId = 1;
    this.greeted = !server;
    this.farewell = '';
    if (!server) this.out.push(preface);
    const settings = [...setting(INITIAL_WINDOW_SIZE, WINDOW_MOST), ...setting(MAX_CONCURRENT_STREAMS, 1_000)];
    this.out.push(frame(frameTypes.settings, 0, 0, Buffer.from(settings)));
    this.out.push(frame(frameTypes.windowUpdate, 0, 0, uint32(WINDOW_MOST - WINDOW_START)));
    socket.on('data', (bytes: Buffer) => this.feed(bytes));
    socket.on('error', () => {});
    socket.once('close', () => events.ended(0));
    this.flush();
  }

  /** A new stream of this client. Fields of `requestFields`; what is written goes out with `flush`. */
  open(fields: Uint8Array, end: boolean): FrameStream {
    const stream = this.add(this.nextId);
    this.nextId += 2;
    const flag = flags.endHeaders | (end ? flags.endStream : 0);
    this.out.push(frame(frameTypes.headers, flag, stream.id, fields));
    return stream;
  }

  /** Whatever a well-behaved peer would not send. */
  raw(bytes: Buffer): void {
    this.out.push(bytes);
  }

  /** One message more on this stream, now or when the peer lets us. */
  sendMessage(stream: FrameStream): void {
    stream.owed += messageBytes;
    this.pay(stream);
  }

  /** What `upstream` does: answers, sends back what it is sent, and ends with a status. */
  answer(stream: FrameStream, end: boolean): void {
    if (end && !stream.answered) {
      this.out.push(frame(frameTypes.headers, flags.endHeaders, stream.id, plainAnswer));
      this.out.push(frame(frameTypes.data, flags.endStream, stream.id, body));
      this.streams.delete(stream.id);
      return;
    }
    if (!stream.answered) this.out.push(frame(frameTypes.headers, flags.endHeaders, stream.id, answerFields));
    stream.answered = true;
    if (end) this.end(stream);
  }

  echo(stream: FrameStream, length: number, end: boolean): void {
    stream.owed += length;
    if (end) this.end(stream);
    this.pay(stream);
  }

  /** One write for all that was said in a turn. */
  flush(): void {
    if (this.out.length > 0) this.socket.write(this.out.length === 1 ? this.out[0]! : Buffer.concat(this.out));
    this.out.length = 0;
  }

  private end(stream: FrameStream): void {
    stream.ending = true;
    this.pay(stream);
  }

  private pay(stream: FrameStream): void {
    while (stream.owed > 0) {
      const length = Math.min(stream.owed, stream.window, this.window, FRAME_MOST);
      if (length <= 0) return;
      stream.owed -= length;
      stream.window -= length;
      this.window -= length;
      this.out.push(frame(frameTypes.data, 0, stream.id, messages.subarray(0, length)));
    }
    if (!stream.ending) return;
    this.out.push(frame(frameTypes.headers, flags.endHeaders | flags.endStream, stream.id, trailerFields));
    this.streams.delete(stream.id);
  }

  private add(id: number): FrameStream {
    const stream = { id, window: this.startWindow, owed: 0, ending: false, received: 0, untold: 0, answered: false };
    this.streams.set(id, stream);
    return stream;
  }

  private feed(bytes: Buffer): void {
    let all = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    if (!this.greeted) {
      if (all.length < preface.length) {
        this.rest = all;
        return;
      }
      this.greeted = true;
      all = all.subarray(preface.length);
    }
    let at = 0;
    while (all.length - at >= 9) {
      const length = all.readUIntBE(at, 3);
      if (all.length - at < 9 + length) break;
      this.take(
        all[at + 3]!,
        all[at + 4]!,
        all.readUInt32BE(at + 5) & WINDOW_MOST,
        all.subarray(at + 9, at + 9 + length),
      );
      at += 9 + length;
    }
    this.rest = all.subarray(at);
    this.flush();
  }

  private take(type: number, flag: number, id: number, payload: Buffer): void {
    if (type === frameTypes.data) this.takeData(flag, id, payload.length);
    else if (type === frameTypes.headers) {
      const stream = this.streams.get(id) ?? (this.server ? this.add(id) : undefined);
      if (stream !== undefined) this.events.headers(stream, (flag & flags.endStream) !== 0);
    } else if (type === frameTypes.windowUpdate) this.takeCredit(id, payload.readUInt32BE(0) & WINDOW_MOST);
    else if (type === frameTypes.settings && (flag & flags.ack) === 0) this.takeSettings(payload);
    else if (type === frameTypes.ping && (flag & flags.ack) === 0) {
      this.out.push(frame(frameTypes.ping, flags.ack, 0, payload));
    } else if (type === frameTypes.reset) {
      this.farewell = `stream ${id} reset with ${payload.readUInt32BE(0)}`;
      this.streams.delete(id);
      this.events.ended(id);
    } else if (type === frameTypes.goaway) {
      this.farewell = `goaway ${payload.readUInt32BE(4)} ${payload.toString('latin1', 8)}`;
    }
  }

  private takeData(flag: number, id: number, length: number): void {
    this.untold += length;
    if (this.untold > UNTOLD_MOST) {
      this.out.push(frame(frameTypes.windowUpdate, 0, 0, uint32(this.untold)));
      this.untold = 0;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.untold += length;
    if (stream.untold > UNTOLD_MOST) {
      this.out.push(frame(frameTypes.windowUpdate, 0, id, uint32(stream.untold)));
      stream.untold = 0;
    }
    this.events.data(stream, length, (flag & flags.endStream) !== 0);
  }

  private takeCredit(id: number, credit: number): void {
    if (id === 0) {
      this.window += credit;
      for (const stream of this.streams.values()) if (stream.owed > 0) this.pay(stream);
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.window += credit;
    if (stream.owed > 0) this.pay(stream);
  }

  private takeSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const window = payload.readUInt32BE(at + 2);
      for (const stream of this.streams.values()) stream.window += window - this.startWindow;
      this.startWindow = window;
    }
    this.out.push(frame(frameTypes.settings, flags.ack, 0, Buffer.alloc(0)));
    for (const stream of this.streams.values()) if (stream.owed > 0) this.pay(stream);
  }
}

function setting(id: number, value: number): number[] {
  return [id >> 8, id & 255, value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255];
}

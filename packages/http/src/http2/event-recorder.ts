import { Buffer } from 'node:buffer';
import type { TerminationCode } from '@weft/outcome';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';
import { Http2Connection } from './connection.ts';
import type { Http2ConnectionSink } from './connection.ts';
import { http2ErrorName } from './error-code.ts';
import { FrameType } from './frame/frame-type.ts';
import { http2Defaults } from './limits.ts';
import type { Http2Limits } from './limits.ts';
import type { Http2Stream, Http2StreamSink } from './stream/stream.ts';

/** For scripts of frames outside the package. */
export { FrameFlag, FrameType } from './frame/frame-type.ts';

/** What one stream heard, as text; neighbouring data is joined, since where it is cut depends on the bytes' splitting. */
export class StreamRecorder implements Http2StreamSink {
  readonly events: string[] = [];
  stream: Http2Stream | undefined = undefined;
  head: Head | undefined = undefined;
  data = '';
  code: TerminationCode | '' = '';
  detail = '';
  ended = false;
  drains = 0;
  /** Grants what it hears at once. */
  grants = true;
  /** Called at the end of a message. */
  onWhole: (recorder: StreamRecorder) => void = () => {};

  onHead(head: Head): void {
    this.head = head;
    this.events.push(`head ${describe(head)}`);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (start >= end) throw new Error('empty data');
    const text = chunk.toString('latin1', start, end);
    this.data += text;
    if (this.events.at(-1)?.startsWith('data ') === true) this.events[this.events.length - 1] += text;
    else this.events.push(`data ${text}`);
    if (this.grants) this.stream?.grant(end - start);
  }

  onTrailers(trailers: Head): void {
    this.events.push(`trailers ${fieldsOf(trailers)}`);
  }

  onEnd(): void {
    if (this.ended) throw new Error('ended twice');
    this.ended = true;
    this.events.push('end');
    this.onWhole(this);
  }

  onTermination(code: TerminationCode, detail: string): void {
    if (this.code !== '') throw new Error('terminated twice');
    this.code = code;
    this.detail = detail;
    this.events.push(`termination ${code} ${detail}`);
  }

  onDrained(): void {
    this.drains += 1;
  }
}

/** A connection and everything it says, for tests and the fuzzer. */
export class ConnectionRecorder implements Http2ConnectionSink {
  readonly connection: Http2Connection;
  readonly events: string[] = [];
  readonly streams: StreamRecorder[] = [];
  outputs = 0;
  pongs = 0;
  errorCode = -1;
  detail = '';
  /** Called for each request before its head. */
  onRequest: (recorder: StreamRecorder) => void = () => {};

  constructor(role: 'client' | 'server', limits: Http2Limits = http2Defaults, connectProtocol = true) {
    this.connection = new Http2Connection({ role, limits, scheme: 'http', connectProtocol }, this);
  }

  onStream(stream: Http2Stream): void {
    const recorder = new StreamRecorder();
    recorder.stream = stream;
    stream.sink = recorder;
    this.streams.push(recorder);
    this.onRequest(recorder);
  }

  onRefusedHead(code: TerminationCode, detail: string): void {
    this.events.push(`refused ${code} ${detail}`);
  }

  onOutput(): void {
    this.outputs += 1;
  }

  onSettings(): void {
    this.events.push('settings');
  }

  onPong(): void {
    this.pongs += 1;
  }

  onStreamClosed(): void {}

  onGoaway(errorCode: number, detail: string): void {
    this.events.push(`goaway ${errorCode} ${detail}`);
  }

  onConnectionEnd(code: TerminationCode, errorCode: number, detail: string): void {
    if (this.errorCode >= 0) throw new Error('ended twice');
    this.errorCode = errorCode;
    this.detail = detail;
    this.events.push(`ended ${code} ${http2ErrorName(errorCode)} ${detail}`);
  }

  /** Everything heard, streams last. */
  transcript(): string[] {
    return [...this.events, ...this.streams.flatMap((stream, at) => stream.events.map((event) => `${at}: ${event}`))];
  }

  /** Takes the output as the transport would. */
  take(nowMs = 0): Buffer {
    const { output } = this.connection;
    const bytes = Buffer.from(output.buffer.subarray(0, output.length));
    this.connection.written(nowMs);
    return bytes;
  }
}

/** A frame as bytes. */
export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, body]);
}

/** A header block of literals that touch no table. */
export function literals(fields: readonly (readonly [string, string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) {
    parts.push(Buffer.from([0]), text(name), text(value));
  }
  return Buffer.concat(parts);
}

/** The frames in bytes as `TYPE stream payload-facts`, without a client's preface. */
export function readFrames(bytes: Buffer): { type: number; flags: number; streamId: number; payload: Buffer }[] {
  const frames = [];
  let pos = bytes.subarray(0, 3).toString() === 'PRI' ? 24 : 0;
  while (pos + 9 <= bytes.length) {
    const length = bytes.readUIntBE(pos, 3);
    frames.push({
      type: bytes[pos + 3]!,
      flags: bytes[pos + 4]!,
      streamId: bytes.readUInt32BE(pos + 5),
      payload: bytes.subarray(pos + 9, pos + 9 + length),
    });
    pos += 9 + length;
  }
  return frames;
}

/** What a peer was told of faults: `rst 1 protocol-error`, `goaway enhance-your-calm flood-ping`. */
export function faultsIn(bytes: Buffer): string[] {
  const faults: string[] = [];
  for (const { type, streamId, payload } of readFrames(bytes)) {
    if (type === FrameType.RstStream) faults.push(`rst ${streamId} ${http2ErrorName(payload.readUInt32BE(0))}`);
    else if (type === FrameType.Goaway) {
      faults.push(`goaway ${http2ErrorName(payload.readUInt32BE(4))} ${payload.toString('latin1', 8)}`.trim());
    }
  }
  return faults;
}

/** Passes bytes between two connections until both are quiet. `cut` splits what is passed. */
export function exchange(
  client: ConnectionRecorder,
  server: ConnectionRecorder,
  cut: (bytes: Buffer) => Buffer[] = (bytes) => [bytes],
  nowMs = 0,
): void {
  for (let round = 0; round < 10_000; round += 1) {
    const up = client.take(nowMs);
    const down = server.take(nowMs);
    if (up.length === 0 && down.length === 0) return;
    for (const piece of cut(up)) server.connection.feed(piece, 0, piece.length, nowMs);
    for (const piece of cut(down)) client.connection.feed(piece, 0, piece.length, nowMs);
  }
  throw new Error('two connections never come to rest');
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}

function describe(head: Head): string {
  const start = head.status === 0 ? `${head.method} ${head.path}?${head.query}@${head.authority}` : String(head.status);
  return `${start} framing=${head.framing} length=${head.contentLength} upgrade=${head.upgrade} te=${head.acceptsTrailers} ${fieldsOf(head)}`;
}

function fieldsOf(head: Head): string {
  const fields: string[] = [];
  for (let index = 0; index < head.count; index += 1) {
    fields.push(`${head.flags[index] === FieldFlag.Drop ? '-' : ''}${head.name(index)}=${head.value(index)}`);
  }
  return fields.join('|');
}

import { Buffer } from 'node:buffer';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';

const FRAME_HEAD_BYTES = 5;
/** The frame that carries trailers (PROTOCOL-WEB, "Message framing"). */
const TRAILERS = 0x80;
const NOTHING = Buffer.alloc(0);

/**
 * The trailers of a response as the last frame of a gRPC-Web body: `0x80`, length, and HTTP/1 lines with lower-case names.
 * Null gives an empty frame.
 */
export function grpcWebTrailerFrame(trailers: Head | null): Buffer {
  let lines = '';
  if (trailers !== null) {
    for (let index = 0; index < trailers.count; index += 1) {
      if (trailers.flags[index] === FieldFlag.Drop) continue;
      lines += `${trailers.name(index)}: ${trailers.value(index)}\r\n`;
    }
  }
  return grpcWebFrame(lines);
}

/** The same for lines of our own. */
export function grpcWebFrame(lines: string): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + lines.length);
  frame[0] = TRAILERS;
  frame.writeUInt32BE(lines.length, 1);
  frame.write(lines, FRAME_HEAD_BYTES, 'latin1');
  return frame;
}

/**
 * The body of a gRPC response as base64 (`application/grpc-web-text`), over any split. Nothing of a message is held back
 * once it is whole: padding is written at the end of each message that needs it, and nowhere else.
 */
export class GrpcWebTextEncoder {
  private held: Buffer;
  /** Bytes of the frame head that are there, and its length so far. */
  private headBytes: number;
  private length: number;
  /** Bytes of the present message that are to come. */
  private left: number;

  constructor() {
    this.held = NOTHING;
    this.headBytes = 0;
    this.length = 0;
    this.left = 0;
  }

  /** Base64 text as bytes, in a buffer of its own; at times empty. */
  encode(chunk: Buffer, start: number, end: number): Buffer {
    let text = '';
    let from = start;
    for (let at = start; at < end;) {
      at = this.advance(chunk, at, end);
      if (this.headBytes < FRAME_HEAD_BYTES || this.left > 0) continue;
      text += this.take(chunk, from, at, true);
      from = at;
      this.headBytes = 0;
      this.length = 0;
    }
    if (from < end) text += this.take(chunk, from, end, false);
    return text === '' ? NOTHING : Buffer.from(text, 'latin1');
  }

  /** What is still held, when the body ends inside a message; a new one may follow. */
  finish(): Buffer {
    const { held } = this;
    this.held = NOTHING;
    this.headBytes = 0;
    this.length = 0;
    this.left = 0;
    return held.length === 0 ? held : Buffer.from(held.toString('base64'), 'latin1');
  }

  /** Reads on in the frame head or the message; the place behind what was read. */
  private advance(chunk: Buffer, at: number, end: number): number {
    if (this.headBytes < FRAME_HEAD_BYTES) {
      if (this.headBytes > 0) this.length = this.length * 256 + chunk[at]!;
      this.headBytes += 1;
      if (this.headBytes === FRAME_HEAD_BYTES) this.left = this.length;
      return at + 1;
    }
    const taken = Math.min(this.left, end - at);
    this.left -= taken;
    return at + taken;
  }

  /** All whole groups of three bytes, or everything with padding. */
  private take(chunk: Buffer, from: number, to: number, all: boolean): string {
    const piece = chunk.subarray(from, to);
    const bytes = this.held.length === 0 ? piece : Buffer.concat([this.held, piece]);
    const whole = all ? bytes.length : bytes.length - (bytes.length % 3);
    // The chunk is the reader's and is used again.
    this.held = whole === bytes.length ? NOTHING : Buffer.from(bytes.subarray(whole));
    return bytes.toString('base64', 0, whole);
  }
}

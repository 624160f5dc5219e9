import { Buffer } from 'node:buffer';
import { Http2ErrorCode } from '../error-code.ts';
import { CLIENT_PREFACE, FRAME_HEADER_BYTES, FrameFlag, FrameType, MAX_FRAME_BYTES } from './frame-type.ts';

/** Takes frames as they are read. Calls come synchronously from `feed`. */
export interface FrameHandler {
  /** A whole frame other than DATA: payload[start, end), valid during the call. */
  onFrame(type: number, flags: number, streamId: number, payload: Buffer, start: number, end: number): void;
  /** A DATA frame begins; `payloadBytes` counts padding too. False drops its bytes. */
  onDataFrame(flags: number, streamId: number, payloadBytes: number, paddingBytes: number): void;
  /** Some of its data, without padding, never empty. */
  onDataBytes(chunk: Buffer, start: number, end: number): void;
  /** It is over. */
  onDataFrameEnd(): void;
  /** The bytes are no frames (RFC 9113 §4.2); nothing is read any more. */
  onFrameFault(errorCode: number, detail: string): void;
}

/**
 * Bytes to frames (RFC 9113 §4), whatever the bytes were split into.
 *
 *   Preface -> Header -> Whole   -> Header     a frame in one piece, held back until it is
 *                    \-> Skip    -> Header     a type we do not know, which we must not hold (§5.5)
 *                    \-> PadLength -> Data -> Padding -> Header
 *   any -> Dead
 */
const State = { Preface: 0, Header: 1, Whole: 2, Skip: 3, PadLength: 4, Data: 5, Padding: 6, Dead: 7 } as const;

const preface = Buffer.from(CLIENT_PREFACE, 'latin1');

export class FrameReader {
  private readonly handler: FrameHandler;
  private state: number;
  /** A header or a frame that no chunk held whole; [0, `held`) are meaningful. Given back when it is large. */
  private hold: Buffer;
  private held: number;
  private length: number;
  private type: number;
  private flags: number;
  private streamId: number;
  private remaining: number;
  private padding: number;
  /** Frames that have begun so far. */
  framesRead: number;

  /** `expectsPreface`: bytes begin with the client's connection preface. */
  constructor(handler: FrameHandler, expectsPreface: boolean) {
    this.handler = handler;
    this.state = expectsPreface ? State.Preface : State.Header;
    this.hold = Buffer.allocUnsafeSlow(64);
    this.held = 0;
    this.length = 0;
    this.type = 0;
    this.flags = 0;
    this.streamId = 0;
    this.remaining = 0;
    this.padding = 0;
    this.framesRead = 0;
  }

  /** The bytes read so far end between two frames. */
  get between(): boolean {
    return this.state === State.Header && this.held === 0;
  }

  /** A frame that is not DATA has begun and is not whole. */
  get inFrame(): boolean {
    return this.state === State.Whole || this.state === State.Skip || (this.state === State.Header && this.held > 0);
  }

  /** The first bytes were not an HTTP/2 connection's, as far as can be told. */
  get inPreface(): boolean {
    return this.state === State.Preface;
  }

  /** Stops reading: `feed` does nothing any more. */
  stop(): void {
    this.state = State.Dead;
    this.hold = Buffer.alloc(0);
  }

  /** Reads chunk[start, end). The chunk is not kept. */
  feed(chunk: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end) {
      switch (this.state) {
        case State.Header:
          pos = this.feedHeader(chunk, pos, end);
          break;
        case State.Whole:
          pos = this.feedWhole(chunk, pos, end);
          break;
        case State.Data:
          pos = this.feedData(chunk, pos, end);
          break;
        case State.PadLength:
          this.startPadded(chunk[pos]!);
          pos += 1;
          break;
        case State.Padding:
          pos = this.feedPadding(pos, end);
          break;
        case State.Skip: {
          const count = end - pos < this.remaining ? end - pos : this.remaining;
          this.remaining -= count;
          pos += count;
          if (this.remaining === 0) this.finish(chunk, pos, pos);
          break;
        }
        case State.Preface:
          if (chunk[pos] !== preface[this.held]) {
            this.fault(Http2ErrorCode.ProtocolError, 'bad-preface');
            return;
          }
          pos += 1;
          this.held += 1;
          if (this.held === preface.length) {
            this.held = 0;
            this.state = State.Header;
          }
          break;
        default:
          return;
      }
    }
  }

  private feedHeader(chunk: Buffer, pos: number, end: number): number {
    if (this.held === 0 && end - pos >= FRAME_HEADER_BYTES) {
      this.readHeader(chunk, pos);
      pos += FRAME_HEADER_BYTES;
    } else {
      while (pos < end && this.held < FRAME_HEADER_BYTES) this.hold[this.held++] = chunk[pos++]!;
      if (this.held < FRAME_HEADER_BYTES) return pos;
      this.held = 0;
      this.readHeader(this.hold, 0);
    }
    // A frame without payload, or one that the chunk holds, needs no further byte to be whole.
    if (this.state === State.Whole && end - pos >= this.length) return this.feedWhole(chunk, pos, end);
    if (this.state === State.Skip && this.length === 0) this.finish(chunk, pos, pos);
    else if (this.state === State.Data && this.length === 0) this.endData();
    return pos;
  }

  private readHeader(bytes: Buffer, at: number): void {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const type = bytes[at + 3]!;
    this.length = length;
    this.type = type;
    this.flags = bytes[at + 4]!;
    // RFC 9113 §4.1: the reserved bit is ignored.
    this.streamId = ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
    this.framesRead += 1;
    // RFC 9113 §3.4: SETTINGS comes first from either side.
    if (this.framesRead === 1 && (type !== FrameType.Settings || (this.flags & FrameFlag.Ack) !== 0)) {
      this.fault(Http2ErrorCode.ProtocolError, 'no-settings-first');
    } else if (length > MAX_FRAME_BYTES) this.fault(Http2ErrorCode.FrameSizeError, 'frame-too-large');
    else if (type === FrameType.Data) this.startData();
    else if (type <= FrameType.Continuation || type === FrameType.PriorityUpdate) this.state = State.Whole;
    else {
      this.state = State.Skip;
      this.remaining = length;
    }
  }

  private feedWhole(chunk: Buffer, pos: number, end: number): number {
    const missing = this.length - this.held;
    if (this.held === 0 && end - pos >= missing) {
      this.finish(chunk, pos, pos + missing);
      return pos + missing;
    }
    const count = end - pos < missing ? end - pos : missing;
    if (this.held + count > this.hold.length) this.growHold();
    chunk.copy(this.hold, this.held, pos, pos + count);
    this.held += count;
    if (count === missing) {
      const hold = this.hold;
      this.held = 0;
      if (hold.length > 2048) this.hold = Buffer.allocUnsafeSlow(64);
      this.finish(hold, 0, this.length);
    }
    return pos + count;
  }

  private finish(payload: Buffer, start: number, end: number): void {
    this.state = State.Header;
    this.handler.onFrame(this.type, this.flags, this.streamId, payload, start, end);
  }

  private startData(): void {
    if ((this.flags & FrameFlag.Padded) !== 0) {
      if (this.length === 0) this.fault(Http2ErrorCode.FrameSizeError, 'no-pad-length');
      else this.state = State.PadLength;
      return;
    }
    this.state = State.Data;
    this.remaining = this.length;
    this.padding = 0;
    this.handler.onDataFrame(this.flags, this.streamId, this.length, 0);
  }

  private startPadded(padLength: number): void {
    // RFC 9113 §6.1: padding as long as the payload or longer.
    if (padLength >= this.length) {
      this.fault(Http2ErrorCode.ProtocolError, 'padding-too-long');
      return;
    }
    this.remaining = this.length - 1 - padLength;
    this.padding = padLength;
    this.state = State.Data;
    this.handler.onDataFrame(this.flags, this.streamId, this.length, padLength + 1);
    if (this.state === State.Data && this.remaining === 0) this.endData();
  }

  private feedData(chunk: Buffer, pos: number, end: number): number {
    const stop = end - pos < this.remaining ? end : pos + this.remaining;
    this.remaining -= stop - pos;
    this.handler.onDataBytes(chunk, pos, stop);
    if (this.remaining === 0 && this.state === State.Data) this.endData();
    return stop;
  }

  private endData(): void {
    if (this.padding > 0) {
      this.state = State.Padding;
      return;
    }
    this.state = State.Header;
    this.handler.onDataFrameEnd();
  }

  private feedPadding(pos: number, end: number): number {
    const count = end - pos < this.padding ? end - pos : this.padding;
    this.padding -= count;
    if (this.padding === 0) {
      this.state = State.Header;
      this.handler.onDataFrameEnd();
    }
    return pos + count;
  }

  private growHold(): void {
    const grown = Buffer.allocUnsafeSlow(this.length);
    this.hold.copy(grown, 0, 0, this.held);
    this.hold = grown;
  }

  private fault(errorCode: number, detail: string): void {
    this.stop();
    this.handler.onFrameFault(errorCode, detail);
  }
}

import type { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, MAX_FRAME_BYTES } from './frame-type.ts';

/** Appends a frame header (RFC 9113 §4.1). */
export function writeFrameHeader(out: ByteWriter, length: number, type: number, flags: number, streamId: number): void {
  out.reserve(FRAME_HEADER_BYTES);
  const buffer = out.buffer;
  const at = out.length;
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
  buffer[at + 3] = type;
  buffer[at + 4] = flags;
  putNumber(buffer, at + 5, streamId);
  out.length = at + FRAME_HEADER_BYTES;
}

/** A DATA frame of source[start, end), at most `MAX_FRAME_BYTES`. */
export function writeData(
  out: ByteWriter,
  streamId: number,
  flags: number,
  source: Buffer,
  start: number,
  end: number,
): void {
  writeFrameHeader(out, end - start, FrameType.Data, flags, streamId);
  out.copy(source, start, end);
}

/** Begins a HEADERS frame whose block is appended next; returns where it begins, for `endHeaders`. */
export function beginHeaders(out: ByteWriter, streamId: number, endStream: boolean): number {
  const at = out.length;
  writeFrameHeader(out, 0, FrameType.Headers, endStream ? FrameFlag.EndStream : 0, streamId);
  return at;
}

/** Puts the length in and, when the block takes more than one frame, CONTINUATION headers between its parts. */
export function endHeaders(out: ByteWriter, at: number, streamId: number): void {
  const blockStart = at + FRAME_HEADER_BYTES;
  const blockBytes = out.length - blockStart;
  if (blockBytes <= MAX_FRAME_BYTES) {
    putLength(out.buffer, at, blockBytes);
    out.buffer[at + 4]! |= FrameFlag.EndHeaders;
    return;
  }
  const more = Math.ceil(blockBytes / MAX_FRAME_BYTES) - 1;
  out.reserve(more * FRAME_HEADER_BYTES);
  const buffer = out.buffer;
  putLength(buffer, at, MAX_FRAME_BYTES);
  // From the last part to the first, so that none is written over before it has moved.
  for (let part = more; part >= 1; part -= 1) {
    const from = blockStart + part * MAX_FRAME_BYTES;
    const length = part === more ? blockBytes - part * MAX_FRAME_BYTES : MAX_FRAME_BYTES;
    const to = from + part * FRAME_HEADER_BYTES;
    buffer.copyWithin(to, from, from + length);
    const header = to - FRAME_HEADER_BYTES;
    putLength(buffer, header, length);
    buffer[header + 3] = FrameType.Continuation;
    buffer[header + 4] = part === more ? FrameFlag.EndHeaders : 0;
    putNumber(buffer, header + 5, streamId);
  }
  out.length += more * FRAME_HEADER_BYTES;
}

export function writeRstStream(out: ByteWriter, streamId: number, errorCode: number): void {
  writeFrameHeader(out, 4, FrameType.RstStream, 0, streamId);
  writeNumber(out, errorCode);
}

export function writeWindowUpdate(out: ByteWriter, streamId: number, bytes: number): void {
  writeFrameHeader(out, 4, FrameType.WindowUpdate, 0, streamId);
  writeNumber(out, bytes);
}

/** SETTINGS of [id, value] pairs. */
export function writeSettings(out: ByteWriter, settings: readonly (readonly [number, number])[]): void {
  writeFrameHeader(out, settings.length * 6, FrameType.Settings, 0, 0);
  for (const [id, value] of settings) {
    out.byte(id >>> 8);
    out.byte(id);
    writeNumber(out, value);
  }
}

export function writeSettingsAck(out: ByteWriter): void {
  writeFrameHeader(out, 0, FrameType.Settings, FrameFlag.Ack, 0);
}

/** PING with eight bytes of payload from `at` on. */
export function writePing(out: ByteWriter, ack: boolean, payload: Buffer, at: number): void {
  writeFrameHeader(out, 8, FrameType.Ping, ack ? FrameFlag.Ack : 0, 0);
  out.copy(payload, at, at + 8);
}

/** GOAWAY; `detail` is a short token of ours and goes as debug data. */
export function writeGoaway(out: ByteWriter, lastStreamId: number, errorCode: number, detail: string): void {
  writeFrameHeader(out, 8 + detail.length, FrameType.Goaway, 0, 0);
  writeNumber(out, lastStreamId);
  writeNumber(out, errorCode);
  out.latin1(detail);
}

function writeNumber(out: ByteWriter, value: number): void {
  out.reserve(4);
  putNumber(out.buffer, out.length, value);
  out.length += 4;
}

function putNumber(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

function putLength(buffer: Buffer, at: number, length: number): void {
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
}

import { Buffer } from 'node:buffer';
import { ByteWriter } from '@weft/kernel';
import { Http2ErrorCode } from '../error-code.ts';
import { FrameFlag } from './frame-type.ts';

const NOTHING = Buffer.alloc(0);

/** What a frame of a block came to. */
export const BlockState = { Refused: 0, Partial: 1, Whole: 2 } as const;
export type BlockState = (typeof BlockState)[keyof typeof BlockState];

/** Bounds of one block; `Http2Limits` has them. */
export interface HeaderBlockLimits {
  readonly blockBytes: number;
  readonly continuations: number;
}

/**
 * One header block out of HEADERS and its CONTINUATION frames (RFC 9113 §6.2, §6.10). In one frame it is read where it
 * lies; else its parts are collected, counted in bytes and in frames.
 *
 *   None -HEADERS-> Partial -CONTINUATION-> Partial -END_HEADERS-> None        None -HEADERS with END_HEADERS-> None
 */
export class HeaderBlock {
  /** The stream whose block is not whole; 0 for none. Nothing but its CONTINUATION may come then. */
  partialId: number;
  /** END_STREAM was set. */
  ends: boolean;
  /** What is wrong with the frame but not the connection; empty when nothing is. */
  fault: string;
  /** The block when it is whole: bytes[start, end), valid until the next frame. */
  bytes: Buffer;
  start: number;
  end: number;
  /** Why a frame was refused. */
  errorCode: number;
  detail: string;
  private readonly limits: HeaderBlockLimits;
  private parts: ByteWriter | null;
  private continuations: number;

  constructor(limits: HeaderBlockLimits) {
    this.partialId = 0;
    this.ends = false;
    this.fault = '';
    this.bytes = NOTHING;
    this.start = 0;
    this.end = 0;
    this.errorCode = Http2ErrorCode.NoError;
    this.detail = '';
    this.limits = limits;
    this.parts = null;
    this.continuations = 0;
  }

  /** HEADERS on a stream above 0. */
  open(flags: number, streamId: number, payload: Buffer, start: number, end: number): BlockState {
    let from = start;
    let to = end;
    if ((flags & FrameFlag.Padded) !== 0) {
      if (from === to) return this.refuse(Http2ErrorCode.FrameSizeError, 'no-pad-length');
      if (payload[from]! >= to - from) return this.refuse(Http2ErrorCode.ProtocolError, 'padding-too-long');
      to -= payload[from]!;
      from += 1;
    }
    this.fault = '';
    if ((flags & FrameFlag.Priority) !== 0) {
      if (to - from < 5) return this.refuse(Http2ErrorCode.FrameSizeError, 'no-priority');
      // Taken back by RFC 9113 §5.3.2, and still what RFC 7540 §5.3.1 asks for.
      if (readDependency(payload, from) === streamId) this.fault = 'depends-on-itself';
      from += 5;
    }
    this.ends = (flags & FrameFlag.EndStream) !== 0;
    if ((flags & FrameFlag.EndHeaders) !== 0) return this.complete(payload, from, to);
    this.partialId = streamId;
    this.continuations = 0;
    this.parts = new ByteWriter(Math.max(256, to - from));
    this.parts.copy(payload, from, to);
    return BlockState.Partial;
  }

  /** CONTINUATION on `partialId`, or on anything when that is 0. */
  add(flags: number, payload: Buffer, start: number, end: number): BlockState {
    const { parts } = this;
    if (parts === null) return this.refuse(Http2ErrorCode.ProtocolError, 'unexpected-continuation');
    this.continuations += 1;
    if (this.continuations > this.limits.continuations) {
      return this.refuse(Http2ErrorCode.EnhanceYourCalm, 'flood-continuation');
    }
    if (parts.length + end - start > this.limits.blockBytes) {
      return this.refuse(Http2ErrorCode.EnhanceYourCalm, 'flood-header-block');
    }
    parts.copy(payload, start, end);
    if ((flags & FrameFlag.EndHeaders) === 0) return BlockState.Partial;
    this.drop();
    return this.complete(parts.buffer, 0, parts.length);
  }

  /** Forgets a block that is not whole. */
  drop(): void {
    this.partialId = 0;
    this.parts = null;
  }

  private complete(bytes: Buffer, start: number, end: number): BlockState {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    return BlockState.Whole;
  }

  private refuse(errorCode: number, detail: string): BlockState {
    this.errorCode = errorCode;
    this.detail = detail;
    return BlockState.Refused;
  }
}

/** The stream that a priority field names (RFC 7540 §6.3). */
export function readDependency(payload: Buffer, at: number): number {
  return payload.readUInt32BE(at) & 0x7fffffff;
}

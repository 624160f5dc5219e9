import type { Buffer } from 'node:buffer';
import { ByteClass, byteClasses } from '../byte-class.ts';
import { readFieldId } from '../field-id.ts';
import type { Head } from '../head.ts';
import type { Http1Limits } from './limits.ts';

/**
 * The grammar of a head, byte by byte (RFC 9112 §2-§5), strictly: CRLF only, one space, no folding, no white space
 * before a colon. It records spans and knows nothing of what the fields mean (that is `head-rules.ts`).
 *
 *   request:  Method -SP-> Target -SP-> Version -CR-> LineLf -LF-> Line
 *   response: StatusVersion -> Status -SP-> Reason -CR-> LineLf -LF-> Line        (StatusEnd when no SP follows)
 *   fields:   Line -tchar-> Name -:-> Space -> Value -CR-> ValueLf -LF-> Line;  Line -CR-> EndLf -LF-> Done
 *
 * The state survives the end of a chunk, so every split gives the same spans and the same first error.
 */
const State = {
  Method: 0,
  Target: 1,
  Version: 2,
  LineCr: 3,
  StatusVersion: 4,
  Status: 5,
  StatusEnd: 6,
  Reason: 7,
  LineLf: 8,
  Line: 9,
  Name: 10,
  Space: 11,
  Value: 12,
  ValueLf: 13,
  EndLf: 14,
  Done: 15,
  Failed: 16,
} as const;

// A method longer than any known one gets 501 (RFC 9112 §3); registered ones have at most 17 bytes.
const METHOD_BYTES = 32;
// How much of a chunk is copied at once while a head is being collected, so that body bytes behind it are not.
const COLLECT_BYTES = 2048;

const HT = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;
const VERSION = [0x48, 0x54, 0x54, 0x50, 0x2f];

/** What the scanner reads first. `Fields`: a trailer section, which has no first line. */
export const ScanKind = { Request: 0, Response: 1, Fields: 2 } as const;

export class HeadScanner {
  /** Why the bytes were refused; empty while they were not. */
  detail: string;
  private readonly targetBytes: number;
  private readonly fieldCount: number;
  private state: number;
  /** Bytes already copied into the head because no chunk held all of it. */
  private held: number;
  /** Where the token being read began, relative to the head's first byte. */
  private mark: number;
  private nameEnd: number;
  private valueStart: number;
  private major: number;

  constructor(limits: Http1Limits) {
    this.detail = '';
    this.targetBytes = limits.targetBytes;
    this.fieldCount = limits.fieldCount;
    this.state = State.Line;
    this.held = 0;
    this.mark = 0;
    this.nameEnd = 0;
    this.valueStart = 0;
    this.major = 0;
  }

  get done(): boolean {
    return this.state === State.Done;
  }

  get failed(): boolean {
    return this.state === State.Failed;
  }

  start(kind: number): void {
    this.state =
      kind === ScanKind.Request ? State.Method : kind === ScanKind.Response ? State.StatusVersion : State.Line;
    this.held = 0;
    this.mark = 0;
  }

  /**
   * Reads chunk[pos, end) into `head`, at most `limit` bytes over all calls, and returns where it stopped: behind the
   * head when `done`. The head then has its own copy of the bytes.
   */
  collect(head: Head, chunk: Buffer, pos: number, end: number, limit: number): number {
    if (this.held === 0) {
      // The common case: the chunk holds the whole head. Scanned in place, copied once.
      const stop = this.scan(head, chunk, pos, pos, end - pos > limit ? pos + limit : end);
      if (this.state !== State.Failed) this.hold(head, chunk, pos, stop);
      return stop;
    }
    let at = pos;
    while (at < end) {
      const held = this.held;
      const count = Math.min(end - at, COLLECT_BYTES, limit - held);
      if (count === 0) return this.fail('head-too-large', at);
      this.hold(head, chunk, at, at + count);
      const stop = this.scan(head, head.bytes, 0, held, held + count);
      at += stop - held;
      if (this.state >= State.Done) {
        this.held = stop;
        head.length = stop;
        return at;
      }
    }
    return at;
  }

  private hold(head: Head, chunk: Buffer, start: number, end: number): void {
    head.reserveBytes(this.held + end - start);
    chunk.copy(head.bytes, this.held, start, end);
    this.held += end - start;
    head.length = this.held;
  }

  private fail(detail: string, pos: number): number {
    this.detail = detail;
    this.state = State.Failed;
    return pos;
  }

  /** Scans bytes[pos, end); spans are relative to `base`. Returns the first byte not taken. */
  private scan(head: Head, bytes: Buffer, base: number, from: number, end: number): number {
    let pos = from;
    if (this.state < State.Line) {
      if (this.state < State.StatusVersion) pos = this.scanRequestLine(head, bytes, base, pos, end);
      else if (this.state < State.LineLf) pos = this.scanStatusLine(head, bytes, base, pos, end);
      else pos = this.scanLineLf(bytes, pos, end);
      if (this.state !== State.Line) return pos;
    }
    const classes = byteClasses;
    let state = this.state;
    let mark = this.mark;
    while (pos < end) {
      if (state === State.Line) {
        const byte = bytes[pos]!;
        if ((classes[byte]! & ByteClass.Token) === 0) {
          if (byte !== CR) return this.fail(lineFault(byte, head.count), pos);
          head.fieldsEnd = pos - base;
          state = State.EndLf;
          pos += 1;
          continue;
        }
        mark = pos - base;
        state = State.Name;
        pos += 1;
      }
      if (state === State.Name) {
        while (pos < end && (classes[bytes[pos]!]! & ByteClass.Token) !== 0) pos += 1;
        if (pos === end) break;
        const byte = bytes[pos]!;
        if (byte !== COLON) return this.fail(nameFault(byte), pos);
        this.nameEnd = pos - base;
        state = State.Space;
        pos += 1;
      }
      if (state === State.Space) {
        while (pos < end && (bytes[pos] === SP || bytes[pos] === HT)) pos += 1;
        if (pos === end) break;
        this.valueStart = pos - base;
        state = State.Value;
      }
      if (state === State.Value) {
        while (pos < end && (classes[bytes[pos]!]! & ByteClass.Value) !== 0) pos += 1;
        if (pos === end) break;
        const byte = bytes[pos]!;
        if (byte !== CR) return this.fail(byte === LF ? 'bare-lf' : 'bad-value-byte', pos);
        if (head.count === this.fieldCount) return this.fail('too-many-fields', pos);
        const valueStart = this.valueStart;
        let valueEnd = pos - base;
        while (valueEnd > valueStart && (bytes[base + valueEnd - 1] === SP || bytes[base + valueEnd - 1] === HT))
          valueEnd -= 1;
        head.push(readFieldId(bytes, base + mark, base + this.nameEnd), mark, this.nameEnd, valueStart, valueEnd);
        state = State.ValueLf;
        pos += 1;
        if (pos === end) break;
      }
      // ValueLf and EndLf
      if (bytes[pos] !== LF) return this.fail('bare-cr', pos);
      pos += 1;
      if (state === State.EndLf) {
        state = State.Done;
        break;
      }
      state = State.Line;
    }
    this.state = state;
    this.mark = mark;
    return pos;
  }

  private scanRequestLine(head: Head, bytes: Buffer, base: number, from: number, end: number): number {
    const classes = byteClasses;
    let pos = from;
    if (this.state === State.Method) {
      while (pos < end && (classes[bytes[pos]!]! & ByteClass.Token) !== 0) pos += 1;
      if (pos - base > METHOD_BYTES) return this.fail('method-too-long', pos);
      if (pos === end) return pos;
      if (bytes[pos] !== SP || pos === base) return this.fail(bytes[pos] === LF ? 'bare-lf' : 'bad-method', pos);
      head.methodStart = 0;
      head.methodEnd = pos - base;
      pos += 1;
      this.mark = pos - base;
      this.state = State.Target;
    }
    if (this.state === State.Target) {
      while (pos < end && (classes[bytes[pos]!]! & ByteClass.Target) !== 0) pos += 1;
      if (pos - base - this.mark > this.targetBytes) return this.fail('target-too-long', pos);
      if (pos === end) return pos;
      if (bytes[pos] !== SP || pos - base === this.mark) return this.fail(targetFault(bytes[pos]!), pos);
      head.targetStart = this.mark;
      head.targetEnd = pos - base;
      pos += 1;
      this.mark = pos - base;
      this.state = State.Version;
    }
    if (this.state === State.Version) {
      pos = this.scanVersion(head, bytes, base, pos, end);
      if (this.state !== State.Version || pos - base - this.mark < 8) return pos;
      this.state = State.LineCr;
    }
    if (this.state === State.LineCr) {
      if (pos === end) return pos;
      if (bytes[pos] !== CR) return this.fail(bytes[pos] === LF ? 'bare-lf' : 'bad-version', pos);
      pos += 1;
      this.state = State.LineLf;
    }
    return this.scanLineLf(bytes, pos, end);
  }

  private scanStatusLine(head: Head, bytes: Buffer, base: number, from: number, end: number): number {
    const classes = byteClasses;
    let pos = from;
    if (this.state === State.StatusVersion) {
      pos = this.scanVersion(head, bytes, base, pos, end);
      if (this.state !== State.StatusVersion || pos - base < 8 || pos === end) return pos;
      if (bytes[pos] !== SP) return this.fail('bad-version', pos);
      pos += 1;
      this.mark = pos - base;
      this.state = State.Status;
    }
    if (this.state === State.Status) {
      while (pos < end && pos - base < this.mark + 3) {
        if ((classes[bytes[pos]!]! & ByteClass.Digit) === 0) return this.fail('bad-status', pos);
        head.status = head.status * 10 + bytes[pos]! - 0x30;
        pos += 1;
      }
      if (pos - base < this.mark + 3) return pos;
      if (head.status < 100) return this.fail('bad-status', pos);
      this.state = State.StatusEnd;
    }
    if (this.state === State.StatusEnd) {
      if (pos === end) return pos;
      // The space is due even before an empty reason (RFC 9112 §4); its absence is common and unambiguous.
      if (bytes[pos] !== SP && bytes[pos] !== CR) return this.fail(bytes[pos] === LF ? 'bare-lf' : 'bad-status', pos);
      if (bytes[pos] === SP) pos += 1;
      head.reasonStart = pos - base;
      this.state = State.Reason;
    }
    if (this.state === State.Reason) {
      while (pos < end && (classes[bytes[pos]!]! & ByteClass.Value) !== 0) pos += 1;
      if (pos === end) return pos;
      if (bytes[pos] !== CR) return this.fail(bytes[pos] === LF ? 'bare-lf' : 'bad-reason', pos);
      head.reasonEnd = pos - base;
      pos += 1;
      this.state = State.LineLf;
    }
    return this.scanLineLf(bytes, pos, end);
  }

  /** `HTTP/1.0` or `HTTP/1.1`, in this case only (RFC 9112 §2.3). The state stays; eight bytes read mean success. */
  private scanVersion(head: Head, bytes: Buffer, base: number, from: number, end: number): number {
    let pos = from;
    while (pos < end) {
      const index = pos - base - this.mark;
      if (index === 8) return pos;
      const byte = bytes[pos]!;
      if (index < 5) {
        if (byte !== VERSION[index]) return this.fail(byte === LF ? 'bare-lf' : 'bad-version', pos);
      } else if (index === 6) {
        if (byte !== 0x2e) return this.fail('bad-version', pos);
      } else {
        if ((byteClasses[byte]! & ByteClass.Digit) === 0) return this.fail('bad-version', pos);
        if (index === 5) this.major = byte - 0x30;
        else head.minorVersion = byte - 0x30;
        if (index === 7 && (this.major !== 1 || head.minorVersion > 1)) return this.fail('http-version', pos);
      }
      pos += 1;
    }
    return pos;
  }

  private scanLineLf(bytes: Buffer, pos: number, end: number): number {
    if (pos === end) return pos;
    if (bytes[pos] !== LF) return this.fail('bare-cr', pos);
    this.state = State.Line;
    return pos + 1;
  }
}

function lineFault(byte: number, fieldsBefore: number): string {
  if (byte === LF) return 'bare-lf';
  // RFC 9112 §5.2 lets a server refuse folding, §2.2 white space before the first field.
  if (byte === SP || byte === HT) return fieldsBefore === 0 ? 'leading-space' : 'obs-fold';
  return byte === COLON ? 'empty-name' : 'bad-name-byte';
}

function nameFault(byte: number): string {
  if (byte === LF) return 'bare-lf';
  if (byte === CR) return 'no-colon';
  return byte === SP || byte === HT ? 'space-before-colon' : 'bad-name-byte';
}

function targetFault(byte: number): string {
  if (byte === LF) return 'bare-lf';
  if (byte === 0x23) return 'fragment';
  return 'bad-target';
}

import type { Buffer } from 'node:buffer';
import { ByteClass, byteClasses, hexValues } from '../byte-class.ts';
import { Framing } from '../framing.ts';
import { Head } from '../head.ts';
import type { MessageSink } from '../message-sink.ts';
import { readTrailers } from './head-rules.ts';
import { ScanKind } from './head-scanner.ts';
import type { HeadScanner } from './head-scanner.ts';
import type { Http1Limits } from './limits.ts';

/**
 * The body of one message (RFC 9112 §6, §7): data goes to the sink as it is, framing is checked and dropped.
 *
 *   Length:     Data(remaining) -> Done
 *   Chunked:    SizeFirst -> Size -;-> Extension -CR-> SizeLf -> Data -> DataCr -> DataLf -> SizeFirst
 *                                                          size 0 -> TrailerFirst -CR-> TrailerLf -> Done
 *                                                                    TrailerFirst -> Trailers -> Done
 *   UntilClose: Data until the connection ends
 */
const State = {
  SizeFirst: 0,
  Size: 1,
  Extension: 2,
  SizeLf: 3,
  Data: 4,
  DataCr: 5,
  DataLf: 6,
  TrailerFirst: 7,
  TrailerLf: 8,
  Trailers: 9,
  Done: 10,
  Failed: 11,
} as const;

/** Place inside a chunk extension (RFC 9112 §7.1.1). */
const Extension = { Name: 0, Rest: 1, Quoted: 2, Escaped: 3 } as const;

// 13 hexadecimal digits are 52 bits: the largest run that is surely a safe integer.
const SIZE_DIGITS = 13;

const LF = 0x0a;
const CR = 0x0d;

export class BodyReader {
  /** Why the body was refused; empty while it was not. */
  detail: string;
  private readonly limits: Http1Limits;
  private readonly scanner: HeadScanner;
  private trailers: Head | undefined;
  private framing: Framing;
  private state: number;
  /** Bytes left of the body or of the chunk; a size while its digits are read. */
  private remaining: number;
  private digits: number;
  private extension: number;
  private extensionBytes: number;
  private bodyExtensionBytes: number;

  /** `scanner` is shared with the reader of heads, which is at rest while a body is read. */
  constructor(limits: Http1Limits, scanner: HeadScanner) {
    this.detail = '';
    this.limits = limits;
    this.scanner = scanner;
    this.trailers = undefined;
    this.framing = Framing.None;
    this.state = State.Done;
    this.remaining = 0;
    this.digits = 0;
    this.extension = Extension.Name;
    this.extensionBytes = 0;
    this.bodyExtensionBytes = 0;
  }

  get done(): boolean {
    return this.state === State.Done;
  }

  get failed(): boolean {
    return this.state === State.Failed;
  }

  start(framing: Framing, contentLength: number): void {
    this.framing = framing;
    this.remaining = contentLength;
    this.bodyExtensionBytes = 0;
    if (framing === Framing.Chunked) this.state = State.SizeFirst;
    else this.state = framing === Framing.None || contentLength === 0 ? State.Done : State.Data;
  }

  /** The connection ended. True when that is how this body ends. */
  finish(): boolean {
    if (this.framing !== Framing.UntilClose || this.state !== State.Data) return false;
    this.state = State.Done;
    return true;
  }

  /** Reads at most one piece of data from chunk[pos, end); returns where it stopped. Call again while neither done nor failed. */
  feed(chunk: Buffer, pos: number, end: number, sink: MessageSink): number {
    if (this.state === State.Data) return this.feedData(chunk, pos, end, sink);
    if (this.state === State.Trailers) return this.feedTrailers(chunk, pos, end, sink);
    return this.feedFraming(chunk, pos, end);
  }

  private feedData(chunk: Buffer, pos: number, end: number, sink: MessageSink): number {
    if (this.framing === Framing.UntilClose) {
      sink.onData(chunk, pos, end);
      return end;
    }
    const stop = end - pos < this.remaining ? end : pos + this.remaining;
    this.remaining -= stop - pos;
    if (this.remaining === 0) this.state = this.framing === Framing.Chunked ? State.DataCr : State.Done;
    sink.onData(chunk, pos, stop);
    return stop;
  }

  private feedTrailers(chunk: Buffer, pos: number, end: number, sink: MessageSink): number {
    const trailers = this.trailers!;
    const stop = this.scanner.collect(trailers, chunk, pos, end, this.limits.trailerBytes);
    if (this.scanner.failed) {
      const detail = this.scanner.detail;
      return this.fail(detail === 'head-too-large' ? 'trailers-too-large' : detail, stop);
    }
    if (!this.scanner.done) return stop;
    readTrailers(trailers);
    this.state = State.Done;
    sink.onTrailers(trailers);
    return stop;
  }

  /** The bytes between data: sizes, extensions, line ends. Returns when data, trailers or the end come next. */
  private feedFraming(chunk: Buffer, from: number, end: number): number {
    let pos = from;
    while (pos < end) {
      const byte = chunk[pos]!;
      switch (this.state) {
        case State.SizeFirst:
          if (hexValues[byte] === 255) return this.fail(byte === LF ? 'bare-lf' : 'bad-chunk-size', pos);
          this.remaining = hexValues[byte]!;
          this.digits = 1;
          this.extensionBytes = 0;
          this.state = State.Size;
          break;
        case State.Size:
          if (hexValues[byte] !== 255) {
            // No reader disagrees about 5; some do about 000…05 with enough zeros.
            if (this.remaining === 0) return this.fail('chunk-size-leading-zero', pos);
            if (this.digits === SIZE_DIGITS) return this.fail('chunk-size-overflow', pos);
            this.remaining = this.remaining * 16 + hexValues[byte]!;
            this.digits += 1;
          } else if (byte === CR) this.state = State.SizeLf;
          else if (byte === 0x3b) {
            this.state = State.Extension;
            this.extension = Extension.Name;
          } else return this.fail(byte === LF ? 'bare-lf' : 'bad-chunk-size', pos);
          break;
        case State.Extension:
          if (!this.readExtension(byte)) return this.fail(this.detail, pos);
          break;
        case State.SizeLf:
          if (byte !== LF) return this.fail('bare-cr', pos);
          if (this.remaining > 0) {
            this.state = State.Data;
            return pos + 1;
          }
          this.state = State.TrailerFirst;
          break;
        case State.DataCr:
          if (byte !== CR) return this.fail(byte === LF ? 'bare-lf' : 'bad-chunk-end', pos);
          this.state = State.DataLf;
          break;
        case State.DataLf:
          if (byte !== LF) return this.fail('bare-cr', pos);
          this.state = State.SizeFirst;
          break;
        case State.TrailerFirst:
          if (byte === CR) this.state = State.TrailerLf;
          else {
            this.startTrailers();
            return pos;
          }
          break;
        default:
          if (byte !== LF) return this.fail('bare-cr', pos);
          this.state = State.Done;
          return pos + 1;
      }
      pos += 1;
    }
    return pos;
  }

  /** One byte of `;name=value`, counted against both limits. False when it is refused. */
  private readExtension(byte: number): boolean {
    if (byte === CR) {
      this.state = State.SizeLf;
      // A name must follow each `;`, and a quoted string must end before the line does.
      if (this.extension === Extension.Rest) return true;
      this.detail = 'bad-chunk-extension';
      return false;
    }
    this.extensionBytes += 1;
    this.bodyExtensionBytes += 1;
    if (
      this.extensionBytes > this.limits.chunkExtensionBytes ||
      this.bodyExtensionBytes > this.limits.bodyExtensionBytes
    ) {
      this.detail = 'chunk-extension-too-large';
      return false;
    }
    this.detail = byte === LF ? 'bare-lf' : 'bad-chunk-extension';
    if ((byteClasses[byte]! & ByteClass.Value) === 0) return false;
    this.detail = '';
    if (this.extension === Extension.Name) {
      if (byte === 0x20 || byte === 0x09) return true;
      if ((byteClasses[byte]! & ByteClass.Token) !== 0) this.extension = Extension.Rest;
      else this.detail = 'bad-chunk-extension';
      return this.detail === '';
    }
    if (this.extension === Extension.Rest) {
      if (byte === 0x22) this.extension = Extension.Quoted;
      else if (byte === 0x3b) this.extension = Extension.Name;
    } else if (this.extension === Extension.Quoted) {
      if (byte === 0x22) this.extension = Extension.Rest;
      else if (byte === 0x5c) this.extension = Extension.Escaped;
    } else this.extension = Extension.Quoted;
    return true;
  }

  private startTrailers(): void {
    this.trailers ??= new Head();
    this.trailers.reset();
    this.scanner.start(ScanKind.Fields);
    this.state = State.Trailers;
  }

  private fail(detail: string, pos: number): number {
    this.detail = detail;
    this.state = State.Failed;
    return pos;
  }
}

import type { Buffer } from 'node:buffer';
import { Head } from '../head.ts';
import type { MessageSink } from '../message-sink.ts';
import { BodyReader } from './body-reader.ts';
import { readRequestHead } from './head-rules.ts';
import { HeadScanner, ScanKind } from './head-scanner.ts';
import type { Http1Limits } from './limits.ts';
import { requestHeadRefusal } from './refusal.ts';

/**
 * The server side of an HTTP/1.1 connection: bytes to events, one request after the other.
 *
 *   Idle -> (CRLF) -> Head -> Body -> Ended -next()-> Idle;   any -> Dead
 */
const Phase = { Idle: 0, EmptyLine: 1, AfterEmptyLine: 2, Head: 3, Body: 4, Ended: 5, Dead: 6 } as const;

const CR = 0x0d;
const LF = 0x0a;

export class Http1RequestReader {
  /** The head of the message being read; the same object for every message. */
  readonly head: Head;
  private readonly limits: Http1Limits;
  private readonly sink: MessageSink;
  private readonly scanner: HeadScanner;
  private readonly body: BodyReader;
  private phase: number;
  private stopAfterPiece: boolean;

  constructor(limits: Http1Limits, sink: MessageSink) {
    this.head = new Head();
    this.limits = limits;
    this.sink = sink;
    this.scanner = new HeadScanner(limits);
    this.body = new BodyReader(limits, this.scanner);
    this.phase = Phase.Idle;
    this.stopAfterPiece = false;
  }

  /** Nothing of a message has been read yet (an empty line before it is nothing, RFC 9112 §2.2). */
  get idle(): boolean {
    return this.phase <= Phase.AfterEmptyLine;
  }

  /** The message was delivered whole; `next` arms for the one behind it. */
  get ended(): boolean {
    return this.phase === Phase.Ended;
  }

  /** A termination was delivered: nothing is read any more. */
  get dead(): boolean {
    return this.phase === Phase.Dead;
  }

  /** Arms for the next message. Only after `onEnd`. */
  next(): void {
    if (this.phase !== Phase.Ended) return;
    this.phase = Phase.Idle;
    // A connection at rest keeps no large storage; ordinary heads stay, for the comparison with the next one.
    if (this.head.oversized) this.head.reset();
  }

  /** Called from inside a sink: `feed` returns once the piece being delivered is. The caller feeds the rest later. */
  pause(): void {
    this.stopAfterPiece = true;
  }

  /**
   * Reads chunk[start, end) and returns how many bytes it took: all, or less when the message ended, when `pause` was
   * called or when the connection is dead. The chunk is not kept.
   */
  feed(chunk: Buffer, start: number, end: number): number {
    let pos = start;
    this.stopAfterPiece = false;
    while (pos < end && this.phase < Phase.Ended && !this.stopAfterPiece) {
      if (this.phase === Phase.Body) pos = this.feedBody(chunk, pos, end);
      else if (this.phase === Phase.Head) pos = this.feedHead(chunk, pos, end);
      else pos = this.feedIdle(chunk, pos, end);
    }
    return pos - start;
  }

  /** The peer will send nothing more. Between messages that is a clean end and nothing happens. */
  eof(): void {
    if (this.phase === Phase.Head) this.terminate('truncated-head');
    else if (this.phase === Phase.Body) this.terminate('truncated-body');
  }

  private feedIdle(chunk: Buffer, pos: number, end: number): number {
    if (this.phase === Phase.EmptyLine) {
      if (chunk[pos] !== LF) {
        this.terminate('bare-cr');
        return pos;
      }
      this.phase = Phase.AfterEmptyLine;
      return pos + 1;
    }
    if (chunk[pos] === CR) {
      // One empty line is tolerated, as RFC 9112 §2.2 asks; a stream of them is not.
      if (this.phase === Phase.AfterEmptyLine) {
        this.terminate('empty-line');
        return pos;
      }
      this.phase = Phase.EmptyLine;
      return pos + 1;
    }
    const length = this.head.length;
    if (length > 0 && isSameHead(this.head, chunk, pos, end)) {
      this.deliverHead();
      return pos + length;
    }
    this.head.reset();
    this.scanner.start(ScanKind.Request);
    this.phase = Phase.Head;
    return this.feedHead(chunk, pos, end);
  }

  private feedHead(chunk: Buffer, pos: number, end: number): number {
    const stop = this.scanner.collect(this.head, chunk, pos, end, this.limits.headBytes);
    if (this.scanner.failed) this.terminate(this.scanner.detail);
    else if (this.scanner.done) {
      const detail = readRequestHead(this.head, this.limits.connectionOptions);
      if (detail === '') this.deliverHead();
      else this.terminate(detail);
    }
    return stop;
  }

  private deliverHead(): void {
    const head = this.head;
    this.body.start(head.framing, head.contentLength);
    this.phase = Phase.Body;
    this.sink.onHead(head);
    if (this.body.done) this.end();
  }

  private feedBody(chunk: Buffer, pos: number, end: number): number {
    const stop = this.body.feed(chunk, pos, end, this.sink);
    if (this.body.failed) this.terminate(this.body.detail);
    else if (this.body.done) this.end();
    return stop;
  }

  private end(): void {
    this.phase = Phase.Ended;
    this.sink.onEnd();
  }

  private terminate(detail: string): void {
    const inBody = this.phase === Phase.Body;
    this.phase = Phase.Dead;
    // Nothing half-read may be compared with, or read as, a head.
    if (!inBody) this.head.reset();
    const truncated = detail === 'truncated-head' || detail === 'truncated-body';
    const code = truncated ? 'downstream-reset' : inBody ? 'malformed-request-body' : requestHeadRefusal(detail);
    this.sink.onTermination(code, detail);
  }
}

/**
 * True when chunk[pos, end) begins with the bytes of the head read before. A head ends in an empty line, so then it is
 * the whole next head. The cheap probes turn most other heads away before the native comparison.
 */
export function isSameHead(head: Head, chunk: Buffer, pos: number, end: number): boolean {
  const length = head.length;
  if (end - pos < length || chunk[pos + length - 1] !== LF || chunk[pos + length - 3] !== LF) return false;
  // Targets differ at their end more often than anything else does; 0 for responses, where all begin alike.
  const probe = head.targetEnd > 0 ? head.targetEnd - 1 : 0;
  if (chunk[pos + probe] !== head.bytes[probe]) return false;
  return chunk.compare(head.bytes, 0, length, pos, pos + length) === 0;
}

import type { Buffer } from 'node:buffer';
import { assert } from '@weft/kernel';
import { Head } from '../head.ts';
import type { MessageSink } from '../message-sink.ts';
import { MethodId } from '../method.ts';
import { BodyReader } from './body-reader.ts';
import { readResponseHead } from './head-rules.ts';
import { HeadScanner, ScanKind } from './head-scanner.ts';
import type { Http1Limits } from './limits.ts';
import { isSameHead } from './request-reader.ts';

/**
 * The client side of an HTTP/1.1 connection: bytes to events, one response for each `expect`.
 *
 *   Unarmed -expect()-> Waiting -> Head -1xx-> Waiting;  Head -> Body -> Ended -expect()-> Waiting
 *                                    Head -101, 2xx to CONNECT-> Tunnel;   any -> Dead
 */
const Phase = { Waiting: 0, Head: 1, Body: 2, Unarmed: 3, Ended: 4, Tunnel: 5, Dead: 6 } as const;

export class Http1ResponseReader {
  /** The head of the response being read; the same object for every response. */
  readonly head: Head;
  private readonly limits: Http1Limits;
  private readonly sink: MessageSink;
  private readonly scanner: HeadScanner;
  private readonly body: BodyReader;
  private phase: number;
  private methodId: number;
  private offered: string;
  private informational: number;
  private stopAfterPiece: boolean;
  /** What the facts of `head` were derived for: the same bytes mean another framing under HEAD or CONNECT. */
  private readFor: number;

  constructor(limits: Http1Limits, sink: MessageSink) {
    this.head = new Head();
    this.limits = limits;
    this.sink = sink;
    this.scanner = new HeadScanner(limits);
    this.body = new BodyReader(limits, this.scanner);
    this.phase = Phase.Unarmed;
    this.methodId = MethodId.Other;
    this.offered = '';
    this.informational = 0;
    this.stopAfterPiece = false;
    this.readFor = -1;
  }

  /** No response is due: bytes that arrive now kill the connection (H1-18). */
  get idle(): boolean {
    return this.phase === Phase.Unarmed || this.phase === Phase.Ended;
  }

  /** The response was delivered whole. */
  get ended(): boolean {
    return this.phase === Phase.Ended;
  }

  /** 101 or 2xx to CONNECT was delivered: all further bytes belong to the other protocol and stay with the caller. */
  get tunnel(): boolean {
    return this.phase === Phase.Tunnel;
  }

  get dead(): boolean {
    return this.phase === Phase.Dead;
  }

  /**
   * Arms for the response to a request that was written. `offered` is the `upgrade` of that request's head as it was
   * forwarded; empty refuses every 101.
   */
  expect(methodId: number, offered = ''): void {
    assert(this.idle, 'a response is expected only when none is being read');
    this.phase = Phase.Waiting;
    this.methodId = methodId;
    this.offered = offered;
    this.informational = 0;
    if (this.head.oversized) this.head.reset();
  }

  /** The exchange is over and the connection goes back to its pool: gives oversized storage back. */
  rest(): void {
    if (this.idle && this.head.oversized) this.head.reset();
  }

  /** As in `Http1RequestReader`. */
  pause(): void {
    this.stopAfterPiece = true;
  }

  /**
   * Reads chunk[start, end) and returns how many bytes it took. Bytes that nobody asked for are refused: the first one
   * with no response due is a termination. After `tunnel` and after a termination it takes nothing.
   */
  feed(chunk: Buffer, start: number, end: number): number {
    let pos = start;
    this.stopAfterPiece = false;
    if (start < end && this.idle) this.terminate('unexpected-bytes');
    while (pos < end && this.phase < Phase.Unarmed && !this.stopAfterPiece) {
      if (this.phase === Phase.Body) pos = this.feedBody(chunk, pos, end);
      else if (this.phase === Phase.Head) pos = this.feedHead(chunk, pos, end);
      else pos = this.feedWaiting(chunk, pos, end);
    }
    return pos - start;
  }

  /** The peer will send nothing more: ends a body without a length; cuts any other response. */
  eof(): void {
    if (this.phase === Phase.Waiting) this.terminate('no-response');
    else if (this.phase === Phase.Head) this.terminate('truncated-head');
    else if (this.phase === Phase.Body) {
      if (this.body.finish()) this.end();
      else this.terminate('truncated-body');
    }
  }

  private feedWaiting(chunk: Buffer, pos: number, end: number): number {
    const length = this.head.length;
    if (length > 0 && this.readFor === this.methodId && isSameHead(this.head, chunk, pos, end)) {
      this.deliverHead();
      return pos + length;
    }
    this.head.reset();
    this.scanner.start(ScanKind.Response);
    this.phase = Phase.Head;
    return this.feedHead(chunk, pos, end);
  }

  private feedHead(chunk: Buffer, pos: number, end: number): number {
    const stop = this.scanner.collect(this.head, chunk, pos, end, this.limits.headBytes);
    if (this.scanner.failed) this.terminate(this.scanner.detail);
    else if (this.scanner.done) {
      const detail = readResponseHead(this.head, this.methodId, this.offered, this.limits.connectionOptions);
      // A 101 depends on what was offered too, and is never repeated on a connection.
      this.readFor = this.head.status === 101 ? -1 : this.methodId;
      if (detail === '') this.deliverHead();
      else this.terminate(detail);
    }
    return stop;
  }

  private deliverHead(): void {
    const head = this.head;
    const status = head.status;
    if (status < 200 && status !== 101) {
      this.informational += 1;
      if (this.informational > this.limits.informationalHeads) {
        this.terminate('too-many-informational');
        return;
      }
      this.phase = Phase.Waiting;
      this.sink.onHead(head);
      return;
    }
    if (status === 101 || (this.methodId === MethodId.Connect && status < 300)) {
      this.phase = Phase.Tunnel;
      this.sink.onHead(head);
      return;
    }
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
    if (!inBody) this.head.reset();
    if (detail === 'truncated-body') this.sink.onTermination('upstream-cut', detail);
    else if (detail === 'no-response' || detail === 'truncated-head') this.sink.onTermination('upstream-reset', detail);
    else this.sink.onTermination(inBody ? 'malformed-response-body' : 'malformed-response', detail);
  }
}

import { Buffer } from 'node:buffer';
import type { Head } from '@weft/http';
import { ByteQueue } from '@weft/kernel';
import type { GrpcCall } from './grpc-call.ts';
import type { MirrorRequest } from './mirror-request.ts';

const NOTHING = Buffer.alloc(0);

/**
 * What has come of a request's body: whether that is all of it, who gets a copy, and the bytes that may be needed again, for
 * a try that has no connection yet or for another try. Used for one request after the other.
 */
export class RequestBody {
  /** All of the request has come. */
  whole: boolean;
  trailers: Head | null;
  /** All that came so far is kept, so it can be sent from its start. */
  replayable: boolean;
  private mirrors: readonly MirrorRequest[] | null;
  private queue: ByteQueue | null;

  constructor() {
    this.whole = false;
    this.trailers = null;
    this.replayable = false;
    this.mirrors = null;
    this.queue = null;
  }

  begin(): void {
    this.whole = false;
    this.trailers = null;
    this.replayable = true;
  }

  /** Bytes that are kept. */
  get length(): number {
    return this.queue === null ? 0 : this.queue.length;
  }

  /** Keeps bytes that were not sent yet. */
  keep(chunk: Buffer, start: number, end: number): void {
    (this.queue ??= new ByteQueue()).push(chunk, start, end);
  }

  /** Keeps bytes that are being sent, while all of them are no more than `limitBytes`; else gives up the whole. */
  keepUpTo(limitBytes: number, chunk: Buffer, start: number, end: number): void {
    if (this.length + (end - start) > limitBytes) this.keepNoMore();
    else this.keep(chunk, start, end);
  }

  /** There will be no other try. */
  keepNoMore(): void {
    if (this.replayable) this.clear();
    this.replayable = false;
  }

  /** A view of what is kept that holds until the next call. */
  peek(): Buffer {
    return this.queue === null ? NOTHING : this.queue.peek();
  }

  clear(): void {
    if (this.queue !== null && this.queue.length > 0) this.queue.drop(this.queue.length);
  }

  /** Bytes of a gRPC-Web call that came before its server was known are as the caller sent them. False: they are no base64. */
  translate(call: GrpcCall): boolean {
    const bytes = call.translate(this.peek());
    this.clear();
    if (bytes !== undefined) this.keep(bytes, 0, bytes.length);
    return bytes !== undefined && (!this.whole || call.web!.requestWhole);
  }

  /** Whoever gets a copy gets what came while the destination was asked for as well. */
  mirrorTo(mirrors: readonly MirrorRequest[] | null): void {
    this.mirrors = mirrors;
    if (mirrors === null || (this.length === 0 && !this.whole)) return;
    const held = this.peek();
    if (held.length > 0) this.copy(held, 0, held.length);
    if (this.whole) for (const mirror of mirrors) mirror.end();
  }

  /** More has come. */
  copy(chunk: Buffer, start: number, end: number): void {
    if (this.mirrors !== null) for (const mirror of this.mirrors) mirror.data(chunk, start, end);
  }

  /** The last of it has come. */
  end(): void {
    this.whole = true;
    if (this.mirrors !== null) for (const mirror of this.mirrors) mirror.end();
  }

  /** The exchange is over. */
  finish(): void {
    this.clear();
    if (this.mirrors === null) return;
    if (!this.whole) for (const mirror of this.mirrors) mirror.giveUp();
    this.mirrors = null;
  }
}

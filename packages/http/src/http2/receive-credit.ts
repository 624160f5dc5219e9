import { INITIAL_WINDOW_BYTES } from './frame/frame-type.ts';
import type { Http2Limits } from './limits.ts';
import type { Http2Stream } from './stream/stream.ts';
import { WindowGrowth } from './window-growth.ts';

/**
 * What the peer may still send (RFC 9113 §6.9), for the connection and its streams. A stream's credit returns when its
 * reader grants it; the connection's returns when bytes arrive, so that slow streams do not shut out the others. It waits
 * only where what is held over all of them and what may still come would pass `heldBytes` and the connection's window
 * together. Long before that the connection is `strained`, and takes no part in what comes next.
 * Both go out at half a window, so a large body costs few frames.
 */
export class ReceiveCredit {
  /** How large the path needs windows to be. */
  readonly growth: WindowGrowth;
  /** The window a stream is born with: what the peer may rightly count with until it has acknowledged our SETTINGS. */
  initialBytes: number;
  private readonly limits: Http2Limits;
  /** May be sent before the next announcement. */
  private remaining: number;
  /** Arrived and not announced again. */
  private credit: number;
  private windowBytes: number;
  private held: number;
  /** Whole windows of the streams whose reader holds something: what may be held for them, if none of them reads on. */
  private exposed: number;
  /** What the windows of all open streams have grown by. */
  private grown: number;

  constructor(limits: Http2Limits) {
    this.growth = new WindowGrowth(limits.streamWindowBytes, limits.maxStreamWindowBytes);
    this.initialBytes = Math.max(limits.streamWindowBytes, INITIAL_WINDOW_BYTES);
    this.limits = limits;
    this.remaining = limits.connectionWindowBytes;
    this.credit = 0;
    this.windowBytes = limits.connectionWindowBytes;
    this.held = 0;
    this.exposed = 0;
    this.grown = 0;
  }

  /** Half of what may be held is, or all of it may come to be: the connection may soon be shut to everybody. */
  get strained(): boolean {
    return this.held * 2 > this.limits.heldBytes || this.exposed > this.limits.heldBytes;
  }

  /** The peer counts with our SETTINGS from here (RFC 9113 §6.9.2): where they say less, open streams have less. True: so it was. */
  acknowledge(streams: Iterable<Http2Stream>): boolean {
    const excess = this.initialBytes - this.limits.streamWindowBytes;
    this.initialBytes = this.limits.streamWindowBytes;
    if (excess === 0) return false;
    for (const stream of streams) {
      if (isExposed(stream)) this.exposed -= excess;
      stream.receiveWindow -= excess;
      stream.windowBytes -= excess;
    }
    return true;
  }

  /** A DATA frame of so many bytes, padding included, has begun. False: more than was announced. */
  take(bytes: number): boolean {
    this.remaining -= bytes;
    this.credit += bytes;
    return this.remaining >= 0;
  }

  /** Bytes were delivered to the stream's reader. */
  hold(stream: Http2Stream, bytes: number): void {
    if (stream.heldBytes === 0) this.exposed += stream.windowBytes;
    stream.heldBytes += bytes;
    this.held += bytes;
  }

  /** The reader has done with up to so many of them. */
  grant(stream: Http2Stream, bytes: number): void {
    const granted = bytes < stream.heldBytes ? bytes : stream.heldBytes;
    if (granted === stream.heldBytes && isExposed(stream)) this.exposed -= stream.windowBytes;
    stream.heldBytes -= granted;
    this.held -= granted;
    stream.creditBytes += granted;
  }

  /** Nothing more comes on the stream; to be called before it says so itself. */
  end(stream: Http2Stream): void {
    if (isExposed(stream)) this.exposed -= stream.windowBytes;
  }

  /** The stream is closed: its reader has gone. */
  forget(stream: Http2Stream): void {
    if (isExposed(stream)) this.exposed -= stream.windowBytes;
    this.grown -= Math.max(0, stream.windowBytes - this.initialBytes);
    this.held -= stream.heldBytes;
    stream.heldBytes = 0;
  }

  /** The path was measured anew: the connection's window takes four streams at full speed. */
  grow(): void {
    if (this.isHoldingMuch) return;
    this.windowBytes = Math.max(this.windowBytes, this.growth.windowBytes * 4);
  }

  /** What to announce for the connection now; 0 for nothing yet. */
  due(): number {
    if (this.credit * 2 < this.limits.connectionWindowBytes) return 0;
    // What is missing to the window beyond the credit is growth.
    const missing = this.windowBytes - this.remaining;
    const room = this.limits.heldBytes + missing - this.held;
    const bytes = missing < room ? missing : room;
    if (bytes * 2 < this.limits.connectionWindowBytes) return 0;
    this.remaining += bytes;
    this.credit = this.credit > bytes ? this.credit - bytes : 0;
    return bytes;
  }

  /** What to announce for a stream now; 0 for nothing yet. A window that was measured too small grows with it. */
  dueFor(stream: Http2Stream): number {
    if (stream.creditBytes === 0 || stream.creditBytes * 2 < stream.windowBytes) return 0;
    const grown = this.growthFor(stream);
    const bytes = stream.creditBytes + grown;
    stream.windowBytes += grown;
    this.grown += grown;
    if (isExposed(stream)) this.exposed += grown;
    stream.receiveWindow += bytes;
    stream.creditBytes = 0;
    return bytes;
  }

  /** Larger windows would only be filled. */
  private get isHoldingMuch(): boolean {
    return this.held * 4 > this.limits.heldBytes;
  }

  /** A window that has grown is what a reader holds when it stops: all of them together grow by what may be held. */
  private growthFor(stream: Http2Stream): number {
    if (this.isHoldingMuch) return 0;
    const wanted = this.growth.windowBytes - stream.windowBytes;
    const left = this.limits.heldBytes - this.grown;
    return Math.max(0, wanted < left ? wanted : left);
  }
}

/** More may come for a reader that has not done with what did. */
function isExposed(stream: Http2Stream): boolean {
  return stream.heldBytes > 0 && !stream.remoteEnded;
}

import type { Http2Limits } from './limits.ts';
import type { Http2Stream } from './stream/stream.ts';
import { WindowGrowth } from './window-growth.ts';

/**
 * What the peer may still send (RFC 9113 §6.9), for the connection and its streams. A stream's credit returns when its
 * reader grants it; the connection's returns when bytes arrive, so that one slow stream never shuts out the others, and
 * only waits when too much is held over all of them. Both go out at half a window, so a large body costs few frames.
 */
export class ReceiveCredit {
  /** How large the path needs windows to be. */
  readonly growth: WindowGrowth;
  private readonly limits: Http2Limits;
  /** May be sent before the next announcement. */
  private remaining: number;
  /** Arrived and not announced again. */
  private credit: number;
  private windowBytes: number;
  private held: number;

  constructor(limits: Http2Limits) {
    this.growth = new WindowGrowth(limits.streamWindowBytes, limits.maxStreamWindowBytes);
    this.limits = limits;
    this.remaining = limits.connectionWindowBytes;
    this.credit = 0;
    this.windowBytes = limits.connectionWindowBytes;
    this.held = 0;
  }

  /** Half of what may be held is: the connection may soon be shut to everybody. */
  get strained(): boolean {
    return this.held * 2 > this.limits.heldBytes;
  }

  /** A DATA frame of so many bytes, padding included, has begun. False: more than was announced. */
  take(bytes: number): boolean {
    this.remaining -= bytes;
    this.credit += bytes;
    return this.remaining >= 0;
  }

  /** Bytes were delivered to the stream's reader. */
  hold(stream: Http2Stream, bytes: number): void {
    stream.heldBytes += bytes;
    this.held += bytes;
  }

  /** The reader has done with up to so many of them. */
  grant(stream: Http2Stream, bytes: number): void {
    const granted = bytes < stream.heldBytes ? bytes : stream.heldBytes;
    stream.heldBytes -= granted;
    this.held -= granted;
    stream.creditBytes += granted;
  }

  /** The stream is closed: its reader has gone. */
  forget(stream: Http2Stream): void {
    this.held -= stream.heldBytes;
    stream.heldBytes = 0;
  }

  /** The path was measured anew: the connection's window takes four streams at full speed. */
  grow(): void {
    this.windowBytes = Math.max(this.windowBytes, this.growth.windowBytes * 4);
  }

  /** What to announce for the connection now; 0 for nothing yet. */
  due(): number {
    if (this.held > this.limits.heldBytes || this.credit * 2 < this.limits.connectionWindowBytes) return 0;
    // What is missing to the window beyond the credit is growth.
    const grown = this.windowBytes - this.remaining - this.credit;
    const bytes = this.credit + (grown > 0 ? grown : 0);
    this.remaining += bytes;
    this.credit = 0;
    return bytes;
  }

  /** What to announce for a stream now; 0 for nothing yet. A window that was measured too small grows with it. */
  dueFor(stream: Http2Stream): number {
    if (stream.creditBytes === 0 || stream.creditBytes * 2 < stream.windowBytes) return 0;
    // A window that has grown is what a reader holds when it stops; nobody gets a larger one while much is held.
    const strained = this.held * 4 > this.limits.heldBytes;
    const grown = strained ? 0 : Math.max(0, this.growth.windowBytes - stream.windowBytes);
    const bytes = stream.creditBytes + grown;
    stream.windowBytes += grown;
    stream.receiveWindow += bytes;
    stream.creditBytes = 0;
    return bytes;
  }
}

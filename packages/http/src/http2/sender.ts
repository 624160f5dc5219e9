import type { Buffer } from 'node:buffer';
import { ByteWriter } from '@weft/kernel';
import { beginHeaders, endHeaders, writeData } from './frame/frame-writer.ts';
import { FrameFlag, INITIAL_WINDOW_BYTES, MAX_FRAME_BYTES } from './frame/frame-type.ts';
import type { Http2Limits } from './limits.ts';
import type { Http2Stream } from './stream/stream.ts';

/** Pieces up to this go out behind a full turn, so that a small answer does not wait for a large one. */
const SMALL_PIECE_BYTES = 4096;
/** What counts as progress of a stalled stream: a peer that takes a byte a minute is stalled. */
const PROGRESS_BYTES = 1024;
/** A piece of this size was not forced by a tiny window. */
const WORTHY_BYTES = 256;
/** An output that grew past it is given back. */
const KEPT_BYTES = 128 * 1024;

/** What the sender asks of its connection. */
export interface SenderOwner {
  /** END_STREAM of the stream is in the output. */
  onLocalEnd(stream: Http2Stream): void;
  /** A header block coded before goes out now: writes what blocks begin with after a change of the table's size. */
  beginBlock(output: ByteWriter): void;
  /** The output is no longer empty. */
  onOutput(): void;
}

/**
 * What goes out: one buffer per turn that control frames and heads are appended to at once and DATA as windows allow.
 * What they do not allow waits in its stream's queue; each turn takes one frame of each waiting stream in a round, so a
 * large body never keeps a small one waiting longer than a frame of every other.
 */
export class Sender {
  readonly output: ByteWriter;
  /** The peer's window for the connection; may be negative never. */
  window: number;
  /** Waiting over all streams. */
  queuedBytes: number;
  /** Grows when the output is emptied. */
  turn: number;
  /** DATA frames written that were worth a window update: pieces forced by tiny windows are not (H2-8). */
  worthyFrames: number;
  nowMs: number;
  private readonly limits: Http2Limits;
  private readonly owner: SenderOwner;
  private ready: Http2Stream[];
  private readyAt: number;
  private signalled: boolean;

  constructor(limits: Http2Limits, owner: SenderOwner) {
    this.output = new ByteWriter(1024);
    this.window = INITIAL_WINDOW_BYTES;
    this.queuedBytes = 0;
    this.turn = 0;
    this.worthyFrames = 0;
    this.nowMs = 0;
    this.limits = limits;
    this.owner = owner;
    this.ready = [];
    this.readyAt = 0;
    this.signalled = false;
  }

  /** Tells the owner, once a turn, that there is something to write. */
  signal(): void {
    if (this.signalled) return;
    this.signalled = true;
    this.owner.onOutput();
  }

  /** The output was handed over: empties it and takes what waits. True when there is something again. */
  written(): boolean {
    const output = this.output;
    output.reset();
    if (output.buffer.length > KEPT_BYTES) output.buffer = new ByteWriter(1024).buffer;
    this.turn += 1;
    this.signalled = true;
    this.fill();
    this.signalled = output.length > 0;
    return output.length > 0;
  }

  send(stream: Http2Stream, chunk: Buffer, start: number, end: number): void {
    let pos = start;
    if (stream.queue.length === 0) {
      const output = this.output;
      let most = Math.min(end - start, stream.sendWindow, this.window);
      const full = output.length >= this.limits.turnBytes;
      if (full && end - start > SMALL_PIECE_BYTES) most = 0;
      while (most > 0) {
        const bytes = most < MAX_FRAME_BYTES ? most : MAX_FRAME_BYTES;
        this.writeFrame(stream, 0, pos + bytes === end, chunk, pos, pos + bytes);
        pos += bytes;
        most -= bytes;
        if (output.length >= this.limits.turnBytes && end - pos > SMALL_PIECE_BYTES) break;
      }
      if (pos === end) return;
      stream.stalledSinceMs = this.nowMs;
      stream.progressBytes = 0;
    }
    stream.hold(chunk, pos, end);
    this.queuedBytes += end - pos;
    if (stream.queue.length >= this.limits.streamBufferBytes || this.queuedBytes >= this.limits.connectionBufferBytes) {
      stream.drainDue = true;
    }
    this.enqueue(stream);
  }

  /** No more data comes behind what waits. `block`: coded trailers, null for none. */
  end(stream: Http2Stream, block: Buffer | null): void {
    if (stream.queue.length > 0) {
      stream.endWaiting = true;
      stream.trailerBlock = block;
      return;
    }
    if (block !== null) this.writeTrailers(stream, block);
    // The last frame is still here: it can carry the end, which spares nine bytes and the peer a frame.
    else if (stream.lastTurn === this.turn && stream.lastFrameAt >= 0) {
      this.output.buffer[stream.lastFrameAt + 4]! |= FrameFlag.EndStream;
    } else writeData(this.output, stream.id, FrameFlag.EndStream, this.output.buffer, 0, 0);
    this.signal();
    this.owner.onLocalEnd(stream);
  }

  /** A window has opened: what waits for it takes its turn again. */
  resume(stream: Http2Stream): void {
    if (stream.queue.length > 0) this.enqueue(stream);
    this.pump();
  }

  /** Takes what waits into the output while there is room. */
  pump(): void {
    if (this.output.length < this.limits.turnBytes) this.fill();
    if (this.output.length > 0) this.signal();
  }

  /** The stream is closed: what waits is dropped. */
  forget(stream: Http2Stream): void {
    const waiting = stream.queue.length;
    if (waiting > 0) {
      this.queuedBytes -= waiting;
      stream.queue.drop(waiting);
    }
    stream.endWaiting = false;
    stream.trailerBlock = null;
    stream.drainDue = false;
    stream.stalledSinceMs = -1;
  }

  private enqueue(stream: Http2Stream): void {
    if (stream.queued || stream.sendWindow <= 0) return;
    stream.queued = true;
    this.ready.push(stream);
    // With room left nothing else would come to fetch it.
    if (this.window > 0) this.signal();
  }

  private fill(): void {
    while (this.readyAt < this.ready.length && this.window > 0 && this.output.length < this.limits.turnBytes) {
      const stream = this.ready[this.readyAt]!;
      this.readyAt += 1;
      stream.queued = false;
      if (!stream.closed && stream.queue.length > 0 && stream.sendWindow > 0) this.take(stream);
    }
    if (this.readyAt > 64 || (this.readyAt > 0 && this.readyAt === this.ready.length)) {
      this.ready = this.ready.slice(this.readyAt);
      this.readyAt = 0;
    }
  }

  private take(stream: Http2Stream): void {
    const queue = stream.queue;
    const bytes = Math.min(queue.length, stream.sendWindow, this.window, MAX_FRAME_BYTES);
    const last = bytes === queue.length;
    const ends = last && stream.endWaiting && stream.trailerBlock === null;
    this.writeFrame(stream, ends ? FrameFlag.EndStream : 0, last, queue.peek(), 0, bytes);
    queue.drop(bytes);
    this.queuedBytes -= bytes;
    stream.progressBytes += bytes;
    if (last) stream.stalledSinceMs = -1;
    else if (stream.progressBytes >= PROGRESS_BYTES) {
      stream.stalledSinceMs = this.nowMs;
      stream.progressBytes = 0;
    }
    if (!last) this.enqueue(stream);
    else if (stream.endWaiting) {
      stream.endWaiting = false;
      if (stream.trailerBlock !== null) this.writeTrailers(stream, stream.trailerBlock);
      stream.trailerBlock = null;
      this.owner.onLocalEnd(stream);
      return;
    }
    if (!stream.drainDue) return;
    const low = queue.length <= this.limits.streamBufferBytes / 2;
    if (last || (low && this.queuedBytes < this.limits.connectionBufferBytes)) {
      stream.drainDue = false;
      stream.sink.onDrained();
    }
  }

  private writeFrame(
    stream: Http2Stream,
    flags: number,
    whole: boolean,
    chunk: Buffer,
    start: number,
    end: number,
  ): void {
    const bytes = end - start;
    stream.sendWindow -= bytes;
    this.window -= bytes;
    stream.lastFrameAt = this.output.length;
    stream.lastTurn = this.turn;
    if (whole || bytes >= WORTHY_BYTES) this.worthyFrames += 1;
    writeData(this.output, stream.id, flags, chunk, start, end);
    this.signal();
  }

  private writeTrailers(stream: Http2Stream, block: Buffer): void {
    const at = beginHeaders(this.output, stream.id, true);
    this.owner.beginBlock(this.output);
    this.output.copy(block, 0, block.length);
    endHeaders(this.output, at, stream.id);
  }
}

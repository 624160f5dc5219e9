import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { ByteQueue } from '@weft/kernel';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { directHandles, handleOf, readInto } from '../transport/node-handle.ts';
import type { WriteRequest } from '../transport/node-handle.ts';
import { BULK_BYTES, SMALL_BYTES, blockPool } from './block-pool.ts';

/** Reads of all opaque connections of a thread land here: callbacks are synchronous. */
const sharedRead: Buffer = Buffer.allocUnsafeSlow(BULK_BYTES);
const smallRead: Buffer = sharedRead.subarray(0, SMALL_BYTES);

/** What TLS gives at a time (RFC 8446 §5.1). A whole record of bulk is nearly always followed by another in the same turn. */
const RECORD_BYTES = 16_384;

/** Plaintext gathered for one write to a TLS peer, or from one: as much as makes the cost of a system call small. */
const GATHER_BYTES = BULK_BYTES;

/** Unsent bytes to a TLS peer at which the source stops. A plain peer stops it with the first write that is not done at once. */
const TLS_HIGH_WATER_BYTES = BULK_BYTES;

/**
 * One end of an opaque connection. As `BytePipe`, but for bulk: reads of 256 KiB, no gathering of small writes, and the
 * source is held back by the completion of writes.
 *
 *   read -> shared buffer -> send() -> block -> handle.writeBuffer --0--> block is free again
 *                                                                  \--> request: blocked until complete()
 *
 * Whole TLS records that come one after the other in one turn are gathered and written together.
 */
export class RelayPipe {
  readonly socket: Socket;
  readonly encrypted: boolean;
  private readonly owner: PipeOwner;
  /** True while a source should not add more. */
  blocked: boolean;
  closed: boolean;
  /** The peer has ended its direction. */
  readEnded: boolean;
  private inFlight: number;
  private ending: boolean;
  private paused: boolean;
  private error: string;
  /** Gathered and not yet given to the kernel; null most of the time. */
  private gathered: Buffer | null;
  private gatheredBytes: number;
  /** What did not fit into it. */
  private overflow: ByteQueue | null;
  private flushing: boolean;

  constructor(socket: Socket, encrypted: boolean, owner: PipeOwner) {
    this.socket = socket;
    this.encrypted = encrypted;
    this.owner = owner;
    this.blocked = false;
    this.closed = false;
    this.readEnded = false;
    this.inFlight = 0;
    this.ending = false;
    this.paused = false;
    this.error = '';
    this.gathered = null;
    this.gatheredBytes = 0;
    this.overflow = null;
    this.flushing = false;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => this.finish());
    socket.on('end', () => {
      this.readEnded = true;
      if (!this.closed) this.owner.onPipeEnd();
    });
  }

  /** Bytes that wait to be sent. */
  get pendingBytes(): number {
    return this.inFlight + this.gatheredBytes + (this.overflow?.length ?? 0);
  }

  /** Starts reading. The socket is connected (and its handshake finished and checked, when it is TLS). */
  start(): void {
    if (!directHandles) {
      this.socket.on('data', (chunk: Buffer) => this.take(chunk));
      return;
    }
    const next = this.encrypted ? null : () => (blockPool.readBytes === BULK_BYTES ? sharedRead : smallRead);
    readInto(
      this.socket,
      this.encrypted ? smallRead : sharedRead,
      (count, buffer) => {
        this.owner.onPipeBytes(buffer, 0, count);
        return !this.paused;
      },
      next,
    );
    const early: unknown = this.socket.read();
    if (early !== null) queueMicrotask(() => this.take(early as Buffer));
    else this.socket.read(0);
  }

  /** Sends chunk[start, end). Keeps no reference to it. `more`: the source will very likely add to it in this turn. */
  send(chunk: Buffer, start: number, end: number, more: boolean): void {
    if (this.closed || this.ending || start === end) return;
    if (this.inFlight > 0 || this.gatheredBytes > 0 || more) {
      this.gather(chunk, start, end);
      if (this.inFlight > 0) this.measure();
      else if (!more || this.gatheredBytes + RECORD_BYTES > GATHER_BYTES) this.flush();
      else if (!this.flushing) {
        this.flushing = true;
        setImmediate(() => {
          this.flushing = false;
          this.flush();
        });
      }
      return;
    }
    // TLS encrypts inside the call; a plain socket may keep the bytes, and the read buffer can't be lent.
    if (this.encrypted) this.dispatch(chunk.subarray(start, end), null);
    else this.dispatchCopy(chunk, start, end);
  }

  /** Ends our direction after all that was sent. */
  end(): void {
    if (this.ending || this.closed) return;
    this.flush();
    this.ending = true;
    this.endWhenSent();
  }

  /** Ends both directions now; what was not sent is lost. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Ends both directions so that the peer cannot take what it has for the whole. */
  reset(): void {
    if (!this.encrypted) {
      this.socket.resetAndDestroy();
      return;
    }
    // TLS over a socket: without its own end alert an orderly end of TCP would be taken for the end of the data.
    const raw = (this.socket as unknown as { _parent: Socket | null })._parent;
    if (raw !== null && raw !== undefined && !raw.destroyed) raw.resetAndDestroy();
    this.socket.destroy();
  }

  /** Stops reading: the peer is held back by TCP. */
  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.closed) this.socket.resume();
  }

  /** Called by the write request. */
  complete(bytes: number, block: Buffer | null, status: number): void {
    if (block !== null) blockPool.release(block);
    this.inFlight -= bytes;
    if (this.closed) return;
    if (status < 0) {
      this.error = status === -32 ? 'EPIPE' : 'ECONNRESET';
      this.socket.destroy();
      return;
    }
    if (this.inFlight === 0) this.flush();
    this.measure();
    this.endWhenSent();
  }

  private gather(chunk: Buffer, start: number, end: number): void {
    const count = end - start;
    const { overflow } = this;
    if (overflow === null && this.gatheredBytes + count <= BULK_BYTES) {
      this.gathered ??= blockPool.take(BULK_BYTES);
      chunk.copy(this.gathered, this.gatheredBytes, start, end);
      this.gatheredBytes += count;
      return;
    }
    this.overflow ??= new ByteQueue();
    this.overflow.push(chunk, start, end);
  }

  private flush(): void {
    if (this.inFlight > 0 || this.closed) return;
    const { gathered, gatheredBytes, overflow } = this;
    if (gathered === null) return;
    if (overflow === null) {
      this.gathered = null;
      this.gatheredBytes = 0;
      this.dispatch(gathered.subarray(0, gatheredBytes), gathered);
      return;
    }
    // Rare: the source had more in hand than it was asked for.
    this.overflow = null;
    const rest = overflow.peek();
    const whole = Buffer.allocUnsafeSlow(gatheredBytes + rest.length);
    gathered.copy(whole, 0, 0, gatheredBytes);
    rest.copy(whole, gatheredBytes);
    this.gathered = null;
    this.gatheredBytes = 0;
    blockPool.release(gathered);
    this.dispatch(whole, null);
  }

  private dispatchCopy(chunk: Buffer, start: number, end: number): void {
    const count = end - start;
    if (count > BULK_BYTES) {
      // Only what was held while connecting can be so large.
      this.dispatch(Buffer.from(chunk.subarray(start, end)), null);
      return;
    }
    const block = blockPool.take(count);
    chunk.copy(block, 0, start, end);
    this.dispatch(block.subarray(0, count), block);
  }

  /** Sends one buffer. `block`: to be released once it has been sent. */
  private dispatch(data: Buffer, block: Buffer | null): void {
    const handle = directHandles ? handleOf(this.socket) : null;
    if (!directHandles) {
      const copy = Buffer.from(data);
      if (block !== null) blockPool.release(block);
      this.inFlight += copy.length;
      this.socket.write(copy, () => this.complete(copy.length, null, 0));
      this.measure();
      return;
    }
    const result = handle === null ? 0 : handle.writeBuffer(null, data);
    if (typeof result === 'number') {
      if (block !== null) blockPool.release(block);
      if (result !== 0) {
        this.error = 'EPIPE';
        this.socket.destroy();
      }
      return;
    }
    this.inFlight += data.length;
    // TLS has taken the bytes already; the block is kept with a plain write only.
    let kept = block;
    if (this.encrypted && block !== null) {
      blockPool.release(block);
      kept = null;
    }
    result.handle = handle!;
    result.buffer = data;
    result.pipe = new Writing(this, data.length, kept);
    result.oncomplete = onWriteComplete;
    const status = (result as unknown as { writeStatus: number | null }).writeStatus;
    if (typeof status === 'number') result.oncomplete(status);
    else this.measure();
  }

  private measure(): void {
    const waiting = this.pendingBytes;
    const full = this.encrypted ? waiting >= TLS_HIGH_WATER_BYTES : waiting > 0;
    if (full) this.blocked = true;
    else if (this.blocked && waiting < TLS_HIGH_WATER_BYTES / 2) {
      this.blocked = false;
      if (!this.closed) this.owner.onPipeDrained();
    }
  }

  private endWhenSent(): void {
    if (this.ending && !this.closed && this.pendingBytes === 0) this.socket.end();
  }

  private take(chunk: Buffer): void {
    if (this.closed) return;
    this.owner.onPipeBytes(chunk, 0, chunk.length);
    if (directHandles && !this.paused && !this.closed) this.socket.read(0);
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.gathered !== null) blockPool.release(this.gathered);
    this.gathered = null;
    this.gatheredBytes = 0;
    this.overflow = null;
    this.owner.onPipeClose(this.error);
  }
}

/** A whole record: what follows it in the same turn goes out with it. */
export function isWholeRecord(pipe: RelayPipe, bytes: number): boolean {
  return pipe.encrypted && bytes >= RECORD_BYTES;
}

/** What a write under way belongs to. */
class Writing {
  readonly pipe: RelayPipe;
  readonly bytes: number;
  readonly block: Buffer | null;

  constructor(pipe: RelayPipe, bytes: number, block: Buffer | null) {
    this.pipe = pipe;
    this.bytes = bytes;
    this.block = block;
  }
}

function onWriteComplete(this: WriteRequest, status: number): void {
  const { pipe, bytes, block } = this.pipe as Writing;
  pipe.complete(bytes, block, status);
}

import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { ByteQueue } from '@weft/kernel';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { directHandles, handleOf } from '../transport/node-handle.ts';
import type { WriteRequest } from '../transport/node-handle.ts';
import { BULK_BYTES, blockPool } from './block-pool.ts';

/** What TLS gives at a time (RFC 8446 §5.1). A whole record of bulk is nearly always followed by another in the same turn. */
export const RECORD_BYTES = 16_384;

/** Plaintext gathered for one write to a TLS peer, or from one: as much as makes the cost of a system call small. */
const GATHER_BYTES = BULK_BYTES;

/** Unsent bytes to a TLS peer at which the source stops. A plain peer stops it with the first write that is not done at once. */
const TLS_HIGH_WATER_BYTES = BULK_BYTES;

/**
 * What one end of an opaque connection sends: small writes are not gathered, and the source is held back by the completion of
 * writes.
 *
 *   send() -> block -> handle.writeBuffer --0--> block is free again
 *                                         \--> request: blocked until complete()
 *
 * Whole TLS records that come one after the other in one turn are gathered and written together.
 */
export class RelayOutput {
  /** True while a source should not add more. */
  blocked: boolean;
  private readonly socket: Socket;
  private readonly encrypted: boolean;
  private readonly owner: Pick<PipeOwner, 'onPipeDrained'>;
  private closed: boolean;
  private ending: boolean;
  private inFlight: number;
  /** Gathered and not yet given to the kernel; null most of the time. */
  private gathered: Buffer | null;
  private gatheredBytes: number;
  /** What did not fit into it. */
  private overflow: ByteQueue | null;
  private flushing: boolean;

  constructor(socket: Socket, encrypted: boolean, owner: Pick<PipeOwner, 'onPipeDrained'>) {
    this.blocked = false;
    this.socket = socket;
    this.encrypted = encrypted;
    this.owner = owner;
    this.closed = false;
    this.ending = false;
    this.inFlight = 0;
    this.gathered = null;
    this.gatheredBytes = 0;
    this.overflow = null;
    this.flushing = false;
  }

  /** Bytes that wait to be sent. */
  get pendingBytes(): number {
    return this.inFlight + this.gatheredBytes + (this.overflow?.length ?? 0);
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

  /** The socket is closed: what was not sent is lost. */
  close(): void {
    this.closed = true;
    if (this.gathered !== null) blockPool.release(this.gathered);
    this.gathered = null;
    this.gatheredBytes = 0;
    this.overflow = null;
  }

  /** Called by the write request. */
  complete(bytes: number, block: Buffer | null, status: number): void {
    if (block !== null) blockPool.release(block);
    this.inFlight -= bytes;
    if (this.closed) return;
    if (status < 0) {
      this.fail(status === -32 ? 'EPIPE' : 'ECONNRESET');
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
    this.gathered = null;
    this.gatheredBytes = 0;
    if (overflow === null) {
      this.dispatch(gathered.subarray(0, gatheredBytes), gathered);
      return;
    }
    // Rare: the source had more in hand than it was asked for.
    this.overflow = null;
    const whole = Buffer.concat([gathered.subarray(0, gatheredBytes), overflow.peek()]);
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
    if (!directHandles) {
      const copy = Buffer.from(data);
      if (block !== null) blockPool.release(block);
      this.inFlight += copy.length;
      this.socket.write(copy, () => this.complete(copy.length, null, 0));
      this.measure();
      return;
    }
    const handle = handleOf(this.socket);
    const result = handle === null ? 0 : handle.writeBuffer(null, data);
    if (typeof result === 'number') {
      if (block !== null) blockPool.release(block);
      if (result !== 0) this.fail('EPIPE');
      return;
    }
    this.inFlight += data.length;
    // TLS has taken the bytes already; the block is kept with a plain write only.
    if (this.encrypted && block !== null) blockPool.release(block);
    result.handle = handle!;
    result.buffer = data;
    result.pipe = new Writing(this, data.length, this.encrypted ? null : block);
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

  private fail(code: string): void {
    this.socket.destroy(Object.assign(new Error('write failed'), { code }));
  }
}

/** What a write under way belongs to. */
class Writing {
  readonly output: RelayOutput;
  readonly bytes: number;
  readonly block: Buffer | null;

  constructor(output: RelayOutput, bytes: number, block: Buffer | null) {
    this.output = output;
    this.bytes = bytes;
    this.block = block;
  }
}

function onWriteComplete(this: WriteRequest, status: number): void {
  const { output, bytes, block } = this.pipe as Writing;
  output.complete(bytes, block, status);
}

import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { bulkPace } from '../transport/bulk-pace.ts';
import type { Paced } from '../transport/bulk-pace.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { directHandles, readInto } from '../transport/node-handle.ts';
import { BULK_BYTES, SMALL_BYTES, blockPool } from './block-pool.ts';
import { RECORD_BYTES, RelayOutput } from './relay-output.ts';

/** Reads of all opaque connections of a thread land here: callbacks are synchronous. */
const sharedRead: Buffer = Buffer.allocUnsafeSlow(BULK_BYTES);
const smallRead: Buffer = sharedRead.subarray(0, SMALL_BYTES);

/** While bulk rests after each share of 64 or 128 KiB. */
const restingRead: Buffer = sharedRead.subarray(0, 65_536);

/** A read of so much is one of bulk; TLS gives 16 KiB at a time. */
const BULK_READ_BYTES = 8_192;

/** While nobody small is about, bulk lets others go first after so much: a plain connection reads a quarter of it at a time. */
const FREE_SHARE_BYTES = 1_048_576;

/**
 * A pipe that has moved so much since it last read little is one of bulk as well, and what was little is what its source had just
 * then. Nothing frames these bytes, so a message is one only after some others: of ten thousand reads of bulk a few are
 * little though little has moved.
 */
const BULK_MOVED_BYTES = 65_536;
const LITTLE_IN_A_ROW = 4;

/** One end of an opaque connection. As `BytePipe`, but for bulk: reads of 256 KiB, and an output of its own (`RelayOutput`). */
export class RelayPipe implements Paced {
  readonly socket: Socket;
  readonly encrypted: boolean;
  closed: boolean;
  /** The peer has ended its direction. */
  readEnded: boolean;
  private readonly owner: PipeOwner;
  private readonly output: RelayOutput;
  private paused: boolean;
  /** It lets others go first: `bulkPace` has it read on. */
  private yielding: boolean;
  /** Bulk that was read since it last let others go first. */
  private greedyBytes: number;
  /** Read and sent since it last read little. */
  private movedBytes: number;
  /** Little reads with no bulk between them. */
  private littles: number;
  private error: string;

  constructor(socket: Socket, encrypted: boolean, owner: PipeOwner) {
    this.socket = socket;
    this.encrypted = encrypted;
    this.closed = false;
    this.readEnded = false;
    this.owner = owner;
    this.output = new RelayOutput(socket, encrypted, owner);
    this.paused = false;
    this.yielding = false;
    this.greedyBytes = 0;
    this.movedBytes = 0;
    this.littles = 0;
    this.error = '';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => this.finish());
    socket.on('end', () => {
      this.readEnded = true;
      if (!this.closed) this.owner.onPipeEnd();
    });
  }

  /** True while a source should not add more. */
  get blocked(): boolean {
    return this.output.blocked;
  }

  /** Bytes that wait to be sent. */
  get pendingBytes(): number {
    return this.output.pendingBytes;
  }

  /** Starts reading. The socket is connected (and its handshake finished and checked, when it is TLS). */
  start(): void {
    if (!directHandles) {
      this.socket.on('data', (chunk: Buffer) => this.take(chunk));
      return;
    }
    readInto(
      this.socket,
      this.encrypted ? smallRead : sharedRead,
      (count, buffer) => {
        this.owner.onPipeBytes(buffer, 0, count);
        this.pace(count);
        return !this.paused && !this.yielding;
      },
      this.encrypted ? null : nextRead,
    );
    const early: unknown = this.socket.read();
    if (early !== null) queueMicrotask(() => this.take(early as Buffer));
    else this.socket.read(0);
  }

  /** Sends chunk[start, end). Keeps no reference to it. `more`: the source will very likely add to it in this turn. */
  send(chunk: Buffer, start: number, end: number, more: boolean): void {
    this.movedBytes += end - start;
    this.output.send(chunk, start, end, more);
  }

  /** Ends our direction after all that was sent. */
  end(): void {
    this.output.end();
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
    if (!this.yielding) this.socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.closed && !this.yielding) this.socket.resume();
  }

  /** `Paced`. */
  readOn(): void {
    this.yielding = false;
    if (!this.paused && !this.closed) this.socket.resume();
  }

  private pace(count: number): void {
    this.movedBytes += count;
    if (count < BULK_READ_BYTES) {
      this.littles = this.movedBytes < BULK_MOVED_BYTES ? this.littles + 1 : 0;
      this.movedBytes = 0;
      if (this.littles >= LITTLE_IN_A_ROW) bulkPace.countSmall();
      return;
    }
    this.greedyBytes += count;
    if (this.greedyBytes < (bulkPace.smallsAbout ? bulkPace.shareBytes : FREE_SHARE_BYTES)) return;
    this.greedyBytes = 0;
    if (this.paused || this.yielding || this.closed) return;
    this.yielding = true;
    this.socket.pause();
    bulkPace.yield(this);
  }

  private take(chunk: Buffer): void {
    if (this.closed) return;
    this.owner.onPipeBytes(chunk, 0, chunk.length);
    if (directHandles && !this.paused && !this.closed) this.socket.read(0);
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.output.close();
    this.owner.onPipeClose(this.error);
  }
}

/** A whole record: what follows it in the same turn goes out with it. */
export function isWholeRecord(pipe: RelayPipe, bytes: number): boolean {
  return pipe.encrypted && bytes >= RECORD_BYTES;
}

/** Where the next read of a plain socket lands. */
function nextRead(): Buffer {
  if (blockPool.readBytes < BULK_BYTES) return smallRead;
  return bulkPace.shareBytes < BULK_BYTES ? restingRead : sharedRead;
}

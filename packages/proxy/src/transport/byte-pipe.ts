import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { ByteWriter } from '@weft/kernel';
import { bulkPace } from './bulk-pace.ts';
import { loopTurn } from './loop-turn.ts';
import { directHandles, handleOf, readInto } from './node-handle.ts';
import type { SocketHandle, WriteRequest } from './node-handle.ts';
import { BULK_BYTES, READ_BYTES, writeBlocks } from './write-blocks.ts';

/**
 * What a pipe tells the codec that sits on it. All calls come from the event loop, never from inside a call to the pipe,
 * except that `onPipeClose` may come from `destroy`'s own turn later.
 */
export interface PipeOwner {
  /** Bytes [start, end) of `chunk`, valid until this returns: what is kept is copied. */
  onPipeBytes(chunk: Buffer, start: number, end: number): void;
  /** The peer has ended its direction; ours is still open. */
  onPipeEnd(): void;
  /** All that was sent has been handed to the kernel, after `blocked` was true. */
  onPipeDrained(): void;
  /** Both directions are over. Exactly once. `error` is the system's code (`ECONNRESET`), empty for an orderly end. */
  onPipeClose(error: string): void;
}

/**
 * Output that a codec gathers in a buffer of its own (HTTP/2: frames of all streams). The pipe hands that buffer to the
 * kernel whole, without a copy, and only while no write is under way: when its turn ends, or, when little is in it and more
 * may come, when every socket that can be read has been.
 */
export interface PipeSource {
  /** What is to be sent. The pipe replaces its `buffer` when the kernel keeps it. */
  readonly output: ByteWriter;
  /** Several streams are open: what other sockets hold at this moment may belong on this one, as it may on any leg with TLS. */
  readonly shared: boolean;
  /** The output was handed over: it is to be emptied, and may be filled again at once with what waited. */
  onPipeTook(): void;
}

/** A read of so much is one of bulk; TLS gives 16 KiB at a time. */
const BULK_READ_BYTES = 8_192;

/** A pipe that has moved so much since it last read little is one of bulk as well: what it reads is credit for more. */
const BULK_MOVED_BYTES = 65_536;

/** Above it a chunk that TLS encrypts at once is sent by itself and not copied behind the head. */
const COPY_BYTES = 8_192;

/** Unsent bytes of one pipe at which its source is asked to stop. With one read buffer this is the bound per direction. */
export const pipeHighWaterBytes = 65_536;

/** Reads of all sockets of a thread land here: callbacks are synchronous, so one buffer serves them all. */
const sharedRead: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
const dirty: BytePipe[] = [];
/** True while a pipe's owner runs: what it gathers is sent when it returns. */
let inTurn = false;

/**
 * A byte stream in both directions over a TCP or TLS socket: reads into one buffer per thread, gathers what is written
 * during a turn and sends it with one system call, says when the peer reads too slowly.
 *
 *   send() -> block -> end of turn -> handle.writeBuffer --0--> block is free again
 *                                                        \--> request --> the block is lent; complete() frees it
 *
 * On TLS a write is always answered later but its bytes are encrypted at once, and only one may be under way: what is
 * sent meanwhile gathers in the block.
 */
export class BytePipe {
  readonly socket: Socket;
  readonly encrypted: boolean;
  owner: PipeOwner;
  /** Bytes given to the kernel's queue and not yet taken by it, and bytes that gather behind them. */
  pendingBytes: number;
  /** True while a source should not add more. */
  blocked: boolean;
  closed: boolean;
  /** The peer has ended its direction. */
  readEnded: boolean;
  bytesRead: number;
  bytesWritten: number;
  /** Set by an owner that gathers its output itself; then `signal` is called in place of `writer` and `send`. */
  source: PipeSource | null;
  private signalled: boolean;
  /** In the list of those that wait for the end of the turn of the loop. */
  private gathers: boolean;
  private block: ByteWriter | null;
  /** The bytes of the write under way, where the kernel reads them from. */
  private lent: ByteWriter | null;
  private inFlight: number;
  private ending: boolean;
  private paused: boolean;
  /** Bulk that was read since it last let the others go first. */
  private greedyBytes: number;
  /** What it had read and written when it last read little. */
  private movedBytes: number;
  /** It lets the others go first: reading goes on in the next turn. */
  private yielding: boolean;
  private error: string;

  constructor(socket: Socket, encrypted: boolean, owner: PipeOwner) {
    this.socket = socket;
    this.encrypted = encrypted;
    this.owner = owner;
    this.pendingBytes = 0;
    this.blocked = false;
    this.closed = false;
    this.readEnded = false;
    this.bytesRead = 0;
    this.bytesWritten = 0;
    this.source = null;
    this.signalled = false;
    this.gathers = false;
    this.block = null;
    this.lent = null;
    this.inFlight = 0;
    this.ending = false;
    this.paused = false;
    this.greedyBytes = 0;
    this.movedBytes = 0;
    this.yielding = false;
    this.error = '';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => this.finish());
    socket.on('end', () => {
      this.readEnded = true;
      if (this.closed) return;
      inTurn = true;
      this.owner.onPipeEnd();
      endTurn();
    });
  }

  /** Starts reading. The socket is connected (and its handshake finished and checked, when it is TLS). */
  start(): void {
    if (directHandles) {
      readInto(this.socket, sharedRead, (count, buffer) => {
        this.bytesRead += count;
        inTurn = true;
        this.owner.onPipeBytes(buffer, 0, count);
        endTurn();
        if (count >= BULK_READ_BYTES) {
          this.greedyBytes += count;
          if (this.greedyBytes >= bulkPace.shareBytes) this.yield();
        } else this.readLittle();
        return !this.paused && !this.yielding;
      });
      // A TLS socket may hold bytes that came with the end of the handshake; they were pushed to the stream.
      const early: unknown = this.socket.read();
      if (early !== null) queueMicrotask(() => this.take(early as Buffer));
      else this.socket.read(0);
    } else {
      this.socket.on('data', (chunk: Buffer) => this.take(chunk));
    }
  }

  /** The block of this turn: write heads straight into it. It is sent at the end of the turn. */
  writer(): ByteWriter {
    return this.block ?? this.openBlock(0);
  }

  /** The source has output: it is taken at the end of the turn, or when the write under way is done. */
  signal(): void {
    if (this.signalled) return;
    this.signalled = true;
    if (!inTurn && dirty.length === 0) queueMicrotask(flushPipes);
    dirty.push(this);
  }

  /** Sends chunk[start, end) after what was written before. Keeps no reference to it. */
  send(chunk: Buffer, start: number, end: number): void {
    // TLS encrypts inside the call. A plain socket may keep the bytes, and the read buffer cannot be lent.
    if (this.encrypted && end - start > COPY_BYTES && this.inFlight === 0) {
      this.flush();
      if (this.inFlight === 0) {
        this.dispatch(chunk.subarray(start, end));
        this.measure();
        return;
      }
    }
    this.gather(chunk, start, end);
  }

  private gather(chunk: Buffer, start: number, end: number): void {
    this.roomFor(end - start).copy(chunk, start, end);
    // Behind a write that is under way nothing flushes at the end of the turn, so nothing else would notice it grow.
    if (this.inFlight > 0) this.measure();
  }

  /** The block of this turn, with room for so much more as far as a block of bulk has it. */
  private roomFor(bytes: number): ByteWriter {
    const block = this.block;
    if (block === null) return this.openBlock(bytes);
    const whole = block.length + bytes;
    if (whole <= block.buffer.length) return block;
    if (whole > BULK_BYTES) {
      if (this.inFlight > 0) return block;
      this.flush();
      return this.block ?? this.openBlock(bytes);
    }
    const larger = writeBlocks.take(whole);
    larger.copy(block.buffer, 0, block.length);
    writeBlocks.release(block);
    this.block = larger;
    return larger;
  }

  private openBlock(bytes: number): ByteWriter {
    const block = writeBlocks.take(bytes);
    this.block = block;
    // A timer or a dial has no end of turn of its own.
    if (!inTurn && dirty.length === 0) queueMicrotask(flushPipes);
    dirty.push(this);
    return block;
  }

  /** A turn of an owner is over, or the write under way is: what was gathered is sent, or waits for the others of this turn. */
  settle(): void {
    const { source } = this;
    const waits =
      source !== null &&
      (source.shared || this.encrypted) &&
      loopTurn.isWorthGathering(source.output.length, this.encrypted) &&
      !this.ending;
    if (waits) this.gatherOn();
    else this.flush();
  }

  /** Hands the gathered bytes to the kernel. */
  flush(): void {
    if (this.source !== null) {
      this.flushSource(this.source);
      return;
    }
    const block = this.block;
    if (block === null) return;
    if (block.length === 0) {
      this.block = null;
      writeBlocks.release(block);
      return;
    }
    // One TLS write at a time; a plain one behind another would only take one block more.
    if (this.inFlight > 0) {
      this.measure();
      return;
    }
    this.block = null;
    if (this.closed) {
      writeBlocks.release(block);
      return;
    }
    const kept = this.dispatch(block.view());
    if (kept && this.keeps) this.lent = block;
    else writeBlocks.release(block);
    this.measure();
    if (this.ending && this.inFlight === 0 && this.block === null) this.socket.end();
  }

  /** Ends our direction after all that was sent. */
  end(): void {
    if (this.ending || this.closed) return;
    this.ending = true;
    if (this.block === null && this.inFlight === 0 && !this.sourceHolds) this.socket.end();
  }

  /** Ends both directions now; what was not sent is lost. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Ends both directions with a reset, so that the peer cannot take a truncated message for a whole one. */
  reset(): void {
    if (this.encrypted) this.socket.destroy();
    else this.socket.resetAndDestroy();
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

  private yield(): void {
    this.greedyBytes = 0;
    if (this.paused || this.yielding || this.closed) return;
    this.yielding = true;
    this.socket.pause();
    bulkPace.yield(this);
  }

  /** Called in the next turn after `yield`, or after a rest. */
  readOn(): void {
    this.yielding = false;
    if (!this.paused && !this.closed) this.socket.resume();
  }

  /** The bytes of the write under way are read where they are: TLS has encrypted them into memory of its own. */
  private get keeps(): boolean {
    return this.inFlight > 0 && !this.encrypted;
  }

  private readLittle(): void {
    const movedBytes = this.bytesRead + this.bytesWritten;
    if (movedBytes - this.movedBytes < BULK_MOVED_BYTES) bulkPace.countSmall();
    this.movedBytes = movedBytes;
  }

  private get sourceHolds(): boolean {
    return this.source !== null && this.source.output.length > 0;
  }

  /** Called by `loopTurn`. */
  flushGathered(): void {
    this.gathers = false;
    this.flush();
  }

  private gatherOn(): void {
    if (this.gathers) return;
    this.gathers = true;
    loopTurn.gather(this);
  }

  private flushSource(source: PipeSource): void {
    this.signalled = false;
    if (this.inFlight === 0 && !this.closed && source.output.length > 0) {
      const { output } = source;
      const kept = this.dispatch(output.view());
      if (kept && this.keeps) {
        const lent = writeBlocks.take(BULK_BYTES);
        [lent.buffer, output.buffer] = [output.buffer, lent.buffer];
        this.lent = lent;
      }
      source.onPipeTook();
      // One write a turn: what waited behind this one lets others have theirs first.
      if (source.output.length > 0 && this.inFlight === 0 && !this.signalled) {
        this.signalled = true;
        setImmediate(flushLater, this);
      }
    }
    this.measure();
    if (this.ending && this.inFlight === 0 && !this.sourceHolds) this.socket.end();
    // Writes that are done at once have no completion of their own.
    if (this.inFlight === 0) this.relieve();
  }

  /** Sends one buffer; true when the kernel or the stream keeps it. */
  private dispatch(data: Buffer): boolean {
    this.bytesWritten += data.length;
    if (!directHandles) {
      const copy = Buffer.from(data);
      this.inFlight += copy.length;
      this.socket.write(copy, () => this.complete(copy.length));
      return false;
    }
    const handle = handleOf(this.socket);
    if (handle === null) return false;
    const result = handle.writeBuffer(null, data);
    if (typeof result !== 'number') {
      this.inFlight += data.length;
      this.attach(result, handle, data);
      return true;
    }
    if (result !== 0) this.socket.destroy(Object.assign(new Error('write failed'), { code: 'EPIPE' }));
    return false;
  }

  private attach(request: WriteRequest, handle: SocketHandle, data: Buffer): void {
    request.handle = handle;
    request.buffer = data;
    request.pipe = this;
    request.oncomplete = onWriteComplete;
    const status = (request as unknown as { writeStatus: number | null }).writeStatus;
    if (typeof status === 'number') request.oncomplete(status);
  }

  /** Called by the write request. */
  complete(bytes: number): void {
    this.inFlight -= bytes;
    if (this.lent !== null) {
      writeBlocks.release(this.lent);
      this.lent = null;
    }
    if (this.closed) return;
    if (this.inFlight === 0 && (this.source !== null || (this.block !== null && this.block.length > 0))) this.settle();
    this.measure();
    if (this.ending && this.inFlight === 0 && this.block === null && !this.sourceHolds) this.socket.end();
    this.relieve();
  }

  /** Lets the source go on once enough was handed over. */
  private relieve(): void {
    if (!this.blocked || this.closed || this.pendingBytes >= pipeHighWaterBytes / 2) return;
    this.blocked = false;
    inTurn = true;
    this.owner.onPipeDrained();
    endTurn();
  }

  private take(chunk: Buffer): void {
    if (this.closed) return;
    this.bytesRead += chunk.length;
    inTurn = true;
    this.owner.onPipeBytes(chunk, 0, chunk.length);
    endTurn();
    if (directHandles && !this.paused && !this.closed) this.socket.read(0);
  }

  private measure(): void {
    this.pendingBytes =
      this.inFlight + (this.source !== null ? this.source.output.length : this.block === null ? 0 : this.block.length);
    if (this.pendingBytes >= pipeHighWaterBytes) this.blocked = true;
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.block !== null) {
      writeBlocks.release(this.block);
      this.block = null;
    }
    inTurn = true;
    this.owner.onPipeClose(this.error);
    endTurn();
  }
}

function endTurn(): void {
  inTurn = false;
  flushPipes();
  loopTurn.countRead();
}

/** Sends what every pipe has gathered. */
function flushPipes(): void {
  while (dirty.length > 0) dirty.pop()!.settle();
}

function flushLater(pipe: BytePipe): void {
  pipe.flush();
}

function onWriteComplete(this: WriteRequest, status: number): void {
  const pipe = this.pipe as BytePipe;
  const bytes = this.buffer.length;
  if (status < 0 && !pipe.closed) {
    pipe.socket.destroy(Object.assign(new Error('write failed'), { code: status === -32 ? 'EPIPE' : 'ECONNRESET' }));
    return;
  }
  pipe.complete(bytes);
}

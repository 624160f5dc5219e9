import { write } from 'node:fs';
import type { Writable } from 'node:stream';
import { type TimerWheel, assert } from '@weft/kernel';

/** Takes text in one piece and says when the next may come. */
export interface LineTarget {
  /** Calls `done` exactly once, later and never during the call: with an error when the text could not be written. */
  write(text: string, done: (error: Error | undefined) => void): void;
}

export interface LineSinkOptions {
  /** Lines that may wait; 16,384 unless said. */
  readonly maxLines?: number;
  /** UTF-16 units that may wait, all lines together; 4 Mi unless said. */
  readonly maxChars?: number;
}

/** Text written at once: a pipe takes 64 KiB in one go. */
const BATCH_CHARS = 65_536;

/**
 * A bounded queue of lines in front of a target that may be slow.
 *
 * `push` never waits. When the queue is full the new line is dropped and counted, so that what is written is an
 * unbroken run and a blocked reader costs a counter, never a request. One write is under way at a time.
 */
export class LineSink {
  /** Lines that the target took. */
  writtenLines: number;
  /** Lines lost to a full queue or a failed write. */
  droppedLines: number;
  private readonly target: LineTarget;
  private readonly maxLines: number;
  private readonly maxChars: number;
  private waiting: string[];
  private waitingChars: number;
  private first: number;
  private isWriting: boolean;
  private batchLines: number;
  private idleCallbacks: (() => void)[];
  private readonly startWrite: () => void;
  private readonly endWrite: (error: Error | undefined) => void;

  constructor(target: LineTarget, options: LineSinkOptions = {}) {
    this.writtenLines = 0;
    this.droppedLines = 0;
    this.target = target;
    this.maxLines = options.maxLines ?? 16_384;
    this.maxChars = options.maxChars ?? 4_194_304;
    assert(this.maxLines > 0 && this.maxChars > 0, 'a line sink holds at least one line');
    this.waiting = [];
    this.waitingChars = 0;
    this.first = 0;
    this.isWriting = false;
    this.batchLines = 0;
    this.idleCallbacks = [];
    this.startWrite = () => this.writeBatch();
    this.endWrite = (error) => this.finishBatch(error);
  }

  /** Lines that wait, those being written not counted. */
  get waitingLines(): number {
    return this.waiting.length - this.first;
  }

  /** Queues a line that ends in a line feed; false when it was dropped. */
  push(line: string): boolean {
    if (this.waitingLines >= this.maxLines || this.waitingChars + line.length > this.maxChars) {
      this.droppedLines += 1;
      return false;
    }
    this.waiting.push(line);
    this.waitingChars += line.length;
    if (!this.isWriting) {
      // After the requests of this turn of the loop: their lines share one write.
      this.isWriting = true;
      setImmediate(this.startWrite);
    }
    return true;
  }

  /** Calls `callback` once all lines pushed so far are written or dropped; at once when none wait. */
  whenIdle(callback: () => void): void {
    if (this.isWriting) this.idleCallbacks.push(callback);
    else callback();
  }

  private writeBatch(): void {
    let text = '';
    const start = this.first;
    while (this.first < this.waiting.length && (text === '' || text.length < BATCH_CHARS)) {
      text += this.waiting[this.first]!;
      this.first += 1;
    }
    this.batchLines = this.first - start;
    this.waitingChars -= text.length;
    if (this.first === this.waiting.length) {
      this.waiting = [];
      this.first = 0;
    } else if (this.first > this.waiting.length / 2) {
      // Lines that were written must not be kept alive by those that follow; each is moved once on average.
      this.waiting = this.waiting.slice(this.first);
      this.first = 0;
    }
    this.target.write(text, this.endWrite);
  }

  private finishBatch(error: Error | undefined): void {
    if (error === undefined) this.writtenLines += this.batchLines;
    else this.droppedLines += this.batchLines;
    this.batchLines = 0;
    if (this.waitingLines > 0) {
      this.writeBatch();
      return;
    }
    this.isWriting = false;
    const callbacks = this.idleCallbacks;
    this.idleCallbacks = [];
    for (const callback of callbacks) callback();
  }
}

/**
 * Writes to a file descriptor (1 for standard output) off the event loop. Partial writes go on where they stopped; a
 * pipe that says it is full (EAGAIN) is asked again after 10 ms on `timers`. The descriptor stays the caller's.
 */
export function fileTarget(fd: number, timers: TimerWheel): LineTarget {
  return {
    write(text, done) {
      const bytes = Buffer.from(text, 'utf8');
      const step = (offset: number): void => {
        write(fd, bytes, offset, bytes.length - offset, null, (error, count) => {
          if (error !== null) {
            if (error.code === 'EAGAIN') timers.schedule(FULL_PIPE_RETRY_MS, () => step(offset));
            else done(error);
          } else if (offset + count < bytes.length) {
            step(offset + count);
          } else {
            done(undefined);
          }
        });
      };
      step(0);
    },
  };
}

/** Writes to a stream and waits for each piece to be taken. The caller listens for the stream's errors. */
export function streamTarget(stream: Writable): LineTarget {
  return {
    write(text, done) {
      stream.write(text, (error) => done(error ?? undefined));
    },
  };
}

const FULL_PIPE_RETRY_MS = 10;

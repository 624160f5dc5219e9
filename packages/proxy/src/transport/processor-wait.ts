import { Buffer } from 'node:buffer';
import { openSync, readSync } from 'node:fs';

/** "time on the processor, time in the queue for it, turns", in nanoseconds (Linux, Documentation/scheduler/sched-stats). */
const SCHEDSTAT = '/proc/thread-self/schedstat';

const LINE_BYTES = 128;

/**
 * How long the thread that asks first was ready to run while others had the processor. A file that stays open: a reading
 * costs 2 us. Systems that do not count it, or show it to nobody, say nothing for ever.
 */
export class ProcessorWait {
  private readonly path: string;
  private readonly line: Buffer;
  private descriptor: number | null;

  constructor(path: string = SCHEDSTAT) {
    this.path = path;
    this.line = Buffer.alloc(LINE_BYTES);
    this.descriptor = null;
  }

  /** Milliseconds since the thread began; -1 when the system does not say. */
  readMs(): number {
    try {
      this.descriptor ??= openSync(this.path, 'r');
      if (this.descriptor < 0) return -1;
      const bytes = readSync(this.descriptor, this.line, 0, LINE_BYTES, 0);
      const waitedNs = Number(this.line.toString('latin1', 0, bytes).split(' ', 2)[1]);
      return Number.isFinite(waitedNs) ? waitedNs / 1e6 : -1;
    } catch {
      this.descriptor = -1;
      return -1;
    }
  }
}

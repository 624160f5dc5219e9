import { Buffer } from 'node:buffer';
import { ByteQueue } from '@weft/kernel';

const NOTHING = Buffer.alloc(0);

/** What has come of a request body and may be needed again: for a try that has no connection yet, or for another try. */
export class KeptBody {
  /** All that came so far is here, so the body can be sent from its start. */
  whole: boolean;
  private queue: ByteQueue | null;

  constructor() {
    this.whole = false;
    this.queue = null;
  }

  get length(): number {
    return this.queue === null ? 0 : this.queue.length;
  }

  /** Keeps bytes that were not sent yet. */
  keep(chunk: Buffer, start: number, end: number): void {
    (this.queue ??= new ByteQueue()).push(chunk, start, end);
  }

  /** Keeps bytes that are being sent, while all of them are no more than `limitBytes`; else gives up the whole. */
  keepUpTo(limitBytes: number, chunk: Buffer, start: number, end: number): void {
    if (this.length + (end - start) > limitBytes) {
      this.whole = false;
      this.clear();
    } else this.keep(chunk, start, end);
  }

  /** A view that holds until the next call. */
  peek(): Buffer {
    return this.queue === null ? NOTHING : this.queue.peek();
  }

  clear(): void {
    if (this.queue !== null && this.queue.length > 0) this.queue.drop(this.queue.length);
  }
}

import type { Buffer } from 'node:buffer';
import type { TerminationCode } from '@weft/outcome';
import type { Head } from './head.ts';

/**
 * Where a codec puts what it read from one message. Calls come in this order, synchronously from `feed` or `eof`:
 * `onHead` (responses: once for each 1xx head, then the final one), any number of `onData`, `onTrailers` when the body
 * ended with trailer fields, `onEnd`. `onTermination` may take the place of any of them; it is the last call ever.
 */
export interface MessageSink {
  /** The head belongs to the reader and holds until the next message (or the next 1xx) is read. */
  onHead(head: Head): void;
  /** Body bytes are chunk[start, end), never empty. The chunk belongs to the caller of `feed`: copy what must outlive it. */
  onData(chunk: Buffer, start: number, end: number): void;
  /** The trailers belong to the reader and hold until the next message is read. Fields that must not be merged or
   * passed on are marked to be dropped (RFC 9110 §6.5.1). */
  onTrailers(trailers: Head): void;
  onEnd(): void;
  /** `detail` is a short stable token for logs and metrics, for example `bare-lf`. */
  onTermination(code: TerminationCode, detail: string): void;
}

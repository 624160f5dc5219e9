import type { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import { Http1RequestReader, RequestFacts, http1MeshLimits, noEdits } from '@weft/http';
import type { Head, MessageSink } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import type { UpstreamObserver, UpstreamStream } from './upstream-stream.ts';

/**
 * Sends a request that was written as HTTP/1.1 before its connection was known (a mirror's) on a stream of another
 * version: what was written is read back and sent part by part. More of the body may follow by the stream's own calls.
 * Nothing that an exchange waits for comes this way.
 */
export function sendWritten(stream: UpstreamStream, observer: UpstreamObserver, bytes: ByteWriter): void {
  const reader = new Http1RequestReader(http1MeshLimits, new WrittenRequest(stream, observer));
  reader.feed(bytes.buffer, 0, bytes.length);
}

class WrittenRequest implements MessageSink {
  private readonly stream: UpstreamStream;
  private readonly observer: UpstreamObserver;
  private sent: boolean;
  private trailers: Head | null;

  constructor(stream: UpstreamStream, observer: UpstreamObserver) {
    this.stream = stream;
    this.observer = observer;
    this.sent = false;
    this.trailers = null;
  }

  onHead(head: Head): void {
    const facts = new RequestFacts();
    facts.take(head);
    this.sent = this.stream.sendHead(this.observer, head, noEdits, facts);
    if (!this.sent) this.observer.onUpstreamFailure('malformed-request', 'head-not-writable');
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.sent) this.stream.sendData(chunk, start, end);
  }

  onTrailers(trailers: Head): void {
    this.trailers = trailers;
  }

  onEnd(): void {
    if (this.sent) this.stream.sendEnd(this.trailers);
  }

  onTermination(code: TerminationCode, detail: string): void {
    if (this.sent) this.stream.cancel();
    this.observer.onUpstreamFailure(code, detail);
  }
}

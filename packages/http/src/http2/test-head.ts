import { Buffer } from 'node:buffer';
import { Framing } from '../framing.ts';
import type { Head } from '../head.ts';
import { http1Defaults } from '../http1/limits.ts';
import { ResponseFacts } from '../http1/message-facts.ts';
import { Http1RequestReader } from '../http1/request-reader.ts';
import { Http1ResponseReader } from '../http1/response-reader.ts';
import type { MessageSink } from '../message-sink.ts';
import { MethodId } from '../method.ts';

const silent: MessageSink = {
  onHead() {},
  onData() {},
  onTrailers() {},
  onEnd() {},
  onTermination(code, detail) {
    throw new Error(`${code} ${detail}`);
  },
};

/** A request head as the HTTP/1.1 codec reads it, from its whole text. For tests. */
export function requestHead(text: string): Head {
  const reader = new Http1RequestReader(http1Defaults, silent);
  const bytes = Buffer.from(text, 'latin1');
  reader.feed(bytes, 0, bytes.length);
  return reader.head;
}

/**
 * A response head as the HTTP/1.1 codec reads it, from its lines, and facts to pass it on. `contentLength` -1 stands for
 * a body whose end only the end tells. For tests.
 */
export function responseHead(lines: string, contentLength: number): { head: Head; facts: ResponseFacts } {
  const reader = new Http1ResponseReader(http1Defaults, silent);
  const switches = lines.startsWith('HTTP/1.1 101');
  reader.expect(MethodId.Get, switches ? 'websocket' : '');
  const upgrade = switches ? 'Connection: upgrade\r\nUpgrade: websocket\r\n' : '';
  const bytes = Buffer.from(`${lines}${upgrade}\r\n`, 'latin1');
  reader.feed(bytes, 0, bytes.length);
  const facts = new ResponseFacts();
  facts.take(reader.head, MethodId.Get, 1);
  const { status } = reader.head;
  if (status >= 200 && status !== 204) {
    facts.framing = contentLength >= 0 ? Framing.Length : Framing.Chunked;
    facts.contentLength = contentLength;
  }
  return { head: reader.head, facts };
}

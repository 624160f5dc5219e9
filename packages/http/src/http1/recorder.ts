import { Buffer } from 'node:buffer';
import type { TerminationCode } from '@weft/outcome';
import type { Head } from '../head.ts';
import type { MessageSink } from '../message-sink.ts';
import { methodIdOf } from '../method.ts';
import { http1Defaults } from './limits.ts';
import type { Http1Limits } from './limits.ts';
import { Http1RequestReader } from './request-reader.ts';
import { Http1ResponseReader } from './response-reader.ts';

/**
 * The events of a connection as plain text, for tests and the fuzzer: neighbouring data is joined, since where data is
 * cut depends on the chunks and nothing else may.
 */
export class Recorder implements MessageSink {
  readonly events: string[] = [];
  readonly heads: string[] = [];
  data = '';
  interim = 0;
  ends = 0;
  code: TerminationCode | '' = '';
  detail = '';

  onHead(head: Head): void {
    const text = describeHead(head);
    if (head.status > 0 && head.status < 200 && head.status !== 101) this.interim += 1;
    else this.heads.push(text);
    this.events.push(`head ${text}`);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (start >= end) throw new Error('empty data');
    const text = chunk.toString('latin1', start, end);
    this.data += text;
    if (this.events.at(-1)?.startsWith('data ') === true) this.events[this.events.length - 1] += text;
    else this.events.push(`data ${text}`);
  }

  onTrailers(trailers: Head): void {
    this.events.push(`trailers ${describeFields(trailers)}`);
  }

  onEnd(): void {
    this.ends += 1;
    this.events.push('end');
  }

  onTermination(code: TerminationCode, detail: string): void {
    if (this.code !== '') throw new Error('terminated twice');
    this.code = code;
    this.detail = detail;
    this.events.push(`termination ${code} ${detail}`);
  }
}

/** Reads a whole connection of requests, cut as `pieces` says, and closes it if asked. */
export function readRequests(pieces: readonly Buffer[], close = false, limits: Http1Limits = http1Defaults): Recorder {
  const recorder = new Recorder();
  const reader = new Http1RequestReader(limits, recorder);
  for (const piece of pieces) {
    let pos = 0;
    while (pos < piece.length && !reader.dead) {
      pos += reader.feed(piece, pos, piece.length);
      if (reader.ended) reader.next();
    }
    // The codec must have its own copy of whatever it needs later.
    piece.fill(0x2a);
  }
  if (close) reader.eof();
  return recorder;
}

/** Reads the response to one request. */
export function readResponse(
  pieces: readonly Buffer[],
  asked: string,
  offered = '',
  close = false,
  limits: Http1Limits = http1Defaults,
): Recorder {
  const recorder = new Recorder();
  const reader = new Http1ResponseReader(limits, recorder);
  reader.expect(methodIdOf(asked), offered);
  for (const piece of pieces) {
    let pos = 0;
    while (pos < piece.length && !reader.dead && !reader.tunnel) pos += reader.feed(piece, pos, piece.length);
    piece.fill(0x2a);
  }
  if (close) reader.eof();
  return recorder;
}

/** Cuts text at the given positions. */
export function cut(text: string, at: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const to of [...at, text.length]) {
    if (to > from) pieces.push(Buffer.from(text.slice(from, to), 'latin1'));
    from = Math.max(from, to);
  }
  return pieces;
}

/** Cuts text into single bytes. */
export function cutBytes(text: string): Buffer[] {
  return [...text].map((character) => Buffer.from(character, 'latin1'));
}

function describeHead(head: Head): string {
  const start =
    head.status === 0 ? `${head.method} ${head.path}?${head.query}@${head.authority}` : `${head.status} ${head.reason}`;
  const facts = [
    `1.${head.minorVersion}`,
    `form=${head.targetForm}`,
    `framing=${head.framing}`,
    `length=${head.contentLength}`,
    `persistent=${head.persistent}`,
    `expect=${head.expectContinue}`,
    `upgrade=${head.upgrade}`,
    `mismatch=${head.hostMismatch}`,
    `te=${head.acceptsTrailers}`,
  ];
  return `${start} ${facts.join(' ')} ${describeFields(head)}`;
}

function describeFields(head: Head): string {
  const fields: string[] = [];
  for (let index = 0; index < head.count; index += 1) {
    fields.push(`${head.flags[index] === 0 ? '' : '-'}${head.name(index)}=${head.value(index)}`);
  }
  return fields.join('|');
}

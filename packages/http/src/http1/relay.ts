import { Buffer } from 'node:buffer';
import { ByteWriter } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import { FieldId } from '../field-id.ts';
import { Framing, TargetForm } from '../framing.ts';
import { FieldFlag } from '../head.ts';
import type { Head } from '../head.ts';
import { noEdits } from '../head-edits.ts';
import type { MessageSink } from '../message-sink.ts';
import { MethodId, methodIdOf } from '../method.ts';
import { writeChunk, writeLastChunk } from './chunk-writer.ts';
import { http1Defaults, http1MeshLimits } from './limits.ts';
import { RequestFacts, ResponseFacts } from './message-facts.ts';
import { Http1RequestReader } from './request-reader.ts';
import { Http1ResponseReader } from './response-reader.ts';
import { writeRequestHead, writeResponseHead } from './writer.ts';

// For HTTP/1.0 requests without a Host, which a proxy must give one.
const FALLBACK_HOST = 'fallback.example';

/**
 * A proxy without network: what it reads it writes for the next hop. `meaning` says what was read in words that the
 * next hop must arrive at too; so reading `bytes` again must give the same meaning. For tests and the fuzzer.
 */
export class Relay implements MessageSink {
  readonly out = new ByteWriter(1024);
  readonly meaning: string[] = [];
  private readonly requestFacts = new RequestFacts();
  private readonly responseFacts = new ResponseFacts();
  private readonly methodId: number;
  /** The peer before us is a proxy of ours: nothing that should have been dropped may still be there. */
  private readonly second: boolean;
  private framing: Framing = Framing.None;
  private trailers: Head | undefined = undefined;
  /** The writer refused what the reader had accepted. */
  refused = false;

  constructor(methodId: number, second: boolean) {
    this.methodId = methodId;
    this.second = second;
  }

  get bytes(): string {
    return this.out.buffer.toString('latin1', 0, this.out.length);
  }

  onHead(head: Head): void {
    this.trailers = undefined;
    if (head.status === 0) this.passRequest(head);
    else this.passResponse(head);
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.framing === Framing.Chunked) writeChunk(this.out, chunk, start, end);
    else this.out.copy(chunk, start, end);
    const text = chunk.toString('latin1', start, end);
    if (this.meaning.at(-1)?.startsWith('data ') === true) this.meaning[this.meaning.length - 1] += text;
    else this.meaning.push(`data ${text}`);
  }

  onTrailers(trailers: Head): void {
    this.trailers = trailers;
    const fields = passing(trailers, true);
    if (fields !== '') this.meaning.push(`trailers ${fields}`);
  }

  onEnd(): void {
    if (this.framing === Framing.Chunked && !writeLastChunk(this.out, this.trailers)) this.refused = true;
    this.meaning.push('end');
  }

  onTermination(_code: TerminationCode, _detail: string): void {}

  private passRequest(head: Head): void {
    const facts = this.requestFacts;
    facts.take(head);
    if (head.authority === '') facts.host = FALLBACK_HOST;
    if (!writeRequestHead(this.out, head, noEdits, facts)) this.refused = true;
    this.framing = head.framing;
    const whole = head.targetForm === TargetForm.Absolute && head.methodId === MethodId.Options && head.queryStart < 0;
    const path = whole && head.pathStart === head.pathEnd ? '*' : head.path;
    this.meaning.push(
      `${head.method} ${path} ${head.queryStart < 0 ? 'none' : `?${head.query}`} @${head.authority || FALLBACK_HOST} ` +
        `${head.framing} ${head.contentLength} ${head.expectContinue} ${head.upgrade} ${head.acceptsTrailers} ${passing(head, this.second)}`,
    );
  }

  private passResponse(head: Head): void {
    const facts = this.responseFacts;
    facts.take(head, this.methodId, 1);
    if (!writeResponseHead(this.out, head, noEdits, facts)) this.refused = true;
    this.framing = facts.framing;
    const upgrade = head.status === 101 ? head.upgrade : '';
    this.meaning.push(
      `${head.status} ${head.reason} ${facts.framing} ${facts.contentLength} ${upgrade} ${passing(head, this.second)}`,
    );
  }
}

/** Reads one connection to its end and says what was passed on. */
export function relay(
  side: 'request' | 'response',
  text: string,
  asked: string,
  offered: string,
  second = false,
): Relay {
  const sink = new Relay(methodIdOf(asked), second);
  const limits = second ? http1MeshLimits : http1Defaults;
  const bytes = Buffer.from(text, 'latin1');
  let pos = 0;
  if (side === 'request') {
    const reader = new Http1RequestReader(limits, sink);
    while (pos < bytes.length && !reader.dead) {
      pos += reader.feed(bytes, pos, bytes.length);
      if (reader.ended) reader.next();
    }
    reader.eof();
  } else {
    const reader = new Http1ResponseReader(limits, sink);
    reader.expect(methodIdOf(asked), offered);
    while (pos < bytes.length && !reader.dead && !reader.tunnel) pos += reader.feed(bytes, pos, bytes.length);
    reader.eof();
  }
  return sink;
}

function passing(head: Head, second: boolean): string {
  const fields: string[] = [];
  for (let index = 0; index < head.count; index += 1) {
    if (head.flags[index] === FieldFlag.Drop || (!second && head.ids[index] === FieldId.WeftOwned)) continue;
    fields.push(`${head.name(index)}=${head.value(index)}`);
  }
  return fields.join('|');
}

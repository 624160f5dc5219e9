import { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import { ByteClass, isOfClass, isToken } from './byte-class.ts';
import type { HeaderLine } from './head-edits.ts';
import { MethodId } from './method.ts';
import { reasonPhrase } from './reason.ts';

/** An answer that the proxy gives by itself. */
export interface LocalReply {
  readonly status: number;
  /** Fields besides the framing ones and `content-type`; a line that would split the head is left out. */
  readonly fields: readonly HeaderLine[];
  /** Empty writes `content-length: 0` and no type. Encoded as UTF-8. */
  readonly contentType: string;
  readonly body: string;
}

/** Who the reply goes to and what becomes of the connection. */
export interface LocalReplyFacts {
  readonly methodId: number;
  readonly clientMinorVersion: number;
  readonly close: boolean;
}

/** Writes a whole reply, head and body; no body for HEAD, 204 and 304 (RFC 9110 §6.4.1). The status is final (200 or more). */
export function writeLocalReply(out: ByteWriter, reply: LocalReply, facts: LocalReplyFacts): void {
  const body = Buffer.from(reply.body, 'utf8');
  out.latin1('HTTP/1.1 ');
  out.decimal(reply.status);
  out.byte(0x20);
  out.latin1(reasonPhrase(reply.status));
  out.latin1('\r\n');
  for (const { name, value } of reply.fields) writeLine(out, name, value);
  const bodyless = reply.status === 204 || reply.status === 304;
  if (!bodyless) {
    if (body.length > 0) writeLine(out, 'content-type', reply.contentType);
    out.latin1('content-length: ');
    out.decimal(body.length);
    out.latin1('\r\n');
  }
  if (facts.close) out.latin1('connection: close\r\n');
  else if (facts.clientMinorVersion === 0) out.latin1('connection: keep-alive\r\n');
  out.latin1('\r\n');
  if (!bodyless && facts.methodId !== MethodId.Head) out.copy(body, 0, body.length);
}

function writeLine(out: ByteWriter, name: string, value: string): void {
  if (!isToken(name) || !isOfClass(value, ByteClass.Value)) return;
  out.latin1(name);
  out.latin1(': ');
  out.latin1(value);
  out.latin1('\r\n');
}

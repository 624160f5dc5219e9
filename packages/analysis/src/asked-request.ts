import { Buffer } from 'node:buffer';
import { type Head, Http1RequestReader, http1Defaults } from '@weft/http';
import { type Result, fail, ok } from '@weft/kernel';

/** A request that is asked about, read by the codec that would have to read it. */
export interface AskedRequest {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  /** With the query. */
  readonly target: string;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  readonly head: Head;
}

/** A field as a person types it: `a: b`. */
const FIELD = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/;

/**
 * Reads a method, a URL and fields (`name: value`) as a sidecar would meet them; the message says what is wrong. The target
 * goes to the codec byte for byte: nothing is normalised that a client would not normalise.
 */
export function readAskedRequest(method: string, url: string, fields: readonly string[]): Result<AskedRequest, string> {
  const parts = /^(https?):\/\/([^/?#]*)([^#]*)/.exec(url);
  if (parts === null) return fail(`"${printable(url)}": expected a URL such as http://orders/items?page=2`);
  const scheme = parts[1] === 'https' ? 'https' : 'http';
  const authority = parts[2]!;
  if (!/^[!-~]+$/.test(method)) return fail(`"${printable(method)}" is no method`);
  const rest = parts[3]!;
  const target = rest.startsWith('/') ? rest : `/${rest}`;
  const read: { name: string; value: string }[] = [];
  for (const field of fields) {
    const split = FIELD.exec(field);
    if (split === null) return fail(`"${printable(field)}": expected a header such as 'x-version: 2'`);
    read.push({ name: split[1]!, value: split[2]! });
  }
  const ownHost = read.some(({ name }) => name.toLowerCase() === 'host');
  const lines = read.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
  const text = `${method} ${target} HTTP/1.1\r\n${ownHost ? '' : `host: ${authority}\r\n`}${lines}\r\n`;
  // A line break inside any part would make another request of it; the codec refuses all else that is wrong.
  if ([method, authority, target, ...fields].some((part) => /[\r\n\0]/.test(part))) {
    return fail('a request has no line breaks inside its parts');
  }
  const head = readHead(Buffer.from(text, 'utf8'));
  if (!head.ok) return fail(`no such request can be sent: ${head.error}`);
  const seen = head.value;
  return ok({ method, scheme, authority: seen.authority, target, fields: read, head: seen });
}

function readHead(bytes: Buffer): Result<Head, string> {
  let found: Head | undefined;
  let fault = '';
  const reader = new Http1RequestReader(http1Defaults, {
    onHead: (head) => void (found = head),
    onData: () => {},
    onTrailers: () => {},
    onEnd: () => {},
    onTermination: (code, detail) => void (fault = `${code} (${detail})`),
  });
  reader.feed(bytes, 0, bytes.length);
  if (fault !== '' || found === undefined) return fail(fault === '' ? 'it has no end' : fault);
  return ok(found);
}

function printable(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, 120);
}

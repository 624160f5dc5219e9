import { Buffer } from 'node:buffer';
import type { Random } from '@weft/kernel';
import { ClientHelloReader } from '../client-hello.ts';
import { SNIFF_MAX_BYTES, sniffFirstBytes } from '../first-bytes.ts';
import { PROXY_HEADER_MAX_BYTES, readProxyHeader } from '../proxy-protocol.ts';
import { sniffServerBytes } from '../server-bytes.ts';

/**
 * As much as a reader of ClientHellos ever asks for: a message at the limit, the record that goes past it, and the headers
 * of as many records as it takes.
 */
const HELLO_MAX_BYTES = 16_384 + 16_384 + 64 * 5;

/** Checks the laws of all readers of first bytes. Returns which one is broken and how; undefined when all hold. */
export function brokenLaw(bytes: Buffer, random: Random): string | undefined {
  try {
    return sniffLaw(bytes, random) ?? helloLaw(bytes, random) ?? proxyLaw(bytes, random) ?? serverLaw(bytes, random);
  } catch (error) {
    return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

/** An answer once given stays, comes within the limit, and depends on nothing that stands around the bytes. */
function sniffLaw(bytes: Buffer, random: Random): string | undefined {
  const limited = bytes.subarray(0, SNIFF_MAX_BYTES);
  const answer = sniffFirstBytes(limited, 0, limited.length);
  if (answer === 'need-more' && limited.length >= SNIFF_MAX_BYTES) return `still need-more of ${limited.length} bytes`;
  for (const end of places(limited.length, random)) {
    const sooner = sniffFirstBytes(limited, 0, end);
    if (sooner !== 'need-more' && sooner !== answer) return `${sooner} of ${end} bytes, ${answer} of all`;
  }
  const [padded, start] = surrounded(limited, random);
  const inside = sniffFirstBytes(padded, start, start + limited.length);
  return inside === answer ? undefined : `${inside} among other bytes, ${answer} alone`;
}

/** Any split gives the same hello or fault; what is found is clean; nobody waits for more than the limit. */
function helloLaw(bytes: Buffer, random: Random): string | undefined {
  const whole = readHello([bytes]);
  if (whole.startsWith('need-more') && bytes.length > HELLO_MAX_BYTES) {
    return `a ClientHello of ${bytes.length} bytes is still waited for`;
  }
  const cuts = places(bytes.length, random);
  const pieces = readHello([0, ...cuts].map((start, at) => bytes.subarray(start, cuts[at] ?? bytes.length)));
  if (pieces !== whole) return `cut at ${cuts.join(' ')}: ${pieces}; whole: ${whole}`;
  const [padded, start] = surrounded(bytes, random);
  const inside = readHello([padded], start, start + bytes.length);
  return inside === whole ? undefined : `among other bytes: ${inside}; alone: ${whole}`;
}

function proxyLaw(bytes: Buffer, random: Random): string | undefined {
  const limited = bytes.subarray(0, PROXY_HEADER_MAX_BYTES);
  const answer = JSON.stringify(readProxyHeader(limited, 0, limited.length));
  if (answer.includes('need-more') && limited.length >= PROXY_HEADER_MAX_BYTES) return 'an endless PROXY header';
  for (const end of places(limited.length, random)) {
    const sooner = JSON.stringify(readProxyHeader(limited, 0, end));
    if (!sooner.includes('need-more') && sooner !== answer) return `PROXY ${sooner} of ${end} bytes, ${answer} of all`;
  }
  const [padded, start] = surrounded(limited, random);
  const inside = JSON.stringify(readProxyHeader(padded, start, start + limited.length));
  return inside === answer ? undefined : `PROXY ${inside} among other bytes, ${answer} alone`;
}

function serverLaw(bytes: Buffer, random: Random): string | undefined {
  const answer = sniffServerBytes(bytes, 0, bytes.length);
  const [padded, start] = surrounded(bytes, random);
  const inside = sniffServerBytes(padded, start, start + bytes.length);
  return inside === answer ? undefined : `the server's ${inside} among other bytes, ${answer} alone`;
}

/** What a reader says of the pieces, in one line. */
function readHello(pieces: readonly Buffer[], start = 0, end = -1): string {
  const reader = new ClientHelloReader();
  let said = 'need-more';
  for (const piece of pieces) said = reader.feed(piece, start, end < 0 ? piece.length : end);
  const { hello, fault } = reader;
  if ((said === 'done') !== (hello !== undefined) || (said === 'refused') !== (fault !== undefined)) {
    return `it said ${said} with ${JSON.stringify(hello)} and ${String(fault)}`;
  }
  if (hello?.serverName !== undefined && !/^[a-z0-9._:-]{1,253}$/.test(hello.serverName)) {
    throw new Error(`a name that is none: ${JSON.stringify(hello.serverName)}`);
  }
  return `${said} ${fault ?? ''} ${JSON.stringify(hello)}`;
}

function places(length: number, random: Random): number[] {
  const count = 1 + Math.floor(random() * 5);
  return Array.from({ length: count }, () => Math.floor(random() * (length + 1))).toSorted((one, other) => one - other);
}

/** The same bytes inside of others. */
function surrounded(bytes: Buffer, random: Random): [Buffer, number] {
  const noise = Buffer.alloc(32, Math.floor(random() * 256));
  return [Buffer.concat([noise, bytes, noise]), noise.length];
}

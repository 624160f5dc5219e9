import type { Buffer } from 'node:buffer';
import type { Random } from '@weft/kernel';
import { cut, cutBytes, readRequests, readResponse } from '../recorder.ts';
import { relay } from '../relay.ts';
import { loadLlhttp, readBodies } from './llhttp.ts';

/** One connection as input: what arrives, and for responses what was asked. */
export interface FuzzInput {
  readonly side: 'request' | 'response';
  readonly bytes: string;
  readonly asked: string;
  readonly offered: string;
}

const llhttp = loadLlhttp();

// Byte by byte costs a read per byte; longer inputs are cut at random places only.
const BYTEWISE_LENGTH = 2000;

/** Checks the laws of the codec on one input. Returns which one is broken and how; undefined when all hold. */
export function brokenLaw(input: FuzzInput, random: Random): string | undefined {
  try {
    return splitLaw(input, random) ?? relayLaw(input) ?? agreementLaw(input);
  } catch (error) {
    return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

/** Any split of the same bytes gives the same events. */
function splitLaw(input: FuzzInput, random: Random): string | undefined {
  const whole = events(input, cut(input.bytes, []));
  const cuts = Array.from({ length: 1 + Math.floor(random() * 5) }, () => Math.floor(random() * input.bytes.length));
  const pieces = events(
    input,
    cut(
      input.bytes,
      cuts.toSorted((left, right) => left - right),
    ),
  );
  if (pieces !== whole) return `cut at ${cuts.join(' ')} gives other events:\n${pieces}\nthan whole:\n${whole}`;
  if (input.bytes.length > BYTEWISE_LENGTH) return undefined;
  const single = events(input, cutBytes(input.bytes));
  return single === whole ? undefined : `byte by byte gives other events:\n${single}\nthan whole:\n${whole}`;
}

/** What was accepted and is written again means the same to the next hop, with the same framing. */
function relayLaw(input: FuzzInput): string | undefined {
  const first = relay(input.side, input.bytes, input.asked, input.offered);
  if (first.refused) return 'the writer refused what the reader had accepted';
  const second = relay(input.side, first.bytes, input.asked, input.offered, true);
  const before = first.meaning.join('\n');
  const after = second.meaning.join('\n');
  if (before !== after) return `the next hop reads:\n${after}\ninstead of:\n${before}\nfrom:\n${first.bytes}`;
  return undefined;
}

/**
 * Where llhttp accepts what we accept, it finds the same bodies at the same places. It may refuse more (unknown methods,
 * quoted chunk extensions); CONNECT and Upgrade, where it stops by design, are left out.
 */
function agreementLaw(input: FuzzInput): string | undefined {
  if (llhttp === undefined || input.side !== 'request' || /connect|upgrade/i.test(input.bytes)) return undefined;
  const ours = wholeBodies(readRequests(cut(input.bytes, [])).events);
  const theirs = readBodies(llhttp, input.bytes);
  const agreed = theirs.refused ? theirs.bodies.length : ours.length;
  for (let index = 0; index < Math.min(agreed, ours.length); index += 1) {
    if (ours[index] !== theirs.bodies[index]) {
      return `llhttp reads other bodies: ${JSON.stringify(theirs.bodies)} than ours: ${JSON.stringify(ours)}`;
    }
  }
  return undefined;
}

function wholeBodies(lines: readonly string[]): string[] {
  const bodies: string[] = [];
  let body = '';
  for (const line of lines) {
    if (line.startsWith('head ')) body = '';
    else if (line.startsWith('data ')) body = line.slice(5);
    else if (line === 'end') bodies.push(body);
  }
  return bodies;
}

function events(input: FuzzInput, pieces: Buffer[]): string {
  const recorder =
    input.side === 'request' ? readRequests(pieces, true) : readResponse(pieces, input.asked, input.offered, true);
  return recorder.events.join('\n');
}

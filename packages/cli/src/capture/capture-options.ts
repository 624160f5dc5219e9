import type { CapturePlan } from '@weft/capture';
import { type Result, fail, ok, readAddressRanges, readPortRanges } from '@weft/kernel';

/** As typed. */
export interface CaptureWords {
  readonly inbound: string;
  readonly outbound: string;
  readonly excludeInboundPorts: string;
  readonly excludeOutboundPorts: string;
  readonly excludeOutboundRanges: string;
  readonly proxyUser: string;
  readonly inboundPort: string;
  readonly outboundPort: string;
}

/** The error is one line that names the option and what was expected. */
export function readCapturePlan(words: CaptureWords): Result<CapturePlan, string> {
  const inbound = words.inbound === 'all' ? 'all' : readPortRanges(words.inbound);
  const outbound = words.outbound === 'all' ? 'all' : readUsers(words.outbound);
  const excludedInboundPorts = readPortRanges(words.excludeInboundPorts);
  const excludedOutboundPorts = readPortRanges(words.excludeOutboundPorts);
  const excludedOutboundRanges = readAddressRanges(words.excludeOutboundRanges);
  const proxyUser = readUsers(words.proxyUser)?.[0];
  const inboundPort = readPort(words.inboundPort);
  const outboundPort = readPort(words.outboundPort);
  const ports = 'ports and ranges, such as 25,9000-9010';
  if (inbound === undefined) return refuse('inbound', words.inbound, `all, or ${ports}`);
  if (outbound === undefined) return refuse('outbound', words.outbound, 'all, or numbers of users, such as 1000,1001');
  if (excludedInboundPorts === undefined) return refuse('exclude-inbound-ports', words.excludeInboundPorts, ports);
  if (excludedOutboundPorts === undefined) return refuse('exclude-outbound-ports', words.excludeOutboundPorts, ports);
  if (excludedOutboundRanges === undefined) {
    return refuse(
      'exclude-outbound-ranges',
      words.excludeOutboundRanges,
      'address ranges, such as 10.0.0.0/8,fd00::/8',
    );
  }
  if (proxyUser === undefined) return refuse('proxy-user', words.proxyUser, 'the number of a user');
  if (inboundPort === undefined) return refuse('inbound-port', words.inboundPort, 'a port');
  if (outboundPort === undefined) return refuse('outbound-port', words.outboundPort, 'a port');
  if (inboundPort === outboundPort) return fail('--inbound-port and --outbound-port are the same; give two');
  if (outbound !== 'all' && outbound.includes(proxyUser)) {
    return fail(`--outbound names ${proxyUser}, the user of the proxy: its own calls would come back to it for ever`);
  }
  return ok({
    proxyUser,
    outboundPort,
    inboundPort,
    inbound,
    outbound,
    excludedInboundPorts,
    excludedOutboundPorts,
    excludedOutboundRanges,
  });
}

/** The largest number means "no user" to the kernel. */
const LAST_USER = 4_294_967_294;
const MOST_USERS = 256;

function readUsers(text: string): number[] | undefined {
  if (text.trim() === '') return [];
  const parts = text.split(',', MOST_USERS + 1).map((part) => part.trim());
  if (parts.length > MOST_USERS || !parts.every((part) => /^[0-9]{1,10}$/.test(part))) return undefined;
  const users = parts.map(Number);
  return users.every((user) => user <= LAST_USER) ? users : undefined;
}

function readPort(text: string): number | undefined {
  const ranges = readPortRanges(text);
  const [first] = ranges ?? [];
  return ranges?.length === 1 && first?.from === first?.to ? first?.from : undefined;
}

function refuse(option: string, text: string, expected: string): Result<never, string> {
  return fail(`--${option} ${text === '' ? 'is empty' : `"${text.slice(0, 80)}"`}: expected ${expected}`);
}

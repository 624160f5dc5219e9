import { type Result, fail, ok, readAddressRanges, readPortRanges } from '@weft/kernel';
import type { CapturePlan } from './capture-plan.ts';

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

/** As `weft capture` has them when they are not given. */
export const defaultCaptureWords: CaptureWords = {
  inbound: '',
  outbound: '',
  excludeInboundPorts: '',
  excludeOutboundPorts: '',
  excludeOutboundRanges: '',
  proxyUser: '15001',
  inboundPort: '15006',
  outboundPort: '15001',
};

/** The plan of a command line: `--inbound=all` and the like; words that are no options of a plan are passed over. */
export function readCaptureArguments(args: readonly string[]): Result<CapturePlan, string> {
  const words: Record<string, string> = { ...defaultCaptureWords };
  for (const arg of args) {
    const [, name = '', value = ''] = /^--([a-z-]+)=(.*)$/s.exec(arg) ?? [];
    const word = name.replaceAll(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase());
    if (Object.hasOwn(defaultCaptureWords, word)) words[word] = value;
  }
  return readCapturePlan(words as unknown as CaptureWords);
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

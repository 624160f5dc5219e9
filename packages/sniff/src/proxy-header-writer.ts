import { Buffer } from 'node:buffer';

/** One end of a connection: an IPv4 or IPv6 address as text, and its port. */
export interface ConnectionEnd {
  readonly address: string;
  readonly port: number;
}

const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const VERSION_AND_PROXY = 0x21;
const TCP_IPV4 = 0x11;
const TCP_IPV6 = 0x21;
const UNSPECIFIED = 0x00;

/**
 * A PROXY protocol header of version 2 (specification of 2020, §2.2) for a connection from `source` to `destination`. Of ends
 * that are not both of one family IPv4 is written in its IPv6 form; of ends that are no addresses nothing is said.
 */
export function writeProxyHeader(source: ConnectionEnd, destination: ConnectionEnd): Buffer {
  const from4 = readIpv4(source.address);
  const to4 = readIpv4(destination.address);
  const from = from4 !== undefined && to4 !== undefined ? from4 : readIpv6(source.address);
  const to = from4 !== undefined && to4 !== undefined ? to4 : readIpv6(destination.address);
  if (from === undefined || to === undefined) return header(UNSPECIFIED, Buffer.alloc(0));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return header(from.length === 4 ? TCP_IPV4 : TCP_IPV6, Buffer.concat([from, to, ports]));
}

function header(family: number, addresses: Buffer): Buffer {
  const fixed = Buffer.from([VERSION_AND_PROXY, family, 0, 0]);
  fixed.writeUInt16BE(addresses.length, 2);
  return Buffer.concat([SIGNATURE, fixed, addresses]);
}

function readIpv4(text: string): Buffer | undefined {
  const plain = text.startsWith('::ffff:') ? text.slice(7) : text;
  const parts = plain.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined;
  return Buffer.from(parts.map(Number));
}

function readIpv6(text: string): Buffer | undefined {
  const v4 = readIpv4(text);
  if (v4 !== undefined) return Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), v4]);
  const plain = text.split('%', 1)[0]!;
  const halves = plain.split('::');
  if (halves.length > 2 || !/^[0-9a-f:]+$/i.test(plain)) return undefined;
  const groups = (half: string): string[] => (half === '' ? [] : half.split(':'));
  const head = groups(halves[0]!);
  const tail = groups(halves[1] ?? '');
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...Array.from({ length: halves.length === 1 ? 0 : missing }, () => '0'), ...tail];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}

/** What a PROXY protocol header says about the connection that somebody in front of us took. */
export interface ProxyHeader {
  /** `local`: the sender speaks for itself (health checks); the addresses of the connection itself count. */
  readonly command: 'local' | 'proxy';
  /** IPv4 or IPv6 text; undefined for `local`, unknown and UNIX socket addresses. */
  readonly sourceAddress: string | undefined;
  /** 0 without an address. */
  readonly sourcePort: number;
  readonly destinationAddress: string | undefined;
  readonly destinationPort: number;
  /** Bytes of the whole header: what follows belongs to the application. */
  readonly bytes: number;
}

export type ProxyHeaderRead =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'header'; readonly header: ProxyHeader }
  | {
      readonly kind: 'refused';
      readonly fault: 'no-signature' | 'bad-version' | 'bad-command' | 'bad-family' | 'bad-length' | 'too-long';
    };

/**
 * Largest header taken. The specification's own senders stay below 536 bytes; with certificates' names in TLVs some
 * reach 1 to 2 KiB. The format would allow 64 KiB.
 */
export const PROXY_HEADER_MAX_BYTES = 4_096;

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a] as const;
const FIXED_BYTES = 16;
const IPV4_BYTES = 12;
const IPV6_BYTES = 36;
const UNIX_BYTES = 216;

/**
 * Reads a PROXY protocol header of version 2 at the start of bytes[start, end) (specification of 2020, §2.2). The
 * TLVs behind the addresses are skipped.
 *
 * For listeners where an operator has said that a balancer sends it: anybody can write one.
 */
export function readProxyHeader(bytes: Uint8Array, start: number, end: number): ProxyHeaderRead {
  const count = end - start;
  for (let index = 0; index < SIGNATURE.length && index < count; index += 1) {
    if (bytes[start + index] !== SIGNATURE[index]) return { kind: 'refused', fault: 'no-signature' };
  }
  if (count > 12) {
    const versionAndCommand = bytes[start + 12]!;
    if (versionAndCommand >> 4 !== 2) return { kind: 'refused', fault: 'bad-version' };
    if ((versionAndCommand & 0x0f) > 1) return { kind: 'refused', fault: 'bad-command' };
  }
  // Address family and transport: unspecified, or TCP over IPv4, IPv6, UNIX. Datagrams have no place on a stream.
  if (count > 13 && !isStreamFamily(bytes[start + 13]!)) return { kind: 'refused', fault: 'bad-family' };
  if (count < FIXED_BYTES) return NEED_MORE;
  const length = (bytes[start + 14]! << 8) | bytes[start + 15]!;
  const family = bytes[start + 13]!;
  const isLocal = (bytes[start + 12]! & 0x0f) === 0;
  if (FIXED_BYTES + length > PROXY_HEADER_MAX_BYTES) return { kind: 'refused', fault: 'too-long' };
  // §2.2: a receiver must ignore the addresses of LOCAL, so their length says nothing there.
  if (!isLocal && length < addressBytes(family)) return { kind: 'refused', fault: 'bad-length' };
  if (count < FIXED_BYTES + length) return NEED_MORE;
  return { kind: 'header', header: readAddresses(bytes, start, isLocal, family, FIXED_BYTES + length) };
}

const NEED_MORE: ProxyHeaderRead = Object.freeze({ kind: 'need-more' });
const UNSPECIFIED = 0x00;
const TCP_IPV4 = 0x11;
const TCP_IPV6 = 0x21;
const UNIX_STREAM = 0x31;

function isStreamFamily(family: number): boolean {
  return family === UNSPECIFIED || family === TCP_IPV4 || family === TCP_IPV6 || family === UNIX_STREAM;
}

function addressBytes(family: number): number {
  if (family === TCP_IPV4) return IPV4_BYTES;
  if (family === TCP_IPV6) return IPV6_BYTES;
  return family === UNIX_STREAM ? UNIX_BYTES : 0;
}

function readAddresses(
  bytes: Uint8Array,
  start: number,
  isLocal: boolean,
  family: number,
  headerBytes: number,
): ProxyHeader {
  const at = start + FIXED_BYTES;
  const command = isLocal ? 'local' : 'proxy';
  if (!isLocal && family === TCP_IPV4) {
    return {
      command,
      sourceAddress: writeIpv4(bytes, at),
      sourcePort: readUint16(bytes, at + 8),
      destinationAddress: writeIpv4(bytes, at + 4),
      destinationPort: readUint16(bytes, at + 10),
      bytes: headerBytes,
    };
  }
  if (!isLocal && family === TCP_IPV6) {
    return {
      command,
      sourceAddress: writeIpv6(bytes, at),
      sourcePort: readUint16(bytes, at + 32),
      destinationAddress: writeIpv6(bytes, at + 16),
      destinationPort: readUint16(bytes, at + 34),
      bytes: headerBytes,
    };
  }
  return {
    command,
    sourceAddress: undefined,
    sourcePort: 0,
    destinationAddress: undefined,
    destinationPort: 0,
    bytes: headerBytes,
  };
}

function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function writeIpv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]!}.${bytes[at + 1]!}.${bytes[at + 2]!}.${bytes[at + 3]!}`;
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups shortened. */
function writeIpv6(bytes: Uint8Array, at: number): string {
  const groups: number[] = [];
  for (let group = 0; group < 8; group += 1) groups.push(readUint16(bytes, at + group * 2));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${writeIpv4(bytes, at + 12)}`;
  }
  let bestStart = -1;
  let bestLength = 1;
  for (let from = 0; from < 8; from += 1) {
    let to = from;
    while (to < 8 && groups[to] === 0) to += 1;
    if (to - from > bestLength) {
      bestStart = from;
      bestLength = to - from;
    }
  }
  const hex = (list: readonly number[]): string => list.map((group) => group.toString(16)).join(':');
  if (bestStart < 0) return hex(groups);
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`;
}

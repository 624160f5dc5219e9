import type { Socket } from 'node:net';
import { SocketAddress, isIPv4 } from 'node:net';
import { type Result, fail, ok } from '@weft/kernel';

/** Where a connection was going before a rule redirected it. */
export interface OriginalDestination {
  /** IPv4 in dots, also where the socket is of both families; IPv6 as RFC 5952 writes it. */
  readonly address: string;
  readonly port: number;
}

/** Reads the destinations of accepted sockets; undefined for one that no rule redirected, or that is closed. */
export type OriginalDestinationReader = (socket: Socket) => OriginalDestination | undefined;

// linux/in.h, linux/in6.h, linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h: the same on all architectures.
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
/** `struct sockaddr_in6` is the larger of both. */
const SOCKADDR_BYTES = 28;
const mappedPrefix = '::ffff:';

/**
 * The kernel tells the original destination by `getsockopt(SO_ORIGINAL_DST)`, which Node does not offer. It is called through
 * `node:ffi`: one call of 2.5 µs for each connection, no capability, no addon. What else was looked at: the table of tracked
 * connections under /proc needs a privilege and grows with the node; transparent proxying keeps the destination as the local
 * address, but needs NET_ADMIN in the sidecar and routes of its own.
 *
 * The error is a sentence for where that cannot be: off Linux, or in a Node without `node:ffi`.
 */
export function openOriginalDestinations(): Result<OriginalDestinationReader, string> {
  if (process.platform !== 'linux') return fail('captured connections are read on Linux only');
  const getsockopt = loadGetsockopt();
  if (getsockopt === undefined) {
    return fail(`Node ${process.versions.node} has no node:ffi, which reads where captured connections were going`);
  }
  const value = new Uint8Array(SOCKADDR_BYTES);
  const length = new Uint8Array(4);
  const lengthView = new DataView(length.buffer);
  return ok((socket) => {
    const fd = descriptorOf(socket);
    if (fd < 0) return undefined;
    const family = addressFamily(socket);
    lengthView.setUint32(0, SOCKADDR_BYTES, true);
    const level = family === 4 ? SOL_IP : SOL_IPV6;
    if (getsockopt(fd, level, SO_ORIGINAL_DST, value, length) !== 0) return undefined;
    return family === 4 ? readIpv4(value) : readIpv6(value);
  });
}

type Getsockopt = (fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array) => number;

function loadGetsockopt(): Getsockopt | undefined {
  const { emitWarning } = process;
  // Said to be experimental on the log of whoever runs it, who can do nothing about it. A release that changes it fails the
  // tests of this package.
  process.emitWarning = () => {};
  try {
    const ffi = process.getBuiltinModule('node:ffi');
    // Of the process itself: Node is linked with the C library, whichever that is.
    return ffi?.dlopen(null, {
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
    }).functions.getsockopt;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** A socket of both families that speaks IPv4 is asked at the level of IPv4. */
function addressFamily(socket: Socket): 4 | 6 {
  const local = socket.localAddress ?? '';
  return isIPv4(local) || local.startsWith(mappedPrefix) ? 4 : 6;
}

function descriptorOf(socket: Socket): number {
  const { _handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return _handle?.fd ?? -1;
}

/** `struct sockaddr_in`: family, port and address, the latter two in network order. */
function readIpv4(value: Uint8Array): OriginalDestination {
  return { address: value.subarray(4, 8).join('.'), port: portOf(value) };
}

/** `struct sockaddr_in6`: family, port, flow, address. */
function readIpv6(value: Uint8Array): OriginalDestination {
  const groups = Array.from({ length: 8 }, (_, index) => (value[8 + 2 * index]! << 8) | value[9 + 2 * index]!);
  const address = groups.map((group) => group.toString(16)).join(':');
  return { address: new SocketAddress({ address, family: 'ipv6' }).address, port: portOf(value) };
}

function portOf(value: Uint8Array): number {
  return (value[2]! << 8) | value[3]!;
}

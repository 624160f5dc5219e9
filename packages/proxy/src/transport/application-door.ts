import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { handoverSources } from '@weft/capture';

/** One way to the application. */
export interface ApplicationWay {
  readonly address: string;
  /** Address to call from; empty leaves it to the kernel. */
  readonly from: string;
  /** Longer than this no answer is waited for, milliseconds; 0: as long as a dial may take. */
  readonly limitMs: number;
}

/**
 * Linux sends no refusal from an IPv6 address to ::1: it looks for the way back at the interface of the address, where ::1 is not
 * (tcp_v6_send_reset). What is accepted is accepted by the kernel at once, so silence is a refusal.
 */
const SILENCE_MS = 200;

/** A pod has one address of each family; more are those of other networks that it is in. */
const MOST_ADDRESSES = 8;

/**
 * The ways to one port of the application. A program may listen on all addresses, on that of its pod, or on loopback alone;
 * nothing says which, so the way that answered last is tried first, and the others when it is refused. The first is the
 * pod's address, because callers meant that: what listens on loopback may be something else. IPv6 comes last, see `SILENCE_MS`.
 *
 * What a sidecar sends to its pod's address comes in again by the rules of capture, unless it is sent from loopback.
 */
export class ApplicationDoor {
  readonly port: number;
  /** In the order in which they are tried. Replaced, never changed: a dial keeps the one it began with. */
  ways: readonly ApplicationWay[];

  constructor(port: number, ways: readonly ApplicationWay[]) {
    this.port = port;
    this.ways = ways;
  }

  /** The application has accepted there. */
  answered(way: ApplicationWay): void {
    if (this.ways[0] === way) return;
    this.ways = [way, ...this.ways.filter((other) => other !== way)];
  }
}

/** The door of an application whose address is known. */
export function doorAt(address: string, port: number): ApplicationDoor {
  return new ApplicationDoor(port, [{ address, from: '', limitMs: 0 }]);
}

/**
 * The door of a captured application: the addresses of its pod, the given one first, and loopback. `host` is asked too where it is
 * another. An address that this machine does not have is none: what is sent there would leave.
 */
export function capturedDoor(podAddress: string, host: string, port: number): ApplicationDoor {
  const own = ownAddresses();
  const pod = (own.includes(podAddress) ? [podAddress] : [])
    .concat(own.filter((address) => address !== podAddress))
    .slice(0, MOST_ADDRESSES)
    .map((address) =>
      address.includes(':')
        ? { address, from: handoverSources[6], limitMs: SILENCE_MS }
        : { address, from: handoverSources[4], limitMs: 0 },
    );
  const others = Array.from(new Set([host, '127.0.0.1', '::1']))
    .filter((address) => !own.includes(address))
    .map((address) => ({ address, from: '', limitMs: 0 }));
  const ipv4 = pod.filter(({ limitMs }) => limitMs === 0);
  return new ApplicationDoor(port, [...ipv4, ...others, ...pod.filter(({ limitMs }) => limitMs > 0)]);
}

/** Connects by the first way that answers, each within `timeoutMs`. Rejects with the error of the first one. */
export async function openApplication(door: ApplicationDoor, timeoutMs: number): Promise<Socket> {
  let first: unknown;
  for (const way of door.ways) {
    try {
      const socket = await openWay(way, door.port, timeoutMs);
      door.answered(way);
      return socket;
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

/** As `net.connect` takes it. */
export function wayOptions({ address, from }: ApplicationWay): { host: string; localAddress?: string } {
  return from === '' ? { host: address } : { host: address, localAddress: from };
}

function openWay(way: ApplicationWay, port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...wayOptions(way), port });
    socket.setTimeout(way.limitMs > 0 ? Math.min(way.limitMs, timeoutMs) : timeoutMs, () =>
      socket.destroy(Object.assign(new Error('late'), { code: 'ETIMEDOUT' })),
    );
    // Stays for the socket's life, and rejects nothing once it is connected.
    socket.on('error', reject);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      resolve(socket);
    });
  });
}

/** Those of interfaces that lead somewhere. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => address);
}

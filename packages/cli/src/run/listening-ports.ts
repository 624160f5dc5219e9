import { readFileSync } from 'node:fs';

/** One listening TCP socket of this machine. */
export interface ListeningPort {
  readonly port: number;
  /** Whether other machines reach it: it is bound to more than loopback. */
  readonly exposed: boolean;
}

/** `TCP_LISTEN` of the kernel. */
const LISTEN = '0A';

/** What listens on this machine, as Linux tells; empty where it does not. */
export function readListeningPorts(): ListeningPort[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => {
    try {
      return parseSocketTable(readFileSync(path, 'latin1'));
    } catch {
      return [];
    }
  });
}

/** Reads proc_net_tcp(5): `sl local_address rem_address st …`, addresses in hexadecimal, each 32-bit word in host order. */
export function parseSocketTable(text: string): ListeningPort[] {
  const found: ListeningPort[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    if (state !== LISTEN) continue;
    found.push({ port: Number.parseInt(port, 16), exposed: !isLoopback(address) });
  }
  return found;
}

/** 127.0.0.0/8, ::1 and 127.0.0.0/8 mapped into IPv6, as little-endian machines write them (Node runs on no other). */
function isLoopback(hex: string): boolean {
  if (hex.length === 8) return hex.endsWith('7F');
  return (
    hex === '00000000000000000000000001000000' || (hex.startsWith('0000000000000000FFFF0000') && hex.endsWith('7F'))
  );
}

import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { PROXY_HEADER_MAX_BYTES, readProxyHeader } from '@weft/sniff';
import type { Engine } from '../exchange/engine.ts';
import { plainAddress } from '../transport/plain-address.ts';

/** A balancer writes its header with its first packet. */
const HEADER_MS = 5_000;

/** Clients as balancers in front of us have named them. */
const named: WeakMap<Socket, string> = new WeakMap();

/**
 * Takes the PROXY protocol header off a connection, then calls `onTaken`; what follows it stays in the socket. `onRefused` with
 * the reason when there is none: where a balancer is said to write it, nobody else is to be believed, or served.
 */
export function takeProxyHeader(
  socket: Socket,
  engine: Engine,
  onTaken: () => void,
  onRefused: (detail: string) => void,
): void {
  let held: Buffer | null = null;
  const settle = (): void => {
    deadline.cancel();
    socket.removeListener('data', take);
    socket.removeListener('end', leave);
    socket.removeListener('close', leave);
    socket.pause();
  };
  const leave = (): void => {
    settle();
    onRefused('closed-before-header');
  };
  const take = (chunk: Buffer): void => {
    held = held === null ? chunk : Buffer.concat([held, chunk]);
    const read = readProxyHeader(held, 0, held.length);
    if (read.kind === 'need-more' && held.length < PROXY_HEADER_MAX_BYTES) return;
    settle();
    if (read.kind !== 'header') {
      onRefused(read.kind === 'refused' ? read.fault : 'too-long');
      return;
    }
    const { sourceAddress, bytes } = read.header;
    if (sourceAddress !== undefined) named.set(socket, plainAddress(sourceAddress));
    if (held.length > bytes) socket.unshift(held.subarray(bytes));
    onTaken();
  };
  const deadline = engine.wheel.schedule(HEADER_MS, () => {
    settle();
    onRefused('no-header');
  });
  socket.on('data', take);
  socket.once('end', leave);
  socket.once('close', leave);
}

/** The client's address: as a balancer named it, else the peer's own. `socket` may be TLS over the one that was named. */
export function clientAddressOf(socket: Socket): string {
  const raw = (socket as unknown as { _parent?: Socket | null })._parent;
  const address = named.get(socket) ?? (raw === undefined || raw === null ? undefined : named.get(raw));
  return address ?? plainAddress(socket.remoteAddress ?? '');
}

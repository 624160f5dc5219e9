import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { SNIFF_MAX_BYTES, sniffFirstBytes } from '@weft/sniff';
import type { FirstBytes } from '@weft/sniff';
import type { Engine } from '../exchange/engine.ts';

/**
 * Waits for the first bytes of a caller that speaks first, until they tell what it speaks: then `onSeen` gets all that came, and
 * the socket is paused and nobody's. `onLate` after `limitMs`; nothing for one that ends before, which is destroyed.
 */
export function takeFirstBytes(
  socket: Socket,
  engine: Engine,
  limitMs: number,
  onSeen: (first: Buffer, seen: FirstBytes) => void,
  onLate: () => void,
): void {
  let first: Buffer | null = null;
  const settle = (): void => {
    deadline.cancel();
    socket.removeListener('data', sniff);
    socket.removeListener('end', leave);
    socket.removeListener('close', settle);
  };
  const leave = (): void => {
    settle();
    socket.destroy();
  };
  const sniff = (chunk: Buffer): void => {
    first = first === null ? chunk : Buffer.concat([first, chunk]);
    const seen = sniffFirstBytes(first, 0, first.length);
    // The limit is the sniffer's own; a client that dribbles is ended by the deadline.
    if (seen === 'need-more' && first.length < SNIFF_MAX_BYTES) return;
    settle();
    socket.pause();
    onSeen(first, seen);
  };
  const deadline = engine.wheel.schedule(limitMs, () => {
    settle();
    onLate();
  });
  socket.on('data', sniff);
  socket.once('end', leave);
  socket.once('close', settle);
}

import type { Socket } from 'node:net';
import type { Ingress } from '../exchange/ingress.ts';
import { Listener } from './listener.ts';
import type { ListenerOptions } from './listener.ts';

/**
 * Plain HTTP: the local application's way out (explicit proxy or one address per service), and the HTTP listeners of a
 * gateway, where each client address is an ingress of its own because it goes into `x-forwarded-for`.
 */
export class PlainListener extends Listener {
  protected override readonly direct = true;
  private readonly ingress: Ingress;

  constructor(options: ListenerOptions, ingress: Ingress) {
    super(options);
    this.ingress = ingress;
  }

  protected override accept(socket: Socket): void {
    if (this.ingress.kind !== 'gateway') this.open(socket, false, this.ingress);
    else this.open(socket, false, { ...this.ingress, clientAddress: plainAddress(socket.remoteAddress ?? '') });
  }
}

/** An IPv4 address that came over an IPv6 socket, as IPv4. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

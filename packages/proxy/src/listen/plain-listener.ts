import type { Socket } from 'node:net';
import type { ApplicationProtocol } from '@weft/model';
import type { Ingress } from '../exchange/ingress.ts';
import { Listener } from './listener.ts';
import type { ListenerOptions } from './listener.ts';
import { clientAddressOf } from './proxy-header.ts';

/**
 * Plain connections: the local application's way out (explicit proxy or one address per service), and the HTTP listeners of a
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
    const { ingress } = this;
    if (ingress.kind === 'gateway') {
      const own = { ...ingress, clientAddress: clientAddressOf(socket) };
      if (this.engine.tables.carries(Number(ingress.listener)) === '') this.open(socket, false, own);
      else this.tcp.open(socket, own);
      return;
    }
    const protocol = this.protocol();
    if (protocol === 'Tcp') this.tcp.open(socket, ingress);
    else if (protocol === 'Unknown') this.detect(socket, ingress, null);
    else this.open(socket, false, ingress);
  }

  private protocol(): ApplicationProtocol {
    const { kind, destination } = this.ingress;
    return kind === 'fixed' ? this.engine.tables.names.protocolOf(destination) : 'Http1';
  }
}

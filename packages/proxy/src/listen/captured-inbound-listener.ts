import type { Socket } from 'node:net';
import type { CaptureOptions } from './captured-outbound-listener.ts';
import { readOriginal } from './captured-outbound-listener.ts';
import { Listener } from './listener.ts';
import type { ListenerOptions } from './listener.ts';

/**
 * The way in to a captured application, whatever port was dialled: the listener of that port takes the connection. Ports that
 * neither the pod nor a service declares are refused, so that nothing is reached by accident.
 */
export class CapturedInboundListener extends Listener {
  protected override readonly direct = false;
  private readonly capture: CaptureOptions;
  private readonly listenerOf: (port: number) => Listener | undefined;

  /** `listenerOf` gives the listener for a port of the application; it was begun, and listens nowhere itself. */
  constructor(options: ListenerOptions, capture: CaptureOptions, listenerOf: (port: number) => Listener | undefined) {
    super(options);
    this.capture = capture;
    this.listenerOf = listenerOf;
  }

  protected override accept(socket: Socket): void {
    const original = readOriginal(socket, this.capture, this.port);
    if (original === undefined) {
      this.refuse(socket, 'loop-detected', 'not redirected');
      return;
    }
    const listener = this.listenerOf(original.port);
    if (listener === undefined) this.refuse(socket, 'misdirected', `port ${original.port} is not declared`);
    else listener.take(socket);
  }
}

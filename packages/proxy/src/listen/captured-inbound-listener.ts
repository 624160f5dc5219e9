import type { Socket } from 'node:net';
import type { CaptureOptions } from './captured-outbound-listener.ts';
import { readOriginal } from './captured-outbound-listener.ts';
import { plainAddress } from '../transport/plain-address.ts';
import { Listener } from './listener.ts';
import type { ListenerOptions } from './listener.ts';

/**
 * The way in to a captured application, whatever port was dialled: the listener of that port takes the connection. Ports that
 * neither the pod nor a service declares are refused, so that nothing is reached by accident.
 */
export class CapturedInboundListener extends Listener {
  protected override readonly direct = false;
  private readonly capture: CaptureOptions;
  private readonly makeListener: (port: number) => Listener | undefined;
  /** By port of the application. None of them listens itself. */
  private readonly ports: Map<number, Listener>;

  /** `makeListener` makes the listener for a declared port; undefined for others. */
  constructor(options: ListenerOptions, capture: CaptureOptions, makeListener: (port: number) => Listener | undefined) {
    super(options);
    this.capture = capture;
    this.makeListener = makeListener;
    this.ports = new Map();
  }

  override get openCount(): number {
    return this.sum((listener) => listener.openCount);
  }

  override get busyCount(): number {
    return this.sum((listener) => listener.busyCount);
  }

  override bufferedBytes(): number {
    return this.sum((listener) => listener.bufferedBytes());
  }

  override leave(): void {
    super.leave();
    for (const listener of this.ports.values()) listener.leave();
  }

  override closeIdle(): void {
    for (const listener of this.ports.values()) listener.closeIdle();
  }

  override destroy(): void {
    super.destroy();
    for (const listener of this.ports.values()) listener.destroy();
  }

  protected override accept(socket: Socket): void {
    const original = readOriginal(socket, this.capture, this.port);
    if (original === undefined) {
      this.refuse(socket, 'loop-detected', 'not redirected');
      return;
    }
    // Nobody outside can call from loopback: it is what we hand to the application, led back by rules older than this program.
    if (isLoopback(plainAddress(socket.remoteAddress ?? ''))) {
      this.refuse(socket, 'loop-detected', 'rules of another release');
      return;
    }
    const listener = this.listenerOf(original.port);
    if (listener === undefined) this.refuse(socket, 'misdirected', `port ${original.port} is not declared`);
    else listener.take(socket);
  }

  private listenerOf(port: number): Listener | undefined {
    const known = this.ports.get(port);
    if (known !== undefined) return known;
    const made = this.makeListener(port);
    if (made === undefined) return undefined;
    made.begin();
    if (this.draining) made.leave();
    this.ports.set(port, made);
    return made;
  }

  private sum(figure: (listener: Listener) => number): number {
    let total = 0;
    for (const listener of this.ports.values()) total += figure(listener);
    return total;
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

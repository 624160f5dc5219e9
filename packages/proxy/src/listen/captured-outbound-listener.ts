import type { Socket } from 'node:net';
import type { OriginalDestination, OriginalDestinationReader } from '@weft/capture';
import { hasPort } from '@weft/kernel';
import type { PortRange } from '@weft/kernel';
import type { DestinationKey } from '@weft/model';
import type { Ingress } from '../exchange/ingress.ts';
import { Listener } from './listener.ts';
import type { ListenerOptions } from './listener.ts';

/** What a listener of captured connections is told beside what every listener is. */
export interface CaptureOptions {
  readonly read: OriginalDestinationReader;
  /** Carried as bytes where nothing says what they speak. */
  readonly opaquePorts: readonly PortRange[];
  /** True for an address that this process listens on. */
  isOwnAddress(address: string, port: number): boolean;
}

/**
 * The way out of a captured application: each connection was going to some address, and that address decides, whatever name
 * its requests give. The address of a service leads to that service with all its routes; any other is outside of the mesh.
 */
export class CapturedOutboundListener extends Listener {
  protected override readonly direct = false;
  private readonly capture: CaptureOptions;
  private readonly ingressFor: (destination: DestinationKey) => Ingress;
  private readonly ingresses: Map<DestinationKey, Ingress>;

  constructor(options: ListenerOptions, capture: CaptureOptions, ingressFor: (destination: DestinationKey) => Ingress) {
    super(options);
    this.capture = capture;
    this.ingressFor = ingressFor;
    this.ingresses = new Map();
  }

  protected override accept(socket: Socket): void {
    const original = readOriginal(socket, this.capture, this.port);
    if (original === undefined) {
      this.refuse(socket, 'loop-detected', 'not redirected');
      return;
    }
    const { names } = this.engine.tables;
    const { address, port } = original;
    const key = names.resolve(address.includes(':') ? `[${address}]` : address, port, '');
    if (key === '') {
      this.carryOutside(socket, original);
      return;
    }
    const ingress = this.ingressOf(key);
    const protocol = names.protocolOf(key);
    const opaque = protocol === 'Unknown' && hasPort(this.capture.opaquePorts, port);
    if (protocol === 'Tcp' || opaque) this.tcp.open(socket, ingress);
    else if (protocol === 'Unknown') this.detect(socket, ingress, null);
    else this.open(socket, false, ingress);
  }

  /** Carried as bytes to where it was going: whose requests they are is nothing that an address tells. */
  private carryOutside(socket: Socket, { address, port }: OriginalDestination): void {
    const way = this.engine.egress(address, port);
    if (typeof way === 'string') this.refuse(socket, way, `${address}:${port}`);
    else this.tcp.open(socket, this.ingressFor(`outside:${address}:${port}`), { way });
  }

  private ingressOf(key: DestinationKey): Ingress {
    let ingress = this.ingresses.get(key);
    if (ingress === undefined) {
      // Services come and go; those that are called again are made again.
      if (this.ingresses.size >= MOST_DESTINATIONS) this.ingresses.clear();
      ingress = this.ingressFor(key);
      this.ingresses.set(key, ingress);
    }
    return ingress;
  }
}

const MOST_DESTINATIONS = 4_096;

/**
 * Where a connection was going; undefined for one that was going to us. A caller that dials the listener itself is told by the
 * kernel that it was going there, and would be led back to us for ever.
 */
export function readOriginal(
  socket: Socket,
  { read, isOwnAddress }: CaptureOptions,
  ownPort: number,
): OriginalDestination | undefined {
  const original = read(socket);
  if (original === undefined || original.port === ownPort) return undefined;
  return isOwnAddress(original.address, original.port) ? undefined : original;
}

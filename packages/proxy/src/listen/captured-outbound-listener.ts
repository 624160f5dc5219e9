import { BlockList } from 'node:net';
import type { Socket } from 'node:net';
import type { OriginalDestination, OriginalDestinationReader } from '@weft/capture';
import { hasPort, bracketedHost } from '@weft/kernel';
import type { PortRange, Timer } from '@weft/kernel';
import { addressKey } from '@weft/model';
import type { ApplicationProtocol, DestinationKey } from '@weft/model';
import type { DestinationWaiter, Engine } from '../exchange/engine.ts';
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
 * its requests give. The address of a service leads to that service with all its routes; the address of an instance to that
 * very instance, by mutual TLS and without routes. Any other is outside of the mesh.
 */
export class CapturedOutboundListener extends Listener {
  protected override readonly direct = false;
  private readonly capture: CaptureOptions;
  private readonly ingressFor: (destination: DestinationKey) => Ingress;
  private readonly ingresses: Map<DestinationKey, Ingress>;
  private readonly asking: Set<AddressQuestion>;

  constructor(options: ListenerOptions, capture: CaptureOptions, ingressFor: (destination: DestinationKey) => Ingress) {
    super(options);
    this.capture = capture;
    this.ingressFor = ingressFor;
    this.ingresses = new Map();
    this.asking = new Set();
  }

  override get openCount(): number {
    return super.openCount + this.asking.size;
  }

  override destroy(): void {
    super.destroy();
    for (const question of this.asking) question.destroy();
  }

  protected override accept(socket: Socket): void {
    const original = readOriginal(socket, this.capture, this.port);
    if (original === undefined) {
      this.refuse(socket, 'loop-detected', 'not redirected');
      return;
    }
    const { names } = this.engine.tables;
    const { address, port } = original;
    const key = names.resolve(bracketedHost(address), port, '');
    if (key === '') this.askWhose(socket, original);
    else this.openTo(socket, key, names.protocolOf(key), port);
  }

  private openTo(socket: Socket, key: DestinationKey, protocol: ApplicationProtocol, port: number): void {
    const ingress = this.ingressOf(key);
    const opaque = protocol === 'Unknown' && hasPort(this.capture.opaquePorts, port);
    if (protocol === 'Tcp' || opaque) this.tcp.open(socket, ingress);
    else if (protocol === 'Unknown') this.detect(socket, ingress, null);
    else this.open(socket, false, ingress);
  }

  /** An address that no service has: of an instance of the mesh, which the control plane knows, or of anything else. */
  private askWhose(socket: Socket, original: OriginalDestination): void {
    const { engine } = this;
    const { address, port } = original;
    const key = addressKey(address, port);
    const backend = engine.tables.backend(key);
    engine.tick();
    if (backend !== undefined) this.openTo(socket, key, backend.policy.protocol, port);
    else if (engine.isOutside(key) || !isInternal(address)) this.carryOutside(socket, original);
    else {
      const question = new AddressQuestion(this.engine, socket, key, () => {
        this.asking.delete(question);
        if (socket.destroyed) return;
        const found = engine.tables.backend(key);
        if (found === undefined) this.carryOutside(socket, original);
        else this.openTo(socket, key, found.policy.protocol, port);
      });
      this.asking.add(question);
      engine.awaitDestination(key, question);
    }
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

/** One connection that waits to hear whose the address is that it goes to. Nothing is read from it meanwhile. */
class AddressQuestion implements DestinationWaiter {
  private readonly engine: Engine;
  private readonly socket: Socket;
  private readonly key: DestinationKey;
  private readonly answered: () => void;
  private readonly timer: Timer;
  private readonly onClose: () => void;

  /** `answered` is called once, also when the caller went. */
  constructor(engine: Engine, socket: Socket, key: DestinationKey, answered: () => void) {
    this.engine = engine;
    this.socket = socket;
    this.key = key;
    this.answered = answered;
    this.timer = engine.wheel.create(() => {
      engine.tick();
      engine.presumeOutside(key);
      this.settle();
    });
    this.timer.reschedule(ANSWER_MS);
    this.onClose = () => this.settle();
    socket.once('close', this.onClose);
  }

  onDestination(): void {
    this.settle();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private settle(): void {
    this.timer.cancel();
    this.socket.removeListener('close', this.onClose);
    this.engine.forgetWaiter(this.key, this);
    this.answered();
  }
}

/** A control plane answers in some milliseconds. One that is away must not keep what is outside from being reached. */
const ANSWER_MS = 500;

/**
 * Where instances may be: private, shared and reserved addresses (RFC 1918, 6598, 1112, 4193). Public addresses are not asked about, so that
 * what a crawler calls is no load of the control plane.
 */
const internal = new BlockList();
for (const [address, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['240.0.0.0', 4],
] as const)
  internal.addSubnet(address, bits, 'ipv4');
internal.addSubnet('fc00::', 7, 'ipv6');

function isInternal(address: string): boolean {
  return internal.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
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

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { checkPeer, isVouchedFor, meshContext, verifySvid } from '@weft/identity';
import type { KeyAgreement, MeshContext, MeshProtocol, PeerIdentity, TrustBundle, WorkloadSvid } from '@weft/identity';
import type { Clock } from '@weft/kernel';
import type { DialTls } from '../transport/dial.ts';

/**
 * The identity this process has right now: leaf, roots and the TLS context made of them. Replaced as a whole; listeners
 * and pools hear of it and use the new one for what comes after. Shared by all workers' connections of one thread.
 */
export class MeshTls {
  svid: WorkloadSvid;
  bundle: TrustBundle;
  context: MeshContext;
  private readonly clock: Clock;
  private readonly keyAgreement: KeyAgreement;
  private readonly listeners: (() => void)[];
  private dial: DialTls;
  private dialSingle: DialTls;
  private dialOpaque: DialTls;
  /** Servers that were dialled and checked, for as long as their connections live. */
  private readonly servers: WeakMap<Socket, PeerIdentity>;

  constructor(svid: WorkloadSvid, bundle: TrustBundle, clock: Clock, keyAgreement: KeyAgreement) {
    this.svid = svid;
    this.bundle = bundle;
    this.clock = clock;
    this.keyAgreement = keyAgreement;
    this.listeners = [];
    this.servers = new WeakMap();
    this.context = meshContext(svid, bundle, keyAgreement);
    this.dial = this.makeDial(['weft-h2', 'weft-http/1.1']);
    this.dialSingle = this.makeDial(['weft-http/1.1']);
    this.dialOpaque = this.makeDial(['weft-tcp']);
  }

  /** True while our own leaf would be accepted by ourselves: valid now and vouched for by a root we hold. */
  get usable(): boolean {
    return verifySvid(this.svid.chain, this.bundle, this.clock.wallMs(), 'server').ok;
  }

  update(svid: WorkloadSvid, bundle: TrustBundle): void {
    if (svid === this.svid && bundle.generation === this.bundle.generation) return;
    this.svid = svid;
    this.bundle = bundle;
    this.context = meshContext(svid, bundle, this.keyAgreement);
    this.dial = this.makeDial(['weft-h2', 'weft-http/1.1']);
    this.dialSingle = this.makeDial(['weft-http/1.1']);
    this.dialOpaque = this.makeDial(['weft-tcp']);
    for (const listener of this.listeners) listener();
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** For connections that are opened from now on; what the server chose of our ALPN is what it then speaks. */
  dialTls(): DialTls {
    return this.dial;
  }

  /** The same for what HTTP/2 cannot carry: the peer has no other choice than HTTP/1.1. */
  dialHttp1(): DialTls {
    return this.dialSingle;
  }

  /** The same for a connection that carries opaque bytes: `weft-tcp`, one for each connection of an application. */
  dialTcp(): DialTls {
    return this.dialOpaque;
  }

  private makeDial(alpn: readonly MeshProtocol[]): DialTls {
    const { context } = this;
    return {
      context: context.context,
      alpn,
      check: (socket: TLSSocket, expectedIdentity: string) => {
        const checked = checkPeer(socket, this.bundle, this.clock.wallMs(), 'server');
        if (!checked.ok) return checked.error.reason;
        if (checked.value.id !== expectedIdentity) return `expected ${expectedIdentity}, got ${checked.value.id}`;
        this.servers.set(socket, checked.value);
        return undefined;
      },
      vouched: (socket: Socket) => {
        const peer = this.servers.get(socket);
        return peer !== undefined && isVouchedFor(peer, this.bundle, this.clock.wallMs());
      },
    };
  }
}

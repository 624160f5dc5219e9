import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { checkPeer, drainAtMs, meshProtocol, meshServerOptions } from '@weft/identity';
import type { PeerIdentity } from '@weft/identity';
import type { ApplicationProtocol, MtlsMode } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import type { FirstBytes } from '@weft/sniff';
import type { DownstreamConnection } from '../downstream/downstream-connection.ts';
import type { Ingress } from '../exchange/ingress.ts';
import type { MeshTls } from '../security/mesh-tls.ts';
import type { TcpSession } from '../tcp/tcp-session.ts';
import { takeFirstBytes } from './first-bytes.ts';
import { Listener } from './listener.ts';
import type { ListenerOptions } from './listener.ts';

/** The first bytes and the handshake together may take so long. */
const HANDSHAKE_MS = 5_000;

/** Identities for which an ingress is kept; more than call one port at a time in any but a hostile mesh. */
const MOST_PEERS = 1_024;

interface MeshPeer {
  readonly identity: PeerIdentity;
  readonly retireAtMs: number;
}

/**
 * The way in to one port of the local application. What a peer must be is decided on its first bytes: TLS of the mesh is
 * always served, plaintext HTTP only when the mode allows it.
 *
 * Our own check of the peer's certificate runs before a reader is attached: until then bytes of the application
 * protocol stay in the socket.
 */
export class InboundListener extends Listener {
  protected override readonly direct = false;
  readonly applicationPort: number;
  private readonly destination: string;
  private readonly tls: MeshTls;
  private readonly modeNow: () => MtlsMode;
  private readonly protocolNow: () => ApplicationProtocol;
  private readonly tlsServer: TlsServer;
  private readonly peers: Map<string, Ingress>;
  private readonly anonymous: Ingress;
  private readonly meshPeers: Map<DownstreamConnection, MeshPeer>;
  private readonly tcpPeers: Map<TcpSession, PeerIdentity>;

  constructor(
    options: ListenerOptions,
    applicationPort: number,
    destination: string,
    tls: MeshTls,
    modeNow: () => MtlsMode,
    protocolNow: () => ApplicationProtocol = () => 'Http1',
  ) {
    super(options);
    this.applicationPort = applicationPort;
    this.destination = destination;
    this.tls = tls;
    this.modeNow = modeNow;
    this.protocolNow = protocolNow;
    this.peers = new Map();
    this.meshPeers = new Map();
    this.tcpPeers = new Map();
    this.anonymous = this.ingressOf('', 'unknown');
    this.tlsServer = createTlsServer(
      meshServerOptions(tls.context, ['weft-h2', 'weft-http/1.1', 'weft-tcp'], HANDSHAKE_MS),
    );
    this.tlsServer.on('secureConnection', (socket) => this.secured(socket));
    this.tlsServer.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      socket.destroy();
      // OpenSSL's own refusal of the certificate ends in a reset too, and leaves its reason on the socket.
      const reason = socket.authorizationError as unknown as string | null;
      const left = !reason && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      const detail = reason || (error.code ?? error.message);
      this.options.sink.ended(left ? 'downstream-reset' : 'peer-identity-refused', detail, '');
    });
    tls.onChange(() => this.renewed());
  }

  override connectionClosed(connection: DownstreamConnection, code: TerminationCode, detail: string): void {
    this.meshPeers.delete(connection);
    super.connectionClosed(connection, code, detail);
  }

  protected override accept(socket: Socket): void {
    const mode = this.modeNow();
    const protocol = this.protocolNow();
    if (mode === 'Strict' || (protocol !== 'Tcp' && protocol !== 'Unknown')) this.sniff(socket);
    else if (mode === 'Disabled' && protocol === 'Tcp') this.tcp.open(socket, this.anonymous);
    else this.detect(socket, this.anonymous, mode === 'Disabled' ? null : (known) => this.secure(known));
  }

  /** A port that takes the mesh's TLS, or HTTP: its callers speak first. */
  private sniff(socket: Socket): void {
    this.watch(socket);
    takeFirstBytes(
      socket,
      this.engine,
      HANDSHAKE_MS,
      (first, seen) => this.judge(socket, first, seen),
      () => this.refuse(socket, 'request-head-timeout', 'first-bytes'),
    );
  }

  protected override sweep(): void {
    super.sweep();
    const wallMs = this.engine.clock.wallMs();
    for (const [connection, peer] of this.meshPeers) if (wallMs >= peer.retireAtMs) connection.retire();
  }

  private judge(socket: Socket, first: Buffer, seen: FirstBytes): void {
    const mode = this.modeNow();
    if (seen === 'tls' && mode !== 'Disabled') {
      socket.unshift(first);
      this.secure(socket);
      return;
    }
    if (mode === 'Strict') {
      this.refuse(socket, 'mtls-required', seen);
      return;
    }
    if (seen === 'tls' || seen === 'proxy-v2') {
      this.refuse(socket, 'wrong-scheme', seen);
      return;
    }
    if (seen === 'unknown') {
      // An answer of HTTP would be noise to whoever this is, and no connection error to one that meant HTTP/2 (RFC 9113 §3.4).
      this.refuse(socket, 'protocol-unknown', 'not-http');
      return;
    }
    socket.unshift(first);
    this.open(socket, false, this.anonymous);
  }

  private secure(socket: Socket): void {
    this.watch(socket);
    // Until the handshake is over an end is the end: a caller that gives up would otherwise be kept for its time-out.
    socket.allowHalfOpen = false;
    // Not a TLSSocket of our own making: that one would not verify (SECURITY.md).
    this.tlsServer.emit('connection', socket);
  }

  private secured(socket: TLSSocket): void {
    socket.on('error', () => {});
    socket.allowHalfOpen = true;
    const checked = checkPeer(socket, this.tls.bundle, this.engine.clock.wallMs(), 'client');
    if (!checked.ok) {
      this.refuse(socket, 'peer-identity-refused', checked.error.reason);
      return;
    }
    const protocol = meshProtocol(socket);
    if (protocol === 'weft-tcp') {
      this.openTcp(socket, checked.value);
      return;
    }
    if (protocol !== 'weft-h2' && protocol !== 'weft-http/1.1') {
      this.refuse(socket, 'peer-identity-refused', 'no-mesh-protocol');
      return;
    }
    const identity = checked.value;
    this.engine.tick();
    const ingress = this.peerIngress(identity);
    const connection =
      protocol === 'weft-h2' ? this.openHttp2(socket, true, ingress) : this.open(socket, true, ingress);
    const wallMs = this.engine.clock.wallMs();
    this.meshPeers.set(connection, {
      identity,
      retireAtMs: drainAtMs(wallMs, this.tls.svid.notAfterMs, identity.notAfterMs),
    });
  }

  private openTcp(socket: TLSSocket, identity: PeerIdentity): void {
    const session = this.tcp.open(socket, this.peerIngress(identity), { encrypted: true, announces: true });
    if (!session.open) return;
    this.tcpPeers.set(session, identity);
    socket.once('close', () => this.tcpPeers.delete(session));
  }

  private renewed(): void {
    this.tlsServer.setSecureContext(this.tls.context.material);
    const roots = new Set(this.tls.bundle.roots.map((root) => root.fingerprint));
    for (const [connection, peer] of this.meshPeers) {
      if (!roots.has(peer.identity.rootFingerprint)) connection.abort('policy-cut', 'root-removed');
    }
    // A connection of an application may outlive the leaf it was opened with, never the root of it.
    for (const [session, identity] of this.tcpPeers) {
      if (!roots.has(identity.rootFingerprint)) session.abort('policy-cut', 'root-removed');
    }
  }

  private peerIngress(identity: PeerIdentity): Ingress {
    let ingress = this.peers.get(identity.id);
    if (ingress === undefined) {
      if (this.peers.size >= MOST_PEERS) this.peers.delete(this.peers.keys().next().value!);
      const { namespace, serviceAccount } = identity;
      ingress = this.ingressOf(identity.id, namespace === undefined ? 'unknown' : `${namespace}/${serviceAccount}`);
      this.peers.set(identity.id, ingress);
    }
    return ingress;
  }

  private ingressOf(peerIdentity: string, source: string): Ingress {
    return {
      kind: 'inbound',
      destination: this.destination,
      listener: '',
      source,
      peerIdentity,
      clientAddress: '',
      serverName: '',
      scheme: 'http',
    };
  }
}

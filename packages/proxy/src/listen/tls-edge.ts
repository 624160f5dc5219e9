import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { SecureContext, Server, TLSSocket } from 'node:tls';
import type { Tables } from '@weft/decision';
import type { TerminationCode } from '@weft/outcome';
import type { Engine } from '../exchange/engine.ts';
import { edgeTls } from '../security/certificate-folder.ts';
import type { CertificateFolder, EdgeCertificate } from '../security/certificate-folder.ts';
import type { TicketKeys } from '../security/ticket-keys.ts';

const HANDSHAKE_MS = 10_000;

/** What becomes of the sockets that a `TlsEdge` was given; each comes back once, or ends by itself. */
export interface TlsEdgeOwner {
  /** `alpn` is `h2`, or anything else for HTTP/1.1. */
  onSecured(socket: TLSSocket, alpn: string): void;
  onTlsFailure(socket: Socket, code: TerminationCode, detail: string): void;
}

/**
 * Server-authenticated TLS of a gateway port: the certificate is that of the listener whose hostname fits the server name
 * (RFC 6066 §3), HTTP/2 and HTTP/1.1 are offered by ALPN, sessions are resumed by tickets. Callers show no certificate,
 * so nothing is lost by resuming, other than inside the mesh.
 */
export class TlsEdge {
  private readonly engine: Engine;
  private readonly port: number;
  private readonly certificates: CertificateFolder;
  private readonly server: Server;
  /** Of all contexts: a ticket outlives the certificate it was given under. */
  private readonly tickets: TicketKeys;
  private tables: Tables | null;
  private unnamed: EdgeCertificate | undefined;

  /** `port` is the declared one. */
  constructor(engine: Engine, port: number, certificates: CertificateFolder, tickets: TicketKeys, owner: TlsEdgeOwner) {
    this.engine = engine;
    this.port = port;
    this.certificates = certificates;
    this.tickets = tickets;
    this.tables = null;
    this.unnamed = undefined;
    this.server = createServer({
      ...edgeTls,
      handshakeTimeout: HANDSHAKE_MS,
      ALPNProtocols: ['h2', 'http/1.1'],
      SNICallback: (name, done) => this.choose(name, done),
    });
    this.server.on('secureConnection', (socket) => {
      socket.on('error', ignore);
      owner.onSecured(socket, socket.alpnProtocol || 'http/1.1');
    });
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      socket.destroy();
      const left = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      owner.onTlsFailure(socket, left ? 'downstream-reset' : 'downstream-tls-failed', error.code ?? error.message);
    });
  }

  /** Takes a socket of which nothing was read. */
  take(socket: Socket): void {
    this.prepareUnnamed();
    // Until the handshake is over an end is the end.
    socket.allowHalfOpen = false;
    this.server.emit('connection', socket);
  }

  private choose(name: string, done: (error: Error | null, context?: SecureContext) => void): void {
    const listener = this.engine.tables.listenerFor(this.port, name);
    const certificate = listener === undefined ? undefined : this.certificates.first(listener.resource.certificates);
    if (certificate === undefined) done(new Error(`no certificate for ${name}`));
    else done(null, certificate.context);
  }

  /** A caller that names no server gets the certificate of the listener for any host, else of the first. */
  private prepareUnnamed(): void {
    const { tables } = this.engine;
    let names: readonly string[] = tables.listenerFor(this.port, '')?.resource.certificates ?? [];
    if (names.length === 0) {
      for (const listener of tables.listeners()) {
        if (listener.port !== this.port) continue;
        names = listener.resource.certificates;
        break;
      }
    }
    const certificate = this.certificates.first(names);
    if (certificate === this.unnamed && this.tables !== null) return;
    this.tables = tables;
    this.unnamed = certificate;
    this.server.setSecureContext(certificate?.material ?? edgeTls);
    this.tickets.serve(this.server);
  }
}

function ignore(): void {}

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TerminationCode } from '@weft/outcome';
import type { Ingress } from '../exchange/ingress.ts';
import type { CertificateFolder } from '../security/certificate-folder.ts';
import type { TicketKeys } from '../security/ticket-keys.ts';
import type { ListenerOptions } from './listener.ts';
import { PlainListener } from './plain-listener.ts';
import { clientAddressOf, takeProxyHeader } from './proxy-header.ts';
import { TlsEdge } from './tls-edge.ts';
import type { TlsEdgeOwner } from './tls-edge.ts';

/**
 * A port of a Gateway. Whether it is plain or ends TLS follows the configuration in force, connection by connection, so
 * that a Gateway can change without the port being closed.
 */
export class GatewayListener extends PlainListener implements TlsEdgeOwner {
  private readonly own: Ingress;
  private readonly certificates: CertificateFolder;
  private readonly tickets: TicketKeys;
  /** Most ports need none. */
  private edge: TlsEdge | null;

  constructor(options: ListenerOptions, ingress: Ingress, certificates: CertificateFolder, tickets: TicketKeys) {
    super(options, ingress);
    this.own = ingress;
    this.certificates = certificates;
    this.tickets = tickets;
    this.edge = null;
  }

  protected override accept(socket: Socket): void {
    if (!this.engine.tables.mesh.gatewayProxyProtocol) this.serve(socket);
    else {
      this.watch(socket);
      takeProxyHeader(
        socket,
        this.engine,
        () => this.whenWelcome(socket, () => this.serve(socket)),
        (detail) => this.refuse(socket, 'proxy-header-expected', detail),
      );
    }
  }

  private serve(socket: Socket): void {
    const port = Number(this.own.listener);
    if (!this.engine.tables.endsTls(port)) {
      super.accept(socket);
      return;
    }
    this.watch(socket);
    this.edge ??= new TlsEdge(this.engine, port, this.certificates, this.tickets, this);
    this.edge.take(socket);
  }

  onSecured(socket: TLSSocket, alpn: string): void {
    this.engine.tick();
    socket.allowHalfOpen = true;
    const ingress: Ingress = {
      ...this.own,
      clientAddress: clientAddressOf(socket),
      scheme: 'https',
      serverName: socket.servername || '',
    };
    if (alpn === 'h2') this.openHttp2(socket, true, ingress);
    else this.open(socket, true, ingress);
  }

  onTlsFailure(_socket: Socket, code: TerminationCode, detail: string): void {
    this.options.sink.ended(code, detail, '');
  }
}

/**
 * The control plane's port. A `tls.Server` of ours stands in front of grpc-js: every connection is judged once, by the
 * caller's code, before its first byte is read, and then belongs to one of two gRPC servers:
 *
 *   tls.Server -- authenticate(socket) --+-- peer ------> Mesh.Sync, Identity.Issue, Peers.*
 *                                        +-- null ------> Identity.Issue, nothing else exists there
 *                                        +-- refused ---> destroyed
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { type TLSSocket, type TlsOptions, createServer as createTlsServer } from 'node:tls';
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { type Clock, type Result, type TimerWheel, fail } from '@weft/kernel';
import { EndpointDeltas } from '../endpoint-delta.ts';
import type { IssueRequest, IssueResponse } from '../identity-message.ts';
import {
  type ClientMessage,
  type Hello,
  MAX_MESSAGE_BYTES,
  type TrustBundleMessage,
  clientMessage,
} from '../sync-message.ts';
import { SyncHub } from '../sync-hub.ts';
import type { View } from '../session-contract.ts';
import { SyncSession } from '../sync-session.ts';
import { type CallFault, IDENTITY_ISSUE, MESH_SYNC } from './method.ts';
import { type PeerService, peerMethods } from './peer-methods.ts';
import { type Received, type Reply, callback, errorOf, unary } from './unary.ts';

export type { Reply } from './unary.ts';

/** What the control plane does behind the port. `P` is what its `authenticate` makes of a certificate. */
export interface ControlService<P> {
  /**
   * Judges a connection after its handshake: the peer, null when it showed no certificate, or why it is refused. Called
   * once, in the same turn as the handshake's end, before any byte is read.
   */
  authenticate(socket: TLSSocket): Result<P | null, string>;
  /** Judges a Hello against the certificate, and gives what this audience may see. */
  admit(hello: Hello, peer: P): Result<View, CallFault>;
  /** The session is about to start. */
  opened(session: SyncSession, peer: P, address: string): void;
  /** A message after Hello was taken in. */
  advanced(session: SyncSession, what: Exclude<ClientMessage['type'], 'hello'>): void;
  /** The stream has ended, for the reason given. */
  closed(session: SyncSession, reason: string): void;
  issue(request: IssueRequest, peer: P | null, address: string): Reply<IssueResponse>;
  /** Another replica speaks, or somebody who would like to be one: `peer` is to be judged. Absent: there are no others. */
  peers?(peer: P): Result<PeerService, CallFault>;
  /** The roots as of now, for Welcome. */
  trustBundle(): TrustBundleMessage | null;
  /** A connection was refused by `authenticate`. */
  refused(address: string, reason: string): void;
}

export interface ControlServerOptions<P> {
  /** Name of this replica, shown to proxies. */
  readonly server: string;
  readonly mesh: string;
  /** Certificate, key and roots. Client certificates are always asked for. */
  readonly tls: TlsOptions;
  readonly service: ControlService<P>;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /** Overrides for tests. */
  readonly reportIntervalMs?: number;
  readonly ackTimeoutMs?: number;
  readonly transactionBytes?: number;
}

const HELLO_TIMEOUT_MS = 10_000;
const REPORT_INTERVAL_MS = 10_000;
const ACK_TIMEOUT_MS = 30_000;
const TRANSACTION_BYTES = 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Together under the 10 s in which a half-dead peer is noticed. */
const KEEPALIVE_MS = 5000;
const KEEPALIVE_TIMEOUT_MS = 4000;

const GRPC_OPTIONS = {
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // Its registry keeps an entry per connection and socket for a debugger we don't offer.
  'grpc.enable_channelz': 0,
};

export class ControlServer<P> {
  /** All open Sync sessions. Tell it what changed. */
  readonly hub: SyncHub;
  private readonly options: ControlServerOptions<P>;
  private readonly deltas: EndpointDeltas;
  private readonly tlsServer: ReturnType<typeof createTlsServer>;
  private readonly known: Server;
  private readonly unknown: Server;
  private readonly knownConnections: ConnectionInjector;
  private readonly unknownConnections: ConnectionInjector;
  /** Who is at the other end, by its `address:port`, which is what a call tells of its connection; unique among those that are open. */
  private readonly connected: Map<string, P>;
  private readonly sockets: Set<Socket>;

  constructor(options: ControlServerOptions<P>) {
    this.options = options;
    this.hub = new SyncHub(options.clock, options.timers);
    this.deltas = new EndpointDeltas();
    this.connected = new Map();
    this.sockets = new Set();
    this.known = new Server(GRPC_OPTIONS);
    this.known.addService({ Sync: MESH_SYNC }, { Sync: (call: ServerDuplexStream<Buffer, Buffer>) => this.sync(call) });
    const issue = { Issue: unary(IDENTITY_ISSUE) };
    this.known.addService(issue, { Issue: this.issue });
    if (options.service.peers !== undefined) {
      const { definitions, handlers } = peerMethods((address) => this.peersFor(address));
      this.known.addService(definitions, handlers as UntypedServiceImplementation);
    }
    this.unknown = new Server(GRPC_OPTIONS);
    this.unknown.addService(issue, { Issue: this.issue });
    this.knownConnections = this.known.createConnectionInjector(ServerCredentials.createInsecure());
    this.unknownConnections = this.unknown.createConnectionInjector(ServerCredentials.createInsecure());
    this.tlsServer = createTlsServer(
      {
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        minVersion: 'TLSv1.3',
        ...options.tls,
        ALPNProtocols: ['h2'],
        requestCert: true,
        // Judged by `authenticate`: a connection without a certificate may ask for one.
        rejectUnauthorized: false,
      },
      (socket) => this.accept(socket),
    );
    this.tlsServer.on('connection', (socket: Socket) => {
      socket.setNoDelay(true);
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    // A failed handshake is the client's affair.
    this.tlsServer.on('tlsClientError', () => undefined);
  }

  /** Binds; port 0 takes a free one. Rejects when the port is taken. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.tlsServer.once('error', reject);
      this.tlsServer.listen({ host, port }, () => {
        this.tlsServer.off('error', reject);
        resolve(this.tlsServer.address() as AddressInfo);
      });
    });
  }

  /** New leaf or roots, for connections made from now on. */
  setTls(tls: TlsOptions): void {
    this.tlsServer.setSecureContext({ minVersion: 'TLSv1.3', ...tls });
  }

  /** Asks all proxies to move, within `withinMs`, then ends what is left after `graceMs`. */
  async close(withinMs: number, graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.tlsServer.close(() => resolve());
    });
    for (const session of this.hub.sessions) {
      session.drain({ reason: 'Move', subscribers: 0, acknowledged: 0, withinMs });
    }
    const timer = this.options.timers.schedule(graceMs, () => this.destroy());
    if (graceMs === 0) this.destroy();
    await closed;
    timer.cancel();
    this.known.forceShutdown();
    this.unknown.forceShutdown();
  }

  private destroy(): void {
    for (const session of this.hub.sessions) session.close('server-stopping');
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(socket: TLSSocket): void {
    // Otherwise a reset between two frames would end the process.
    socket.on('error', () => undefined);
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    const judged = this.options.service.authenticate(socket);
    if (!judged.ok || this.connected.has(address)) {
      this.options.service.refused(address, judged.ok ? 'address in use' : judged.error);
      socket.destroy();
      return;
    }
    if (judged.value === null) {
      this.unknownConnections.injectConnection(socket);
      return;
    }
    this.connected.set(address, judged.value);
    socket.once('close', () => this.connected.delete(address));
    this.knownConnections.injectConnection(socket);
  }

  private readonly issue = (
    call: ServerUnaryCall<Received<IssueRequest>, IssueResponse>,
    done: sendUnaryData<IssueResponse>,
  ): void => {
    const address = call.getPeer();
    const peer = this.connected.get(address) ?? null;
    callback(call.request, done, (request) => this.options.service.issue(request, peer, address));
  };

  private peersFor(address: string): Result<PeerService, CallFault> {
    const peer = this.connected.get(address);
    if (peer === undefined) return fail({ code: 'Unauthenticated', message: 'the connection is gone' });
    const { peers } = this.options.service;
    return peers?.(peer) ?? fail({ code: 'Unimplemented', message: 'this control plane has no replicas' });
  }

  private sync(call: ServerDuplexStream<Buffer, Buffer>): void {
    const address = call.getPeer();
    const peer = this.connected.get(address);
    const end = (fault: CallFault): void => {
      call.emit('error', errorOf(fault));
    };
    if (peer === undefined) {
      end({ code: 'Unauthenticated', message: 'the connection is gone' });
      return;
    }
    let session: SyncSession | null = null;
    const helloTimer = this.options.timers.schedule(HELLO_TIMEOUT_MS, () =>
      end({ code: 'DeadlineExceeded', message: 'no Hello within 10 s' }),
    );
    const finish = (reason: string): void => {
      helloTimer.cancel();
      if (session === null) return;
      const ended = session;
      session = null;
      ended.finish();
      this.hub.remove(ended);
      this.options.service.closed(ended, reason);
    };
    call.on('data', (bytes: Buffer) => {
      const decoded = clientMessage.decode(bytes);
      if (!decoded.ok) {
        if (decoded.error.code === 'Unsupported') return;
        finish('malformed message');
        end({ code: 'InvalidArgument', message: `${decoded.error.path}: ${decoded.error.message}` });
        return;
      }
      const message = decoded.value;
      if (session !== null) {
        session.receive(message);
        if (session !== null && message.type !== 'hello') this.options.service.advanced(session, message.type);
        return;
      }
      if (message.type !== 'hello') {
        end({ code: 'InvalidArgument', message: 'a stream begins with Hello' });
        return;
      }
      helloTimer.cancel();
      const admitted = this.admit(message.hello, peer);
      if (!admitted.ok) {
        end(admitted.error);
        return;
      }
      session = this.openSession(admitted.value, message.hello, call, finish);
      this.hub.add(session);
      this.options.service.opened(session, peer, address);
      session.start();
    });
    call.on('drain', () => session?.drained());
    call.on('error', (error: Error) => finish(error.message));
    call.on('cancelled', () => finish('cancelled by the proxy or its connection'));
    call.on('end', () => {
      finish('ended by the proxy');
      call.end();
    });
  }

  private admit(hello: Hello, peer: P): Result<View, CallFault> {
    if (hello.protocolVersion < 1) return fail({ code: 'FailedPrecondition', message: 'unknown protocol version' });
    return this.options.service.admit(hello, peer);
  }

  private openSession(
    view: View,
    hello: Hello,
    call: ServerDuplexStream<Buffer, Buffer>,
    finish: (reason: string) => void,
  ): SyncSession {
    const port = {
      write: (message: Buffer): boolean => call.write(message),
      close: (reason: string): void => {
        finish(reason);
        call.emit('error', errorOf({ code: 'Unavailable', message: reason }));
      },
    };
    return new SyncSession(view, hello, port, {
      server: this.options.server,
      session: randomUUID(),
      mesh: this.options.mesh,
      reportIntervalMs: this.options.reportIntervalMs ?? REPORT_INTERVAL_MS,
      ackTimeoutMs: this.options.ackTimeoutMs ?? ACK_TIMEOUT_MS,
      transactionBytes: this.options.transactionBytes ?? TRANSACTION_BYTES,
      trustBundle: this.options.service.trustBundle(),
      deltas: this.deltas,
      timers: this.options.timers,
    });
  }
}

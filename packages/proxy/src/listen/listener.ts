import { Buffer } from 'node:buffer';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Timer } from '@weft/kernel';
import { CLIENT_PREFACE } from '@weft/http';
import type { Http1Limits } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import type { DownstreamConnection, ListenerDeadlines } from '../downstream/downstream-connection.ts';
import { Http1DownstreamConnection } from '../downstream/http1-downstream-connection.ts';
import type { Http1Home } from '../downstream/http1-downstream-connection.ts';
import { Http2DownstreamConnection } from '../downstream/http2-downstream-connection.ts';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import { ProtocolDetection } from './protocol-detection.ts';
import { TcpSessions } from '../tcp/tcp-sessions.ts';
import type { CallerKind } from '@weft/telemetry';
import { acceptDirect, directHandles } from '../transport/node-handle.ts';
import { callerKindOf } from './caller-tally.ts';
import type { CallerTally } from './caller-tally.ts';
import type { FloodHold } from './flood-hold.ts';
import { clientAddressOf } from './proxy-header.ts';

/** What a listener does with the connections it accepts. */
export interface ListenerOptions {
  readonly engine: Engine;
  readonly limits: Http1Limits;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Several workers share the port. */
  readonly reusePort: boolean;
  readonly deadlines: ListenerDeadlines;
  /** 0 is no cap. */
  readonly maxConnections: number;
  /** Of all listeners of the thread: who flooded one is not welcome at the others. */
  readonly floodHold: FloodHold;
  readonly sink: ConnectionSink;
}

/** Ten seconds stop a slow head; five minutes are what callers' pools keep at most. */
export const defaultDeadlines: ListenerDeadlines = { headMs: 10_000, idleMs: 300_000 };

/** Hears of connections, for metrics and logs. */
export interface ConnectionSink {
  accepted(): void;
  ended(code: TerminationCode, detail: string, peer: string): void;
  /** A request was refused by its head, on a connection that goes on. */
  refused(code: TerminationCode, detail: string, peer: string): void;
  /** A response waits for its caller. */
  stalled(caller: CallerKind): void;
  /** Connections of this address wait for so long, because one of them was a flood. */
  flooded(address: string, holdMs: number): void;
  /** A connection waits for that. */
  held(): void;
}

/** Deadlines of connections are looked at so often, all at once: a request then arms no timer for its connection. */
const SWEEP_MS = 1_000;

const PREFACE = Buffer.from(CLIENT_PREFACE, 'latin1');

/**
 * A listening address and the connections it accepted. Subclasses decide what a new socket must prove first.
 */
export abstract class Listener implements Http1Home {
  readonly engine: Engine;
  readonly limits: Http1Limits;
  /** Every reply says `close`. */
  draining: boolean;
  protected readonly options: ListenerOptions;
  protected readonly connections: Set<DownstreamConnection>;
  /** Connections that are carried as opaque bytes. */
  protected readonly tcp: TcpSessions;
  /** Connections whose protocol is not known yet. */
  protected readonly undecided: Set<ProtocolDetection>;
  /** Sockets that must prove something before they are a connection: they have nobody else who ends them. */
  private readonly arriving: Set<Socket>;
  private readonly server: Server;
  private readonly sweeper: Timer;

  constructor(options: ListenerOptions) {
    this.options = options;
    this.engine = options.engine;
    this.limits = options.limits;
    this.draining = false;
    this.connections = new Set();
    this.tcp = new TcpSessions(options.engine, (code, detail, peer) => options.sink.ended(code, detail, peer));
    this.undecided = new Set();
    this.arriving = new Set();
    this.sweeper = options.engine.wheel.create(() => this.sweep());
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.admit(socket));
  }

  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? 0;
  }

  get address(): string {
    return (this.server.address() as AddressInfo | null)?.address ?? '';
  }

  get openCount(): number {
    return this.connections.size + this.tcp.size;
  }

  /** Bytes of answers that wait to be sent, and of requests that wait to be read. */
  bufferedBytes(): number {
    let held = this.tcp.bufferedBytes();
    for (const connection of this.connections) held += connection.bufferedBytes;
    return held;
  }

  /** Requests under way, and TCP connections: nobody but their two ends knows whether one is at rest. */
  get busyCount(): number {
    let busy = this.tcp.size;
    for (const connection of this.connections) busy += connection.busyCount;
    return busy;
  }

  /** Adds its connections to `tally`. */
  count(tally: CallerTally): void {
    for (const { ingress, protocol, busyCount } of this.connections) tally.add(ingress, protocol, busyCount);
  }

  /** Rejects with the system's error (`EADDRINUSE`, `EACCES`). */
  async listen(): Promise<void> {
    const { host, port, reusePort } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, reusePort, backlog: 4096 }, () => {
        this.server.removeListener('error', reject);
        this.server.on('error', () => this.options.sink.ended('internal-error', 'accept', ''));
        resolve();
      });
    });
    if (directHandles && this.direct) acceptDirect(this.server, (socket) => this.admit(socket));
    this.begin();
  }

  /** In place of `listen`: takes only what another listener accepted. */
  begin(): void {
    this.sweeper.reschedule(SWEEP_MS);
  }

  /** Serves a connection that another listener accepted and counted. */
  take(socket: Socket): void {
    const { maxConnections } = this.options;
    if (maxConnections > 0 && this.openCount >= maxConnections) {
      this.refuse(socket, 'connection-limit', `maxConnections ${maxConnections}`);
    } else this.accept(socket);
  }

  /** Callers are told to go elsewhere, while new connections are still served. */
  leave(): void {
    this.draining = true;
    for (const connection of this.connections) connection.drain();
  }

  /** No new connections from here. Replies say `close`; connections at rest stay until `closeIdle`. */
  drain(): void {
    this.leave();
    this.server.close();
  }

  /** Ends connections that carry no request. */
  closeIdle(): void {
    for (const connection of this.connections) connection.close('draining', 'idle');
  }

  /** Ends everything now. */
  destroy(): void {
    this.drain();
    this.sweeper.cancel();
    for (const connection of this.connections) connection.abort('drain-deadline', 'stopped');
    this.tcp.destroy('drain-deadline', 'stopped');
    for (const detection of this.undecided) detection.destroy();
    for (const socket of this.arriving) socket.destroy();
  }

  connectionClosed(connection: DownstreamConnection, code: TerminationCode, detail: string): void {
    this.connections.delete(connection);
    this.options.sink.ended(code, detail, connection.ingress.peerIdentity);
  }

  /** A connection is about to be ended for a flood: its address is not read from for a while. */
  flooded(connection: DownstreamConnection): void {
    const { floodHold, sink } = this.options;
    const address = clientAddressOf(connection.pipe.socket);
    let others = -1;
    for (const { pipe } of this.connections) if (clientAddressOf(pipe.socket) === address) others += 1;
    const holdMs = floodHold.strike(address, others, this.engine.nowMs);
    if (holdMs > 0) sink.flooded(address, holdMs);
  }

  /** True when sockets may be taken before any byte of them is read. */
  protected abstract readonly direct: boolean;

  /** Decides on a socket of which nothing has been read. */
  protected abstract accept(socket: Socket): void;

  stalled(connection: DownstreamConnection): void {
    this.options.sink.stalled(callerKindOf(connection.ingress));
  }

  headRefused(connection: DownstreamConnection, code: TerminationCode, detail: string): void {
    this.options.sink.refused(code, detail, connection.ingress.peerIdentity);
  }

  switchToHttp2(connection: Http1DownstreamConnection, chunk: Buffer, start: number, end: number): void {
    const { pipe, ingress } = connection;
    this.connections.delete(connection);
    const next = new Http2DownstreamConnection(pipe.socket, pipe.encrypted, ingress, this, pipe);
    this.connections.add(next);
    next.onPipeBytes(PREFACE, 0, PREFACE.length);
    if (end > start) next.onPipeBytes(chunk, start, end);
  }

  /** HTTP/1.1, or HTTP/2 by the first bytes when they are not encrypted. */
  protected open(socket: Socket | TLSSocket, encrypted: boolean, ingress: Ingress): DownstreamConnection {
    const connection = new Http1DownstreamConnection(socket, encrypted, ingress, this);
    this.connections.add(connection);
    return connection;
  }

  protected openHttp2(socket: Socket | TLSSocket, encrypted: boolean, ingress: Ingress): DownstreamConnection {
    const connection = new Http2DownstreamConnection(socket, encrypted, ingress, this, null);
    this.connections.add(connection);
    return connection;
  }

  /** Finds out what a connection speaks. `onMeshTls` takes what is TLS of the mesh; null where there is none. */
  protected detect(socket: Socket, ingress: Ingress, onMeshTls: ((socket: Socket) => void) | null): void {
    const detection = new ProtocolDetection(
      {
        engine: this.engine,
        sessions: this.tcp,
        onRequests: (known) => void this.open(known, false, ingress),
        onMeshTls,
        refuse: (known, code, detail) => this.refuse(known, code, detail),
      },
      socket,
      ingress,
      () => this.undecided.delete(detection),
    );
    this.undecided.add(detection);
  }

  /** A socket whose first bytes or handshake are waited for: `destroy` ends it too, whatever it has become. */
  protected watch(socket: Socket): void {
    if (this.arriving.has(socket)) return;
    this.arriving.add(socket);
    socket.once('close', () => this.arriving.delete(socket));
  }

  protected refuse(socket: Socket, code: TerminationCode, detail: string): void {
    socket.destroy();
    this.options.sink.ended(code, detail, '');
  }

  protected sweep(): void {
    const nowMs = this.engine.tick();
    this.sweeper.reschedule(SWEEP_MS, nowMs);
    for (const connection of this.connections) connection.sweep(nowMs, this.options.deadlines);
    this.tcp.sweep(nowMs);
  }

  private admit(socket: Socket): void {
    // An error without a listener would end the process.
    socket.on('error', ignore);
    this.options.sink.accepted();
    if (this.options.floodHold.calm) this.take(socket);
    else this.whenWelcome(socket, () => this.take(socket));
  }

  /** Calls back at once, or after the socket has waited unread for what its address did; never when it is refused. */
  protected whenWelcome(socket: Socket, callback: () => void): void {
    const { floodHold, sink } = this.options;
    const address = clientAddressOf(socket);
    const welcome = floodHold.welcome(address, this.engine.tick());
    if (welcome === 0) callback();
    else if (welcome === 'refused') this.refuse(socket, 'connection-limit', 'held-after-flood');
    else {
      this.watch(socket);
      sink.held();
      this.engine.wheel.schedule(welcome, () => {
        floodHold.release(address);
        if (!socket.destroyed) callback();
      });
    }
  }
}

function ignore(): void {}

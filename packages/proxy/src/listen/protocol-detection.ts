import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Timer } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import { ClientHelloReader, SNIFF_MAX_BYTES, sniffFirstBytes } from '@weft/sniff';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import type { TcpSession } from '../tcp/tcp-session.ts';
import type { TcpSessions } from '../tcp/tcp-sessions.ts';

/**
 * A client that speaks first has nearly always spoken by then: its first bytes follow its handshake. What waits longer is
 * let race: the endpoint is dialled, and whoever speaks first decides.
 */
const GRACE_MS = 50;

/** A connection on which neither side has spoken is at rest; callers' pools keep such ones for minutes. */
const SILENCE_MS = 300_000;

/** From the first byte until the bytes tell something. */
const FIRST_BYTES_MS = 10_000;

/** What a listener does with a connection whose protocol is known. */
export interface DetectionHome {
  readonly engine: Engine;
  readonly sessions: TcpSessions;
  /** HTTP: what was read has been put back. */
  onRequests(socket: Socket): void;
  /** TLS that offers a protocol of the mesh: what was read has been put back. Null where none is served. */
  readonly onMeshTls: ((socket: Socket) => void) | null;
  refuse(socket: Socket, code: TerminationCode, detail: string): void;
}

/**
 * Finds out what a connection speaks whose port does not say. Nothing is taken from it for good: what was read is put back
 * into the socket before anybody else reads.
 *
 *   waiting --first bytes--> decided        HTTP, mesh TLS, or opaque
 *      |
 *      50 ms
 *      v
 *   racing --the caller speaks--> decided   HTTP: the dialled connection is dropped, nothing was sent on it
 *          --the endpoint speaks--> opaque
 */
export class ProtocolDetection {
  private readonly home: DetectionHome;
  private readonly socket: Socket;
  private readonly ingress: Ingress;
  private readonly timer: Timer;
  private readonly grace: Timer;
  private first: Buffer | null;
  private session: TcpSession | null;
  private decided: boolean;
  private hello: ClientHelloReader | null;
  private readonly onData: (chunk: Buffer) => void;
  private readonly onGone: () => void;

  private readonly onSettled: () => void;

  /** `onSettled` is called once, when the listener need not know it any more. */
  constructor(home: DetectionHome, socket: Socket, ingress: Ingress, onSettled: () => void) {
    this.onSettled = onSettled;
    this.home = home;
    this.socket = socket;
    this.ingress = ingress;
    this.first = null;
    this.session = null;
    this.decided = false;
    this.hello = null;
    const { wheel } = home.engine;
    this.timer = wheel.create(() => this.expire());
    this.grace = wheel.create(() => this.race());
    this.onData = (chunk) => this.take(chunk);
    this.onGone = () => this.gone();
    socket.on('data', this.onData);
    socket.once('end', this.onGone);
    socket.once('close', this.onGone);
    this.timer.reschedule(SILENCE_MS);
    this.grace.reschedule(GRACE_MS);
  }

  /** Ends it: the listener goes away. */
  destroy(): void {
    if (!this.decided) this.gone();
  }

  private take(chunk: Buffer): void {
    const { engine } = this.home;
    engine.tick();
    if (this.first === null) {
      this.first = chunk;
      this.grace.cancel();
      this.timer.reschedule(FIRST_BYTES_MS, engine.nowMs);
    } else this.first = Buffer.concat([this.first, chunk]);
    const { first } = this;
    const seen = sniffFirstBytes(first, 0, first.length);
    if (seen === 'need-more' && first.length < SNIFF_MAX_BYTES) return;
    if (seen === 'http1' || seen === 'http2-preface') {
      this.settle();
      this.session?.abandon();
      this.home.onRequests(this.socket);
    } else if (seen === 'tls' && this.home.onMeshTls !== null) this.readHello(chunk);
    else this.carry();
  }

  /** The mesh's own TLS is told from an application's by what it offers. */
  private readHello(chunk: Buffer): void {
    const known = this.hello !== null;
    this.hello ??= new ClientHelloReader();
    const bytes = known ? chunk : this.first!;
    const verdict = this.hello.feed(bytes, 0, bytes.length);
    if (verdict === 'need-more') return;
    if (this.hello.hello?.alpn.some((name) => name.startsWith('weft-')) === true) {
      this.settle();
      this.session?.abandon();
      this.home.onMeshTls!(this.socket);
    } else this.carry();
  }

  private carry(): void {
    this.settle();
    if (this.session !== null) this.session.attach();
    else this.home.sessions.open(this.socket, this.ingress);
  }

  private race(): void {
    this.home.engine.tick();
    this.session = this.home.sessions.open(this.socket, this.ingress, {
      race: {
        serverFirst: () => {
          this.settle();
          this.session!.attach();
        },
        over: () => {
          this.session = null;
        },
      },
    });
    if (!this.session.open) this.session = null;
  }

  private expire(): void {
    this.settle();
    this.session?.abandon();
    if (this.first === null) this.home.refuse(this.socket, 'completed', 'idle');
    else this.home.refuse(this.socket, 'request-head-timeout', 'first-bytes');
  }

  private gone(): void {
    if (this.decided) return;
    this.settle();
    this.session?.abandon();
    this.home.refuse(this.socket, 'downstream-reset', 'closed');
  }

  /** The decision has been made: what was read goes back, and nobody listens here any more. */
  private settle(): void {
    this.decided = true;
    this.onSettled();
    this.timer.cancel();
    this.grace.cancel();
    const { socket } = this;
    socket.removeListener('data', this.onData);
    socket.removeListener('end', this.onGone);
    socket.removeListener('close', this.onGone);
    if (socket.destroyed) return;
    socket.pause();
    if (this.first !== null) socket.unshift(this.first);
  }
}

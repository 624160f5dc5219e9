import { connect as connectPlain } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Timer, TimerWheel } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import { wayOptions } from './application-door.ts';
import type { ApplicationDoor, ApplicationWay } from './application-door.ts';

/** What a dial needs to know about the other end. */
export interface DialTarget {
  readonly address: string;
  readonly port: number;
  /** SPIFFE ID expected of the peer; empty for plaintext. */
  readonly identity: string;
  /** The ways to the local application, in place of the address; null for all others. */
  readonly door: ApplicationDoor | null;
}

/** How mesh TLS is spoken by this process right now; replaced when the leaf or the roots change. */
export interface DialTls {
  readonly context: SecureContext;
  readonly alpn: readonly string[];
  /** Our own verification of the peer; a reason when it is refused. Called before a byte of ours is sent. */
  check(socket: TLSSocket, expectedIdentity: string): string | undefined;
  /** Whether a peer that was checked before is still vouched for by a root in force. */
  vouched(socket: Socket): boolean;
}

export interface DialObserver {
  onDialed(socket: Socket, tlsStartedMs: number): void;
  onDialFailed(code: TerminationCode, detail: string): void;
}

/**
 * Connects to one endpoint: TCP, then mesh TLS when an identity is expected. Calls the observer exactly once unless
 * cancelled. A TLS connection counts as established when the peer's session ticket has come: in TLS 1.3 the client's
 * handshake ends before the server has looked at the client's certificate, so anything earlier says nothing.
 */
export class Dial {
  private readonly target: DialTarget;
  private readonly tls: DialTls | null;
  private readonly observer: DialObserver;
  private readonly timer: Timer;
  private readonly now: () => number;
  private raw: Socket | null;
  private socket: Socket | TLSSocket | null;
  private tlsStartedMs: number;
  private done: boolean;
  /** What the first way answered; of the others little is to be learned. */
  private refusal: string;

  constructor(
    target: DialTarget,
    tls: DialTls | null,
    wheel: TimerWheel,
    now: () => number,
    timeoutMs: number,
    observer: DialObserver,
  ) {
    this.target = target;
    this.tls = tls;
    this.observer = observer;
    this.now = now;
    this.raw = null;
    this.socket = null;
    this.tlsStartedMs = 0;
    this.done = false;
    this.refusal = '';
    // A loop that was late may have the answer in hand: what has come is read before the dial is given up.
    this.timer = wheel.create(() => void setImmediate(() => this.fail('connect-timeout', 'connect-timeout')));
    if (timeoutMs > 0) this.timer.reschedule(timeoutMs);
    const { address, door } = target;
    this.open(door === null ? [{ address, from: '', limitMs: 0 }] : door.ways, 0);
  }

  /** Gives up; the observer hears nothing more. */
  cancel(): void {
    if (this.done) return;
    this.done = true;
    this.timer.cancel();
    this.socket?.destroy();
    this.raw?.destroy();
  }

  private open(ways: readonly ApplicationWay[], index: number): void {
    const way = ways[index]!;
    const { port, door } = this.target;
    const raw = connectPlain({ ...wayOptions(way), port, noDelay: true, allowHalfOpen: true });
    this.raw = raw;
    let accepted = false;
    const silent = (): void => void raw.destroy(new Error('silent'));
    raw.on('error', (error: NodeJS.ErrnoException) => {
      if (this.refusal === '') this.refusal = error.code ?? error.message;
      if (this.done) return;
      if (!accepted && index + 1 < ways.length) this.open(ways, index + 1);
      else this.fail('connect-refused', this.refusal);
    });
    if (way.limitMs > 0) raw.setTimeout(way.limitMs, silent);
    raw.once('connect', () => {
      accepted = true;
      if (way.limitMs > 0) raw.setTimeout(0, silent);
      if (this.done) return;
      this.refusal = '';
      door?.answered(way);
      if (this.tls === null) this.succeed(raw);
      else this.secure(raw, this.tls);
    });
  }

  private secure(raw: Socket, tls: DialTls): void {
    this.tlsStartedMs = this.now();
    const socket = connectTls({
      socket: raw,
      secureContext: tls.context,
      ALPNProtocols: [...tls.alpn],
      // Ours is the check that counts; Node's would look for a host name, which a SPIFFE leaf does not have.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      minVersion: 'TLSv1.3',
    });
    this.socket = socket;
    // Both stay for the socket's life and do nothing once the dial is over.
    socket.on('error', (error: NodeJS.ErrnoException) => this.fail('tls-failed', error.code ?? error.message));
    socket.on('close', () => this.fail('tls-failed', 'closed-in-handshake'));
    socket.once('secureConnect', () => {
      const refused = tls.check(socket, this.target.identity);
      if (refused !== undefined) this.fail('upstream-identity-refused', refused);
    });
    socket.once('session', () => this.succeed(socket));
  }

  private succeed(socket: Socket): void {
    if (this.done) return;
    this.done = true;
    this.timer.cancel();
    this.observer.onDialed(socket, this.tlsStartedMs);
  }

  private fail(code: TerminationCode, detail: string): void {
    if (this.done) return;
    this.done = true;
    this.timer.cancel();
    this.socket?.destroy();
    this.raw?.destroy();
    this.observer.onDialFailed(code, detail);
  }
}

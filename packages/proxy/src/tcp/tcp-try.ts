import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { EndpointState } from '@weft/balance';
import type { BackendState } from '@weft/decision';
import type { Timer } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import type { Engine } from '../exchange/engine.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { Dial } from '../transport/dial.ts';
import type { DialObserver } from '../transport/dial.ts';
import { OpenReplyReader } from './open-reply.ts';
import { RelayPipe } from './relay-pipe.ts';

/** Hears what the endpoint of a try says once its application has accepted. */
export interface UpstreamOwner {
  /** Bytes [start, end) of `chunk`, valid until this returns. */
  onUpstreamBytes(chunk: Buffer, start: number, end: number): void;
  onUpstreamEnd(): void;
  onUpstreamDrained(): void;
  /** `error` is the system's code, empty for an orderly end. */
  onUpstreamClose(error: string): void;
}

/** Hears how a try goes: one of the two, once, perhaps before `start` has returned. */
export interface TryOwner {
  onTryOpened(pipe: RelayPipe): void;
  onTryFailed(code: TerminationCode, detail: string): void;
}

export interface TryTarget {
  readonly backend: BackendState;
  readonly endpoint: EndpointState;
  /** For all of it; 0 for as long as it takes. */
  readonly connectMs: number;
}

/**
 * One try to reach an application through one endpoint, and the connection when it did.
 *
 *   dialling --a sidecar--> awaiting its word (`open-reply.ts`) --> open
 *           `--an application-----------------------------------`
 */
export class TcpTry implements DialObserver, PipeOwner {
  /** Of the connection to the endpoint; null until it stands. */
  socket: Socket | null;
  private readonly engine: Engine;
  private readonly target: TryTarget;
  private readonly startMs: number;
  /** For the word of a sidecar. */
  private readonly timer: Timer;
  /** Both are null once the try is over: nothing that it says later is heard. */
  private owner: TryOwner | null;
  private upstream: UpstreamOwner | null;
  private dial: Dial | null;
  private pipe: RelayPipe | null;
  private reply: OpenReplyReader | null;

  constructor(engine: Engine, target: TryTarget, owner: TryOwner, upstream: UpstreamOwner) {
    this.socket = null;
    this.engine = engine;
    this.target = target;
    this.startMs = engine.nowMs;
    this.timer = engine.wheel.create(() => this.expire());
    this.owner = owner;
    this.upstream = upstream;
    this.dial = null;
    this.pipe = null;
    this.reply = null;
  }

  start(): void {
    const { engine } = this;
    const { backend, endpoint, connectMs } = this.target;
    const { address, port, identity, mesh } = endpoint.endpoint;
    const tls = mesh ? engine.tcp.dialTcp() : null;
    if (mesh && tls === null) {
      this.fail('tls-failed', 'no-own-identity');
      return;
    }
    const door = engine.tcp.doorOf(backend);
    const target = { address, port, identity: mesh ? identity : '', door };
    this.dial = new Dial(target, tls, engine.wheel, () => engine.nowMs, connectMs, this);
  }

  /** Ends it now; the owner hears nothing more. `cut`: the endpoint must see that it broke off. */
  close(cut: boolean): void {
    this.owner = null;
    this.upstream = null;
    this.timer.cancel();
    this.dial?.cancel();
    this.dial = null;
    if (cut) this.pipe?.reset();
    else this.pipe?.destroy();
  }

  onDialed(socket: Socket): void {
    const { engine } = this;
    const { connectMs, endpoint } = this.target;
    engine.tick();
    this.dial = null;
    const { mesh } = endpoint.endpoint;
    if (!mesh && engine.tcp.isOwnAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)) {
      socket.destroy();
      this.fail('loop-detected', 'the endpoint is this proxy');
      return;
    }
    this.socket = socket;
    const pipe = new RelayPipe(socket, mesh, this);
    this.pipe = pipe;
    if (mesh) {
      this.reply = new OpenReplyReader();
      const leftMs = connectMs - (engine.nowMs - this.startMs);
      if (connectMs > 0) this.timer.reschedule(Math.max(1, leftMs), engine.nowMs);
    }
    pipe.start();
    if (!mesh) this.owner?.onTryOpened(pipe);
  }

  onDialFailed(code: TerminationCode, detail: string): void {
    this.engine.tick();
    this.dial = null;
    this.fail(code, detail);
  }

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    if (this.reply === null) this.upstream?.onUpstreamBytes(chunk, start, end);
    else this.readReply(this.reply, chunk, start, end);
  }

  onPipeEnd(): void {
    this.engine.tick();
    if (this.reply === null) this.upstream?.onUpstreamEnd();
    else this.fail('connect-refused', 'closed-before-open');
  }

  onPipeDrained(): void {
    this.upstream?.onUpstreamDrained();
  }

  onPipeClose(error: string): void {
    this.engine.tick();
    if (this.reply === null) this.upstream?.onUpstreamClose(error);
    else this.fail('connect-refused', error === '' ? 'closed-before-open' : error);
  }

  private readReply(reply: OpenReplyReader, chunk: Buffer, start: number, end: number): void {
    this.engine.tick();
    const { verdict, taken } = reply.feed(chunk, start, end);
    if (verdict === 'need-more') return;
    if (verdict === 'refused') {
      this.fail(reply.code, reply.detail === '' ? 'refused-by-peer' : reply.detail);
      return;
    }
    this.reply = null;
    this.timer.cancel();
    this.owner?.onTryOpened(this.pipe!);
    if (taken < end) this.upstream?.onUpstreamBytes(chunk, taken, end);
  }

  private expire(): void {
    this.engine.tick();
    this.fail('connect-timeout', 'no-open-reply');
  }

  private fail(code: TerminationCode, detail: string): void {
    const { owner } = this;
    this.close(false);
    owner?.onTryFailed(code, detail);
  }
}

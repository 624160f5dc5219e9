import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { Head } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import { BytePipe } from '../transport/byte-pipe.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { Dial } from '../transport/dial.ts';
import type { DialObserver, DialTarget } from '../transport/dial.ts';
import type { LeaseWaiter, PoolEnvironment, StreamSource } from './connection-pool.ts';
import type { UpstreamObserver, UpstreamStream } from './upstream-stream.ts';

/**
 * What one CONNECT leads to (RFC 9110 §9.3.6): a connection of its own, to which nothing of the request is sent. Once it is
 * there the request is answered 200, and bytes go both ways, each ended by itself.
 */
export class TunnelDial implements StreamSource, UpstreamStream, PipeOwner, DialObserver {
  /** Never TLS of ours. */
  readonly lastHandshakeMs = -1;
  readonly reused = false;
  readonly shared = false;
  private readonly target: DialTarget;
  private readonly environment: PoolEnvironment;
  private waiter: LeaseWaiter | null;
  private dial: Dial | null;
  private pipe: BytePipe | null;
  private observer: UpstreamObserver | null;

  constructor(target: DialTarget, environment: PoolEnvironment) {
    this.target = target;
    this.environment = environment;
    this.waiter = null;
    this.dial = null;
    this.pipe = null;
    this.observer = null;
  }

  get blocked(): boolean {
    return this.pipe!.blocked;
  }

  lease(waiter: LeaseWaiter): null {
    const { wheel } = this.environment;
    this.waiter = waiter;
    this.dial = new Dial(this.target, null, wheel, () => this.environment.now(), waiter.connectTimeoutMs, this);
    return null;
  }

  /** Gives up, waited for or under way. */
  cancel(): void {
    this.waiter = null;
    this.observer = null;
    this.dial?.cancel();
    this.pipe?.destroy();
  }

  onDialed(socket: Socket): void {
    this.environment.tick();
    const waiter = this.waiter!;
    this.waiter = null;
    // A name may lead to one of our own listeners in ways that its text does not show.
    if (this.environment.isOwnAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)) {
      socket.destroy();
      waiter.onLeaseFailed('loop-detected', `${this.target.address} is this proxy`);
      return;
    }
    this.pipe = new BytePipe(socket, false, this);
    this.pipe.start();
    waiter.onLease(this);
  }

  onDialFailed(code: TerminationCode, detail: string): void {
    this.environment.tick();
    const waiter = this.waiter!;
    this.waiter = null;
    waiter.onLeaseFailed(code, detail);
  }

  sendHead(observer: UpstreamObserver): boolean {
    this.observer = observer;
    return true;
  }

  /** The request is whole, and so is what it asked for. */
  sendEnd(): void {
    this.observer?.onUpstreamHead(established());
  }

  sendData(chunk: Buffer, start: number, end: number): void {
    this.pipe!.send(chunk, start, end);
  }

  /** Nobody writes a CONNECT beforehand: mirrors are of routes. */
  sendSerialized(observer: UpstreamObserver): void {
    this.cancel();
    observer.onUpstreamFailure('internal-error', 'a tunnel carries no request');
  }

  discard(): void {
    this.cancel();
  }

  pauseResponse(): void {
    this.pipe!.pause();
  }

  resumeResponse(): void {
    this.pipe!.resume();
  }

  endTunnel(): void {
    this.pipe!.end();
  }

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    this.environment.tick();
    this.observer?.onUpstreamTunnelBytes(chunk, start, end);
  }

  onPipeEnd(): void {
    this.environment.tick();
    this.observer?.onUpstreamTunnelEnd();
  }

  onPipeDrained(): void {
    this.observer?.onUpstreamDrained();
  }

  onPipeClose(error: string): void {
    this.environment.tick();
    const { observer } = this;
    this.observer = null;
    if (error === '') observer?.onUpstreamTunnelEnd();
    else observer?.onUpstreamFailure('upstream-cut', error);
  }
}

function established(): Head {
  const head = new Head();
  head.status = 200;
  head.raw = false;
  return head;
}

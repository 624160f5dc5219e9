import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/** As much of a socket as those touch who read first bytes, without a stream's turns of the event loop. */
export class ScriptedSocket extends EventEmitter {
  destroyed = false;
  /** Bytes that nobody has taken, in order. */
  private waiting: Buffer[] = [];
  private flowing = false;
  private ended = false;

  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  get left(): Buffer {
    return Buffer.concat(this.waiting);
  }

  override on(name: string, listener: (...args: never[]) => void): this {
    super.on(name, listener as (...args: unknown[]) => void);
    if (name === 'data') this.resume();
    return this;
  }

  pause(): this {
    this.flowing = false;
    return this;
  }

  resume(): this {
    this.flowing = true;
    return this;
  }

  unshift(bytes: Buffer): void {
    if (this.destroyed) throw new Error('bytes are put back into a socket that is gone');
    this.waiting.unshift(bytes);
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.emit('close');
    return this;
  }

  /** The caller sends. */
  arrive(bytes: Buffer): void {
    if (this.destroyed || this.ended) return;
    this.waiting.push(bytes);
    this.flow();
  }

  /** The caller ends its direction, or is gone. */
  leave(how: 'end' | 'close'): void {
    if (this.destroyed || this.ended) return;
    this.ended = true;
    if (how === 'end') this.emit('end');
    else this.destroy();
  }

  private flow(): void {
    while (this.flowing && this.listenerCount('data') > 0 && this.waiting.length > 0) {
      this.emit('data', this.waiting.shift());
    }
  }
}

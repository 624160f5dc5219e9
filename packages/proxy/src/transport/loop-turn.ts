import { systemClock } from '@weft/kernel';
import type { Clock } from '@weft/kernel';
import { turnPace } from './turn-pace.ts';

/** A pipe whose output waits for more. */
export interface Gathering {
  /** Each of its writes is a record of TLS. */
  readonly encrypted: boolean;
  /** It has waited long enough. */
  flushGathered(): void;
}

/** What a turn needs of the machine. */
export interface LoopTurnPorts {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly pace: { readonly pausing: boolean; rest(): void };
  /** Calls back when every socket that can be read in this turn of the loop has been. */
  atEnd(callback: () => void): void;
}

/**
 * A write costs as much as all else that is done for a small call, so the calls of 32 connections that go on over one are
 * worth a single one. What is so much already is its own batch, and is worth more in the peer's hands while the rest is read.
 */
const PLAIN_BYTES = 400;

/**
 * A record of TLS costs as much again, here to seal it and at the peer to open it. So what comes in meanwhile joins
 * it, for as long as every turn of the loop brings something; for so many turns and a quarter of a millisecond at most.
 */
const SEALED_BYTES = 4_000;
const SEALED_TURNS = 8;
const SEALED_MS = 0.25;

/** The turns of this thread's event loop: what waits for their end, and what they end with. */
export class LoopTurn {
  private readonly ports: LoopTurnPorts;
  private readonly end: () => void;
  private awaited: boolean;
  /** Something was read in this turn. */
  private read: boolean;
  private plain: Gathering[];
  private sealed: Gathering[];
  private sealedTurns: number;
  private sealedSinceMs: number;
  /** Empty; takes the place of the list that is flushed. */
  private spare: Gathering[];

  constructor(ports: LoopTurnPorts) {
    this.ports = ports;
    this.end = () => this.over();
    this.awaited = false;
    this.read = false;
    this.plain = [];
    this.sealed = [];
    this.sealedTurns = 0;
    this.sealedSinceMs = 0;
    this.spare = [];
  }

  /** A socket was read (or drained, or closed), and what came of it is written or gathered. */
  countRead(): void {
    this.read = true;
    if (this.ports.pace.pausing) this.awaitEnd();
  }

  /** So little output does better to wait for other requests'. */
  isWorthGathering(bytes: number, encrypted: boolean): boolean {
    return bytes < (encrypted ? SEALED_BYTES : PLAIN_BYTES);
  }

  /** `flushGathered` is to be called; a pipe waits once at a time. */
  gather(pipe: Gathering): void {
    if (pipe.encrypted) {
      if (this.sealed.length === 0) this.sealedSinceMs = this.ports.clock.nowMs();
      this.sealed.push(pipe);
    } else this.plain.push(pipe);
    this.awaitEnd();
  }

  private awaitEnd(): void {
    if (this.awaited) return;
    this.awaited = true;
    this.ports.atEnd(this.end);
  }

  private over(): void {
    this.awaited = false;
    if (this.plain.length > 0) {
      const pipes = this.plain;
      this.plain = this.spare;
      this.flush(pipes);
    }
    if (this.sealed.length > 0) {
      this.sealedTurns += 1;
      if (this.maySealedWait()) this.awaitEnd();
      else {
        this.sealedTurns = 0;
        const pipes = this.sealed;
        this.sealed = this.spare;
        this.flush(pipes);
      }
    }
    this.read = false;
    this.ports.pace.rest();
  }

  private maySealedWait(): boolean {
    return this.read && this.sealedTurns < SEALED_TURNS && this.ports.clock.nowMs() - this.sealedSinceMs < SEALED_MS;
  }

  /** What is written here may drain others, whose output waits for the next turn. */
  private flush(pipes: Gathering[]): void {
    while (pipes.length > 0) pipes.pop()!.flushGathered();
    this.spare = pipes;
  }
}

/** Of this thread. */
export const loopTurn: LoopTurn = new LoopTurn({
  clock: systemClock,
  pace: turnPace,
  atEnd: (callback) => void setImmediate(callback),
});

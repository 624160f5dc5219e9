import type { Buffer } from 'node:buffer';
import { ByteQueue } from '@weft/kernel';
import { isWholeRecord } from './relay-pipe.ts';
import type { RelayPipe } from './relay-pipe.ts';

/** Bytes of a caller that wait for its endpoint; a caller that sends more is held back by TCP. */
const HELD_BYTES = 65_536;

/**
 * The two ends of one TCP connection and the bytes between them. Either end may come first: what the other says meanwhile
 * is held. Each direction is ended by itself, and who reads too slowly holds back who sends.
 */
export class TcpRelay {
  /** Null until it is attached, and when it was let go. */
  caller: RelayPipe | null;
  /** Null until its application has accepted. */
  endpoint: RelayPipe | null;
  /** What the caller has said while there was no endpoint. */
  said: ByteQueue | null;
  /** Taken from the caller. */
  receivedBytes: number;
  /** Passed on to the caller. */
  sentBytes: number;
  /** What the endpoint has said while there was no caller. */
  private answered: ByteQueue | null;

  constructor() {
    this.caller = null;
    this.endpoint = null;
    this.said = null;
    this.receivedBytes = 0;
    this.sentBytes = 0;
    this.answered = null;
  }

  /** Bytes that wait to be sent, either way. */
  get bufferedBytes(): number {
    const pending = (this.caller?.pendingBytes ?? 0) + (this.endpoint?.pendingBytes ?? 0);
    return pending + (this.said?.length ?? 0) + (this.answered?.length ?? 0);
  }

  /** The caller is there: it gets what was held for it. */
  attach(caller: RelayPipe): void {
    this.caller = caller;
    caller.start();
    const { answered, endpoint } = this;
    if (answered !== null) {
      this.answered = null;
      const bytes = answered.peek();
      this.toCaller(bytes, 0, bytes.length);
      if (!caller.blocked) endpoint?.resume();
    }
    if (endpoint?.readEnded === true) caller.end();
  }

  /** The endpoint is there: it gets `preface`, when there is one, and what was held for it. */
  join(endpoint: RelayPipe, preface: Buffer | null): void {
    const { caller, said } = this;
    this.endpoint = endpoint;
    if (preface !== null) endpoint.send(preface, 0, preface.length, false);
    if (said !== null) {
      this.said = null;
      const bytes = said.peek();
      endpoint.send(bytes, 0, bytes.length, false);
    }
    if (caller === null) return;
    if (caller.readEnded) endpoint.end();
    else if (!endpoint.blocked) caller.resume();
  }

  /** The caller has said something. */
  fromCaller(chunk: Buffer, start: number, end: number): void {
    this.receivedBytes += end - start;
    const { caller, endpoint } = this;
    if (endpoint === null) {
      this.said ??= new ByteQueue();
      this.said.push(chunk, start, end);
      return;
    }
    endpoint.send(chunk, start, end, isWholeRecord(caller!, end - start));
    if (endpoint.blocked) caller!.pause();
  }

  /** Stops reading a caller that has said enough for now. */
  holdBack(): void {
    if (this.said !== null && this.said.length >= HELD_BYTES) this.caller!.pause();
  }

  /** The endpoint has said something. True when nobody was there to hear its first bytes: it then waits. */
  fromEndpoint(chunk: Buffer, start: number, end: number): boolean {
    if (this.caller !== null) {
      this.toCaller(chunk, start, end);
      return false;
    }
    const first = this.answered === null;
    this.answered ??= new ByteQueue();
    this.answered.push(chunk, start, end);
    this.endpoint!.pause();
    return first;
  }

  private toCaller(chunk: Buffer, start: number, end: number): void {
    const { caller, endpoint } = this;
    this.sentBytes += end - start;
    caller!.send(chunk, start, end, isWholeRecord(endpoint!, end - start));
    if (caller!.blocked) endpoint!.pause();
  }
}

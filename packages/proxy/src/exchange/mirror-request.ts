import { Buffer } from 'node:buffer';
import { mirrorDrawn } from '@weft/decision';
import type { CompiledMirror } from '@weft/decision';
import { writeChunk, writeLastChunk, writeRequestHead, Framing } from '@weft/http';
import type { Head, HeadEdits, RequestFacts } from '@weft/http';
import { ByteWriter } from '@weft/kernel';
import type { Timer } from '@weft/kernel';
import type { ConnectionPool, LeaseWaiter } from '../upstream/connection-pool.ts';
import { carriageOf } from '../upstream/request-carriage.ts';
import type { Carriage } from '../upstream/request-carriage.ts';
import type { UpstreamObserver, UpstreamStream } from '../upstream/upstream-stream.ts';
import type { Engine } from './engine.ts';
import type { ExchangeFacts } from './exchange-facts.ts';

/** A mirror that falls behind by more than this is given up: the request itself must not wait for it. */
const MIRROR_BYTES = 1 << 20;

/** Nobody waits for a mirror, so nobody would end one that never answers: its connection is given up after this. */
const MIRROR_MS = 30_000;

/**
 * A copy of a request, sent to another backend while the request goes its way (Gateway API `HTTPRequestMirrorFilter`). The
 * answer is read and dropped. It is counted in no breaker, no budget and no ejection, and a failure of it is nobody's.
 *
 * The head is written at once, because the request may be over before the mirror has a connection.
 */
export class MirrorRequest implements LeaseWaiter, UpstreamObserver {
  readonly freshWithinMs: number;
  readonly connectTimeoutMs: number;
  readonly carriage: Carriage;
  private readonly out: ByteWriter;
  private readonly chunked: boolean;
  private readonly methodId: number;
  private stream: UpstreamStream | null;
  private pool: ConnectionPool | null;
  private whole: boolean;
  private over: boolean;
  private timer: Timer | null;

  constructor(head: Head, edits: HeadEdits, facts: RequestFacts, connectTimeoutMs: number) {
    this.freshWithinMs = Number.POSITIVE_INFINITY;
    this.connectTimeoutMs = connectTimeoutMs;
    this.carriage = carriageOf(head, facts, false);
    this.out = new ByteWriter(1024);
    this.chunked = facts.framing === Framing.Chunked;
    this.methodId = head.methodId;
    this.stream = null;
    this.pool = null;
    this.whole = head.framing === Framing.None;
    this.timer = null;
    this.over = !writeRequestHead(this.out, head, edits, facts);
  }

  /** Asks for a connection to the mirror's backend. */
  start(engine: Engine, mirror: CompiledMirror): void {
    const endpoint = this.over ? undefined : mirror.state!.pick(engine.nowMs, null, false);
    if (endpoint === undefined) {
      this.over = true;
      return;
    }
    const pool = engine.pool(mirror.state!, endpoint);
    this.pool = pool;
    this.timer = engine.wheel.schedule(MIRROR_MS, () => this.giveUp());
    const connection = pool.lease(this, engine.nowMs);
    if (connection !== null) this.onLease(connection);
  }

  data(chunk: Buffer, start: number, end: number): void {
    if (this.over) return;
    if (this.stream === null) {
      if (this.chunked) writeChunk(this.out, chunk, start, end);
      else this.out.copy(chunk, start, end);
      if (this.out.length > MIRROR_BYTES) this.giveUp();
      return;
    }
    if (this.stream.blocked) this.giveUp();
    else this.stream.sendData(chunk, start, end);
  }

  end(): void {
    if (this.over || this.whole) return;
    this.whole = true;
    if (this.stream !== null) this.stream.sendEnd(null);
    else if (this.chunked) writeLastChunk(this.out);
  }

  /** The request broke off, or the mirror cannot keep up. */
  giveUp(): void {
    if (this.over) return;
    this.finish();
    this.pool?.cancel(this);
    this.stream?.cancel();
    this.stream = null;
  }

  onLease(connection: UpstreamStream): void {
    this.pool = null;
    if (this.over) {
      connection.cancel();
      return;
    }
    this.stream = connection;
    connection.sendSerialized(this, this.methodId, this.out, this.chunked, this.whole);
    this.out.buffer = Buffer.alloc(0);
    this.out.length = 0;
  }

  onLeaseFailed(): void {
    this.finish();
  }

  onUpstreamHead(head: Head): void {
    // `100 Continue` invites the body; an answer is still to come.
    if (head.status < 200) return;
    this.stream?.discard();
    this.stream = null;
    this.finish();
  }

  onUpstreamData(): void {}
  onUpstreamTrailers(): void {}
  onUpstreamEnd(): void {
    this.finish();
  }
  onUpstreamFailure(): void {
    this.finish();
    this.stream = null;
  }
  onUpstreamDrained(): void {}
  onUpstreamTunnelBytes(): void {}
  onUpstreamTunnelEnd(): void {}

  private finish(): void {
    this.over = true;
    this.timer?.cancel();
  }
}

/** Draws and starts the mirrors of a request that is about to be sent; null when there are none. */
export function startMirrors(
  engine: Engine,
  exchange: ExchangeFacts,
  facts: RequestFacts,
  connectTimeoutMs: number,
): MirrorRequest[] | null {
  const choice = exchange.decision.choice!;
  let started: MirrorRequest[] | null = null;
  for (const mirror of choice.mirrors) {
    if (!mirrorDrawn(mirror, engine.random)) continue;
    const request = new MirrorRequest(exchange.head, choice.requestEdits, facts, connectTimeoutMs);
    request.start(engine, mirror);
    (started ??= []).push(request);
  }
  return started;
}

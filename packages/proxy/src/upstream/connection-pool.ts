import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { EndpointState } from '@weft/balance';
import type { Http1Limits } from '@weft/http';
import { meshProtocol } from '@weft/identity';
import type { Random, TimerWheel } from '@weft/kernel';
import type { ApplicationProtocol, ConnectionPolicy } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import type { ApplicationDoor } from '../transport/application-door.ts';
import { Dial } from '../transport/dial.ts';
import type { DialObserver, DialTarget, DialTls } from '../transport/dial.ts';
import { Http1UpstreamConnection } from './http1-upstream-connection.ts';
import type { ConnectionOwner } from './http1-upstream-connection.ts';
import { Http2Lane } from './http2-lane.ts';
import type { Http2Owner, Http2UpstreamConnection } from './http2-upstream-connection.ts';
import type { PoolCounters } from './pool-counters.ts';
import { Carriage } from './request-carriage.ts';
import type { UpstreamStream } from './upstream-stream.ts';

/** A connection that is dialled before anybody waits for it may take so long. */
const DIAL_AHEAD_MS = 5_000;

/** Waits for a stream. Exactly one of the two is called, unless the wait is cancelled. */
export interface LeaseWaiter {
  onLease(stream: UpstreamStream): void;
  onLeaseFailed(code: TerminationCode, detail: string): void;
  /**
   * A request that is not idempotent takes no HTTP/1.1 connection that has rested longer (milliseconds). HTTP/2 says
   * GOAWAY before it closes, with what it has not handled, so there a rest is no danger.
   */
  readonly freshWithinMs: number;
  readonly connectTimeoutMs: number;
  readonly carriage: Carriage;
}

/** Where a request gets its stream from: a pool, or a connection made for it alone. */
export interface StreamSource {
  /** Of the connection opened last; -1 without TLS. */
  readonly lastHandshakeMs: number;
  /** A stream at once when there is one; otherwise null, and `waiter` hears later. */
  lease(waiter: LeaseWaiter, nowMs: number): UpstreamStream | null;
  /** The waiter no longer wants one. */
  cancel(waiter: LeaseWaiter): void;
}

/** What pools share: one per process. */
export interface PoolEnvironment {
  readonly wheel: TimerWheel;
  readonly limits: Http1Limits;
  readonly random: Random;
  now(): number;
  /** Takes a new reading for this turn. */
  tick(): number;
  /** Null until this process has an identity; then dials to mesh endpoints are refused. */
  dialTls(): DialTls | null;
  /** The same for what HTTP/2 cannot carry. */
  dialHttp1(): DialTls | null;
  /** True for an address that this process listens on. */
  isOwnAddress(address: string, port: number): boolean;
}

/** A request that waits, and since when. */
interface Waiting {
  readonly waiter: LeaseWaiter;
  readonly sinceMs: number;
  /** No HTTP/2 connection of this peer would carry it. */
  needsHttp1: boolean;
}

/**
 * Handshakes with one endpoint at once. Both ends pay a millisecond of processor for each: a hundred requests on a cold
 * pool, each with a handshake of its own, all ran into their time-out on a busy machine, while the first three connections
 * would have served them all.
 */
const HANDSHAKES_AT_ONCE = 3;

/** Connections are looked through this often; their time-outs are seconds. */
const SWEEP_MS = 500;

/** Connections opened together do not end together: each lives between this share of `maxLifetimeMs` and all of it. */
const SHORTEST_LIFE = 0.8;

/**
 * Connections to one endpoint under one identity and policy, and the streams that requests lease on them.
 *
 * Which version a connection speaks is agreed with a sidecar by ALPN and declared for a plain endpoint. Of HTTP/1.1
 * connections the most recently used idle one is taken first, so the others can grow old and go; HTTP/2 ones are chosen
 * by the lane. Waiting requests are served in order of arrival, by whichever comes first: a stream or connection that falls
 * free, or the one dialled for them.
 */
export class ConnectionPool implements StreamSource, ConnectionOwner, Http2Owner {
  readonly target: DialTarget;
  readonly protocol: ApplicationProtocol;
  readonly counters: PoolCounters;
  policy: ConnectionPolicy;
  /** Of the connection opened last; -1 without TLS. */
  lastHandshakeMs: number;
  private readonly endpoint: EndpointState;
  private readonly environment: PoolEnvironment;
  private readonly idle: Http1UpstreamConnection[];
  private readonly all: Set<Http1UpstreamConnection>;
  private readonly http2: Http2Lane;
  private readonly dials: Set<Dial>;
  /** Of them, those that can only come to an HTTP/1.1 connection. */
  private http1Dials: number;
  private readonly waiters: Waiting[];
  /** Of them, those that need HTTP/1.1 though the peer speaks HTTP/2. */
  private http1Waiters: number;
  /** The peer speaks HTTP/2, as far as is known. */
  private multiplexing: boolean;
  /** Nothing is known of a plain endpoint: it is spoken to in HTTP/1.1, and in HTTP/2 for gRPC, which is nothing else. */
  private readonly undeclared: boolean;
  /** The peer has asked for HTTP/1.1 where it was spoken to in HTTP/2 (RFC 9113 §7): from then on it is, in all. */
  private http1Required: boolean;
  private sweeping: boolean;
  private closing: boolean;

  constructor(
    endpoint: EndpointState,
    protocol: ApplicationProtocol,
    policy: ConnectionPolicy,
    environment: PoolEnvironment,
    counters: PoolCounters,
    door: ApplicationDoor | null,
  ) {
    const { address, port, identity, mesh } = endpoint.endpoint;
    this.lastHandshakeMs = -1;
    this.endpoint = endpoint;
    this.target = { address, port, identity: mesh ? identity : '', door };
    this.protocol = protocol;
    this.policy = policy;
    this.environment = environment;
    this.counters = counters;
    this.idle = [];
    this.all = new Set();
    this.http2 = new Http2Lane(this);
    this.dials = new Set();
    this.http1Dials = 0;
    this.waiters = [];
    this.http1Waiters = 0;
    this.undeclared = !mesh && protocol === 'Unknown';
    this.multiplexing = mesh || protocol === 'Http2' || protocol === 'Grpc' || this.undeclared;
    this.http1Required = false;
    this.sweeping = false;
    this.closing = false;
  }

  get openCount(): number {
    return this.all.size + this.http2.size;
  }

  /** Bytes that wait to be sent. */
  bufferedBytes(): number {
    let held = this.http2.bufferedBytes();
    for (const connection of this.all) held += connection.bufferedBytes;
    return held;
  }

  get pendingCount(): number {
    return this.waiters.length;
  }

  /** The event loop has entered one of our connections. */
  tick(): number {
    return this.environment.tick();
  }

  now(): number {
    return this.environment.now();
  }

  /** Calls back after `delayMs`, on the wheel of this process. */
  later(delayMs: number, callback: () => void): void {
    this.environment.wheel.schedule(delayMs, callback);
  }

  /** A stream at once when there is one; otherwise null, and `waiter` hears later. */
  lease(waiter: LeaseWaiter, nowMs: number): UpstreamStream | null {
    const needsHttp1 = this.multiplexing && this.needsHttp1(waiter.carriage);
    if (this.multiplexing && !needsHttp1) {
      const stream = this.leaseHttp2(waiter.carriage, nowMs);
      if (stream !== null) return stream;
    }
    if (needsHttp1 || !this.undeclared) {
      const connection = this.leaseHttp1(waiter, nowMs);
      if (connection !== null) return connection;
    }
    const { maxPending } = this.policy;
    if (maxPending > 0 && this.waiters.length >= maxPending) {
      this.counters.overflow += 1;
      waiter.onLeaseFailed('pending-limit', `maxPending ${maxPending}`);
      return null;
    }
    this.waiters.push({ waiter, sinceMs: nowMs, needsHttp1 });
    if (needsHttp1) this.http1Waiters += 1;
    this.counters.pending += 1;
    this.tellFull();
    if (!this.isFull()) this.dialForWaiters();
    // All places are taken and the ones at rest are too old for this request: one of them makes room.
    else if (this.dials.size < this.waiters.length && this.idle.length > 0) this.idle[0]!.close();
    return null;
  }

  /** The newest idle connection that is fit for the request. */
  private leaseHttp1(waiter: LeaseWaiter, nowMs: number): Http1UpstreamConnection | null {
    for (let index = this.idle.length - 1; index >= 0; index -= 1) {
      const connection = this.idle[index]!;
      const restedMs = nowMs - connection.lastUsedMs;
      if (this.isOver(connection, nowMs)) {
        connection.close();
        continue;
      }
      // The newest is at the end: when it has rested too long, so have all.
      if (restedMs > waiter.freshWithinMs) break;
      if (index === this.idle.length - 1) this.idle.pop();
      else this.idle.splice(index, 1);
      this.counters.idle -= 1;
      return connection;
    }
    return null;
  }

  /** The waiter no longer wants one. */
  cancel(waiter: LeaseWaiter): void {
    const index = this.waiters.findIndex((waiting) => waiting.waiter === waiter);
    if (index >= 0) this.takeAt(index);
  }

  onHttp1Required(): void {
    if (this.http1Required) return;
    this.http1Required = true;
    for (const waiting of this.waiters) this.markHttp1(waiting, this.multiplexing);
    this.http2.drain();
    this.dialForWaiters();
  }

  /** A connection comes back whole. */
  release(connection: Http1UpstreamConnection): void {
    const nowMs = this.environment.now();
    connection.lastUsedMs = nowMs;
    const { maxRequestsPerConnection } = this.policy;
    if (
      (this.closing && this.waiters.length === 0) ||
      (connection.lifetimeMs > 0 && nowMs - connection.createdMs >= connection.lifetimeMs) ||
      (maxRequestsPerConnection > 0 && connection.requests >= maxRequestsPerConnection)
    ) {
      connection.close();
      return;
    }
    const waiter = this.takeWaiter();
    if (waiter !== undefined) {
      waiter.onLease(connection);
      return;
    }
    this.idle.push(connection);
    this.counters.idle += 1;
    this.sweepLater();
  }

  /** A connection is gone or going. */
  forget(connection: Http1UpstreamConnection): void {
    if (!this.all.delete(connection)) return;
    this.counters.open -= 1;
    const index = this.idle.indexOf(connection);
    if (index >= 0) {
      this.idle.splice(index, 1);
      this.counters.idle -= 1;
    }
    // Somebody may wait for the place.
    this.dialForWaiters();
  }

  onRoom(connection: Http2UpstreamConnection): void {
    if (this.waiters.length > 0) this.serve(connection);
    else if (this.closing && connection.streams === 0) connection.retire();
  }

  /** The peer has said what it takes. */
  onSettled(connection: Http2UpstreamConnection): void {
    this.http2.learn(connection);
    for (const waiting of this.waiters) this.markHttp1(waiting, this.needsHttp1(waiting.waiter.carriage));
    this.serve(connection);
    this.dialForWaiters();
  }

  onLeaving(connection: Http2UpstreamConnection): void {
    this.http2.left(connection);
    this.dialForWaiters();
  }

  onGone(connection: Http2UpstreamConnection): void {
    this.http2.gone(connection);
    this.counters.open -= 1;
    this.counters.openHttp2 -= 1;
  }

  /** The endpoint, the leaf or the policy is gone: idle connections end now, busy ones after their request. */
  drain(): void {
    this.closing = true;
    for (const connection of this.idle.slice()) connection.close();
    this.http2.drain();
  }

  /**
   * The leaf or the roots changed. Connections of a peer that no root vouches for any more end at once. The others go on:
   * the peer ends each at 80 % of the shorter leaf it stands on, one by one, behind a reply or by GOAWAY; ending all of
   * them here would have every caller wait for a handshake at the same moment.
   */
  renew(tls: DialTls): void {
    for (const connection of Array.from(this.all)) {
      if (!tls.vouched(connection.socket)) connection.cutOff('policy-cut', 'root-removed');
    }
    this.http2.renew(tls);
  }

  destroy(): void {
    this.closing = true;
    // First those who wait: a place that falls free must not be dialled for again.
    while (this.waiters.length > 0) this.takeAt(0).onLeaseFailed('draining', 'proxy stopped');
    for (const dial of this.dials) dial.cancel();
    this.dials.clear();
    this.http1Dials = 0;
    for (const connection of Array.from(this.all)) connection.close();
    this.http2.destroy();
  }

  /** No HTTP/2 connection of this peer is for such a request. */
  private needsHttp1(carriage: Carriage): boolean {
    if (this.http1Required) return true;
    return this.undeclared ? carriage !== Carriage.Grpc : this.http2.refuses(carriage);
  }

  private leaseHttp2(carriage: Carriage, nowMs: number): UpstreamStream | null {
    const connection = this.http2.pick(carriage, nowMs, !this.isFull());
    if (connection === null) return null;
    // The request goes on one that is busy rather than wait for the one that is dialled now.
    if (connection.busy && this.http2.wanting && this.dials.size === this.http1Dials && !this.isFull()) {
      this.dial(DIAL_AHEAD_MS, false);
    }
    return connection.lease(this.policy.maxRequestsPerConnection);
  }

  /** Gives the streams that are free to those who wait, in order of arrival. */
  private serve(connection: Http2UpstreamConnection): void {
    let index = 0;
    while (index < this.waiters.length && this.http2.mayServe(connection, !this.isFull())) {
      const { waiter: next, needsHttp1 } = this.waiters[index]!;
      if (needsHttp1 || !connection.carries(next.carriage)) {
        index += 1;
        continue;
      }
      const waiter = this.takeAt(index);
      waiter.onLease(connection.lease(this.policy.maxRequestsPerConnection));
      // Whoever was served may have changed the queue.
      index = 0;
    }
  }

  /** True when an idle connection is not to serve again: the peer is closing it, it has rested too long, or it is too old. */
  private isOver(connection: Http1UpstreamConnection, nowMs: number): boolean {
    const { idleTimeoutMs } = this.policy;
    const restMs = Math.min(connection.keepAliveMs, idleTimeoutMs > 0 ? idleTimeoutMs : Number.POSITIVE_INFINITY);
    return (
      !connection.usable ||
      nowMs - connection.lastUsedMs >= restMs ||
      (connection.lifetimeMs > 0 && nowMs - connection.createdMs >= connection.lifetimeMs)
    );
  }

  /** No place for another connection. Those that are leaving hold none. */
  private isFull(): boolean {
    const { maxPerEndpoint } = this.policy;
    return maxPerEndpoint > 0 && this.all.size + this.http2.open.length + this.dials.size >= maxPerEndpoint;
  }

  /** The next for an HTTP/1.1 connection: first those that no other will do for. */
  private takeWaiter(): LeaseWaiter | undefined {
    if (this.waiters.length === 0 || (this.undeclared && this.http1Waiters === 0)) return undefined;
    return this.takeAt(this.http1Waiters === 0 ? 0 : this.waiters.findIndex(({ needsHttp1 }) => needsHttp1));
  }

  private takeAt(index: number): LeaseWaiter {
    const [waiting] = index === 0 ? [this.waiters.shift()] : this.waiters.splice(index, 1);
    if (waiting!.needsHttp1) this.http1Waiters -= 1;
    this.counters.pending -= 1;
    this.tellFull();
    return waiting!.waiter;
  }

  private markHttp1(waiting: Waiting, needsHttp1: boolean): void {
    if (waiting.needsHttp1 === needsHttp1) return;
    waiting.needsHttp1 = needsHttp1;
    this.http1Waiters += needsHttp1 ? 1 : -1;
  }

  /** The balancer goes past an endpoint that would refuse. */
  private tellFull(): void {
    const { maxPending } = this.policy;
    this.endpoint.full = maxPending > 0 && this.waiters.length >= maxPending;
  }

  /** One dial for each that waits for a connection of its own, one for as many as share one; as far as there are places. */
  private dialForWaiters(): void {
    if (this.waiters.length === 0) return;
    const atOnce = this.target.identity === '' ? Number.POSITIVE_INFINITY : HANDSHAKES_AT_ONCE;
    if (!this.multiplexing) {
      this.dialUpTo(Math.min(this.waiters.length, atOnce), false);
      return;
    }
    this.dialUpTo(Math.min(this.http1Waiters, atOnce), true);
    const shared = this.waiters.length - this.http1Waiters;
    if (shared === 0 || this.http2.unsettled) return;
    // How many streams a connection takes, and whether it is one of HTTP/2 at all, the first one tells.
    const first = this.http2.open.length === 0;
    const wanted = Math.ceil(shared / this.http2.streamsEach(this.policy.maxRequestsPerConnection));
    this.dialUpTo(first ? 1 : Math.min(wanted, HANDSHAKES_AT_ONCE), false);
  }

  private dialUpTo(count: number, http1Only: boolean): void {
    for (;;) {
      const under = http1Only ? this.http1Dials : this.dials.size - this.http1Dials;
      if (under >= count || this.waiters.length === 0 || this.isFull()) return;
      const before = this.dials.size;
      const waiting = http1Only ? this.waiters.find(({ needsHttp1 }) => needsHttp1) : this.waiters[0];
      this.dial((waiting ?? this.waiters[0]!).waiter.connectTimeoutMs, http1Only);
      if (this.dials.size === before) return;
    }
  }

  /**
   * A dial has come to nothing. Those who have waited as long as a dial may take fail with it, and all of them when there
   * is no connection at all and the endpoint said no; the others have a dial of their own, or get one.
   */
  private failWaiters(code: TerminationCode, detail: string, nowMs: number): void {
    const refused = code !== 'connect-timeout' && this.openCount === 0;
    const failed: LeaseWaiter[] = [];
    while (this.waiters.length > 0) {
      const { waiter, sinceMs } = this.waiters[0]!;
      const expired = waiter.connectTimeoutMs > 0 && nowMs - sinceMs >= waiter.connectTimeoutMs;
      // One dial is one request's chance at least, unless somebody else's dial is still under way for it.
      const orphaned = failed.length === 0 && this.waiters.length > this.dials.size;
      if (!refused && !expired && !orphaned) break;
      failed.push(this.takeAt(0));
    }
    for (const waiter of failed) waiter.onLeaseFailed(code, detail);
  }

  private dial(timeoutMs: number, http1Only: boolean): void {
    const { environment, target } = this;
    const tls = target.identity === '' ? null : http1Only ? environment.dialHttp1() : environment.dialTls();
    if (target.identity !== '' && tls === null) {
      if (this.waiters.length > 0) this.takeAt(0).onLeaseFailed('tls-failed', 'no-own-identity');
      return;
    }
    this.counters.connects += 1;
    const over = (): void => {
      this.dials.delete(dial);
      if (http1Only) this.http1Dials -= 1;
    };
    const observer: DialObserver = {
      onDialed: (socket: Socket, tlsStartedMs: number) => {
        over();
        const nowMs = environment.tick();
        // A name may lead to one of our own listeners in ways that its text does not show.
        if (tls === null && environment.isOwnAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)) {
          socket.destroy();
          if (this.waiters.length > 0) this.takeAt(0).onLeaseFailed('loop-detected', `${target.address} is this proxy`);
          return;
        }
        if (tlsStartedMs > 0) {
          this.counters.handshakes += 1;
          this.counters.handshakeMsTotal += nowMs - tlsStartedMs;
          this.lastHandshakeMs = nowMs - tlsStartedMs;
        }
        this.counters.open += 1;
        const agreed = tls === null ? !http1Only && this.multiplexing : isHttp2(socket);
        if (agreed) this.takeHttp2(socket, tls !== null, nowMs);
        else this.takeHttp1(socket, tls !== null, nowMs, http1Only);
        this.dialForWaiters();
      },
      onDialFailed: (code, detail) => {
        over();
        environment.tick();
        this.counters.connectFailures += 1;
        this.failWaiters(code, detail, environment.now());
        this.dialForWaiters();
      },
    };
    const dial = new Dial(target, tls, environment.wheel, environment.now, timeoutMs, observer);
    this.dials.add(dial);
    if (http1Only) this.http1Dials += 1;
  }

  private takeHttp1(socket: Socket, encrypted: boolean, nowMs: number, asked: boolean): void {
    // A sidecar that could have chosen HTTP/2 and did not: from here each request has a connection to itself.
    if (!asked && this.multiplexing) this.setMultiplexing(false);
    const { limits } = this.environment;
    const connection = new Http1UpstreamConnection(socket, encrypted, this, limits, nowMs, this.drawLifetime());
    this.all.add(connection);
    this.release(connection);
  }

  private takeHttp2(socket: Socket, encrypted: boolean, nowMs: number): void {
    if (!this.multiplexing) this.setMultiplexing(true);
    this.counters.openHttp2 += 1;
    const connection = this.http2.add(socket, encrypted, nowMs, this.drawLifetime());
    if (this.closing && this.waiters.length === 0) connection.retire();
    else this.serve(connection);
    this.sweepLater();
  }

  /** The peer was updated, or set back. */
  private setMultiplexing(multiplexing: boolean): void {
    this.multiplexing = multiplexing;
    for (const waiting of this.waiters) {
      this.markHttp1(waiting, multiplexing && this.needsHttp1(waiting.waiter.carriage));
    }
  }

  private drawLifetime(): number {
    const { maxLifetimeMs } = this.policy;
    if (maxLifetimeMs === 0) return 0;
    return maxLifetimeMs * (SHORTEST_LIFE + (1 - SHORTEST_LIFE) * this.environment.random());
  }

  private sweepLater(): void {
    if (this.sweeping) return;
    this.sweeping = true;
    this.environment.wheel.schedule(SWEEP_MS, () => {
      const nowMs = this.environment.tick();
      this.sweeping = false;
      // Closing takes them out of the list.
      for (const connection of this.idle.slice()) if (this.isOver(connection, nowMs)) connection.close();
      this.http2.sweep(nowMs, this.policy);
      if (this.idle.length > 0 || this.http2.size > 0) this.sweepLater();
    });
  }
}

function isHttp2(socket: Socket): boolean {
  return meshProtocol(socket as TLSSocket) === 'weft-h2';
}

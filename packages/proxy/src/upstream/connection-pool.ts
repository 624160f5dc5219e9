import type { Socket } from 'node:net';
import type { EndpointState } from '@weft/balance';
import type { TimerWheel } from '@weft/kernel';
import type { Http1Limits } from '@weft/http';
import type { ConnectionPolicy } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import { Dial } from '../transport/dial.ts';
import type { DialObserver, DialTarget, DialTls } from '../transport/dial.ts';
import { Http1UpstreamConnection } from './http1-upstream-connection.ts';
import type { ConnectionOwner } from './http1-upstream-connection.ts';

/** Waits for a connection. Exactly one of the two is called, unless the wait is cancelled. */
export interface LeaseWaiter {
  onLease(connection: Http1UpstreamConnection): void;
  onLeaseFailed(code: TerminationCode, detail: string): void;
  /** A request that is not idempotent takes no connection that has rested longer (milliseconds). */
  readonly freshWithinMs: number;
  readonly connectTimeoutMs: number;
}

/** What pools share: one per process. */
export interface PoolEnvironment {
  readonly wheel: TimerWheel;
  readonly limits: Http1Limits;
  now(): number;
  /** Takes a new reading for this turn. */
  tick(): number;
  /** Null until this process has an identity; then dials to mesh endpoints are refused. */
  dialTls(): DialTls | null;
  /** True for an address that this process listens on. */
  isOwnAddress(address: string, port: number): boolean;
}

/** Counted over all pools of one destination; read by telemetry. */
export interface PoolCounters {
  connects: number;
  connectFailures: number;
  handshakes: number;
  handshakeMsTotal: number;
  open: number;
  idle: number;
  pending: number;
  overflow: number;
}

/** Nothing has been counted yet. */
export function poolCounters(): PoolCounters {
  return {
    connects: 0,
    connectFailures: 0,
    handshakes: 0,
    handshakeMsTotal: 0,
    open: 0,
    idle: 0,
    pending: 0,
    overflow: 0,
  };
}

/** A request that waits, and since when. */
interface Waiting {
  readonly waiter: LeaseWaiter;
  readonly sinceMs: number;
}

/**
 * Handshakes with one endpoint at once. Both ends pay a millisecond of processor for each: a hundred requests on a cold
 * pool, each with a handshake of its own, all ran into their time-out on a busy machine, while the first three connections
 * would have served them all.
 */
const HANDSHAKES_AT_ONCE = 3;

/** Idle connections are looked through this often; their time-outs are seconds. */
const SWEEP_MS = 500;

/**
 * Connections to one endpoint under one identity and policy. The most recently used idle one is taken first, so the
 * others can grow old and go. Waiting requests are served in order of arrival, by whichever comes first: a connection
 * that is given back or the one dialled for them.
 */
export class ConnectionPool implements ConnectionOwner {
  readonly target: DialTarget;
  private readonly endpoint: EndpointState;
  policy: ConnectionPolicy;
  private readonly environment: PoolEnvironment;
  private readonly counters: PoolCounters;
  private readonly idle: Http1UpstreamConnection[];
  private readonly all: Set<Http1UpstreamConnection>;
  private readonly dials: Set<Dial>;
  private readonly waiters: Waiting[];
  private sweeping: boolean;
  private closing: boolean;

  constructor(endpoint: EndpointState, policy: ConnectionPolicy, environment: PoolEnvironment, counters: PoolCounters) {
    const { address, port, identity, mesh } = endpoint.endpoint;
    this.endpoint = endpoint;
    this.target = { address, port, identity: mesh ? identity : '' };
    this.policy = policy;
    this.environment = environment;
    this.counters = counters;
    this.idle = [];
    this.all = new Set();
    this.dials = new Set();
    this.waiters = [];
    this.sweeping = false;
    this.closing = false;
  }

  get openCount(): number {
    return this.all.size;
  }

  /** Bytes that wait to be sent. */
  bufferedBytes(): number {
    let held = 0;
    for (const connection of this.all) held += connection.bufferedBytes;
    return held;
  }

  get pendingCount(): number {
    return this.waiters.length;
  }

  /** The event loop has entered one of our connections. */
  tick(): void {
    this.environment.tick();
  }

  /** Calls back after `delayMs`, on the wheel of this process. */
  later(delayMs: number, callback: () => void): void {
    this.environment.wheel.schedule(delayMs, callback);
  }

  /** A connection at once when one is idle and fit; otherwise null, and `waiter` hears later. */
  lease(waiter: LeaseWaiter, nowMs: number): Http1UpstreamConnection | null {
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
    const { maxPending, maxPerEndpoint } = this.policy;
    if (maxPending > 0 && this.waiters.length >= maxPending) {
      this.counters.overflow += 1;
      waiter.onLeaseFailed('pending-limit', `maxPending ${maxPending}`);
      return null;
    }
    this.waiters.push({ waiter, sinceMs: nowMs });
    this.counters.pending += 1;
    this.tellFull();
    // A dial of somebody who was served meanwhile will do.
    if (this.dials.size >= this.waiters.length) return null;
    const full = maxPerEndpoint > 0 && this.all.size + this.dials.size >= maxPerEndpoint;
    if (!full) this.dialForWaiters();
    // All places are taken and the ones at rest are too old for this request: one of them makes room.
    else if (this.idle.length > 0) this.idle[0]!.close();
    return null;
  }

  /** The waiter no longer wants one. */
  cancel(waiter: LeaseWaiter): void {
    const index = this.waiters.findIndex((waiting) => waiting.waiter === waiter);
    if (index < 0) return;
    this.waiters.splice(index, 1);
    this.counters.pending -= 1;
    this.tellFull();
  }

  /** A connection comes back whole. */
  release(connection: Http1UpstreamConnection): void {
    const nowMs = this.environment.now();
    connection.lastUsedMs = nowMs;
    const { maxLifetimeMs, maxRequestsPerConnection } = this.policy;
    if (
      (this.closing && this.waiters.length === 0) ||
      (maxLifetimeMs > 0 && nowMs - connection.createdMs >= maxLifetimeMs) ||
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
    if (!this.sweeping) this.sweepLater();
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

  /** The endpoint, the leaf or the policy is gone: idle connections end now, busy ones after their request. */
  drain(): void {
    this.closing = true;
    for (const connection of this.idle.slice()) connection.close();
  }

  /**
   * The leaf or the roots changed. Connections of a peer that no root vouches for any more end at once. The others go on:
   * the peer ends each at 80 % of the shorter leaf it stands on, one by one, behind a reply; ending all of them here
   * would have every caller wait for a handshake at the same moment.
   */
  renew(tls: DialTls): void {
    for (const connection of Array.from(this.all)) {
      if (!tls.vouched(connection.socket)) connection.cutOff('policy-cut', 'root-removed');
    }
  }

  destroy(): void {
    this.closing = true;
    // First those who wait: a place that falls free must not be dialled for again.
    for (let waiter = this.takeWaiter(); waiter !== undefined; waiter = this.takeWaiter()) {
      waiter.onLeaseFailed('draining', 'proxy stopped');
    }
    for (const dial of this.dials) dial.cancel();
    this.dials.clear();
    for (const connection of Array.from(this.all)) connection.close();
  }

  /** True when an idle connection is not to serve again: the peer is closing it, it has rested too long, or it is too old. */
  private isOver(connection: Http1UpstreamConnection, nowMs: number): boolean {
    const { idleTimeoutMs, maxLifetimeMs } = this.policy;
    const restMs = Math.min(connection.keepAliveMs, idleTimeoutMs > 0 ? idleTimeoutMs : Number.POSITIVE_INFINITY);
    return (
      !connection.usable ||
      nowMs - connection.lastUsedMs >= restMs ||
      (maxLifetimeMs > 0 && nowMs - connection.createdMs >= maxLifetimeMs)
    );
  }

  private takeWaiter(): LeaseWaiter | undefined {
    const waiting = this.waiters.shift();
    if (waiting === undefined) return undefined;
    this.counters.pending -= 1;
    this.tellFull();
    return waiting.waiter;
  }

  /** The balancer goes past an endpoint that would refuse. */
  private tellFull(): void {
    const { maxPending } = this.policy;
    this.endpoint.full = maxPending > 0 && this.waiters.length >= maxPending;
  }

  /** One dial for each that waits, as far as there are places. */
  private dialForWaiters(): void {
    const { maxPerEndpoint } = this.policy;
    const atOnce = this.target.identity === '' ? Number.POSITIVE_INFINITY : HANDSHAKES_AT_ONCE;
    while (this.dials.size < Math.min(this.waiters.length, atOnce)) {
      if (maxPerEndpoint > 0 && this.all.size + this.dials.size >= maxPerEndpoint) return;
      const before = this.dials.size;
      this.dial(this.waiters[0]!.waiter.connectTimeoutMs);
      if (this.dials.size === before) return;
    }
  }

  /**
   * A dial has come to nothing. Those who have waited as long as a dial may take fail with it, and all of them when there
   * is no connection at all and the endpoint said no; the others have a dial of their own, or get one.
   */
  private failWaiters(code: TerminationCode, detail: string, nowMs: number): void {
    const refused = code !== 'connect-timeout' && this.all.size === 0;
    const failed: LeaseWaiter[] = [];
    while (this.waiters.length > 0) {
      const { waiter, sinceMs } = this.waiters[0]!;
      const expired = waiter.connectTimeoutMs > 0 && nowMs - sinceMs >= waiter.connectTimeoutMs;
      // One dial is one request's chance at least, unless somebody else's dial is still under way for it.
      const orphaned = failed.length === 0 && this.waiters.length > this.dials.size;
      if (!refused && !expired && !orphaned) break;
      failed.push(this.takeWaiter()!);
    }
    for (const waiter of failed) waiter.onLeaseFailed(code, detail);
  }

  private dial(timeoutMs: number): void {
    const { environment, target } = this;
    const tls = target.identity === '' ? null : environment.dialTls();
    if (target.identity !== '' && tls === null) {
      this.takeWaiter()?.onLeaseFailed('tls-failed', 'no-own-identity');
      return;
    }
    this.counters.connects += 1;
    const observer: DialObserver = {
      onDialed: (socket: Socket, tlsStartedMs: number) => {
        this.dials.delete(dial);
        const nowMs = environment.tick();
        // A name may lead to one of our own listeners in ways that its text does not show.
        if (tls === null && environment.isOwnAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)) {
          socket.destroy();
          this.takeWaiter()?.onLeaseFailed('loop-detected', `${target.address} is this proxy`);
          return;
        }
        if (tlsStartedMs > 0) {
          this.counters.handshakes += 1;
          this.counters.handshakeMsTotal += nowMs - tlsStartedMs;
        }
        const connection = new Http1UpstreamConnection(socket, tls !== null, this, environment.limits, nowMs);
        this.all.add(connection);
        this.counters.open += 1;
        this.release(connection);
        this.dialForWaiters();
      },
      onDialFailed: (code, detail) => {
        this.dials.delete(dial);
        environment.tick();
        this.counters.connectFailures += 1;
        this.failWaiters(code, detail, environment.now());
        this.dialForWaiters();
      },
    };
    const dial = new Dial(target, tls, environment.wheel, environment.now, timeoutMs, observer);
    this.dials.add(dial);
  }

  private sweepLater(): void {
    this.sweeping = true;
    this.environment.wheel.schedule(SWEEP_MS, () => {
      const nowMs = this.environment.tick();
      // Closing takes them out of the list.
      for (const connection of this.idle.slice()) if (this.isOver(connection, nowMs)) connection.close();
      if (this.idle.length > 0) this.sweepLater();
      else this.sweeping = false;
    });
  }
}

import { http2Defaults, http2MeshLimits } from '@weft/http';
import type { Http2Limits } from '@weft/http';
import type { Socket } from 'node:net';
import type { DialTls } from '../transport/dial.ts';
import { Http2UpstreamConnection } from './http2-upstream-connection.ts';
import type { Http2Owner, Http2Policy } from './http2-upstream-connection.ts';
import { Carriage } from './request-carriage.ts';

/** Opened because others are busy; more are opened only when no stream is free at all. */
const LOAD_CONNECTIONS = 4;

/**
 * Opened because the others are choked by slow readers. What they hold is bounded for each connection, so this bounds what
 * slow readers of one endpoint hold together.
 */
const MOST_CHOKED = 8;

/** Towards an endpoint it is we who reset, and what comes late for it is no attack. */
const plainLimits: Http2Limits = Object.freeze({ ...http2Defaults, resetPatience: http2MeshLimits.resetPatience });

/** What a peer is taken to allow as long as no connection has said. */
const STREAMS_UNTOLD = 100;

/**
 * The HTTP/2 connections of a pool. Requests go to the oldest one that is not busy, so that one connection carries
 * everything as long as it can and those that were opened for a peak are left to grow idle; when all are busy they
 * go to the one with the fewest streams.
 */
export class Http2Lane {
  /** Take new streams, oldest first. */
  readonly open: Http2UpstreamConnection[];
  /** Take none any more; what is under way on them goes on. */
  readonly leaving: Set<Http2UpstreamConnection>;
  private readonly owner: Http2Owner;
  /** Most streams the peer takes on one connection. */
  private peerStreams: number;
  /** Whether the peer takes extended CONNECT; null as long as none of its SETTINGS have come. */
  private upgrades: boolean | null;

  constructor(owner: Http2Owner) {
    this.open = [];
    this.leaving = new Set();
    this.owner = owner;
    this.peerStreams = STREAMS_UNTOLD;
    this.upgrades = null;
  }

  get size(): number {
    return this.open.length + this.leaving.size;
  }

  /** What one more connection would carry at once. */
  streamsEach(maxRequests: number): number {
    const most = Math.max(1, Math.min(this.peerStreams, STREAMS_UNTOLD));
    return maxRequests > 0 ? Math.min(most, maxRequests) : most;
  }

  /** No connection of this peer would carry such a request. */
  refuses(carriage: Carriage): boolean {
    return carriage === Carriage.Http1 || (carriage === Carriage.ExtendedConnect && this.upgrades === false);
  }

  /** A peer is about to say how many streams it takes. */
  get unsettled(): boolean {
    for (const connection of this.open) if (!connection.settled) return true;
    return false;
  }

  /** True when one more connection would relieve the others. */
  get wanting(): boolean {
    if (this.open.length === 0 || this.open.length >= LOAD_CONNECTIONS) return false;
    for (const connection of this.open) if (!connection.busy) return false;
    return true;
  }

  /**
   * The connection for one more request; null when every stream is taken, when nothing here carries it, or when all are
   * choked and `mayOpen` another one.
   */
  pick(carriage: Carriage, nowMs: number, mayOpen: boolean): Http2UpstreamConnection | null {
    const choice = mayOpen && this.open.length < MOST_CHOKED;
    let choked: Http2UpstreamConnection | null = null;
    let best: Http2UpstreamConnection | null = null;
    let aged: Http2UpstreamConnection | null = null;
    for (const connection of this.open) {
      if (connection.isAged(nowMs)) {
        aged = connection;
        continue;
      }
      if (!connection.carries(carriage)) continue;
      if (connection.choked) {
        if (!choice && (choked === null || connection.streams < choked.streams)) choked = connection;
        continue;
      }
      if (!connection.busy) {
        best = connection;
        break;
      }
      if (best === null || connection.streams < best.streams) best = connection;
    }
    // Leaving changes the list.
    aged?.retire();
    return best ?? choked;
  }

  /** Whether a stream that falls free here should go to somebody who waits. */
  mayServe(connection: Http2UpstreamConnection, mayOpen: boolean): boolean {
    return connection.canLease && (!connection.choked || !mayOpen || this.open.length >= MOST_CHOKED);
  }

  add(socket: Socket, encrypted: boolean, nowMs: number, lifetimeMs: number): Http2UpstreamConnection {
    const limits = encrypted ? http2MeshLimits : plainLimits;
    const connection = new Http2UpstreamConnection(socket, encrypted, this.owner, limits, nowMs, lifetimeMs);
    this.open.push(connection);
    return connection;
  }

  /** The peer's SETTINGS may have come. */
  learn(connection: Http2UpstreamConnection): void {
    if (!connection.settled) return;
    this.peerStreams = connection.mostStreams;
    this.upgrades = connection.takesUpgrades;
  }

  /** It takes no new streams. */
  left(connection: Http2UpstreamConnection): void {
    const index = this.open.indexOf(connection);
    if (index >= 0) this.open.splice(index, 1);
    this.leaving.add(connection);
  }

  gone(connection: Http2UpstreamConnection): void {
    this.leaving.delete(connection);
  }

  bufferedBytes(): number {
    let held = 0;
    for (const connection of this.open) held += connection.bufferedBytes;
    for (const connection of this.leaving) held += connection.bufferedBytes;
    return held;
  }

  sweep(nowMs: number, policy: Http2Policy): void {
    for (const connection of this.all()) connection.sweep(nowMs, policy);
  }

  drain(): void {
    for (const connection of this.open.slice()) connection.retire();
  }

  renew(tls: DialTls): void {
    for (const connection of this.all()) {
      if (!tls.vouched(connection.socket)) connection.cutOff('policy-cut', 'root-removed');
    }
  }

  destroy(): void {
    for (const connection of this.all()) connection.destroy();
  }

  private all(): Http2UpstreamConnection[] {
    return [...this.open, ...this.leaving];
  }
}

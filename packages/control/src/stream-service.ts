import { checkPeer, type PeerIdentity } from '@weft/identity';
import { type Clock, type Result, fail, ok } from '@weft/kernel';
import type { CallFault, ControlService, PeerService } from '@weft/wire';
import type { ClusterRoom } from './cluster/cluster-room.ts';
import type { ControlMetrics } from './control-metrics.ts';
import type { EventLog } from './event-log.ts';
import { type IdentityDesk, attestationOf } from './identity-desk.ts';
import type { Log } from './log.ts';
import type { ObservationRoom } from './observation/observation-room.ts';
import type { ProxyRegistry } from './proxy-registry.ts';
import type { StreamTotals } from './stream-totals.ts';
import type { ControlSignals } from './telemetry/control-signals.ts';

export interface StreamServiceOptions {
  readonly identity: IdentityDesk;
  readonly registry: ProxyRegistry;
  readonly observation: ObservationRoom;
  readonly totals: StreamTotals;
  readonly room: Pick<ClusterRoom, 'proxyOpened'> | null;
  /** Who answers another replica, once there is somebody; judges whom a certificate names. */
  readonly peers: (peer: string) => Result<PeerService, CallFault>;
  readonly events: EventLog;
  readonly metrics: ControlMetrics;
  readonly signals: ControlSignals | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** What stands behind the port of proxies: each call is handed to whom it concerns, and counted. */
export function streamService(options: StreamServiceOptions): ControlService<PeerIdentity> {
  const { identity, registry, observation, totals, room, peers, events, metrics, signals, clock, log } = options;
  return {
    authenticate: (socket) => {
      // A connection without a certificate may ask for one, and for nothing else.
      if (socket.getPeerX509Certificate() === undefined) return ok(null);
      const peer = checkPeer(socket, identity.bundle, clock.wallMs(), 'client');
      return peer.ok
        ? peer
        : fail(peer.error.detail === '' ? peer.error.reason : `${peer.error.reason}: ${peer.error.detail}`);
    },
    admit: (hello, peer) => {
      const admitted = registry.admit(hello, peer);
      if (!admitted.ok) events.add('warning', 'proxy-refused', peer.id, admitted.error.message);
      return admitted;
    },
    opened: (session, peer, address) => {
      registry.opened(session, peer, address);
      room?.proxyOpened(session);
    },
    advanced: (session, what) => {
      registry.advanced(session, what);
      if (what === 'counters') observation.counted(session);
    },
    closed: (session, reason) => {
      totals.closed(session);
      registry.closed(session, reason);
    },
    issue: async (request, peer, address) => {
      const askedMs = clock.nowMs();
      const issued = await identity.issue(request, peer, address);
      const tookMs = clock.nowMs() - askedMs;
      metrics.certificateAnswered(tookMs);
      signals?.certificateAnswered(attestationOf(request), issued.ok ? 'ok' : issued.error.code, tookMs);
      return issued;
    },
    trustBundle: () => identity.trustBundle,
    peers: (peer) => peers(peer.id),
    refused: (address, reason) => {
      const kind = reason.split(':')[0] ?? reason;
      metrics.connectionRefused(kind);
      signals?.connectionRefused(kind);
      log.warn(`a connection was refused: ${reason}`, { address });
    },
  };
}

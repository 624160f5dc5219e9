/**
 * A control plane without configuration behind it: it serves resources it is handed, over the real protocol and mutual
 * TLS. For measuring a sidecar's side alone.
 */
import { TimerWheel, fail, ok, systemClock } from '@weft/kernel';
import { checkPeer, meshContext, workloadId } from '@weft/identity';
import type { PeerIdentity } from '@weft/identity';
import type { Resource, ResourceKey } from '@weft/model';
import { ControlServer, versionResource } from '@weft/wire';
import type { ControlService, SyncSession, VersionedResource } from '@weft/wire';
import { benchAuthority, benchTrustDomain } from '../subjects/weft-state.ts';

const LEAF_MS = 3_600_000;

export interface ViewServer {
  /** `host:port` of Sync. */
  readonly address: string;
  /** Resolves with the next session that is opened. */
  untilOpened(): Promise<SyncSession>;
  /** Replaces all that is served. Resolves, with how long that took, when the session has all of it in force. */
  replace(session: SyncSession, resources: readonly VersionedResource[]): Promise<number>;
  stop(): Promise<void>;
}

export function versionAll(resources: readonly Resource[]): VersionedResource[] {
  return resources.map(versionResource);
}

export async function startViewServer(initial: readonly VersionedResource[]): Promise<ViewServer> {
  const authority = await benchAuthority();
  const id = workloadId(benchTrustDomain, 'weft-system', 'weft-control')!;
  const svid = await authority.issueOwn(id, LEAF_MS, systemClock.wallMs());
  if (!svid.ok) throw new Error(`no leaf for the view server: ${svid.error}`);
  const timers = new TimerWheel(systemClock);
  timers.start();
  let served = byKey(initial);
  let opened: ((session: SyncSession) => void) | undefined;
  let advanced: (() => void) | undefined;
  const service: ControlService<PeerIdentity> = {
    authenticate(socket) {
      const checked = checkPeer(socket, authority.bundle, systemClock.wallMs(), 'client');
      return checked.ok ? ok(checked.value) : fail(checked.error.reason);
    },
    admit: () =>
      ok({
        roots: () => [...served.keys()].filter((key) => key.startsWith('mesh:') || key.startsWith('names:')),
        lookup: (key) => served.get(key),
      }),
    opened: (session) => opened?.(session),
    advanced: () => advanced?.(),
    closed: () => {},
    issue: () => Promise.resolve(fail({ code: 'PermissionDenied', message: 'the view server issues nothing' })),
    trustBundle: () => null,
    refused: () => {},
  };
  const server = new ControlServer<PeerIdentity>({
    server: 'bench',
    mesh: 'bench',
    tls: meshContext(svid.value, authority.bundle).material,
    service,
    clock: systemClock,
    timers,
  });
  const { port } = await server.listen('127.0.0.1', 0);
  return {
    address: `127.0.0.1:${port}`,
    untilOpened: () => new Promise((resolve) => (opened = resolve)),
    replace(session, resources) {
      served = byKey(resources);
      const startMs = performance.now();
      const done = new Promise<number>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`not in force after 60 s: ${firstMissing(session, served)}`)),
          60_000,
        );
        advanced = () => {
          if (session.dirtyCount > 0 || session.unacknowledgedCount > 0) return;
          const missing = firstMissing(session, served);
          if (missing !== undefined) return;
          clearTimeout(timer);
          advanced = undefined;
          resolve(performance.now() - startMs);
        };
      });
      server.hub.changed([...served.keys()]);
      return done;
    },
    async stop() {
      await server.close(0, 0);
      timers.stop();
    },
  };
}

function byKey(resources: readonly VersionedResource[]): Map<ResourceKey, VersionedResource> {
  return new Map(resources.map((resource) => [resource.key, resource]));
}

function firstMissing(session: SyncSession, served: ReadonlyMap<ResourceKey, VersionedResource>): string | undefined {
  for (const { key, hash } of served.values()) {
    if (session.inForce(key) !== hash) return `${key} ${session.refusal(key)}`;
  }
  return undefined;
}

/**
 * The control plane, put together:
 *
 *   source --> store --> feed --> index (resolved, encoded once) --> hub --> sessions --> proxies
 *                         ^  |                                                  |
 *                 registry   +--> progress <--------- acknowledgements ---------+
 *                 (attested proxies become instances)
 *
 * `ControlCore` is all of it that listens to nobody; here it is fed, given an identity, and opened to proxies, to other replicas and
 * to people, in this order.
 */
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { openSealedFolder } from '@weft/identity';
import { type Result, fail, ok } from '@weft/kernel';
import { resolveMesh, resolveMeshControl } from '@weft/model';
import { type CallFault, type ClientTls, ControlServer, type PeerService, type ServerInfo } from '@weft/wire';
import { AdminDesk } from './admin-desk.ts';
import { ClosingOrder } from './closing-order.ts';
import { ConfigIntake } from './config-intake.ts';
import { type ControlCore, makeCore } from './control-core.ts';
import { type ControlOptions, type ControlPlane, ControlStartError } from './control-options.ts';
import { type IdentityDesk, openIdentityDesk } from './identity-desk.ts';
import { listenAddress } from './listen-address.ts';
import { listenError } from './listen-error.ts';
import { countObjects } from './object-counts.ts';
import { ObjectReport } from './object-report.ts';
import { MeshDesk } from './peers/mesh-desk.ts';
import { PeerRoom } from './peers/peer-room.ts';
import { ReplicaDesk } from './peers/replica-desk.ts';
import { PeoplePorts } from './people-ports.ts';
import { reportProxy } from './proxy-report.ts';
import { streamService } from './stream-service.ts';

/** Proxies are told to come back within this long, and their streams ended after it. */
const MOVE_WITHIN_MS = 1000;
const STOP_GRACE_MS = 500;
/** An answer of another replica is on its way for so long. */
const PEER_RETURN_MS = 50;
/** Nobody waits for what status says. */
const HOLDERS_MS = 5_000;
const ALL_OBJECTS = { kind: '', namespace: '', name: '' };

/** Rejects with a `ControlStartError`; then nothing is left open. */
export async function startControlPlane(options: ControlOptions): Promise<ControlPlane> {
  const closers = new ClosingOrder();
  try {
    return await assemble(options, closers);
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function assemble(options: ControlOptions, closers: ClosingOrder): Promise<ControlPlane> {
  const { clock, wheel, log } = options;
  const startedAtMs = clock.wallMs();
  const version = options.version ?? '0.0.0';
  const state = openSealedFolder(options.stateFolder);
  if (!state.ok) throw new ControlStartError(state.error.message);

  const core = await makeCore(options, version, closers);
  const { index, store, events, memory, registry, observation, room, source, late } = core;
  const { identity, tls } = await openIdentity(options, core, closers);
  const { trustDomain } = resolveMesh(index.model);

  let replicaDesk: ReplicaDesk | null = null;
  const peers = (peer: string): Result<PeerService, CallFault> => {
    if (options.cluster === undefined) {
      return fail({ code: 'Unimplemented', message: 'this control plane has no replicas' });
    }
    if (late.peers === null || replicaDesk === null) {
      return fail({ code: 'Unavailable', message: 'this replica is starting; ask again in a moment' });
    }
    const admitted = late.peers.admits(peer);
    return admitted.ok ? ok(replicaDesk) : admitted;
  };
  const control = new ControlServer({
    server: options.name,
    mesh: trustDomain,
    tls: tls(),
    service: streamService({ ...core, identity, peers, clock, log }),
    clock,
    timers: wheel,
  });
  late.server = control;
  core.feed.connect(control.hub);
  const { port } = await control.listen(options.host, options.port).catch((error: unknown) => {
    throw listenError(error, options.host, options.port, '--port');
  });
  closers.add(() => {
    registry.quiesce();
    return control.close(MOVE_WITHIN_MS, STOP_GRACE_MS);
  });
  const address = listenAddress(options.advertisedHost ?? options.host, port);

  const objects = new ObjectReport(store, index, core.feed.followers);
  if (room !== null) {
    room.begin({
      report: objects,
      model: index.model,
      identity,
      records: () => store.records,
      askHolders: () =>
        late.peers?.ask((client) => client.countHolders(ALL_OBJECTS), HOLDERS_MS) ?? Promise.resolve([]),
      watchEvents: (emit) => events.watch(emit),
      sessions: () => control.hub.sessions,
    });
    const served = await room.openWebhooks(core.metrics.registry);
    if (!served.ok) throw new ControlStartError(served.error);
  }
  const server = (): ServerInfo => {
    const { inForce, refused } = countObjects(store);
    return {
      server: options.name,
      mesh: trustDomain,
      version,
      trustDomain,
      startedAtMs,
      address,
      source: source.description,
      proxies: registry.size,
      objects: inForce,
      objectsRefused: refused,
      replicas: [{ replica: options.name, silent: '' }],
    };
  };
  const desk = new AdminDesk({
    registry,
    objects,
    events,
    identity,
    observation,
    memory,
    model: index.model,
    wheel,
    server,
    dashboard: () => people.dashboard,
    address: () => address,
  });
  if (options.cluster !== undefined) {
    const others = makePeers(options, options.cluster, core, identity);
    closers.add(() => others.stop());
    late.peers = others;
    replicaDesk = new ReplicaDesk({ room: others, desk, observation, objects });
    await others.begin(port);
  }

  let isStopping = false;
  const people = new PeoplePorts({
    asked: options,
    desk: new MeshDesk({ replica: options.name, desk, objects, observation, peers: late.peers, clock }),
    observation,
    model: index.model,
    metrics: core.metrics.registry,
    unready: () => (isStopping ? 'stopping' : ''),
    client: room?.client ?? null,
    clock,
    wheel,
    log,
  });
  await people.open(closers);
  const { adminPort, metricsPort, dashboard } = people;
  log.info(`control plane ${options.name} listens on ${address}`, {
    source: source.description,
    objects: countObjects(store).inForce,
    adminSocket: options.adminSocket,
    metricsPort,
  });

  let stopped: Promise<void> | null = null;
  return {
    address,
    port,
    metricsPort,
    adminPort,
    dashboard,
    webhookPort: room?.webhookPort ?? 0,
    isLeader: () => room?.isLeader ?? true,
    adminSocket: options.adminSocket,
    createToken: async ({ namespace = 'default', service: name, serviceAccount = '', lifetimeMs = 0 }) =>
      orThrow(desk.createToken({ namespace, service: name, serviceAccount, lifetimeMs })),
    status: () => ({
      server: server(),
      proxies: Array.from(registry.records, reportProxy),
      objects: objects.list(ALL_OBJECTS),
    }),
    watchEvents: (emit) => events.watch(emit),
    roots: {
      get signing() {
        return identity.signing;
      },
      prepare: async () => orThrow(await identity.prepareRoot()),
      activate: async (fingerprint) => {
        orThrow(await identity.activateRoot(fingerprint));
      },
      remove: async (fingerprint) => {
        orThrow(await identity.removeRoot(fingerprint));
      },
    },
    stop: () => {
      isStopping = true;
      stopped ??= closers.closeAll();
      return stopped;
    },
  };
}

/** Reads the configuration, which says the trust domain, and opens the authority of that. `tls` is what the port is opened with. */
async function openIdentity(
  options: ControlOptions,
  core: ControlCore,
  closers: ClosingOrder,
): Promise<{ readonly identity: IdentityDesk; readonly tls: () => TlsOptions }> {
  const { clock, wheel, random, log } = options;
  const { index, events, metrics, registry, room, source, late } = core;
  const intake = new ConfigIntake({ ...core, trustDomain: options.trustDomain, clock, log });
  await intake.begin();
  closers.add(() => source.stop());
  const { trustDomain, trustDomainAliases: aliases } = resolveMesh(index.model);
  intake.serve(trustDomain);
  const { rootLifetimeMs } = resolveMeshControl(index.model);
  const root = { folder: join(options.stateFolder, 'ca'), trustDomain, aliases, rootLifetimeMs };
  if (room !== null) {
    const shared = await room.shareRoot(root);
    if (!shared.ok) throw new ControlStartError(shared.error);
  }
  let tls: TlsOptions = {};
  const opened = await openIdentityDesk({
    ...root,
    ...(room === null
      ? {}
      : { attestAccount: (token: string) => room.attest(token), onAuthorities: () => void room.rootsChanged() }),
    leafLifetimeMs: () => options.leafLifetimeMs ?? resolveMeshControl(index.model).leafLifetimeMs,
    clock,
    wheel,
    random,
    log,
    onIssued: (id, how, serial) => {
      metrics.certificateIssued(how);
      events.add('info', 'certificate-issued', id, `certificate ${serial} issued to ${id} by its ${how}`);
    },
    onRefused: (address, { code, message }) => {
      metrics.certificateRefused(code);
      events.add('warning', 'certificate-refused', address, `no certificate for ${address}: ${message}`);
    },
    onTls: (next) => {
      tls = next;
      late.server?.setTls(next);
    },
    onTrust: (bundle) => {
      late.server?.hub.trustChanged(bundle);
      registry.trustChanged(identity.bundle);
      events.add('info', 'roots-changed', bundle.trustDomain, `${bundle.roots.length} roots are trusted now`);
    },
  });
  if (!opened.ok) throw new ControlStartError(opened.error);
  const identity = opened.value;
  closers.add(() => identity.stop());
  core.book.begin(trustDomain);
  return { identity, tls: () => tls };
}

/** The other replicas, and what is observed shared with them. */
function makePeers(
  { clock, wheel, log }: ControlOptions,
  { replica, namespace }: NonNullable<ControlOptions['cluster']>,
  { pods, book, registry, observation }: ControlCore,
  identity: IdentityDesk,
): PeerRoom {
  const others = new PeerRoom({
    replica,
    namespace,
    pods,
    book,
    registry,
    tls: (): ClientTls => identity.peerTls(),
    identity: identity.identity,
    window: observation.window,
    clock,
    wheel,
    log,
  });
  observation.elsewhere = {
    why: (request, awaitMs) =>
      others.ask((client) => client.why({ replica, request, awaitMs }), awaitMs + PEER_RETURN_MS),
    counted: (reporter, counters) => others.counted(reporter, counters),
    traffic: (windowMs) => others.traffic(windowMs),
  };
  return others;
}

function orThrow<T>(result: Result<T, CallFault | string>): T {
  if (result.ok) return result.value;
  throw new Error(typeof result.error === 'string' ? result.error : result.error.message);
}

/**
 * The control plane, put together:
 *
 *   source --> store --> feed --> index (resolved, encoded once) --> hub --> sessions --> proxies
 *                         ^  |                                                  |
 *                 registry   +--> progress <--------- acknowledgements ---------+
 *                 (attested proxies become instances)
 */
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { checkPeer, openSealedFolder, type PeerIdentity } from '@weft/identity';
import { type Clock, type Random, type Result, type TimerWheel, fail, ok } from '@weft/kernel';
import {
  type Change,
  type ConfigObject,
  type ObjectOf,
  type Problem,
  formatProblem,
  resolveMesh,
  resolveMeshControl,
} from '@weft/model';
import {
  AdminServer,
  type CallFault,
  type ClientTls,
  ControlServer,
  type ControlService,
  type CreateTokenResponse,
  type GetDashboardResponse,
  type IssueRequest,
  type MeshEvent,
  type ObjectStatus,
  type ProxyStatus,
  type ServerInfo,
  type SyncSession,
} from '@weft/wire';
import { AdminAccess } from './admin-access.ts';
import { AdminDesk } from './admin-desk.ts';
import { ChangeFeed } from './change-feed.ts';
import { type ClusterOptions, ClusterRoom } from './cluster/cluster-room.ts';
import { ConfigStore, type StoreUpdate } from './config-store.ts';
import { type ControlGauges, ControlMetrics } from './control-metrics.ts';
import { DashboardServer } from './dashboard-server/dashboard-server.ts';
import { DashboardToken } from './dashboard-server/dashboard-token.ts';
import { EventLog } from './event-log.ts';
import type { PodSource } from './expected-instance.ts';
import { HealthServer } from './health-server.ts';
import { InstanceBook } from './instance-book.ts';
import { openIdentityDesk } from './identity-desk.ts';
import type { Log } from './log.ts';
import { ObjectReport } from './object-report.ts';
import { ObservationRoom } from './observation/observation-room.ts';
import { MeshDesk } from './peers/mesh-desk.ts';
import { PeerRoom } from './peers/peer-room.ts';
import { ReplicaDesk } from './peers/replica-desk.ts';
import { ProxyRegistry } from './proxy-registry.ts';
import { reportProxy } from './proxy-report.ts';
import { PushProgress, type PushResult } from './push-progress.ts';
import { ResourceIndex } from './resource-index.ts';
import { FileSource } from './source/file-source.ts';
import type { ObjectSource } from './source/object-source.ts';
import { ControlSignals, type WatchSilences } from './telemetry/control-signals.ts';
import type { OtlpEndpoint } from './telemetry/otlp-endpoint.ts';
import { WorkloadMemory } from './workload-memory.ts';

export interface ControlOptions {
  /** Name of this replica, shown to proxies and people. */
  readonly name: string;
  /** Folder of YAML and JSON files; needed when there is no `source`. */
  readonly configFolder?: string;
  /** A source of one's own in place of the folder. */
  readonly source?: ObjectSource;
  /** The Kubernetes cluster that is served: the source then, and where status is written. */
  readonly cluster?: ClusterOptions;
  /** Holds the authority and what is to outlive the process; made with mode 0700, refused with another. */
  readonly stateFolder: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Path of the UNIX socket for people and tools; made with mode 0600. */
  readonly adminSocket: string;
  /**
   * Loopback port of the same for people of a cluster, who reach it through the API server and are known by it: 0 takes a
   * free port, absent opens none. Only with `cluster`.
   */
  readonly adminPort?: number;
  /** Loopback HTTP with `/metrics`, `/ready`, `/live`: 0 takes a free port, absent opens none. */
  readonly metricsPort?: number;
  /** Where those are; loopback when absent. */
  readonly metricsHost?: string;
  /** The dashboard; absent serves none. */
  readonly dashboard?: DashboardOptions;
  /** Host that tokens tell proxies to connect to; `host`, or 127.0.0.1 when that means all addresses. */
  readonly advertisedHost?: string;
  /** In place of what the Mesh object says. */
  readonly trustDomain?: string;
  readonly leafLifetimeMs?: number;
  readonly version?: string;
  /** Sends its own spans and metrics; absent: loads nothing of the kind. Once a process. */
  readonly telemetry?: ControlTelemetryOptions;
  /** Told how each change came through; for measuring. */
  readonly onPush?: (result: PushResult) => void;
  readonly clock: Clock;
  /** Driven by the caller: `start()`ed, or advanced by a test. */
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
}

export interface DashboardOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Loopback when absent. Elsewhere whoever carries the token must be let through TLS by something in front. */
  readonly host?: string;
  /** The built dashboard. */
  readonly folder: string;
}

export interface ControlTelemetryOptions {
  /** Null: as the environment variables of OpenTelemetry (`OTEL_...`) say. */
  readonly endpoint: OtlpEndpoint | null;
}

/** A running control plane. */
export interface ControlPlane {
  /** `host:port` where proxies connect. */
  readonly address: string;
  readonly port: number;
  /** 0 when none was asked for. */
  readonly metricsPort: number;
  /** 0 when none was asked for. */
  readonly adminPort: number;
  /** Of the dashboard, with what lets one in; undefined when none was asked for. */
  readonly dashboard: GetDashboardResponse | undefined;
  /** 0 when there are no webhooks. */
  readonly webhookPort: number;
  /** Writes status and events; true where nobody else could. */
  readonly isLeader: () => boolean;
  readonly adminSocket: string;
  /** Rejects with one line for a person, as `Admin.CreateToken` does. Empty or absent fields as there. */
  createToken(request: TokenRequest): Promise<CreateTokenResponse>;
  status(): ControlStatus;
  /** Says the events remembered at once, then new ones until the returned function is called. */
  watchEvents(emit: (event: MeshEvent) => void): () => void;
  readonly roots: RootRotation;
  /** Asks proxies to move, ends their streams, and leaves no socket, file or timer behind. */
  stop(): Promise<void>;
}

export interface TokenRequest {
  /** `default` when absent. */
  readonly namespace?: string;
  /** A Service, a WorkloadEntry or a Gateway. */
  readonly service: string;
  /** The service's name when absent. */
  readonly serviceAccount?: string;
  /** 10 minutes when absent. */
  readonly lifetimeMs?: number;
}

export interface ControlStatus {
  readonly server: ServerInfo;
  readonly proxies: readonly ProxyStatus[];
  readonly objects: readonly ObjectStatus[];
}

/** Changing the root without a failed handshake: prepare, wait until all proxies have it, activate, remove the old one. */
export interface RootRotation {
  /** Fingerprint of the one that signs. */
  readonly signing: string;
  /** Makes another root, trusted at once; its fingerprint. Like the others, rejects with one line for a person. */
  prepare(): Promise<string>;
  activate(fingerprint: string): Promise<void>;
  remove(fingerprint: string): Promise<void>;
}

/** The control plane can't start; the message is one line for a person. */
export class ControlStartError extends Error {
  override readonly name = 'ControlStartError';
}

/** Proxies are told to come back within this long, and their streams ended after it. */
const MOVE_WITHIN_MS = 1000;
const STOP_GRACE_MS = 500;
/** An answer of another replica is on its way for so long. */
const PEER_RETURN_MS = 50;

/** Rejects with a `ControlStartError`; then nothing is left open. */
export async function startControlPlane(options: ControlOptions): Promise<ControlPlane> {
  const closers: Closer[] = [];
  try {
    return await assemble(options, closers);
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

type Closer = () => Promise<void> | void;

async function assemble(options: ControlOptions, closers: Closer[]): Promise<ControlPlane> {
  const { clock, wheel, random, log } = options;
  const startedAtMs = clock.wallMs();
  const version = options.version ?? '0.0.0';
  const state = openSealedFolder(options.stateFolder);
  if (!state.ok) throw new ControlStartError(state.error.message);

  const index = new ResourceIndex();
  const store = new ConfigStore();
  const events = new EventLog(options.name, clock, log);
  const totals = { transactions: 0, acknowledgements: 0 };
  let server: ControlServer<PeerIdentity> | null = null;
  const gauges: ControlGauges = {
    sessions: () => server?.hub.sessions.size ?? 0,
    transactions: () => sum(server, (session) => session.lastTransaction) + totals.transactions,
    acknowledgements: () => sum(server, (session) => session.acknowledgedTransaction) + totals.acknowledgements,
    encodedResources: () => index.encodedTotal,
    openPushes: () => progress.openCount,
    dirtyResources: () => sum(server, (session) => session.dirtyCount),
    workloads: () => registry.size,
    objects: () => countObjects(store),
    problems: () => countProblems(store),
  };
  const metrics = new ControlMetrics(gauges);
  const signals = await openSignals(options, version, gauges, () => room?.silences() ?? [], closers);
  const progress = new PushProgress(clock, wheel, ({ session }, key, reason) => registry.refused(session, key, reason));
  closers.push(() => progress.stop());
  const feed = new ChangeFeed(index, progress, wheel, {
    changed: (resources) => {
      metrics.changed(resources);
      return signals?.pushing(resources) ?? null;
    },
    pushed: (result, span) => {
      metrics.pushed(result);
      if (span !== null) signals?.pushed(result, span);
      options.onPush?.(result);
    },
  });
  closers.push(() => feed.stop());
  const memory = new WorkloadMemory(options.stateFolder, wheel, log);
  closers.push(() => memory.stop());
  // The room of a cluster is opened below; nothing is asked of its pods before.
  const pods: PodSource = {
    get: (workload) => room?.source.cluster.pods.get(workload),
    keys: () => Array.from(room?.source.cluster.pods.values() ?? [], ([name]) => name),
  };
  const book = new InstanceBook({ feed, memory, wheel, ...(options.cluster === undefined ? {} : { pods }) });
  closers.push(() => book.stop());
  let peers: PeerRoom | null = null;
  let replicaDesk: ReplicaDesk | null = null;
  const registry = new ProxyRegistry({
    feed,
    book,
    tellLeaving: (instance, withinMs) =>
      peers?.tellLeaving(instance, withinMs) ?? Promise.resolve({ subscribers: 0, acknowledged: 0 }),
    memory,
    clock,
    wheel,
    events,
    onRefused: () => {
      metrics.resourceRefused();
      signals?.resourceRefused();
    },
  });
  closers.push(() => registry.stop());
  const observation = new ObservationRoom({ replica: options.name, registry, model: index.model, clock, wheel });
  closers.push(() => observation.stop());

  const room =
    options.cluster === undefined
      ? null
      : new ClusterRoom({
          ...options.cluster,
          clock,
          wheel,
          random,
          log,
          onLag: (lagMs) => {
            metrics.watched(lagMs);
            signals?.watched(lagMs);
          },
        });
  if (room !== null) closers.push(() => room.stop());
  const source = room?.source ?? sourceOf(options);
  let servedDomain = '';
  const take = (weigh: () => StoreUpdate): void => {
    const startedMs = clock.nowMs();
    signals?.taking(source.description);
    const { changes, news, refused } = weigh();
    for (const problem of news) {
      if (problem.severity === 'error') log.error(formatProblem(problem));
      else log.warn(formatProblem(problem));
    }
    room?.objectsChanged(refused.map(({ key }) => key));
    for (const { ref, problems, object } of refused) {
      const kept = object === undefined ? 'it is not in force' : 'its last good version stays in force';
      const subject = `${ref.kind} ${ref.namespace === '' ? '' : `${ref.namespace}/`}${ref.name}`;
      const first = problems.find(({ severity }) => severity === 'error');
      events.add('error', 'object-refused', subject, `${subject} is refused, ${kept}: ${first?.message ?? ''}`);
    }
    if (changes.length > 0) {
      const effect = feed.apply(withTrustDomain(changes, options.trustDomain));
      registry.refresh(effect.objects);
      room?.objectsChanged(effect.objects);
      const message = `configuration changed: ${changes.length} ${changes.length === 1 ? 'object' : 'objects'}`;
      events.add('info', 'configuration-changed', source.description, message);
    }
    const { trustDomain } = resolveMesh(index.model);
    if (servedDomain !== '' && servedDomain !== trustDomain) {
      log.error(
        `the trust domain is now ${trustDomain}; certificates stay in ${servedDomain} until a restart with another state folder`,
      );
    }
    metrics.reloaded(clock.nowMs() - startedMs);
    signals?.taken(changes.length, refused.length, clock.nowMs() - startedMs);
  };
  if (options.trustDomain !== undefined)
    feed.apply([{ type: 'Upsert', object: meshOf(options.trustDomain, undefined) }]);
  if (room !== null) {
    room.source.onPods = (changed) => {
      registry.podsChanged(changed);
      peers?.podsChanged(changed);
    };
  }
  const started = await source.start(
    (places) => take(() => store.replace(places)),
    (delta) => take(() => store.patch(delta)),
  );
  if (!started.ok) throw new ControlStartError(started.error);
  closers.push(() => source.stop());

  const settings = resolveMesh(index.model);
  servedDomain = settings.trustDomain;
  let tls: TlsOptions = {};
  const root = {
    folder: join(options.stateFolder, 'ca'),
    trustDomain: settings.trustDomain,
    aliases: settings.trustDomainAliases,
    rootLifetimeMs: resolveMeshControl(index.model).rootLifetimeMs,
  };
  if (room !== null) {
    const shared = await room.shareRoot(root);
    if (!shared.ok) throw new ControlStartError(shared.error);
  }
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
      server?.setTls(next);
    },
    onTrust: (bundle) => {
      server?.hub.trustChanged(bundle);
      registry.trustChanged(identity.bundle);
      events.add('info', 'roots-changed', bundle.trustDomain, `${bundle.roots.length} roots are trusted now`);
    },
  });
  if (!opened.ok) throw new ControlStartError(opened.error);
  const identity = opened.value;
  closers.push(() => identity.stop());
  book.begin(settings.trustDomain);

  const service: ControlService<PeerIdentity> = {
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
      totals.transactions += session.lastTransaction;
      totals.acknowledgements += session.acknowledgedTransaction;
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
    peers: (peer) => {
      if (peers === null || replicaDesk === null) {
        return fail({ code: 'Unimplemented', message: 'this control plane has no replicas' });
      }
      const admitted = peers.admits(peer.id);
      return admitted.ok ? ok(replicaDesk) : admitted;
    },
    refused: (address, reason) => {
      const kind = reason.split(':')[0] ?? reason;
      metrics.connectionRefused(kind);
      signals?.connectionRefused(kind);
      log.warn(`a connection was refused: ${reason}`, { address });
    },
  };
  const control = new ControlServer({
    server: options.name,
    mesh: settings.trustDomain,
    tls,
    service,
    clock,
    timers: wheel,
  });
  server = control;
  feed.connect(control.hub);
  const { port } = await control.listen(options.host, options.port).catch((error: unknown) => {
    throw listenError(error, options.host, options.port, '--port');
  });
  closers.push(() => {
    registry.quiesce();
    return control.close(MOVE_WITHIN_MS, STOP_GRACE_MS);
  });
  const address = `${bracketed(advertisedHost(options))}:${port}`;
  const objects = new ObjectReport(store, index, feed.followers);
  const serverInfo = (): ServerInfo => {
    const { inForce, refused } = countObjects(store);
    return {
      server: options.name,
      mesh: settings.trustDomain,
      version,
      trustDomain: settings.trustDomain,
      startedAtMs,
      address,
      source: source.description,
      proxies: registry.size,
      objects: inForce,
      objectsRefused: refused,
      replicas: [{ replica: options.name, silent: '' }],
    };
  };
  if (room !== null) {
    room.begin({
      report: objects,
      model: index.model,
      identity,
      records: () => store.records,
      watchEvents: (emit) => events.watch(emit),
      sessions: () => control.hub.sessions,
    });
    const served = await room.openWebhooks(metrics.registry);
    if (!served.ok) throw new ControlStartError(served.error);
  }
  let dashboard: GetDashboardResponse | undefined;
  const desk = new AdminDesk({
    registry,
    objects,
    events,
    identity,
    observation,
    memory,
    model: index.model,
    wheel,
    server: serverInfo,
    dashboard: () => dashboard,
    address: () => address,
  });
  if (options.cluster !== undefined) {
    const { replica, namespace } = options.cluster;
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
    peers = others;
    replicaDesk = new ReplicaDesk({ room: others, desk, observation, objects });
    observation.elsewhere = {
      why: (request, awaitMs) =>
        others.ask((client) => client.why({ replica, request, awaitMs }), awaitMs + PEER_RETURN_MS),
      counted: (reporter, counters) => others.counted(reporter, counters),
      traffic: (windowMs) => others.traffic(windowMs),
    };
    closers.push(() => others.stop());
    await others.begin(port);
  }
  const meshDesk = new MeshDesk({ replica: options.name, desk, objects, observation, peers, clock });
  const admin = new AdminServer(meshDesk);
  const bound = await admin.listen(options.adminSocket);
  if (!bound.ok) throw new ControlStartError(`the admin socket cannot be opened: ${bound.error}`);
  closers.push(() => admin.close());

  let ownToken: DashboardToken | null = null;
  let adminPort = 0;
  if (options.adminPort !== undefined && room !== null) {
    const { client } = room;
    const given = (mayTap: boolean): GetDashboardResponse | undefined =>
      dashboard === undefined || ownToken === null
        ? undefined
        : { address: dashboard.address, token: ownToken.grant(mayTap ? 'all' : 'calm') };
    const guarded = new AdminServer(new AdminAccess({ service: meshDesk, client, clock, wheel, dashboard: given }));
    adminPort = await guarded.listenPort(options.adminPort, '127.0.0.1').catch((error: unknown) => {
      throw listenError(error, '127.0.0.1', options.adminPort ?? 0, '--admin-port');
    });
    closers.push(() => guarded.close());
  }

  if (options.dashboard !== undefined) {
    const { host = '127.0.0.1', port: asked, folder } = options.dashboard;
    const token = DashboardToken.open(options.stateFolder, clock);
    if (!token.ok) throw new ControlStartError(token.error);
    ownToken = token.value;
    const pages = new DashboardServer({
      desk: meshDesk,
      observation,
      model: index.model,
      clock,
      wheel,
      token: token.value,
      folder,
    });
    const taken = await pages.listen(asked, host).catch((error: unknown) => {
      // A mesh is not kept from running by who looks at it.
      log.warn(`there is no dashboard: ${listenError(error, host, asked, '--dashboard-port').message}`);
      return 0;
    });
    if (taken !== 0) {
      closers.push(() => pages.close());
      const reached = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
      dashboard = { address: `http://${bracketed(reached)}:${taken}`, token: token.value.text };
    }
  }
  let isStopping = false;
  let metricsPort = 0;
  if (options.metricsPort !== undefined) {
    const health = new HealthServer(metrics.registry, () => (isStopping ? 'stopping' : ''));
    const host = options.metricsHost ?? '127.0.0.1';
    metricsPort = await health.listen(options.metricsPort, host).catch((error: unknown) => {
      throw listenError(error, host, options.metricsPort ?? 0, '--metrics-port');
    });
    closers.push(() => health.close());
  }
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
      server: serverInfo(),
      proxies: Array.from(registry.records, reportProxy),
      objects: objects.list({ kind: '', namespace: '', name: '' }),
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
      stopped ??= closeAll(closers);
      return stopped;
    },
  };
}

/** Loads OpenTelemetry where it is asked for, and nothing elsewhere. */
async function openSignals(
  { telemetry, name, clock, wheel, log }: ControlOptions,
  version: string,
  gauges: ControlGauges,
  silences: WatchSilences,
  closers: Closer[],
): Promise<ControlSignals | null> {
  if (telemetry === undefined) return null;
  const { openTelemetrySdk } = await import('./telemetry/telemetry-sdk.ts');
  const sdk = openTelemetrySdk({ endpoint: telemetry.endpoint, name, version, clock, wheel, log });
  closers.push(() => sdk.stop());
  return new ControlSignals(sdk, clock, gauges, silences);
}

function attestationOf({ joinToken, serviceAccountToken }: IssueRequest): 'token' | 'account' | 'certificate' {
  if (joinToken !== '') return 'token';
  return serviceAccountToken === '' ? 'certificate' : 'account';
}

/** The last opened is closed first. */
async function closeAll(closers: Closer[]): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

function sourceOf(options: ControlOptions): ObjectSource {
  const { source, configFolder, clock, wheel, log } = options;
  if (source !== undefined) return source;
  if (configFolder === undefined) throw new ControlStartError('no configuration; give a folder with --config');
  return new FileSource({ folder: configFolder, clock, wheel, log });
}

function advertisedHost({ advertisedHost: said, host }: ControlOptions): string {
  if (said !== undefined) return said;
  return host === '' || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** The trust domain given at start stands over what the Mesh object says, and stays when that goes. */
function withTrustDomain(changes: readonly Change[], trustDomain: string | undefined): readonly Change[] {
  if (trustDomain === undefined) return changes;
  return changes.map((change): Change => {
    if (change.type === 'Upsert' && change.object.kind === 'Mesh') {
      return { type: 'Upsert', object: meshOf(trustDomain, change.object) };
    }
    if (change.type === 'Remove' && change.key.startsWith('Mesh/')) {
      return { type: 'Upsert', object: meshOf(trustDomain, undefined) };
    }
    return change;
  });
}

function meshOf(trustDomain: string, mesh: ObjectOf<'Mesh'> | undefined): ConfigObject {
  return {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'Mesh',
    metadata: mesh?.metadata ?? { name: 'default', namespace: '', labels: {}, generation: 0, createdAtMs: 0 },
    spec: { ...mesh?.spec, trustDomain },
  };
}

function listenError(error: unknown, host: string, port: number, flag: string): ControlStartError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new ControlStartError(
      `port ${port} on ${host} is taken; stop what listens there or give another with ${flag}`,
    );
  }
  if (code === 'EACCES')
    return new ControlStartError(`port ${port} on ${host} needs a privilege; give one above 1023 with ${flag}`);
  return new ControlStartError(`cannot listen on ${host}:${port}: ${message}`);
}

function sum(server: ControlServer<PeerIdentity> | null, read: (session: SyncSession) => number): number {
  let total = 0;
  for (const session of server?.hub.sessions ?? []) total += read(session);
  return total;
}

function countObjects(store: ConfigStore): { readonly inForce: number; readonly refused: number } {
  let inForce = 0;
  let refused = 0;
  for (const record of store.records.values()) {
    if (record.object !== undefined) inForce += 1;
    if (record.isRefused) refused += 1;
  }
  return { inForce, refused };
}

function countProblems(store: ConfigStore): { readonly errors: number; readonly warnings: number } {
  let errors = 0;
  let warnings = 0;
  const count = (problems: readonly Problem[]): void => {
    for (const { severity } of problems) {
      if (severity === 'error') errors += 1;
      else warnings += 1;
    }
  };
  count(store.problems);
  for (const { problems } of store.records.values()) count(problems);
  return { errors, warnings };
}

function orThrow<T>(result: Result<T, CallFault | string>): T {
  if (result.ok) return result.value;
  throw new Error(typeof result.error === 'string' ? result.error : result.error.message);
}

import { join } from 'node:path';
import { openStateFolder } from '@weft/identity';
import type { StateFolder, StoredState } from '@weft/identity';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import type { BackendSnapshot } from '@weft/decision';
import type { Clock, Random } from '@weft/kernel';
import { isAddressKey } from '@weft/model';
import type { DestinationKey } from '@weft/model';
import {
  SeriesTable,
  fileTarget,
  mergeSnapshots,
  metricsContentType,
  pickMetricsFormat,
  writeMetrics,
  writeMetricsProtobuf,
} from '@weft/telemetry';
import { readSnapshot } from '@weft/wire';
import type { AppliedChanges, Changes, ConnectionFacts } from '@weft/wire';
import { AdminServer } from './admin/admin-server.ts';
import { ApplicationHealth } from './admin/application-health.ts';
import { mergeMetrics, readApplicationMetrics } from './admin/application-metrics.ts';
import type { MetricsText } from './admin/admin-server.ts';
import { ControlLink, notConnected } from './control-link.ts';
import { named } from './listen-fault.ts';
import { ListenerSet } from './listener-set.ts';
import { registerProcessFacts } from './proxy-facts.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { viewBackends } from './recorder/backend-view.ts';
import { ResourceStore } from './resource-store.ts';
import { WorkloadIdentity } from './security/workload-identity.ts';
import { ServingThread, servingSettings } from './serving-thread.ts';
import type { DrainScope, Serving } from './serving.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { capturedDoor, doorAt } from './transport/application-door.ts';
import type { ApplicationDoor } from './transport/application-door.ts';
import type { WorkerGroup } from './worker/worker-group.ts';
import { TelemetryExports } from './telemetry-exports.ts';
import type { Tracing } from './exchange/exchange-spans.ts';
import { PushedCertificates, certificateFolderOf, takesCertificates } from './security/pushed-certificates.ts';
import type { EdgeCertificates } from '@weft/wire';

/** A running proxy. */
export interface Proxy {
  /** SPIFFE ID. */
  readonly identity: string;
  readonly outboundPort: number;
  /** Application port to mesh port. */
  readonly inboundPorts: ReadonlyMap<number, number>;
  /** Declared port of the Gateway to the port listened on. */
  readonly gatewayPorts: ReadonlyMap<number, number>;
  /** Destination to its loopback port. */
  readonly localPorts: ReadonlyMap<DestinationKey, number>;
  /** Destinations whose address takes any TCP client. */
  readonly opaqueDestinations: readonly DestinationKey[];
  readonly statsPort: number;
  readonly metricsPort: number;
  readonly adminSocket: string;
  /** Empty when ready. */
  notReady(): string;
  /** Resolves when ready; rejects after `timeoutMs`. */
  whenReady(timeoutMs: number): Promise<void>;
  stats(): ProxyStats;
  /** Leaves the mesh without failing a request; resolves when quiet or at the deadline. */
  drain(): Promise<void>;
  /** The same for what others call, and no more: the application beside may still call others, and ends before `drain`. */
  drainInbound(): Promise<void>;
  /** Ends everything now. */
  stop(): Promise<void>;
}

/** What a proxy says about itself, for people and the demo. */
export interface ProxyStats {
  readonly identity: string;
  readonly version: string;
  readonly ready: string;
  readonly draining: boolean;
  readonly control: ConnectionFacts;
  readonly certificateNotAfterMs: number;
  readonly connections: number;
  readonly destinations: readonly unknown[];
}

const REPORT_MS = 10_000;
/** A step of the control plane's window. */
const COUNT_MS = 5_000;
/** Subscribers that have not acknowledged the withdrawal by then are not waited for. */
const WITHDRAW_MS = 5_000;
const QUIET_POLL_MS = 20;
/** Label sets of what there is one of for each process: certificates, configuration, control plane, process. */
const PROCESS_SERIES = 200;

/** Starts a proxy. Rejects with an Error whose message is one sentence for a person. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const group = (options.workers ?? 1) > 1 ? (await import('./worker/worker-group.ts')).WorkerGroup : null;
  const proxy = new ProxyProcess(options, group);
  try {
    await proxy.start();
  } catch (error) {
    await proxy.stop();
    throw error;
  }
  return proxy;
}

/**
 * The life of one proxy: it obtains an identity, serves from what an earlier life held, listens, connects, reports, drains
 * and stops. What serves is below it (`Serving`), what asks is above (`AdminServer`).
 */
class ProxyProcess implements Proxy {
  private readonly options: ProxyOptions;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly wheel: TimerWheel;
  private readonly series: SeriesTable;
  private readonly startMs: number;
  private readonly serving: Serving;
  private readonly exports: TelemetryExports;
  private readonly tracing: Tracing | undefined;
  private readonly listeners: ListenerSet;
  private store: ResourceStore;
  private workload: WorkloadIdentity | null;
  private control: ControlLink | null;
  private admin: AdminServer | null;
  /** By port of the application, for probes and metrics. */
  private readonly doors: Map<number, ApplicationDoor>;
  private keeper: SnapshotKeeper | null;
  private complete: boolean;
  private draining: boolean;
  private stopped: boolean;
  private announced: Promise<void> | null;
  private drained: Promise<void> | null;
  private drainedInbound: Promise<void> | null;
  /** As the control plane was last told. */
  private reportedReady: boolean;
  /** On the monotonic clock. */
  private countedMs: number;
  /** As far as they were counted, every 5 s. */
  private requestsTotal: number;
  private readonly readyWaiters: Set<() => void>;

  /** `group` is null when this thread is to serve. */
  constructor(options: ProxyOptions, group: typeof WorkerGroup | null) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.wheel = new TimerWheel(this.clock);
    this.wheel.start();
    this.series = new SeriesTable({ maxSeries: PROCESS_SERIES });
    this.startMs = this.clock.wallMs();
    const { namespace, name, instance, version } = options;
    const resource = {
      'service.name': options.service === '' ? name : options.service,
      'service.namespace': namespace,
      'service.instance.id': instance,
      'telemetry.sdk.name': 'weft',
      'telemetry.sdk.version': version,
    };
    this.exports = new TelemetryExports(options.exports ?? {}, resource, this.wheel, options.log);
    this.exports.register(this.series);
    this.tracing = options.tracing ?? this.exports.tracing;
    this.serving = group === null ? this.serveHere() : this.serveInWorkers(group);
    this.listeners = new ListenerSet(options, this.serving);
    this.store = new ResourceStore(new Map());
    this.workload = null;
    this.control = null;
    this.admin = null;
    this.doors = new Map();
    this.keeper = null;
    this.complete = false;
    this.draining = false;
    this.stopped = false;
    this.announced = null;
    this.drained = null;
    this.drainedInbound = null;
    this.reportedReady = false;
    this.countedMs = this.clock.nowMs();
    this.requestsTotal = 0;
    this.readyWaiters = new Set();
  }

  get identity(): string {
    return this.workload?.tls.svid.id ?? '';
  }

  get outboundPort(): number {
    return this.listeners.outboundPort;
  }

  get inboundPorts(): ReadonlyMap<number, number> {
    return this.listeners.inboundPorts;
  }

  get gatewayPorts(): ReadonlyMap<number, number> {
    return this.listeners.gatewayPorts;
  }

  get localPorts(): ReadonlyMap<DestinationKey, number> {
    return this.listeners.localPorts;
  }

  get opaqueDestinations(): readonly DestinationKey[] {
    return this.serving.inForce.wanted.opaque;
  }

  get statsPort(): number {
    return this.admin?.statsPort ?? -1;
  }

  get metricsPort(): number {
    return this.admin?.metricsPort ?? -1;
  }

  get adminSocket(): string {
    const { adminSocket, stateFolder } = this.options;
    if (adminSocket !== '') return adminSocket;
    return stateFolder === '' ? '' : join(stateFolder, 'admin.sock');
  }

  async start(): Promise<void> {
    const { folder, stored } = this.openFolder();
    const workload = await this.obtainIdentity(folder, stored);
    await this.restore(stored);
    await this.listeners.open(folder);
    this.keeper = new SnapshotKeeper(folder, () => this.control?.snapshot(), this.options.log, this.wheel);
    this.registerMetrics(workload);
    await this.openAdmin();
    this.connect(workload);
    this.reportLater();
    this.countLater();
  }

  notReady(): string {
    if (this.stopped) return 'stopped';
    if (this.draining) return 'draining';
    if (this.workload === null || !this.workload.tls.usable) return 'no valid certificate';
    if (!this.complete && this.store.resources.size === 0) return 'no configuration yet';
    return '';
  }

  whenReady(timeoutMs: number): Promise<void> {
    if (this.notReady() === '') return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = this.wheel.schedule(timeoutMs, () => {
        this.readyWaiters.delete(check);
        reject(new Error(`not ready after ${timeoutMs} ms: ${this.notReady()}`));
      });
      const check = (): void => {
        if (this.notReady() !== '') return;
        timer.cancel();
        this.readyWaiters.delete(check);
        resolve();
      };
      this.readyWaiters.add(check);
    });
  }

  stats(): ProxyStats {
    return this.describe(this.serving.destinations());
  }

  drain(): Promise<void> {
    this.drained ??= this.leaveWhole();
    return this.drained;
  }

  drainInbound(): Promise<void> {
    this.drainedInbound ??= this.leave('inbound', this.drainDeadline());
    return this.drainedInbound;
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    await this.keeper?.flush();
    this.control?.stop();
    this.workload?.stop();
    await this.serving.destroy();
    await this.exports.close();
    this.wheel.stop();
    await this.admin?.close();
  }

  private serveHere(): ServingThread {
    const { options, clock, random, wheel } = this;
    return new ServingThread(servingSettings(options, 1, clock), {
      clock,
      random,
      wheel,
      log: options.log,
      lines: this.exports.lines(fileTarget(options.accessLogFd ?? 1, wheel)),
      ...(this.tracing === undefined ? {} : { tracing: this.tracing }),
      onLearned: () => this.report(),
      onTapped: (tapped) => this.control?.tapped(tapped),
      onDemand: (key) => this.demand(key),
    });
  }

  private serveInWorkers(Group: typeof WorkerGroup): WorkerGroup {
    const { options, clock, wheel } = this;
    return new Group({
      settings: servingSettings(options, options.workers!, clock),
      keyAgreement: options.keyAgreement,
      log: options.log,
      clock,
      wheel,
      lines: this.exports.lines(fileTarget(options.accessLogFd ?? 1, wheel)),
      ...(this.tracing === undefined ? {} : { tracing: this.tracing }),
      held: () => this.store.resources,
      onTapped: (tapped) => this.control?.tapped(tapped),
      onDemand: (key) => this.demand(key),
    });
  }

  private openFolder(): { folder: StateFolder | null; stored: StoredState } {
    const { stateFolder, log } = this.options;
    const nothing: StoredState = { svid: undefined, bundle: undefined, snapshot: undefined, faults: [] };
    if (stateFolder === '') return { folder: null, stored: nothing };
    const opened = openStateFolder(stateFolder);
    if (!opened.ok) {
      log.warn(
        `state folder not usable: ${opened.error.message}; serving without it, a restart needs the control plane`,
      );
      return { folder: null, stored: nothing };
    }
    const stored = opened.value.read();
    for (const fault of stored.faults) log.warn(`stored state left aside: ${fault.message}`);
    return { folder: opened.value, stored };
  }

  private async obtainIdentity(folder: StateFolder | null, stored: StoredState): Promise<WorkloadIdentity> {
    const { clock, wheel, random, options } = this;
    const { log, controlAddress, token, podToken, namespace, serviceAccount, keyAgreement } = options;
    const obtained = await WorkloadIdentity.obtain({
      clock,
      wheel,
      random,
      log,
      folder,
      stored,
      controlAddress,
      token,
      ...(podToken === undefined ? {} : { podToken }),
      namespace,
      serviceAccount,
      keyAgreement,
    });
    if (!obtained.ok) throw new Error(obtained.error);
    const workload = obtained.value;
    this.workload = workload;
    this.serving.useIdentity(workload.tls);
    workload.onRenewed(() => {
      this.control?.reauthenticate();
      this.report();
    });
    if (workload.controlAddress !== '') workload.start();
    else
      log.warn(
        'no control plane is named: what is stored is served and goes out of date; start with --control HOST:PORT',
      );
    return workload;
  }

  /** Serves from what an earlier life was told, until a control plane says more. */
  private async restore(stored: StoredState): Promise<void> {
    const { log } = this.options;
    const read = stored.snapshot === undefined ? undefined : readSnapshot(stored.snapshot);
    if (read?.ok === false) log.warn(`stored configuration left aside: ${read.error.path} ${read.error.message}`);
    if (read?.ok === true) this.store = new ResourceStore(read.value);
    await this.serving.restore(this.store.resources);
    if (read?.ok === true) {
      log.info('serving from the stored configuration', { version: this.serving.inForce.version });
    }
  }

  private async openAdmin(): Promise<void> {
    const { statsPort, metricsPort, metricsHost, applicationProbes, drainKey = '' } = this.options;
    const health = new ApplicationHealth(applicationProbes ?? {}, (port) => this.applicationDoor(port));
    this.admin = new AdminServer(
      {
        notReady: () => this.notReady(),
        stats: async () => this.describe(await this.serving.readDestinations()),
        config: () => this.config(),
        metrics: (accept) => this.metrics(accept),
        drain: () => void this.drain(),
        announceDrain: () => this.announceDrain(),
        probe: (path) => health.answer(path),
        setLogLevel: (level) => this.options.setLogLevel(level),
      },
      { statsPort, metricsPort, metricsHost, drainKey, socketPath: this.adminSocket },
    );
    await named('the admin interface', this.admin.listen());
  }

  private registerMetrics(workload: WorkloadIdentity): void {
    registerProcessFacts(this.series, {
      serving: this.serving,
      tls: workload.tls,
      version: this.options.version,
      startMs: this.startMs,
      store: () => this.store,
      connection: () => this.connection,
      reconnects: () => this.control?.reconnects ?? 0,
    });
  }

  private connect(workload: WorkloadIdentity): void {
    if (workload.controlAddress === '') return;
    const { clock, wheel, random, options } = this;
    this.control = new ControlLink({
      proxy: options,
      clock,
      wheel,
      random,
      identity: workload,
      listeners: options.inbound.map(({ applicationPort, name }) => ({
        applicationPort,
        name,
        address: options.meshHost,
        port: this.inboundPorts.get(applicationPort)!,
      })),
      version: () => this.serving.inForce.version,
      handler: {
        apply: (changes) => this.apply(changes),
        missing: (destinations) => {
          this.serving.missing(destinations);
          // Any number of addresses may be called that are none of the mesh's: what is asked about them is a question, no
          // subscription.
          const addresses = destinations.filter(isAddressKey);
          if (addresses.length > 0) this.control?.unsubscribe(addresses);
        },
        why: (request) => this.serving.findRequest(request),
        backends: async (service) =>
          viewBackends(service, (await this.serving.readDestinations()) as BackendSnapshot[], clock.nowMs()),
        tap: (tap) => this.serving.tap(tap),
        ...(takesCertificates(options)
          ? {
              certificates: (sent: EdgeCertificates) =>
                new PushedCertificates(certificateFolderOf(options), options.log).take(sent),
            }
          : {}),
        complete: () => {
          this.complete = true;
          this.checkReady();
        },
      },
      connected: () => this.report(),
      lost: () => this.serving.closeTaps(),
    });
    this.control.start(this.store.resources, () => this.serving.takeUsed());
  }

  private demand(key: DestinationKey): void {
    // Whose an address was says nothing of whose it is.
    if (isAddressKey(key)) this.control?.unsubscribe([key]);
    this.control?.subscribe([key]);
  }

  private async apply(changes: Changes): Promise<AppliedChanges> {
    const result = await this.store.change(changes, (next) => this.serving.apply(changes, next), this.clock.wallMs());
    for (const { key, message } of result.errors) this.options.log.error(`refused ${key}: ${message}`);
    if (!this.stopped) await this.listeners.follow();
    this.keeper?.storeSoon();
    this.checkReady();
    return result;
  }

  /** Tells callers that this instance goes, and waits until they know. New connections are still served. */
  private announceDrain(): Promise<void> {
    this.announced ??= this.announce();
    return this.announced;
  }

  private async announce(): Promise<void> {
    const { drainDeadlineMs, log } = this.options;
    const patienceMs = Math.min(WITHDRAW_MS, drainDeadlineMs);
    const connected = this.connection.state === 'connected';
    this.draining = true;
    log.info('draining');
    // From here each reply says `close`, so callers that are not told by the control plane learn it too.
    this.serving.leave('inbound');
    const told = this.control?.withdraw(this.options.capture === undefined ? patienceMs : drainDeadlineMs, () =>
      this.report(),
    );
    // Callers outside of the mesh hear by other ways, which take their time; so do all when no control plane is there.
    const waits = this.options.capture !== undefined && (!connected || this.takesPlaintext());
    await Promise.all([told, waits ? this.wait(patienceMs) : undefined]);
  }

  private takesPlaintext(): boolean {
    for (const { resource } of this.store.resources.values()) {
      if (resource.type === 'inbound' && resource.ports.some(({ mtls }) => mtls !== 'Strict')) return true;
    }
    return false;
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.wheel.schedule(ms, resolve));
  }

  private async leaveWhole(): Promise<void> {
    const deadlineMs = this.drainDeadline();
    await this.drainInbound();
    this.serving.leave('all');
    await this.leave('all', deadlineMs);
  }

  private drainDeadline(): number {
    return this.clock.nowMs() + this.options.drainDeadlineMs;
  }

  private async leave(scope: DrainScope, deadlineMs: number): Promise<void> {
    const { clock, serving } = this;
    const { log } = this.options;
    await this.announceDrain();
    serving.drain(scope);
    serving.closeIdle(scope);
    let busy = await serving.countBusy(scope);
    while (clock.nowMs() < deadlineMs && busy > 0) {
      await this.wait(QUIET_POLL_MS);
      serving.closeIdle(scope);
      busy = await serving.countBusy(scope);
    }
    if (busy > 0) log.warn('drain deadline reached', { requests: busy });
    else if (scope === 'all') log.info('drained');
  }

  private get connection(): ConnectionFacts {
    return this.control?.facts ?? notConnected;
  }

  private describe(destinations: readonly unknown[]): ProxyStats {
    return {
      identity: this.identity,
      version: this.serving.inForce.version,
      ready: this.notReady(),
      draining: this.draining,
      control: this.connection,
      certificateNotAfterMs: this.workload?.tls.svid.notAfterMs ?? 0,
      connections: this.serving.load.openConnections,
      destinations,
    };
  }

  private config(): unknown {
    const { version, refused } = this.serving.inForce;
    const resources = Array.from(this.store.resources, ([key, { hash, resource }]) => ({ key, hash, resource }));
    return { version, resources, refused };
  }

  private async metrics(accept: string | undefined): Promise<MetricsText> {
    const merged = mergeSnapshots([this.series.snapshot(), await this.serving.readMetrics()]);
    const { applicationMetrics } = this.options;
    if (applicationMetrics !== undefined) {
      const { port, path } = applicationMetrics;
      const theirs = await readApplicationMetrics(this.applicationDoor(port), path);
      return {
        contentType: metricsContentType.prometheus,
        parts: mergeMetrics(writeMetrics(merged, 'prometheus'), theirs),
      };
    }
    const format = pickMetricsFormat(accept);
    const parts = format === 'protobuf' ? writeMetricsProtobuf(merged) : writeMetrics(merged, format);
    return { contentType: metricsContentType[format], parts };
  }

  private applicationDoor(port: number): ApplicationDoor {
    let door = this.doors.get(port);
    if (door === undefined) {
      const { capture, inbound, meshHost } = this.options;
      const host = inbound[0]?.applicationHost ?? '127.0.0.1';
      door = capture === undefined ? doorAt(host, port) : capturedDoor(meshHost, host, port);
      this.doors.set(port, door);
    }
    return door;
  }

  private reportLater(): void {
    this.wheel.schedule(REPORT_MS, () => {
      this.report();
      this.reportLater();
    });
  }

  private countLater(): void {
    this.wheel.schedule(COUNT_MS, () => {
      void this.count();
      this.countLater();
    });
  }

  /** What nobody hears is not kept: later it would look like a burst. */
  private async count(): Promise<void> {
    const nowMs = this.clock.nowMs();
    const intervalMs = Math.max(1, Math.round(nowMs - this.countedMs));
    this.countedMs = nowMs;
    const { edges, folded } = await this.serving.takeEdges();
    for (const { tcp, requests } of edges) if (!tcp) this.requestsTotal += requests;
    const { openConnections, loopDelayP99Ms } = this.serving.load;
    this.control?.count({
      intervalMs,
      edges,
      folded,
      residentBytes: process.memoryUsage.rss(),
      loopDelayP99Ms,
      connections: openConnections,
    });
  }

  private report(): void {
    if (this.control === null) return;
    const { openConnections, active, learned, loopDelayP99Ms } = this.serving.load;
    this.reportedReady = this.notReady() === '';
    this.control.report({
      ready: this.reportedReady,
      draining: this.draining,
      certificateNotAfterMs: this.workload?.tls.svid.notAfterMs ?? 0,
      loopDelayP99Ms,
      residentBytes: process.memoryUsage.rss(),
      inboundConnections: openConnections,
      requestsTotal: this.requestsTotal,
      destinationsInUse: active,
      opaquePorts: learned,
    });
  }

  private checkReady(): void {
    if (this.reportedReady !== (this.notReady() === '')) this.report();
    for (const check of this.readyWaiters) check();
  }
}

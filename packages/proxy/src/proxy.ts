import type { Buffer } from 'node:buffer';
import { join } from 'node:path';
import type { BackendTransition } from '@weft/decision';
import { openStateFolder, readSealedFile, writeSealedFile } from '@weft/identity';
import type { KeyAgreement, StateFolder, StoredState } from '@weft/identity';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import type { Clock, Random } from '@weft/kernel';
import type { DestinationKey, MtlsMode } from '@weft/model';
import { terminationIndex } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import {
  AccessLog,
  ConnectionMetrics,
  LineSink,
  RequestMetrics,
  SeriesTable,
  fileTarget,
  metricsContentType,
  pickMetricsFormat,
  registerProxyFacts,
  writeMetrics,
} from '@weft/telemetry';
import type { AccessLogWhen } from '@weft/telemetry';
import { SyncClient, readSnapshot, syncConnector } from '@weft/wire';
import type {
  AnnouncedListener,
  AppliedChanges,
  Changes,
  ConnectionFacts,
  Drain,
  Report,
  SyncHandler,
} from '@weft/wire';
import { AdminServer } from './admin/admin-server.ts';
import type { AdminPort } from './admin/admin-server.ts';
import { ProcessWatch } from './admin/process-watch.ts';
import { DataPlane } from './data-plane.ts';
import { TelemetryRecorder } from './exchange/recorder.ts';
import type { RecorderSinks } from './exchange/recorder.ts';
import type { Ingress } from './exchange/ingress.ts';
import { InboundListener } from './listen/inbound-listener.ts';
import { defaultDeadlines } from './listen/listener.ts';
import type { Listener, ListenerOptions } from './listen/listener.ts';
import { PlainListener } from './listen/plain-listener.ts';
import type { Log } from './log.ts';
import { ResourceStore } from './resource-store.ts';
import { WorkloadIdentity } from './security/workload-identity.ts';

/** One port of the local application that peers may call. */
export interface InboundOptions {
  readonly applicationPort: number;
  /** As in the Service; may be empty. */
  readonly name: string;
  /** Where the application listens. */
  readonly applicationHost: string;
}

export interface ProxyOptions {
  readonly mode: 'sidecar' | 'gateway';
  readonly namespace: string;
  /** The workload: what `weft run` was given as service, or a deployment. */
  readonly name: string;
  readonly serviceAccount: string;
  /** Unique in the mesh for the life of the process. */
  readonly instance: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly node: string;
  readonly zone: string;
  readonly weight: number;
  /** The Service an ephemeral instance belongs to; empty when a `WorkloadEntry` stands in the configuration. */
  readonly service: string;
  /** `namespace/name` of the Gateway served; empty for a sidecar. */
  readonly gateway: string;
  /** `host:port` of the control plane; empty to serve from the stored snapshot alone, or to use the token's. */
  readonly controlAddress: string;
  readonly token: string;
  /** Empty keeps nothing. */
  readonly stateFolder: string;
  readonly inbound: readonly InboundOptions[];
  /** Where peers reach the inbound listeners. */
  readonly meshHost: string;
  /** Of the explicit proxy for the local application; 0 takes a free one, -1 opens none. */
  readonly outboundPort: number;
  /** Opens a loopback address for each service that may be called, for programs that know no proxy. */
  readonly localAddresses: boolean;
  /** Address a gateway listens on. */
  readonly gatewayHost: string;
  /** Ports to listen on in place of a Gateway's declared ones; 0 takes a free one. Absent: the declared one. */
  readonly gatewayPorts: ReadonlyMap<number, number>;
  readonly statsPort: number;
  readonly metricsPort: number;
  readonly metricsHost: string;
  /** Empty: `admin.sock` in the state folder. */
  readonly adminSocket: string;
  readonly accessLog: AccessLogWhen;
  readonly drainDeadlineMs: number;
  readonly maxConnections: number;
  readonly keyAgreement: KeyAgreement;
  readonly version: string;
  readonly log: Log;
  setLogLevel(level: string): boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Where access log lines go; standard output when absent. */
  readonly accessLogFd?: number;
}

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

const PORTS_FILE = 'ports';
const PORTS_BYTES = 65_536;
const REPORT_MS = 10_000;
const SNAPSHOT_DELAY_MS = 500;
const DRAIN_WAIT_MS = 5_000;
const QUIET_POLL_MS = 20;
/** More local addresses than a laptop calls; a larger mesh is called through the proxy variable. */
const MOST_LOCAL_ADDRESSES = 128;

const NOT_CONNECTED: ConnectionFacts = {
  state: 'stopped',
  sinceMs: 0,
  server: '',
  session: '',
  failures: 0,
  lastError: '',
};

/** Starts a proxy. Rejects with an Error whose message is one sentence for a person. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const proxy = new ProxyProcess(options);
  try {
    await proxy.start();
  } catch (error) {
    await proxy.stop();
    throw error;
  }
  return proxy;
}

class ProxyProcess implements Proxy, AdminPort {
  private readonly options: ProxyOptions;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly wheel: TimerWheel;
  private readonly series: SeriesTable;
  private readonly connectionMetrics: ConnectionMetrics;
  private readonly sinks: RecorderSinks;
  private readonly watch: ProcessWatch;
  private readonly plane: DataPlane;
  private readonly listeners: Map<string, Listener>;
  private readonly ejections: Map<DestinationKey, { opened: number; ejected: number }>;
  private store: ResourceStore;
  private workload: WorkloadIdentity | null;
  private sync: SyncClient | null;
  private admin: AdminServer | null;
  private folder: StateFolder | null;
  private connectionFacts: ConnectionFacts;
  private reconnects: number;
  private complete: boolean;
  private draining: boolean;
  private stopped: boolean;
  private drained: Promise<void> | null;
  private withdrawn: (() => void) | null;
  private reporter: NodeJS.Timeout | null;
  private snapshotTimer: NodeJS.Timeout | null;
  private readonly readyWaiters: Set<() => void>;
  private readonly localPortsByKey: Map<DestinationKey, number>;
  private readonly gatewayPortsByDeclared: Map<number, number>;
  private readonly inboundPortsByApplication: Map<number, number>;
  private outbound: PlainListener | null;

  constructor(options: ProxyOptions) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.wheel = new TimerWheel(this.clock);
    this.wheel.start();
    this.series = new SeriesTable();
    this.connectionMetrics = new ConnectionMetrics(this.series);
    this.sinks = {
      metrics: new RequestMetrics(this.series),
      clock: this.clock,
      accessLog: new AccessLog(),
      lines: new LineSink(fileTarget(options.accessLogFd ?? 1, this.wheel)),
      accessLogWhen: options.accessLog,
    };
    this.watch = new ProcessWatch(options.version, this.clock.wallMs());
    this.listeners = new Map();
    this.ejections = new Map();
    this.plane = new DataPlane({
      clock: this.clock,
      wheel: this.wheel,
      random: this.random,
      namespace: options.namespace,
      zone: options.zone,
      gateway: options.mode === 'gateway',
      workers: 1,
      recorder: new TelemetryRecorder(this.sinks),
      onDemand: (key) => this.sync?.subscribe([key]),
      onTransition: (event) => this.transition(event),
      isOwnAddress: (host, port) => this.isOwnAddress(host, port),
    });
    this.store = new ResourceStore(new Map());
    this.workload = null;
    this.sync = null;
    this.admin = null;
    this.folder = null;
    this.connectionFacts = NOT_CONNECTED;
    this.reconnects = 0;
    this.complete = false;
    this.draining = false;
    this.stopped = false;
    this.drained = null;
    this.withdrawn = null;
    this.reporter = null;
    this.snapshotTimer = null;
    this.readyWaiters = new Set();
    this.localPortsByKey = new Map();
    this.gatewayPortsByDeclared = new Map();
    this.inboundPortsByApplication = new Map();
    this.outbound = null;
  }

  get identity(): string {
    return this.workload?.tls.svid.id ?? '';
  }

  get outboundPort(): number {
    return this.outbound?.port ?? -1;
  }

  get inboundPorts(): ReadonlyMap<number, number> {
    return this.inboundPortsByApplication;
  }

  get gatewayPorts(): ReadonlyMap<number, number> {
    return this.gatewayPortsByDeclared;
  }

  get localPorts(): ReadonlyMap<DestinationKey, number> {
    return this.localPortsByKey;
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
    const stored = this.openFolder();
    await this.obtainIdentity(stored);
    this.restore(stored);
    await this.openListeners();
    this.registerMetrics();
    this.admin = new AdminServer(this, {
      statsPort: this.options.statsPort,
      metricsPort: this.options.metricsPort,
      metricsHost: this.options.metricsHost,
      socketPath: this.adminSocket,
    });
    await named('the admin interface', this.admin.listen());
    this.connect();
    this.reporter = setInterval(() => this.report(), REPORT_MS);
    this.reporter.unref();
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
      const timer = setTimeout(() => {
        this.readyWaiters.delete(check);
        reject(new Error(`not ready after ${timeoutMs} ms: ${this.notReady()}`));
      }, timeoutMs);
      const check = (): void => {
        if (this.notReady() !== '') return;
        clearTimeout(timer);
        this.readyWaiters.delete(check);
        resolve();
      };
      this.readyWaiters.add(check);
    });
  }

  // AdminPort

  stats(): ProxyStats {
    const nowMs = this.plane.tick();
    const destinations = [...this.plane.tables.backends()].map((backend) => {
      const counters = this.plane.counters.get(backend.key);
      return { ...backend.snapshot(nowMs), connections: counters ?? null };
    });
    return {
      identity: this.identity,
      version: this.plane.tables.version,
      ready: this.notReady(),
      draining: this.draining,
      control: this.connectionFacts,
      certificateNotAfterMs: this.workload?.tls.svid.notAfterMs ?? 0,
      connections: this.openConnections(),
      destinations,
    };
  }

  config(): unknown {
    const resources = [...this.store.resources].map(([key, { hash, resource }]) => ({ key, hash, resource }));
    const refused = [...this.plane.tables.refused].map(([key, { hash, message }]) => ({ key, hash, message }));
    return { version: this.plane.tables.version, resources, refused };
  }

  metrics(accept: string | undefined): { contentType: string; parts: Iterable<string> } {
    const format = pickMetricsFormat(accept);
    return { contentType: metricsContentType[format], parts: writeMetrics(this.series.snapshot(), format) };
  }

  setLogLevel(level: string): boolean {
    return this.options.setLogLevel(level);
  }

  private async apply(changes: Changes): Promise<AppliedChanges> {
    const result = await this.store.change(changes, (next) => this.plane.apply(next), this.clock.wallMs());
    for (const { key, message } of result.errors) this.options.log.error(`refused ${key}: ${message}`);
    await this.followTables();
    this.storeSnapshotSoon();
    this.checkReady();
    return result;
  }

  private drainMessage(drain: Drain): void {
    if (drain.reason === 'Withdrawn') this.withdrawn?.();
    else setTimeout(() => this.sync?.reauthenticate(), this.random() * drain.withinMs).unref();
  }

  private connection(facts: ConnectionFacts): void {
    const before = this.connectionFacts;
    this.connectionFacts = facts;
    const { log } = this.options;
    if (facts.state === 'connected' && before.state !== 'connected') {
      this.reconnects += before.sinceMs === 0 ? 0 : 1;
      log.info('control plane connected', { server: facts.server });
      this.report();
    } else if (before.state === 'connected' && facts.state !== 'connected') {
      log.warn(`control plane lost: ${facts.lastError}; serving from version ${this.plane.tables.version}`);
    }
  }

  drain(): Promise<void> {
    this.drained ??= this.leave();
    return this.drained;
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.sync?.stop();
    this.workload?.stop();
    if (this.reporter !== null) clearInterval(this.reporter);
    if (this.snapshotTimer !== null) {
      clearTimeout(this.snapshotTimer);
      await this.storeSnapshot();
    }
    for (const listener of this.listeners.values()) listener.destroy();
    this.plane.destroy();
    this.watch.stop();
    this.wheel.stop();
    await this.admin?.close();
  }

  private openFolder(): StoredState {
    const { stateFolder, log } = this.options;
    const nothing: StoredState = { svid: undefined, bundle: undefined, snapshot: undefined, faults: [] };
    if (stateFolder === '') return nothing;
    const opened = openStateFolder(stateFolder);
    if (!opened.ok) {
      log.warn(
        `state folder not usable: ${opened.error.message}; serving without it, a restart needs the control plane`,
      );
      return nothing;
    }
    this.folder = opened.value;
    const stored = opened.value.read();
    for (const fault of stored.faults) log.warn(`stored state left aside: ${fault.message}`);
    return stored;
  }

  private async obtainIdentity(stored: StoredState): Promise<void> {
    const { options } = this;
    const obtained = await WorkloadIdentity.obtain({
      clock: this.clock,
      random: this.random,
      log: options.log,
      folder: this.folder,
      stored,
      controlAddress: options.controlAddress,
      token: options.token,
      namespace: options.namespace,
      serviceAccount: options.serviceAccount,
      keyAgreement: options.keyAgreement,
    });
    if (!obtained.ok) throw new Error(obtained.error);
    this.workload = obtained.value;
    this.plane.useIdentity(obtained.value.tls);
    obtained.value.onRenewed(() => {
      this.sync?.reauthenticate();
      this.report();
    });
    if (obtained.value.controlAddress !== '') obtained.value.start();
  }

  /** Serves from what an earlier life was told, until a control plane says more. */
  private restore(stored: StoredState): void {
    if (stored.snapshot === undefined) return;
    const read = readSnapshot(stored.snapshot);
    if (!read.ok) {
      this.options.log.warn(`stored configuration left aside: ${read.error.path} ${read.error.message}`);
      return;
    }
    this.store = new ResourceStore(read.value);
    this.plane.applyNow(read.value);
    this.options.log.info('serving from the stored configuration', { version: this.plane.tables.version });
  }

  private async openListeners(): Promise<void> {
    const { options } = this;
    const before = this.readPorts();
    this.plane.serveLocally(
      options.inbound.map(({ applicationPort, applicationHost }) => ({
        key: this.localKey(applicationPort),
        host: applicationHost,
        port: applicationPort,
      })),
    );
    for (const { applicationPort } of options.inbound) {
      const open = async (port: number): Promise<InboundListener> => {
        const listener = new InboundListener(
          this.listenerOptions(options.meshHost, port),
          applicationPort,
          this.localKey(applicationPort),
          this.workload!.tls,
          () => this.inboundMode(applicationPort),
        );
        await listener.listen();
        return listener;
      };
      const listener = await named('the inbound listener', again(before.get(`inbound ${applicationPort}`), open));
      this.listeners.set(`inbound ${applicationPort}`, listener);
      this.inboundPortsByApplication.set(applicationPort, listener.port);
    }
    if (options.outboundPort >= 0) {
      const open = async (port: number): Promise<PlainListener> => {
        const listener = new PlainListener(this.listenerOptions('127.0.0.1', port), this.ingress('explicit', '', ''));
        await listener.listen();
        return listener;
      };
      const wanted = options.outboundPort === 0 ? again(before.get('outbound'), open) : open(options.outboundPort);
      this.outbound = await named('the outbound proxy', wanted);
      this.listeners.set('outbound', this.outbound);
    }
    this.writePorts();
    await this.followTables();
  }

  /**
   * Ports of the life before. Peers and the application know them: a sidecar that restarts while the control plane is away
   * must be found where it was.
   */
  private readPorts(): Map<string, number> {
    if (this.folder === null) return new Map();
    const read = readSealedFile(join(this.folder.path, PORTS_FILE), PORTS_BYTES);
    if (!read.ok) return new Map();
    const ports = new Map<string, number>();
    for (const line of read.value.toString('latin1').split('\n')) {
      const entry = /^(inbound \d+|outbound) (\d{1,5})$/.exec(line);
      if (entry !== null) ports.set(entry[1]!, Number(entry[2]));
    }
    return ports;
  }

  private writePorts(): void {
    if (this.folder === null) return;
    const lines = [...this.inboundPortsByApplication].map(([application, port]) => `inbound ${application} ${port}`);
    if (this.outbound !== null) lines.push(`outbound ${this.outbound.port}`);
    const written = writeSealedFile(join(this.folder.path, PORTS_FILE), `${lines.join('\n')}\n`);
    if (!written.ok) this.options.log.warn(`ports not stored: ${written.error.message}; a restart takes others`);
  }

  /** Strict until the control plane has said otherwise. */
  private inboundMode(applicationPort: number): MtlsMode {
    return this.plane.tables.inbound(applicationPort)?.mtls ?? 'Strict';
  }

  private localKey(applicationPort: number): DestinationKey {
    return `${this.options.namespace}/${this.options.name}:${applicationPort}`;
  }

  private ingress(kind: Ingress['kind'], destination: DestinationKey, listener: string): Ingress {
    const { namespace, serviceAccount } = this.options;
    return {
      kind,
      destination,
      listener,
      source: kind === 'gateway' ? 'unknown' : `${namespace}/${serviceAccount}`,
      peerIdentity: '',
      clientAddress: '',
      scheme: 'http',
    };
  }

  private listenerOptions(host: string, port: number): ListenerOptions {
    return {
      engine: this.plane,
      limits: this.plane.limits,
      host,
      port,
      reusePort: false,
      deadlines: defaultDeadlines,
      maxConnections: this.options.maxConnections,
      sink: {
        accepted: () => this.connectionMetrics.accept(),
        ended: (code, detail, peer) => this.connectionEnded(code, detail, peer),
      },
    };
  }

  private connectionEnded(code: TerminationCode, detail: string, peer: string): void {
    this.connectionMetrics.finish(terminationIndex(code));
    if (code === 'peer-identity-refused' || code === 'mtls-required') {
      this.options.log.warn('connection refused', { termination: code, detail, peer });
    } else if (code !== 'completed') this.options.log.debug('connection ended', { termination: code, detail, peer });
  }

  /** Opens what the configuration in force asks for and was not open before. */
  private async followTables(): Promise<void> {
    if (this.stopped) return;
    if (this.options.mode === 'gateway') await this.followGatewayListeners();
    if (this.options.localAddresses) await this.followLocalAddresses();
  }

  private async followGatewayListeners(): Promise<void> {
    const wanted = new Set<number>();
    for (const listener of this.plane.tables.listeners()) wanted.add(listener.port);
    for (const declared of wanted) {
      if (this.gatewayPortsByDeclared.has(declared)) continue;
      const { gatewayHost, gatewayPorts, log } = this.options;
      const listener = new PlainListener(
        this.listenerOptions(gatewayHost, gatewayPorts.get(declared) ?? declared),
        this.ingress('gateway', '', String(declared)),
      );
      try {
        await listener.listen();
      } catch (error) {
        log.error(`gateway port ${declared}: ${describe(error)}`);
        continue;
      }
      this.listeners.set(`gateway ${declared}`, listener);
      this.gatewayPortsByDeclared.set(declared, listener.port);
      log.info('gateway listens', { declared, address: `${gatewayHost}:${listener.port}` });
    }
    for (const declared of this.gatewayPortsByDeclared.keys()) {
      if (wanted.has(declared)) continue;
      this.gatewayPortsByDeclared.delete(declared);
      const listener = this.listeners.get(`gateway ${declared}`);
      this.listeners.delete(`gateway ${declared}`);
      listener?.drain();
      listener?.closeIdle();
    }
  }

  private async followLocalAddresses(): Promise<void> {
    for (const key of this.plane.tables.names.destinations()) {
      if (this.localPortsByKey.has(key) || this.localPortsByKey.size >= MOST_LOCAL_ADDRESSES) continue;
      const listener = new PlainListener(this.listenerOptions('127.0.0.1', 0), this.ingress('fixed', key, ''));
      await listener.listen();
      this.listeners.set(`local ${key}`, listener);
      this.localPortsByKey.set(key, listener.port);
    }
  }

  private connect(): void {
    const { options, workload } = this;
    if (workload === null || workload.controlAddress === '') return;
    this.sync = new SyncClient({
      workload: {
        namespace: options.namespace,
        name: options.name,
        serviceAccount: options.serviceAccount,
        instance: options.instance,
        labels: Object.entries(options.labels)
          .map(([name, value]) => ({ name, value }))
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
        node: options.node,
        zone: options.zone,
        version: options.version,
        ephemeral: options.service !== '',
        service: options.service,
        weight: options.weight,
      },
      listeners: this.announced(),
      capabilities: [],
      gateway: options.gateway,
      connector: syncConnector(
        () => workload.controlAddress,
        () => workload.clientTls(),
      ),
      handler: this.syncHandler(),
      clock: this.clock,
      timers: this.wheel,
      random: this.random,
    });
    this.sync.restore(this.store.resources);
    // What was in use before the restart is in use again.
    const held = [...this.store.resources.values()].flatMap(({ resource }) =>
      resource.type === 'routes' ? [resource.name] : [],
    );
    if (held.length > 0) this.sync.subscribe(held);
    this.sync.start();
  }

  private syncHandler(): SyncHandler {
    return {
      apply: (changes) => this.apply(changes),
      missing: (destinations) => this.plane.missing(destinations),
      trustBundle: (bundle) => this.workload?.takeBundle(bundle),
      complete: () => {
        this.complete = true;
        this.checkReady();
      },
      drain: (drain) => this.drainMessage(drain),
      connection: (facts) => this.connection(facts),
    };
  }

  private announced(): AnnouncedListener[] {
    return this.options.inbound.map(({ applicationPort, name }) => ({
      applicationPort,
      name,
      address: this.options.meshHost,
      port: this.inboundPortsByApplication.get(applicationPort)!,
    }));
  }

  private async leave(): Promise<void> {
    const { log, drainDeadlineMs } = this.options;
    const deadlineMs = this.clock.nowMs() + drainDeadlineMs;
    this.draining = true;
    log.info('draining');
    // From here each reply says `close`, so callers that are not told by the control plane learn it too.
    for (const listener of this.listeners.values()) listener.draining = true;
    if (this.connectionFacts.state === 'connected') {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(DRAIN_WAIT_MS, drainDeadlineMs));
        this.withdrawn = () => {
          clearTimeout(timer);
          resolve();
        };
        this.report();
      });
    }
    for (const listener of this.listeners.values()) {
      listener.drain();
      listener.closeIdle();
    }
    while (this.clock.nowMs() < deadlineMs && this.busy() > 0) {
      await new Promise<void>((resolve) => void setTimeout(resolve, QUIET_POLL_MS));
      for (const listener of this.listeners.values()) listener.closeIdle();
    }
    const left = this.busy();
    if (left > 0) log.warn('drain deadline reached', { requests: left });
    else log.info('drained');
  }

  private busy(): number {
    let busy = 0;
    for (const listener of this.listeners.values()) busy += listener.busyCount;
    return busy;
  }

  private openConnections(): number {
    let open = 0;
    for (const listener of this.listeners.values()) open += listener.openCount;
    return open;
  }

  private report(): void {
    if (this.sync === null) return;
    const inUse = [...this.plane.tables.backends()].filter((backend) => backend.activeRequests > 0);
    const report: Report = {
      ready: this.notReady() === '',
      draining: this.draining,
      certificateNotAfterMs: this.workload?.tls.svid.notAfterMs ?? 0,
      loopDelayP99Ms: this.watch.loopDelayP99Ms(),
      residentBytes: process.memoryUsage.rss(),
      inboundConnections: this.openConnections(),
      requestsTotal: 0,
      destinationsInUse: inUse.map((backend) => backend.key),
    };
    this.sync.report(report);
  }

  private checkReady(): void {
    for (const check of this.readyWaiters) check();
  }

  private storeSnapshotSoon(): void {
    if (this.folder === null || this.snapshotTimer !== null || this.stopped) return;
    this.snapshotTimer = setTimeout(() => {
      this.snapshotTimer = null;
      void this.storeSnapshot();
    }, SNAPSHOT_DELAY_MS);
    this.snapshotTimer.unref();
  }

  private async storeSnapshot(): Promise<void> {
    const snapshot: Buffer | undefined = this.sync?.snapshot();
    if (this.folder === null || snapshot === undefined) return;
    const written = await this.folder.writeSnapshot(snapshot);
    if (!written.ok) this.options.log.warn(`configuration not stored: ${written.error.message}; serving goes on`);
  }

  private isOwnAddress(host: string, port: number): boolean {
    const loopback =
      host === 'localhost' || host.startsWith('127.') || host === '::1' || host === '0.0.0.0' || host === '::';
    if (!loopback && host !== this.options.meshHost) return false;
    for (const listener of this.listeners.values()) if (listener.port === port) return true;
    return false;
  }

  private transition(event: BackendTransition): void {
    let counts = this.ejections.get(event.backend);
    if (counts === undefined) this.ejections.set(event.backend, (counts = { opened: 0, ejected: 0 }));
    if (event.type === 'opened') counts.opened += 1;
    if (event.type === 'ejected') counts.ejected += 1;
    const fields = { backend: event.backend, endpoint: event.endpoint, forMs: Math.round(event.untilMs - event.atMs) };
    if (event.type === 'ejected' || event.type === 'opened' || event.type === 'unhealthy') {
      this.options.log.warn(event.endpoint === '' ? `breaker ${event.type}` : `endpoint ${event.type}`, fields);
    } else this.options.log.info(event.endpoint === '' ? `breaker ${event.type}` : `endpoint ${event.type}`, fields);
  }

  private registerMetrics(): void {
    const backends = () => this.plane.tables.backends();
    registerProxyFacts(this.series, {
      pools: () =>
        [...this.plane.counters].map(([key, counters]) => ({
          destination: key,
          openConnections: counters.open,
          idleConnections: counters.idle,
          pendingRequests: counters.pending,
          connects: counters.connects,
          connectFailures: counters.connectFailures,
        })),
      breakers: () => {
        const nowMs = this.plane.tick();
        return [...backends()].flatMap((backend) => {
          const { state } = backend.snapshot(nowMs).breaker;
          return state === 'off'
            ? []
            : [{ destination: backend.key, state, opened: this.ejections.get(backend.key)?.opened ?? 0 }];
        });
      },
      endpoints: () =>
        [...backends()].map((backend) => ({
          destination: backend.key,
          endpoints: backend.endpoints.length,
          ejected: backend.endpoints.filter((endpoint) => endpoint.ejected).length,
          ejections: this.ejections.get(backend.key)?.ejected ?? 0,
        })),
      certificates: () => {
        const { svid, bundle } = this.workload!.tls;
        return [
          { kind: 'leaf' as const, identity: svid.id, notAfterMs: svid.notAfterMs },
          ...bundle.roots.map((root) => ({
            kind: 'root' as const,
            identity: root.fingerprint.slice(0, 16),
            notAfterMs: root.facts.notAfterMs,
          })),
        ];
      },
      configuration: () => ({
        version: this.plane.tables.version,
        applied: this.store.applied,
        rejected: this.store.rejected,
        lastAppliedMs: this.store.lastAppliedWallMs,
        applyMaxMs: this.plane.longestStallMs,
      }),
      control: () => ({ connected: this.connectionFacts.state === 'connected', reconnects: this.reconnects }),
      loop: () => this.watch.loop(),
      process: () => this.watch.process(),
      log: () => ({
        writtenLines: this.sinks.lines.writtenLines,
        droppedLines: this.sinks.lines.droppedLines,
      }),
    });
  }
}

/** Opens on the port of the life before; on any free one when there was none or somebody took it meanwhile. */
async function again<T>(port: number | undefined, open: (port: number) => Promise<T>): Promise<T> {
  if (port === undefined) return open(0);
  try {
    return await open(port);
  } catch {
    return open(0);
  }
}

/** Adds what was being opened to the system's error. */
async function named<T>(what: string, opened: Promise<T>): Promise<T> {
  try {
    return await opened;
  } catch (error) {
    throw new Error(`${what} cannot listen: ${describe(error)}`, { cause: error });
  }
}

function describe(error: unknown): string {
  const { code, port, message } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') return `port ${port ?? ''} is taken; stop the other program or choose another port`;
  if (code === 'EACCES') return `port ${port ?? ''} needs a privilege; choose one above 1023`;
  return message;
}

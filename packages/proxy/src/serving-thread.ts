import { openOriginalDestinations } from '@weft/capture';
import type { BackendTransition, ReceivedResource, ResourceError, Tables } from '@weft/decision';
import { hasPort } from '@weft/kernel';
import type { Clock, PortRange, Random, TimerWheel } from '@weft/kernel';
import type { ApplicationProtocol, DestinationKey, ResourceKey } from '@weft/model';
import { terminationIndex } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { ConnectionMetrics, LineSink, RequestMetrics, SeriesTable, TcpMetrics, noSpans } from '@weft/telemetry';
import type { AccessLogWhen, CallerFacts, CertificateFacts, LineTarget, MetricsSnapshot } from '@weft/telemetry';
import type { Changes, RequestMemory, Tap, Tapped } from '@weft/wire';
import { LoopWatch } from './admin/loop-watch.ts';
import { DataPlane } from './data-plane.ts';
import type { Tracing } from './exchange/exchange-spans.ts';
import type { Ingress } from './exchange/ingress.ts';
import { TelemetryRecorder } from './exchange/recorder.ts';
import { TelemetryInForce } from './exchange/telemetry-in-force.ts';
import { CallerTally } from './listen/caller-tally.ts';
import { FloodHold } from './listen/flood-hold.ts';
import { GatewayListener } from './listen/gateway-listener.ts';
import { InboundListener } from './listen/inbound-listener.ts';
import { CapturedInboundListener } from './listen/captured-inbound-listener.ts';
import { CapturedOutboundListener } from './listen/captured-outbound-listener.ts';
import type { CaptureOptions } from './listen/captured-outbound-listener.ts';
import { defaultDeadlines } from './listen/listener.ts';
import type { Listener, ListenerOptions } from './listen/listener.ts';
import { PlainListener } from './listen/plain-listener.ts';
import type { Log } from './log.ts';
import type { InboundOptions, ProxyOptions } from './proxy-options.ts';
import type { EdgeReading } from './recorder/edge-counters.ts';
import { RequestWatch } from './recorder/request-watch.ts';
import { CertificateFolder } from './security/certificate-folder.ts';
import { certificateFolderOf } from './security/pushed-certificates.ts';
import type { MeshTls } from './security/mesh-tls.ts';
import { TicketKeys, newTicketSeed } from './security/ticket-keys.ts';
import type { TicketSeed } from './security/ticket-keys.ts';
import { ServingFacts } from './serving-facts.ts';
import type { DrainScope, InForce, ListenerPlan, Serving, ServingLoad } from './serving.ts';
import { TelemetryTcpRecorder } from './tcp/tcp-recorder.ts';
import { capturedDoor } from './transport/application-door.ts';
import type { ApplicationDoor } from './transport/application-door.ts';
import { plainAddress } from './transport/plain-address.ts';

/** What a serving thread is told about itself. Plain data: it may be sent to a thread. */
export interface ServingSettings {
  readonly mode: 'sidecar' | 'gateway';
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly zone: string;
  readonly meshHost: string;
  readonly inbound: readonly InboundOptions[];
  /** Of the certificates of HTTPS listeners; empty for none. */
  readonly certificateFolder: string;
  /** Session tickets of HTTPS listeners are sealed with what comes of it, so that a session resumes in any thread. */
  readonly ticketSeed: TicketSeed;
  readonly opaquePorts: readonly PortRange[];
  /** What stands behind a port that is reached by redirection only; null when nothing is captured. */
  readonly captureProof: LocalPort | null;
  /** Of all threads together; 0 is no cap. */
  readonly maxConnections: number;
  readonly floodHoldMs: number;
  readonly accessLog: AccessLogWhen;
  /** Threads that share the ports and the limits; 1 when this is the only one. */
  readonly workers: number;
}

/** Where a port that peers dial is served. Plain data. */
export interface LocalPort {
  readonly applicationPort: number;
  readonly host: string;
  readonly port: number;
}

/** The same in this thread, with what it has learned of the application. */
interface ServedPort extends LocalPort {
  readonly door: ApplicationDoor | null;
}

/** What a serving thread needs of the process around it. */
export interface ServingPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** Where access log lines go. */
  readonly lines: LineTarget;
  /** Requests are not traced when absent. */
  readonly tracing?: Tracing;
  /** Something was learned of the application: `load.learned` has grown. */
  onLearned?(): void;
  /** Live requests that somebody taps. */
  onTapped(tapped: Tapped): void;
  /** A destination is wanted that is not held. */
  onDemand(key: DestinationKey): void;
}

/** What `workers` threads of this proxy are told. */
export function servingSettings(options: ProxyOptions, workers: number, clock: Clock): ServingSettings {
  const { mode, namespace, name, serviceAccount, zone, meshHost, inbound } = options;
  const { maxConnections, accessLog } = options;
  const { capture, metricsHost, metricsPort } = options;
  const captureProof =
    capture === undefined ? null : { applicationPort: capture.proof, host: metricsHost, port: metricsPort };
  const who = { mode, namespace, name, serviceAccount, zone, meshHost };
  return {
    ...who,
    inbound,
    certificateFolder: certificateFolderOf(options),
    ticketSeed: newTicketSeed(clock),
    captureProof,
    opaquePorts: options.opaquePorts ?? [],
    maxConnections,
    floodHoldMs: options.floodHoldMs ?? FLOOD_HOLD_MS,
    accessLog,
    workers,
  };
}

/** Of an address whose connection flooded, unless the options say otherwise. */
const FLOOD_HOLD_MS = 1_000;

/** Where an application listens whose pod does not name the port, beside the pod's own address. */
const LOOPBACK = '127.0.0.1';

/** Everything one thread serves with: data plane, listeners, recorder, and the identity in use. */
export class ServingThread implements Serving {
  private readonly settings: ServingSettings;
  private readonly ports: ServingPorts;
  private readonly series: SeriesTable;
  private readonly connectionMetrics: ConnectionMetrics;
  private readonly watch: LoopWatch;
  private readonly facts: ServingFacts;
  private readonly requests: RequestWatch;
  private readonly plane: DataPlane;
  private readonly certificates: CertificateFolder;
  private readonly tickets: TicketKeys;
  private readonly listeners: Map<string, Listener>;
  private readonly floodHold: FloodHold;
  /** Names of those that the application itself calls. */
  private readonly outward: Set<string>;
  /** Ports of the application that speak no HTTP, as it has shown. */
  private readonly learned: Set<number>;
  /** By the port that peers dial. */
  private readonly local: Map<number, ServedPort>;
  private tls: MeshTls | null;
  private describedTables: Tables;
  private described: InForce;

  constructor(settings: ServingSettings, ports: ServingPorts) {
    const { clock, random, wheel } = ports;
    this.settings = settings;
    this.ports = ports;
    this.series = new SeriesTable();
    this.connectionMetrics = new ConnectionMetrics(this.series);
    this.watch = new LoopWatch();
    this.certificates = new CertificateFolder(settings.certificateFolder, clock, ports.log);
    this.tickets = new TicketKeys(clock, settings.ticketSeed);
    this.listeners = new Map();
    this.floodHold = new FloodHold({ firstMs: settings.floodHoldMs });
    this.outward = new Set();
    this.learned = new Set();
    this.tls = null;
    const lines = new LineSink(ports.lines);
    const { accessLog } = settings;
    const telemetry = new TelemetryInForce({ sampledPerMillion: ports.tracing?.sampledPerMillion ?? 0, accessLog });
    const logged = { clock, lines, telemetry };
    this.requests = new RequestWatch({
      clock,
      wheel,
      threads: settings.workers,
      version: (inbound) => (inbound ? this.plane.localTables : this.plane.tables).version,
      onTapped: (tapped) => ports.onTapped(tapped),
    });
    this.plane = new DataPlane({
      clock,
      wheel,
      random,
      namespace: settings.namespace,
      zone: settings.zone,
      gateway: settings.mode === 'gateway',
      workers: settings.workers,
      recorder: new TelemetryRecorder({
        ...logged,
        metrics: new RequestMetrics(this.series),
        spans: ports.tracing?.sink ?? noSpans,
        watch: this.requests,
      }),
      tcpRecorder: new TelemetryTcpRecorder({
        ...logged,
        metrics: new TcpMetrics(this.series),
        edges: this.requests.edges,
      }),
      ...(ports.tracing === undefined ? {} : { tracing: ports.tracing }),
      telemetry,
      onDemand: (key) => ports.onDemand(key),
      onLearned: (applicationPort) => this.learn(applicationPort),
      onTransition: (event) => this.transition(event),
      isOwnAddress: (host, port) => this.isOwnAddress(host, port),
    });
    this.describedTables = this.plane.tables;
    this.described = describe(this.plane.tables);
    this.facts = new ServingFacts(this.series, this.plane, this.watch, lines, {
      callers: () => this.callers(),
      certificates: () => this.edgeCertificates(),
    });
    this.local = new Map();
    for (const { applicationPort, applicationHost: host } of settings.inbound) {
      // As if it had shown it: then callers are told too.
      if (hasPort(settings.opaquePorts, applicationPort)) this.learned.add(applicationPort);
      this.local.set(applicationPort, this.applicationPort(applicationPort, host));
    }
    this.serveLocally();
  }

  get inForce(): InForce {
    const { tables } = this.plane;
    if (tables !== this.describedTables) {
      this.describedTables = tables;
      this.described = describe(tables);
    }
    return this.described;
  }

  get load(): ServingLoad {
    let openConnections = 0;
    for (const listener of this.listeners.values()) openConnections += listener.openCount;
    const active: DestinationKey[] = [];
    for (const backend of this.plane.tables.backends()) if (backend.activeRequests > 0) active.push(backend.key);
    const { longestStallMs } = this.plane;
    const learned = [...this.learned];
    return { openConnections, active, learned, longestStallMs, loopDelayP99Ms: this.watch.loopDelayP99Ms() };
  }

  useIdentity(tls: MeshTls): void {
    this.tls = tls;
    this.plane.useIdentity(tls);
  }

  restore(resources: ReadonlyMap<ResourceKey, ReceivedResource>): Promise<void> {
    this.plane.applyNow(resources);
    return Promise.resolve();
  }

  apply(_changes: Changes, resources: ReadonlyMap<ResourceKey, ReceivedResource>): Promise<readonly ResourceError[]> {
    return this.plane.apply(resources);
  }

  async listen(plan: ListenerPlan, port: number): Promise<number> {
    const listener = this.listener(plan, port);
    await listener.listen();
    this.listeners.set(plan.name, listener);
    if (plan.kind === 'explicit' || plan.kind === 'fixed' || plan.kind === 'captured-outbound')
      this.outward.add(plan.name);
    return listener.port;
  }

  close(name: string): void {
    const listener = this.listeners.get(name);
    this.listeners.delete(name);
    this.outward.delete(name);
    listener?.drain();
    listener?.closeIdle();
  }

  takeUsed(): Set<DestinationKey> {
    return new Set([...this.plane.takeUsed(), ...this.load.active]);
  }

  missing(keys: readonly DestinationKey[]): void {
    this.plane.missing(keys);
  }

  leave(scope: DrainScope): void {
    for (const listener of this.listenersOf(scope)) listener.leave();
  }

  drain(scope: DrainScope): void {
    for (const listener of this.listenersOf(scope)) listener.drain();
  }

  closeIdle(scope: DrainScope): void {
    for (const listener of this.listenersOf(scope)) listener.closeIdle();
  }

  countBusy(scope: DrainScope): Promise<number> {
    let busy = 0;
    for (const listener of this.listenersOf(scope)) busy += listener.busyCount;
    return Promise.resolve(busy);
  }

  destinations(): readonly unknown[] {
    const nowMs = this.plane.tick();
    return Array.from(this.plane.tables.backends(), (backend) => ({
      ...backend.snapshot(nowMs),
      connections: this.plane.counters.get(backend.key) ?? null,
    }));
  }

  readDestinations(): Promise<readonly unknown[]> {
    return Promise.resolve(this.destinations());
  }

  readMetrics(): Promise<MetricsSnapshot> {
    return Promise.resolve(this.series.snapshot());
  }

  takeEdges(): Promise<EdgeReading> {
    return Promise.resolve(this.requests.edges.take());
  }

  findRequest(id: string): Promise<RequestMemory> {
    return Promise.resolve(this.requests.find(id));
  }

  tap(tap: Tap): void {
    this.requests.tap(tap);
  }

  closeTaps(): void {
    this.requests.closeTaps();
  }

  destroy(): Promise<void> {
    for (const listener of this.listeners.values()) listener.destroy();
    this.plane.destroy();
    this.watch.stop();
    return Promise.resolve();
  }

  private *listenersOf(scope: DrainScope): Generator<Listener> {
    for (const [name, listener] of this.listeners) if (scope === 'all' || !this.outward.has(name)) yield listener;
  }

  private listener(plan: ListenerPlan, port: number): Listener {
    const options = this.listenerOptions(plan.host, port);
    if (plan.kind === 'gateway') {
      const ingress = this.ingress('gateway', '', `${plan.declaredPort}`);
      return new GatewayListener(options, ingress, this.certificates, this.tickets);
    }
    if (plan.kind === 'fixed') return new PlainListener(options, this.ingress('fixed', plan.destination, ''));
    if (plan.kind === 'explicit') return new PlainListener(options, this.ingress('explicit', '', ''));
    if (plan.kind === 'captured-outbound') {
      return new CapturedOutboundListener(options, this.capture(), (key) => this.ingress('captured', key, ''));
    }
    if (plan.kind === 'captured-inbound') {
      return new CapturedInboundListener(options, this.capture(), (dialled) => this.capturedPort(dialled));
    }
    return this.inboundListener(options, plan.applicationPort);
  }

  private inboundListener(options: ListenerOptions, applicationPort: number): InboundListener {
    return new InboundListener(
      options,
      applicationPort,
      this.localKey(applicationPort),
      this.tls!,
      // Strict until the control plane has said otherwise.
      () => this.plane.tables.inbound(applicationPort)?.mtls ?? 'Strict',
      () => this.inboundProtocol(applicationPort),
    );
  }

  private inboundProtocol(port: number): ApplicationProtocol {
    const declared = this.plane.tables.inbound(port)?.protocol ?? 'Unknown';
    return declared === 'Unknown' && hasPort(this.settings.opaquePorts, port) ? 'Tcp' : declared;
  }

  /** The listener for a port that was dialled and is declared by the pod or by a service. */
  private capturedPort(dialled: number): InboundListener | undefined {
    const options = this.listenerOptions('', 0);
    const { captureProof } = this.settings;
    if (dialled === captureProof?.applicationPort) {
      this.local.set(dialled, { ...captureProof, door: null });
      this.serveLocally();
      // Who asks is the kubelet, which is in no mesh, and learns nothing here that the metrics port does not say.
      return new InboundListener(
        options,
        dialled,
        this.localKey(dialled),
        this.tls!,
        () => 'Disabled',
        () => 'Tcp',
      );
    }
    if (!this.local.has(dialled)) {
      if (this.plane.tables.inbound(dialled) === undefined) return undefined;
      this.local.set(dialled, this.applicationPort(dialled, LOOPBACK));
      this.serveLocally();
    }
    return this.inboundListener(options, dialled);
  }

  private applicationPort(port: number, host: string): ServedPort {
    const { captureProof, meshHost } = this.settings;
    const door = captureProof === null ? null : capturedDoor(meshHost, host, port);
    return { applicationPort: port, host: door?.ways[0]?.address ?? host, port, door };
  }

  /** Throws an Error with a sentence for a person. */
  private capture(): CaptureOptions {
    const read = openOriginalDestinations();
    if (!read.ok) throw new Error(read.error);
    const { opaquePorts } = this.settings;
    return { read: read.value, opaquePorts, isOwnAddress: (address, port) => this.isOwnAddress(address, port) };
  }

  private serveLocally(): void {
    this.plane.serveLocally(
      Array.from(this.local.values(), ({ applicationPort, host, port, door }) => ({
        key: this.localKey(applicationPort),
        host,
        port,
        ...(door === null ? {} : { door }),
      })),
    );
  }

  private listenerOptions(host: string, port: number): ListenerOptions {
    const { maxConnections, workers } = this.settings;
    return {
      engine: this.plane,
      limits: this.plane.limits,
      host,
      port,
      reusePort: workers > 1,
      deadlines: defaultDeadlines,
      maxConnections: Math.ceil(maxConnections / workers),
      floodHold: this.floodHold,
      sink: {
        flooded: (address, holdMs) =>
          this.ports.log.warn('connections of an address wait after a flood', { address, holdMs }),
        held: () => this.connectionMetrics.hold(),
        accepted: () => this.connectionMetrics.accept(),
        ended: (code, detail, peer) => this.connectionEnded(code, detail, peer),
        stalled: (caller) => this.connectionMetrics.stall(caller),
        refused: (code, detail, peer) =>
          this.ports.log.debug('request head refused', { termination: code, detail, peer }),
      },
    };
  }

  private callers(): readonly CallerFacts[] {
    const tally = new CallerTally();
    for (const listener of this.listeners.values()) listener.count(tally);
    return tally.facts();
  }

  /** Of HTTPS listeners, those that serve. */
  private edgeCertificates(): readonly CertificateFacts[] {
    const found = new Map<string, CertificateFacts>();
    for (const { resource } of this.plane.tables.listeners()) {
      const name = this.certificates.firstName(resource.certificates);
      const certificate = name === undefined ? undefined : this.certificates.first([name]);
      if (certificate !== undefined) {
        found.set(name!, { kind: 'edge', identity: name!, notAfterMs: certificate.notAfterMs });
      }
    }
    return [...found.values()];
  }

  private ingress(kind: Ingress['kind'], destination: DestinationKey, listener: string): Ingress {
    const { namespace, serviceAccount } = this.settings;
    return {
      kind,
      destination,
      listener,
      source: kind === 'gateway' ? 'unknown' : `${namespace}/${serviceAccount}`,
      peerIdentity: '',
      clientAddress: '',
      serverName: '',
      scheme: 'http',
    };
  }

  private localKey(applicationPort: number): DestinationKey {
    return `${this.settings.namespace}/${this.settings.name}:${applicationPort}`;
  }

  private isOwnAddress(named: string, port: number): boolean {
    const host = plainAddress(named);
    const loopback =
      host === 'localhost' || host.startsWith('127.') || host === '::1' || host === '0.0.0.0' || host === '::';
    if (!loopback && host !== this.settings.meshHost) return false;
    for (const listener of this.listeners.values()) if (listener.port === port) return true;
    return false;
  }

  private learn(applicationPort: number): void {
    if (this.learned.has(applicationPort)) return;
    this.learned.add(applicationPort);
    this.ports.log.info('the application speaks no HTTP on this port', { port: applicationPort });
    this.ports.onLearned?.();
  }

  private connectionEnded(code: TerminationCode, detail: string, peer: string): void {
    this.connectionMetrics.finish(terminationIndex(code));
    if (code === 'peer-identity-refused' || code === 'mtls-required') {
      this.ports.log.warn('connection refused', { termination: code, detail, peer });
    } else if (code !== 'completed') this.ports.log.debug('connection ended', { termination: code, detail, peer });
  }

  private transition(event: BackendTransition): void {
    this.facts.changed(event);
    const { log } = this.ports;
    const fields = { backend: event.backend, endpoint: event.endpoint, forMs: Math.round(event.untilMs - event.atMs) };
    const message = event.endpoint === '' ? `breaker ${event.type}` : `endpoint ${event.type}`;
    if (event.type === 'ejected' || event.type === 'opened' || event.type === 'unhealthy') log.warn(message, fields);
    else log.info(message, fields);
  }
}

function describe(tables: Tables): InForce {
  const destinations = [...tables.names.destinations()];
  const gatewayPorts = new Set(Array.from(tables.listeners(), ({ port }) => port));
  return {
    version: tables.version,
    refused: Array.from(tables.refused, ([key, { hash, message }]) => ({ key, hash, message })),
    wanted: {
      gatewayPorts: [...gatewayPorts],
      destinations,
      opaque: destinations.filter((key) => tables.names.protocolOf(key) === 'Tcp'),
    },
  };
}

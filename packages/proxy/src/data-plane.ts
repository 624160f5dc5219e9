import { releaseSlot } from '@weft/balance';
import type { EndpointState } from '@weft/balance';
import { compileTables, compileTablesInSlices, emptyTables } from '@weft/decision';
import type {
  BackendState,
  BackendTransition,
  CompiledTables,
  ReceivedResource,
  ResourceError,
  TableEnvironment,
  Tables,
} from '@weft/decision';
import { http1Defaults } from '@weft/http';
import type { Http1Limits } from '@weft/http';
import type { Clock, Random, TimerWheel } from '@weft/kernel';
import { isAddressKey } from '@weft/model';
import type { ApplicationProtocol, ConnectionPolicy, DestinationKey, ResourceKey } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import { RandomIds } from '@weft/telemetry';
import { Egress, passThrough } from './exchange/egress.ts';
import type { OutsideTarget } from './exchange/egress.ts';
import type { DestinationWaiter, Engine, ExchangeRecorder } from './exchange/engine.ts';
import type { Tracing } from './exchange/exchange-spans.ts';
import { TelemetryInForce } from './exchange/telemetry-in-force.ts';
import { gatewayRequestEdits, responseEdits, sidecarRequestEdits } from './exchange/head-slots.ts';
import { HealthChecker } from './upstream/health-checker.ts';
import type { MeshTls } from './security/mesh-tls.ts';
import type { ApplicationDoor } from './transport/application-door.ts';
import { ConnectionPool } from './upstream/connection-pool.ts';
import type { PoolEnvironment, StreamSource } from './upstream/connection-pool.ts';
import { TunnelDial } from './upstream/tunnel-dial.ts';
import { poolCounters } from './upstream/pool-counters.ts';
import type { PoolCounters } from './upstream/pool-counters.ts';
import type { TcpEnvironment, TcpRecorder } from './tcp/tcp-environment.ts';

export interface DataPlaneOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly namespace: string;
  readonly zone: string;
  readonly gateway: boolean;
  /** Processes that share this workload's limits. */
  readonly workers: number;
  readonly recorder: ExchangeRecorder;
  readonly tcpRecorder: TcpRecorder;
  /** Requests are not traced when absent. */
  readonly tracing?: Tracing;
  /** Told of the policies of each new configuration; absent: no policy is heard. */
  readonly telemetry?: TelemetryInForce;
  readonly limits?: Http1Limits;
  /** A destination is wanted that is not held. */
  onDemand(key: DestinationKey): void;
  /** The application on this port has shown that it speaks no HTTP. */
  onLearned(applicationPort: number): void;
  /** An ejection, a breaker or a health check changed state. */
  onTransition(event: BackendTransition): void;
  isOwnAddress(host: string, port: number): boolean;
}

/** A port of the local application. */
export interface LocalDestination {
  readonly key: DestinationKey;
  readonly host: string;
  readonly port: number;
  /** The ways to the application, where one address is not all that is known of it. */
  readonly door?: ApplicationDoor;
  /** What the application speaks there; left out, what the control plane says of the port. */
  readonly protocol?: ApplicationProtocol;
}

/** An address that is none of the mesh's is asked for again after so long: a pod may have it by then. */
const OUTSIDE_MS = 5_000;
const MOST_OUTSIDE = 4_096;

/** Compilation gives the loop back after so long: a slice is below it, a request waits at most for one. */
const SLICE_MS = 2;

interface PoolEntry {
  readonly backend: BackendState;
  readonly endpoint: EndpointState;
  readonly pool: ConnectionPool;
}

/**
 * The part of a proxy that requests see: the snapshot in force, pools, and everything an exchange asks for. It knows no
 * control plane and no file; those hand it resources and an identity.
 */
export class DataPlane implements Engine {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly ids: RandomIds;
  readonly recorder: ExchangeRecorder;
  readonly tcp: TcpEnvironment;
  readonly tracing: Tracing | null;
  readonly telemetry: TelemetryInForce;
  readonly namespace: string;
  readonly limits: Http1Limits;
  /** By destination: connections and what became of dials. */
  readonly counters: Map<DestinationKey, PoolCounters>;
  nowMs: number;
  tables: Tables;
  localTables: Tables;
  /** The longest time that putting configuration into force has kept the event loop, milliseconds. */
  longestStallMs: number;
  private readonly options: DataPlaneOptions;
  private readonly environment: TableEnvironment;
  private readonly localEnvironment: TableEnvironment;
  private readonly poolEnvironment: PoolEnvironment;
  private readonly egressHosts: Egress;
  private readonly pools: (PoolEntry | undefined)[];
  private readonly leaving: Set<PoolEntry>;
  private readonly waiters: Map<DestinationKey, Set<DestinationWaiter>>;
  /** Addresses that are none of the mesh's, until when. */
  private readonly outside: Map<DestinationKey, number>;
  private readonly checker: HealthChecker;
  private tls: MeshTls | null;
  private readonly usedKeys: Set<DestinationKey>;
  private lastUsed: DestinationKey;
  private local: readonly LocalDestination[];
  private localProtocols: string;

  constructor(options: DataPlaneOptions) {
    const { clock, random, zone, namespace, workers } = options;
    this.options = options;
    this.clock = clock;
    this.wheel = options.wheel;
    this.random = random;
    this.ids = new RandomIds();
    this.recorder = options.recorder;
    this.tcp = {
      recorder: options.tcpRecorder,
      carriers: new Set(),
      dialTcp: () => this.tls?.dialTcp() ?? null,
      connections: (backend) => this.connections(backend),
      doorOf: (backend) => this.doorOf(backend),
      learned: (applicationPort) => options.onLearned(applicationPort),
      isOwnAddress: options.isOwnAddress,
    };
    this.tracing = options.tracing?.sink.enabled === true ? options.tracing : null;
    const { sampledPerMillion } = options.tracing ?? { sampledPerMillion: 0 };
    this.telemetry = options.telemetry ?? new TelemetryInForce({ sampledPerMillion, accessLog: 'Never' });
    this.usedKeys = new Set();
    this.lastUsed = '';
    this.local = [];
    this.localProtocols = '';
    this.namespace = namespace;
    this.limits = options.limits ?? http1Defaults;
    this.nowMs = clock.nowMs();
    this.longestStallMs = 0;
    this.localEnvironment = {
      clock,
      random,
      zone,
      namespace,
      workers,
      requestEdits: sidecarRequestEdits,
      responseEdits,
    };
    this.environment = {
      ...this.localEnvironment,
      requestEdits: options.gateway ? gatewayRequestEdits : sidecarRequestEdits,
    };
    this.tables = emptyTables(this.environment);
    this.localTables = emptyTables(this.localEnvironment);
    this.counters = new Map();
    this.tls = null;
    this.poolEnvironment = {
      wheel: options.wheel,
      limits: this.limits,
      random,
      now: () => this.nowMs,
      tick: () => this.tick(),
      dialTls: () => this.tls?.dialTls() ?? null,
      dialHttp1: () => this.tls?.dialHttp1() ?? null,
      isOwnAddress: options.isOwnAddress,
    };
    this.egressHosts = new Egress(this.environment, options.isOwnAddress, (backend) => this.forgetBackend(backend));
    this.pools = [];
    this.leaving = new Set();
    this.waiters = new Map();
    this.outside = new Map();
    this.checker = new HealthChecker(this.poolEnvironment, () => this.tables.backends());
  }

  tick(): number {
    this.nowMs = this.clock.nowMs();
    return this.nowMs;
  }

  /** The identity for dials from now on. */
  useIdentity(tls: MeshTls): void {
    this.tls = tls;
    tls.onChange(() => {
      this.tick();
      const dial = tls.dialTls();
      for (const entry of this.pools) {
        if (entry !== undefined && entry.pool.target.identity !== '') entry.pool.renew(dial);
      }
      for (const entry of this.leaving) if (entry.pool.target.identity !== '') entry.pool.renew(dial);
      for (const carrier of this.tcp.carriers) carrier.renewed(tls.dialTcp().vouched);
    });
  }

  /** The ports of the local application, as destinations of what arrives: `namespace/name:port`. */
  serveLocally(destinations: readonly LocalDestination[]): void {
    const protocols = this.protocolsOf(destinations);
    this.local = destinations;
    this.localProtocols = protocols.join();
    const resources = destinations.flatMap(({ key, host, port }, index) =>
      passThrough(
        key,
        [{ key, address: host, port, applicationPort: port, identity: '', mesh: false, zone: '', weight: 1 }],
        protocols[index],
      ),
    );
    this.localTables = compileTables(new Map(resources), this.localTables, this.localEnvironment).tables;
  }

  /** Puts resources into force at once: at start, when nothing is served yet. */
  applyNow(resources: ReadonlyMap<ResourceKey, ReceivedResource>): readonly ResourceError[] {
    return this.take(compileTables(resources, this.tables, this.environment));
  }

  /** Puts resources into force between requests; one assignment at the end. */
  async apply(resources: ReadonlyMap<ResourceKey, ReceivedResource>): Promise<readonly ResourceError[]> {
    const slices = compileTablesInSlices(resources, this.tables, this.environment);
    let startMs = this.clock.nowMs();
    let step = slices.next();
    while (step.done !== true) {
      const spentMs = this.clock.nowMs() - startMs;
      if (spentMs >= SLICE_MS) {
        this.noteStall(spentMs);
        await new Promise<void>((resolve) => void setImmediate(resolve));
        startMs = this.clock.nowMs();
      }
      step = slices.next();
    }
    const errors = this.take(step.value);
    this.noteStall(this.clock.nowMs() - startMs);
    return errors;
  }

  pool(backend: BackendState, endpoint: EndpointState): ConnectionPool {
    const entry = this.pools[endpoint.slot];
    if (entry !== undefined && entry.endpoint === endpoint && isTarget(entry.pool, backend, endpoint))
      return entry.pool;
    if (entry !== undefined) this.retire(entry);
    let counters = this.counters.get(backend.key);
    if (counters === undefined) this.counters.set(backend.key, (counters = poolCounters()));
    const { protocol } = backend.policy;
    const policy = this.connections(backend);
    const door = this.doorOf(backend);
    const pool = new ConnectionPool(endpoint, protocol, policy, this.poolEnvironment, counters, door);
    this.pools[endpoint.slot] = { backend, endpoint, pool };
    return pool;
  }

  tunnel({ endpoint }: EndpointState): StreamSource {
    const { address, port } = endpoint;
    return new TunnelDial({ address, port, identity: '', door: null }, this.poolEnvironment);
  }

  use(key: DestinationKey): void {
    // Nearly always the one of the request before.
    if (key === this.lastUsed) return;
    this.lastUsed = key;
    this.usedKeys.add(key);
  }

  /** Destinations that requests were for since the last call. */
  takeUsed(): DestinationKey[] {
    const used = [...this.usedKeys];
    this.usedKeys.clear();
    this.lastUsed = '';
    return used;
  }

  awaitDestination(key: DestinationKey, waiter: DestinationWaiter): void {
    let waiting = this.waiters.get(key);
    if (waiting === undefined) this.waiters.set(key, (waiting = new Set()));
    waiting.add(waiter);
    this.options.onDemand(key);
  }

  isOutside(key: DestinationKey): boolean {
    const untilMs = this.outside.get(key);
    return untilMs !== undefined && this.nowMs < untilMs;
  }

  presumeOutside(key: DestinationKey): void {
    if (this.outside.size >= MOST_OUTSIDE) this.outside.clear();
    this.outside.set(key, this.nowMs + OUTSIDE_MS);
  }

  forgetWaiter(key: DestinationKey, waiter: DestinationWaiter): void {
    const waiting = this.waiters.get(key);
    if (waiting === undefined) return;
    waiting.delete(waiter);
    if (waiting.size === 0) this.waiters.delete(key);
  }

  /** The control plane says that these do not exist, or may not be seen. */
  missing(keys: readonly DestinationKey[]): void {
    this.tick();
    for (const key of keys) {
      if (isAddressKey(key)) this.presumeOutside(key);
      this.notify(key, true);
    }
  }

  egress(host: string, port: number): OutsideTarget | TerminationCode {
    return this.egressHosts.resolve(this.tables, host, port);
  }

  /** Bytes of requests that wait to be sent to endpoints. */
  bufferedBytes(): number {
    let held = 0;
    for (const entry of this.pools) held += entry?.pool.bufferedBytes() ?? 0;
    for (const entry of this.leaving) held += entry.pool.bufferedBytes();
    return held;
  }

  /** Ends what is idle, then waits for nobody. */
  destroy(): void {
    this.checker.stop();
    for (const entry of this.pools) entry?.pool.destroy();
    for (const entry of this.leaving) entry.pool.destroy();
  }

  private take(compiled: CompiledTables): readonly ResourceError[] {
    this.tick();
    this.tables = compiled.tables;
    this.telemetry.update(compiled.tables.inboundSettings[0]?.telemetry ?? null);
    for (const backend of this.tables.backends()) {
      backend.onTransition ??= (event) => this.options.onTransition(event);
    }
    if (this.protocolsOf(this.local).join() !== this.localProtocols) this.serveLocally(this.local);
    this.sweepPools();
    this.checker.update();
    for (const key of this.waiters.keys()) {
      if (this.tables.destination(key) !== undefined) this.notify(key, false);
    }
    return compiled.errors;
  }

  /** A service may have the key of a port of this pod; it is another backend. */
  private doorOf(backend: BackendState): ApplicationDoor | null {
    if (this.localTables.backend(backend.key) !== backend) return null;
    return this.local.find(({ key }) => key === backend.key)?.door ?? null;
  }

  private protocolsOf(destinations: readonly LocalDestination[]): ApplicationProtocol[] {
    return destinations.map(({ port, protocol }) => protocol ?? this.tables.inbound(port)?.protocol ?? 'Unknown');
  }

  private notify(key: DestinationKey, missing: boolean): void {
    const waiting = this.waiters.get(key);
    if (waiting === undefined) return;
    this.waiters.delete(key);
    for (const waiter of waiting) waiter.onDestination(missing);
  }

  /** Pools follow their endpoints: changed policy is taken over, a removed endpoint's connections end when they are idle. */
  private sweepPools(): void {
    for (const entry of this.pools) {
      if (entry === undefined) continue;
      if (entry.endpoint.removed) {
        this.retire(entry);
        continue;
      }
      entry.pool.policy = this.connections(entry.backend);
    }
    for (const entry of this.leaving) {
      if (entry.pool.openCount > 0 || entry.pool.pendingCount > 0 || entry.endpoint.inFlight > 0) continue;
      this.leaving.delete(entry);
      if (entry.endpoint.removed) releaseSlot(entry.endpoint);
    }
  }

  /** A way outside the mesh that is no longer remembered. */
  private forgetBackend(backend: BackendState): void {
    for (const endpoint of backend.endpoints) endpoint.removed = true;
    this.counters.delete(backend.key);
    this.sweepPools();
  }

  /** This worker's share of what the policy allows. */
  private connections(backend: BackendState): ConnectionPolicy {
    const { connections } = backend.policy;
    const { workers } = this.options;
    if (workers === 1) return connections;
    const share = (limit: number): number => Math.ceil(limit / workers);
    return {
      ...connections,
      maxPerEndpoint: share(connections.maxPerEndpoint),
      maxPending: share(connections.maxPending),
    };
  }

  private retire(entry: PoolEntry): void {
    if (this.pools[entry.endpoint.slot] === entry) this.pools[entry.endpoint.slot] = undefined;
    entry.pool.drain();
    this.leaving.add(entry);
  }

  private noteStall(ms: number): void {
    if (ms > this.longestStallMs) this.longestStallMs = ms;
  }
}

function isTarget(pool: ConnectionPool, backend: BackendState, endpoint: EndpointState): boolean {
  const { target } = pool;
  if (pool.protocol !== backend.policy.protocol) return false;
  const { address, port, identity, mesh } = endpoint.endpoint;
  return target.port === port && target.address === address && target.identity === (mesh ? identity : '');
}

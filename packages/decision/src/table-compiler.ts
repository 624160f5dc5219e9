import { type Clock, type Random, type Result, assert, fail, ok } from '@weft/kernel';
import type {
  Backend,
  DestinationKey,
  DestinationRoutes,
  EndpointSet,
  GatewayListener,
  InboundSettings,
  MeshSettings,
  NameIndex,
  Resource,
  ResourceKey,
} from '@weft/model';
import { type RouteProblem, compileMatchTableInSteps } from '@weft/routing';
import { BackendState } from './backend-state.ts';
import { type CompiledRule, type RuleContext, backendKeys, compileRule, rebindRule } from './compiled-rule.ts';
import type { RouteTable } from './decide.ts';
import { corsResponseSlots } from './cors.ts';
import { EditBase, type EditRules } from './edit-base.ts';
import { NameTable, defaultClusterDomain } from './name-table.ts';
import type { Origin } from './origin.ts';
import { type Destination, type HeldResource, type ListenerTable, type RefusedResource, Tables } from './tables.ts';
import { VersionSum } from './version-sum.ts';

/** What compilation takes from outside. */
export interface TableEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  /** The zone of this process; empty when unknown. */
  readonly zone: string;
  /** The namespace of this workload. */
  readonly namespace: string;
  /** `cluster.local` when left out. */
  readonly clusterDomain?: string;
  /** Processes that share the limits of this workload; 1 when left out. */
  readonly workers?: number;
  /** What every request head and every response head is edited with; nothing when left out. */
  readonly requestEdits?: EditRules;
  readonly responseEdits?: EditRules;
}

/** A resource as it was received: the hash is over its canonical bytes. */
export interface ReceivedResource {
  readonly resource: Resource;
  readonly hash: string;
}

/** Why one resource was refused. Its last good form, if there was one, still serves. */
export interface ResourceError {
  readonly key: ResourceKey;
  readonly message: string;
}

export interface CompiledTables {
  readonly tables: Tables;
  readonly errors: readonly ResourceError[];
}

/** Pieces of work between two yields: a rule, a resource or ten endpoints each; some tens of microseconds together. */
const UNITS_PER_SLICE = 32;
const ENDPOINTS_PER_UNIT = 10;

const NO_MESH: MeshSettings = Object.freeze({
  type: 'mesh',
  name: 'default',
  trustDomain: '',
  trustDomainAliases: [],
  egress: 'DeclaredOnly',
  gatewayProxyProtocol: false,
});

/** Tables of a process that has received nothing yet. */
export function emptyTables(environment: TableEnvironment): Tables {
  return compileTables(new Map(), undefined, environment).tables;
}

/**
 * Compiles all resources a process holds. What has the hash it had in `previous` is taken over; backends keep their state
 * by key. A resource that can't be compiled is an error of its own: its last good form stays. `previous` itself is not
 * changed, but the backends in it are brought up to date, before the new tables are there to refer to them.
 */
export function compileTables(
  resources: ReadonlyMap<ResourceKey, ReceivedResource>,
  previous: Tables | undefined,
  environment: TableEnvironment,
): CompiledTables {
  const slices = compileTablesInSlices(resources, previous, environment);
  for (;;) {
    const slice = slices.next();
    if (slice.done === true) return slice.value;
  }
}

/**
 * The same in small slices, for a caller that serves traffic: call `next()` until the time is up, let the loop turn, go on.
 * Slices must not be left half done for newer resources without a later compilation that is finished.
 */
export function* compileTablesInSlices(
  resources: ReadonlyMap<ResourceKey, ReceivedResource>,
  previous: Tables | undefined,
  environment: TableEnvironment,
): Generator<void, CompiledTables> {
  return yield* new TableCompiler(resources, previous, environment).run();
}

class TableCompiler {
  readonly #resources: ReadonlyMap<ResourceKey, ReceivedResource>;
  readonly #previous: Tables | undefined;
  readonly #environment: TableEnvironment;
  readonly #held = new Map<ResourceKey, HeldResource>();
  readonly #refused = new Map<ResourceKey, RefusedResource>();
  readonly #backends = new Map<DestinationKey, BackendState>();
  /** Backends that were not in `previous`, or are no longer. */
  readonly #rebound = new Set<DestinationKey>();
  readonly #context: RuleContext;
  #units = 0;

  constructor(
    resources: ReadonlyMap<ResourceKey, ReceivedResource>,
    previous: Tables | undefined,
    environment: TableEnvironment,
  ) {
    this.#resources = resources;
    this.#previous = previous;
    this.#environment = environment;
    this.#context = {
      lookup: (key) => this.#backends.get(key),
      requestEdits: new EditBase(environment.requestEdits ?? {}),
      responseEdits: new EditBase(withSlots(environment.responseEdits ?? {}, [])),
      corsResponseEdits: new EditBase(withSlots(environment.responseEdits ?? {}, corsResponseSlots)),
    };
  }

  *run(): Generator<void, CompiledTables> {
    yield* this.#takeOver();
    yield* this.#compileBackends();
    const destinations = new Map<DestinationKey, Destination>();
    const listeners = new Map<string, ListenerTable>();
    const inbound: InboundSettings[] = [];
    let mesh: MeshSettings = NO_MESH;
    for (const [key, received] of this.#resources) {
      const { resource } = received;
      if (resource.type === 'routes' || resource.type === 'listener')
        yield* this.#compileRoutes(key, received, resource);
      const held = this.#held.get(key);
      if (held === undefined) continue;
      const good = held.resource;
      if (good.type === 'routes' && held.routes !== undefined) {
        destinations.set(good.name, { key: good.name, routes: held.routes, backend: this.#backends.get(good.name) });
      } else if (good.type === 'listener' && held.routes !== undefined) {
        const { name, port, hostname } = good;
        listeners.set(name, { name, port, hostname, resource: good, routes: held.routes });
      } else if (good.type === 'inbound') inbound.push(good);
      else if (good.type === 'mesh') mesh = good;
      if (this.#spend(1)) yield;
    }
    const names = yield* this.#compileNames();
    const version = yield* this.#computeVersion();
    const tables = new Tables({
      version,
      mesh,
      names,
      held: this.#held,
      refused: this.#refused,
      inboundSettings: inbound,
      destinations,
      listeners,
      backends: this.#backends,
    });
    return { tables, errors: [...this.#refused].map(([key, { message }]) => ({ key, message })) };
  }

  /** Fills `#held` with what needs no compilation, and with the last good form of what does. */
  *#takeOver(): Generator<void, void> {
    for (const [key, { resource, hash }] of this.#resources) {
      const before = this.#previous?.held.get(key);
      if (before !== undefined) this.#held.set(key, before);
      if (before?.hash !== hash && key !== `${resource.type}:${resource.name}`) {
        this.#refused.set(key, { hash, message: `the resource calls itself ${resource.type}:${resource.name}` });
      } else if (before?.hash !== hash && resource.type !== 'routes' && resource.type !== 'listener') {
        this.#held.set(key, { resource, hash, routes: undefined });
      }
      if (this.#spend(1)) yield;
    }
  }

  *#compileBackends(): Generator<void, void> {
    for (const [key, held] of this.#held) {
      if (held.resource.type !== 'backend') continue;
      const name = held.resource.name;
      const endpointsKey: ResourceKey = `endpoints:${name}`;
      const endpoints = this.#held.get(endpointsKey);
      const set = endpoints?.resource.type === 'endpoints' ? endpoints.resource : undefined;
      const before = this.#previous?.backend(name);
      const changed =
        this.#previous?.held.get(key)?.hash !== held.hash ||
        this.#previous?.held.get(endpointsKey)?.hash !== endpoints?.hash;
      if (before !== undefined && !changed) this.#backends.set(name, before);
      else this.#placeBackend(key, held, held.resource, set, before);
      if (this.#spend(changed ? 1 + Math.ceil((set?.endpoints.length ?? 0) / ENDPOINTS_PER_UNIT) : 1)) yield;
    }
    if (this.#previous === undefined) return;
    for (const backend of this.#previous.backends()) {
      if (!this.#backends.has(backend.key)) this.#rebound.add(backend.key);
    }
  }

  /** A policy that the machines behind a backend refuse is an error of that backend; the others, and traffic, go on. */
  #placeBackend(
    key: ResourceKey,
    held: HeldResource,
    backend: Backend,
    endpoints: EndpointSet | undefined,
    before: BackendState | undefined,
  ): void {
    const { clock, random, zone, workers = 1 } = this.#environment;
    try {
      if (before === undefined) {
        this.#backends.set(backend.name, new BackendState(backend, endpoints, { clock, random, zone, workers }));
        this.#rebound.add(backend.name);
      } else {
        before.update(backend, endpoints);
        this.#backends.set(backend.name, before);
      }
    } catch (error) {
      this.#refused.set(key, { hash: held.hash, message: error instanceof Error ? error.message : String(error) });
      const good = this.#previous?.held.get(key);
      if (good === undefined) this.#held.delete(key);
      else this.#held.set(key, good);
      if (before !== undefined) this.#backends.set(backend.name, before);
    }
  }

  *#compileRoutes(
    key: ResourceKey,
    received: ReceivedResource,
    resource: DestinationRoutes | GatewayListener,
  ): Generator<void, void> {
    const held = this.#held.get(key);
    const refusedBefore = this.#previous?.refused.get(key);
    if (this.#refused.has(key)) {
      yield* this.#keep(key, held);
    } else if (held !== undefined && held.hash === received.hash) {
      yield* this.#keep(key, held);
    } else if (refusedBefore !== undefined && refusedBefore.hash === received.hash) {
      this.#refused.set(key, refusedBefore);
      yield* this.#keep(key, held);
    } else {
      const compiled = yield* this.#compileRouteTable(resource);
      if (compiled.ok) this.#held.set(key, { resource, hash: received.hash, routes: compiled.value });
      else {
        this.#refused.set(key, { hash: received.hash, message: describe(compiled.error) });
        yield* this.#keep(key, held);
      }
    }
  }

  /** Keeps compiled routes, over the backends as they are now. */
  *#keep(key: ResourceKey, held: HeldResource | undefined): Generator<void, void> {
    const routes = held?.routes;
    if (held === undefined || routes === undefined || this.#rebound.size === 0) return;
    const rules: CompiledRule[] = [];
    let changed = false;
    for (const rule of routes.rules) {
      const rebound = namesAny(rule, this.#rebound) ? rebindRule(rule, this.#context.lookup) : rule;
      changed ||= rebound !== rule;
      rules.push(rebound);
      if (this.#spend(1)) yield;
    }
    if (changed) this.#held.set(key, { ...held, routes: { ...routes, rules } });
  }

  *#compileRouteTable(
    resource: DestinationRoutes | GatewayListener,
  ): Generator<void, Result<RouteTable, RouteProblem[]>> {
    const steps = compileMatchTableInSteps(resource.rules);
    let step = steps.next();
    while (step.done !== true) {
      if (this.#spend(1)) yield;
      step = steps.next();
    }
    const match = step.value;
    const problems = match.ok ? [] : match.error;
    const rules: CompiledRule[] = [];
    for (const rule of resource.rules) {
      const compiled = compileRule(rule, this.#context);
      if (compiled.ok) rules.push(compiled.value);
      else problems.push(...compiled.error);
      if (this.#spend(1)) yield;
    }
    if (!match.ok || problems.length > 0) return fail(problems);
    const cors = rules.some((rule) => rule.cors !== null || rule.backends.some((backend) => backend.cors !== null));
    return ok({ name: resource.name, match: match.value, rules, origin: originOf(resource), cors });
  }

  *#compileNames(): Generator<void, NameTable> {
    const indexes: NameIndex[] = [];
    let changed = this.#previous === undefined;
    let count = 0;
    for (const [key, held] of this.#held) {
      if (held.resource.type !== 'names') continue;
      indexes.push(held.resource);
      count += held.resource.services.length;
      changed ||= this.#previous?.held.get(key)?.hash !== held.hash;
    }
    if (this.#previous !== undefined && !changed) {
      let before = 0;
      for (const held of this.#previous.held.values()) if (held.resource.type === 'names') before += 1;
      if (before === indexes.length) return this.#previous.names;
    }
    if (this.#spend(count)) yield;
    return new NameTable(indexes, this.#environment.clusterDomain ?? defaultClusterDomain);
  }

  *#computeVersion(): Generator<void, string> {
    const sum = new VersionSum();
    for (const [key, { hash }] of this.#held) {
      sum.add(key, hash);
      if (this.#spend(1)) yield;
    }
    return sum.toString();
  }

  #spend(units: number): boolean {
    this.#units += units;
    if (this.#units < UNITS_PER_SLICE) return false;
    this.#units = 0;
    return true;
  }
}

/**
 * The content type of a response is replaced where gRPC becomes gRPC-Web; the reason of a peer's sidecar that refused comes second,
 * and slots of CORS follow.
 */
function withSlots(rules: EditRules, more: NonNullable<EditRules['slots']>): EditRules {
  assert((rules.slots ?? []).length === 0, 'slots of responses have fixed places');
  return {
    ...rules,
    slots: [{ name: 'content-type', mode: 'replace' }, { name: 'weft-refused', mode: 'own' }, ...more],
  };
}

function namesAny(rule: CompiledRule, keys: ReadonlySet<DestinationKey>): boolean {
  for (const key of backendKeys(rule)) if (keys.has(key)) return true;
  return false;
}

function originOf(resource: DestinationRoutes | GatewayListener): Origin {
  const port =
    resource.type === 'listener' ? resource.port : Number(resource.name.slice(resource.name.lastIndexOf(':') + 1));
  return { scheme: 'http', port: Number.isInteger(port) ? port : 80 };
}

function describe(problems: readonly RouteProblem[]): string {
  return problems.map(({ route, rule, path, message }) => `${route} rule ${rule}: ${path}: ${message}`).join('; ');
}

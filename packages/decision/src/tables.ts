import type {
  Backend,
  DestinationKey,
  EndpointSet,
  GatewayListener,
  InboundPort,
  InboundSettings,
  MeshSettings,
  Resource,
  ResourceKey,
} from '@weft/model';
import { hostMatches, hostOf, hostRank } from '@weft/routing';
import type { BackendState } from './backend-state.ts';
import type { RouteTable } from './decide.ts';
import type { NameTable } from './name-table.ts';

/** A destination this process holds routes for. */
export interface Destination {
  readonly key: DestinationKey;
  readonly routes: RouteTable;
  /** The backend of the same name, for the protocol of the destination; undefined when it is not held. */
  readonly backend: BackendState | undefined;
}

/** One listener of a gateway. */
export interface ListenerTable {
  readonly name: string;
  readonly port: number;
  /** Empty: any. */
  readonly hostname: string;
  readonly resource: GatewayListener;
  readonly routes: RouteTable;
}

/** A resource that was compiled, with what was made of it. */
export interface HeldResource {
  readonly resource: Resource;
  readonly hash: string;
  /** Of `routes` and `listener`. */
  readonly routes: RouteTable | undefined;
}

/** A resource that was refused, remembered so that it is not compiled again until it changes. */
export interface RefusedResource {
  readonly hash: string;
  readonly message: string;
}

/**
 * Everything a request needs to be decided: one immutable snapshot of configuration. An exchange takes the current one at
 * its birth. Only the backends' runtime state inside lives on, carried from snapshot to snapshot by key.
 */
export class Tables {
  /** 16 hexadecimal digits over the keys and hashes of what is held, equal wherever the same is held. */
  readonly version: string;
  /** `egress: DeclaredOnly` and no trust domain until the mesh's own settings are there. */
  readonly mesh: MeshSettings;
  readonly names: NameTable;
  /** Last good resource per key. */
  readonly held: ReadonlyMap<ResourceKey, HeldResource>;
  readonly refused: ReadonlyMap<ResourceKey, RefusedResource>;
  /** What this workload enforces on arrival. */
  readonly inboundSettings: readonly InboundSettings[];
  readonly #destinations: ReadonlyMap<DestinationKey, Destination>;
  readonly #listeners: ReadonlyMap<string, ListenerTable>;
  readonly #inbound: ReadonlyMap<number, InboundPort>;
  readonly #backends: ReadonlyMap<DestinationKey, BackendState>;

  constructor(parts: TableParts) {
    this.version = parts.version;
    this.mesh = parts.mesh;
    this.names = parts.names;
    this.held = parts.held;
    this.refused = parts.refused;
    this.inboundSettings = parts.inboundSettings;
    this.#destinations = parts.destinations;
    this.#listeners = parts.listeners;
    this.#backends = parts.backends;
    const inbound = new Map<number, InboundPort>();
    for (const settings of parts.inboundSettings) for (const port of settings.ports) inbound.set(port.port, port);
    this.#inbound = inbound;
  }

  /** Undefined when no routes are held for the key: subscribe, or refuse with `no-config`. */
  destination(key: DestinationKey): Destination | undefined {
    return this.#destinations.get(key);
  }

  /** By the listener's full name, `namespace/gateway/listener`. */
  listener(name: string): ListenerTable | undefined {
    return this.#listeners.get(name);
  }

  listeners(): Iterable<ListenerTable> {
    return this.#listeners.values();
  }

  /**
   * The listener that serves a request on a port: the one with the most specific hostname that covers the host, and no other
   * (Gateway API `Listener.hostname`: a request is for one listener at most).
   */
  listenerFor(port: number, authority: string): ListenerTable | undefined {
    const host = hostOf(authority);
    let best: ListenerTable | undefined;
    for (const listener of this.#listeners.values()) {
      if (listener.port !== port || !hostMatches(listener.hostname, host)) continue;
      if (best === undefined || hostRank(listener.hostname) > hostRank(best.hostname)) best = listener;
    }
    return best;
  }

  /** What is enforced on an application port of this workload; undefined when the port is not declared. */
  inbound(port: number): InboundPort | undefined {
    return this.#inbound.get(port);
  }

  backend(key: DestinationKey): BackendState | undefined {
    return this.#backends.get(key);
  }

  backends(): Iterable<BackendState> {
    return this.#backends.values();
  }

  /** The resources a backend's state was made of. */
  backendResources(key: DestinationKey): { backend: Backend; endpoints: EndpointSet | undefined } | undefined {
    const backend = this.held.get(`backend:${key}`)?.resource;
    const endpoints = this.held.get(`endpoints:${key}`)?.resource;
    if (backend?.type !== 'backend') return undefined;
    return { backend, endpoints: endpoints?.type === 'endpoints' ? endpoints : undefined };
  }
}

/** What tables are put together from. */
export interface TableParts {
  readonly version: string;
  readonly mesh: MeshSettings;
  readonly names: NameTable;
  readonly held: ReadonlyMap<ResourceKey, HeldResource>;
  readonly refused: ReadonlyMap<ResourceKey, RefusedResource>;
  readonly inboundSettings: readonly InboundSettings[];
  readonly destinations: ReadonlyMap<DestinationKey, Destination>;
  readonly listeners: ReadonlyMap<string, ListenerTable>;
  readonly backends: ReadonlyMap<DestinationKey, BackendState>;
}

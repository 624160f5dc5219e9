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
  readonly #ports: ReadonlyMap<number, PortListeners>;
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
    this.#ports = listenersByPort(parts.listeners.values());
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

  /** What is carried on a listening port without being read: whole connections, TLS by server name, or nothing. */
  carries(port: number): '' | 'Tcp' | 'Tls' {
    return this.#ports.get(port)?.carries ?? '';
  }

  /** Whether the gateway ends TLS on a listening port. A port is of one protocol; of several the first listener's counts. */
  endsTls(port: number): boolean {
    for (const listener of this.#listeners.values()) {
      if (listener.port === port) return listener.resource.protocol === 'Https';
    }
    return false;
  }

  listeners(): Iterable<ListenerTable> {
    return this.#listeners.values();
  }

  /**
   * The listener that serves a request on a port: the one with the most specific hostname that covers the host, and no other
   * (Gateway API `Listener.hostname`: a request is for one listener at most).
   */
  listenerFor(port: number, authority: string): ListenerTable | undefined {
    const onPort = this.#ports.get(port);
    if (onPort === undefined) return undefined;
    if (onPort.wildcards.length === 0 && onPort.exact.size === 0) return onPort.anyHost;
    const host = hostOf(authority);
    const exact = onPort.exact.get(host);
    if (exact !== undefined) return exact;
    for (const listener of onPort.wildcards) if (hostMatches(listener.hostname, host)) return listener;
    return onPort.anyHost;
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

/** The listeners of one port, by hostname. */
interface PortListeners {
  carries: '' | 'Tcp' | 'Tls';
  readonly exact: Map<string, ListenerTable>;
  /** The longest first. */
  readonly wildcards: ListenerTable[];
  anyHost: ListenerTable | undefined;
}

/** Of two listeners with the same port and hostname, which a control plane reports as conflicted, the first name wins. */
function listenersByPort(listeners: Iterable<ListenerTable>): Map<number, PortListeners> {
  const ports = new Map<number, PortListeners>();
  for (const listener of [...listeners].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    let onPort = ports.get(listener.port);
    if (onPort === undefined) {
      onPort = { carries: '', exact: new Map(), wildcards: [], anyHost: undefined };
      ports.set(listener.port, onPort);
    }
    // A port is of one protocol; the model reports those that are not.
    const { protocol } = listener.resource;
    if (protocol === 'Tcp' || protocol === 'Tls') onPort.carries = protocol;
    const hostname = listener.hostname.toLowerCase();
    if (hostRank(hostname) === 0) onPort.anyHost ??= listener;
    else if (hostname.startsWith('*.')) onPort.wildcards.push(listener);
    else if (!onPort.exact.has(hostname)) onPort.exact.set(hostname, listener);
  }
  for (const { wildcards } of ports.values()) wildcards.sort((a, b) => b.hostname.length - a.hostname.length);
  return ports;
}

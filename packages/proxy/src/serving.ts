import type { ReceivedResource, ResourceError } from '@weft/decision';
import type { DestinationKey, ResourceKey } from '@weft/model';
import type { MetricsSnapshot } from '@weft/telemetry';
import type { Changes, RequestMemory, Tap } from '@weft/wire';
import type { EdgeReading } from './recorder/edge-counters.ts';
import type { MeshTls } from './security/mesh-tls.ts';

/** A listener to be opened. Plain data: it may be sent to a thread. */
export type ListenerPlan =
  | { readonly kind: 'inbound'; readonly name: string; readonly host: string; readonly applicationPort: number }
  | { readonly kind: 'explicit'; readonly name: string; readonly host: string }
  | { readonly kind: 'fixed'; readonly name: string; readonly host: string; readonly destination: DestinationKey }
  | { readonly kind: 'captured-inbound'; readonly name: string; readonly host: string }
  | { readonly kind: 'captured-outbound'; readonly name: string; readonly host: string }
  | { readonly kind: 'gateway'; readonly name: string; readonly host: string; readonly declaredPort: number };

/**
 * `inbound`: what others call, through a Gateway too. The calls of the application itself go on until it has ended, which
 * is later.
 */
export type DrainScope = 'inbound' | 'all';

/** What the configuration in force asks to be listened on. */
export interface WantedListeners {
  /** Declared ports of the Gateway served. */
  readonly gatewayPorts: readonly number[];
  /** Everything that may be called, by name. */
  readonly destinations: readonly DestinationKey[];
  /** Those of them that are carried as bytes. */
  readonly opaque: readonly DestinationKey[];
}

/** What is in force after a change. */
export interface InForce {
  readonly version: string;
  readonly wanted: WantedListeners;
  readonly refused: readonly { readonly key: ResourceKey; readonly hash: string; readonly message: string }[];
}

/** How much is going on, cheap enough to be asked for often. */
export interface ServingLoad {
  readonly openConnections: number;
  /** Destinations with requests under way. */
  readonly active: readonly DestinationKey[];
  /** Ports of the application that speak no HTTP, as it has shown. */
  readonly learned: readonly number[];
  /** The longest time that putting configuration into force has kept an event loop, milliseconds. */
  readonly longestStallMs: number;
  readonly loopDelayP99Ms: number;
}

/**
 * The part of a proxy that serves: this thread, or several worker threads behind the same face. The process above it has
 * the control plane, the identity's life, the state folder and the admin interface.
 */
export interface Serving {
  readonly inForce: InForce;
  readonly load: ServingLoad;
  /** From here the identity is followed through its renewals. Once, before the first `listen`. */
  useIdentity(tls: MeshTls): void;
  /** Before anything is served. */
  restore(resources: ReadonlyMap<ResourceKey, ReceivedResource>): Promise<void>;
  /** Puts `resources` into force, which differ from what was there by `changes`. The next call waits for its end. */
  apply(changes: Changes, resources: ReadonlyMap<ResourceKey, ReceivedResource>): Promise<readonly ResourceError[]>;
  /** Opens a listener; port 0 takes a free one. The port it has. Rejects with the system's error. */
  listen(plan: ListenerPlan, port: number): Promise<number>;
  /** No new connections on it; those at rest end, busy ones after their request. */
  close(name: string): void;
  /** Destinations that requests were for since the last call, and those with requests under way. */
  takeUsed(): Iterable<DestinationKey>;
  /** The control plane says that these do not exist, or may not be seen. */
  missing(keys: readonly DestinationKey[]): void;
  /** Each reply says `close` from here; new connections are still served. */
  leave(scope: DrainScope): void;
  /** No new connections. */
  drain(scope: DrainScope): void;
  /** Ends connections that carry no request. */
  closeIdle(scope: DrainScope): void;
  /** Requests under way. */
  countBusy(scope: DrainScope): Promise<number>;
  /** Per destination, as last known: of several threads at most some seconds old. */
  destinations(): readonly unknown[];
  /** The same as of now. */
  readDestinations(): Promise<readonly unknown[]>;
  readMetrics(): Promise<MetricsSnapshot>;
  /** What was carried since the last call, by edge. */
  takeEdges(): Promise<EdgeReading>;
  /** What is remembered of a trace or request id. */
  findRequest(id: string): Promise<RequestMemory>;
  /** Live requests are wanted, or no longer. */
  tap(tap: Tap): void;
  /** Nobody hears of live requests any more. */
  closeTaps(): void;
  /** Ends everything now. */
  destroy(): Promise<void>;
}

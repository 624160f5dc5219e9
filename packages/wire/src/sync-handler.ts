/** What stands at both ends of the proxy's side of Sync: who puts changes into force, and who carries the stream. */
import type { Buffer } from 'node:buffer';
import type { Resource, ResourceKey } from '@weft/model';
import type { BackendView, Hop, RingReach } from './observation-message.ts';
import type { Drain, EdgeCertificates, ErrorCode, Tap, TrustBundleMessage } from './sync-message.ts';

/** A resource to put into force. */
export interface ChangedResource {
  readonly key: ResourceKey;
  readonly hash: string;
  readonly resource: Resource;
  /** The version in force until now; null when there was none. */
  readonly previous: Resource | null;
}

/** One transaction: to be put into force as a whole, in one assignment, but for the resources that are refused. */
export interface Changes {
  readonly upserted: readonly ChangedResource[];
  readonly removed: readonly ResourceKey[];
}

/**
 * Why a resource was refused. Whoever refuses a backend also refuses the routes of the same transaction that name it
 * (`MissingReference`), so that no route is in force without its backends.
 */
export interface Refusal {
  readonly key: ResourceKey;
  readonly code: Extract<ErrorCode, 'Invalid' | 'Unsupported' | 'MissingReference'>;
  readonly message: string;
}

export interface AppliedChanges {
  readonly errors: readonly Refusal[];
}

/** What the machine tells its proxy. None of these may throw. */
export interface SyncHandler {
  /** Puts changes into force. The next transaction waits until it is done. Errors name keys of `changes.upserted`. */
  apply(changes: Changes): AppliedChanges | Promise<AppliedChanges>;
  /** Subscribed destinations that do not exist or may not be seen. */
  missing(destinations: readonly string[]): void;
  trustBundle(bundle: TrustBundleMessage): void;
  /** For the first time on this stream the proxy holds all that it is to hold. */
  complete(): void;
  drain(drain: Drain): void;
  /** Said with every change of state. */
  connection(facts: ConnectionFacts): void;
  /** What is remembered of a request, by its trace id or request id. Absent: no decisions are kept here. */
  why?(request: string): Promise<RequestMemory>;
  /** How the balancers here see a service, `namespace/name`. */
  backends?(service: string): Promise<readonly BackendView[]>;
  /** All certificates of the Gateway that is served here. Absent: it takes none. */
  certificates?(certificates: EdgeCertificates): void;
  /** Live requests are wanted, or no longer. */
  tap?(tap: Tap): void;
}

/** What a proxy remembers of one request, and how far back it does. */
export interface RequestMemory {
  readonly hops: readonly Hop[];
  readonly reach: RingReach;
}

export interface ConnectionFacts {
  readonly state: 'stopped' | 'connecting' | 'connected' | 'waiting';
  /** Unix milliseconds of the last change between connected and not. */
  readonly sinceMs: number;
  /** Name of the replica and of the session while connected, else empty. */
  readonly server: string;
  readonly session: string;
  /** Failures since the last good connection. */
  readonly failures: number;
  /** Why the last stream ended; empty at first. */
  readonly lastError: string;
}

/** An open stream, to be written to. */
export interface SyncStream {
  /** Takes an encoded `ClientMessage`. */
  send(message: Buffer): void;
  /** Ends it; nothing is heard of it afterwards. */
  close(): void;
}

/** How the edge speaks to the machine about one stream. Nothing may be said after `closed`. */
export interface SyncStreamEvents {
  message(bytes: Uint8Array): void;
  closed(reason: string): void;
}

/** Opens a stream. Events come later, never inside the call. */
export interface SyncConnector {
  open(events: SyncStreamEvents): SyncStream;
}

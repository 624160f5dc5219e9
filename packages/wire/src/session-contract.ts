/** What a Sync session is given: what its proxy may see, where its output goes, and how it is to behave. */
import type { TimerWheel } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import type { EndpointDeltas } from './endpoint-delta.ts';
import type { VersionedResource } from './resource-codec.ts';
import type { TrustBundleMessage } from './sync-message.ts';

/** What one audience may see, as of now. Asked again and again; must be cheap. */
export interface View {
  /** Keys held whatever is subscribed: mesh, names, inbound, and a gateway's listeners. */
  roots(): readonly ResourceKey[];
  /** The newest version; undefined when there is no such resource, or this audience may not see it. */
  lookup(key: ResourceKey): VersionedResource | undefined;
}

/** Where a session's output goes. */
export interface SessionPort {
  /** Takes an encoded `ServerMessage`. False: nothing more until the session's `drained` is called. */
  write(message: Buffer): boolean;
  /** Ends the stream; the session is over. */
  close(reason: SessionEnd): void;
}

/** Why a session ended its stream. */
export type SessionEnd =
  | 'ack-timeout'
  | 'protocol-violation'
  | 'too-many-destinations'
  | 'replaced'
  | 'server-stopping';

export interface SessionOptions {
  readonly server: string;
  /** Unique per stream. */
  readonly session: string;
  readonly mesh: string;
  readonly reportIntervalMs: number;
  /** A proxy that has not acknowledged a transaction for so long is taken for dead; 30 s. */
  readonly ackTimeoutMs: number;
  /** Where a transaction is cut; 1 MiB. One larger resource travels alone. */
  readonly transactionBytes: number;
  readonly trustBundle: TrustBundleMessage | null;
  /** Shared by all sessions. */
  readonly deltas: EndpointDeltas;
  readonly timers: TimerWheel;
}

/** Version facts of one resource on one stream, for `GetVersions`. Hashes; empty when there is none. */
export interface ResourceFacts {
  readonly key: ResourceKey;
  readonly current: string;
  readonly sent: string;
  readonly inForce: string;
  readonly error: string;
}

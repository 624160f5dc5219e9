/** What a control plane is started with, and what it is once it runs. */
import type { Clock, Random, TimerWheel } from '@weft/kernel';
import type {
  CreateTokenResponse,
  GetDashboardResponse,
  MeshEvent,
  ObjectStatus,
  ProxyStatus,
  ServerInfo,
} from '@weft/wire';
import type { ClusterOptions } from './cluster/cluster-room.ts';
import type { Log } from './log.ts';
import type { PushResult } from './push-progress.ts';
import type { ObjectSource } from './source/object-source.ts';
import type { OtlpEndpoint } from './telemetry/otlp-endpoint.ts';

export interface ControlOptions {
  /** Name of this replica, shown to proxies and people. */
  readonly name: string;
  /** Folder of YAML and JSON files; needed when there is no `source`. */
  readonly configFolder?: string;
  /** A source of one's own in place of the folder. */
  readonly source?: ObjectSource;
  /** The Kubernetes cluster that is served: the source then, and where status is written. */
  readonly cluster?: ClusterOptions;
  /** Holds the authority and what is to outlive the process; made with mode 0700, refused with another. */
  readonly stateFolder: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Path of the UNIX socket for people and tools; made with mode 0600. */
  readonly adminSocket: string;
  /**
   * Loopback port of the same for people of a cluster, who reach it through the API server and are known by it: 0 takes a
   * free port, absent opens none. Only with `cluster`.
   */
  readonly adminPort?: number;
  /** Loopback HTTP with `/metrics`, `/ready`, `/live`: 0 takes a free port, absent opens none. */
  readonly metricsPort?: number;
  /** Where those are; loopback when absent. */
  readonly metricsHost?: string;
  /** The dashboard; absent serves none. */
  readonly dashboard?: DashboardOptions;
  /** Host that tokens tell proxies to connect to; `host`, or 127.0.0.1 when that means all addresses. */
  readonly advertisedHost?: string;
  /** In place of what the Mesh object says. */
  readonly trustDomain?: string;
  readonly leafLifetimeMs?: number;
  readonly version?: string;
  /** Sends its own spans and metrics; absent: loads nothing of the kind. Once a process. */
  readonly telemetry?: ControlTelemetryOptions;
  /** Told how each change came through; for measuring. */
  readonly onPush?: (result: PushResult) => void;
  readonly clock: Clock;
  /** Driven by the caller: `start()`ed, or advanced by a test. */
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
}

export interface DashboardOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Loopback when absent. Elsewhere whoever carries the token must be let through TLS by something in front. */
  readonly host?: string;
  /** The built dashboard. */
  readonly folder: string;
}

export interface ControlTelemetryOptions {
  /** Null: as the environment variables of OpenTelemetry (`OTEL_...`) say. */
  readonly endpoint: OtlpEndpoint | null;
}

/** A running control plane. */
export interface ControlPlane {
  /** `host:port` where proxies connect. */
  readonly address: string;
  readonly port: number;
  /** 0 when none was asked for. */
  readonly metricsPort: number;
  /** 0 when none was asked for. */
  readonly adminPort: number;
  /** Of the dashboard, with what lets one in; undefined when none was asked for. */
  readonly dashboard: GetDashboardResponse | undefined;
  /** 0 when there are no webhooks. */
  readonly webhookPort: number;
  /** Writes status and events; true where nobody else could. */
  readonly isLeader: () => boolean;
  readonly adminSocket: string;
  /** Rejects with one line for a person, as `Admin.CreateToken` does. Empty or absent fields as there. */
  createToken(request: TokenRequest): Promise<CreateTokenResponse>;
  status(): ControlStatus;
  /** Says the events remembered at once, then new ones until the returned function is called. */
  watchEvents(emit: (event: MeshEvent) => void): () => void;
  readonly roots: RootRotation;
  /** Asks proxies to move, ends their streams, and leaves no socket, file or timer behind. */
  stop(): Promise<void>;
}

export interface TokenRequest {
  /** `default` when absent. */
  readonly namespace?: string;
  /** A Service, a WorkloadEntry or a Gateway. */
  readonly service: string;
  /** The service's name when absent. */
  readonly serviceAccount?: string;
  /** 10 minutes when absent. */
  readonly lifetimeMs?: number;
}

export interface ControlStatus {
  readonly server: ServerInfo;
  readonly proxies: readonly ProxyStatus[];
  readonly objects: readonly ObjectStatus[];
}

/** Changing the root without a failed handshake: prepare, wait until all proxies have it, activate, remove the old one. */
export interface RootRotation {
  /** Fingerprint of the one that signs. */
  readonly signing: string;
  /** Makes another root, trusted at once; its fingerprint. Like the others, rejects with one line for a person. */
  prepare(): Promise<string>;
  activate(fingerprint: string): Promise<void>;
  remove(fingerprint: string): Promise<void>;
}

/** The control plane can't start; the message is one line for a person. */
export class ControlStartError extends Error {
  override readonly name = 'ControlStartError';
}

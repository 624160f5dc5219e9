/**
 * What the dashboard is told of configuration and proxies, as JSON; live traffic stands in `observation/observation-json.ts`.
 * Times are Unix milliseconds, 0 where there was none.
 */
import type { AskedReplica, MeshEvent, ObjectStatus, ProxyStatus, ResourceVersion, ServerInfo } from '@weft/wire';
import type { ProxyGaugesJson } from '../observation/observation-json.ts';

/** `GET /api/v1/overview`. */
export interface OverviewJson {
  /** With `replicas` as in `ProxiesJson`. */
  readonly server: ServerInfo;
  readonly proxies: ProxyCountsJson;
  /** Those with an error or warning, worst first, at most 50. */
  readonly problems: readonly ProblemJson[];
  /** The first certificate to end; null when no proxy has told of one. */
  readonly firstExpiry: { readonly proxy: string; readonly atMs: number } | null;
}

export interface ProxyCountsJson {
  readonly all: number;
  readonly synced: number;
  readonly behind: number;
  readonly refusing: number;
  readonly draining: number;
  readonly lost: number;
}

export interface ProblemJson {
  readonly severity: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly message: string;
}

/** `GET /api/v1/services`: what configuration names, with traffic or not. */
export interface ServicesJson {
  /** `namespace/name`, sorted. */
  readonly services: readonly string[];
}

/** `GET /api/v1/proxies`. */
export interface ProxiesJson {
  readonly proxies: readonly ProxyStatus[];
  /** Every replica of the control plane, the one that was asked first. `silent`: why its proxies are missing; empty: they are not. */
  readonly replicas: readonly AskedReplica[];
}

/** `GET /api/v1/proxies/NAMESPACE/INSTANCE?window=1800000`. */
export interface ProxyJson {
  readonly status: ProxyStatus;
  readonly versions: readonly ResourceVersion[];
  /** Null: it has never told. */
  readonly gauges: ProxyGaugesJson | null;
}

/** `GET /api/v1/objects`, without YAML, and `GET /api/v1/objects/KIND/NAMESPACE/NAME`, with it; `-` stands for no namespace. */
export interface ObjectsJson {
  readonly objects: readonly ObjectStatus[];
  /** Those whose proxies are counted, as in `ProxiesJson`. */
  readonly replicas: readonly AskedReplica[];
}

/** `GET /api/v1/events`, newest first. */
export interface EventsJson {
  readonly events: readonly MeshEvent[];
}

/** Of every answer that is not 200. */
export interface FaultJson {
  readonly error: string;
}

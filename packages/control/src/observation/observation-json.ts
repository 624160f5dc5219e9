/**
 * What the control plane tells of live traffic, as JSON: the words of the dashboard's API. Every figure that is not known is
 * null, which is not zero: nobody reported then, or there was nothing to measure. Rates are per second, shares 0 to 1,
 * durations milliseconds, times Unix milliseconds.
 */
import type { AskedReplica, AskedRing, BackendView, ProxyHop, TappedRequest, TrafficDirection } from '@weft/wire';

/** The golden signals over a window. */
export interface SignalsJson {
  readonly requestsPerS: number | null;
  /** Of the requests; null without one. */
  readonly failureShare: number | null;
  readonly retriesPerS: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

/** The same, one value for each step of time. */
export interface SeriesJson {
  /** Start of the first step. */
  readonly startMs: number;
  readonly stepMs: number;
  readonly requestsPerS: readonly (number | null)[];
  readonly failuresPerS: readonly (number | null)[];
  readonly retriesPerS: readonly (number | null)[];
  readonly p50Ms: readonly (number | null)[];
  readonly p90Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
}

export interface EdgeJson extends SignalsJson {
  /** `namespace/name` of a workload; `unknown` for callers without a sidecar. */
  readonly source: string;
  /** `namespace/name` of a service; `outside` leads out of the mesh. */
  readonly destination: string;
  readonly protocol: 'http' | 'tcp';
  /** Who counted it: the caller's proxy, or, when there is none, the callee's. */
  readonly countedBy: TrafficDirection;
  /** Of the requests that had a connection, those over mutual TLS; null without one. */
  readonly securedShare: number | null;
  readonly requestBytesPerS: number | null;
  readonly responseBytesPerS: number | null;
}

export interface NodeJson extends SignalsJson {
  /** `namespace/name`. */
  readonly id: string;
  /** `plain`: only known as caller or callee, no proxy of it reports. */
  readonly kind: 'workload' | 'gateway' | 'plain' | 'unknown';
  readonly proxies: number;
  /** Both ways: what moves over connections that stay open while no request and no connection begins. */
  readonly bytesPerS: number | null;
}

/** `GET /api/v1/topology?window=60000`. Signals of a node are of what arrives at it. */
export interface TopologyJson {
  readonly atMs: number;
  readonly windowMs: number;
  /** What the figures really cover. */
  readonly coveredMs: number;
  readonly nodes: readonly NodeJson[];
  readonly edges: readonly EdgeJson[];
  /**
   * Every replica of the control plane, the one that was asked first. `silent`: why figures lack something that its sidecars
   * carried; empty where they do not.
   */
  readonly replicas: readonly AskedReplica[];
}

export interface RouteTrafficJson extends SignalsJson {
  readonly source: string;
  /** `namespace/name` of the route, and name or index of the rule; empty without one. */
  readonly route: string;
  readonly rule: string;
}

/** `GET /api/v1/services/NAMESPACE/NAME?window=1800000`. */
export interface ServiceJson {
  readonly id: string;
  readonly atMs: number;
  readonly windowMs: number;
  readonly signals: SignalsJson;
  /** What arrived at it. */
  readonly series: SeriesJson;
  readonly callers: readonly EdgeJson[];
  readonly callees: readonly EdgeJson[];
  readonly routes: readonly RouteTrafficJson[];
  /** Names of the proxies beside it. */
  readonly proxies: readonly string[];
  /** As in `TopologyJson`. */
  readonly replicas: readonly AskedReplica[];
}

/** `GET /api/v1/services/NAMESPACE/NAME/endpoints`: as the balancers of its callers see it, asked now. */
export interface ServiceEndpointsJson {
  readonly id: string;
  readonly views: readonly { readonly proxy: string; readonly backends: readonly BackendView[] }[];
  /** Callers that are connected and did not answer. */
  readonly silent: readonly string[];
  /** Every replica of the control plane; `silent`: why its callers were not asked. */
  readonly replicas: readonly AskedReplica[];
}

/** `GET /api/v1/proxies/NAMESPACE/INSTANCE`, beside what `Admin.ListProxies` says. */
export interface ProxyGaugesJson {
  readonly proxy: string;
  readonly startMs: number;
  readonly stepMs: number;
  readonly residentBytes: readonly (number | null)[];
  readonly loopDelayP99Ms: readonly (number | null)[];
  readonly connections: readonly (number | null)[];
}

/** `GET /api/v1/why/ID`. */
export interface WhyJson {
  readonly request: string;
  readonly hops: readonly ProxyHop[];
  readonly rings: readonly AskedRing[];
}

/** `GET /api/v1/tap?...` as server-sent events. */
export interface TapJson {
  readonly proxy: string;
  readonly requests: readonly TappedRequest[];
  readonly dropped: number;
  /** Replicas of the control plane whose sidecars are not, or no longer, tapped; told when it happens. */
  readonly replicas: readonly AskedReplica[];
}

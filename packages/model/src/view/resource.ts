/**
 * The view: what one workload is sent, as resources that are content-addressed by (type, name, hash of canonical bytes).
 *
 * A view is closed under reference: whoever holds `routes` of a destination also holds `backend` and `endpoints` of every
 * backend those routes name. All policy layers are already merged here, all defaults are in, all durations are integers of
 * milliseconds and 0 means "off" where a field says so. Nothing in a view is optional by omission: a sidecar never decides
 * a default, so two sidecars of different versions cannot disagree about one.
 */
export type Resource =
  | MeshSettings
  | NameIndex
  | InboundSettings
  | DestinationRoutes
  | GatewayListener
  | Backend
  | EndpointSet;

export type ResourceType = Resource['type'];

/** `type:name`, unique in a view: `endpoints:shop/orders:80`. */
export type ResourceKey = `${ResourceType}:${string}`;

/** `namespace/service:port`, the name of a destination, of its routes, its backend and its endpoints. */
export type DestinationKey = string;

/** Settings of the whole mesh. Always sent. Name: `default`. */
export interface MeshSettings {
  readonly type: 'mesh';
  readonly name: string;
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly egress: 'AllowAny' | 'DeclaredOnly';
  /** Connections to listeners of Gateways begin with a PROXY protocol header, version 2. */
  readonly gatewayProxyProtocol: boolean;
}

/** Names of one namespace that the workload may see. Always sent, one per visible namespace. Name: the namespace. */
export interface NameIndex {
  readonly type: 'names';
  readonly name: string;
  readonly services: readonly VisibleService[];
}

export interface VisibleService {
  readonly service: string;
  readonly ports: readonly VisiblePort[];
  /** Virtual IP addresses, as text; empty outside a cluster. */
  readonly addresses: readonly string[];
}

export interface VisiblePort {
  readonly port: number;
  readonly name: string;
  readonly protocol: ApplicationProtocol;
}

/** `Unknown` is learned or sniffed; `Tcp` is opaque. */
export type ApplicationProtocol = 'Http1' | 'Http2' | 'Grpc' | 'Tcp' | 'Unknown';

/** What a workload enforces on arrival. Sent to the workload itself. Name: `namespace/workload`. */
export interface InboundSettings {
  readonly type: 'inbound';
  readonly name: string;
  readonly identity: string;
  readonly ports: readonly InboundPort[];
  /** What it tells of its requests, both ways; null when no policy says anything. */
  readonly telemetry: TelemetrySettings | null;
}

/** Each part is null when no policy says anything about it: then the flags of the process hold. */
export interface TelemetrySettings {
  readonly accessLog: AccessLogSettings | null;
  readonly traces: TraceSettings | null;
  readonly metrics: MetricSettings | null;
  /** Routes with a policy of their own, whose answers are whole. Sorted by `route`. */
  readonly routes: readonly RouteTelemetry[];
}

export interface RouteTelemetry {
  /** As `RouteRule.route`. */
  readonly route: string;
  readonly accessLog: AccessLogSettings | null;
  readonly traces: TraceSettings | null;
}

export interface AccessLogSettings {
  readonly when: 'Never' | 'Errors' | 'Always';
  readonly format: 'Json' | 'Ecs' | 'Otel';
  /** Of `readLogFilter`; empty: all. */
  readonly filter: string;
  /** Share of the lines that are written of those that did not fail. */
  readonly perMillion: number;
  readonly query: 'Redact' | 'Keep';
}

export interface TraceSettings {
  readonly sampledPerMillion: number;
  readonly parentBased: boolean;
  /** 0 is no limit. */
  readonly maxPerSecond: number;
  readonly keepsErrors: boolean;
  readonly propagation: readonly ('W3C' | 'B3' | 'B3Multi' | 'XRay')[];
}

export interface MetricSettings {
  readonly maxSeries: number;
  readonly names: 'Weft' | 'OpenTelemetry';
  /** Labels that are left out of the metrics of requests. */
  readonly without: readonly ('route' | 'rule' | 'source' | 'method')[];
}

export type MtlsMode = 'Strict' | 'Permissive' | 'Disabled';

export interface InboundPort {
  readonly port: number;
  readonly name: string;
  readonly protocol: ApplicationProtocol;
  readonly mtls: MtlsMode;
}

/** Rules for a destination as this caller sees them. Name: a `DestinationKey`. */
export interface DestinationRoutes {
  readonly type: 'routes';
  readonly name: DestinationKey;
  /** In order of preference among equals: older route first, then `namespace/name`, then order in the route. Never empty. */
  readonly rules: readonly RouteRule[];
}

/** One listener of a Gateway. Sent to the gateway's own proxies. Name: `namespace/gateway/listener`. */
export interface GatewayListener {
  readonly type: 'listener';
  readonly name: string;
  readonly port: number;
  /** `Tls` is passed through: the server name of the ClientHello is read and nothing else. */
  readonly protocol: 'Http' | 'Tcp' | 'Tls' | 'Https';
  /** Empty: any host. May start with `*.`. */
  readonly hostname: string;
  readonly rules: readonly RouteRule[];
  /** `Https`: names of certificates (`namespace/name`), the first that the gateway has serves. Otherwise empty. */
  readonly certificates: readonly string[];
}

export interface RouteRule {
  /** `HTTPRoute namespace/name` and the like for each kind of route, or `Service namespace/name` for the rule every service has when no route is attached. */
  readonly route: string;
  /** The rule's `name`, else its index in the route as text. */
  readonly rule: string;
  /** Empty: any host. Lower case; may start with `*.`. */
  readonly hostnames: readonly string[];
  /** One of them must match; never empty (`PathPrefix /` matches all). */
  readonly matches: readonly RouteMatch[];
  readonly filters: readonly RouteFilter[];
  /** Empty when a filter replies; otherwise drawn by weight. All weights 0, or none resolved: refused `backend-not-found`. */
  readonly backends: readonly WeightedBackend[];
  readonly timeouts: RequestTimeouts;
  readonly retries: RetryPolicy;
}

export interface RouteMatch {
  readonly path: PathMatch;
  /** Empty: any method. */
  readonly method: string;
  readonly headers: readonly ValueMatch[];
  readonly queries: readonly ValueMatch[];
  /** Set by a GRPCRoute: decides instead of `path`, which is then `PathPrefix /`. */
  readonly grpc: GrpcMethodMatch | null;
}

/** Empty is any; one of the two is not empty. The request is for `/service/method`. */
export interface GrpcMethodMatch {
  readonly type: 'Exact' | 'RegularExpression';
  readonly service: string;
  readonly method: string;
}

export interface PathMatch {
  readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression';
  readonly value: string;
}

/** Header names are lower case. Values are compared as they are. */
export interface ValueMatch {
  readonly type: 'Exact' | 'RegularExpression';
  readonly name: string;
  readonly value: string;
}

export type RouteFilter =
  | { readonly type: 'RequestHeaderModifier'; readonly modifier: HeaderModifier }
  | { readonly type: 'ResponseHeaderModifier'; readonly modifier: HeaderModifier }
  | { readonly type: 'RequestRedirect'; readonly redirect: Redirect }
  | { readonly type: 'URLRewrite'; readonly rewrite: UrlRewrite }
  | { readonly type: 'RequestMirror'; readonly mirror: Mirror }
  | { readonly type: 'CORS'; readonly cors: Cors };

export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

/** Applied in this order: set, add, remove (Gateway API `HTTPHeaderFilter`). Names are lower case. */
export interface HeaderModifier {
  readonly set: readonly HeaderField[];
  readonly add: readonly HeaderField[];
  readonly remove: readonly string[];
}

/** Empty text and 0 mean "as in the request". */
export interface Redirect {
  readonly scheme: '' | 'http' | 'https';
  readonly hostname: string;
  readonly path: PathRewrite | null;
  readonly port: number;
  readonly statusCode: 301 | 302 | 303 | 307 | 308;
}

export interface UrlRewrite {
  readonly hostname: string;
  readonly path: PathRewrite | null;
}

export interface PathRewrite {
  readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch';
  readonly value: string;
}

export interface Mirror {
  /** Empty when the reference does not resolve: then nothing is mirrored. */
  readonly backend: DestinationKey | '';
  readonly numerator: number;
  readonly denominator: number;
}

/** The Fetch standard's CORS protocol, answered by the proxy. `*` alone is any. Origins are in lower case. */
export interface Cors {
  readonly allowOrigins: readonly string[];
  readonly allowCredentials: boolean;
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeS: number;
}

export interface WeightedBackend {
  /** Empty when the reference does not resolve: its share is answered 500 (Gateway API `BackendRefs`). */
  readonly backend: DestinationKey | '';
  readonly weight: number;
  readonly filters: readonly RouteFilter[];
}

/** Milliseconds; 0 is off. `requestMs` covers all tries, `backendRequestMs` one. */
export interface RequestTimeouts {
  readonly requestMs: number;
  readonly backendRequestMs: number;
  readonly connectMs: number;
  readonly streamIdleMs: number;
}

/** `attempts` after the first; 0 switches retries off. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly on: readonly ('NeverSent' | 'ResetBeforeHeaders' | 'GatewayError' | 'PerTryTimeout')[];
  /** Inclusive ranges. */
  readonly statuses: readonly StatusRange[];
  /** Numeric gRPC statuses. */
  readonly grpcStatuses: readonly number[];
  readonly anyMethod: boolean;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly bodyLimitBytes: number;
  readonly budget: RetryBudgetPolicy;
}

export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** The larger of `percent` of the requests in the window and `minimumPerSecond` over it. */
export interface RetryBudgetPolicy {
  readonly percent: number;
  readonly minimumPerSecond: number;
  readonly windowMs: number;
}

/** How callers call one service port. Name: a `DestinationKey`. */
export interface Backend {
  readonly type: 'backend';
  readonly name: DestinationKey;
  readonly protocol: ApplicationProtocol;
  readonly loadBalancer: LoadBalancerPolicy;
  readonly connections: ConnectionPolicy;
  readonly circuitBreaker: CircuitBreakerPolicy | null;
  /** Concurrent requests to the service from one process; 0 is no cap. */
  readonly maxRequests: number;
  readonly outlierDetection: OutlierPolicy | null;
  readonly healthCheck: HealthCheckPolicy | null;
}

export interface LoadBalancerPolicy {
  readonly type: 'PeakEwma' | 'LeastRequest' | 'RoundRobin' | 'Random';
  /** Peak EWMA only. */
  readonly decayMs: number;
  readonly initialLatencyMs: number;
  /** 0 is off. */
  readonly slowStartMs: number;
  readonly slowStartMinimumPercent: number;
  readonly locality: 'Off' | 'Prefer' | 'Strict';
  /** Below this share of endpoints that are not ejected all are used again; 0 is off. */
  readonly panicBelowPercent: number;
}

/** 0 is no cap and no limit, as is right for each. */
export interface ConnectionPolicy {
  readonly maxPerEndpoint: number;
  readonly maxPending: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly maxRequestsPerConnection: number;
  /** TCP connections begin with a PROXY protocol header, version 2. */
  readonly sendsProxyProtocol: boolean;
  /** HTTP/1.1 requests travel as such between sidecars, so that the case of field names is kept. */
  readonly keepsFieldNameCase: boolean;
}

export interface CircuitBreakerPolicy {
  readonly failurePercent: number;
  readonly minimumRequests: number;
  readonly windowMs: number;
  readonly openForMs: number;
  readonly maxOpenForMs: number;
  readonly probes: number;
  /** A final outcome slower than this counts as a failure; 0 is off. */
  readonly slowerThanMs: number;
}

export interface OutlierPolicy {
  /** 0 is off. */
  readonly consecutiveErrors: number;
  readonly successRate: SuccessRatePolicy | null;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectedPercent: number;
}

export interface SuccessRatePolicy {
  readonly minimumEndpoints: number;
  readonly minimumRequests: number;
  readonly deviations: number;
}

export interface HealthCheckPolicy {
  readonly type: 'Http' | 'Tcp';
  readonly path: string;
  readonly statuses: readonly StatusRange[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

/** The instances of one service port. Name: a `DestinationKey`. Sorted by `key`. */
export interface EndpointSet {
  readonly type: 'endpoints';
  readonly name: DestinationKey;
  readonly endpoints: readonly Endpoint[];
}

/**
 * One instance. The caller uses mutual TLS if and only if `mesh` is true, expects exactly `identity` of the peer, and never
 * falls back to plaintext.
 */
export interface Endpoint {
  /** Stable for the life of the instance and unique in the mesh: balancing and ejection state is carried over by it. */
  readonly key: string;
  /** Where to dial: the peer sidecar's listener when `mesh`, else the application. */
  readonly address: string;
  readonly port: number;
  readonly applicationPort: number;
  /** SPIFFE ID; empty when `mesh` is false. */
  readonly identity: string;
  readonly mesh: boolean;
  /** Empty: unknown, and never preferred. */
  readonly zone: string;
  /** Relative to the others of the set; 0 draws nothing unless all are 0. */
  readonly weight: number;
}

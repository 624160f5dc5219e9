/**
 * The resources of a view as protobuf messages (proto/weft/v1/resource.proto), with every bound a sidecar insists on. The
 * control plane validated all of this already; these bounds keep a damaged or foreign control plane from exhausting a proxy.
 */
import type {
  AccessLogSettings,
  ApplicationProtocol,
  Backend,
  CircuitBreakerPolicy,
  ConnectionPolicy,
  Cors,
  DestinationRoutes,
  Endpoint,
  EndpointSet,
  GatewayListener,
  GrpcMethodMatch,
  HeaderField,
  HeaderModifier,
  HealthCheckPolicy,
  InboundPort,
  InboundSettings,
  LoadBalancerPolicy,
  MeshSettings,
  MetricSettings,
  Mirror,
  NameIndex,
  OutlierPolicy,
  PathMatch,
  PathRewrite,
  Redirect,
  RequestTimeouts,
  Resource,
  RetryBudgetPolicy,
  RetryPolicy,
  RouteFilter,
  RouteMatch,
  RouteRule,
  RouteTelemetry,
  StatusRange,
  SuccessRatePolicy,
  TelemetrySettings,
  TraceSettings,
  UrlRewrite,
  ValueMatch,
  VisiblePort,
  VisibleService,
  WeightedBackend,
} from '@weft/model';
import { choice, choices, flag, integer, integers, real, status, text, texts, word } from './message/field.ts';
import { type Message, list, member, message, nested, optional, union } from './message/message.ts';

/** A DNS name has at most 253 characters, a destination two of them and a port. */
const NAME_BYTES = 640;
const HOST_BYTES = 253;
/** The SPIFFE-ID specification, section 2.3. */
const IDENTITY_BYTES = 2048;
/** Gateway API allows 4,096 in a header match and 1,024 in a path; ours leave room for later. */
const VALUE_BYTES = 8192;
const UINT32 = 0xffffffff;
/** 100,000 hours, one above the longest duration of GEP-2257. */
const MAX_MS = 360_000_000_000;
const MAX_RULES = 100_000;
const MILLION = 1_000_000;
const MAX_ENDPOINTS = 200_000;

const port = (number: number) => integer(number, 'uint32', 1, 65535);
const count = (number: number) => integer(number, 'uint32', 0, UINT32);
const milliseconds = (number: number) => integer(number, 'uint64', 0, MAX_MS);
const percent = (number: number) => real(number, 0, 100);
const name = (number: number) => text(number, NAME_BYTES, true);
const protocol = (number: number) =>
  choice<ApplicationProtocol>(number, 'ApplicationProtocol', ['Http1', 'Http2', 'Grpc', 'Tcp', 'Unknown']);

/** The carried properties of a resource: all but `type`, which the union's member says. */
type Body<R extends Resource> = Omit<R, 'type'>;

const meshSettings = message<Body<MeshSettings>>('MeshSettings', {
  name: name(1),
  trustDomain: text(2, 255, true),
  trustDomainAliases: texts(3, 255, 64),
  egress: choice(4, 'Egress', ['AllowAny', 'DeclaredOnly']),
  gatewayProxyProtocol: flag(5),
});

const visiblePort = message<VisiblePort>('VisiblePort', {
  port: port(1),
  name: text(2, 64),
  protocol: protocol(3),
});

const visibleService = message<VisibleService>('VisibleService', {
  service: text(1, HOST_BYTES, true),
  ports: list(2, visiblePort, 1024),
  addresses: texts(3, 64, 16),
});

const nameIndex = message<Body<NameIndex>>('NameIndex', {
  name: name(1),
  services: list(2, visibleService, 100_000),
});

const inboundPort = message<InboundPort>('InboundPort', {
  port: port(1),
  name: text(2, 64),
  protocol: protocol(3),
  mtls: choice(4, 'MtlsMode', ['Strict', 'Permissive', 'Disabled']),
});

const accessLogSettings = message<AccessLogSettings>('AccessLogSettings', {
  when: choice(1, 'AccessLogWhen', ['Never', 'Errors', 'Always']),
  format: choice(2, 'AccessLogFormat', ['Json', 'Ecs', 'Otel']),
  filter: text(3, 4096),
  perMillion: integer(4, 'uint32', 0, MILLION),
  query: choice(5, 'AccessLogQuery', ['Redact', 'Keep']),
});

const traceSettings = message<TraceSettings>('TraceSettings', {
  sampledPerMillion: integer(1, 'uint32', 0, MILLION),
  parentBased: flag(2),
  maxPerSecond: integer(3, 'uint32', 0, MILLION),
  keepsErrors: flag(4),
  propagation: choices(5, 'TracePropagation', ['W3C', 'B3', 'B3Multi', 'XRay'], 8),
});

const metricSettings = message<MetricSettings>('MetricSettings', {
  maxSeries: integer(1, 'uint32', 1, MILLION),
  names: choice(2, 'MetricNames', ['Weft', 'OpenTelemetry']),
  without: choices(3, 'MetricLabel', ['route', 'rule', 'source', 'method'], 8),
});

const routeTelemetry = message<RouteTelemetry>('RouteTelemetry', {
  route: text(1, NAME_BYTES, true),
  accessLog: optional(2, accessLogSettings),
  traces: optional(3, traceSettings),
});

const telemetrySettings = message<TelemetrySettings>('TelemetrySettings', {
  accessLog: optional(1, accessLogSettings),
  traces: optional(2, traceSettings),
  metrics: optional(3, metricSettings),
  routes: list(4, routeTelemetry, MAX_RULES),
});

const inboundSettings = message<Body<InboundSettings>>('InboundSettings', {
  name: name(1),
  identity: text(2, IDENTITY_BYTES, true),
  ports: list(3, inboundPort, 1024),
  telemetry: optional(4, telemetrySettings),
});

const pathMatch = message<PathMatch>('PathMatch', {
  type: choice(1, 'PathMatchType', ['Exact', 'PathPrefix', 'RegularExpression']),
  value: text(2, VALUE_BYTES, true),
});

const valueMatch = message<ValueMatch>('ValueMatch', {
  type: choice(1, 'ValueMatchType', ['Exact', 'RegularExpression']),
  name: text(2, 256, true),
  value: text(3, VALUE_BYTES),
});

const grpcMethodMatch = message<GrpcMethodMatch>('GrpcMethodMatch', {
  type: choice(1, 'ValueMatchType', ['Exact', 'RegularExpression']),
  service: text(2, VALUE_BYTES),
  method: text(3, VALUE_BYTES),
});

const routeMatch = message<RouteMatch>('RouteMatch', {
  path: nested(1, pathMatch),
  method: text(2, 64),
  headers: list(3, valueMatch, 64),
  queries: list(4, valueMatch, 64),
  grpc: optional(5, grpcMethodMatch),
});

const headerField = message<HeaderField>('HeaderField', {
  name: text(1, 256, true),
  value: text(2, VALUE_BYTES),
});

const headerModifier = message<HeaderModifier>('HeaderModifier', {
  set: list(1, headerField, 64),
  add: list(2, headerField, 64),
  remove: texts(3, 256, 64),
});

const pathRewrite = message<PathRewrite>('PathRewrite', {
  type: choice(1, 'PathRewriteType', ['ReplaceFullPath', 'ReplacePrefixMatch']),
  value: text(2, VALUE_BYTES),
});

const redirect = message<Redirect>('Redirect', {
  scheme: word(1, ['', 'http', 'https']),
  hostname: text(2, HOST_BYTES),
  path: optional(3, pathRewrite),
  port: integer(4, 'uint32', 0, 65535),
  statusCode: status(5, [301, 302, 303, 307, 308]),
});

const urlRewrite = message<UrlRewrite>('UrlRewrite', {
  hostname: text(1, HOST_BYTES),
  path: optional(2, pathRewrite),
});

const mirror = message<Mirror>('Mirror', {
  backend: text(1, NAME_BYTES),
  numerator: count(2),
  denominator: integer(3, 'uint32', 1, UINT32),
});

const cors = message<Cors>('Cors', {
  allowOrigins: texts(1, 512, 64),
  allowCredentials: flag(2),
  allowMethods: texts(3, 64, 16),
  allowHeaders: texts(4, 256, 64),
  exposeHeaders: texts(5, 256, 64),
  maxAgeS: integer(6, 'uint32', 1, 0x7fffffff),
});

const routeFilter = union<RouteFilter>('RouteFilter', {
  RequestHeaderModifier: member(1, 'modifier', headerModifier),
  ResponseHeaderModifier: member(2, 'modifier', headerModifier),
  RequestRedirect: member(3, 'redirect', redirect),
  URLRewrite: member(4, 'rewrite', urlRewrite),
  RequestMirror: member(5, 'mirror', mirror),
  CORS: member(6, 'cors', cors),
});

const weightedBackend = message<WeightedBackend>('WeightedBackend', {
  backend: text(1, NAME_BYTES),
  weight: integer(2, 'uint32', 0, 1_000_000),
  filters: list(3, routeFilter, 64),
});

const requestTimeouts = message<RequestTimeouts>('RequestTimeouts', {
  requestMs: milliseconds(1),
  backendRequestMs: milliseconds(2),
  connectMs: milliseconds(3),
  streamIdleMs: milliseconds(4),
});

const statusRange = message<StatusRange>('StatusRange', {
  from: integer(1, 'uint32', 100, 999),
  to: integer(2, 'uint32', 100, 999),
});

const retryBudgetPolicy = message<RetryBudgetPolicy>('RetryBudgetPolicy', {
  // More retries than requests may be asked for, as a figure of speech for "no budget".
  percent: real(1, 0, 100_000),
  minimumPerSecond: real(2, 0, UINT32),
  windowMs: milliseconds(3),
});

const retryPolicy = message<RetryPolicy>('RetryPolicy', {
  attempts: integer(1, 'uint32', 0, 100),
  on: choices(2, 'RetryReason', ['NeverSent', 'ResetBeforeHeaders', 'GatewayError', 'PerTryTimeout'], 16),
  statuses: list(3, statusRange, 64),
  grpcStatuses: integers(4, 0, 16, 17),
  anyMethod: flag(5),
  backoffBaseMs: milliseconds(6),
  backoffMaxMs: milliseconds(7),
  bodyLimitBytes: integer(8, 'uint64', 0, 1 << 30),
  budget: nested(9, retryBudgetPolicy),
});

const routeRule = message<RouteRule>('RouteRule', {
  route: text(1, NAME_BYTES, true),
  rule: text(2, HOST_BYTES, true),
  hostnames: texts(3, HOST_BYTES, 256),
  matches: list(4, routeMatch, 1024, 1),
  filters: list(5, routeFilter, 64),
  backends: list(6, weightedBackend, 256),
  timeouts: nested(7, requestTimeouts),
  retries: nested(8, retryPolicy),
});

const destinationRoutes = message<Body<DestinationRoutes>>('DestinationRoutes', {
  name: name(1),
  rules: list(2, routeRule, MAX_RULES, 1),
});

const gatewayListener = message<Body<GatewayListener>>('GatewayListener', {
  name: name(1),
  port: port(2),
  protocol: choice(3, 'ListenerProtocol', ['Http', 'Tcp', 'Tls', 'Https']),
  hostname: text(4, HOST_BYTES),
  rules: list(5, routeRule, MAX_RULES),
  certificates: texts(6, NAME_BYTES, 64),
});

const loadBalancerPolicy = message<LoadBalancerPolicy>('LoadBalancerPolicy', {
  type: choice(1, 'LoadBalancerType', ['PeakEwma', 'LeastRequest', 'RoundRobin', 'Random']),
  decayMs: milliseconds(2),
  initialLatencyMs: milliseconds(3),
  slowStartMs: milliseconds(4),
  slowStartMinimumPercent: percent(5),
  locality: choice(6, 'Locality', ['Off', 'Prefer', 'Strict']),
  panicBelowPercent: percent(7),
});

const connectionPolicy = message<ConnectionPolicy>('ConnectionPolicy', {
  maxPerEndpoint: count(1),
  maxPending: count(2),
  idleTimeoutMs: milliseconds(3),
  maxLifetimeMs: milliseconds(4),
  maxRequestsPerConnection: integer(5, 'uint64', 0, Number.MAX_SAFE_INTEGER),
  sendsProxyProtocol: flag(6),
  keepsFieldNameCase: flag(7),
});

const circuitBreakerPolicy = message<CircuitBreakerPolicy>('CircuitBreakerPolicy', {
  failurePercent: percent(1),
  minimumRequests: count(2),
  windowMs: milliseconds(3),
  openForMs: milliseconds(4),
  maxOpenForMs: milliseconds(5),
  probes: count(6),
  slowerThanMs: milliseconds(7),
});

const successRatePolicy = message<SuccessRatePolicy>('SuccessRatePolicy', {
  minimumEndpoints: count(1),
  minimumRequests: count(2),
  deviations: real(3, 0, 100),
});

const outlierPolicy = message<OutlierPolicy>('OutlierPolicy', {
  consecutiveErrors: count(1),
  successRate: optional(2, successRatePolicy),
  baseEjectionMs: milliseconds(3),
  maxEjectionMs: milliseconds(4),
  maxEjectedPercent: percent(5),
});

const healthCheckPolicy = message<HealthCheckPolicy>('HealthCheckPolicy', {
  type: choice(1, 'HealthCheckType', ['Http', 'Tcp']),
  path: text(2, VALUE_BYTES),
  statuses: list(3, statusRange, 64),
  intervalMs: milliseconds(4),
  timeoutMs: milliseconds(5),
  unhealthyAfter: count(6),
  healthyAfter: count(7),
});

const backend = message<Body<Backend>>('Backend', {
  name: name(1),
  protocol: protocol(2),
  loadBalancer: nested(3, loadBalancerPolicy),
  connections: nested(4, connectionPolicy),
  circuitBreaker: optional(5, circuitBreakerPolicy),
  maxRequests: count(6),
  outlierDetection: optional(7, outlierPolicy),
  healthCheck: optional(8, healthCheckPolicy),
});

/** One endpoint, as it stands in a set and in a delta. */
export const endpointMessage: Message<Endpoint> = message<Endpoint>('Endpoint', {
  key: text(1, 512, true),
  address: text(2, HOST_BYTES, true),
  port: port(3),
  applicationPort: port(4),
  identity: text(5, IDENTITY_BYTES),
  mesh: flag(6),
  zone: text(7, 256),
  weight: integer(8, 'uint32', 0, 1_000_000),
});

const endpointSet = message<Body<EndpointSet>>('EndpointSet', {
  name: name(1),
  endpoints: list(2, endpointMessage, MAX_ENDPOINTS),
});

/** The body of an `Upsert`. */
export const resourceMessage: Message<Resource> = union<Resource>('Resource', {
  mesh: member(1, null, meshSettings),
  names: member(2, null, nameIndex),
  inbound: member(3, null, inboundSettings),
  routes: member(4, null, destinationRoutes),
  listener: member(5, null, gatewayListener),
  backend: member(6, null, backend),
  endpoints: member(7, null, endpointSet),
});

import type {
  CircuitBreakerPolicy,
  ConnectionPolicy,
  HealthCheckPolicy,
  LoadBalancerPolicy,
  MtlsMode,
  OutlierPolicy,
  RequestTimeouts,
  RetryPolicy,
  SuccessRatePolicy,
} from '../view/resource.ts';

/**
 * The lowest layer, and the only place where a default of Weft stands. The field descriptions repeat it in the words of a
 * file; a test holds the two against each other. `…WhenOn` are the leaves of blocks that are off until someone sets them.
 */
export const builtInDefaults = {
  timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 1_000, streamIdleMs: 300_000 } satisfies RequestTimeouts,
  retries: {
    attempts: 2,
    on: ['NeverSent', 'ResetBeforeHeaders', 'GatewayError'],
    statuses: [],
    grpcStatuses: [],
    anyMethod: false,
    backoffBaseMs: 25,
    backoffMaxMs: 250,
    bodyLimitBytes: 65_536,
    budget: { percent: 20, minimumPerSecond: 1, windowMs: 10_000 },
  } satisfies RetryPolicy as RetryPolicy,
  loadBalancer: {
    type: 'PeakEwma',
    decayMs: 10_000,
    initialLatencyMs: 30,
    slowStartMs: 0,
    slowStartMinimumPercent: 10,
    locality: 'Prefer',
    panicBelowPercent: 50,
  } satisfies LoadBalancerPolicy as LoadBalancerPolicy,
  slowStartWhenOnMs: 30_000,
  connections: {
    maxPerEndpoint: 0,
    maxPending: 0,
    idleTimeoutMs: 60_000,
    maxLifetimeMs: 0,
    maxRequestsPerConnection: 0,
    sendsProxyProtocol: false,
    keepsFieldNameCase: false,
  } satisfies ConnectionPolicy,
  circuitBreaker: {
    failurePercent: 50,
    minimumRequests: 20,
    windowMs: 10_000,
    openForMs: 5_000,
    maxOpenForMs: 60_000,
    probes: 3,
    slowerThanMs: 0,
  } satisfies CircuitBreakerPolicy,
  maxRequests: 0,
  outlierDetection: {
    consecutiveErrors: 5,
    successRate: null,
    baseEjectionMs: 10_000,
    maxEjectionMs: 300_000,
    maxEjectedPercent: 50,
  } satisfies OutlierPolicy as OutlierPolicy,
  successRateWhenOn: { minimumEndpoints: 5, minimumRequests: 100, deviations: 1.9 } satisfies SuccessRatePolicy,
  /** Off; see `healthCheckWhenOn`. */
  healthCheck: null,
  healthCheckWhenOn: {
    path: '/',
    statuses: [{ from: 200, to: 299 }],
    intervalMs: 5_000,
    timeoutMs: 1_000,
    unhealthyAfter: 3,
    healthyAfter: 2,
  } satisfies Omit<HealthCheckPolicy, 'type'>,
  mesh: {
    trustDomain: 'cluster.local',
    trustDomainAliases: [] as readonly string[],
    egress: 'AllowAny' as 'AllowAny' | 'DeclaredOnly',
    visibility: 'Mesh' as 'Mesh' | 'Namespace',
    mtlsMode: 'Permissive' as MtlsMode,
    leafLifetimeMs: 86_400_000,
    rootLifetimeMs: 315_360_000_000,
  },
  workload: { serviceAccount: 'default', weight: 100 },
} as const;

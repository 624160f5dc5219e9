import type { Backend, EndpointSet, RouteRule, WeightedBackend } from '@weft/model';

/** Builders of resources for this package's own tests: every field set, with what a test says on top. */
export function ruleFixture(fields: Partial<RouteRule> = {}): RouteRule {
  return {
    route: 'HTTPRoute shop/orders',
    rule: '0',
    hostnames: [],
    matches: [{ path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [], grpc: null }],
    filters: [],
    backends: [{ backend: 'shop/orders:80', weight: 1, filters: [] }],
    timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 1000, streamIdleMs: 300_000 },
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
    },
    ...fields,
  };
}

export function backendFixture(name: string, fields: Partial<Backend> = {}): Backend {
  return {
    type: 'backend',
    name,
    protocol: 'Http1',
    loadBalancer: {
      type: 'PeakEwma',
      decayMs: 10_000,
      initialLatencyMs: 30,
      slowStartMs: 0,
      slowStartMinimumPercent: 10,
      locality: 'Prefer',
      panicBelowPercent: 50,
    },
    connections: {
      maxPerEndpoint: 0,
      maxPending: 0,
      idleTimeoutMs: 60_000,
      maxLifetimeMs: 0,
      maxRequestsPerConnection: 0,
      sendsProxyProtocol: false,
      keepsFieldNameCase: false,
    },
    circuitBreaker: null,
    maxRequests: 0,
    outlierDetection: null,
    healthCheck: null,
    ...fields,
  };
}

export function endpointsFixture(name: string, count: number): EndpointSet {
  return {
    type: 'endpoints',
    name,
    endpoints: Array.from({ length: count }, (_, index) => ({
      key: `${name}#${String(index).padStart(6, '0')}`,
      address: '127.0.0.1',
      port: 20_000 + (index % 40_000),
      applicationPort: 8080,
      identity: 'spiffe://cluster.local/ns/shop/sa/orders',
      mesh: true,
      zone: '',
      weight: 1,
    })),
  };
}

/** `shop/a:80` with weight 1, `shop/a:80*3` with weight 3; empty is unresolved. */
export function weighted(...texts: string[]): WeightedBackend[] {
  return texts.map((text) => {
    const [backend = '', weight = '1'] = text.split('*');
    return { backend, weight: Number(weight), filters: [] };
  });
}

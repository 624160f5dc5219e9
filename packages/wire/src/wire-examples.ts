/** One resource of every type with every field set, for this package's tests. Not exported by the package. */
import type { Endpoint, Resource, RouteRule } from '@weft/model';

/** The names of so many namespaces, `team-0` and following. */
export function manyResources(count: number): Resource[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'names',
    name: `team-${index}`,
    services: [
      {
        service: 'orders',
        ports: [{ port: 80, name: 'http', protocol: 'Http1' }],
        addresses: [`10.${Math.floor(index / 250)}.0.${1 + (index % 250)}`],
      },
    ],
  }));
}

/** A destination `shop/orders:80` with all that belongs to it, and what every proxy holds. */
export function exampleResources(): Resource[] {
  return [
    {
      type: 'mesh',
      name: 'default',
      trustDomain: 'example',
      trustDomainAliases: ['old.example'],
      egress: 'AllowAny',
      gatewayProxyProtocol: false,
    },
    {
      type: 'names',
      name: 'shop',
      services: [
        {
          service: 'orders',
          ports: [{ port: 80, name: 'http', protocol: 'Http1' }],
          addresses: ['192.0.2.1', '2001:db8::1'],
        },
      ],
    },
    {
      type: 'inbound',
      name: 'shop/cart',
      identity: 'spiffe://example/ns/shop/sa/cart',
      ports: [{ port: 8080, name: 'http', protocol: 'Unknown', mtls: 'Permissive' }],
      telemetry: {
        accessLog: {
          when: 'Always',
          format: 'Ecs',
          filter: 'status >= 500 || duration > 250ms',
          perMillion: 10_000,
          query: 'Keep',
        },
        traces: {
          sampledPerMillion: 1_000,
          parentBased: true,
          maxPerSecond: 100,
          keepsErrors: true,
          propagation: ['W3C', 'B3', 'B3Multi', 'XRay'],
        },
        metrics: { maxSeries: 2_000, names: 'OpenTelemetry', without: ['route', 'rule', 'source', 'method'] },
        routes: [
          {
            route: 'HTTPRoute shop/orders',
            accessLog: { when: 'Never', format: 'Otel', filter: '', perMillion: 1_000_000, query: 'Redact' },
            traces: null,
          },
        ],
      },
    },
    {
      type: 'listener',
      name: 'shop/edge/http',
      port: 8000,
      protocol: 'Https',
      hostname: '*.example',
      rules: [exampleRule()],
      certificates: ['shop/edge-tls', 'shop/older'],
    },
    { type: 'routes', name: 'shop/orders:80', rules: [exampleRule()] },
    {
      type: 'backend',
      name: 'shop/orders:80',
      protocol: 'Http1',
      loadBalancer: {
        type: 'PeakEwma',
        decayMs: 10_000,
        initialLatencyMs: 5,
        slowStartMs: 30_000,
        slowStartMinimumPercent: 10,
        locality: 'Prefer',
        panicBelowPercent: 50,
      },
      connections: {
        maxPerEndpoint: 100,
        maxPending: 1000,
        idleTimeoutMs: 60_000,
        maxLifetimeMs: 3_600_000,
        maxRequestsPerConnection: 10_000,
        sendsProxyProtocol: false,
        keepsFieldNameCase: false,
      },
      circuitBreaker: {
        failurePercent: 50,
        minimumRequests: 20,
        windowMs: 10_000,
        openForMs: 5000,
        maxOpenForMs: 60_000,
        probes: 3,
        slowerThanMs: 2000,
      },
      maxRequests: 200,
      outlierDetection: {
        consecutiveErrors: 5,
        successRate: { minimumEndpoints: 5, minimumRequests: 100, deviations: 1.9 },
        baseEjectionMs: 10_000,
        maxEjectionMs: 300_000,
        maxEjectedPercent: 50,
      },
      healthCheck: {
        type: 'Http',
        path: '/healthz',
        statuses: [{ from: 200, to: 299 }],
        intervalMs: 5000,
        timeoutMs: 1000,
        unhealthyAfter: 3,
        healthyAfter: 2,
      },
    },
    { type: 'endpoints', name: 'shop/orders:80', endpoints: exampleEndpoints(40) },
  ];
}

/** A rule that uses every kind of match and filter. */
export function exampleRule(): RouteRule {
  const modifier = {
    set: [{ name: 'x-set', value: 'a' }],
    add: [{ name: 'x-add', value: '' }],
    remove: ['x-remove'],
  };
  return {
    route: 'HTTPRoute shop/orders',
    rule: '0',
    hostnames: ['orders.example', '*.orders.example'],
    matches: [
      {
        path: { type: 'RegularExpression', value: '/orders/[0-9]+' },
        method: 'GET',
        headers: [{ type: 'Exact', name: 'x-version', value: 'ü' }],
        queries: [{ type: 'RegularExpression', name: 'q', value: '.*' }],
        grpc: { type: 'Exact', service: 'shop.v1.Orders', method: '' },
      },
      { path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [], grpc: null },
    ],
    filters: [
      { type: 'RequestHeaderModifier', modifier },
      { type: 'ResponseHeaderModifier', modifier },
      {
        type: 'CORS',
        cors: {
          allowOrigins: ['https://*.shop.example'],
          allowCredentials: true,
          allowMethods: ['PUT'],
          allowHeaders: ['x-version'],
          exposeHeaders: ['grpc-status'],
          maxAgeS: 5,
        },
      },
      {
        type: 'RequestRedirect',
        redirect: {
          scheme: 'https',
          hostname: 'new.example',
          path: { type: 'ReplaceFullPath', value: '/new' },
          port: 443,
          statusCode: 308,
        },
      },
      { type: 'RequestRedirect', redirect: { scheme: '', hostname: '', path: null, port: 0, statusCode: 302 } },
      { type: 'URLRewrite', rewrite: { hostname: '', path: { type: 'ReplacePrefixMatch', value: '' } } },
      { type: 'RequestMirror', mirror: { backend: 'shop/orders:80', numerator: 1, denominator: 10 } },
    ],
    backends: [
      { backend: 'shop/orders:80', weight: 80, filters: [] },
      { backend: '', weight: 20, filters: [{ type: 'RequestHeaderModifier', modifier }] },
    ],
    timeouts: { requestMs: 0, backendRequestMs: 1500, connectMs: 1000, streamIdleMs: 300_000 },
    retries: {
      attempts: 2,
      on: ['NeverSent', 'ResetBeforeHeaders', 'GatewayError', 'PerTryTimeout'],
      statuses: [{ from: 502, to: 504 }],
      grpcStatuses: [0, 14],
      anyMethod: true,
      backoffBaseMs: 25,
      backoffMaxMs: 250,
      bodyLimitBytes: 65_536,
      budget: { percent: 20, minimumPerSecond: 1, windowMs: 10_000 },
    },
  };
}

/** So many endpoints, sorted by key. */
export function exampleEndpoints(count: number): Endpoint[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `orders-${String(index).padStart(6, '0')}`,
    address: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    port: 15_008,
    applicationPort: 8080,
    identity: 'spiffe://example/ns/shop/sa/orders',
    mesh: index % 10 !== 0,
    zone: index % 2 === 0 ? 'a' : '',
    weight: index % 100,
  }));
}

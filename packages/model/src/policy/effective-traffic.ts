import { grpcStatusNames } from '@weft/outcome';
import type { ObjectOf } from '../kinds/kind-table.ts';
import type { ServicePort } from '../kinds/service.ts';
import type { TrafficSpec } from '../kinds/traffic-policy.ts';
import type {
  CircuitBreakerPolicy,
  ConnectionPolicy,
  HealthCheckPolicy,
  LoadBalancerPolicy,
  OutlierPolicy,
  RequestTimeouts,
  RetryPolicy,
  StatusRange,
} from '../view/resource.ts';
import { builtInDefaults } from './built-in-defaults.ts';
import type { RouteScope, TrafficLayer } from './policy-layers.ts';

/** Which layer said a value, by the path of the value in a `TrafficPolicy`: `timeouts.connect`, `retries`. */
export type ValueSources = Readonly<Record<string, string>>;

export interface EffectiveRequest {
  readonly timeouts: RequestTimeouts;
  readonly retries: RetryPolicy;
  readonly sources: ValueSources;
}

export interface EffectiveEndpoint {
  readonly loadBalancer: LoadBalancerPolicy;
  readonly connections: ConnectionPolicy;
  readonly circuitBreaker: CircuitBreakerPolicy | null;
  readonly maxRequests: number;
  readonly outlierDetection: OutlierPolicy | null;
  readonly healthCheck: HealthCheckPolicy | null;
  readonly sources: ValueSources;
}

export const builtInSource = 'built-in';

/** Merges the request fields. What the route itself says wins over every policy for that rule. */
export function mergeRequest(layers: readonly TrafficLayer[], scope?: RouteScope): EffectiveRequest {
  const sources: Record<string, string> = {};
  const { timeouts: standard, retry } = scope?.rule ?? {};
  const routeSource =
    scope === undefined ? '' : `${scope.route.kind} ${scope.route.metadata.namespace}/${scope.route.metadata.name}`;
  const leaf = (name: keyof NonNullable<TrafficSpec['timeouts']>, own: number | undefined, builtIn: number): number =>
    pickLeaf(`timeouts.${name}`, own, routeSource, layers, (spec) => spec.timeouts?.[name], builtIn, sources);
  const builtIn = builtInDefaults.timeouts;
  const timeouts: RequestTimeouts = {
    requestMs: leaf('request', standard?.request, builtIn.requestMs),
    backendRequestMs: leaf('backendRequest', standard?.backendRequest, builtIn.backendRequestMs),
    connectMs: leaf('connect', undefined, builtIn.connectMs),
    streamIdleMs: leaf('streamIdle', undefined, builtIn.streamIdleMs),
  };
  const layer = pickBlock('retries', layers, sources);
  let retries = retriesOf(layer?.spec.retries);
  if (layer?.consumer === true) {
    // A caller may ask for less than the owner of the service allows, never for more.
    const owner = retriesOf(
      layers.find(({ consumer, spec }) => !consumer && spec.retries !== undefined)?.spec.retries,
    ).budget;
    const { percent, minimumPerSecond, windowMs } = retries.budget;
    const smaller = {
      percent: Math.min(percent, owner.percent),
      minimumPerSecond: Math.min(minimumPerSecond, owner.minimumPerSecond),
      windowMs,
    };
    retries = { ...retries, budget: smaller };
  }
  if (retry !== undefined) {
    sources['retries'] = `${routeSource}, then ${sources['retries'] ?? builtInSource}`;
    const backoffBaseMs = retry.backoff ?? retries.backoffBaseMs;
    retries = {
      ...retries,
      attempts: retry.attempts ?? retries.attempts,
      backoffBaseMs,
      backoffMaxMs: Math.max(backoffBaseMs, retries.backoffMaxMs),
    };
    if (retry.codes !== undefined) {
      // Codes are the whole list of statuses: the family that a policy names does not add to them.
      const statuses = [...retry.codes].sort((left, right) => left - right).map((code) => ({ from: code, to: code }));
      retries = { ...retries, statuses, on: retries.on.filter((reason) => reason !== 'GatewayError') };
    }
  }
  return { timeouts, retries, sources };
}

/** Merges the endpoint fields of one service port. `service` says how the Service itself wishes its traffic spread. */
export function mergeEndpoint(layers: readonly TrafficLayer[], service: ObjectOf<'Service'>): EffectiveEndpoint {
  const sources: Record<string, string> = {};
  const block = pickBlock('loadBalancer', layers, sources);
  let loadBalancer = loadBalancerOf(block?.spec.loadBalancer);
  const near = block !== undefined && block.source !== 'Mesh default';
  if (service.spec.trafficDistribution !== undefined && !near) {
    loadBalancer = { ...loadBalancer, locality: 'Prefer' };
    sources['loadBalancer.locality'] = `Service ${service.metadata.namespace}/${service.metadata.name}`;
  }
  const builtIn = builtInDefaults.connections;
  const leaf = (name: Exclude<keyof NonNullable<TrafficSpec['connections']>, ConnectionWord>, value: number): number =>
    pickLeaf(`connections.${name}`, undefined, '', layers, (spec) => spec.connections?.[name], value, sources);
  return {
    loadBalancer,
    connections: {
      maxPerEndpoint: leaf('maxPerEndpoint', builtIn.maxPerEndpoint),
      maxPending: leaf('maxPending', builtIn.maxPending),
      idleTimeoutMs: leaf('idleTimeout', builtIn.idleTimeoutMs),
      maxLifetimeMs: leaf('maxLifetime', builtIn.maxLifetimeMs),
      maxRequestsPerConnection: leaf('maxRequestsPerConnection', builtIn.maxRequestsPerConnection),
      sendsProxyProtocol: chosen('proxyProtocol', layers, sources) === 'V2',
      keepsFieldNameCase: chosen('fieldNameCase', layers, sources) === 'Preserve',
    },
    circuitBreaker: circuitBreakerOf(pickBlock('circuitBreaker', layers, sources)?.spec.circuitBreaker),
    maxRequests:
      pickBlock('concurrency', layers, sources)?.spec.concurrency?.maxRequests ?? builtInDefaults.maxRequests,
    outlierDetection: outlierDetectionOf(pickBlock('outlierDetection', layers, sources)?.spec.outlierDetection),
    healthCheck: healthCheckOf(pickBlock('healthCheck', layers, sources)?.spec.healthCheck),
    sources,
  };
}

/** Leaves of `connections` that are words and not numbers. */
type ConnectionWord = 'proxyProtocol' | 'fieldNameCase';

/** Undefined where no policy says it. */
function chosen(
  name: ConnectionWord,
  layers: readonly TrafficLayer[],
  sources: Record<string, string>,
): string | undefined {
  const layer = layers.find(({ spec }) => spec.connections?.[name] !== undefined);
  sources[`connections.${name}`] = layer?.source ?? builtInSource;
  return layer?.spec.connections?.[name];
}

/** The section of a Service port that policies may target: its name, else its number. */
export function portSection(port: ServicePort): string {
  return port.name ?? String(port.port);
}

type Block = Exclude<keyof TrafficSpec, 'timeouts' | 'connections'>;

function pickBlock(
  name: Block,
  layers: readonly TrafficLayer[],
  sources: Record<string, string>,
): TrafficLayer | undefined {
  const layer = layers.find(({ spec }) => spec[name] !== undefined);
  sources[name] = layer?.source ?? builtInSource;
  return layer;
}

function pickLeaf(
  path: string,
  own: number | undefined,
  ownSource: string,
  layers: readonly TrafficLayer[],
  read: (spec: TrafficSpec) => number | undefined,
  builtIn: number,
  sources: Record<string, string>,
): number {
  if (own !== undefined) {
    sources[path] = ownSource;
    return own;
  }
  for (const { source, spec } of layers) {
    const value = read(spec);
    if (value === undefined) continue;
    sources[path] = source;
    return value;
  }
  sources[path] = builtInSource;
  return builtIn;
}

/** Sets come out in one order, whatever order a file has them in. */
const retryReasons = ['NeverSent', 'ResetBeforeHeaders', 'GatewayError', 'PerTryTimeout'] as const;

function sortedStatuses(ranges: readonly StatusRange[]): readonly StatusRange[] {
  return [...ranges].sort((left, right) => left.from - right.from || left.to - right.to);
}

function retriesOf(spec: TrafficSpec['retries']): RetryPolicy {
  const builtIn = builtInDefaults.retries;
  if (spec === undefined) return builtIn;
  const backoffBaseMs =
    spec.backoff?.base ?? Math.min(builtIn.backoffBaseMs, spec.backoff?.max ?? builtIn.backoffBaseMs);
  return {
    attempts: spec.enabled === false ? 0 : (spec.attempts ?? builtIn.attempts),
    on: spec.on === undefined ? builtIn.on : retryReasons.filter((reason) => spec.on?.includes(reason)),
    statuses: sortedStatuses(spec.statuses ?? builtIn.statuses),
    grpcStatuses: (spec.grpcStatuses ?? [])
      .map((name) => grpcStatusNames.indexOf(name))
      .sort((left, right) => left - right),
    anyMethod: spec.methods === undefined ? builtIn.anyMethod : spec.methods === 'Any',
    backoffBaseMs,
    // A base above the built-in longest wait, with none said, lifts it: a wait never shrinks.
    backoffMaxMs: spec.backoff?.max ?? Math.max(backoffBaseMs, builtIn.backoffMaxMs),
    bodyLimitBytes: spec.bodyLimit ?? builtIn.bodyLimitBytes,
    budget: {
      percent: spec.budget?.percent ?? builtIn.budget.percent,
      minimumPerSecond: spec.budget?.minimumPerSecond ?? builtIn.budget.minimumPerSecond,
      windowMs: spec.budget?.window ?? builtIn.budget.windowMs,
    },
  };
}

function loadBalancerOf(spec: TrafficSpec['loadBalancer']): LoadBalancerPolicy {
  const builtIn = builtInDefaults.loadBalancer;
  if (spec === undefined) return builtIn;
  const slow = spec.slowStart !== undefined && spec.slowStart.enabled !== false;
  return {
    type: spec.type ?? builtIn.type,
    decayMs: spec.peakEwma?.decay ?? builtIn.decayMs,
    initialLatencyMs: spec.peakEwma?.initialLatency ?? builtIn.initialLatencyMs,
    slowStartMs: slow ? (spec.slowStart?.window ?? builtInDefaults.slowStartWhenOnMs) : builtIn.slowStartMs,
    slowStartMinimumPercent: spec.slowStart?.minimumWeightPercent ?? builtIn.slowStartMinimumPercent,
    locality: spec.locality ?? builtIn.locality,
    panicBelowPercent: spec.panicBelowPercent ?? builtIn.panicBelowPercent,
  };
}

function circuitBreakerOf(spec: TrafficSpec['circuitBreaker']): CircuitBreakerPolicy | null {
  const builtIn = builtInDefaults.circuitBreaker;
  if (spec === undefined) return builtIn;
  if (spec.enabled === false) return null;
  const openForMs = spec.openFor ?? Math.min(builtIn.openForMs, spec.maxOpenFor ?? builtIn.openForMs);
  return {
    failurePercent: spec.failurePercent ?? builtIn.failurePercent,
    minimumRequests: spec.minimumRequests ?? builtIn.minimumRequests,
    windowMs: spec.window ?? builtIn.windowMs,
    openForMs,
    maxOpenForMs: spec.maxOpenFor ?? Math.max(openForMs, builtIn.maxOpenForMs),
    probes: spec.probes ?? builtIn.probes,
    slowerThanMs: spec.slowerThan ?? builtIn.slowerThanMs,
  };
}

function outlierDetectionOf(spec: TrafficSpec['outlierDetection']): OutlierPolicy | null {
  const builtIn = builtInDefaults.outlierDetection;
  if (spec === undefined) return builtIn;
  if (spec.enabled === false) return null;
  const baseEjectionMs =
    spec.baseEjection ?? Math.min(builtIn.baseEjectionMs, spec.maxEjection ?? builtIn.baseEjectionMs);
  return {
    consecutiveErrors: spec.consecutiveErrors ?? builtIn.consecutiveErrors,
    successRate:
      spec.successRate === undefined
        ? builtIn.successRate
        : { ...builtInDefaults.successRateWhenOn, ...spec.successRate },
    baseEjectionMs,
    maxEjectionMs: spec.maxEjection ?? Math.max(baseEjectionMs, builtIn.maxEjectionMs),
    maxEjectedPercent: spec.maxEjectedPercent ?? builtIn.maxEjectedPercent,
  };
}

function healthCheckOf(spec: TrafficSpec['healthCheck']): HealthCheckPolicy | null {
  if (spec === undefined || spec.enabled === false) return builtInDefaults.healthCheck;
  const whenOn = builtInDefaults.healthCheckWhenOn;
  return {
    type: spec.type,
    path: spec.http?.path ?? whenOn.path,
    statuses: sortedStatuses(spec.http?.statuses ?? whenOn.statuses),
    intervalMs: spec.interval ?? whenOn.intervalMs,
    timeoutMs: spec.timeout ?? whenOn.timeoutMs,
    unhealthyAfter: spec.unhealthyAfter ?? whenOn.unhealthyAfter,
    healthyAfter: spec.healthyAfter ?? whenOn.healthyAfter,
  };
}

import { grpcStatusNames } from '@weft/outcome';
import type { CelRule } from '../schema/schema.ts';
import { isAbsolutePath } from '../schema/text-format.ts';
import {
  type ValueOf,
  choice,
  decimal,
  duration,
  flag,
  integer,
  list,
  longestDurationMs,
  notServed,
  object,
  optional,
  quantity,
  required,
  status,
  text,
} from './field-vocabulary.ts';
import { type TargetKind, allowedTargets, checkTargets, targetKind, targetRefs } from './policy-target.ts';

const percent = integer(0, 100);
const sharePercent = integer(1, 100);
const time = duration(0, longestDurationMs);
const positiveTime = duration(1, longestDurationMs);
const count = integer(0, 1_000_000_000);

/** In CEL, of two durations. */
function notLonger(shorter: string, longer: string): CelRule {
  return {
    cel: `!has(self.${shorter}) || !has(self.${longer}) || duration(self.${shorter}) <= duration(self.${longer})`,
    message: `${shorter} is longer than ${longer}`,
    fieldPath: `.${shorter}`,
  };
}

const loadBalancer = object({
  type: optional(
    choice(['PeakEwma', 'LeastRequest', 'RoundRobin', 'Random'], ['RingHash', 'Maglev']),
    'How an endpoint is picked: by latency, by requests in flight, in turn, by chance.',
    'PeakEwma',
  ),
  peakEwma: optional(
    object({
      decay: optional(positiveTime, 'How fast old latencies are forgotten.', '10s'),
      initialLatency: optional(positiveTime, 'What an endpoint without samples is taken for.', '30ms'),
    }),
    'With type PeakEwma.',
  ),
  slowStart: optional(
    object({
      enabled: optional(flag(), 'false switches it off.', 'true'),
      window: optional(positiveTime, 'Time in which a new endpoint grows to its full share.', '30s'),
      minimumWeightPercent: optional(sharePercent, 'Share that it starts with.', '10'),
    }),
    'Spares new endpoints. Off when absent.',
  ),
  locality: optional(
    choice(['Off', 'Prefer', 'Strict']),
    "Whether endpoints of the caller's zone come first, or alone.",
    'Prefer',
  ),
  panicBelowPercent: optional(percent, 'Below this share of usable endpoints all are used again; 0 is off.', '50'),
});

const connections = object({
  maxPerEndpoint: optional(count, 'Connections to one endpoint from one process; 0 is no cap.', '0'),
  maxPending: optional(count, 'Requests that wait for a connection; 0 is no cap.', '0'),
  idleTimeout: optional(time, 'An unused connection is closed after it; 0s is off.', '60s'),
  maxLifetime: optional(time, 'A connection takes no new request after it; no stream is cut; 0s is off.', '0s'),
  proxyProtocol: optional(
    choice(['Off', 'V2']),
    'V2: a TCP connection begins with a PROXY protocol header that names the caller; the application must expect it.',
    'Off',
  ),
  fieldNameCase: optional(
    choice(['Any', 'Preserve']),
    'Preserve: field names keep their case between HTTP/1.1 programs; a request under way then has a connection to itself.',
    'Any',
  ),
  maxRequestsPerConnection: optional(count, 'Requests after which a connection is closed; 0 is no cap.', '0'),
});

const timeouts = object(
  {
    connect: optional(time, 'Connection and TLS handshake; 0s is off.', '1s'),
    request: optional(time, 'The whole request with all its tries; 0s is off.', '0s'),
    backendRequest: optional(time, 'One try; 0s is off.', '0s'),
    streamIdle: optional(time, 'Time without a byte in either direction; 0s is off.', '5m'),
  },
  (value, report) => {
    if (value.request === undefined || value.request === 0 || value.backendRequest === undefined) return;
    if (value.backendRequest > value.request) {
      report(['backendRequest'], 'out-of-range', { message: 'backendRequest is longer than request' });
    }
  },
  {
    cel:
      "!has(self.request) || !has(self.backendRequest) || duration(self.request) == duration('0s') || " +
      'duration(self.backendRequest) <= duration(self.request)',
    message: 'backendRequest is longer than request',
    fieldPath: '.backendRequest',
  },
);

const retries = object({
  enabled: optional(flag(), 'false switches retries off.', 'true'),
  attempts: optional(integer(0, 10), 'Tries after the first; 0 is off.', '2'),
  on: optional(
    list(choice(['NeverSent', 'ResetBeforeHeaders', 'GatewayError', 'PerTryTimeout']), 4, { uniqueBy: '' }),
    'What is tried again; NeverSent is safe for all methods.',
    '[NeverSent, ResetBeforeHeaders, GatewayError]',
  ),
  statuses: optional(list(status(), 32), 'HTTP statuses that are tried again.', '[]'),
  grpcStatuses: optional(
    list(choice(grpcStatusNames), 17, { uniqueBy: '' }),
    'gRPC statuses that are tried again.',
    '[]',
  ),
  methods: optional(choice(['Idempotent', 'Any']), 'Methods that may be tried again once sent.', 'Idempotent'),
  backoff: optional(
    object(
      {
        base: optional(positiveTime, 'Longest wait before the first retry; it doubles, drawn by full jitter.', '25ms'),
        max: optional(positiveTime, 'Longest wait of all.', '250ms'),
      },
      (value, report) => {
        if ((value.base ?? 0) > (value.max ?? Number.POSITIVE_INFINITY)) {
          report(['base'], 'out-of-range', { message: 'base is longer than max' });
        }
      },
      notLonger('base', 'max'),
    ),
    'Wait before a retry.',
  ),
  budget: optional(
    object({
      percent: optional(percent, 'Retries per hundred requests of the window.', '20'),
      minimumPerSecond: optional(integer(0, 1_000_000), 'Retries that are always allowed.', '1'),
      window: optional(duration(1_000, 3_600_000), 'Time over which requests are counted.', '10s'),
    }),
    'Cap on retries, per process and service: the larger of percent and minimumPerSecond.',
  ),
  bodyLimit: optional(quantity(16_777_216), 'A longer request body is not kept for a retry.', '64Ki'),
});

const circuitBreaker = object(
  {
    enabled: optional(flag(), 'false switches it off.', 'true'),
    failurePercent: optional(sharePercent, 'Share of failed final outcomes that opens it.', '50'),
    minimumRequests: optional(integer(1, 1_000_000), 'Fewer outcomes in the window never open it.', '20'),
    window: optional(duration(1_000, 3_600_000), 'Time over which outcomes are counted.', '10s'),
    openFor: optional(positiveTime, 'Time open before the first probe; doubles on each failure.', '5s'),
    maxOpenFor: optional(positiveTime, 'Longest time open.', '60s'),
    probes: optional(integer(1, 1_000), 'Successful probes that close it.', '3'),
    slowerThan: optional(time, 'A slower outcome counts as a failure; 0s is off.', '0s'),
  },
  (value, report) => {
    if ((value.openFor ?? 0) > (value.maxOpenFor ?? Number.POSITIVE_INFINITY)) {
      report(['openFor'], 'out-of-range', { message: 'openFor is longer than maxOpenFor' });
    }
  },
  notLonger('openFor', 'maxOpenFor'),
);

const outlierDetection = object(
  {
    enabled: optional(flag(), 'false switches it off.', 'true'),
    consecutiveErrors: optional(integer(0, 1_000), 'Failures in a row that eject an endpoint; 0 is off.', '5'),
    successRate: optional(
      object({
        minimumEndpoints: optional(integer(2, 10_000), 'Fewer endpoints are compared with the best instead.', '5'),
        minimumRequests: optional(integer(1, 1_000_000), 'Requests that an endpoint needs to be judged.', '100'),
        deviations: optional(decimal(0.1, 10), 'Standard deviations under the mean that eject.', '1.9'),
      }),
      'Ejects endpoints that fail more than their siblings. Off when absent.',
    ),
    baseEjection: optional(positiveTime, 'First ejection; grows with each.', '10s'),
    maxEjection: optional(positiveTime, 'Longest ejection.', '5m'),
    maxEjectedPercent: optional(percent, 'Share of endpoints that may be ejected at once.', '50'),
  },
  (value, report) => {
    if ((value.baseEjection ?? 0) > (value.maxEjection ?? Number.POSITIVE_INFINITY)) {
      report(['baseEjection'], 'out-of-range', { message: 'baseEjection is longer than maxEjection' });
    }
  },
  notLonger('baseEjection', 'maxEjection'),
);

const healthCheck = object(
  {
    enabled: optional(flag(), 'false switches it off.', 'true'),
    type: required(choice(['Http', 'Tcp']), 'What is asked of an endpoint.'),
    http: optional(
      object(
        {
          path: optional(text(1024), 'Path to GET.', '/'),
          statuses: optional(list(status(), 16, { min: 1 }), 'Statuses of a healthy endpoint.', '["200-299"]'),
        },
        (value, report) => {
          if (value.path !== undefined && !isAbsolutePath(value.path)) {
            report(['path'], 'bad-value', {
              message: `${JSON.stringify(value.path)} is not allowed`,
              expected: 'an absolute path',
            });
          }
        },
        {
          cel:
            `!has(self.path) || (self.path.matches(r"^/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$") && ` +
            `!self.path.matches(r"//|/[.]/|/[.][.]/|%2[fF]|/[.]$|/[.][.]$"))`,
          message: 'expected an absolute path',
          fieldPath: '.path',
        },
      ),
      'With type Http.',
    ),
    interval: optional(duration(100, longestDurationMs), 'Time between checks.', '5s'),
    timeout: optional(positiveTime, 'A slower answer is a failure.', '1s'),
    unhealthyAfter: optional(integer(1, 100), 'Failures in a row that take an endpoint out.', '3'),
    healthyAfter: optional(integer(1, 100), 'Successes in a row that bring it back.', '2'),
  },
  (value, report) => {
    if (value.type === 'Tcp' && value.http !== undefined) {
      report(['http'], 'conflicting-fields', { message: 'http does not belong to type Tcp' });
    }
  },
  { cel: "self.type != 'Tcp' || !has(self.http)", message: 'http does not belong to type Tcp', fieldPath: '.http' },
);

/** The fields that policies merge; `Mesh.spec.defaults.traffic` has the same shape. */
export const trafficFields = {
  loadBalancer: optional(loadBalancer, 'How endpoints are picked.'),
  connections: optional(connections, 'Caps and times of connections; merged leaf by leaf.'),
  timeouts: optional(timeouts, 'Time limits; merged leaf by leaf.'),
  retries: optional(retries, 'What is tried again. On by default.'),
  hedging: notServed('Hedging'),
  circuitBreaker: optional(circuitBreaker, 'Refuses calls when all endpoints fail. On by default.'),
  concurrency: optional(
    object({ maxRequests: optional(count, 'Requests in flight to the service from one process; 0 is no cap.', '0') }),
    'Caps of requests in flight.',
  ),
  outlierDetection: optional(outlierDetection, 'Ejects endpoints that fail. On by default.'),
  healthCheck: optional(healthCheck, 'Asks endpoints for their health. Off by default: it costs callers x endpoints.'),
  sessionPersistence: notServed('Session persistence'),
};

export const trafficSchema = object(trafficFields);

/** Decided per endpoint and shared by all routes to it: refused where a policy targets a route or a Gateway. */
export const endpointFields = [
  'loadBalancer',
  'connections',
  'circuitBreaker',
  'concurrency',
  'outlierDetection',
  'healthCheck',
] as const;

const targetKinds: readonly TargetKind[] = ['Service', 'HTTPRoute', 'GRPCRoute', 'Gateway'];

/** `TrafficPolicy`: how callers call a service. */
export const trafficPolicySpecSchema = object(
  { targetRefs: targetRefs(), ...trafficFields },
  (spec, report) => {
    checkTargets(spec.targetRefs, targetKinds, report);
    const target = (spec.targetRefs ?? []).map(targetKind).find((kind) => kind !== undefined && kind !== 'Service');
    if (target === undefined) return;
    for (const name of endpointFields) {
      if (spec[name] === undefined) continue;
      report([name], 'conflicting-fields', {
        message: `${name} is state per endpoint and has no effect on a ${target}`,
        fix: 'Target the Service that the requests go to.',
      });
    }
  },
  allowedTargets(targetKinds),
  {
    cel: "!has(self.targetRefs) || self.targetRefs.all(ref, ref.kind == 'Service' || !has(ref.namespace))",
    message: "a route or Gateway is targeted in the policy's own namespace only; remove namespace",
    fieldPath: '.targetRefs',
  },
  ...endpointFields.map((name): CelRule => ({
    cel: `!has(self.${name}) || !has(self.targetRefs) || self.targetRefs.all(ref, ref.kind == 'Service')`,
    message: `${name} is state per endpoint: target the Service that the requests go to`,
    fieldPath: `.${name}`,
  })),
);

export type TrafficSpec = ValueOf<typeof trafficSchema>;
export type TrafficPolicySpec = ValueOf<typeof trafficPolicySpecSchema>;

/**
 * The messages of proto/weft/v1/observation.proto: what proxies tell of the requests they carry. Durations are milliseconds, -1
 * where there was no such part; `...AtMs` are Unix milliseconds.
 */
import { type Field, choice, flag, integer, integers, prose, real, text } from './message/field.ts';
import { type Message, list, message, nested, optional } from './message/message.ts';

export type TrafficDirection = 'Inbound' | 'Outbound';

/** Requests, or TCP connections, of one direction, peer and rule. */
export interface EdgeCounters {
  readonly direction: TrafficDirection;
  /** Outbound: the service called, `namespace/name`. Inbound: the caller, `namespace/service-account`. `unknown` without one. */
  readonly peer: string;
  readonly route: string;
  readonly rule: string;
  readonly tcp: boolean;
  readonly requests: number;
  readonly failures: number;
  readonly retries: number;
  /** Of the requests, those over mutual TLS, and those without. What never had a connection is neither. */
  readonly secured: number;
  readonly plaintext: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Per bucket of `EDGE_BUCKET_BOUNDS_MS` and one for the rest; empty when nothing was measured. */
  readonly latencies: readonly number[];
}

/** What was carried since the last one, and how the process is. */
export interface Counters {
  readonly intervalMs: number;
  readonly edges: readonly EdgeCounters[];
  /** Edges that were counted together under the peer `other`. */
  readonly folded: number;
  readonly residentBytes: number;
  readonly loopDelayP99Ms: number;
  readonly connections: number;
}

export interface PassedOver {
  readonly route: string;
  readonly rule: string;
  readonly match: string;
  readonly field: string;
  readonly name: string;
  readonly expected: string;
  readonly actual: string;
}

export interface BackendWeight {
  readonly backend: string;
  readonly weight: number;
}

export interface Attempt {
  readonly endpoint: string;
  readonly address: string;
  /** After the start of the request. */
  readonly startedMs: number;
  readonly durationMs: number;
  /** -1: the connection was there already. */
  readonly connectMs: number;
  readonly status: number;
  readonly termination: string;
  /** What the balancer compared, lower is better, and the endpoint drawn beside it; empty when there was no other. */
  readonly score: number;
  readonly rival: string;
  readonly rivalScore: number;
  /** Why another followed; empty: none did. */
  readonly retryReason: string;
  readonly backoffMs: number;
}

export interface BackendFacts {
  readonly endpoints: number;
  readonly healthy: number;
  readonly ejected: number;
  readonly unhealthy: number;
  readonly slowStart: number;
  readonly panic: boolean;
  /** Until the first ejected endpoint is tried again; -1: none is ejected. */
  readonly ejectedForMs: number;
  readonly breaker: string;
  readonly activeRequests: number;
  readonly budgetRequests: number;
  readonly budgetRetries: number;
}

/** Where the time went. */
export interface TimeSpent {
  /** Until the first try. */
  readonly decideMs: number;
  /** Between tries, and in those before the last. */
  readonly backoffMs: number;
  readonly earlierMs: number;
  /** Of the last try: for a connection, of which its TLS handshake; to the response head; to its end. */
  readonly connectMs: number;
  readonly tlsMs: number;
  readonly upstreamMs: number;
  readonly responseMs: number;
  /** In this proxy's own code, as far as it was measured; -1 when it was not. */
  readonly ownMs: number;
}

/** Why one request went where it went, at one proxy. */
export interface Hop {
  readonly requestId: string;
  readonly traceId: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly direction: TrafficDirection;
  readonly protocol: string;
  readonly method: string;
  readonly authority: string;
  /** Without the query. */
  readonly path: string;
  readonly source: string;
  readonly destination: string;
  /** What the caller was sent; 0: nothing. */
  readonly status: number;
  readonly grpcStatus: number;
  readonly termination: string;
  readonly detail: string;
  readonly route: string;
  readonly rule: string;
  readonly match: string;
  readonly passedOver: readonly PassedOver[];
  readonly passedOverCount: number;
  /** Why the matches passed over can't be told; empty: they are told. */
  readonly passedOverUnknown: string;
  readonly backends: readonly BackendWeight[];
  /** Index in `backends`; -1: none was drawn. */
  readonly drawn: number;
  readonly attempts: readonly Attempt[];
  readonly backend: BackendFacts | null;
  readonly spent: TimeSpent;
  /** 0: no limit. */
  readonly requestTimeoutMs: number;
  readonly tryTimeoutMs: number;
  /** Of the request's time-out when it ended; -1: no limit. */
  readonly leftMs: number;
  readonly retriesAllowed: number;
  readonly budgetSpent: boolean;
  /** Empty: plaintext. */
  readonly upstreamIdentity: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly version: string;
  readonly versionNow: string;
  readonly kept: string;
}

/** How far back a proxy remembers; 0: it holds none. */
export interface RingReach {
  readonly records: number;
  readonly samplesSinceMs: number;
  readonly errorsSinceMs: number;
  readonly sampledOneIn: number;
  readonly rings: number;
}

/** One endpoint as the balancer of one proxy sees it. */
export interface EndpointView {
  readonly endpoint: string;
  readonly address: string;
  readonly zone: string;
  readonly weight: number;
  readonly state: string;
  /** Until the end of the ejection or of slow start; -1: neither. */
  readonly forMs: number;
  readonly score: number;
  readonly latencyMs: number;
  readonly inFlight: number;
  readonly tries: number;
  readonly failures: number;
  readonly ejections: number;
}

/** One service as the balancer of one proxy sees it. */
export interface BackendView {
  /** `namespace/name:port`. */
  readonly backend: string;
  readonly facts: BackendFacts;
  readonly endpoints: readonly EndpointView[];
}

/** Which requests to tell of. */
export interface TapFilter {
  readonly direction: TapDirection;
  readonly destination: string;
  readonly method: string;
  /** A prefix; whole with a leading `=`. */
  readonly path: string;
  readonly statusFrom: number;
  readonly statusTo: number;
  readonly slowerThanMs: number;
  readonly maxRate: number;
  readonly showValues: boolean;
}

export type TapDirection = TrafficDirection | 'Both';

export interface TappedField {
  readonly name: string;
  readonly value: string;
  readonly redacted: boolean;
}

export interface TappedRequest {
  readonly atMs: number;
  readonly direction: TrafficDirection;
  readonly source: string;
  readonly destination: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly status: number;
  readonly grpcStatus: number;
  readonly termination: string;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly attempts: number;
  readonly route: string;
  readonly rule: string;
  readonly endpoint: string;
  readonly secured: boolean;
  readonly requestId: string;
  readonly traceId: string;
  readonly fields: readonly TappedField[];
}

/** Upper bounds of the latency buckets of `EdgeCounters`, inclusive; one more bucket follows them. */
export const EDGE_BUCKET_BOUNDS_MS: readonly number[] = Object.freeze([
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
]);

/** Edges that one `Counters` names; the rest is counted together. */
export const MAX_EDGES = 2_000;
/** Endpoints that a `BackendView` names. */
export const MAX_VIEWED_ENDPOINTS = 200;
/** Longest text of a request that is told, in bytes of UTF-8. */
export const MAX_TOLD_BYTES = 1_024;

const UINT32 = 0xffffffff;
const MAX = Number.MAX_SAFE_INTEGER;
const name = (number: number): Field<string> => text(number, 640);
const told = (number: number): Field<string> => text(number, MAX_TOLD_BYTES);
const count = (number: number): Field<number> => integer(number, 'uint32', 0, UINT32);
const large = (number: number): Field<number> => integer(number, 'uint64', 0, MAX);
const ms = (number: number): Field<number> => real(number, -1, MAX);

export function trafficDirection(number: number): Field<TrafficDirection> {
  return choice<TrafficDirection>(number, 'TrafficDirection', ['Inbound', 'Outbound']);
}

const edgeCounters = message<EdgeCounters>('EdgeCounters', {
  direction: trafficDirection(1),
  peer: name(2),
  route: name(3),
  rule: name(4),
  tcp: flag(5),
  requests: large(6),
  failures: large(7),
  retries: large(8),
  secured: large(9),
  requestBytes: large(10),
  responseBytes: large(11),
  latencies: integers(12, 0, UINT32, EDGE_BUCKET_BOUNDS_MS.length + 1),
  plaintext: large(13),
});

export const countersMessage: Message<Counters> = message<Counters>('Counters', {
  intervalMs: integer(1, 'uint64', 1, MAX),
  edges: list(2, edgeCounters, MAX_EDGES),
  folded: count(3),
  residentBytes: large(4),
  loopDelayP99Ms: real(5, 0, MAX),
  connections: count(6),
});

const passedOver = message<PassedOver>('PassedOver', {
  route: name(1),
  rule: name(2),
  match: told(3),
  field: name(4),
  name: told(5),
  expected: told(6),
  actual: told(7),
});

const backendWeight = message<BackendWeight>('BackendWeight', { backend: name(1), weight: count(2) });

const attempt = message<Attempt>('Attempt', {
  endpoint: name(1),
  address: name(2),
  startedMs: ms(3),
  durationMs: ms(4),
  connectMs: ms(5),
  status: count(6),
  termination: name(7),
  score: ms(8),
  rival: name(9),
  rivalScore: ms(10),
  retryReason: name(11),
  backoffMs: ms(12),
});

const backendFacts = message<BackendFacts>('BackendFacts', {
  endpoints: count(1),
  healthy: count(2),
  ejected: count(3),
  unhealthy: count(4),
  slowStart: count(5),
  panic: flag(6),
  ejectedForMs: ms(7),
  breaker: name(8),
  activeRequests: count(9),
  budgetRequests: count(10),
  budgetRetries: count(11),
});

const endpointView = message<EndpointView>('EndpointView', {
  endpoint: name(1),
  address: name(2),
  zone: name(3),
  weight: count(4),
  state: name(5),
  forMs: ms(6),
  score: ms(7),
  latencyMs: ms(8),
  inFlight: count(9),
  tries: large(10),
  failures: large(11),
  ejections: count(12),
});

export const backendViewMessage: Message<BackendView> = message<BackendView>('BackendView', {
  backend: name(1),
  facts: nested(2, backendFacts),
  endpoints: list(3, endpointView, MAX_VIEWED_ENDPOINTS),
});

const timeSpent = message<TimeSpent>('TimeSpent', {
  decideMs: ms(1),
  backoffMs: ms(2),
  earlierMs: ms(3),
  connectMs: ms(4),
  tlsMs: ms(5),
  upstreamMs: ms(6),
  responseMs: ms(7),
  ownMs: ms(8),
});

export const hopMessage: Message<Hop> = message<Hop>('Hop', {
  requestId: text(1, 256),
  traceId: text(2, 64),
  startedAtMs: ms(3),
  durationMs: ms(4),
  direction: trafficDirection(5),
  protocol: name(6),
  method: name(7),
  authority: told(8),
  path: told(9),
  source: text(10, 2048),
  destination: name(11),
  status: count(12),
  grpcStatus: ms(13),
  termination: name(14),
  detail: prose(15, MAX_TOLD_BYTES),
  route: name(16),
  rule: name(17),
  match: told(18),
  passedOver: list(19, passedOver, 100),
  passedOverCount: count(20),
  passedOverUnknown: prose(21, MAX_TOLD_BYTES),
  backends: list(22, backendWeight, 64),
  drawn: ms(23),
  attempts: list(24, attempt, 64),
  backend: optional(25, backendFacts),
  spent: nested(26, timeSpent),
  requestTimeoutMs: ms(27),
  tryTimeoutMs: ms(28),
  leftMs: ms(29),
  retriesAllowed: count(30),
  budgetSpent: flag(31),
  upstreamIdentity: text(32, 2048),
  requestBytes: large(33),
  responseBytes: large(34),
  version: name(35),
  versionNow: name(36),
  kept: name(37),
});

export const ringReachMessage: Message<RingReach> = message<RingReach>('RingReach', {
  records: count(1),
  samplesSinceMs: ms(2),
  errorsSinceMs: ms(3),
  sampledOneIn: count(4),
  rings: count(5),
});

export const tapFilterMessage: Message<TapFilter> = message<TapFilter>('TapFilter', {
  direction: choice<TapDirection>(1, 'TapDirection', ['Inbound', 'Outbound', 'Both']),
  destination: name(2),
  method: name(3),
  path: told(4),
  statusFrom: integer(5, 'uint32', 0, 999),
  statusTo: integer(6, 'uint32', 0, 999),
  slowerThanMs: real(7, 0, MAX),
  maxRate: integer(8, 'uint32', 1, 1_000),
  showValues: flag(9),
});

const tappedField = message<TappedField>('TappedField', { name: told(1), value: told(2), redacted: flag(3) });

export const tappedRequestMessage: Message<TappedRequest> = message<TappedRequest>('TappedRequest', {
  atMs: ms(1),
  direction: trafficDirection(2),
  source: text(3, 2048),
  destination: name(4),
  method: name(5),
  authority: told(6),
  path: told(7),
  status: count(8),
  grpcStatus: ms(9),
  termination: name(10),
  durationMs: ms(11),
  requestBytes: large(12),
  responseBytes: large(13),
  attempts: count(14),
  route: name(15),
  rule: name(16),
  endpoint: name(17),
  secured: flag(18),
  requestId: text(19, 256),
  traceId: text(20, 64),
  fields: list(21, tappedField, 64),
});

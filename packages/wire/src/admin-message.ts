/** The messages of proto/weft/v1/admin.proto: what people and tools ask a control plane. Times are Unix milliseconds. */
import { choice, flag, integer, prose, real, text, texts } from './message/field.ts';
import { type Message, list, message, nested, optional } from './message/message.ts';
import {
  type Hop,
  type RingReach,
  type TapFilter,
  type TappedRequest,
  type TrafficDirection,
  hopMessage,
  ringReachMessage,
  tapFilterMessage,
  tappedRequestMessage,
  trafficDirection,
} from './observation-message.ts';
import {
  type AnnouncedListener,
  MAX_DESTINATIONS,
  MAX_RESOURCES,
  type Report,
  type Upsert,
  type WorkloadFacts,
  announcedListenerMessage,
  reportMessage,
  upsertMessage,
  workloadFactsMessage,
} from './sync-message.ts';

export interface ServerInfo {
  readonly server: string;
  readonly mesh: string;
  readonly version: string;
  readonly trustDomain: string;
  readonly startedAtMs: number;
  readonly address: string;
  readonly source: string;
  readonly proxies: number;
  readonly objects: number;
  readonly objectsRefused: number;
  readonly replicas: readonly AskedReplica[];
}

/** One replica of the control plane, and whether what it knows is part of an answer. */
export interface AskedReplica {
  readonly replica: string;
  /** Why it, or a part of what it knows, is missing; empty: it is not. */
  readonly silent: string;
}

export interface ListProxiesResponse {
  readonly proxies: readonly ProxyStatus[];
  /** The replica that was asked and all others, by name; so in the other answers. */
  readonly replicas: readonly AskedReplica[];
}

export interface GetVersionsResponse {
  readonly resources: readonly ResourceVersion[];
}

export type ProxyState = 'Synced' | 'Behind' | 'Refusing' | 'Draining' | 'Lost';

export interface ProxyStatus {
  /** `namespace/instance`: what other calls take as `proxy`. */
  readonly name: string;
  readonly workload: WorkloadFacts;
  readonly gateway: string;
  readonly identity: string;
  readonly address: string;
  readonly state: ProxyState;
  readonly connectedAtMs: number;
  readonly lastAckAtMs: number;
  readonly lastTransaction: number;
  readonly acknowledgedTransaction: number;
  readonly resources: number;
  readonly behind: number;
  readonly refused: number;
  readonly version: string;
  readonly report: Report | null;
  readonly listeners: readonly AnnouncedListener[];
  readonly destinations: readonly string[];
}

export interface GetConfigRequest {
  readonly proxy: string;
  readonly keyPrefix: string;
}

export interface GetConfigResponse {
  readonly resources: readonly Upsert[];
  readonly truncated: boolean;
}

export interface ResourceVersion {
  readonly key: string;
  readonly current: string;
  readonly sent: string;
  readonly inForce: string;
  readonly error: string;
}

export interface ListObjectsRequest {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly about: string;
}

export interface ObjectProblem {
  readonly code: string;
  readonly severity: string;
  readonly path: string;
  readonly message: string;
  readonly expected: string;
  readonly fix: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ObjectStatus {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly conditions: readonly Condition[];
  readonly problems: readonly ObjectProblem[];
  readonly proxies: number;
  readonly programmed: number;
  readonly file: string;
  readonly line: number;
  readonly yaml: string;
}

export interface ListObjectsResponse {
  readonly objects: readonly ObjectStatus[];
  /** Those whose proxies are counted. */
  readonly replicas: readonly AskedReplica[];
}

export interface MeshEvent {
  readonly atMs: number;
  readonly type: string;
  readonly severity: string;
  readonly subject: string;
  readonly message: string;
  /** Where it happened. */
  readonly replica: string;
}

export interface CreateTokenRequest {
  readonly namespace: string;
  readonly service: string;
  readonly serviceAccount: string;
  readonly lifetimeMs: number;
}

export interface CreateTokenResponse {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly workload: string;
}

export interface WhyRequest {
  /** A trace id, or a request id. */
  readonly request: string;
}

export interface ProxyHop {
  readonly proxy: string;
  /** `namespace/name`. */
  readonly workload: string;
  /** 0: nobody's that is known; else one more than the hop that caused it. */
  readonly depth: number;
  readonly hop: Hop;
}

export interface AskedRing {
  readonly proxy: string;
  /** Why it did not answer; empty: it did. */
  readonly silent: string;
  readonly reach: RingReach | null;
}

export interface WhyResponse {
  /** In the order of cause and effect. */
  readonly hops: readonly ProxyHop[];
  readonly rings: readonly AskedRing[];
}

export interface GetTrafficRequest {
  /** 0: one minute. */
  readonly windowMs: number;
  /** `namespace/name`; empty: all. */
  readonly service: string;
}

/** What went from one workload to one service, by one rule. */
export interface Traffic {
  readonly source: string;
  /** The service that was called. */
  readonly destination: string;
  /** The one workload behind it, where it has a proxy that reports; else empty. */
  readonly workload: string;
  readonly route: string;
  readonly rule: string;
  readonly tcp: boolean;
  /** Who counted it. */
  readonly direction: TrafficDirection;
  readonly requests: number;
  readonly failures: number;
  readonly retries: number;
  /** Over mutual TLS, and without it; what never had a connection is neither. */
  readonly secured: number;
  readonly plaintext: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** -1: nothing was measured. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
}

export interface GetTrafficResponse {
  readonly coveredMs: number;
  readonly proxies: number;
  readonly edges: readonly Traffic[];
  readonly replicas: readonly AskedReplica[];
}

export interface TapRequest {
  /** A service, workload or proxy; empty: all. */
  readonly target: string;
  readonly filter: TapFilter;
  /** 0: 10 minutes. */
  readonly lastsMs: number;
}

export interface TapEvent {
  /** Empty in an event that only tells of replicas. */
  readonly proxy: string;
  readonly requests: readonly TappedRequest[];
  readonly dropped: number;
  /** Those whose proxies are not, or no longer, tapped. */
  readonly replicas: readonly AskedReplica[];
}

export interface GetDashboardResponse {
  /** `http://host:port`. */
  readonly address: string;
  readonly token: string;
}

/** A request or an answer without fields. */
export type Nothing = Record<never, never>;

const UINT32 = 0xffffffff;
const MAX = Number.MAX_SAFE_INTEGER;
const NAME_BYTES = 640;
const count = (number: number) => integer(number, 'uint32', 0, UINT32);
const large = (number: number) => integer(number, 'uint64', 0, MAX);
const name = (number: number) => text(number, NAME_BYTES);

export const getServerRequest: Message<Nothing> = message<Nothing>('GetServerRequest', {});
export const listProxiesRequest: Message<Nothing> = message<Nothing>('ListProxiesRequest', {});

/** Of a control plane: many more than there ever are. */
const MOST_REPLICAS = 1_000;

const askedReplica = message<AskedReplica>('AskedReplica', { replica: name(1), silent: prose(2, 4096) });

export const serverInfoMessage: Message<ServerInfo> = message<ServerInfo>('ServerInfo', {
  server: name(1),
  mesh: name(2),
  version: name(3),
  trustDomain: name(4),
  startedAtMs: large(5),
  address: name(6),
  source: text(7, 4096),
  proxies: count(8),
  objects: count(9),
  objectsRefused: count(10),
  replicas: list(11, askedReplica, MOST_REPLICAS),
});

const proxyStatus = message<ProxyStatus>('ProxyStatus', {
  name: name(1),
  workload: nested(2, workloadFactsMessage),
  gateway: name(3),
  identity: text(4, 2048),
  address: name(5),
  state: choice<ProxyState>(6, 'ProxyState', ['Synced', 'Behind', 'Refusing', 'Draining', 'Lost']),
  connectedAtMs: large(7),
  lastAckAtMs: large(8),
  lastTransaction: large(9),
  acknowledgedTransaction: large(10),
  resources: count(11),
  behind: count(12),
  refused: count(13),
  version: name(14),
  report: optional(15, reportMessage),
  listeners: list(16, announcedListenerMessage, 1024),
  destinations: texts(17, NAME_BYTES, MAX_DESTINATIONS),
});

export const listProxiesResponse: Message<ListProxiesResponse> = message<ListProxiesResponse>('ListProxiesResponse', {
  proxies: list(1, proxyStatus, 100_000),
  replicas: list(2, askedReplica, MOST_REPLICAS),
});

export const getConfigRequest: Message<GetConfigRequest> = message<GetConfigRequest>('GetConfigRequest', {
  proxy: name(1),
  keyPrefix: text(2, 768),
});

export const getConfigResponse: Message<GetConfigResponse> = message<GetConfigResponse>('GetConfigResponse', {
  resources: list(1, upsertMessage, MAX_RESOURCES),
  truncated: flag(2),
});

const resourceVersion = message<ResourceVersion>('ResourceVersion', {
  key: text(1, 768),
  current: text(2, 16),
  sent: text(3, 16),
  inForce: text(4, 16),
  error: prose(5, 4096),
});

export const getVersionsRequest: Message<{ readonly proxy: string }> = message<{ readonly proxy: string }>(
  'GetVersionsRequest',
  { proxy: name(1) },
);

export const getVersionsResponse: Message<GetVersionsResponse> = message<GetVersionsResponse>('GetVersionsResponse', {
  resources: list(1, resourceVersion, MAX_RESOURCES),
});

export const listObjectsRequest: Message<ListObjectsRequest> = message<ListObjectsRequest>('ListObjectsRequest', {
  kind: name(1),
  namespace: name(2),
  name: name(3),
});

const condition = message<Condition>('Condition', {
  type: name(1),
  status: name(2),
  reason: name(3),
  message: prose(4, 32_768),
  about: name(5),
});

const objectProblem = message<ObjectProblem>('ObjectProblem', {
  code: name(1),
  severity: name(2),
  path: text(3, 4096),
  message: prose(4, 32_768),
  expected: prose(5, 32_768),
  fix: prose(6, 32_768),
  file: text(7, 4096),
  line: count(8),
  column: count(9),
});

const objectStatus = message<ObjectStatus>('ObjectStatus', {
  apiVersion: name(1),
  kind: name(2),
  namespace: name(3),
  name: name(4),
  conditions: list(5, condition, 1024),
  problems: list(6, objectProblem, 10_000),
  proxies: count(7),
  programmed: count(8),
  file: text(9, 4096),
  line: count(10),
  yaml: prose(11, 4 * 1024 * 1024),
});

export const listObjectsResponse: Message<ListObjectsResponse> = message<ListObjectsResponse>('ListObjectsResponse', {
  objects: list(1, objectStatus, 200_000),
  replicas: list(2, askedReplica, MOST_REPLICAS),
});

export const watchEventsRequest: Message<{ readonly noFollow: boolean }> = message<{ readonly noFollow: boolean }>(
  'WatchEventsRequest',
  { noFollow: flag(1) },
);

export const eventMessage: Message<MeshEvent> = message<MeshEvent>('Event', {
  atMs: large(1),
  type: name(2),
  severity: name(3),
  subject: text(4, 2048),
  message: prose(5, 32_768),
  replica: name(6),
});

export const createTokenRequest: Message<CreateTokenRequest> = message<CreateTokenRequest>('CreateTokenRequest', {
  namespace: text(1, 253, true),
  service: text(2, 253, true),
  serviceAccount: text(3, 253),
  lifetimeMs: integer(4, 'uint64', 0, 86_400_000),
});

export const createTokenResponse: Message<CreateTokenResponse> = message<CreateTokenResponse>('CreateTokenResponse', {
  token: text(1, 4096, true),
  expiresAtMs: large(2),
  workload: name(3),
});

export const whyRequest: Message<WhyRequest> = message<WhyRequest>('WhyRequest', { request: text(1, 256, true) });

const proxyHop = message<ProxyHop>('ProxyHop', {
  proxy: name(1),
  workload: name(2),
  depth: count(3),
  hop: nested(4, hopMessage),
});

export const askedRingMessage: Message<AskedRing> = message<AskedRing>('AskedRing', {
  proxy: name(1),
  silent: prose(2, 4096),
  reach: optional(3, ringReachMessage),
});

export const whyResponse: Message<WhyResponse> = message<WhyResponse>('WhyResponse', {
  hops: list(1, proxyHop, 10_000),
  rings: list(2, askedRingMessage, 100_000),
});

export const getTrafficRequest: Message<GetTrafficRequest> = message<GetTrafficRequest>('GetTrafficRequest', {
  windowMs: integer(1, 'uint64', 0, 1_800_000),
  service: name(2),
});

const trafficMessage = message<Traffic>('Traffic', {
  source: name(1),
  destination: name(2),
  route: name(3),
  rule: name(4),
  tcp: flag(5),
  direction: trafficDirection(6),
  requests: large(7),
  failures: large(8),
  retries: large(9),
  secured: large(10),
  requestBytes: large(11),
  responseBytes: large(12),
  p50Ms: real(13, -1, MAX),
  p90Ms: real(14, -1, MAX),
  p99Ms: real(15, -1, MAX),
  plaintext: large(16),
  workload: name(17),
});

export const getTrafficResponse: Message<GetTrafficResponse> = message<GetTrafficResponse>('GetTrafficResponse', {
  coveredMs: large(1),
  proxies: count(2),
  edges: list(3, trafficMessage, 200_000),
  replicas: list(4, askedReplica, MOST_REPLICAS),
});

export const getDashboardRequest: Message<Nothing> = message<Nothing>('GetDashboardRequest', {});

export const getDashboardResponse: Message<GetDashboardResponse> = message<GetDashboardResponse>(
  'GetDashboardResponse',
  { address: name(1), token: text(2, 256) },
);

export const tapRequest: Message<TapRequest> = message<TapRequest>('TapRequest', {
  target: name(1),
  filter: nested(2, tapFilterMessage),
  lastsMs: integer(3, 'uint64', 0, 3_600_000),
});

export const tapEvent: Message<TapEvent> = message<TapEvent>('TapEvent', {
  proxy: name(1),
  requests: list(2, tappedRequestMessage, 1_000),
  dropped: large(3),
  replicas: list(4, askedReplica, MOST_REPLICAS),
});

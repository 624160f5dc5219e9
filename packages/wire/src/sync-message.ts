/** The messages of proto/weft/v1/sync.proto. Hashes are 16 hexadecimal digits, `NO_HASH` for none; byte strings are views. */
import type { Endpoint } from '@weft/model';
import { bytes, bytesList, choice, flag, hash, integer, integers, prose, real, text, texts } from './message/field.ts';
import { type Message, list, member, message, nested, optional, union } from './message/message.ts';
import {
  type BackendView,
  type Counters,
  type Hop,
  type RingReach,
  type TapFilter,
  type TappedRequest,
  backendViewMessage,
  countersMessage,
  hopMessage,
  ringReachMessage,
  tapFilterMessage,
  tappedRequestMessage,
} from './observation-message.ts';
import { endpointMessage } from './resource-message.ts';

export const PROTOCOL_VERSION = 1;

/** The most a message may hold: a view of 10,000 routes and 100,000 endpoints is about 15 MB and sent in parts of 1 MiB. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** Keys a proxy may hold, and so the length of a resume digest. */
export const MAX_RESOURCES = 100_000;

/** Destinations a proxy may be subscribed to. */
export const MAX_DESTINATIONS = 20_000;

export interface Label {
  readonly name: string;
  readonly value: string;
}

export interface WorkloadFacts {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly instance: string;
  readonly labels: readonly Label[];
  readonly node: string;
  readonly zone: string;
  readonly version: string;
  readonly ephemeral: boolean;
  readonly service: string;
  readonly weight: number;
}

export interface AnnouncedListener {
  readonly applicationPort: number;
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface HeldResource {
  readonly key: string;
  readonly hash: string;
}

export interface Hello {
  readonly protocolVersion: number;
  readonly workload: WorkloadFacts;
  readonly capabilities: readonly string[];
  readonly listeners: readonly AnnouncedListener[];
  readonly held: readonly HeldResource[];
  readonly destinations: readonly string[];
  readonly gateway: string;
}

export interface Subscribe {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export type ErrorCode = 'Malformed' | 'Unsupported' | 'Invalid' | 'BaseMismatch' | 'MissingReference';

export interface ResourceError {
  readonly key: string;
  readonly hash: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface Ack {
  readonly transaction: number;
  readonly errors: readonly ResourceError[];
}

export interface Report {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly certificateNotAfterMs: number;
  readonly loopDelayP99Ms: number;
  readonly residentBytes: number;
  readonly inboundConnections: number;
  readonly requestsTotal: number;
  readonly destinationsInUse: readonly string[];
  /** Ports of the application that it has shown to speak no HTTP. */
  readonly opaquePorts: readonly number[];
}

export interface TrustBundleMessage {
  readonly trustDomain: string;
  readonly generation: number;
  /** DER. */
  readonly roots: readonly Uint8Array[];
}

export interface Welcome {
  readonly server: string;
  readonly session: string;
  readonly mesh: string;
  readonly protocolVersion: number;
  readonly reportIntervalMs: number;
  readonly trustBundle: TrustBundleMessage | null;
}

export interface Upsert {
  readonly key: string;
  readonly hash: string;
  readonly body: Uint8Array;
}

export interface EndpointDelta {
  readonly key: string;
  readonly base: string;
  readonly target: string;
  readonly upserted: readonly Endpoint[];
  readonly removed: readonly string[];
  readonly count: number;
}

export interface Transaction {
  readonly id: number;
  readonly upserts: readonly Upsert[];
  readonly endpointDeltas: readonly EndpointDelta[];
  readonly removed: readonly string[];
  readonly missing: readonly string[];
  readonly trustBundle: TrustBundleMessage | null;
  readonly complete: boolean;
}

export interface Drain {
  readonly reason: 'Withdrawn' | 'Move';
  readonly subscribers: number;
  readonly acknowledged: number;
  readonly withinMs: number;
}

/** A certificate of a Gateway, with its key. */
export interface EdgeCertificateMessage {
  /** `namespace/name` of its Secret. */
  readonly name: string;
  /** PEM. */
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
}

export interface EdgeCertificates {
  readonly certificates: readonly EdgeCertificateMessage[];
}

export interface Query {
  readonly id: number;
  readonly keyPrefix: string;
  /** A trace id or a request id; empty: about resources. */
  readonly request: string;
  /** `namespace/name` of a service: how its balancers see it. */
  readonly service: string;
}

export interface Answer {
  readonly id: number;
  readonly resources: readonly Upsert[];
  readonly truncated: boolean;
  readonly hops: readonly Hop[];
  /** Null when it is no answer about a request. */
  readonly reach: RingReach | null;
  readonly backends: readonly BackendView[];
}

export interface Tap {
  readonly id: number;
  readonly stop: boolean;
  /** Null when it is stopped. */
  readonly filter: TapFilter | null;
  readonly lastsMs: number;
}

export interface Tapped {
  readonly id: number;
  readonly requests: readonly TappedRequest[];
  readonly dropped: number;
}

export type ClientMessage =
  | { readonly type: 'hello'; readonly hello: Hello }
  | { readonly type: 'subscribe'; readonly subscribe: Subscribe }
  | { readonly type: 'ack'; readonly ack: Ack }
  | { readonly type: 'report'; readonly report: Report }
  | { readonly type: 'answer'; readonly answer: Answer }
  | { readonly type: 'counters'; readonly counters: Counters }
  | { readonly type: 'tapped'; readonly tapped: Tapped };

export type ServerMessage =
  | { readonly type: 'welcome'; readonly welcome: Welcome }
  | { readonly type: 'transaction'; readonly transaction: Transaction }
  | { readonly type: 'drain'; readonly drain: Drain }
  | { readonly type: 'query'; readonly query: Query }
  | { readonly type: 'tap'; readonly tap: Tap }
  | { readonly type: 'certificates'; readonly certificates: EdgeCertificates };

/** A proxy that says it takes certificates of its Gateway. */
export const CERTIFICATES_CAPABILITY = 'certificates';
/** Of one Gateway: 64 listeners, each with some. */
const MAX_CERTIFICATES = 256;
/** A Secret takes a MiB, of which a chain of ten RSA certificates fills 30 KiB. */
const PEM_BYTES = 128 * 1024;
const KEY_BYTES = 768;
const DESTINATION_BYTES = 640;
const TIME_MS = Number.MAX_SAFE_INTEGER;
const UINT32 = 0xffffffff;

export const labelMessage: Message<Label> = message<Label>('Label', { name: text(1, 317, true), value: text(2, 256) });

export const workloadFactsMessage: Message<WorkloadFacts> = message<WorkloadFacts>('WorkloadFacts', {
  namespace: text(1, 253, true),
  name: text(2, 253, true),
  serviceAccount: text(3, 253, true),
  instance: text(4, 253, true),
  labels: list(5, labelMessage, 256),
  node: text(6, 253),
  zone: text(7, 253),
  version: text(8, 64),
  ephemeral: flag(9),
  service: text(10, 253),
  weight: integer(11, 'uint32', 0, 1_000_000),
});

export const announcedListenerMessage: Message<AnnouncedListener> = message<AnnouncedListener>('AnnouncedListener', {
  applicationPort: integer(1, 'uint32', 1, 65535),
  name: text(2, 64),
  address: text(3, 253, true),
  port: integer(4, 'uint32', 1, 65535),
});

const heldResource = message<HeldResource>('HeldResource', { key: text(1, KEY_BYTES, true), hash: hash(2) });

const hello = message<Hello>('Hello', {
  protocolVersion: integer(1, 'uint32', 1, UINT32),
  workload: nested(2, workloadFactsMessage),
  capabilities: texts(3, 64, 256),
  listeners: list(4, announcedListenerMessage, 1024),
  held: list(5, heldResource, MAX_RESOURCES),
  destinations: texts(6, DESTINATION_BYTES, MAX_DESTINATIONS),
  gateway: text(7, 512),
});

const subscribe = message<Subscribe>('Subscribe', {
  add: texts(1, DESTINATION_BYTES, MAX_DESTINATIONS),
  remove: texts(2, DESTINATION_BYTES, MAX_DESTINATIONS),
});

const resourceError = message<ResourceError>('ResourceError', {
  key: text(1, KEY_BYTES, true),
  hash: hash(2),
  code: choice<ErrorCode>(3, 'ErrorCode', ['Malformed', 'Unsupported', 'Invalid', 'BaseMismatch', 'MissingReference']),
  message: prose(4, 4096),
});

const ack = message<Ack>('Ack', {
  transaction: integer(1, 'uint64', 1, Number.MAX_SAFE_INTEGER),
  errors: list(2, resourceError, MAX_RESOURCES),
});

export const reportMessage: Message<Report> = message<Report>('Report', {
  ready: flag(1),
  draining: flag(2),
  certificateNotAfterMs: integer(3, 'uint64', 0, TIME_MS),
  loopDelayP99Ms: real(4, 0, TIME_MS),
  residentBytes: integer(5, 'uint64', 0, Number.MAX_SAFE_INTEGER),
  inboundConnections: integer(6, 'uint32', 0, UINT32),
  requestsTotal: integer(7, 'uint64', 0, Number.MAX_SAFE_INTEGER),
  destinationsInUse: texts(8, DESTINATION_BYTES, MAX_DESTINATIONS),
  opaquePorts: integers(9, 1, 65_535, 1_024),
});

export const trustBundleMessage: Message<TrustBundleMessage> = message<TrustBundleMessage>('TrustBundle', {
  trustDomain: text(1, 255, true),
  generation: integer(2, 'uint64', 0, Number.MAX_SAFE_INTEGER),
  roots: bytesList(3, 64 * 1024, 64),
});

const welcome = message<Welcome>('Welcome', {
  server: text(1, 253),
  session: text(2, 128),
  mesh: text(3, 253),
  protocolVersion: integer(4, 'uint32', 1, UINT32),
  reportIntervalMs: integer(5, 'uint64', 0, 3_600_000),
  trustBundle: optional(6, trustBundleMessage),
});

export const upsertMessage: Message<Upsert> = message<Upsert>('Upsert', {
  key: text(1, KEY_BYTES, true),
  hash: hash(2),
  body: bytes(3, MAX_MESSAGE_BYTES, true),
});

/** Exported so that the session may write a delta once for all who need it. */
export const endpointDeltaMessage: Message<EndpointDelta> = message<EndpointDelta>('EndpointDelta', {
  key: text(1, KEY_BYTES, true),
  base: hash(2),
  target: hash(3),
  upserted: list(4, endpointMessage, 200_000),
  removed: texts(5, 512, 200_000),
  count: integer(6, 'uint32', 0, 200_000),
});

export const transactionMessage: Message<Transaction> = message<Transaction>('Transaction', {
  id: integer(1, 'uint64', 1, Number.MAX_SAFE_INTEGER),
  upserts: list(2, upsertMessage, MAX_RESOURCES),
  endpointDeltas: list(3, endpointDeltaMessage, MAX_RESOURCES),
  removed: texts(4, KEY_BYTES, MAX_RESOURCES),
  missing: texts(5, DESTINATION_BYTES, MAX_DESTINATIONS),
  trustBundle: optional(6, trustBundleMessage),
  complete: flag(7),
});

const drain = message<Drain>('Drain', {
  reason: choice(1, 'DrainReason', ['Withdrawn', 'Move']),
  subscribers: integer(2, 'uint32', 0, UINT32),
  acknowledged: integer(3, 'uint32', 0, UINT32),
  withinMs: integer(4, 'uint64', 0, 3_600_000),
});

const edgeCertificate = message<EdgeCertificateMessage>('EdgeCertificate', {
  name: text(1, 320, true),
  chain: bytes(2, PEM_BYTES, true),
  key: bytes(3, PEM_BYTES, true),
});

const edgeCertificates = message<EdgeCertificates>('EdgeCertificates', {
  certificates: list(1, edgeCertificate, MAX_CERTIFICATES),
});

const query = message<Query>('Query', {
  id: integer(1, 'uint64', 1, Number.MAX_SAFE_INTEGER),
  keyPrefix: text(2, KEY_BYTES),
  request: text(3, 256),
  service: text(4, 640),
});

const answer = message<Answer>('Answer', {
  id: integer(1, 'uint64', 1, Number.MAX_SAFE_INTEGER),
  resources: list(2, upsertMessage, MAX_RESOURCES),
  truncated: flag(3),
  hops: list(4, hopMessage, 256),
  reach: optional(5, ringReachMessage),
  backends: list(6, backendViewMessage, 64),
});

const tap = message<Tap>('Tap', {
  id: integer(1, 'uint64', 1, Number.MAX_SAFE_INTEGER),
  stop: flag(2),
  filter: optional(3, tapFilterMessage),
  lastsMs: integer(4, 'uint64', 0, 3_600_000),
});

const tapped = message<Tapped>('Tapped', {
  id: integer(1, 'uint64', 1, Number.MAX_SAFE_INTEGER),
  requests: list(2, tappedRequestMessage, 1_000),
  dropped: integer(3, 'uint64', 0, Number.MAX_SAFE_INTEGER),
});

export const clientMessage: Message<ClientMessage> = union<ClientMessage>('ClientMessage', {
  hello: member(1, 'hello', hello),
  subscribe: member(2, 'subscribe', subscribe),
  ack: member(3, 'ack', ack),
  report: member(4, 'report', reportMessage),
  answer: member(5, 'answer', answer),
  counters: member(6, 'counters', countersMessage),
  tapped: member(7, 'tapped', tapped),
});

export const serverMessage: Message<ServerMessage> = union<ServerMessage>('ServerMessage', {
  welcome: member(1, 'welcome', welcome),
  transaction: member(2, 'transaction', transactionMessage),
  drain: member(3, 'drain', drain),
  query: member(4, 'query', query),
  tap: member(5, 'tap', tap),
  certificates: member(6, 'certificates', edgeCertificates),
});

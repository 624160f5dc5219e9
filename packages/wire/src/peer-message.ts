/** The messages of proto/weft/v1/peers.proto: what replicas of a control plane tell and ask each other. */
import type { InstancePort, WorkloadInstance } from '@weft/model';
import { type AskedRing, type Nothing, askedRingMessage } from './admin-message.ts';
import { choice, flag, integer, text, texts } from './message/field.ts';
import { type Message, list, message, nested } from './message/message.ts';
import {
  type BackendView,
  type Counters,
  type Hop,
  backendViewMessage,
  countersMessage,
  hopMessage,
} from './observation-message.ts';
import { type Label, MAX_RESOURCES, labelMessage } from './sync-message.ts';

/** What one replica says to another. Labels and ports in words of the wire: `writeTold` and `readTold` lead there and back. */
export interface TellRequest {
  readonly replica: string;
  readonly whole: boolean;
  readonly instances: readonly ToldInstance[];
  readonly removed: readonly string[];
  readonly awaitMs: number;
  readonly asks: boolean;
}

export interface TellResponse {
  readonly subscribers: number;
  readonly acknowledged: number;
  readonly instances: readonly ToldInstance[];
}

export interface ToldInstance extends Omit<WorkloadInstance, 'labels' | 'ports'> {
  readonly labels: readonly Label[];
  readonly ports: readonly ToldPort[];
}

export interface ToldPort extends Omit<InstancePort, 'learned'> {
  readonly learned: 'Nothing' | 'Http1' | 'Tcp';
}

/** What the proxies of another replica remember of a request. */
export interface PeerWhyRequest {
  readonly replica: string;
  /** A trace id or a request id. */
  readonly request: string;
  readonly awaitMs: number;
}

export interface PeerWhyResponse {
  readonly hops: readonly FoundHop[];
  readonly rings: readonly AskedRing[];
}

/** A hop and who remembers it, before its place among the others is known. */
export interface FoundHop {
  readonly proxy: string;
  readonly workload: string;
  /** SPIFFE ID of the proxy. */
  readonly identity: string;
  /** Where it announced that peers reach it, `address:port`. */
  readonly addresses: readonly string[];
  readonly hop: Hop;
}

/** What proxies of another replica have counted. */
export interface CountRequest {
  readonly replica: string;
  readonly proxies: readonly CountedProxy[];
  /** Reports that were not told and will not be. */
  readonly lost: number;
}

export interface CountedProxy {
  /** `namespace/instance`. */
  readonly proxy: string;
  /** `namespace/name` of what it stands beside. */
  readonly place: string;
  readonly gateway: boolean;
  /** `namespace/service-account`. */
  readonly account: string;
  /** Key of its workload in the configuration; empty: it stands for none. */
  readonly workload: string;
  /** How long ago it said so. */
  readonly ageMs: number;
  readonly counters: Counters;
}

export interface CountHoldersResponse {
  readonly objects: readonly ObjectHolders[];
}

/** How many proxies use an object. */
export interface ObjectHolders {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly holders: number;
  readonly behind: number;
  /** Why some refused it: a few. */
  readonly reasons: readonly string[];
}

/** A proxy that calls a service. */
export interface ServiceCall {
  readonly proxy: string;
  readonly service: string;
}

export interface ViewServicesRequest {
  readonly calls: readonly ServiceCall[];
}

export interface ViewServicesResponse {
  readonly views: readonly ServiceView[];
  /** Proxies that are connected there and did not answer. */
  readonly silent: readonly string[];
}

export interface ServiceView {
  readonly proxy: string;
  readonly backends: readonly BackendView[];
}

const KEY_BYTES = 768;
const UINT32 = 0xffffffff;

const toldPort = message<ToldPort>('InstancePort', {
  name: text(1, 64),
  applicationPort: integer(2, 'uint32', 1, 65_535),
  meshPort: integer(3, 'uint32', 1, 65_535),
  learned: choice<ToldPort['learned']>(4, 'LearnedProtocol', ['Nothing', 'Http1', 'Tcp']),
});

const toldInstance = message<ToldInstance>('Instance', {
  workload: text(1, KEY_BYTES, true),
  namespace: text(2, 253, true),
  serviceAccount: text(3, 253, true),
  labels: list(4, labelMessage, 256),
  zone: text(5, 253),
  weight: integer(6, 'uint32', 0, 1_000_000),
  ports: list(7, toldPort, 4096),
  address: text(8, 253, true),
  identity: text(9, 2048, true),
  draining: flag(10),
});

export const tellRequest: Message<TellRequest> = message<TellRequest>('TellRequest', {
  replica: text(1, 253, true),
  whole: flag(2),
  instances: list(3, toldInstance, MAX_RESOURCES),
  removed: texts(4, KEY_BYTES, MAX_RESOURCES),
  awaitMs: integer(5, 'uint32', 0, 60_000),
  asks: flag(6),
});

export const tellResponse: Message<TellResponse> = message<TellResponse>('TellResponse', {
  subscribers: integer(1, 'uint32', 0, UINT32),
  acknowledged: integer(2, 'uint32', 0, UINT32),
  instances: list(3, toldInstance, MAX_RESOURCES),
});

export const peerWhyRequest: Message<PeerWhyRequest> = message<PeerWhyRequest>('PeerWhyRequest', {
  replica: text(1, 253, true),
  request: text(2, 256, true),
  awaitMs: integer(3, 'uint32', 0, 60_000),
});

const foundHop = message<FoundHop>('FoundHop', {
  proxy: text(1, KEY_BYTES, true),
  workload: text(2, KEY_BYTES),
  identity: text(3, 2048),
  addresses: texts(4, 300, 4096),
  hop: nested(5, hopMessage),
});

export const peerWhyResponse: Message<PeerWhyResponse> = message<PeerWhyResponse>('PeerWhyResponse', {
  hops: list(1, foundHop, 10_000),
  rings: list(2, askedRingMessage, 100_000),
});

const countedProxy = message<CountedProxy>('CountedProxy', {
  proxy: text(1, KEY_BYTES, true),
  place: text(2, KEY_BYTES),
  gateway: flag(3),
  account: text(4, KEY_BYTES),
  workload: text(5, KEY_BYTES),
  ageMs: integer(6, 'uint32', 0, UINT32),
  counters: nested(7, countersMessage),
});

export const countRequest: Message<CountRequest> = message<CountRequest>('CountRequest', {
  replica: text(1, 253, true),
  proxies: list(2, countedProxy, 100_000),
  lost: integer(3, 'uint32', 0, UINT32),
});

export const countResponse: Message<Nothing> = message<Nothing>('CountResponse', {});

const objectHolders = message<ObjectHolders>('ObjectHolders', {
  kind: text(1, 253),
  namespace: text(2, 253),
  name: text(3, 253),
  holders: integer(4, 'uint32', 0, UINT32),
  behind: integer(5, 'uint32', 0, UINT32),
  reasons: texts(6, 8192, 16),
});

export const countHoldersResponse: Message<CountHoldersResponse> = message<CountHoldersResponse>(
  'CountHoldersResponse',
  { objects: list(1, objectHolders, 200_000) },
);

const serviceCall = message<ServiceCall>('ServiceCall', { proxy: text(1, KEY_BYTES), service: text(2, KEY_BYTES) });

export const viewServicesRequest: Message<ViewServicesRequest> = message<ViewServicesRequest>('ViewServicesRequest', {
  calls: list(1, serviceCall, 1_000),
});

const serviceView = message<ServiceView>('ServiceView', {
  proxy: text(1, KEY_BYTES),
  backends: list(2, backendViewMessage, 1_000),
});

export const viewServicesResponse: Message<ViewServicesResponse> = message<ViewServicesResponse>(
  'ViewServicesResponse',
  { views: list(1, serviceView, 1_000), silent: texts(2, KEY_BYTES, 1_000) },
);

export function writeTold({ labels, ports, ...rest }: WorkloadInstance): ToldInstance {
  return {
    ...rest,
    labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
    ports: ports.map((port) => ({ ...port, learned: port.learned ?? 'Nothing' })),
  };
}

export function readTold({ labels, ports, ...rest }: ToldInstance): WorkloadInstance {
  return {
    ...rest,
    labels: Object.fromEntries(labels.map(({ name, value }) => [name, value])),
    ports: ports.map(({ learned, ...port }) => (learned === 'Nothing' ? port : { ...port, learned })),
  };
}

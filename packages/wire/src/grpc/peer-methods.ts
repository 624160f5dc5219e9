import type { ServerUnaryCall, ServerWritableStream, ServiceDefinition, sendUnaryData } from '@grpc/grpc-js';
import type { Result } from '@weft/kernel';
import type { ListObjectsRequest, MeshEvent, Nothing, TapEvent, TapRequest } from '../admin-message.ts';
import type {
  CountHoldersResponse,
  CountRequest,
  PeerWhyRequest,
  PeerWhyResponse,
  TellRequest,
  TellResponse,
  ViewServicesRequest,
  ViewServicesResponse,
} from '../peer-message.ts';
import type { AdminService } from './admin-service.ts';
import {
  type CallFault,
  type Method,
  PEERS_COUNT,
  PEERS_COUNT_HOLDERS,
  PEERS_GET_CONFIG,
  PEERS_GET_VERSIONS,
  PEERS_LIST_PROXIES,
  PEERS_TAP,
  PEERS_TELL,
  PEERS_VIEW_SERVICES,
  PEERS_WATCH_EVENTS,
  PEERS_WHY,
} from './method.ts';
import { serveEvents, serveTap } from './served-stream.ts';
import { type Received, type Reply, callback, errorOf, unary } from './unary.ts';

/** Calls that `Admin` has too, here answered of this replica's proxies alone. */
type Shared = 'listProxies' | 'getConfig' | 'getVersions' | 'watchEvents' | 'tap';

/** What one replica of a control plane answers to another. */
export interface PeerService extends Pick<AdminService, Shared> {
  tell(request: TellRequest): Reply<TellResponse>;
  count(request: CountRequest): Reply<Nothing>;
  why(request: PeerWhyRequest): Reply<PeerWhyResponse>;
  countHolders(request: ListObjectsRequest): Reply<CountHoldersResponse>;
  viewServices(request: ViewServicesRequest): Reply<ViewServicesResponse>;
}

/** Finds who answers a call, by the address of its connection; or why nobody does. */
export type FindPeers = (address: string) => Result<PeerService, CallFault>;

/** The calls of `Peers` as grpc-js's server takes them. */
export function peerMethods(find: FindPeers): {
  readonly definitions: ServiceDefinition;
  readonly handlers: Record<string, (...given: never[]) => void>;
} {
  const definitions: Record<string, unknown> = {};
  const handlers: Record<string, (...given: never[]) => void> = {};
  const serve = <Q, S>(method: Method<Q, S>, handle: (service: PeerService, request: Q) => Reply<S>): void => {
    const name = nameOf(method.path);
    definitions[name] = unary(method);
    handlers[name] = (call: ServerUnaryCall<Received<Q>, S>, done: sendUnaryData<S>) =>
      callback(call.request, done, (request) => {
        const found = find(call.getPeer());
        return found.ok ? handle(found.value, request) : found;
      });
  };
  const stream = <Q, S>(
    method: Method<Q, S>,
    begin: (service: PeerService, call: ServerWritableStream<Received<Q>, S>) => void,
  ): void => {
    const name = nameOf(method.path);
    definitions[name] = unary(method, true);
    handlers[name] = (call: ServerWritableStream<Received<Q>, S>) => {
      const found = find(call.getPeer());
      if (found.ok) begin(found.value, call);
      else call.emit('error', errorOf(found.error));
    };
  };
  serve(PEERS_TELL, (own, request) => own.tell(request));
  serve(PEERS_COUNT, (own, request) => own.count(request));
  serve(PEERS_WHY, (own, request) => own.why(request));
  serve(PEERS_LIST_PROXIES, (own) => own.listProxies());
  serve(PEERS_GET_CONFIG, (own, request) => own.getConfig(request));
  serve(PEERS_GET_VERSIONS, (own, request) => own.getVersions(request));
  serve(PEERS_COUNT_HOLDERS, (own, request) => own.countHolders(request));
  serve(PEERS_VIEW_SERVICES, (own, request) => own.viewServices(request));
  stream<TapRequest, TapEvent>(PEERS_TAP, (own, call) => serveTap(call, (...asked) => own.tap(...asked)));
  stream<{ readonly noFollow: boolean }, MeshEvent>(PEERS_WATCH_EVENTS, (own, call) =>
    serveEvents(call, (...asked) => own.watchEvents(...asked)),
  );
  return { definitions: definitions as ServiceDefinition, handlers };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

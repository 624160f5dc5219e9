import { Client } from '@grpc/grpc-js';
import type { Result } from '@weft/kernel';
import type {
  GetConfigRequest,
  GetConfigResponse,
  GetVersionsResponse,
  ListObjectsRequest,
  ListProxiesResponse,
  MeshEvent,
  Nothing,
  TapEvent,
  TapRequest,
} from '../admin-message.ts';
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
import type { ClientTls } from './client-tls.ts';
import { GRPC_OPTIONS, ask, follow, tlsCredentials } from './grpc-calls.ts';
import {
  type CallFault,
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

/** There are few replicas, and somebody waits: one that is back is not to be waited for, as grpc-js would, up to two minutes. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500 };

/** Another replica of the control plane. One connection, made with the first call and again when it breaks. */
export class PeerClient {
  private readonly client: Client;

  /** `address` is `host:port`; `tls` shows the control plane's own certificate and takes no other for an answer. */
  constructor(address: string, tls: ClientTls) {
    this.client = new Client(address, tlsCredentials(tls), { ...GRPC_OPTIONS, ...RECONNECT });
  }

  tell(request: TellRequest): Promise<Result<TellResponse, CallFault>> {
    return ask(this.client, PEERS_TELL, request);
  }

  count(request: CountRequest): Promise<Result<Nothing, CallFault>> {
    return ask(this.client, PEERS_COUNT, request);
  }

  why(request: PeerWhyRequest): Promise<Result<PeerWhyResponse, CallFault>> {
    return ask(this.client, PEERS_WHY, request);
  }

  listProxies(): Promise<Result<ListProxiesResponse, CallFault>> {
    return ask(this.client, PEERS_LIST_PROXIES, {});
  }

  getConfig(request: GetConfigRequest): Promise<Result<GetConfigResponse, CallFault>> {
    return ask(this.client, PEERS_GET_CONFIG, request);
  }

  getVersions(proxy: string): Promise<Result<GetVersionsResponse, CallFault>> {
    return ask(this.client, PEERS_GET_VERSIONS, { proxy });
  }

  countHolders(request: ListObjectsRequest): Promise<Result<CountHoldersResponse, CallFault>> {
    return ask(this.client, PEERS_COUNT_HOLDERS, request);
  }

  viewServices(request: ViewServicesRequest): Promise<Result<ViewServicesResponse, CallFault>> {
    return ask(this.client, PEERS_VIEW_SERVICES, request);
  }

  /** As `AdminClient.watchEvents`, of what happens at that replica. */
  watchEvents(
    noFollow: boolean,
    event: (event: MeshEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): () => void {
    return follow(this.client, PEERS_WATCH_EVENTS, { noFollow }, event, ended);
  }

  /** As `AdminClient.tap`, of proxies that have their stream there. */
  tap(request: TapRequest, event: (event: TapEvent) => void, ended: (fault: CallFault | null) => void): () => void {
    return follow(this.client, PEERS_TAP, request, event, ended);
  }

  close(): void {
    this.client.close();
  }
}

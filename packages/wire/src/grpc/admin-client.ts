import { Client, Metadata, credentials } from '@grpc/grpc-js';
import type { Result } from '@weft/kernel';
import type {
  CreateTokenRequest,
  CreateTokenResponse,
  GetConfigRequest,
  GetConfigResponse,
  GetDashboardResponse,
  GetTrafficRequest,
  GetTrafficResponse,
  GetVersionsResponse,
  ListObjectsRequest,
  ListObjectsResponse,
  ListProxiesResponse,
  MeshEvent,
  ServerInfo,
  TapEvent,
  TapRequest,
  WhyResponse,
} from '../admin-message.ts';
import { GRPC_OPTIONS, ask, follow } from './grpc-calls.ts';
import {
  ADMIN_CREATE_TOKEN,
  ADMIN_GET_CONFIG,
  ADMIN_GET_SERVER,
  ADMIN_GET_DASHBOARD,
  ADMIN_GET_TRAFFIC,
  ADMIN_GET_VERSIONS,
  ADMIN_LIST_OBJECTS,
  ADMIN_LIST_PROXIES,
  ADMIN_TAP,
  ADMIN_WATCH_EVENTS,
  ADMIN_WHY,
  type CallFault,
  type Method,
} from './method.ts';

/** `Admin` over the control plane's UNIX socket. */
export class AdminClient {
  private readonly client: Client;
  private readonly token: () => string;

  /** Connects with the first call. `token`: what a guarded server is shown, as it is at each call. */
  constructor(socketPath: string, token: () => string = noToken) {
    this.token = token;
    this.client = new Client(`unix:${socketPath}`, credentials.createInsecure(), GRPC_OPTIONS);
  }

  getServer(): Promise<Result<ServerInfo, CallFault>> {
    return this.ask(ADMIN_GET_SERVER, {});
  }

  listProxies(): Promise<Result<ListProxiesResponse, CallFault>> {
    return this.ask(ADMIN_LIST_PROXIES, {});
  }

  getConfig(request: GetConfigRequest): Promise<Result<GetConfigResponse, CallFault>> {
    return this.ask(ADMIN_GET_CONFIG, request);
  }

  getVersions(proxy: string): Promise<Result<GetVersionsResponse, CallFault>> {
    return this.ask(ADMIN_GET_VERSIONS, { proxy });
  }

  listObjects(request: ListObjectsRequest): Promise<Result<ListObjectsResponse, CallFault>> {
    return this.ask(ADMIN_LIST_OBJECTS, request);
  }

  createToken(request: CreateTokenRequest): Promise<Result<CreateTokenResponse, CallFault>> {
    return this.ask(ADMIN_CREATE_TOKEN, request);
  }

  /** Hands events over until the server ends, the returned function is called, or something breaks. */
  watchEvents(
    noFollow: boolean,
    event: (event: MeshEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): () => void {
    return this.stream(ADMIN_WATCH_EVENTS, { noFollow }, event, ended);
  }

  /** What all proxies remember of a request, by its trace id or request id. */
  why(request: string): Promise<Result<WhyResponse, CallFault>> {
    return this.ask(ADMIN_WHY, { request });
  }

  getTraffic(request: GetTrafficRequest): Promise<Result<GetTrafficResponse, CallFault>> {
    return this.ask(ADMIN_GET_TRAFFIC, request);
  }

  getDashboard(): Promise<Result<GetDashboardResponse, CallFault>> {
    return this.ask(ADMIN_GET_DASHBOARD, {});
  }

  /** Hands live requests over until the time is over, the returned function is called, or something breaks. */
  tap(request: TapRequest, event: (event: TapEvent) => void, ended: (fault: CallFault | null) => void): () => void {
    return this.stream(ADMIN_TAP, request, event, ended);
  }

  close(): void {
    this.client.close();
  }

  private ask<Q, S>(method: Method<Q, S>, request: Q): Promise<Result<S, CallFault>> {
    return ask(this.client, method, request, this.metadata());
  }

  private metadata(): Metadata {
    const metadata = new Metadata();
    const token = this.token();
    if (token !== '') metadata.set('authorization', `Bearer ${token}`);
    return metadata;
  }

  private stream<Q, S>(
    method: Method<Q, S>,
    asked: Q,
    event: (event: S) => void,
    ended: (fault: CallFault | null) => void,
  ): () => void {
    return follow(this.client, method, asked, event, ended, this.metadata());
  }
}

function noToken(): string {
  return '';
}

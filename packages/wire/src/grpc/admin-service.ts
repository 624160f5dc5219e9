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
  WhyRequest,
  WhyResponse,
} from '../admin-message.ts';
import type { CallFault } from './method.ts';
import type { Reply } from './unary.ts';

/** What a control plane answers to people and tools. */
export interface AdminService {
  getServer(): Reply<ServerInfo>;
  listProxies(): Reply<ListProxiesResponse>;
  getConfig(request: GetConfigRequest): Reply<GetConfigResponse>;
  getVersions(request: { readonly proxy: string }): Reply<GetVersionsResponse>;
  listObjects(request: ListObjectsRequest): Reply<ListObjectsResponse>;
  /** Says the events remembered, then new ones until the returned function is called; calls `ended` when there are no more. */
  watchEvents(noFollow: boolean, emit: (event: MeshEvent) => void, ended: () => void): () => void;
  createToken(request: CreateTokenRequest): Reply<CreateTokenResponse>;
  why(request: WhyRequest): Reply<WhyResponse>;
  getTraffic(request: GetTrafficRequest): Reply<GetTrafficResponse>;
  getDashboard(): Reply<GetDashboardResponse>;
  /** Says what is tapped until the returned function is called or `ended` was. */
  tap(
    request: TapRequest,
    emit: (event: TapEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): Result<() => void, CallFault>;
}

/** A call of `Admin`, as proto/weft/v1/admin.proto names it. */
export type AdminCall = Capitalize<keyof AdminService>;

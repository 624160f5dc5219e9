/** The calls of weft.v1 as grpc-js wants them described, and faults of calls in our words. */
import type { MethodDefinition } from '@grpc/grpc-js';
import {
  createTokenRequest,
  createTokenResponse,
  eventMessage,
  getConfigRequest,
  getConfigResponse,
  getDashboardRequest,
  getDashboardResponse,
  getServerRequest,
  getTrafficRequest,
  getTrafficResponse,
  getVersionsRequest,
  getVersionsResponse,
  listObjectsRequest,
  listObjectsResponse,
  listProxiesRequest,
  listProxiesResponse,
  serverInfoMessage,
  tapEvent,
  tapRequest,
  watchEventsRequest,
  whyRequest,
  whyResponse,
} from '../admin-message.ts';
import { issueRequest, issueResponse } from '../identity-message.ts';
import type { Message } from '../message/message.ts';
import {
  countHoldersResponse,
  countRequest,
  countResponse,
  peerWhyRequest,
  peerWhyResponse,
  tellRequest,
  tellResponse,
  viewServicesRequest,
  viewServicesResponse,
} from '../peer-message.ts';

/** How a call ended, when not well. */
export interface CallFault {
  readonly code: CallFaultCode;
  /** One line for people: what is wrong and what to do. */
  readonly message: string;
}

export type CallFaultCode = keyof typeof GRPC_STATUS;

/** One call of weft.v1; both edges make of it what grpc-js wants. */
export interface Method<Q, S> {
  readonly path: string;
  readonly request: Message<Q>;
  readonly response: Message<S>;
}

export const MESH_SYNC: MethodDefinition<Buffer, Buffer> = {
  path: '/weft.v1.Mesh/Sync',
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};

export const IDENTITY_ISSUE = method('/weft.v1.Identity/Issue', issueRequest, issueResponse);
export const PEERS_TELL = method('/weft.v1.Peers/Tell', tellRequest, tellResponse);
export const PEERS_WHY = method('/weft.v1.Peers/Why', peerWhyRequest, peerWhyResponse);
export const PEERS_COUNT = method('/weft.v1.Peers/Count', countRequest, countResponse);
export const PEERS_LIST_PROXIES = method('/weft.v1.Peers/ListProxies', listProxiesRequest, listProxiesResponse);
export const PEERS_GET_CONFIG = method('/weft.v1.Peers/GetConfig', getConfigRequest, getConfigResponse);
export const PEERS_GET_VERSIONS = method('/weft.v1.Peers/GetVersions', getVersionsRequest, getVersionsResponse);
export const PEERS_WATCH_EVENTS = method('/weft.v1.Peers/WatchEvents', watchEventsRequest, eventMessage);
export const PEERS_TAP = method('/weft.v1.Peers/Tap', tapRequest, tapEvent);
export const PEERS_COUNT_HOLDERS = method('/weft.v1.Peers/CountHolders', listObjectsRequest, countHoldersResponse);
export const PEERS_VIEW_SERVICES = method('/weft.v1.Peers/ViewServices', viewServicesRequest, viewServicesResponse);
export const ADMIN_GET_SERVER = method('/weft.v1.Admin/GetServer', getServerRequest, serverInfoMessage);
export const ADMIN_LIST_PROXIES = method('/weft.v1.Admin/ListProxies', listProxiesRequest, listProxiesResponse);
export const ADMIN_GET_CONFIG = method('/weft.v1.Admin/GetConfig', getConfigRequest, getConfigResponse);
export const ADMIN_GET_VERSIONS = method('/weft.v1.Admin/GetVersions', getVersionsRequest, getVersionsResponse);
export const ADMIN_LIST_OBJECTS = method('/weft.v1.Admin/ListObjects', listObjectsRequest, listObjectsResponse);
export const ADMIN_WATCH_EVENTS = method('/weft.v1.Admin/WatchEvents', watchEventsRequest, eventMessage);
export const ADMIN_WHY = method('/weft.v1.Admin/Why', whyRequest, whyResponse);
export const ADMIN_GET_TRAFFIC = method('/weft.v1.Admin/GetTraffic', getTrafficRequest, getTrafficResponse);
export const ADMIN_GET_DASHBOARD = method('/weft.v1.Admin/GetDashboard', getDashboardRequest, getDashboardResponse);
export const ADMIN_TAP = method('/weft.v1.Admin/Tap', tapRequest, tapEvent);
export const ADMIN_CREATE_TOKEN = method('/weft.v1.Admin/CreateToken', createTokenRequest, createTokenResponse);

/** The gRPC status of a fault. */
export function statusOf(code: CallFaultCode): number {
  return GRPC_STATUS[code];
}

/** The fault for a gRPC status. */
export function faultOf(code: number, message: string): CallFault {
  for (const [name, value] of Object.entries(GRPC_STATUS)) {
    if (value === code) return { code: name as CallFaultCode, message };
  }
  return { code: 'Internal', message };
}

/** Numbers of gRPC's status codes, here so that nothing is loaded for them (grpc/doc/statuscodes.md). */
const GRPC_STATUS = {
  Cancelled: 1,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  Unauthenticated: 16,
} as const;

function method<Q, S>(path: string, request: Message<Q>, response: Message<S>): Method<Q, S> {
  return { path, request, response };
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

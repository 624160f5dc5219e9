export type { WireProblem } from './message/message.ts';
export { NO_HASH } from './message/field.ts';
export {
  type VersionedResource,
  decodeResource,
  encodeResource,
  referencesOf,
  resourceKey,
  versionResource,
} from './resource-codec.ts';
export {
  type Ack,
  type AnnouncedListener,
  type Answer,
  type ClientMessage,
  type Drain,
  type EndpointDelta,
  type ErrorCode,
  type HeldResource,
  type Hello,
  type Label,
  PROTOCOL_VERSION,
  type Query,
  type Report,
  type ResourceError,
  type ServerMessage,
  type Subscribe,
  type Tap,
  type Tapped,
  type Transaction,
  CERTIFICATES_CAPABILITY,
  type EdgeCertificateMessage,
  type EdgeCertificates,
  type TrustBundleMessage,
  type Upsert,
  type Welcome,
  type WorkloadFacts,
} from './sync-message.ts';
export {
  type CountHoldersResponse,
  type CountRequest,
  type CountedProxy,
  type FoundHop,
  type ObjectHolders,
  type PeerWhyRequest,
  type PeerWhyResponse,
  type ServiceCall,
  type ServiceView,
  type TellRequest,
  type TellResponse,
  type ToldInstance,
  type ViewServicesRequest,
  type ViewServicesResponse,
  readTold,
  writeTold,
} from './peer-message.ts';
export type { ExistingCertificate, IssueRequest, IssueResponse } from './identity-message.ts';
export type {
  AskedReplica,
  AskedRing,
  Condition,
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
  Nothing,
  ObjectProblem,
  ObjectStatus,
  ProxyHop,
  ProxyState,
  ProxyStatus,
  ResourceVersion,
  ServerInfo,
  TapEvent,
  TapRequest,
  Traffic,
  WhyRequest,
  WhyResponse,
} from './admin-message.ts';
export {
  type Attempt,
  type BackendFacts,
  type BackendView,
  type BackendWeight,
  type Counters,
  EDGE_BUCKET_BOUNDS_MS,
  type EdgeCounters,
  type EndpointView,
  type Hop,
  MAX_EDGES,
  MAX_TOLD_BYTES,
  MAX_VIEWED_ENDPOINTS,
  type PassedOver,
  type RingReach,
  type TapDirection,
  type TapFilter,
  type TappedField,
  type TappedRequest,
  type TimeSpent,
  type TrafficDirection,
} from './observation-message.ts';
export { EndpointDeltas } from './endpoint-delta.ts';
export { type HeldVersion, encodeSnapshot, readSnapshot } from './snapshot.ts';
export { SyncClient, type SyncClientOptions } from './sync-client.ts';
export type {
  AppliedChanges,
  ChangedResource,
  Changes,
  ConnectionFacts,
  Refusal,
  RequestMemory,
  SyncConnector,
  SyncHandler,
  SyncStream,
  SyncStreamEvents,
} from './sync-handler.ts';
export type { ResourceFacts, SessionEnd, SessionOptions, SessionPort, View } from './session-contract.ts';
export { SyncSession } from './sync-session.ts';
export { SyncHub } from './sync-hub.ts';
export { type AdminGuard, AdminServer } from './grpc/admin-server.ts';
export type { AdminCall, AdminService } from './grpc/admin-service.ts';
export { AdminClient } from './grpc/admin-client.ts';
export type { PeerService } from './grpc/peer-methods.ts';
export { PeerClient } from './grpc/peer-client.ts';
export type { ClientTls } from './grpc/client-tls.ts';
export { issueCertificate, syncConnector } from './grpc/control-client.ts';
export { ControlServer, type ControlServerOptions, type ControlService, type Reply } from './grpc/control-server.ts';
export type { CallFault, CallFaultCode } from './grpc/method.ts';

export { ADMIN_AUDIENCE } from './admin-access.ts';
export type { ClusterOptions } from './cluster/cluster-room.ts';
export type { WebhookOptions } from './cluster/webhook-room.ts';
export type { InjectionNote } from './admission/admission-desk.ts';
export { AdmissionServer, type AdmissionServerOptions } from './admission/admission-server.ts';
export { WebhookIdentity, type WebhookIdentityOptions, type WebhookRootStore } from './admission/webhook-identity.ts';
export {
  type ControlOptions,
  type ControlPlane,
  ControlStartError,
  type ControlStatus,
  type ControlTelemetryOptions,
  type DashboardOptions,
  type RootRotation,
  type TokenRequest,
} from './control-options.ts';
export { startControlPlane } from './control-plane.ts';
export { DashboardServer, type DashboardServerOptions } from './dashboard-server/dashboard-server.ts';
export { DashboardToken } from './dashboard-server/dashboard-token.ts';
export type { DocumentSources } from './dashboard-server/dashboard-documents.ts';
export type { Log, LogFields } from './log.ts';
export type {
  EdgeJson,
  EventsJson,
  FaultJson,
  NodeJson,
  ObjectsJson,
  OverviewJson,
  ProblemJson,
  ProxiesJson,
  ProxyCountsJson,
  ProxyGaugesJson,
  ProxyJson,
  RouteTrafficJson,
  SeriesJson,
  ServiceEndpointsJson,
  ServiceJson,
  ServicesJson,
  SignalsJson,
  TapJson,
  TopologyJson,
  WhyJson,
} from './dashboard-server/dashboard-api.ts';
export type { PushResult } from './push-progress.ts';
export { type ConfigPlace, type PlacedObject, readPlace } from './source/config-place.ts';
export { type OtlpEndpoint, otlpEndpointForms, readOtlpEndpoint } from './telemetry/otlp-endpoint.ts';
export { FileSource, type FileSourceOptions } from './source/file-source.ts';
export { MemorySource } from './source/memory-source.ts';
export type { ObjectSource, SourceSink } from './source/object-source.ts';

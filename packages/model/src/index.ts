export { byCodeUnit, canonicalBytes } from './canonical/canonical-bytes.ts';
export { hash64 } from './canonical/content-hash.ts';
export type { TelemetryPolicySpec } from './kinds/telemetry-policy.ts';
export type { AuthenticationPolicySpec } from './kinds/authentication-policy.ts';
export type { GatewayClassSpec, GatewayListenerSpec, GatewaySpec } from './kinds/gateway.ts';
export type { GrpcRouteRule, GrpcRouteSpec } from './kinds/grpc-route.ts';
export type { HttpRouteRule, HttpRouteSpec } from './kinds/http-route.ts';
export {
  type ConfigObject,
  type Kind,
  type KindEntry,
  type ObjectKey,
  type ObjectOf,
  type AnyRoute,
  type OpaqueRoute,
  type RequestRoute,
  type SpecOfKind,
  keyOf,
  kindTable,
  objectKey,
  plannedKinds,
} from './kinds/kind-table.ts';
export type { MeshSpec } from './kinds/mesh.ts';
export type { Metadata } from './kinds/metadata.ts';
export type { ReferenceGrantSpec } from './kinds/reference-grant.ts';
export type { ServicePort, ServiceSpec } from './kinds/service.ts';
export type { TrafficPolicySpec, TrafficSpec } from './kinds/traffic-policy.ts';
export type { WorkloadEntrySpec } from './kinds/workload-entry.ts';
export { builtInDefaults } from './policy/built-in-defaults.ts';
export type { EffectiveEndpoint, EffectiveRequest, ValueSources } from './policy/effective-traffic.ts';
export { type EffectiveTraffic, effectiveTraffic } from './policy/explain-policy.ts';
export { type EffectiveMtls, effectiveMtls } from './policy/mtls-mode.ts';
export { type ProblemCode, type ProblemCodeName, problemCodes } from './problem/problem-code.ts';
export {
  type FieldPath,
  type ObjectRef,
  type Problem,
  type ProblemOrigin,
  fieldPathText,
  formatProblem,
  problemOf,
} from './problem/problem.ts';
export type { DocumentOrigin } from './reader/document-origin.ts';
export {
  type DocumentLimits,
  type DocumentsResult,
  type SourceDocument,
  documentLimits,
  readDocuments,
} from './reader/document-reader.ts';
export { type FileSetResult, type SourceFile, readFileSet } from './reader/file-set-reader.ts';
export { type ReadOptions, type ReadResult, defaultNamespace, readObject } from './reader/object-reader.ts';
export type { CelRule, FieldNode, SchemaNode } from './schema/schema.ts';
export { nearestWord } from './schema/nearest-word.ts';
export {
  type Condition,
  type ListenerStatus,
  type ObjectStatus,
  type ParentReference,
  type ParentStatus,
  type ProgrammedCount,
  programmedCondition,
} from './status/condition.ts';
export { type LogFilter, type LogFilterFacts, readLogFilter } from './telemetry/log-filter.ts';
export { statusOf, statusOfRefused } from './status/object-status.ts';
export { type BackendReference, type ResolvedBackend, resolveReference } from './view/backend-reference.ts';
export {
  type DestinationParts,
  addressKey,
  addressNamespace,
  destinationKey,
  isAddressKey,
  readDestination,
} from './view/destination.ts';
export { type Change, type ChangeEffect, Model, destinations, workloadsOf } from './view/model.ts';
export { resolveBackend, resolveEndpoints } from './view/resolve-endpoints.ts';
export {
  type MeshControl,
  resolveInbound,
  resolveMesh,
  resolveMeshControl,
  resolveNames,
  visibleNamespaces,
} from './view/resolve-mesh.ts';
export { resolveResource } from './view/resolve-resource.ts';
export { closure, resolveGatewayListeners, resolveRoutes } from './view/resolve-routes.ts';
export type {
  AccessLogSettings,
  ApplicationProtocol,
  Backend,
  CircuitBreakerPolicy,
  ConnectionPolicy,
  Cors,
  DestinationKey,
  DestinationRoutes,
  Endpoint,
  EndpointSet,
  GatewayListener,
  GrpcMethodMatch,
  HeaderField,
  HeaderModifier,
  HealthCheckPolicy,
  InboundPort,
  InboundSettings,
  LoadBalancerPolicy,
  MeshSettings,
  MetricSettings,
  Mirror,
  MtlsMode,
  NameIndex,
  OutlierPolicy,
  PathMatch,
  PathRewrite,
  Redirect,
  RequestTimeouts,
  Resource,
  ResourceKey,
  ResourceType,
  RetryBudgetPolicy,
  RetryPolicy,
  RouteFilter,
  RouteMatch,
  RouteRule,
  RouteTelemetry,
  StatusRange,
  SuccessRatePolicy,
  TelemetrySettings,
  TraceSettings,
  UrlRewrite,
  ValueMatch,
  VisiblePort,
  VisibleService,
  WeightedBackend,
} from './view/resource.ts';
export { gatewayController, meshController } from './view/route-attachment.ts';
export type { InstancePort, Workload, WorkloadInstance } from './view/workload-index.ts';
export { permittedCertificates } from './view/certificate-reference.ts';
export { isOurGateway } from './view/route-attachment.ts';

import type { Schema } from '../schema/schema.ts';
import { type AuthenticationPolicySpec, authenticationPolicySpecSchema } from './authentication-policy.ts';
import {
  type GatewayClassSpec,
  type GatewaySpec,
  gatewayClassSpecSchema,
  gatewaySpecSchema,
  namespaceSpecSchema,
} from './gateway.ts';
import { type GrpcRouteSpec, grpcRouteSpecSchema } from './grpc-route.ts';
import { type TcpRouteSpec, type TlsRouteSpec, tcpRouteSpecSchema, tlsRouteSpecSchema } from './opaque-route.ts';
import { type HttpRouteSpec, httpRouteSpecSchema } from './http-route.ts';
import { type MeshSpec, meshSpecSchema } from './mesh.ts';
import type { Metadata } from './metadata.ts';
import { type ReferenceGrantSpec, referenceGrantSpecSchema } from './reference-grant.ts';
import { type ServiceSpec, serviceSpecSchema } from './service.ts';
import { type TelemetryPolicySpec, telemetryPolicySpecSchema } from './telemetry-policy.ts';
import { type TrafficPolicySpec, trafficPolicySpecSchema } from './traffic-policy.ts';
import { type WorkloadEntrySpec, workloadEntrySpecSchema } from './workload-entry.ts';

/** What each kind served by this version says in `spec`, checked. Durations are milliseconds, sizes bytes. */
export interface SpecOfKind {
  readonly Service: ServiceSpec;
  readonly Namespace: Readonly<Record<string, never>>;
  readonly WorkloadEntry: WorkloadEntrySpec;
  readonly Gateway: GatewaySpec;
  readonly GatewayClass: GatewayClassSpec;
  readonly HTTPRoute: HttpRouteSpec;
  readonly GRPCRoute: GrpcRouteSpec;
  readonly TCPRoute: TcpRouteSpec;
  readonly TLSRoute: TlsRouteSpec;
  readonly ReferenceGrant: ReferenceGrantSpec;
  readonly Mesh: MeshSpec;
  readonly TrafficPolicy: TrafficPolicySpec;
  readonly AuthenticationPolicy: AuthenticationPolicySpec;
  readonly TelemetryPolicy: TelemetryPolicySpec;
}

export type Kind = keyof SpecOfKind;

export interface ObjectOf<K extends Kind> {
  readonly apiVersion: string;
  readonly kind: K;
  readonly metadata: Metadata;
  readonly spec: SpecOfKind[K];
}

/** Routes whose requests are heads with a path: they share rules, filters and the tables they are compiled to. */
export type RequestRoute = ObjectOf<'HTTPRoute'> | ObjectOf<'GRPCRoute'>;

/** Routes of whole connections, whose bytes are not read. */
export type OpaqueRoute = ObjectOf<'TCPRoute'> | ObjectOf<'TLSRoute'>;

export type AnyRoute = RequestRoute | OpaqueRoute;

/** A checked configuration object. Readonly throughout; shared freely. */
export type ConfigObject = { [K in Kind]: ObjectOf<K> }[Kind];

/** `Kind/namespace/name`; the namespace is empty for cluster-scoped kinds. */
export type ObjectKey = `${string}/${string}/${string}`;

export interface KindEntry {
  readonly kind: Kind;
  /** Preferred first. */
  readonly apiVersions: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  readonly spec: Schema<unknown>;
  /** Whether an object without `spec` is whole. */
  readonly specOptional: boolean;
  readonly doc: string;
}

export const kindTable: ReadonlyMap<Kind, KindEntry> = new Map(
  [
    entry('Service', ['v1'], 'Namespaced', serviceSpecSchema, 'The name of a destination.'),
    entry('Namespace', ['v1'], 'Cluster', namespaceSpecSchema, 'Labels of a namespace.', true),
    entry(
      'WorkloadEntry',
      ['weft.dev/v1alpha1'],
      'Namespaced',
      workloadEntrySpecSchema,
      'An instance that is not a pod.',
    ),
    entry(
      'Gateway',
      ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
      'Namespaced',
      gatewaySpecSchema,
      'An entry into the mesh.',
    ),
    entry(
      'GatewayClass',
      ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
      'Cluster',
      gatewayClassSpecSchema,
      'Who serves Gateways.',
    ),
    entry(
      'HTTPRoute',
      ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
      'Namespaced',
      httpRouteSpecSchema,
      'Where requests go.',
    ),
    entry('GRPCRoute', ['gateway.networking.k8s.io/v1'], 'Namespaced', grpcRouteSpecSchema, 'Where gRPC requests go.'),
    entry(
      'TCPRoute',
      ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha2'],
      'Namespaced',
      tcpRouteSpecSchema,
      'Where TCP connections go.',
    ),
    entry(
      'TLSRoute',
      ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha3', 'gateway.networking.k8s.io/v1alpha2'],
      'Namespaced',
      tlsRouteSpecSchema,
      'Where TLS connections go, by server name.',
    ),
    entry(
      'ReferenceGrant',
      ['gateway.networking.k8s.io/v1beta1', 'gateway.networking.k8s.io/v1'],
      'Namespaced',
      referenceGrantSpecSchema,
      'Who may refer to what across namespaces.',
    ),
    entry('Mesh', ['weft.dev/v1alpha1'], 'Cluster', meshSpecSchema, 'Settings of the whole mesh.'),
    entry('TrafficPolicy', ['weft.dev/v1alpha1'], 'Namespaced', trafficPolicySpecSchema, 'How callers call a service.'),
    entry(
      'AuthenticationPolicy',
      ['weft.dev/v1alpha1'],
      'Namespaced',
      authenticationPolicySpecSchema,
      'Who may be believed.',
    ),
    entry(
      'TelemetryPolicy',
      ['weft.dev/v1alpha1'],
      'Namespaced',
      telemetryPolicySpecSchema,
      'What is told of requests: lines, spans, metrics.',
    ),
  ].map((each) => [each.kind, each]),
);

/** Kinds of the design that a later version serves: refused with that reason instead of "unknown". */
export const plannedKinds: ReadonlySet<string> = new Set([
  'AuthorizationPolicy',
  'BackendTLSPolicy',
  'CanaryRelease',
  'ComposedRoute',
  'ExternalService',
  'FaultPolicy',
  'ProxyFilter',
  'RateLimitPolicy',
]);

export function objectKey(kind: string, namespace: string, name: string): ObjectKey {
  return `${kind}/${namespace}/${name}`;
}

export function keyOf(object: ConfigObject): ObjectKey {
  return objectKey(object.kind, object.metadata.namespace, object.metadata.name);
}

function entry(
  kind: Kind,
  apiVersions: readonly string[],
  scope: KindEntry['scope'],
  spec: Schema<unknown>,
  doc: string,
  specOptional = false,
): KindEntry {
  return { kind, apiVersions, scope, spec, specOptional, doc };
}

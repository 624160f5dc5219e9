/** What is kept of objects of Kubernetes' own kinds: the fields that a mesh asks for, and no others. */
import { type InjectedSidecar, readInjectedSidecar } from '@weft/injection';
import type { RawObject } from '../watch/kind-watch.ts';

export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly node: string;
  readonly address: string;
  /** One per family. */
  readonly addresses: readonly string[];
  readonly hostNetwork: boolean;
  readonly createdAtMs: number;
  readonly isTerminating: boolean;
  /** Succeeded or Failed: nothing runs in it any more. */
  readonly isOver: boolean;
  readonly isReady: boolean;
  /** The sidecar that the webhook put into it; undefined for a pod without one. */
  readonly sidecar: InjectedSidecar | undefined;
}

export interface SliceFacts {
  readonly name: string;
  readonly namespace: string;
  /** Name of its Service; a slice of none is not kept. */
  readonly service: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SliceEndpoint {
  readonly address: string;
  /** Name of the pod; empty for an address that is none. */
  readonly pod: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Of the endpoint, or the one that hints give it to. */
  readonly zone: string;
  readonly node: string;
}

type Fields = Readonly<Record<string, unknown>>;

export function podFacts(raw: RawObject): PodFacts {
  const { metadata } = raw;
  const spec = fieldsOf(raw['spec']);
  const status = fieldsOf(raw['status']);
  const phase = textOf(status['phase']);
  const address = textOf(status['podIP']);
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    labels: metadata.labels ?? {},
    serviceAccount: textOf(spec['serviceAccountName']) || 'default',
    node: textOf(spec['nodeName']),
    address,
    addresses: listOf(status['podIPs'])
      .map(({ ip }) => textOf(ip))
      .filter((ip) => ip !== ''),
    hostNetwork: spec['hostNetwork'] === true,
    createdAtMs: timeOf(metadata['creationTimestamp']),
    isTerminating: metadata['deletionTimestamp'] !== undefined,
    isOver: phase === 'Succeeded' || phase === 'Failed',
    isReady: listOf(status['conditions']).some((each) => each['type'] === 'Ready' && each['status'] === 'True'),
    sidecar: readInjectedSidecar(raw),
  };
}

/** Undefined for a slice that belongs to no Service, or names its endpoints by DNS name. */
export function sliceFacts(raw: RawObject): SliceFacts | undefined {
  const { metadata } = raw;
  const service = metadata.labels?.['kubernetes.io/service-name'] ?? '';
  const family = textOf(raw['addressType']);
  if (service === '' || (family !== 'IPv4' && family !== 'IPv6')) return undefined;
  const endpoints: SliceEndpoint[] = [];
  for (const endpoint of listOf(raw['endpoints'])) {
    const address = Array.isArray(endpoint['addresses']) ? textOf(endpoint['addresses'][0]) : '';
    if (address === '') continue;
    const conditions = fieldsOf(endpoint['conditions']);
    const target = fieldsOf(endpoint['targetRef']);
    const hinted = listOf(fieldsOf(endpoint['hints'])['forZones']);
    // Absent is unknown, which is to be taken for ready (EndpointConditions of discovery.k8s.io/v1).
    const ready = conditions['ready'] !== false;
    endpoints.push({
      address,
      pod: target['kind'] === 'Pod' ? textOf(target['name']) : '',
      ready,
      serving:
        conditions['serving'] === undefined || conditions['serving'] === null ? ready : conditions['serving'] === true,
      terminating: conditions['terminating'] === true,
      zone: hinted.length === 1 ? textOf(hinted[0]?.['name']) : textOf(endpoint['zone']),
      node: textOf(endpoint['nodeName']),
    });
  }
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    service,
    family,
    ports: listOf(raw['ports'])
      .filter(({ port }) => typeof port === 'number')
      .map(({ name, port, protocol }) => ({
        name: textOf(name),
        port: port as number,
        protocol: textOf(protocol) || 'TCP',
      })),
    endpoints,
  };
}

const serviceFields = [
  'selector',
  'clusterIP',
  'clusterIPs',
  'trafficDistribution',
  'sessionAffinity',
  'internalTrafficPolicy',
  'type',
] as const;
const portFields = ['name', 'port', 'targetPort', 'appProtocol', 'protocol'] as const;

/** A Service with the fields that the model reads: a newer Kubernetes may have more, and they must refuse nothing. */
export function serviceObject(raw: RawObject): RawObject {
  const spec = fieldsOf(raw['spec']);
  const ports = Array.isArray(spec['ports'])
    ? spec['ports'].map((port) => pick(fieldsOf(port), portFields))
    : undefined;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: plainMetadata(raw),
    spec: { ...pick(spec, serviceFields), ...(ports === undefined ? {} : { ports }) },
  };
}

/** Annotations stay out: the model reads none, and they may be long. */
export function namespaceObject(raw: RawObject): RawObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: plainMetadata(raw) };
}

/** An object of a kind that is configured: without `managedFields`, `status` kept aside by whoever writes it. */
export function configObject(raw: RawObject, apiVersion: string, kind: string): RawObject {
  const { status, ...rest } = raw;
  return { ...rest, apiVersion, kind, metadata: plainMetadata(raw), ...(status === undefined ? {} : { status }) };
}

const metadataFields = [
  'name',
  'namespace',
  'labels',
  'uid',
  'generation',
  'resourceVersion',
  'creationTimestamp',
] as const;

function plainMetadata({ metadata }: RawObject): RawObject['metadata'] {
  return pick(metadata, metadataFields) as RawObject['metadata'];
}

function pick(fields: Fields, names: readonly string[]): Fields {
  const picked: Record<string, unknown> = {};
  for (const name of names) if (fields[name] !== undefined && fields[name] !== null) picked[name] = fields[name];
  return picked;
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function timeOf(value: unknown): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? 0 : ms;
}

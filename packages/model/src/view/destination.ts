import type { ServicePort } from '../kinds/service.ts';
import type { ApplicationProtocol, DestinationKey } from './resource.ts';

export interface DestinationParts {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

export function destinationKey(serviceKey: string, port: number): DestinationKey {
  return `${serviceKey}:${port}`;
}

/** No namespace has this name: destinations in it are addresses of instances, which callers dial without a service. */
export const addressNamespace = '~';

/** The destination that an address and port mean, whoever has them. */
export function addressKey(address: string, port: number): DestinationKey {
  return `${addressNamespace}/${address.replaceAll(':', '-')}:${port}`;
}

export function isAddressKey(key: DestinationKey): boolean {
  return key.startsWith('~/');
}

/** Undefined when the text is no `namespace/service:port`. */
export function readDestination(key: string): DestinationParts | undefined {
  const match = /^([^/:]+)\/([^/:]+):([0-9]{1,5})$/.exec(key);
  if (match === null) return undefined;
  return { namespace: match[1]!, service: match[2]!, port: Number(match[3]) };
}

/** Ports other than TCP are invisible to the mesh. */
export function isMeshPort(port: ServicePort): boolean {
  return (port.protocol ?? 'TCP') === 'TCP';
}

/** The section of a Service is a port, by name or by number. */
export function isSection(port: ServicePort, sectionName: string): boolean {
  return port.name === sectionName || String(port.port) === sectionName;
}

const http1 = new Set(['http', 'http1', 'http/1.1', 'kubernetes.io/ws']);
const http2 = new Set(['http2', 'h2c', 'kubernetes.io/h2c']);

/**
 * First words of port names that declare a protocol, as other meshes read them: `grpc`, `grpc-web`, `http2-admin`. A name
 * that begins with another word says nothing.
 */
const namedProtocols: ReadonlyMap<string, ApplicationProtocol> = new Map<string, ApplicationProtocol>([
  ['http', 'Http1'],
  ['http2', 'Http2'],
  ['h2c', 'Http2'],
  ['grpc', 'Grpc'],
  ...['tcp', 'tls', 'https', 'mysql', 'postgres', 'postgresql', 'redis', 'mongo', 'kafka', 'amqp', 'smtp'].map(
    (word): [string, ApplicationProtocol] => [word, 'Tcp'],
  ),
]);

/**
 * What a port declares: by `appProtocol` (Kubernetes' own values, IANA service names), else by the first word of its name. A
 * declared protocol that is not HTTP is opaque, TLS too: what is inside belongs to the two ends. Neither is unknown: learned
 * or detected.
 */
export function protocolOf(port: ServicePort): ApplicationProtocol {
  const declared = port.appProtocol?.toLowerCase();
  if (declared === undefined) return namedProtocols.get((port.name ?? '').split('-', 1)[0]!) ?? 'Unknown';
  if (http1.has(declared)) return 'Http1';
  if (http2.has(declared)) return 'Http2';
  return declared === 'grpc' ? 'Grpc' : 'Tcp';
}

import { compileTables } from '@weft/decision';
import type { BackendState, CompiledRule, TableEnvironment, Tables } from '@weft/decision';
import type { ApplicationProtocol, Backend, DestinationRoutes, EndpointSet, Resource, ResourceKey } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';

/** Hosts outside the mesh that are remembered; beyond it the one asked for longest ago goes. */
const MOST_HOSTS = 256;

export interface OutsideTarget {
  readonly rule: CompiledRule;
  readonly backend: BackendState;
}

/**
 * Ways to hosts that are not in the mesh, for `egress: AllowAny`: plaintext HTTP to where the name points, with no retries
 * and no ejection, since nothing is known of the service.
 */
export class Egress {
  private readonly environment: TableEnvironment;
  private readonly hosts: Map<string, OutsideTarget>;
  /** Ports that this process listens on: an address of ours would be a loop. */
  private readonly isOwnAddress: (host: string, port: number) => boolean;
  private readonly forgotten: (backend: BackendState) => void;

  /** `forgotten` hears of a way that is no longer remembered, so that its connections end. */
  constructor(
    environment: TableEnvironment,
    isOwnAddress: (host: string, port: number) => boolean,
    forgotten: (backend: BackendState) => void,
  ) {
    this.environment = environment;
    this.hosts = new Map();
    this.isOwnAddress = isOwnAddress;
    this.forgotten = forgotten;
  }

  /** The way to `host`, or why there is none. */
  resolve(tables: Tables, host: string, port: number): OutsideTarget | TerminationCode {
    if (this.isOwnAddress(host, port)) return 'loop-detected';
    if (tables.mesh.egress !== 'AllowAny') return 'egress-refused';
    const key = `${host}:${port}`;
    const known = this.hosts.get(key);
    if (known !== undefined) {
      // The one asked for longest ago stands first.
      this.hosts.delete(key);
      this.hosts.set(key, known);
      return known;
    }
    const target = this.compile(host, port);
    if (this.hosts.size >= MOST_HOSTS) {
      const [oldest, way] = this.hosts.entries().next().value!;
      this.hosts.delete(oldest);
      this.forgotten(way.backend);
    }
    this.hosts.set(key, target);
    return target;
  }

  private compile(host: string, port: number): OutsideTarget {
    const name = `outside/${host}:${port}`;
    const tables = compileTables(
      new Map(
        passThrough(
          name,
          [{ address: host, port, applicationPort: port, key: name, identity: '', mesh: false, zone: '', weight: 1 }],
          'Unknown',
        ),
      ),
      undefined,
      this.environment,
    ).tables;
    const destination = tables.destination(name)!;
    return { rule: destination.routes.rules[0]!, backend: tables.backend(name)! };
  }
}

/** Resources of a destination that passes everything on to fixed endpoints, with no policy of its own. */
export function passThrough(
  name: string,
  endpoints: EndpointSet['endpoints'],
  protocol: ApplicationProtocol = 'Http1',
): [ResourceKey, { resource: Resource; hash: string }][] {
  const routes: DestinationRoutes = {
    type: 'routes',
    name,
    rules: [
      {
        route: `Service ${name.slice(0, name.lastIndexOf(':'))}`,
        rule: 'default',
        hostnames: [],
        matches: [{ path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [], grpc: null }],
        filters: [],
        backends: [{ backend: name, weight: 1, filters: [] }],
        timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 1_000, streamIdleMs: 300_000 },
        retries: {
          attempts: 0,
          on: [],
          statuses: [],
          grpcStatuses: [],
          anyMethod: false,
          backoffBaseMs: 25,
          backoffMaxMs: 250,
          bodyLimitBytes: 0,
          budget: { percent: 0, minimumPerSecond: 0, windowMs: 10_000 },
        },
      },
    ],
  };
  const backend: Backend = {
    type: 'backend',
    name,
    protocol,
    loadBalancer: {
      type: 'RoundRobin',
      decayMs: 10_000,
      initialLatencyMs: 30,
      slowStartMs: 0,
      slowStartMinimumPercent: 0,
      locality: 'Off',
      panicBelowPercent: 0,
    },
    connections: {
      maxPerEndpoint: 0,
      maxPending: 0,
      idleTimeoutMs: 60_000,
      maxLifetimeMs: 0,
      maxRequestsPerConnection: 0,
      sendsProxyProtocol: false,
      keepsFieldNameCase: false,
    },
    circuitBreaker: null,
    maxRequests: 0,
    outlierDetection: null,
    healthCheck: null,
  };
  const set: EndpointSet = { type: 'endpoints', name, endpoints };
  const version = JSON.stringify([protocol, endpoints]);
  return [routes, backend, set].map((resource) => [
    `${resource.type}:${name}` as ResourceKey,
    { resource, hash: version },
  ]);
}

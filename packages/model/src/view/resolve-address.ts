import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import { mergeEndpoint, mergeRequest } from '../policy/effective-traffic.ts';
import type { ObjectOf } from '../kinds/kind-table.ts';
import { addressKey, addressNamespace } from './destination.ts';
import type { Model } from './model.ts';
import { resolveInbound } from './resolve-mesh.ts';
import type { ApplicationProtocol, Backend, DestinationKey, DestinationRoutes, EndpointSet } from './resource.ts';
import { matchAll, opaqueTimeouts } from './route-rule.ts';
import type { Workload, WorkloadInstance } from './workload-index.ts';

/**
 * The one rule of an address: everything to the instance that has it, without routes and policies, which are of services.
 * Undefined when no sidecar listens there: then the address is none of the mesh's.
 */
export function resolveAddressRoutes(model: Model, key: DestinationKey): DestinationRoutes | undefined {
  const place = findAddress(model, key);
  if (place === undefined) return undefined;
  const request = mergeRequest([]);
  return {
    type: 'routes',
    name: key,
    rules: [
      {
        route: `Workload ${place.workload.key}`,
        rule: '0',
        hostnames: [],
        matches: [matchAll()],
        filters: [],
        backends: [{ backend: key, weight: 1, filters: [] }],
        timeouts: place.protocol === 'Tcp' ? opaqueTimeouts(request) : request.timeouts,
        // Where one instance is meant, another try meets the same one.
        retries: { ...request.retries, attempts: 0 },
      },
    ],
  };
}

export function resolveAddressBackend(model: Model, key: DestinationKey): Backend | undefined {
  const place = findAddress(model, key);
  if (place === undefined) return undefined;
  const { sources: _, ...policy } = mergeEndpoint([], noService);
  // There is nobody else to turn to.
  return {
    type: 'backend',
    name: key,
    protocol: place.protocol,
    ...policy,
    outlierDetection: null,
    circuitBreaker: null,
  };
}

export function resolveAddressEndpoints(model: Model, key: DestinationKey): EndpointSet | undefined {
  const place = findAddress(model, key);
  if (place === undefined) return undefined;
  const { workload, instance, port } = place;
  const { zone } = workload;
  const { address, identity } = instance;
  const { applicationPort, meshPort } = port;
  const own = `${workload.key}:${applicationPort}`;
  return {
    type: 'endpoints',
    name: key,
    endpoints: [{ key: own, address, port: meshPort, applicationPort, identity, mesh: true, zone, weight: 1 }],
  };
}

interface AddressPlace {
  readonly workload: Workload;
  readonly instance: WorkloadInstance;
  readonly port: WorkloadInstance['ports'][number];
  readonly protocol: ApplicationProtocol;
}

/** An instance that drains is still meant by its address: there is none to take its place. */
function findAddress(model: Model, key: DestinationKey): AddressPlace | undefined {
  for (const workloadKey of [...model.workloads.at(key)].sort(byCodeUnit)) {
    const workload = model.workloads.get(workloadKey);
    const instance = workload?.instance;
    const port = instance?.ports.find(({ meshPort }) => addressKey(instance.address, meshPort) === key);
    if (workload === undefined || instance === undefined || port === undefined) continue;
    const inbound = resolveInbound(model, workloadKey)?.ports.find((each) => each.port === port.applicationPort);
    return { workload, instance, port, protocol: inbound?.protocol ?? 'Unknown' };
  }
  return undefined;
}

const noService: ObjectOf<'Service'> = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: addressNamespace, namespace: addressNamespace, labels: {}, generation: 0, createdAtMs: 0 },
  spec: {},
};

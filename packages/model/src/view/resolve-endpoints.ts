import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import type { ObjectOf } from '../kinds/kind-table.ts';
import type { ServicePort } from '../kinds/service.ts';
import { mergeEndpoint } from '../policy/effective-traffic.ts';
import { effectiveMtls } from '../policy/mtls-mode.ts';
import { serviceLayers } from '../policy/policy-layers.ts';
import type { Model } from './model.ts';
import { portProtocol } from './port-protocol.ts';
import { findPort } from './resolve-routes.ts';
import type { Backend, DestinationKey, Endpoint, EndpointSet } from './resource.ts';
import { type Workload, applicationPortOf } from './workload-index.ts';

/** How callers of a namespace call a Service port; undefined when there is no such port. */
export function resolveBackend(model: Model, key: DestinationKey, callerNamespace: string): Backend | undefined {
  const place = findPort(model, key);
  if (place === undefined) return undefined;
  const { service, port } = place;
  const { sources: _, ...policy } = mergeEndpoint(serviceLayers(model, service, port, callerNamespace), service);
  return { type: 'backend', name: key, protocol: portProtocol(model, service, port), ...policy };
}

/**
 * The instances of a Service port, the same for every caller; undefined when there is no such port. An instance is left out
 * when it drains, when it has no port of the name the Service asks for, and when it must be Strict but no attested proxy
 * stands before that port: nobody could reach it but by a plaintext that it has to refuse.
 */
export function resolveEndpoints(model: Model, key: DestinationKey): EndpointSet | undefined {
  const place = findPort(model, key);
  if (place === undefined) return undefined;
  const endpoints: Endpoint[] = [];
  for (const workloadKey of model.workloads.membersOf(serviceKeyOf(place.service))) {
    model.workloads.visited += 1;
    const workload = model.workloads.get(workloadKey);
    const endpoint = workload === undefined ? undefined : endpointOf(model, workload, place.port);
    if (endpoint !== undefined) endpoints.push(endpoint);
  }
  endpoints.sort((left, right) => byCodeUnit(left.key, right.key));
  return { type: 'endpoints', name: key, endpoints };
}

function endpointOf(model: Model, workload: Workload, port: ServicePort): Endpoint | undefined {
  const applicationPort = applicationPortOf(workload, port);
  if (applicationPort === undefined || workload.instance?.draining === true) return undefined;
  const { zone, weight, instance, entry } = workload;
  const key = `${workload.key}:${applicationPort}`;
  const announced = instance?.ports.find((each) => each.applicationPort === applicationPort);
  if (instance !== undefined && announced !== undefined) {
    const { address, identity } = instance;
    return { key, address, port: announced.meshPort, applicationPort, identity, mesh: true, zone, weight };
  }
  if (entry === undefined || effectiveMtls(model, workload, applicationPort).mode === 'Strict') return undefined;
  return {
    key,
    address: entry.spec.address,
    port: applicationPort,
    applicationPort,
    identity: '',
    mesh: false,
    zone,
    weight,
  };
}

function serviceKeyOf(service: ObjectOf<'Service'>): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}

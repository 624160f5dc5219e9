import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import type { ObjectOf } from '../kinds/kind-table.ts';
import type { ServicePort } from '../kinds/service.ts';
import { builtInDefaults } from '../policy/built-in-defaults.ts';
import { effectiveTelemetry } from '../policy/effective-telemetry.ts';
import { effectiveMtls } from '../policy/mtls-mode.ts';
import { isMeshPort } from './destination.ts';
import type { Model } from './model.ts';
import { portProtocol } from './port-protocol.ts';
import type { InboundPort, InboundSettings, MeshSettings, NameIndex, VisibleService } from './resource.ts';
import { type Workload, applicationPortOf } from './workload-index.ts';

/** What the control plane itself needs of the Mesh; sidecars are sent `MeshSettings`. Milliseconds. */
export interface MeshControl {
  readonly leafLifetimeMs: number;
  readonly rootLifetimeMs: number;
}

export function resolveMesh(model: Model): MeshSettings {
  const spec = model.mesh()?.spec;
  const builtIn = builtInDefaults.mesh;
  return {
    type: 'mesh',
    name: 'default',
    trustDomain: spec?.trustDomain ?? builtIn.trustDomain,
    trustDomainAliases: [...(spec?.trustDomainAliases ?? builtIn.trustDomainAliases)].sort(byCodeUnit),
    egress: spec?.egress ?? builtIn.egress,
    gatewayProxyProtocol: spec?.gateway?.clientAddress?.proxyProtocol === 'V2',
  };
}

export function resolveMeshControl(model: Model): MeshControl {
  const identity = model.mesh()?.spec.identity;
  return {
    leafLifetimeMs: identity?.leafLifetime ?? builtInDefaults.mesh.leafLifetimeMs,
    rootLifetimeMs: identity?.rootLifetime ?? builtInDefaults.mesh.rootLifetimeMs,
  };
}

/** Namespaces whose names a workload of `namespace` may see. Sorted. Its own is always among them. */
export function visibleNamespaces(model: Model, namespace: string): readonly string[] {
  const visibility = model.mesh()?.spec.discovery?.visibility ?? builtInDefaults.mesh.visibility;
  if (visibility === 'Namespace') return [namespace];
  return [...new Set([namespace, ...model.servicesByNamespace.lefts()])].sort(byCodeUnit);
}

/** Services of a namespace, sorted; ports that are not TCP are left out. */
export function resolveNames(model: Model, namespace: string): NameIndex {
  const services: VisibleService[] = [];
  for (const key of model.servicesByNamespace.get(namespace)) {
    const service = model.service(key);
    if (service === undefined) continue;
    const { clusterIP, clusterIPs, ports } = service.spec;
    services.push({
      service: service.metadata.name,
      ports: (ports ?? [])
        .filter(isMeshPort)
        .map((port) => ({ port: port.port, name: port.name ?? '', protocol: portProtocol(model, service, port) }))
        .sort((left, right) => left.port - right.port),
      addresses: (clusterIPs ?? (clusterIP === undefined ? [] : [clusterIP]))
        .filter((address) => address !== 'None' && address !== '')
        .sort(byCodeUnit),
    });
  }
  services.sort((left, right) => byCodeUnit(left.service, right.service));
  return { type: 'names', name: namespace, services };
}

/** What a workload (`namespace/name`) enforces on arrival; undefined when it is neither declared nor attested. */
export function resolveInbound(model: Model, workloadKey: string): InboundSettings | undefined {
  const workload = model.workloads.get(workloadKey);
  if (workload === undefined) return undefined;
  const byPort = new Map<number, { name: string; protocol: InboundPort['protocol'] }>();
  for (const { name, port } of workload.entry?.spec.ports ?? [])
    byPort.set(port, { name: name ?? '', protocol: 'Unknown' });
  for (const { name, applicationPort } of workload.instance?.ports ?? []) {
    if (!byPort.has(applicationPort)) byPort.set(applicationPort, { name, protocol: 'Unknown' });
  }
  for (const { service, port: servicePort } of servicePortsOf(model, workload)) {
    const port = applicationPortOf(workload, servicePort);
    if (port === undefined) continue;
    const known = byPort.get(port) ?? { name: '', protocol: 'Unknown' };
    byPort.set(port, {
      name: known.name === '' ? (servicePort.name ?? '') : known.name,
      protocol: known.protocol === 'Unknown' ? portProtocol(model, service, servicePort) : known.protocol,
    });
  }
  const ports = [...byPort]
    .map(([port, { name, protocol }]) => ({ port, name, protocol, mtls: effectiveMtls(model, workload, port).mode }))
    .sort((left, right) => left.port - right.port);
  const telemetry = effectiveTelemetry(model, workload);
  return { type: 'inbound', name: workloadKey, identity: identityOf(model, workload), ports, telemetry };
}

function identityOf(model: Model, { instance, namespace, serviceAccount }: Workload): string {
  return instance?.identity ?? `spiffe://${resolveMesh(model).trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

/** Of several Services that disagree about a port the first by name that declares a protocol is believed. */
function* servicePortsOf(
  model: Model,
  workload: Workload,
): Generator<{ readonly service: ObjectOf<'Service'>; readonly port: ServicePort }> {
  for (const key of [...model.workloads.servicesOf(workload.key)].sort(byCodeUnit)) {
    const service = model.service(key);
    if (service === undefined) continue;
    for (const port of service.spec.ports ?? []) if (isMeshPort(port)) yield { service, port };
  }
}

import type { AnyRoute } from '../kinds/kind-table.ts';
import { destinationKey, isMeshPort, protocolOf } from './destination.ts';
import { type Model, parentOf } from './model.ts';
import type { DestinationKey } from './resource.ts';

export interface BackendReference {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly port?: number;
}

/** Reasons of the condition `ResolvedRefs: False`, as the standard names them. */
export type UnresolvedReason = 'InvalidKind' | 'RefNotPermitted' | 'BackendNotFound' | 'UnsupportedProtocol';

export type ResolvedBackend =
  | { readonly ok: true; readonly backend: DestinationKey }
  | { readonly ok: false; readonly reason: UnresolvedReason; readonly message: string };

/** Resolves what a route names as receiver of requests. Permission comes before existence: who may not ask learns nothing. */
export function resolveReference(model: Model, route: AnyRoute, ref: BackendReference): ResolvedBackend {
  const group = ref.group ?? '';
  const kind = ref.kind ?? 'Service';
  if (group !== '' || kind !== 'Service') {
    return unresolved('InvalidKind', `${kind} of group ${JSON.stringify(group)} can't receive requests, a Service can`);
  }
  const namespace = ref.namespace ?? route.metadata.namespace;
  const key = `${namespace}/${ref.name}`;
  if (!mayRefer(model, route, namespace, ref.name)) {
    return unresolved(
      'RefNotPermitted',
      `no ReferenceGrant in ${namespace} lets ${route.kind}s of ${route.metadata.namespace} refer to Service ${key}`,
    );
  }
  const service = model.service(key);
  if (service === undefined) return unresolved('BackendNotFound', `Service ${key} does not exist`);
  if (ref.port === undefined) return unresolved('BackendNotFound', `no port is given for Service ${key}`);
  const port = service.spec.ports?.find((each) => each.port === ref.port && isMeshPort(each));
  if (port === undefined) return unresolved('BackendNotFound', `Service ${key} has no TCP port ${ref.port}`);
  if (protocolOf(port) === 'Tcp' && route.kind !== 'TCPRoute' && route.kind !== 'TLSRoute') {
    const spoken = port.appProtocol ?? port.name;
    return unresolved('UnsupportedProtocol', `port ${ref.port} of Service ${key} speaks ${spoken}, not HTTP`);
  }
  return { ok: true, backend: destinationKey(key, ref.port) };
}

/**
 * Within a namespace always; across by ReferenceGrant. A consumer's route may also send to the very Service it is attached
 * to: its callers reach that one without any route.
 */
function mayRefer(model: Model, route: AnyRoute, namespace: string, name: string): boolean {
  const from = route.metadata.namespace;
  if (namespace === from) return true;
  for (const ref of route.spec.parentRefs ?? []) {
    const parent = parentOf(ref, from);
    if (parent?.kind === 'Service' && parent.key === `${namespace}/${name}`) return true;
  }
  for (const { spec } of model.pick('ReferenceGrant', model.grantsByNamespace.get(namespace))) {
    const who = spec.from.some(
      (each) => each.group === 'gateway.networking.k8s.io' && each.kind === route.kind && each.namespace === from,
    );
    const what = spec.to.some(
      (each) => each.group === '' && each.kind === 'Service' && (each.name === undefined || each.name === name),
    );
    if (who && what) return true;
  }
  return false;
}

function unresolved(reason: UnresolvedReason, message: string): ResolvedBackend {
  return { ok: false, reason, message };
}

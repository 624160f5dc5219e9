import { type CompiledTables, type ReceivedResource, compileTables } from '@weft/decision';
import { seededRandom } from '@weft/kernel';
import {
  type DestinationKey,
  type Model,
  type Resource,
  type ResourceKey,
  canonicalBytes,
  closure,
  destinations,
  hash64,
  resolveGatewayListeners,
  resolveResource,
  visibleNamespaces,
} from '@weft/model';

/** Who asks: any workload of a namespace, or a Gateway. */
export interface Caller {
  readonly namespace: string;
  /** `namespace/name` of a Gateway; empty for workloads. */
  readonly gateway: string;
}

/** Nothing moves here: scores of endpoints stay what they are at birth, so that an answer is the same each time. */
const STILL = { nowMs: () => 0, wallMs: () => 0 };

/**
 * What the control plane would send a caller that uses `only` (every destination it may name, when left out), resolved by
 * the code of the control plane.
 */
export function callerResources(
  model: Model,
  { namespace, gateway }: Caller,
  only?: Iterable<DestinationKey>,
): Map<ResourceKey, Resource> {
  const resources = new Map<ResourceKey, Resource>();
  const put = (key: ResourceKey): Resource | undefined => {
    const known = resources.get(key);
    if (known !== undefined) return known;
    const resource = resolveResource(model, key, namespace);
    if (resource !== undefined) resources.set(key, resource);
    return resource;
  };
  const putBackend = (key: DestinationKey): void => {
    put(`backend:${key}`);
    put(`endpoints:${key}`);
  };
  put('mesh:default');
  if (gateway !== '') {
    for (const listener of resolveGatewayListeners(model, gateway)) {
      resources.set(`listener:${listener.name}`, listener);
      for (const key of closure(listener)) putBackend(key);
    }
    return resources;
  }
  for (const visible of visibleNamespaces(model, namespace)) put(`names:${visible}`);
  for (const key of only ?? visibleDestinations(model, namespace)) {
    const routes = put(`routes:${key}`);
    if (routes?.type !== 'routes') continue;
    putBackend(key);
    for (const backend of closure(routes)) putBackend(backend);
  }
  return resources;
}

/** Every destination that workloads of a namespace may name, sorted by namespace and name. */
function visibleDestinations(model: Model, namespace: string): readonly DestinationKey[] {
  const visible = new Set(visibleNamespaces(model, namespace));
  return [...destinations(model)].filter((key) => visible.has(key.slice(0, key.indexOf('/')))).sort();
}

/** A resource with the hash that it was received with. */
export interface HashedResource {
  readonly key: ResourceKey;
  readonly resource: Resource;
  readonly hash: string;
}

/** Compiles resources as a proxy does. */
export function compileView(resources: ReadonlyMap<ResourceKey, Resource>, { namespace }: Caller): CompiledTables {
  const hashed = [...resources].map(([key, resource]) => ({ key, resource, hash: hash64(canonicalBytes(resource)) }));
  return compileHeld(hashed, namespace);
}

/** The same for what a running proxy holds: the version is then the proxy's own. */
export function compileHeld(held: Iterable<HashedResource>, namespace: string): CompiledTables {
  const received = new Map<ResourceKey, ReceivedResource>();
  for (const { key, resource, hash } of held) received.set(key, { resource, hash });
  return compileTables(received, undefined, { clock: STILL, random: seededRandom(1), zone: '', namespace });
}

import { isAddressKey } from './destination.ts';
import type { Model } from './model.ts';
import { resolveAddressBackend, resolveAddressEndpoints, resolveAddressRoutes } from './resolve-address.ts';
import { resolveBackend, resolveEndpoints } from './resolve-endpoints.ts';
import { resolveInbound, resolveMesh, resolveNames } from './resolve-mesh.ts';
import { resolveGatewayListeners, resolveRoutes } from './resolve-routes.ts';
import type { Resource, ResourceKey } from './resource.ts';

/** Resolves any resource by its key for callers of a namespace; undefined when what it is about does not exist. */
export function resolveResource(model: Model, key: ResourceKey, callerNamespace: string): Resource | undefined {
  const colon = key.indexOf(':');
  const name = key.slice(colon + 1);
  switch (key.slice(0, colon)) {
    case 'mesh':
      return resolveMesh(model);
    case 'names':
      return resolveNames(model, name);
    case 'inbound':
      return resolveInbound(model, name);
    case 'routes':
      return isAddressKey(name) ? resolveAddressRoutes(model, name) : resolveRoutes(model, name, callerNamespace);
    case 'backend':
      return isAddressKey(name) ? resolveAddressBackend(model, name) : resolveBackend(model, name, callerNamespace);
    case 'endpoints':
      return isAddressKey(name) ? resolveAddressEndpoints(model, name) : resolveEndpoints(model, name);
    case 'listener':
      return resolveGatewayListeners(model, name.slice(0, name.lastIndexOf('/'))).find((each) => each.name === name);
    default:
      return undefined;
  }
}

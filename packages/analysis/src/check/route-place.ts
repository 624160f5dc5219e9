import {
  type DestinationKey,
  type Model,
  type ObjectRef,
  type RequestRoute,
  type RouteRule,
  byCodeUnit,
  destinations,
  resolveGatewayListeners,
  resolveRoutes,
} from '@weft/model';
import { type RouteEntry, compileMatchTable } from '@weft/routing';
import { shadowedEntries } from '../entry-cover.ts';

/** One place where rules compete for requests: a destination for callers of a namespace, or a listener. */
export interface RoutePlace {
  /** `shop/orders:80`, `shop/orders:80 for callers of web`, `listener shop/edge/http`. */
  readonly name: string;
  readonly destination: DestinationKey | '';
  readonly callerNamespace: string;
  readonly rules: readonly RouteRule[];
  readonly entries: readonly RouteEntry[];
  /** To the entry that takes its requests. */
  readonly shadowed: ReadonlyMap<RouteEntry, RouteEntry>;
}

/** A rule of a route, with the object that it stands in. */
export interface RuleOwner {
  readonly route: RequestRoute;
  readonly ref: ObjectRef;
  readonly index: number;
}

/** Every place of a mesh, resolved as for traffic. */
export function* routePlaces(model: Model): Generator<RoutePlace> {
  const foreign = foreignCallers(model);
  for (const key of [...destinations(model)].sort(byCodeUnit)) {
    const service = key.slice(0, key.lastIndexOf(':'));
    const own = service.slice(0, service.indexOf('/'));
    for (const callerNamespace of [own, ...(foreign.get(service) ?? [])]) {
      const name = callerNamespace === own ? key : `${key} for callers of ${callerNamespace}`;
      const rules = resolveRoutes(model, key, callerNamespace)?.rules ?? [];
      yield placeOf(name, key, callerNamespace, rules);
    }
  }
  for (const object of model.objects()) {
    if (object.kind !== 'Gateway') continue;
    const { namespace, name } = object.metadata;
    for (const listener of resolveGatewayListeners(model, `${namespace}/${name}`)) {
      yield placeOf(`listener ${listener.name}`, '', namespace, listener.rules);
    }
  }
}

/** The object and position of a rule; undefined for the rule that a Service has without routes. */
export function ownerOf(model: Model, { route, rule }: RouteRule): RuleOwner | undefined {
  const [kind = '', key = ''] = route.split(' ');
  const [namespace = '', name = ''] = key.split('/');
  if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') return undefined;
  const object: RequestRoute | undefined =
    kind === 'HTTPRoute' ? model.object('HTTPRoute', namespace, name) : model.object('GRPCRoute', namespace, name);
  if (object === undefined) return undefined;
  const index = (object.spec.rules ?? [{}]).findIndex((each, at) => (each.name ?? String(at)) === rule);
  const ref = { apiVersion: object.apiVersion, kind, namespace, name };
  return index < 0 ? undefined : { route: object, ref, index };
}

/** Namespaces, other than a Service's own, whose routes have it as parent: their callers have rules of their own. */
function foreignCallers(model: Model): Map<string, Set<string>> {
  const callers = new Map<string, Set<string>>();
  for (const object of model.objects()) {
    if (object.kind !== 'HTTPRoute' && object.kind !== 'GRPCRoute') continue;
    const { namespace } = object.metadata;
    for (const { kind, name, namespace: of } of object.spec.parentRefs ?? []) {
      if (kind !== 'Service' || of === undefined || of === namespace) continue;
      const key = `${of}/${name}`;
      callers.set(key, (callers.get(key) ?? new Set()).add(namespace));
    }
  }
  return callers;
}

function placeOf(
  name: string,
  destination: DestinationKey | '',
  callerNamespace: string,
  rules: readonly RouteRule[],
): RoutePlace {
  const table = compileMatchTable(rules);
  const entries = table.ok ? table.value.entries : [];
  return { name, destination, callerNamespace, rules, entries, shadowed: shadowedEntries(entries) };
}

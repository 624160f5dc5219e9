import type { CorsSpec } from '../kinds/cors.ts';
import type { GrpcRouteMatch } from '../kinds/grpc-route.ts';
import type { AnyRoute, OpaqueRoute, RequestRoute } from '../kinds/kind-table.ts';
import type {
  HttpRouteBackendRef,
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRoutePathRewrite,
} from '../kinds/http-route.ts';
import type { RouteHeaderModifier, RouteMirror } from '../kinds/route-filter.ts';
import { type EffectiveRequest, builtInSource } from '../policy/effective-traffic.ts';
import { type BackendReference, resolveReference } from './backend-reference.ts';
import type { Model } from './model.ts';
import type {
  Cors,
  DestinationKey,
  HeaderField,
  HeaderModifier,
  Mirror,
  PathRewrite,
  RequestTimeouts,
  RouteFilter,
  RouteMatch,
  RouteRule,
  ValueMatch,
  WeightedBackend,
} from './resource.ts';

/** Where a rule without backends sends requests: the Service it is attached to; nowhere on a Gateway. */
export type ImplicitBackend = DestinationKey | '';

/** Compiles one rule of a route for one place where it is attached. */
export function compileRule(
  model: Model,
  route: RequestRoute,
  index: number,
  hostnames: readonly string[],
  implicit: ImplicitBackend,
  request: EffectiveRequest,
): RouteRule {
  const rule = route.spec.rules?.[index] ?? {};
  const filters = compileFilters(model, route, rule.filters);
  return {
    route: `${route.kind} ${route.metadata.namespace}/${route.metadata.name}`,
    rule: rule.name ?? String(index),
    hostnames,
    matches: matchesOf(route, index),
    filters,
    backends: filters.some(({ type }) => type === 'RequestRedirect')
      ? []
      : compileBackends(model, route, rule.backendRefs ?? [], implicit),
    timeouts: request.timeouts,
    retries: request.retries,
  };
}

/** The rule of a TCPRoute, or of a TLSRoute by its server names. */
export function compileOpaqueRule(
  model: Model,
  route: OpaqueRoute,
  index: number,
  hostnames: readonly string[],
  request: EffectiveRequest,
): RouteRule {
  const rule = route.spec.rules[index]!;
  return {
    route: `${route.kind} ${route.metadata.namespace}/${route.metadata.name}`,
    rule: rule.name ?? String(index),
    hostnames,
    matches: [matchAll()],
    filters: [],
    backends: rule.backendRefs.map((ref) => ({
      backend: resolveOrEmpty(model, route, ref),
      weight: ref.weight ?? 1,
      filters: [],
    })),
    timeouts: opaqueTimeouts(request),
    retries: request.retries,
  };
}

/** Clients of databases keep connections at rest for long, and nothing is gained by ending them. */
const OPAQUE_IDLE_MS = 3_600_000;

/** As for requests, but where no policy says how long a connection may rest it is an hour. */
export function opaqueTimeouts({ timeouts, sources }: EffectiveRequest): RequestTimeouts {
  return sources['timeouts.streamIdle'] === builtInSource ? { ...timeouts, streamIdleMs: OPAQUE_IDLE_MS } : timeouts;
}

export function matchAll(): RouteMatch {
  return { path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [], grpc: null };
}

function matchesOf(route: RequestRoute, index: number): readonly RouteMatch[] {
  return route.kind === 'GRPCRoute'
    ? compileGrpcMatches(route.spec.rules?.[index]?.matches)
    : compileMatches(route.spec.rules?.[index]?.matches);
}

function compileMatches(matches: readonly HttpRouteMatch[] | undefined): readonly RouteMatch[] {
  if (matches === undefined || matches.length === 0) return [matchAll()];
  return matches.map(({ path, method, headers, queryParams }) => ({
    path: { type: path?.type ?? 'PathPrefix', value: path?.value ?? '/' },
    method: method ?? '',
    headers: firstOfEach((headers ?? []).map((each) => valueMatch(each, each.name.toLowerCase()))),
    queries: firstOfEach((queryParams ?? []).map((each) => valueMatch(each, each.name))),
    grpc: null,
  }));
}

/** A name may be written fully qualified, with a dot before it; on the wire it never is. */
function compileGrpcMatches(matches: readonly GrpcRouteMatch[] | undefined): readonly RouteMatch[] {
  if (matches === undefined || matches.length === 0) return [matchAll()];
  return matches.map(({ method, headers }) => {
    const { type = 'Exact', service = '', method: name = '' } = method ?? {};
    return {
      ...matchAll(),
      headers: firstOfEach((headers ?? []).map((each) => valueMatch(each, each.name.toLowerCase()))),
      grpc:
        service === '' && name === ''
          ? null
          : { type, service: type === 'Exact' ? service.replace(/^\./, '') : service, method: name },
    };
  });
}

function valueMatch(
  match: { readonly type?: 'Exact' | 'RegularExpression'; readonly value: string },
  name: string,
): ValueMatch {
  return { type: match.type ?? 'Exact', name, value: match.value };
}

/** Of entries with an equivalent name only the first counts (Gateway API `HTTPHeaderMatch`). */
function firstOfEach<T extends { readonly name: string }>(entries: readonly T[]): readonly T[] {
  return entries.filter((entry, index) => entries.findIndex(({ name }) => name === entry.name) === index);
}

function compileBackends(
  model: Model,
  route: RequestRoute,
  refs: readonly HttpRouteBackendRef[],
  implicit: ImplicitBackend,
): readonly WeightedBackend[] {
  if (refs.length === 0) return implicit === '' ? [] : [{ backend: implicit, weight: 1, filters: [] }];
  return refs.map((ref) => ({
    backend: resolveOrEmpty(model, route, ref),
    weight: ref.weight ?? 1,
    filters: compileFilters(model, route, ref.filters),
  }));
}

function compileFilters(
  model: Model,
  route: RequestRoute,
  filters: readonly HttpRouteFilter[] | undefined,
): readonly RouteFilter[] {
  const compiled: RouteFilter[] = [];
  for (const filter of filters ?? []) {
    if (filter.requestHeaderModifier !== undefined) {
      compiled.push({ type: 'RequestHeaderModifier', modifier: compileModifier(filter.requestHeaderModifier) });
    } else if (filter.responseHeaderModifier !== undefined) {
      compiled.push({ type: 'ResponseHeaderModifier', modifier: compileModifier(filter.responseHeaderModifier) });
    } else if (filter.requestRedirect !== undefined) {
      const { scheme, hostname, path, port, statusCode } = filter.requestRedirect;
      const redirect = {
        scheme: scheme ?? '',
        hostname: hostname ?? '',
        path: compilePath(path),
        port: port ?? 0,
        statusCode: statusCode ?? 302,
      } as const;
      compiled.push({ type: 'RequestRedirect', redirect });
    } else if (filter.urlRewrite !== undefined) {
      const { hostname, path } = filter.urlRewrite;
      compiled.push({ type: 'URLRewrite', rewrite: { hostname: hostname ?? '', path: compilePath(path) } });
    } else if (filter.requestMirror !== undefined) {
      compiled.push({ type: 'RequestMirror', mirror: compileMirror(model, route, filter.requestMirror) });
    } else if (filter.cors !== undefined) {
      compiled.push({ type: 'CORS', cors: compileCors(filter.cors) });
    }
  }
  return compiled;
}

function compileModifier({ set, add, remove }: RouteHeaderModifier): HeaderModifier {
  const field = ({ name, value }: HeaderField): HeaderField => ({ name: name.toLowerCase(), value });
  return {
    set: firstOfEach((set ?? []).map(field)),
    add: firstOfEach((add ?? []).map(field)),
    remove: [...new Set((remove ?? []).map((name) => name.toLowerCase()))],
  };
}

function compileCors(cors: CorsSpec): Cors {
  return {
    allowOrigins: (cors.allowOrigins ?? []).map((origin) => origin.toLowerCase()),
    allowCredentials: cors.allowCredentials ?? false,
    allowMethods: cors.allowMethods ?? [],
    allowHeaders: cors.allowHeaders ?? [],
    exposeHeaders: cors.exposeHeaders ?? [],
    maxAgeS: cors.maxAge ?? 5,
  };
}

function compilePath(path: HttpRoutePathRewrite | undefined): PathRewrite | null {
  if (path === undefined) return null;
  return { type: path.type, value: path.replaceFullPath ?? path.replacePrefixMatch ?? '' };
}

function compileMirror(model: Model, route: RequestRoute, mirror: RouteMirror): Mirror {
  const { backendRef, percent, fraction } = mirror;
  return {
    backend: resolveOrEmpty(model, route, backendRef),
    numerator: fraction?.numerator ?? percent ?? 100,
    denominator: fraction?.denominator ?? 100,
  };
}

function resolveOrEmpty(model: Model, route: AnyRoute, ref: BackendReference): DestinationKey | '' {
  const resolved = resolveReference(model, route, ref);
  return resolved.ok ? resolved.backend : '';
}

import type { ObjectOf } from '../kinds/kind-table.ts';
import type {
  HttpRouteBackendRef,
  HttpRouteFilter,
  HttpRouteHeaderModifier,
  HttpRouteMatch,
  HttpRouteMirror,
  HttpRoutePathRewrite,
  HttpRouteRule,
} from '../kinds/http-route.ts';
import type { EffectiveRequest } from '../policy/effective-traffic.ts';
import { type BackendReference, resolveReference } from './backend-reference.ts';
import type { Model } from './model.ts';
import type {
  DestinationKey,
  HeaderField,
  HeaderModifier,
  Mirror,
  PathRewrite,
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
  route: ObjectOf<'HTTPRoute'>,
  index: number,
  hostnames: readonly string[],
  implicit: ImplicitBackend,
  request: EffectiveRequest,
): RouteRule {
  const rule: HttpRouteRule = route.spec.rules?.[index] ?? {};
  const filters = compileFilters(model, route, rule.filters);
  return {
    route: `HTTPRoute ${route.metadata.namespace}/${route.metadata.name}`,
    rule: rule.name ?? String(index),
    hostnames,
    matches: compileMatches(rule.matches),
    filters,
    backends: filters.some(({ type }) => type === 'RequestRedirect')
      ? []
      : compileBackends(model, route, rule, implicit),
    timeouts: request.timeouts,
    retries: request.retries,
  };
}

export function matchAll(): RouteMatch {
  return { path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [] };
}

function compileMatches(matches: readonly HttpRouteMatch[] | undefined): readonly RouteMatch[] {
  if (matches === undefined || matches.length === 0) return [matchAll()];
  return matches.map(({ path, method, headers, queryParams }) => ({
    path: { type: path?.type ?? 'PathPrefix', value: path?.value ?? '/' },
    method: method ?? '',
    headers: firstOfEach((headers ?? []).map((each) => valueMatch(each, each.name.toLowerCase()))),
    queries: firstOfEach((queryParams ?? []).map((each) => valueMatch(each, each.name))),
  }));
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
  route: ObjectOf<'HTTPRoute'>,
  rule: HttpRouteRule,
  implicit: ImplicitBackend,
): readonly WeightedBackend[] {
  const refs = rule.backendRefs ?? [];
  if (refs.length === 0) return implicit === '' ? [] : [{ backend: implicit, weight: 1, filters: [] }];
  return refs.map((ref: HttpRouteBackendRef) => ({
    backend: resolveOrEmpty(model, route, ref),
    weight: ref.weight ?? 1,
    filters: compileFilters(model, route, ref.filters),
  }));
}

function compileFilters(
  model: Model,
  route: ObjectOf<'HTTPRoute'>,
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
    }
  }
  return compiled;
}

function compileModifier({ set, add, remove }: HttpRouteHeaderModifier): HeaderModifier {
  const field = ({ name, value }: HeaderField): HeaderField => ({ name: name.toLowerCase(), value });
  return {
    set: firstOfEach((set ?? []).map(field)),
    add: firstOfEach((add ?? []).map(field)),
    remove: [...new Set((remove ?? []).map((name) => name.toLowerCase()))],
  };
}

function compilePath(path: HttpRoutePathRewrite | undefined): PathRewrite | null {
  if (path === undefined) return null;
  return { type: path.type, value: path.replaceFullPath ?? path.replacePrefixMatch ?? '' };
}

function compileMirror(model: Model, route: ObjectOf<'HTTPRoute'>, mirror: HttpRouteMirror): Mirror {
  const { backendRef, percent, fraction } = mirror;
  return {
    backend: resolveOrEmpty(model, route, backendRef),
    numerator: fraction?.numerator ?? percent ?? 100,
    denominator: fraction?.denominator ?? 100,
  };
}

function resolveOrEmpty(model: Model, route: ObjectOf<'HTTPRoute'>, ref: BackendReference): DestinationKey | '' {
  const resolved = resolveReference(model, route, ref);
  return resolved.ok ? resolved.backend : '';
}

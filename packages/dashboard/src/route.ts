/** Addresses of pages: each thing one can look at has one, which can be kept and sent. */
export type Page =
  | 'topology'
  | 'services'
  | 'service'
  | 'proxies'
  | 'proxy'
  | 'config'
  | 'object'
  | 'request'
  | 'tap'
  | 'events'
  | 'lost';

export interface Route {
  readonly page: Page;
  /** Decoded parts of the path after the first. */
  readonly names: readonly string[];
  readonly query: URLSearchParams;
}

const PAGES: Readonly<Record<string, Page>> = {
  '': 'topology',
  services: 'services',
  proxies: 'proxies',
  config: 'config',
  requests: 'request',
  tap: 'tap',
  events: 'events',
};

/** Of the pages above that show one thing: how many names that has. */
const ONE: Readonly<Partial<Record<Page, { readonly page: Page; readonly names: number }>>> = {
  services: { page: 'service', names: 2 },
  proxies: { page: 'proxy', names: 2 },
  config: { page: 'object', names: 3 },
  request: { page: 'request', names: 1 },
};

export function readRoute(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  const lost: Route = { page: 'lost', names: [], query };
  let parts: string[];
  try {
    parts = path.split('/').slice(1).map(decodeURIComponent);
  } catch {
    return lost;
  }
  if (parts.at(-1) === '') parts.pop();
  const [first = '', ...names] = parts;
  const page = Object.hasOwn(PAGES, first) ? PAGES[first] : undefined;
  if (page === undefined) return lost;
  if (names.length === 0) return { page, names, query };
  const one = ONE[page];
  return one?.names === names.length ? { page: one.page, names, query } : lost;
}

/** `id` is `namespace/name`. */
export function serviceHref(id: string): string {
  return `/services/${path(id)}`;
}

export function proxyHref(name: string): string {
  return `/proxies/${path(name)}`;
}

export function objectHref(kind: string, namespace: string, name: string): string {
  return `/config/${[kind, namespace === '' ? '-' : namespace, name].map(encodeURIComponent).join('/')}`;
}

export function requestHref(id: string): string {
  return `/requests/${encodeURIComponent(id)}`;
}

/** The object of a route as proxies name it, `HTTPRoute shop/cart`; undefined for what has none. */
export function routeHref(route: string): string | undefined {
  const [, kind, namespace, name] = /^(\w+) ([^/]+)\/(.+)$/.exec(route) ?? [];
  return kind === undefined ? undefined : objectHref(kind, namespace!, name!);
}

/** The same page with another value in its query; an empty one takes it out. */
export function withQuery(search: string, name: string, value: string): string {
  const query = new URLSearchParams(search);
  if (value === '') query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** Of `namespace/name`, each part escaped. */
export function path(id: string): string {
  const slash = id.indexOf('/');
  return [id.slice(0, slash), id.slice(slash + 1)].map(encodeURIComponent).join('/');
}

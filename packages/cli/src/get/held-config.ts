import { writeDuration } from '@weft/kernel';
import type { ApplicationProtocol, Resource, RouteFilter, RouteMatch, RouteRule } from '@weft/model';
import type { ResourceVersion } from '@weft/wire';
import type { Cell } from '../output/text-table.ts';

/** What a proxy holds, as rows of a table. */
export interface HeldTable {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Rules in the order in which they are kept; the most specific match wins whatever the order. */
export function routesTable(resources: readonly Resource[]): HeldTable {
  const rows: Cell[][] = [];
  for (const resource of resources) {
    if (resource.type === 'routes') for (const rule of resource.rules) rows.push(ruleRow(resource.name, rule));
    if (resource.type === 'listener') {
      for (const rule of resource.rules) rows.push(ruleRow(`${resource.name} (${resource.port})`, rule));
    }
  }
  return { headings: ['for', 'route', 'rule', 'matches', 'filters', 'to', 'timeout', 'retries'], rows };
}

/** `protocol` is that of the application; between sidecars it travels as HTTP/2 where both speak that. */
export function endpointsTable(resources: readonly Resource[]): HeldTable {
  const protocols = new Map(
    resources.flatMap((resource) => (resource.type === 'backend' ? [[resource.name, resource.protocol] as const] : [])),
  );
  const rows = resources.flatMap((resource) => {
    if (resource.type !== 'endpoints') return [];
    // A destination without one is what people look for here.
    if (resource.endpoints.length === 0) return [[resource.name, { text: 'none', colour: 'red' } as const]];
    return resource.endpoints.map((endpoint): Cell[] => [
      resource.name,
      endpoint.key,
      `${endpoint.address}:${endpoint.port}`,
      String(endpoint.applicationPort),
      protocolText(protocols.get(resource.name)),
      endpoint.mesh ? endpoint.identity : { text: 'not in the mesh', colour: 'yellow' },
      endpoint.zone,
      String(endpoint.weight),
    ]);
  });
  return { headings: ['destination', 'endpoint', 'address', 'port', 'protocol', 'identity', 'zone', 'weight'], rows };
}

/** Version by version: what is in force there against what the control plane has. */
export function versionsTable(versions: readonly ResourceVersion[]): HeldTable {
  const rows = versions.map(({ key, current, inForce, error }): Cell[] => {
    const state: Cell =
      error !== ''
        ? { text: `refused: ${error}`, colour: 'red' }
        : current === inForce
          ? { text: 'in force', colour: 'green' }
          : { text: 'on its way', colour: 'yellow' };
    return [key, inForce, current, state];
  });
  return { headings: ['resource', 'in force', 'newest', 'state'], rows };
}

function protocolText(protocol: ApplicationProtocol | undefined): string {
  if (protocol === undefined || protocol === 'Unknown') return 'not declared';
  return { Http1: 'HTTP/1.1', Http2: 'HTTP/2', Grpc: 'gRPC', Tcp: 'TCP' }[protocol];
}

function ruleRow(target: string, rule: RouteRule): Cell[] {
  const hosts = rule.hostnames.length === 0 ? '' : `host ${rule.hostnames.join('|')}; `;
  const total = rule.backends.reduce((sum, { weight }) => sum + weight, 0);
  const backends = rule.backends.map(({ backend, weight }) => {
    const name = backend === '' ? 'unresolved' : backend;
    return rule.backends.length === 1 ? name : `${name} ${total === 0 ? 0 : Math.round((weight / total) * 100)}%`;
  });
  const { requestMs, backendRequestMs } = rule.timeouts;
  const timeouts = [
    requestMs === 0 ? '' : writeDuration(requestMs),
    backendRequestMs === 0 ? '' : `${writeDuration(backendRequestMs)} a try`,
  ];
  return [
    target,
    rule.route,
    rule.rule,
    hosts + rule.matches.map(matchText).join(' or '),
    rule.filters.map(filterText).join(', '),
    backends.join(', '),
    timeouts.filter((text) => text !== '').join(', '),
    retriesText(rule),
  ];
}

function retriesText({ retries }: RouteRule): string {
  if (retries.attempts === 0) return 'off';
  const statuses = retries.statuses.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
  const grpc = retries.grpcStatuses.map((status) => `gRPC ${status}`);
  return `${retries.attempts} on ${[...retries.on, ...statuses, ...grpc].join(', ')}`;
}

function matchText({ path, method, headers, queries, grpc }: RouteMatch): string {
  const signs = { Exact: '= ', PathPrefix: '', RegularExpression: '~ ' } as const;
  const values = [...headers, ...queries.map((query) => ({ ...query, name: `?${query.name}` }))];
  const conditions = values.map(({ type, name, value }) => `${name}${type === 'Exact' ? '=' : '~'}${value}`);
  const sign = grpc?.type === 'RegularExpression' ? '~ ' : '';
  const place =
    grpc === null
      ? `${signs[path.type]}${path.value}`
      : `gRPC ${sign}${grpc.service || '*'}/${sign}${grpc.method || '*'}`;
  return [method, place, ...conditions].filter((part) => part !== '').join(' ');
}

function filterText(filter: RouteFilter): string {
  if (filter.type === 'RequestMirror') return `mirror to ${filter.mirror.backend || 'unresolved'}`;
  return filter.type === 'RequestRedirect' ? `redirect ${filter.redirect.statusCode}` : filter.type;
}

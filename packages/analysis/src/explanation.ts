import {
  type CompiledRule,
  type DecisionRecord,
  type ListenerTable,
  RouteDecision,
  type RouteTable,
  type Tables,
  decide,
  explainRoutes,
} from '@weft/decision';
import { bracketedHost } from '@weft/kernel';
import { GrpcKind, grpcKindOf, isIdempotentMethod, readAuthority } from '@weft/http';
import type { ApplicationProtocol, DestinationKey, HeaderModifier, RouteFilter, RouteMatch } from '@weft/model';
import { type TerminationCode, terminations } from '@weft/outcome';
import type { AskedRequest } from './asked-request.ts';
import type { Caller } from './caller-view.ts';

/** One change of a head, in the order in which they are made: set, add, remove, of the rule, then of the backend. */
export interface FieldEdit {
  readonly edit: 'set' | 'add' | 'remove';
  readonly name: string;
  /** Empty for `remove`. */
  readonly value: string;
}

/** What is done to a request on its way to one backend, beside the `backends` of the record. */
export interface BackendEdits {
  readonly requestEdits: readonly FieldEdit[];
  readonly responseEdits: readonly FieldEdit[];
  /** What the backend sees as host; empty: what the caller said. */
  readonly host: string;
  readonly mirrors: readonly { readonly backend: string; readonly share: number }[];
}

/** Where a request turns to before any rule is looked at. */
export type Way =
  | {
      readonly kind: 'destination';
      readonly destination: DestinationKey;
      readonly protocol: ApplicationProtocol;
    }
  | { readonly kind: 'listener'; readonly listener: string; readonly hostname: string }
  | { readonly kind: 'outside'; readonly host: string; readonly port: number }
  | { readonly kind: 'refused'; readonly code: TerminationCode; readonly detail: string };

/** What would become of a request, and why. Plain data; nothing was sent. */
export interface Explanation {
  readonly caller: Caller;
  readonly request: {
    readonly method: string;
    readonly scheme: 'http' | 'https';
    readonly authority: string;
    readonly target: string;
    readonly fields: readonly { readonly name: string; readonly value: string }[];
    readonly grpc: boolean;
  };
  readonly way: Way;
  /** Undefined where no rules are looked at. */
  readonly record: DecisionRecord | undefined;
  /** All of the match that won. */
  readonly match: RouteMatch | undefined;
  /** By index of the backends of the record. */
  readonly edits: readonly BackendEdits[];
  readonly cors: boolean;
  /** Whether a failure after bytes were sent may be tried again: what the policy admits, for this method. */
  readonly retriesAfterSend: boolean;
  /** The reply that Weft gives itself; 0 when the request is forwarded. */
  readonly status: number;
}

/**
 * Explains a request of a caller by the tables that it holds. Decided by the functions that decide for traffic: the name
 * table, the listeners, the rules.
 */
export function explainAsked(tables: Tables, caller: Caller, asked: AskedRequest, nowMs = 0): Explanation {
  const found = caller.gateway === '' ? findDestination(tables, caller, asked) : findListener(tables, asked);
  const { method, scheme, authority, target, fields, head } = asked;
  const request = { method, scheme, authority, target, fields, grpc: grpcKindOf(head) !== GrpcKind.None };
  const base = { caller, request, way: found.way };
  if (found.routes === undefined) {
    const status = found.way.kind === 'refused' ? terminations[found.way.code].httpStatus : 0;
    return {
      ...base,
      record: undefined,
      match: undefined,
      edits: [],
      cors: false,
      retriesAfterSend: false,
      status,
    };
  }
  const record = explainRoutes(tables.version, found.routes, head, nowMs);
  const decision = new RouteDecision();
  decide(found.routes, head, () => 0, decision);
  const { rule } = decision;
  return {
    ...base,
    record,
    match: rule?.source.matches[decision.entry.match],
    edits: record.outcome === 'draw' && rule !== undefined ? backendEdits(rule) : [],
    cors: rule !== undefined && (rule.cors !== null || rule.backends.some(({ cors }) => cors !== null)),
    retriesAfterSend: rule !== undefined && retriesAfterSend(rule, asked),
    status: record.outcome === 'draw' ? 0 : record.status || terminations[record.code].httpStatus,
  };
}

interface Found {
  readonly way: Way;
  readonly routes: RouteTable | undefined;
}

/** As a sidecar reads the host of a request that its application hands it. */
function findDestination(tables: Tables, { namespace }: Caller, { authority, scheme }: AskedRequest): Found {
  const parts = readAuthority(authority);
  if (parts === undefined) return refused('unknown-host', 'the request names no host');
  const port = parts.port < 0 ? (scheme === 'https' ? 443 : 80) : parts.port;
  const destination = tables.names.resolve(parts.host, port, namespace);
  // Without its brackets an IPv6 address is a name of one label.
  const meshName = tables.names.isMeshName(bracketedHost(parts.host));
  // A tunnel leads out of the mesh and nowhere else.
  if (scheme === 'https' && (destination !== '' || meshName)) {
    return refused('method-not-served', 'the application would ask for a tunnel with CONNECT; call it by http://');
  }
  if (destination !== '') {
    const protocol = tables.names.protocolOf(destination);
    const held = tables.destination(destination);
    if (held === undefined) return refused('no-config', `${destination} is visible, but its routes are not held`);
    return { way: { kind: 'destination', destination, protocol }, routes: held.routes };
  }
  if (meshName) {
    const ports = tables.names.portsOf(parts.host, namespace).map((each) => each.port);
    const detail =
      ports.length === 0
        ? `${parts.host} is no service that namespace ${namespace} may see`
        : `${parts.host} has no port ${port}, it has ${ports.join(', ')}`;
    return refused('unknown-host', detail);
  }
  if (tables.mesh.egress !== 'AllowAny') {
    return refused(
      'egress-refused',
      `${parts.host} is not in the mesh, and the Mesh says egress: ${tables.mesh.egress}`,
    );
  }
  return { way: { kind: 'outside', host: parts.host, port }, routes: undefined };
}

function findListener(tables: Tables, { authority, scheme }: AskedRequest): Found {
  const parts = readAuthority(authority);
  const port = parts === undefined || parts.port < 0 ? (scheme === 'https' ? 443 : 80) : parts.port;
  const opaque = tables.carries(port);
  if (opaque !== '') return refused('no-route', `port ${port} carries ${opaque} connections that are not read`);
  const listener: ListenerTable | undefined = tables.listenerFor(port, authority);
  if (listener === undefined) {
    const there = [...tables.listeners()].map((each) => `${each.port}${each.hostname && ` ${each.hostname}`}`);
    const known = there.length === 0 ? 'the Gateway has no served listener' : `it has ${there.join(', ')}`;
    return refused('no-route', `no listener on port ${port} has this hostname; ${known}`);
  }
  if (tables.endsTls(port) !== (scheme === 'https')) {
    return refused('no-route', `port ${port} takes ${scheme === 'https' ? 'http' : 'https'}, not ${scheme}`);
  }
  return { way: { kind: 'listener', listener: listener.name, hostname: listener.hostname }, routes: listener.routes };
}

function refused(code: TerminationCode, detail: string): Found {
  return { way: { kind: 'refused', code, detail }, routes: undefined };
}

function retriesAfterSend({ retries }: CompiledRule, { head }: AskedRequest): boolean {
  if (retries.attempts === 0) return false;
  const keyed = head.valueOf('idempotency-key') !== undefined;
  return retries.anyMethod || isIdempotentMethod(head.methodId) || keyed;
}

/** The filters of the rule, then those of the backend: as they are joined when the rule is compiled. */
function backendEdits(rule: CompiledRule): BackendEdits[] {
  return rule.source.backends.map((backend, index) => {
    const filters = [...rule.source.filters, ...backend.filters];
    const compiled = rule.backends[index]!;
    return {
      requestEdits: modifiers(filters, 'RequestHeaderModifier').flatMap(editsOf),
      responseEdits: modifiers(filters, 'ResponseHeaderModifier').flatMap(editsOf),
      host: compiled.rewrite?.hostname ?? '',
      mirrors: filters.flatMap((filter) =>
        filter.type === 'RequestMirror'
          ? [{ backend: filter.mirror.backend, share: filter.mirror.numerator / filter.mirror.denominator }]
          : [],
      ),
    };
  });
}

function modifiers(
  filters: readonly RouteFilter[],
  type: 'RequestHeaderModifier' | 'ResponseHeaderModifier',
): HeaderModifier[] {
  return filters.flatMap((filter) => (filter.type === type ? [filter.modifier] : []));
}

function editsOf({ set, add, remove }: HeaderModifier): FieldEdit[] {
  return [
    ...set.map(({ name, value }) => ({ edit: 'set', name, value }) as const),
    ...add.map(({ name, value }) => ({ edit: 'add', name, value }) as const),
    ...remove.map((name) => ({ edit: 'remove', name, value: '' }) as const),
  ];
}

import type { DestinationKey, RequestTimeouts, RetryPolicy } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import { PathKind, type RequestView, type RouteEntry, explain } from '@weft/routing';
import type { BackendSnapshot } from './backend-report.ts';
import { type CompiledRule, rewrittenTarget } from './compiled-rule.ts';
import { RouteDecision, type RouteTable, decide, lookupView } from './decide.ts';
import type { Tables } from './tables.ts';

/** The most rules passed over that a record names; how many there were in all is told beside them. */
const PASSED_OVER_LIMIT = 100;
/** The most endpoints of a backend that a record names. */
const ENDPOINT_LIMIT = 100;

/** One try at one endpoint, as it went. */
export interface AttemptRecord {
  readonly endpoint: string;
  readonly startedMs: number;
  /** To the response head or the end, whichever came first. */
  readonly latencyMs: number;
  /** 0 when no head came. */
  readonly status: number;
  readonly code: TerminationCode;
}

/** A rule's match, as a person would name it. */
export interface MatchRecord {
  readonly route: string;
  readonly rule: string;
  readonly match: number;
  /** `Exact /orders`, `PathPrefix /`, `gRPC /shop.v1.Orders/*`. */
  readonly path: string;
}

export interface PassedOverRecord extends MatchRecord {
  readonly field: 'hostname' | 'path' | 'method' | 'header' | 'query' | 'precedence';
  readonly name: string;
  readonly expected: string;
  readonly actual: string | undefined;
}

/** One backend of the winning rule, with its endpoints as the balancer sees them. */
export interface BackendRecord {
  /** Empty when the reference does not resolve. */
  readonly backend: DestinationKey | '';
  readonly weight: number;
  /** Of the requests of the rule, 0 to 1. */
  readonly share: number;
  /** What its share is refused with; undefined when it can be forwarded to. */
  readonly refused: TerminationCode | undefined;
  /** The request target it receives. */
  readonly target: string;
  readonly state: BackendSnapshot | undefined;
  /** How many endpoints there are; `state` names at most a hundred. */
  readonly endpointCount: number;
}

/**
 * Why a request went where it went: plain data of bounded size, made from the same tables and the same functions that
 * decide. Offline it tells what would be drawn from; of a request that ran it also has the draw and the attempts.
 */
export interface DecisionRecord {
  /** Of the tables. */
  readonly version: string;
  /** The destination or the listener. */
  readonly destination: string;
  readonly request: {
    readonly method: string;
    readonly authority: string;
    readonly path: string;
    readonly query: string;
  };
  /** `draw`: forwarded to one of `backends`, by weight. */
  readonly outcome: 'draw' | 'reply' | 'refuse';
  /** Of a reply or a refusal; `completed` when drawn. */
  readonly code: TerminationCode;
  readonly detail: string;
  /** Of a reply made by a step, 0 otherwise; and where it points. */
  readonly status: number;
  readonly location: string;
  readonly winner: MatchRecord | undefined;
  readonly passedOver: readonly PassedOverRecord[];
  readonly passedOverCount: number;
  readonly backends: readonly BackendRecord[];
  /** Index in `backends`; -1 when nothing was drawn yet. */
  readonly drawn: number;
  readonly timeouts: RequestTimeouts | undefined;
  readonly retries: RetryPolicy | undefined;
  readonly attempts: readonly AttemptRecord[];
}

/**
 * Explains what would become of a request to a destination, without sending it; undefined when no routes are held for the
 * key. `nowMs` is the tables' clock: scores of endpoints move with time.
 */
export function explainRequest(
  tables: Tables,
  destination: DestinationKey,
  view: RequestView,
  nowMs: number,
): DecisionRecord | undefined {
  const routes = tables.destination(destination)?.routes;
  return routes === undefined ? undefined : explainRoutes(tables.version, routes, view, nowMs);
}

/** The same for any table of routes, a gateway's listener for one. */
export function explainRoutes(version: string, routes: RouteTable, view: RequestView, nowMs: number): DecisionRecord {
  const { winner, passedOver } = explain(routes.match, lookupView(routes, view));
  const decision = new RouteDecision();
  // Any draw will do to learn whether a step of the rule ends the request before there is one.
  decide(routes, view, () => 0, decision);
  const rule = decision.rule;
  const draws = decision.backendIndex >= 0;
  return {
    version,
    destination: routes.name,
    request: { method: view.method, authority: view.authority, path: view.path, query: view.query },
    outcome: draws ? 'draw' : decision.kind === 'reply' ? 'reply' : 'refuse',
    code: draws ? 'completed' : decision.code,
    detail: draws ? '' : decision.detail,
    status: draws ? 0 : (decision.reply?.status ?? 0),
    location: draws ? '' : (decision.reply?.fields.find(({ name }) => name === 'location')?.value ?? ''),
    winner: winner === undefined ? undefined : matchRecord(routes, winner),
    passedOver: passedOver.slice(0, PASSED_OVER_LIMIT).map(({ entry, field, name, expected, actual }) => ({
      ...matchRecord(routes, entry),
      field,
      name,
      expected,
      actual,
    })),
    passedOverCount: passedOver.length,
    backends: rule === undefined || !draws ? [] : backendRecords(rule, decision.entry, view, nowMs),
    drawn: -1,
    timeouts: rule?.timeouts,
    retries: rule?.retries,
    attempts: [],
  };
}

const pathKinds = {
  [PathKind.Exact]: 'Exact',
  [PathKind.Pattern]: 'RegularExpression',
  [PathKind.Prefix]: 'PathPrefix',
};

function matchRecord(routes: RouteTable, entry: RouteEntry): MatchRecord {
  const { route, rule } = routes.rules[entry.rule]!;
  const path = entry.path === '' ? '/' : entry.path;
  const kind = entry.grpc ? 'gRPC' : pathKinds[entry.pathKind];
  return { route, rule, match: entry.match, path: `${kind} ${path}` };
}

function backendRecords(rule: CompiledRule, entry: RouteEntry, view: RequestView, nowMs: number): BackendRecord[] {
  return rule.backends.map((backend) => {
    const snapshot = backend.state?.snapshot(nowMs);
    return {
      backend: backend.key,
      weight: backend.weight,
      share: backend.weight / rule.totalWeight,
      refused: backend.key === '' ? 'backend-not-found' : backend.state === undefined ? 'no-config' : undefined,
      target: rewrittenTarget(backend, entry, view) || (view.query === '' ? view.path : `${view.path}?${view.query}`),
      state:
        snapshot === undefined ? undefined : { ...snapshot, endpoints: snapshot.endpoints.slice(0, ENDPOINT_LIMIT) },
      endpointCount: snapshot?.endpoints.length ?? 0,
    };
  });
}

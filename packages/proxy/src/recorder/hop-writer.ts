import { explainRoutes } from '@weft/decision';
import type { DecisionRecord, RouteTable } from '@weft/decision';
import { terminationCodes } from '@weft/outcome';
import type { RequestView } from '@weft/routing';
import { type Attempt, type Hop, MAX_TOLD_BYTES, type PassedOver } from '@weft/wire';
import type { KeptRecord } from './decision-ring.ts';
import { clipped, isSecret } from './told-text.ts';

const NAME_BYTES = 600;

type Explained = Pick<Hop, 'passedOver' | 'passedOverCount' | 'passedOverUnknown'>;

/** Matches that are gone through again for one answer: a few milliseconds in which no request is served. */
const MOST_MATCHES = 20_000;
const MOST_PASSED_OVER = 40;

/** How much one answer may still explain. */
export class ExplanationBudget {
  private left = MOST_MATCHES;

  /** False when going through so many matches would be too much. */
  takes(matches: number): boolean {
    if (matches > this.left) return false;
    this.left -= matches;
    return true;
  }
}

/** A record as it is told, with the rules passed over found again. `nowMs` is the clock of the tables. */
export function writeHop(record: KeptRecord, versionNow: string, nowMs: number, budget = new ExplanationBudget()): Hop {
  const { match, durationMs, connectMs, upstreamMs } = record;
  const attempts = attemptsOf(record);
  const waitedMs = record.decideMs + record.backoffMs + record.earlierMs + Math.max(0, connectMs);
  const responseMs = upstreamMs < 0 ? -1 : Math.max(0, durationMs - waitedMs - upstreamMs);
  return {
    requestId: clipped(record.requestId, 256),
    traceId: record.traceId,
    startedAtMs: record.endedAtMs - durationMs,
    durationMs,
    direction: record.inbound ? 'Inbound' : 'Outbound',
    protocol: record.http2 ? 'http2' : 'http1',
    method: clipped(record.method, NAME_BYTES),
    authority: clipped(record.authority, MAX_TOLD_BYTES),
    path: clipped(record.path, MAX_TOLD_BYTES),
    source: clipped(record.source, 2_048),
    destination: clipped(record.destination, NAME_BYTES),
    status: record.status,
    grpcStatus: record.grpcStatus,
    termination: terminationCodes[record.termination] ?? '',
    detail: clipped(record.detail, MAX_TOLD_BYTES),
    route: clipped(match.route, NAME_BYTES),
    rule: clipped(match.rule, NAME_BYTES),
    match: clipped(match.match, MAX_TOLD_BYTES),
    ...explain(record, nowMs, budget),
    backends: match.backends.map(({ backend, weight }) => ({ backend: clipped(backend, NAME_BYTES), weight })),
    drawn: record.drawn < match.backends.length ? record.drawn : -1,
    attempts,
    backend:
      record.backend === null
        ? null
        : {
            ...record.backend,
            healthy: record.backend.endpoints - record.backend.ejected - record.backend.unhealthy,
            ejectedForMs: atLeast(record.backend.ejectedForMs),
          },
    spent: {
      decideMs: atLeast(record.decideMs),
      backoffMs: record.backoffMs,
      earlierMs: record.earlierMs,
      connectMs,
      tlsMs: record.tlsMs,
      upstreamMs,
      responseMs,
      ownMs: record.ownMs,
    },
    requestTimeoutMs: match.requestTimeoutMs,
    tryTimeoutMs: match.tryTimeoutMs,
    leftMs: record.leftMs,
    retriesAllowed: match.retriesAllowed,
    budgetSpent: record.budgetSpent,
    upstreamIdentity: clipped(record.upstreamIdentity, 2_048),
    requestBytes: record.requestBytes,
    responseBytes: record.responseBytes,
    version: record.version,
    versionNow,
    kept: record.kept,
  };
}

function attemptsOf(record: KeptRecord): Attempt[] {
  const earlier = record.tries.map((one): Attempt => ({
    endpoint: clipped(one.endpoint, NAME_BYTES),
    address: clipped(one.address, NAME_BYTES),
    startedMs: one.startedMs,
    durationMs: one.durationMs,
    connectMs: -1,
    status: one.status,
    termination: one.code,
    score: atLeast(one.score),
    rival: '',
    rivalScore: -1,
    retryReason: one.reason,
    backoffMs: one.backoffMs,
  }));
  if (record.attempts <= earlier.length || record.endpoint === '') return earlier;
  const startedMs = record.decideMs + record.backoffMs + record.earlierMs;
  const last: Attempt = {
    endpoint: clipped(record.endpoint, NAME_BYTES),
    address: clipped(record.address, NAME_BYTES),
    startedMs,
    durationMs: Math.max(0, record.durationMs - startedMs),
    connectMs: record.connectMs,
    status: record.upstreamMs < 0 ? 0 : record.status,
    termination: terminationCodes[record.termination] ?? '',
    score: atLeast(record.score),
    rival: clipped(record.rival, NAME_BYTES),
    rivalScore: atLeast(record.rivalScore),
    retryReason: '',
    backoffMs: 0,
  };
  return [...earlier, last];
}

/** Decides again, by the same routes and what was kept of the request: the same function that decided gives the reasons. */
function explain(record: KeptRecord, nowMs: number, budget: ExplanationBudget): Explained {
  const { match } = record;
  if (match.routes === null) return unknown('');
  const routes = match.routes.deref();
  if (routes === undefined) return unknown('these routes were replaced since; what they passed over is gone with them');
  if (match.asked === null) return unknown('the routes ask for more fields than a record holds');
  if (record.pathCut) return unknown('the path or a field was too long to be kept whole');
  if (!budget.takes(routes.match.entries.length)) {
    return unknown('there are too many matches to go through them again; weft explain does it elsewhere');
  }
  const explained = explainAgain(record, routes, nowMs);
  const { winner } = explained;
  if ((winner?.route ?? '') !== match.route || (winner?.rule ?? '') !== match.rule) {
    return unknown('deciding it again leads elsewhere, so the reasons would not be those of this request');
  }
  return {
    passedOver: explained.passedOver.slice(0, MOST_PASSED_OVER).map((one): PassedOver => ({
      route: clipped(one.route, NAME_BYTES),
      rule: clipped(one.rule, NAME_BYTES),
      match: clipped(one.path, MAX_TOLD_BYTES),
      field: one.field,
      name: clipped(one.name, MAX_TOLD_BYTES),
      expected: clipped(one.expected, MAX_TOLD_BYTES),
      actual:
        isSecret(one.name) && one.actual !== undefined ? '(not shown)' : clipped(one.actual ?? '', MAX_TOLD_BYTES),
    })),
    passedOverCount: explained.passedOverCount,
    passedOverUnknown: '',
  };
}

function explainAgain(record: KeptRecord, routes: RouteTable, nowMs: number): DecisionRecord {
  const { method, path, query, authority, fields, match } = record;
  const view: RequestView = {
    method,
    path,
    query,
    authority,
    valueOf: (name) => fields[match.asked?.indexOf(name) ?? -1],
  };
  return explainRoutes(record.version, routes, view, nowMs);
}

function unknown(why: string): Explained {
  return { passedOver: [], passedOverCount: 0, passedOverUnknown: why };
}

/** Scores below 0 stand for none. */
function atLeast(value: number): number {
  return Number.isFinite(value) ? Math.max(-1, value < 0 ? -1 : value) : -1;
}

import type { HeadEdits } from '@weft/http';
import { type Result, fail, ok } from '@weft/kernel';
import type {
  Cors,
  DestinationKey,
  HeaderModifier,
  PathRewrite,
  Redirect,
  RequestTimeouts,
  RetryPolicy,
  RouteFilter,
  RouteRule,
  StatusRange,
  UrlRewrite,
} from '@weft/model';
import type { RequestView, RouteEntry, RouteProblem } from '@weft/routing';
import type { BackendState } from './backend-state.ts';
import { CorsRule, CorsStep } from './cors.ts';
import type { EditBase } from './edit-base.ts';
import { type CompiledMirror, compileMirror } from './mirror.ts';
import { rewritePath } from './path-rewrite.ts';
import { RedirectStep } from './redirect.ts';
import type { Step } from './step.ts';

/** A rule ready to be obeyed. Immutable; shared by all requests that match it. */
export interface CompiledRule {
  /** As in `RouteRule`: for labels, logs and explanations. */
  readonly route: string;
  readonly rule: string;
  readonly source: RouteRule;
  /** Run in order before a backend is drawn. */
  readonly steps: readonly Step[];
  /** In the order of the rule. */
  readonly backends: readonly CompiledBackend[];
  /** Of all backends, resolved or not; 0 when nothing can be drawn. */
  readonly totalWeight: number;
  readonly timeouts: RequestTimeouts;
  readonly retries: RetryPolicy;
  /** 1 at every status that `retries.statuses` names; index 0 to 999. */
  readonly retryStatuses: Uint8Array;
  /** What gRPC-Web callers are served by: the rule is of a GRPCRoute. */
  readonly grpc: boolean;
  /** Marks replies of our own; null without a CORS filter on the rule. */
  readonly cors: CorsRule | null;
}

/** One backend of a rule, with the filters of the rule and its own joined. */
export interface CompiledBackend {
  /** Empty when the reference does not resolve. */
  readonly key: DestinationKey | '';
  readonly weight: number;
  /** Undefined when the reference does not resolve or the backend is not held. */
  readonly state: BackendState | undefined;
  /** Of the rule first, then of the backend, over those every head gets. */
  readonly requestEdits: HeadEdits;
  readonly responseEdits: HeadEdits;
  /** The backend's own where it has one, else the rule's. */
  readonly rewrite: UrlRewrite | null;
  readonly mirrors: readonly CompiledMirror[];
  /** The backend's own where it has one, else the rule's; its slots are in `responseEdits`. */
  readonly cors: CorsRule | null;
  /** Run after this backend was drawn: filters of its own that answer. */
  readonly steps: readonly Step[];
}

/** Finds the state of a backend by key. */
export type BackendLookup = (key: DestinationKey) => BackendState | undefined;

/** What rules are compiled against. */
export interface RuleContext {
  readonly lookup: BackendLookup;
  readonly requestEdits: EditBase;
  readonly responseEdits: EditBase;
  /** The same, with the slots of CORS. */
  readonly corsResponseEdits: EditBase;
}

/** Compiles one rule; its problems are those the codec would have to refuse later, so that they never reach a request. */
export function compileRule(rule: RouteRule, context: RuleContext): Result<CompiledRule, RouteProblem[]> {
  const problems: RouteProblem[] = [];
  const report = (path: string, message: string): void => {
    problems.push({ route: rule.route, rule: rule.rule, path, message });
  };
  const shared = readFilters(rule.filters, 'filters', report);
  const cors = shared.cors === null ? null : new CorsRule(shared.cors);
  // Where a backend has a filter of its own, preflights are answered once the backend is drawn.
  const corsPerBackend = rule.backends.some(({ filters }) => filters.some(({ type }) => type === 'CORS'));
  const backends: CompiledBackend[] = [];
  for (const [index, backend] of rule.backends.entries()) {
    const at = `backendRefs[${index}].filters`;
    const own = readFilters(backend.filters, at, report);
    const requestEdits = context.requestEdits.with(joined(shared.requestModifiers, own.requestModifiers));
    const ownCors = own.cors === null ? cors : new CorsRule(own.cors);
    const responseBase = ownCors === null ? context.responseEdits : context.corsResponseEdits;
    const responseEdits = responseBase.with(joined(shared.responseModifiers, own.responseModifiers));
    if (!requestEdits.ok) report(at, `requestHeaderModifier: ${requestEdits.error.name}: ${requestEdits.error.reason}`);
    if (!responseEdits.ok)
      report(at, `responseHeaderModifier: ${responseEdits.error.name}: ${responseEdits.error.reason}`);
    if (!requestEdits.ok || !responseEdits.ok) continue;
    backends.push({
      key: backend.backend,
      weight: backend.weight,
      state: backend.backend === '' ? undefined : context.lookup(backend.backend),
      requestEdits: requestEdits.value,
      responseEdits: responseEdits.value,
      rewrite: own.rewrite ?? shared.rewrite,
      mirrors: [...shared.mirrors, ...own.mirrors].map((mirror) => compileMirror(mirror, context.lookup)),
      cors: ownCors,
      steps: stepsOf(corsPerBackend ? ownCors : null, own.redirect),
    });
  }
  if (problems.length > 0) return fail(problems);
  return ok({
    route: rule.route,
    rule: rule.rule,
    source: rule,
    steps: stepsOf(corsPerBackend ? null : cors, shared.redirect),
    backends,
    totalWeight: backends.reduce((sum, backend) => sum + backend.weight, 0),
    timeouts: rule.timeouts,
    retries: rule.retries,
    retryStatuses: compileStatuses(rule.retries.statuses),
    grpc: rule.route.startsWith('GRPCRoute '),
    cors,
  });
}

/** The same rule over other backends: what does not name one is shared. Returns `rule` itself when nothing changed. */
export function rebindRule(rule: CompiledRule, lookup: BackendLookup): CompiledRule {
  const stale = rule.backends.some(
    ({ key, state, mirrors }) =>
      (key !== '' && lookup(key) !== state) ||
      mirrors.some((mirror) => mirror.key !== '' && lookup(mirror.key) !== mirror.state),
  );
  if (!stale) return rule;
  const backends = rule.backends.map((backend) => ({
    ...backend,
    state: backend.key === '' ? undefined : lookup(backend.key),
    mirrors: backend.mirrors.map((mirror) => ({
      ...mirror,
      state: mirror.key === '' ? undefined : lookup(mirror.key),
    })),
  }));
  return { ...rule, backends };
}

/** The keys of all backends a rule names, mirrors included. */
export function* backendKeys(rule: CompiledRule): Generator<DestinationKey> {
  for (const { key, mirrors } of rule.backends) {
    if (key !== '') yield key;
    for (const mirror of mirrors) if (mirror.key !== '') yield mirror.key;
  }
}

/** The request target after the rewrite of a drawn backend, query included; empty when it stays as it is. */
export function rewrittenTarget(backend: CompiledBackend, entry: RouteEntry, view: RequestView): string {
  const path = backend.rewrite?.path ?? null;
  if (path === null) return '';
  const target = rewritePath(path, entry, view.path);
  return view.query === '' ? target : `${target}?${view.query}`;
}

const NO_STEPS: readonly Step[] = Object.freeze([]);
const STATUSES = 1000;
const NO_STATUSES = new Uint8Array(STATUSES);

interface Filters {
  readonly requestModifiers: HeaderModifier[];
  readonly responseModifiers: HeaderModifier[];
  readonly mirrors: (RouteFilter & { type: 'RequestMirror' })['mirror'][];
  redirect: Redirect | null;
  rewrite: UrlRewrite | null;
  cors: Cors | null;
}

function stepsOf(cors: CorsRule | null, redirect: Redirect | null): readonly Step[] {
  if (cors === null && redirect === null) return NO_STEPS;
  const steps: Step[] = cors === null ? [] : [new CorsStep(cors)];
  if (redirect !== null) steps.push(new RedirectStep(redirect));
  return steps;
}

type Report = (path: string, message: string) => void;

/** Redirect and rewrite may stand once (Gateway API): the first counts. */
function readFilters(filters: readonly RouteFilter[], at: string, report: Report): Filters {
  const read: Filters = {
    requestModifiers: [],
    responseModifiers: [],
    mirrors: [],
    redirect: null,
    rewrite: null,
    cors: null,
  };
  for (const [index, filter] of filters.entries()) {
    switch (filter.type) {
      case 'RequestHeaderModifier':
        read.requestModifiers.push(filter.modifier);
        break;
      case 'ResponseHeaderModifier':
        read.responseModifiers.push(filter.modifier);
        break;
      case 'RequestMirror':
        read.mirrors.push(filter.mirror);
        break;
      case 'RequestRedirect':
        checkTarget(filter.redirect, `${at}[${index}].requestRedirect`, report);
        read.redirect ??= filter.redirect;
        break;
      case 'URLRewrite':
        checkTarget(filter.rewrite, `${at}[${index}].urlRewrite`, report);
        read.rewrite ??= filter.rewrite;
        break;
      case 'CORS':
        read.cors ??= filter.cors;
        break;
    }
  }
  return read;
}

/** What is written into a request line or a `Location` must not be able to end it: a second wall behind `model`. */
function checkTarget(target: { hostname: string; path: PathRewrite | null }, at: string, report: Report): void {
  if (!/^[A-Za-z0-9.-]*$/.test(target.hostname)) report(`${at}.hostname`, 'the hostname is not a DNS name');
  const path = target.path?.value ?? '';
  if (!/^(\/[!-~]*)?$/.test(path) || /[?#]/.test(path)) {
    report(`${at}.path`, 'the path must be empty or begin with a slash, in visible ASCII without ? and #');
  }
}

function joined(first: readonly HeaderModifier[], second: readonly HeaderModifier[]): readonly HeaderModifier[] {
  return second.length === 0 ? first : [...first, ...second];
}

function compileStatuses(ranges: readonly StatusRange[]): Uint8Array {
  if (ranges.length === 0) return NO_STATUSES;
  const statuses = new Uint8Array(STATUSES);
  for (const { from, to } of ranges) statuses.fill(1, from, to + 1);
  return statuses;
}

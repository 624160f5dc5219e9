import { writeDuration } from '@weft/kernel';
import { type Model, type RouteRule, effectiveTraffic } from '@weft/model';
import type { RouteEntry } from '@weft/routing';
import { matchText } from '../explanation-text.ts';
import type { Complaint } from './finding.ts';
import { type LintCode, lintRules } from './lint-rule.ts';
import { type RoutePlace, type RuleOwner, ownerOf, routePlaces } from './route-place.ts';

/** What is wrong with rules where they compete and with what policies make of them. */
export function lintRoutes(model: Model): Complaint[] {
  const complaints = new Map<string, Complaint>();
  const add = (complaint: Complaint): void => {
    const { object, path, code } = complaint;
    const key = [code, object.kind, object.namespace, object.name, ...path].join(' ');
    // A rule that is attached to several places is told of once.
    if (!complaints.has(key)) complaints.set(key, complaint);
  };
  const shadows = new Shadows();
  for (const place of routePlaces(model)) {
    shadows.take(model, place);
    for (const [position, rule] of place.rules.entries()) {
      const owner = ownerOf(model, rule);
      if (owner === undefined) continue;
      for (const complaint of lintWeights(place, rule, owner)) add(complaint);
      // A rule that nothing reaches has no time and no tries.
      if (place.entries.every((entry) => entry.rule !== position || place.shadowed.has(entry))) continue;
      for (const complaint of lintTimes(model, place, rule, owner)) add(complaint);
    }
  }
  for (const complaint of shadows.complaints()) add(complaint);
  return [...complaints.values()];
}

export function complain(
  code: LintCode,
  { ref }: Pick<RuleOwner, 'ref'>,
  path: Complaint['path'],
  message: string,
  fix: string,
): Complaint {
  return { code, severity: lintRules[code].severity, object: ref, path, message, fix };
}

interface ShadowedMatch {
  readonly owner: RuleOwner;
  readonly match: number;
  readonly by: string;
  readonly place: string;
  /** The match is reached at some other place, or for another hostname. */
  alive: boolean;
}

/** A match that is shadowed everywhere it stands; one that lives anywhere is meant for there. */
class Shadows {
  readonly #matches = new Map<string, ShadowedMatch>();

  take(model: Model, { name, rules, entries, shadowed }: RoutePlace): void {
    for (const entry of entries) {
      const owner = ownerOf(model, rules[entry.rule]!);
      if (owner === undefined) continue;
      const key = `${owner.ref.kind} ${owner.ref.namespace}/${owner.ref.name} ${owner.index} ${entry.match}`;
      const by = shadowed.get(entry);
      const known = this.#matches.get(key);
      if (known !== undefined) known.alive ||= by === undefined;
      else {
        const text = by === undefined ? '' : takerText(rules, by);
        this.#matches.set(key, { owner, match: entry.match, by: text, place: name, alive: by === undefined });
      }
    }
  }

  *complaints(): Generator<Complaint> {
    const byRule = new Map<string, ShadowedMatch[]>();
    for (const match of this.#matches.values()) {
      const { ref, index } = match.owner;
      const key = `${ref.kind} ${ref.namespace}/${ref.name} ${index}`;
      byRule.set(key, [...(byRule.get(key) ?? []), match]);
    }
    for (const matches of byRule.values()) {
      const dead = matches.filter(({ alive }) => !alive);
      const { owner, by, place } = dead[0] ?? matches[0]!;
      const path = ['spec', 'rules', owner.index];
      if (dead.length === matches.length) {
        const message = `no request reaches the rule at ${place}: ${by} takes all that it matches`;
        yield complain(
          'shadowed-rule',
          owner,
          path,
          message,
          'Remove it, or let it match more narrowly than the other',
        );
        continue;
      }
      for (const { match, by: taker, place: where } of dead) {
        const message = `no request reaches this match at ${where}: ${taker} takes all of it`;
        yield complain('shadowed-match', owner, [...path, 'matches', match], message, 'Remove it');
      }
    }
  }
}

function takerText(rules: readonly RouteRule[], entry: RouteEntry): string {
  const { route, rule, matches } = rules[entry.rule]!;
  const match = matches[entry.match];
  return `${route} rule ${rule}${match === undefined ? '' : ` (${matchText(match)})`}`;
}

function* lintWeights(place: RoutePlace, rule: RouteRule, owner: RuleOwner): Generator<Complaint> {
  const path = ['spec', 'rules', owner.index];
  const answers = rule.filters.some(({ type }) => type === 'RequestRedirect');
  if (rule.backends.length === 0 && !answers) {
    const message = `the rule has no backend: ${place.name} answers 500`;
    yield complain('no-backend', owner, path, message, 'Name a backend, or redirect');
  }
  if (rule.backends.length > 0 && rule.backends.every(({ weight }) => weight === 0)) {
    const message = 'all weights are 0: each request is answered 500';
    yield complain('no-weight', owner, [...path, 'backendRefs'], message, 'Give one backend a weight above 0');
  }
}

/** Methods that a client may not repeat of its own accord (RFC 9110 §9.2.2). */
const NOT_IDEMPOTENT = new Set(['POST', 'PATCH', 'CONNECT']);

function* lintTimes(model: Model, place: RoutePlace, rule: RouteRule, owner: RuleOwner): Generator<Complaint> {
  const { requestMs, backendRequestMs, connectMs } = rule.timeouts;
  const path = ['spec', 'rules', owner.index];
  const sources = sourcesOf(model, place, owner);
  const said = (name: string): string => (sources[name] === undefined ? '' : ` (${sources[name]})`);
  const own = owner.route.spec.rules?.[owner.index];
  const saysTimes = own !== undefined && 'timeouts' in own && own.timeouts !== undefined;
  const timesPath = saysTimes ? [...path, 'timeouts'] : path;
  const over = (
    name: string,
    ms: number,
    parent: string,
    parentMs: number,
    fields: readonly [string, string],
  ): Complaint =>
    complain(
      'timeout-over-parent',
      owner,
      timesPath,
      `${name} of ${writeDuration(ms)}${said(fields[0])} is longer than ${parent} of ${writeDuration(parentMs)}${said(fields[1])}`,
      'Shorten the one, or lengthen the other',
    );
  if (requestMs > 0 && backendRequestMs > requestMs) {
    const fields = ['timeouts.backendRequest', 'timeouts.request'] as const;
    yield over('the time-out of a try', backendRequestMs, 'that of the request', requestMs, fields);
  }
  const [enclosingMs, enclosing, field] =
    backendRequestMs > 0 && (requestMs === 0 || backendRequestMs < requestMs)
      ? [backendRequestMs, 'that of a try', 'timeouts.backendRequest']
      : [requestMs, 'that of the request', 'timeouts.request'];
  // The built-in one is nobody's wish.
  const chosen = sources['timeouts.connect'] !== undefined && sources['timeouts.connect'] !== 'built-in';
  if (chosen && enclosingMs > 0 && connectMs > enclosingMs) {
    yield over('the time-out of connecting', connectMs, enclosing, enclosingMs, ['timeouts.connect', field]);
  }
  const { attempts, on, anyMethod } = rule.retries;
  if (attempts > 0 && on.includes('PerTryTimeout') && requestMs > 0 && backendRequestMs >= requestMs) {
    const message = `a try may take ${writeDuration(backendRequestMs)}, the whole request ${writeDuration(requestMs)}: what timed out is never tried again`;
    yield complain('retry-without-time', owner, timesPath, message, 'Let a try take less than the request');
  }
  const methods = rule.matches.map(({ method, grpc }) => (grpc === null ? method : 'POST'));
  if (attempts > 0 && anyMethod && methods.some((method) => method === '' || NOT_IDEMPOTENT.has(method))) {
    const message = `requests that are not idempotent are tried again after they were sent${said('retries')}`;
    const fix = 'Say methods: Idempotent, or match methods that can be repeated';
    yield complain('retry-not-idempotent', owner, path, message, fix);
  }
  const asksForTries = own !== undefined && 'retry' in own && own.retry !== undefined && own.retry.attempts !== 0;
  if (asksForTries && attempts > 0 && !anyMethod && methods.every((method) => NOT_IDEMPOTENT.has(method))) {
    const message = `the rule asks for retries, but matches ${[...new Set(methods)].join(' and ')} only: what was sent is not tried again`;
    const fix = 'Drop retry, or say methods: Any in a TrafficPolicy if repeating does no harm';
    yield complain('retry-without-effect', owner, [...path, 'retry'], message, fix);
  }
}

function sourcesOf(model: Model, { destination, callerNamespace }: RoutePlace, { ref, index }: RuleOwner) {
  if (destination === '') return {};
  const route = `${ref.namespace}/${ref.name}`;
  return effectiveTraffic(model, destination, callerNamespace, route, index)?.request.sources ?? {};
}

import type { Severity } from './finding.ts';

/** What a check looks for beyond what would be refused: taken as it is, but hardly what was meant. */
export interface LintRule {
  readonly severity: Exclude<Severity, 'error'>;
  /** In general; the message of a finding says it of the case. */
  readonly text: string;
}

export const lintRules = {
  'shadowed-rule': warning('A rule never gets a request: rules that stand above it take all that it matches.'),
  'shadowed-match': note('One match of a rule never gets a request; the rule has others that do.'),
  'no-weight': warning('The weights of the backends of a rule sum to 0: each request is answered 500.'),
  'no-backend': warning('A rule of a Gateway has neither a backend nor a redirect: each request is answered 500.'),
  'no-endpoints': warning('A Service that receives requests selects no workload: each request is answered 503.'),
  'timeout-over-parent': warning('A time-out is longer than one that encloses it, and can never run out.'),
  'retry-without-time': warning('A try may take as long as the whole request: what timed out is never tried again.'),
  'retry-not-idempotent': warning('Requests that are not idempotent are tried again after they were sent.'),
  'retry-without-effect': note('Retries are asked for where the method forbids them once a request was sent.'),
  'duplicate-hostname': note('A hostname stands twice, or is covered by a wildcard beside it.'),
  'unserved-hostname': warning('No listener that a route is attached to serves one of its hostnames.'),
  'unused-hostnames': note('Hostnames say nothing under a Service: the address has told the destination already.'),
  'route-without-parent': warning('A route names no parent, so that no request meets it.'),
} as const satisfies Readonly<Record<string, LintRule>>;

export type LintCode = keyof typeof lintRules;

/** Reasons of conditions that are not met, with what to do about each. The words are the standard's. */
export const conditionAdvice: Readonly<Record<string, { readonly text: string; readonly fix: string }>> = {
  BackendNotFound: {
    text: 'A backend names a Service or a port that is not there: its share is answered 500.',
    fix: 'Declare the Service, or name one that is there',
  },
  RefNotPermitted: {
    text: 'A reference into another namespace that no ReferenceGrant there allows.',
    fix: 'Add a ReferenceGrant in the namespace that is referred to',
  },
  InvalidKind: { text: 'A reference to a kind that cannot stand there.', fix: 'Refer to a Service' },
  UnsupportedProtocol: {
    text: 'The port speaks a protocol that this kind of route or listener does not.',
    fix: 'Use the kind of route that fits the port, or declare its appProtocol',
  },
  NoMatchingParent: {
    text: 'A parent that is not there, or has no such port or listener: the route is not used there.',
    fix: 'Name a Service, or a listener of a Gateway, that is there',
  },
  NotAllowedByListeners: {
    text: 'The listeners of the Gateway do not allow routes of this kind or namespace.',
    fix: 'Widen allowedRoutes of the listener, or move the route',
  },
  NoMatchingListenerHostname: {
    text: 'No hostname of the route is served by the listeners.',
    fix: 'Use a hostname that a listener covers',
  },
  RouteTypeConflict: {
    text: 'A route of another kind holds the place; kinds are not mixed.',
    fix: 'Use one kind of route there',
  },
  TargetNotFound: {
    text: 'A policy targets nothing that is there: it has no effect.',
    fix: 'Name an object, and a section of it, that is there',
  },
  Conflicted: {
    text: 'An older policy holds at the same place: this one has no effect.',
    fix: 'Join the two',
  },
  Pending: { text: 'The GatewayClass is not there: nobody serves the Gateway.', fix: 'Declare the GatewayClass' },
};

/** What a code of any finding means in general; undefined for codes of the reader. */
export function describeCode(code: string): string | undefined {
  if (Object.hasOwn(lintRules, code)) return lintRules[code as LintCode].text;
  return conditionAdvice[code]?.text;
}

function warning(text: string): LintRule {
  return { severity: 'warning', text };
}

function note(text: string): LintRule {
  return { severity: 'note', text };
}

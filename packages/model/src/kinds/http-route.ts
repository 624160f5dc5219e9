import type { Report } from '../schema/schema.ts';
import { absolutePath, headerName, isAbsolutePath, preciseHostname } from '../schema/text-format.ts';
import {
  type ValueOf,
  choice,
  dnsNameSchema,
  duration,
  hostnames,
  integer,
  list,
  longestDurationMs,
  notServed,
  object,
  optional,
  required,
  text,
} from './field-vocabulary.ts';
import { cors } from './cors.ts';
import { backendTarget, checkOnce, checkParameters, headerModifier, mirror } from './route-filter.ts';
import { parentRef } from './route-parent.ts';
import { checkRules } from './route-rules.ts';
import { checkPattern, headerMatch, matchType } from './value-match.ts';

const pathMatch = object(
  {
    type: optional(choice(['Exact', 'PathPrefix', 'RegularExpression']), 'How value is compared.', 'PathPrefix'),
    value: optional(text(1024), 'Path to compare with; prefixes match whole elements.', '/'),
  },
  checkPattern,
  (match, report) => {
    if (match.type !== 'RegularExpression' && !isAbsolutePath(match.value ?? '/')) {
      report(['value'], 'bad-value', {
        message: `${JSON.stringify(match.value)} is not allowed`,
        expected: absolutePath.expected,
      });
    }
  },
);

const queryMatch = object(
  {
    type: optional(matchType, 'How value is compared.', 'Exact'),
    name: required(text(256, headerName), 'Name of the query parameter.'),
    value: required(text(1024), 'Value to compare with.'),
  },
  checkPattern,
);

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

const routeMatch = object({
  path: optional(pathMatch, 'The path must match.', 'PathPrefix /'),
  headers: optional(list(headerMatch, 16, { uniqueBy: 'name' }), 'All of them must match.'),
  queryParams: optional(list(queryMatch, 16, { uniqueBy: 'name' }), 'All of them must match.'),
  method: optional(choice(methods), 'The method must be this one.'),
});

const pathRewrite = object(
  {
    type: required(choice(['ReplaceFullPath', 'ReplacePrefixMatch']), 'What is replaced.'),
    replaceFullPath: optional(text(1024), 'The whole new path.'),
    replacePrefixMatch: optional(text(1024, undefined, 0), 'What stands in place of the matched prefix.'),
  },
  (path, report) => {
    const full = path.type === 'ReplaceFullPath';
    if ((path.replaceFullPath !== undefined) !== full || (path.replacePrefixMatch !== undefined) !== !full) {
      const wanted = full ? 'replaceFullPath' : 'replacePrefixMatch';
      report([], 'conflicting-fields', {
        message: `type ${path.type} goes with ${wanted} and no other`,
        expected: wanted,
      });
    }
    const value = path.replaceFullPath ?? path.replacePrefixMatch ?? '';
    if (value !== '' && !isAbsolutePath(value)) {
      const name = full ? 'replaceFullPath' : 'replacePrefixMatch';
      report([name], 'bad-value', {
        message: `${JSON.stringify(value)} is not allowed`,
        expected: absolutePath.expected,
      });
    }
  },
);

const redirect = object({
  scheme: optional(choice(['http', 'https']), 'Scheme of Location.', "the request's"),
  hostname: optional(text(253, preciseHostname), 'Host of Location.', "the request's"),
  path: optional(pathRewrite, 'Path of Location.', "the request's"),
  port: optional(integer(1, 65_535), 'Port of Location.', "the scheme's, else the listener's"),
  statusCode: optional(choice([301, 302, 303, 307, 308]), 'Status of the reply.', '302'),
});

const urlRewrite = object({
  hostname: optional(text(253, preciseHostname), 'Host that the backend sees.'),
  path: optional(pathRewrite, 'Path that the backend sees.'),
});

const filterTypes = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'RequestMirror',
  'CORS',
] as const;

const filterFields = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  RequestMirror: 'requestMirror',
  CORS: 'cors',
} as const;

const filter = object(
  {
    type: required(
      choice(filterTypes, ['ExternalAuth', 'ExtensionRef']),
      'Which filter; the field of its name holds its parameters.',
    ),
    requestHeaderModifier: optional(headerModifier, 'Changes headers of requests.'),
    responseHeaderModifier: optional(headerModifier, 'Changes headers of responses.'),
    requestRedirect: optional(redirect, 'Answers with a redirect.'),
    urlRewrite: optional(urlRewrite, 'Changes host and path before the backend sees them.'),
    requestMirror: optional(mirror, 'Sends copies elsewhere.'),
    cors: optional(cors, 'Answers cross-origin preflights and marks responses.'),
    externalAuth: notServed('The ExternalAuth filter'),
    extensionRef: notServed('The ExtensionRef filter'),
  },
  (value, report) => checkParameters(value, filterFields, report),
);

const backendRef = object(
  {
    ...backendTarget,
    weight: optional(integer(0, 1_000_000), 'Share relative to the other backends of the rule.', '1'),
    filters: optional(list(filter, 16), 'Filters for requests that go to this backend.'),
  },
  (backend, report) => checkFilters(backend.filters ?? [], ['filters'], report),
);

const rule = object(
  {
    name: optional(dnsNameSchema, 'Name of the rule, for policies and people.'),
    matches: optional(list(routeMatch, 64), 'One of them must match.', 'PathPrefix /'),
    filters: optional(list(filter, 16), 'Filters for all requests of the rule.'),
    backendRefs: optional(
      list(backendRef, 16),
      'Where requests go, by weight. Under a Service parent, absent means that Service.',
    ),
    timeouts: optional(
      object(
        {
          request: optional(
            duration(0, longestDurationMs),
            'From the first byte of a request to the end of its response, all tries; 0s is off.',
          ),
          backendRequest: optional(duration(0, longestDurationMs), 'One try; 0s is off.'),
        },
        (timeouts, report) => {
          if (timeouts.request === undefined || timeouts.request === 0 || timeouts.backendRequest === undefined) return;
          if (timeouts.backendRequest <= timeouts.request) return;
          report(['backendRequest'], 'out-of-range', { message: 'backendRequest is longer than request' });
        },
      ),
      'Win over every TrafficPolicy for this rule.',
    ),
    retry: optional(
      object({
        codes: optional(list(integer(400, 599), 64, { uniqueBy: '' }), 'Statuses that are tried again.'),
        attempts: optional(integer(0, 100), 'Tries after the first.'),
        backoff: optional(duration(1, longestDurationMs), 'Least time before a try.'),
      }),
      'Wins over every TrafficPolicy for this rule (experimental channel).',
    ),
    sessionPersistence: notServed('Session persistence'),
  },
  (value, report) => {
    const filters = value.filters ?? [];
    checkFilters(filters, ['filters'], report);
    const redirects = filters.some(({ type }) => type === 'RequestRedirect');
    if (redirects && (value.backendRefs ?? []).length > 0) {
      report(['backendRefs'], 'conflicting-fields', {
        message: 'a rule that redirects has no backends',
        fix: 'Remove backendRefs.',
      });
    }
    const matches = value.matches ?? [];
    const prefixOnly =
      matches.length <= 1 && matches.every(({ path }) => (path?.type ?? 'PathPrefix') === 'PathPrefix');
    const check = (list: readonly HttpRouteFilter[], path: readonly (string | number)[]): void => {
      for (const [index, each] of list.entries()) {
        const rewrite = each.requestRedirect?.path ?? each.urlRewrite?.path;
        if (rewrite?.type !== 'ReplacePrefixMatch' || prefixOnly) continue;
        const message = 'ReplacePrefixMatch needs a rule with exactly one match, of type PathPrefix';
        report([...path, index], 'conflicting-fields', { message });
      }
    };
    check(filters, ['filters']);
    for (const [index, backend] of (value.backendRefs ?? []).entries()) {
      check(backend.filters ?? [], ['backendRefs', index, 'filters']);
      if (!(backend.filters ?? []).some(({ type }) => type === 'RequestRedirect')) continue;
      report(['backendRefs', index, 'filters'], 'unsupported-value', {
        message: 'RequestRedirect on a backend is not served',
        fix: 'Put it on the rule.',
      });
    }
  },
);

/** Gateway API `HTTPRoute` v1, for `Gateway` and `Service` parents. */
export const httpRouteSpecSchema = object(
  {
    parentRefs: optional(list(parentRef, 32), 'Gateways and Services that the route attaches to.'),
    hostnames: optional(hostnames(), 'Hosts that the route serves on a Gateway; not used under a Service parent.'),
    rules: optional(list(rule, 16, { min: 1 }), 'Rules; the most specific match wins, not the first.'),
    useDefaultGateways: notServed('Default Gateways'),
  },
  (spec, report) => checkRules(spec.rules ?? [], report),
);

export type HttpRouteSpec = ValueOf<typeof httpRouteSpecSchema>;
export type HttpRouteRule = ValueOf<typeof rule>;
export type HttpRouteMatch = ValueOf<typeof routeMatch>;
export type HttpRouteFilter = ValueOf<typeof filter>;
export type HttpRouteBackendRef = ValueOf<typeof backendRef>;
export type HttpRoutePathRewrite = ValueOf<typeof pathRewrite>;

function checkFilters(filters: readonly HttpRouteFilter[], path: readonly string[], report: Report): void {
  checkOnce(filters, path, report);
  const has = (wanted: HttpRouteFilter['type']): boolean => filters.some(({ type }) => type === wanted);
  if (has('RequestRedirect') && has('URLRewrite')) {
    report(path, 'conflicting-fields', { message: 'RequestRedirect and URLRewrite exclude one another' });
  }
}

import type { CheckRegularExpression, Report } from '../schema/schema.ts';
import { absolutePath, headerName, headerValue, isAbsolutePath, preciseHostname } from '../schema/text-format.ts';
import {
  type ValueOf,
  choice,
  dnsNameSchema,
  duration,
  gatewayApiGroup,
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

const parentRef = object({
  group: optional(text(253, undefined, 0), 'Group of the parent; "" for a Service.', gatewayApiGroup),
  kind: optional(text(63), 'Gateway or Service.', 'Gateway'),
  namespace: optional(dnsNameSchema, 'Namespace of the parent.', "the route's"),
  name: required(dnsNameSchema, 'Name of the parent.'),
  sectionName: optional(dnsNameSchema, 'One listener of the Gateway, or one named port of the Service.'),
  port: optional(integer(1, 65_535), 'Only this port of the parent.'),
});

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

const matchType = choice(['Exact', 'RegularExpression']);

const headerMatch = object(
  {
    type: optional(matchType, 'How value is compared.', 'Exact'),
    name: required(text(256, headerName), 'Name of the header, in any case.'),
    value: required(text(4096, headerValue), 'Value to compare with.'),
  },
  checkPattern,
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

const headerField = object({
  name: required(text(256, headerName), 'Name of the header.'),
  value: required(text(4096, headerValue), 'Value of the header.'),
});

/** Headers that say where a message ends or belong to one connection: a filter that changed them would break framing. */
const framingHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const headerModifier = object(
  {
    set: optional(list(headerField, 16, { uniqueBy: 'name' }), 'Headers to overwrite.'),
    add: optional(list(headerField, 16, { uniqueBy: 'name' }), 'Headers to append to.'),
    remove: optional(list(text(256, headerName), 16, { uniqueBy: '' }), 'Headers to remove.'),
  },
  (modifier, report) => {
    const check = (name: string, path: readonly (string | number)[]): void => {
      if (!framingHeaders.has(name.toLowerCase())) return;
      report(path, 'bad-value', {
        message: `${name} frames the message and can't be changed`,
        expected: 'another header',
      });
    };
    for (const [index, { name }] of (modifier.set ?? []).entries()) check(name, ['set', index, 'name']);
    for (const [index, { name }] of (modifier.add ?? []).entries()) check(name, ['add', index, 'name']);
    for (const [index, name] of (modifier.remove ?? []).entries()) check(name, ['remove', index]);
  },
);

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

const backendTarget = {
  group: optional(text(253, undefined, 0), 'Group of the backend.', '""'),
  kind: optional(text(63), 'Kind of the backend.', 'Service'),
  namespace: optional(dnsNameSchema, 'Namespace of the backend; another one needs a ReferenceGrant.', "the route's"),
  name: required(dnsNameSchema, 'Name of the backend.'),
  port: optional(integer(1, 65_535), 'Port of the Service; required for one.'),
};

const mirror = object(
  {
    backendRef: required(object(backendTarget), 'Where copies go; their answers are dropped.'),
    percent: optional(integer(0, 100), 'Share of requests that are copied.', '100'),
    fraction: optional(
      object(
        {
          numerator: required(integer(0, 2_147_483_647), 'Of denominator requests, so many are copied.'),
          denominator: optional(integer(1, 2_147_483_647), 'Of so many requests.', '100'),
        },
        (fraction, report) => {
          if (fraction.numerator > (fraction.denominator ?? 100)) {
            report(['numerator'], 'out-of-range', { message: 'numerator is above denominator' });
          }
        },
      ),
      'Share of requests that are copied.',
    ),
  },
  (value, report) => {
    if (value.percent !== undefined && value.fraction !== undefined) {
      report(['percent'], 'conflicting-fields', {
        message: 'percent and fraction are both set',
        expected: 'one of them',
      });
    }
  },
);

const filterTypes = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'RequestMirror',
] as const;

const filterFields = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  RequestMirror: 'requestMirror',
} as const;

const filter = object(
  {
    type: required(
      choice(filterTypes, ['CORS', 'ExternalAuth', 'ExtensionRef']),
      'Which filter; the field of its name holds its parameters.',
    ),
    requestHeaderModifier: optional(headerModifier, 'Changes headers of requests.'),
    responseHeaderModifier: optional(headerModifier, 'Changes headers of responses.'),
    requestRedirect: optional(redirect, 'Answers with a redirect.'),
    urlRewrite: optional(urlRewrite, 'Changes host and path before the backend sees them.'),
    requestMirror: optional(mirror, 'Sends copies elsewhere.'),
    cors: notServed('The CORS filter'),
    externalAuth: notServed('The ExternalAuth filter'),
    extensionRef: notServed('The ExtensionRef filter'),
  },
  (value, report) => {
    for (const [type, name] of Object.entries(filterFields)) {
      if ((value[name] !== undefined) === (value.type === type)) continue;
      const message = value.type === type ? `${name} is missing` : `${name} does not belong to type ${value.type}`;
      report([name], 'conflicting-fields', { message, expected: filterFields[value.type] });
    }
  },
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
  (spec, report) => {
    const rules = spec.rules ?? [];
    const matches = rules.reduce((count, each) => count + (each.matches?.length ?? 1), 0);
    if (matches > 128) {
      report(['rules'], 'too-long', { message: `${matches} matches in all rules`, expected: 'at most 128' });
    }
    const names = new Set<string>();
    for (const [index, { name }] of rules.entries()) {
      if (name === undefined) continue;
      if (names.has(name))
        report(['rules', index, 'name'], 'duplicate-entry', { message: `${name} names an earlier rule` });
      names.add(name);
    }
  },
);

export type HttpRouteSpec = ValueOf<typeof httpRouteSpecSchema>;
export type HttpRouteRule = ValueOf<typeof rule>;
export type HttpRouteMatch = ValueOf<typeof routeMatch>;
export type HttpRouteFilter = ValueOf<typeof filter>;
export type HttpRouteParentRef = ValueOf<typeof parentRef>;
export type HttpRouteBackendRef = ValueOf<typeof backendRef>;
export type HttpRoutePathRewrite = ValueOf<typeof pathRewrite>;
export type HttpRouteHeaderModifier = ValueOf<typeof headerModifier>;
export type HttpRouteMirror = ValueOf<typeof mirror>;

function checkFilters(filters: readonly HttpRouteFilter[], path: readonly string[], report: Report): void {
  const seen = new Set<string>();
  for (const [index, { type }] of filters.entries()) {
    if (type !== 'RequestMirror' && seen.has(type)) {
      report([...path, index, 'type'], 'duplicate-entry', { message: `${type} stands there twice`, expected: 'once' });
    }
    seen.add(type);
  }
  if (seen.has('RequestRedirect') && seen.has('URLRewrite')) {
    report(path, 'conflicting-fields', { message: 'RequestRedirect and URLRewrite exclude one another' });
  }
}

/** A backtracking engine never sees a pattern of a user: RE2 syntax is checked here, linear time is the router's. */
function checkPattern(
  match: { readonly type?: string; readonly value?: string },
  report: Report,
  checkRegularExpression: CheckRegularExpression,
): void {
  if (match.type !== 'RegularExpression') return;
  const fault = checkRegularExpression(match.value ?? '');
  if (fault !== undefined)
    report(['value'], 'bad-value', { message: fault, expected: 'a regular expression in RE2 syntax' });
}
